//! The statements of a save, sent by pgbench: what PostgreSQL does on this machine without anything in front of it.

use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardwire_domain::url::CardUrl;
use cardwire_storage::postgres::{CARD_BY_URL, SAVE};
use cardwire_testkit::postgres::Database;
use tokio::process::Command;
use tokio::time::timeout;

use crate::report::Progress;

/// As the pool of the processes sets them.
const PGOPTIONS: &str = "-c enable_seqscan=off -c enable_hashjoin=off -c enable_mergejoin=off -c jit=off";
const PATIENCE: Duration = Duration::from_secs(600);

// A colon before a letter would be taken for a variable.
const PERSON: &str = "('did' || chr(58) || 'plc' || chr(58) || 'person' || :client_id::int8)";
const URL: &str = "('https://example.com/articles/' || :client_id::int8 || '/' || :n::int8)";
const DIGEST: &str =
    "sha256(convert_to(('https://example.com/articles/' || :client_id::int8 || '/' || :n::int8), 'UTF8'))";

/// Saves per second; `None` without pgbench.
pub async fn run(database: &Database, count: usize, concurrency: usize) -> anyhow::Result<Option<f64>> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("save.sql");
    std::fs::write(&file, script())?;
    let _progress = Progress::of("the same statements by pgbench");
    let mut command = Command::new("pgbench");
    command
        .args(["--no-vacuum", "--protocol=prepared", "--jobs=2", "--define=n=0", "--define=empty={}"])
        .arg(format!("--client={concurrency}"))
        .arg(format!("--transactions={}", (count / concurrency).max(1)))
        .arg("--file")
        .arg(&file)
        .arg(database.url())
        .env("PGOPTIONS", PGOPTIONS)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = match timeout(PATIENCE, command.output()).await.context("pgbench takes too long")? {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            eprintln!("  pgbench is not installed: no comparison");
            return Ok(None);
        }
        output => output.context("running pgbench")?,
    };
    let text = String::from_utf8_lossy(&output.stdout);
    ensure!(output.status.success(), "pgbench failed: {text}{}", String::from_utf8_lossy(&output.stderr));
    let tps = text.lines().find_map(|line| line.strip_prefix("tps = ")?.split(' ').next());
    Ok(Some(tps.context("pgbench gives no tps")?.parse()?))
}

/// The statements with values that pgbench can make: a counter for each client gives new URLs, and ids that rise.
fn script() -> String {
    let read = filled(CARD_BY_URL, &[PERSON.to_owned(), DIGEST.to_owned()]);
    let write = filled(SAVE, &values());
    let write = write.replace("HH24:MI:SS.US\"Z\"'", "HH24' || chr(58) || 'MI' || chr(58) || 'SS.US\"Z\"'");
    format!("\\set n :n + 1\n{read};\n{};\n", write.replace('\n', " "))
}

/// One of the ids of a save.
fn id(kind: u8) -> String {
    format!("(lpad(to_hex(:n::int8), 12, '0') || lpad(to_hex(:client_id::int8 * 16 + {kind}), 20, '0'))::uuid")
}

/// Of the parameters of [`SAVE`], as for a save of a new URL without note, collections or idempotency key.
fn values() -> Vec<String> {
    let (card, link, event) = (id(1), id(2), id(3));
    let none = |kind: &str| format!(":empty::{kind}[]");
    let null = |kind: &str| format!("nullif(:empty, '{{}}')::{kind}");
    let envelope = format!(
        "jsonb_build_object('specversion', '1.0', 'id', {event}, 'source', '/cardwire', 'type', 'CardAddedToLibrary.v2', \
         'subject', {card}, 'time', '1970-01-01T00' || chr(58) || '00', 'datacontenttype', 'application/json', \
         'traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01', 'partitionkey', {card} || '-' || {PERSON}, \
         'data', jsonb_build_object('cardId', {card}, 'actorId', {PERSON}, 'linkId', {link}, 'visibility', 'PUBLIC'))"
    );
    vec![
        none("uuid"),
        none("int8"),
        format!("ARRAY[{card}]"),
        format!("ARRAY[{PERSON}]"),
        format!("ARRAY[{URL}]"),
        format!("ARRAY[{URL}]"),
        format!("ARRAY[{DIGEST}]"),
        format!("ARRAY[{}]", null("uuid")),
        format!("ARRAY[{link}]"),
        none("uuid"),
        none("uuid"),
        none("uuid"),
        none("uuid"),
        none("uuid"),
        none("text"),
        none("uuid"),
        none("uuid"),
        none("uuid"),
        none("uuid"),
        none("uuid"),
        format!("ARRAY[{event}]"),
        "ARRAY['CardAddedToLibrary.v2']".to_owned(),
        format!("ARRAY[{envelope}]"),
        "ARRAY['feeds', 'search', 'analytics', 'records']".to_owned(),
        format!("ARRAY[{event}, {event}, {event}, {event}]"),
        null("text"),
        null("text"),
        null("text"),
        null("jsonb"),
        "false".to_owned(),
        "ARRAY[true, true, true, true]".to_owned(),
        "10::float8".to_owned(),
        "ARRAY[false]".to_owned(),
        none("bool"),
        none("bool"),
        none("bool"),
        none("bool"),
        none("uuid"),
        none("uuid"),
        none("bool"),
        format!("ARRAY[{PERSON}]"),
        CardUrl::RULES.to_string(),
        none("uuid"),
        "ARRAY[NULL::timestamptz]".to_owned(),
        none("timestamptz"),
        none("timestamptz"),
        format!("ARRAY[{}]", null("text")),
        none("bool"),
        none("text"),
        "false".to_owned(),
    ]
}

/// The statement with `$1`, `$2`, … replaced.
fn filled(statement: &str, values: &[String]) -> String {
    // The longest numbers first: `$1` is the start of `$12`.
    let numbered = values.iter().enumerate().rev();
    numbered.fold(statement.to_owned(), |sql, (index, value)| sql.replace(&format!("${}", index + 1), value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_has_a_value() {
        let numbers = SAVE.split('$').skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            rest[..end].parse().unwrap()
        });
        assert_eq!(numbers.max(), Some(values().len()));
        let script = script();
        assert!(!script.contains('$'), "{script}");
        assert_eq!(script.lines().count(), 3);
        let casts_apart = script.replace("::", " ");
        let names = casts_apart.split(':').skip(1).map(|rest| {
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            &rest[..end]
        });
        for name in names.filter(|name| !name.is_empty()) {
            assert!(["n", "empty", "client_id"].contains(&name), "pgbench would take :{name} for a variable");
        }
    }
}
