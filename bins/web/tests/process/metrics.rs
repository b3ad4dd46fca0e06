//! What `/metrics` of a running process says, read as strictly as Prometheus reads it.

use std::collections::{BTreeMap, BTreeSet};

use cardwire_runtime::metrics::METRICS;
use cardwire_testkit::process::Process;
use tokio::time::{Duration, Instant, sleep};

#[derive(Debug, Default)]
struct Exposition {
    /// Name -> kind.
    types: BTreeMap<String, String>,
    helps: BTreeMap<String, String>,
    /// Name and labels -> value.
    series: BTreeMap<(String, BTreeMap<String, String>), f64>,
}

fn is_name(text: &str, colons: bool) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || (colons && c == ':');
    text.starts_with(letter) && text.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// `{a="b",…}` at the start of a text, and what is behind it.
fn labels(text: &str) -> Result<(BTreeMap<String, String>, &str), String> {
    let mut labels = BTreeMap::new();
    let Some(mut rest) = text.strip_prefix('{') else { return Ok((labels, text)) };
    loop {
        if let Some(behind) = rest.strip_prefix('}') {
            return Ok((labels, behind));
        }
        let (name, behind) = rest.split_once("=\"").ok_or("a label without a value")?;
        if !is_name(name, false) || name.starts_with("__") {
            return Err(format!("{name:?} is no label"));
        }
        let mut value = String::new();
        let mut characters = behind.char_indices();
        let end = loop {
            match characters.next().ok_or("a value without end")? {
                (at, '"') => break at,
                (_, '\\') => match characters.next() {
                    Some((_, '\\')) => value.push('\\'),
                    Some((_, '"')) => value.push('"'),
                    Some((_, 'n')) => value.push('\n'),
                    other => return Err(format!("{other:?} is no escape")),
                },
                (_, c) => value.push(c),
            }
        };
        if labels.insert(name.to_owned(), value).is_some() {
            return Err(format!("{name} twice"));
        }
        let behind = &behind[end + 1..];
        rest = behind.strip_prefix(',').unwrap_or(behind);
        if !behind.starts_with([',', '}']) {
            return Err("labels are not separated".into());
        }
    }
}

fn parse(text: &str) -> Result<Exposition, String> {
    let mut found = Exposition::default();
    for line in text.lines().filter(|line| !line.is_empty()) {
        let wrong = |why: String| format!("{why}: {line}");
        if let Some(comment) = line.strip_prefix("# ") {
            let mut words = comment.splitn(3, ' ');
            let (what, name, rest) = (words.next(), words.next().unwrap_or_default(), words.next().unwrap_or_default());
            let kept = match what {
                Some("HELP") => found.helps.insert(name.into(), rest.into()),
                Some("TYPE") => found.types.insert(name.into(), rest.into()),
                _ => continue,
            };
            if kept.is_some() || rest.is_empty() || !is_name(name, true) {
                return Err(wrong("told twice, or nothing".into()));
            }
            continue;
        }
        let end = line.find(['{', ' ']).ok_or_else(|| wrong("no value".into()))?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = labels(rest).map_err(wrong)?;
        let value = rest.trim().parse().map_err(|_| wrong("its value is no number".into()))?;
        let typed = found.types.keys().any(|typed| {
            let histogram = found.types[typed] == "histogram";
            name == typed
                || (histogram
                    && name
                        .strip_prefix(typed.as_str())
                        .is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end)))
        });
        if !is_name(name, true) || !typed {
            return Err(wrong("its type was not told before".into()));
        }
        if found.series.insert((name.to_owned(), labels), value).is_some() {
            return Err(wrong("the same series twice".into()));
        }
    }
    Ok(found)
}

/// Buckets pile up, the last one holds all, and sum and count are there.
fn check_histogram(found: &Exposition, name: &str) {
    let mut of: BTreeMap<BTreeMap<String, String>, Vec<(f64, f64)>> = BTreeMap::new();
    let bucket = format!("{name}_bucket");
    for ((series, labels), value) in found.series.iter().filter(|((series, _), _)| *series == bucket) {
        let mut labels = labels.clone();
        let le = labels.remove("le").unwrap_or_else(|| panic!("{series} without le"));
        of.entry(labels).or_default().push((le.parse().unwrap(), *value));
    }
    for (labels, mut buckets) in of {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by_key(|(_, count)| *count), "{name}{labels:?}: {buckets:?}");
        let (le, all) = *buckets.last().unwrap();
        assert_eq!(le, f64::INFINITY, "{name}{labels:?}");
        assert_eq!(found.series.get(&(format!("{name}_count"), labels.clone())), Some(&all), "{name}{labels:?}");
        assert!(found.series.contains_key(&(format!("{name}_sum"), labels.clone())), "{name}{labels:?}");
    }
}

