//! Unusable files and failing disks: each gives one clear line, and nothing is lost.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::library::{LibraryFilter, LibraryRepository};
use cardwire_domain::search::SearchIndex;
use cardwire_domain::use_cases::{AddUrlToLibrary, Request, execute};
use cardwire_domain::{Error, Limit, PageRequest, Store, SystemClock, UserId};
use cardwire_events::{EventLog, Handover, Queue};
use cardwire_storage::SqliteStore;
use cardwire_storage::sqlite::{OpenError, Place};
use cardwire_testkit::store_suite::Tested;
use rusqlite::Connection;
use tokio::time::sleep;

fn open(path: &Path) -> Result<SqliteStore, OpenError> {
    SqliteStore::open(Place::File(path.to_owned()), Arc::new(SystemClock), Handover::default())
}

async fn save(store: &SqliteStore, url: &str) -> cardwire_domain::Result<()> {
    let alice = Request::by(UserId::parse("did:plc:alice")?);
    execute(store, &alice, &AddUrlToLibrary { url: url.to_owned(), ..AddUrlToLibrary::default() }).await?;
    Ok(())
}

async fn urls(store: &SqliteStore) -> cardwire_domain::Result<usize> {
    let (alice, mut after, mut count) = (UserId::parse("did:plc:alice")?, None, 0);
    loop {
        let page = PageRequest { limit: Limit::new(100)?, after };
        let page = store.library(&alice, &LibraryFilter::default(), &page).await?;
        count += page.items.len();
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(count),
        }
    }
}

/// A closed file with one card, and no other files beside it.
async fn written(folder: &Path) -> anyhow::Result<PathBuf> {
    let path = folder.join("cardwire.db");
    save(&open(&path)?, "https://example.com/").await?;
    // Its last connection may be closing yet.
    while Connection::open(&path)?.execute_batch("PRAGMA journal_mode = delete").is_err() {
        sleep(Duration::from_millis(10)).await;
    }
    Ok(path)
}

/// Why the file is not opened. It stays unchanged.
fn refused(path: &Path) -> anyhow::Result<String> {
    let before = std::fs::read(path)?;
    let Err(OpenError::Unfit { why, .. }) = open(path) else { anyhow::bail!("it was opened") };
    assert_eq!(std::fs::read(path)?, before, "it was changed");
    Ok(why)
}

#[tokio::test]
async fn a_file_is_had_by_one_process_and_free_again_afterwards() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("new/folder/cardwire.db");
    let store = open(&path)?;
    let Err(OpenError::Unfit { why, .. }) = open(&path) else { anyhow::bail!("it was opened twice") };
    assert_eq!(why, "another process of Cardwire has this file open");
    save(&store, "https://example.com/").await?;
    drop(store);
    assert_eq!(urls(&open(&path)?).await?, 1);
    Ok(())
}

#[tokio::test]
async fn a_file_of_the_first_release_is_brought_up_to_date() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cardwire.db");
    let first = Connection::open(&path)?;
    first.execute_batch(include_str!("../migrations/sqlite/0017_one_file.sql"))?;
    first.execute_batch(
        "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at, created_at)
         VALUES (randomblob(16), 'did:plc:alice', 'https://example.com/', 'https://example.com/', randomblob(32), randomblob(16), 1, 1);
         PRAGMA application_id = 0x43726477; PRAGMA user_version = 17",
    )?;
    drop(first);
    let store = open(&path)?;
    save(&store, "https://example.com/new").await?;
    assert_eq!(urls(&store).await?, 2);
    Ok(())
}

#[tokio::test]
async fn what_is_not_ours_is_left_alone() -> Tested {
    let folder = tempfile::tempdir()?;
    let text = folder.path().join("letter.txt");
    std::fs::write(&text, "Dear reader,\n".repeat(1_000))?;
    assert_eq!(refused(&text)?, "it is no SQLite database");

    let other = folder.path().join("other.db");
    Connection::open(&other)?.execute_batch("CREATE TABLE songs (title TEXT)")?;
    assert_eq!(refused(&other)?, "it is a database of another program");

    let newer = written(folder.path()).await?;
    Connection::open(&newer)?.execute_batch("PRAGMA user_version = 9000")?;
    assert!(refused(&newer)?.starts_with("a newer release wrote it (schema 9000"), "{}", refused(&newer)?);

    let Err(OpenError::Unfit { why, .. }) = open(folder.path()) else { anyhow::bail!("a folder was opened") };
    assert!(why.starts_with("it cannot be opened"), "{why}");
    Ok(())
}

