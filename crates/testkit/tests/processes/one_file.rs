//! Cardwire as one process over one file, killed again and again.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use cardwire_testkit::history::{Checked, History};
use cardwire_testkit::longer::told;
use cardwire_testkit::net::free_port;
use cardwire_testkit::postgres::Postgres;
use cardwire_testkit::process::Process;
use cardwire_testkit::stack::Client;
use nix::sys::signal::Signal;
use sqlx::PgPool;
use tokio::time::{Instant, sleep};

use crate::random::{Random, save_all};

/// On the same ports whenever it is started.
pub(crate) fn environment(file: &Path) -> BTreeMap<String, String> {
    [
        ("APP_ENV", "development".to_owned()),
        ("USE_MOCK_AUTH", "true".to_owned()),
        ("DATABASE_URL", format!("sqlite:{}", file.display())),
        ("PORT", free_port().to_string()),
        ("METRICS_PORT", free_port().to_string()),
        ("RUST_LOG", "info,actix_server=warn,cardwire_http=warn,cardwire_workers=warn".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// Stops the process once everything has had its effect, and holds what is in the file against the answers: by moving it to PostgreSQL,
/// where the checker knows its way.
pub(crate) async fn check(web: &mut Process, environment: &BTreeMap<String, String>, history: &History) -> Checked {
    web.signal(Signal::SIGTERM);
    let status = web.ended().await;
    assert_eq!(status.code(), Some(0), "{}", web.log());
    assert!(web.log().contains(r#""owed":0"#), "{}", web.log());
    assert_eq!(not_in_search(&environment["DATABASE_URL"]), 0, "cards that search does not know, or should not");
    let server = Postgres::shared().expect("PostgreSQL is there");
    let database = server.database().await.expect("a database is made");
    let mut moving = Process::start_with("web", &["move", "--to", database.url()], environment);
    assert_eq!(moving.ended().await.code(), Some(0), "{}", moving.log());
    let pool = PgPool::connect(database.url()).await.expect("PostgreSQL is there");
    history.check(&pool).await.unwrap_or_else(|error| panic!("{error:#}"))
}

/// The move builds the search index again, so this looks into the file.
fn not_in_search(url: &str) -> i64 {
    let file = rusqlite::Connection::open(url.trim_start_matches("sqlite:")).unwrap();
    let sql = "SELECT count(*) FROM (SELECT id FROM cards WHERE library_link IS NOT NULL) c \
               FULL JOIN search_documents d ON d.card_id = c.id WHERE c.id IS NULL OR d.card_id IS NULL";
    file.query_row(sql, [], |row| row.get(0)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn random_kills_of_one_process_over_one_file() {
    let seconds = told("FAULT_SECONDS", 20);
    let keys = usize::try_from(told("FAULT_KEYS", 1_000)).unwrap();
    let mut random = Random(told("FAULT_SEED", 1));
    let folder = tempfile::tempdir().unwrap();
    let environment = environment(&folder.path().join("cardwire.db"));
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let client = Client::of(&web);
    let (people, urls) = (20, keys / 20);
    let pause = Duration::from_millis(seconds * 500 / urls as u64);
    let load = tokio::spawn(async move { save_all(&client, people, urls, pause).await });
    let (started, mut kills) = (Instant::now(), 0);
    while started.elapsed() < Duration::from_secs(seconds) {
        sleep(Duration::from_millis(500 + random.below(1_500) as u64)).await;
        web.kill();
        web = Process::start("web", &environment);
        kills += 1;
    }
    web.ready().await;
    let history = load.await.unwrap();
    let checked = check(&mut web, &environment, &history).await;
    println!("one file: {kills} kills in {seconds} s: {checked:?}");
    assert!(checked.accepted >= keys, "{checked:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_any_moment_hold_every_answered_save() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cardwire.db");
    let mut environment = environment(&file);
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let client = Client::of(&web);
    let mut random = Random(told("FAULT_SEED", 1));
    let mut history = History::default();
    let copy = folder.path().join("copy.db");
    for round in 0..5 {
        for n in 0..20 + random.below(60) {
            assert!(client.save("did:plc:alice", &format!("https://example.com/{round}/{n}"), &[], &mut history).await);
        }
        let others = tokio::spawn({
            let client = client.clone();
            async move { save_all(&client, 4, 20, Duration::ZERO).await }
        });
        sleep(Duration::from_millis(random.below(100) as u64)).await;
        // As a snapshot of the disk, or a power failure, finds them. What SQLite shares in memory is not among them.
        web.signal(Signal::SIGSTOP);
        for end in ["", "-wal"] {
            let name = |path: &Path| std::path::PathBuf::from(format!("{}{end}", path.display()));
            std::fs::copy(name(&file), name(&copy)).unwrap();
        }
        web.signal(Signal::SIGCONT);
        others.await.unwrap();

        environment.insert("DATABASE_URL".into(), format!("sqlite:{}", copy.display()));
        for port in ["PORT", "METRICS_PORT"] {
            environment.insert(port.into(), free_port().to_string());
        }
        let mut restored = Process::start("web", &environment);
        restored.ready().await;
        let checked = check(&mut restored, &environment, &history).await;
        println!("round {round}: {checked:?}");
        for end in ["", "-wal", "-shm"] {
            // The last two go when the file is closed.
            let _ = std::fs::remove_file(format!("{}{end}", copy.display()));
        }
    }
}