#[test]
fn what_prometheus_refuses_is_refused() {
    parse("# HELP a b\n# TYPE a counter\na{x=\"\\\"}\",y=\"\"} 1\na 2\n").unwrap();
    for bad in [
        "a 1",
        "# TYPE a counter\na 1\na 1",
        "# TYPE a counter\na{x=\"1\"} 1\na{x=\"1\"} 2",
        "# TYPE a counter\n# TYPE a counter",
        "# TYPE a counter\na{x} 1",
        "# TYPE a counter\na{x=\"1} 1",
        "# TYPE a counter\na{x=\"1\"y=\"2\"} 1",
        "# TYPE a counter\na{x-y=\"1\"} 1",
        "# TYPE a counter\na one",
        "# TYPE a counter\na_bucket 1",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}

#[tokio::test]
async fn a_running_process_tells_metrics_that_prometheus_can_read() {
    let mut web = Process::start("web", &crate::mock());
    web.ready().await;
    let client = cardwire_testkit::net::http_client();
    crate::save(&client, &web, "https://card.invalid/\"quoted\"").await;
    let missing = client.get(web.url("/nowhere/%22{}")).send().await.unwrap();
    assert_eq!(missing.status().as_u16(), 404);

    let url = format!("http://127.0.0.1:{}/metrics", web.metrics_port);
    let deadline = Instant::now() + Duration::from_secs(30);
    let found = loop {
        let answer = client.get(&url).send().await.unwrap();
        assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4");
        let text = answer.text().await.unwrap();
        let found = parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let flushed = ("cardwire_saga_windows_flushed_total".to_owned(), BTreeMap::new());
        if found.series.get(&flushed) == Some(&1.0) {
            break found;
        }
        assert!(Instant::now() < deadline, "the save is not flushed:\n{text}");
        sleep(Duration::from_millis(50)).await;
    };

    let described: BTreeMap<&str, (&str, &str)> =
        METRICS.iter().map(|(name, kind, meaning)| (*name, (kind.name(), *meaning))).collect();
    for (name, kind) in &found.types {
        let (expected, meaning) = described.get(name.as_str()).unwrap_or_else(|| panic!("{name} is not described"));
        assert_eq!(kind, expected, "{name}");
        assert_eq!(found.helps.get(name).map(String::as_str), Some(*meaning), "{name}");
        if kind == "histogram" {
            check_histogram(&found, name);
        }
    }
    let names: BTreeSet<_> = found.types.keys().map(String::as_str).collect();
    for name in [
        "cardwire_build_info",
        "cardwire_http_requests_total",
        "cardwire_http_request_duration_seconds",
        "cardwire_event_age_seconds",
        "cardwire_saga_flush_lateness_seconds",
        "cardwire_owed_events",
        "cardwire_oldest_owed_seconds",
        "cardwire_dead_letters",
        "cardwire_queue_entries",
        "cardwire_saga_windows_open",
    ] {
        assert!(names.contains(name), "{name} is missing: {names:?}");
    }
    println!("{} metrics, {} series", found.types.len(), found.series.len());

    // The subcommand asks the process that runs with the same settings.
    let port = web.metrics_port.to_string();
    let check = |arguments: &[&str]| {
        let mut command = std::process::Command::new(cardwire_testkit::process::binary("web"));
        command.args(arguments).env_clear().envs(crate::mock()).env("METRICS_PORT", &port);
        command.output().unwrap().status.code()
    };
    assert_eq!((check(&["healthcheck"]), check(&["healthcheck", "--live"])), (Some(0), Some(0)));
    web.kill();
    assert_eq!((check(&["healthcheck"]), check(&["healthcheck", "--live"])), (Some(1), Some(1)));
}