#[tokio::test]
async fn a_damaged_file_is_refused() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = written(folder.path()).await?;
    let mut bytes = std::fs::read(&path)?;
    // After the first page, which identifies the file.
    bytes[4_096..].fill(0x5a);
    std::fs::write(&path, bytes)?;
    let Err(OpenError::Unfit { why, .. }) = open(&path) else { anyhow::bail!("it was opened") };
    assert!(why.starts_with("it is damaged") && why.ends_with("restore it from a copy"), "{why}");
    Ok(())
}

#[tokio::test]
async fn a_full_disk_refuses_saves_and_loses_none() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cardwire.db");
    let store = open(&path)?;
    save(&store, "https://example.com/first").await?;
    store.leave_room_for(8).await?;
    let (mut saved, mut refused) = (1, 0);
    // Several at once, so that some share a transaction with the one that does not fit.
    for n in 0..40 {
        let saves = (0..5).map(|m| {
            let store = store.clone();
            tokio::spawn(async move { save(&store, &format!("https://example.com/{n}/{m}?{}", "x".repeat(500))).await })
        });
        for save in saves.collect::<Vec<_>>() {
            match save.await? {
                Ok(()) => saved += 1,
                Err(Error::Unavailable(why)) if why.contains("full") || why.contains("undone") => refused += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
    assert!(saved > 1 && refused > 0, "{saved} saved, {refused} refused");
    assert_eq!(urls(&store).await?, saved);
    store.leave_room_for(100_000).await?;
    store.ping().await?;
    save(&store, "https://example.com/last").await?;
    drop(store);
    assert_eq!(urls(&open(&path)?).await?, saved + 1, "what was answered is there, and nothing else");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_is_whole_while_others_write() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cardwire.db");
    let store = open(&path)?;
    for n in 0..20 {
        save(&store, &format!("https://example.com/{n}")).await?;
    }
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            for n in 20..400 {
                save(&store, &format!("https://example.com/{n}")).await?;
            }
            Ok::<_, Error>(())
        }
    });
    let copy = folder.path().join("copy.db");
    let (from, to) = (path.clone(), copy.clone());
    tokio::task::spawn_blocking(move || SqliteStore::copy(&from, &to)).await??;
    writer.await??;
    let copied = urls(&open(&copy)?).await?;
    assert!((20..=400).contains(&copied), "{copied} cards are in the copy");
    assert_eq!(urls(&store).await?, 400);
    assert!(SqliteStore::copy(&path, &copy).is_err(), "nothing is overwritten");
    Ok(())
}

/// FTS5 writes some of it only as the savepoint ends.
#[tokio::test]
async fn what_search_cannot_take_in_stays_owed() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = written(folder.path()).await?;
    let index = async |store: &SqliteStore| -> anyhow::Result<bool> {
        let due = store.lease(Queue::Search, 10, None).await?;
        let events: Vec<_> = due.events.iter().filter_map(|owed| owed.envelope.decode().ok()).collect();
        assert_eq!(events.len(), 1);
        Ok(store.index(&events).await.is_ok())
    };
    assert!(index(&open(&path)?).await?);
    // Its own index data: no row of a table is damaged.
    let damage = "UPDATE search_pages_data SET block = x'00000000ff' WHERE id = 10";
    let changed = loop {
        match Connection::open(&path)?.execute(damage, []) {
            Ok(changed) => break changed,
            Err(_) => sleep(Duration::from_millis(10)).await,
        }
    };
    assert_eq!(changed, 1);
    let store = open(&path)?;
    save(&store, "https://example.com/second").await?;
    assert!(!index(&store).await?, "it was indexed all the same");
    let owed: Vec<_> = store.backlog().await?.into_iter().map(|backlog| (backlog.queue, backlog.owed)).collect();
    assert!(owed.contains(&(Queue::Search, 1)), "{owed:?}");
    Ok(())
}
