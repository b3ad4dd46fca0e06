//! Files that earlier releases wrote.

use std::path::Path;
use std::sync::Arc;

use cardwire_domain::search::{Found, Renewal, Renewed, SearchIndex, SearchRequest};
use cardwire_domain::{PageRequest, SystemClock};
use cardwire_events::Handover;
use cardwire_storage::SqliteStore;
use cardwire_storage::sqlite::Place;
use cardwire_testkit::store_suite::Tested;
use rusqlite::Connection;

const BEFORE_WORDS: [&str; 4] = [
    include_str!("../migrations/sqlite/0017_one_file.sql"),
    include_str!("../migrations/sqlite/0018_private.sql"),
    include_str!("../migrations/sqlite/0019_accounts.sql"),
    include_str!("../migrations/sqlite/0020_leaving.sql"),
];

/// A file as left by the release of that time, with this many cards.
fn write(path: &Path, cards: u32) -> rusqlite::Result<()> {
    let connection = Connection::open(path)?;
    for migration in BEFORE_WORDS {
        connection.execute_batch(migration)?;
    }
    connection.execute_batch("PRAGMA application_id = 0x43726477; PRAGMA user_version = 20")?;
    connection.execute_batch(
        "INSERT INTO users (id, handle, handle_key, password_hash, created_at) VALUES ('did:plc:alice', 'alice', 'alice', '', 0);
         INSERT INTO search_words (owner_id, word) VALUES ('', 'größe'), ('', 'donaudampf'), ('', 'example')",
    )?;
    for number in 1..=cards {
        let url = format!("https://example.com/{number}");
        connection.execute_batch(&format!(
            "INSERT INTO cards (id, owner_id, url, normalised_url, url_digest, library_link, library_at, created_at)
             VALUES (x'{number:032x}', 'did:plc:alice', '{url}', '{url}', x'{number:064x}', x'{number:032x}', {number}, {number});
             INSERT INTO pages (number, url_digest, url, host, state, title, cards, place)
             VALUES ({number}, x'{number:064x}', '{url}', 'example.com', 'ready', 'Größe Donaudampf', 1, (63 << 48) | {number});
             INSERT INTO search_documents (card_id, owner_id, page) VALUES (x'{number:032x}', 'did:plc:alice', {number});
             INSERT INTO search_pages (rowid, scope, title, names, description, url)
             VALUES ((63 << 48) | {number}, '', 'größe donaudampf', ' · ', '', 'https example com {number}');"
        ))?;
    }
    Ok(())
}

#[tokio::test]
async fn cards_that_an_older_release_indexed_are_indexed_again_some_at_a_time() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cardwire.db");
    write(&path, 5)?;
    let store = SqliteStore::open(Place::File(path), Arc::new(SystemClock), Handover::default())?;
    let find = async |text: &str| -> anyhow::Result<Found> {
        let request = SearchRequest { text: text.into(), ..SearchRequest::default() };
        Ok(store.search(&request, &PageRequest::default()).await?)
    };
    assert_eq!((find("example").await?.items.len(), find("grosse").await?.items.len()), (5, 0));
    assert_eq!(find("dampf").await?.items.len(), 5, "parts of words that are there");
    let mut from = Renewal::default();
    // With the first two, the person's name.
    for (renewed, found) in [(3, 2), (2, 4), (1, 5)] {
        assert_eq!(store.renew(&mut from, 2).await?, Renewed { count: renewed, failed: Vec::new() });
        assert_eq!(store.find_people("alice").await?.len(), 1, "names do not wait for cards");
        assert_eq!((find("example").await?.items.len(), find("grosse").await?.items.len()), (5, found));
    }
    assert_eq!(from, Renewal::default(), "after the last, at the front");
    assert_eq!(store.renew(&mut from, 2).await?, Renewed::default());
    assert_eq!((find("größe").await?.items.len(), find("dampf").await?.items.len()), (5, 5));
    Ok(())
}
