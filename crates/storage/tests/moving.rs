//! Moving up from a file to PostgreSQL.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::account_store::AccountStore;
use cardwire_domain::accounts::{Account, AccountRepository as _, Admission, TokenHash};
use cardwire_domain::collection::AccessType;
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::invites::InviteRepository as _;
use cardwire_domain::library::LibraryFilter;
use cardwire_domain::metadata::{FetchPolicy, Metadata};
use cardwire_domain::pictures::{Fetched, Picture, PictureKind, PicturesFetched};
use cardwire_domain::profile::{Bio, Edit, ProfileChange, ProfileRepository as _};
use cardwire_domain::resets::ResetRepository as _;
use cardwire_domain::search::{Found, SearchRequest};
use cardwire_domain::sessions::{NewSession, SessionRepository as _, SessionTokens};
use cardwire_domain::tokens::{NewToken, Scope, TokenName, TokenRepository as _};
use cardwire_domain::user::User;
use cardwire_domain::{SessionId, SystemClock, TokenId, UserId, Visibility};
use cardwire_events::{Handover, Queue};
use cardwire_storage::moving::{MoveError, Progress, move_to_postgres};
use cardwire_storage::postgres::PoolSettings;
use cardwire_storage::sqlite::Place;
use cardwire_storage::{PostgresStore, SqliteStore};
use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::store_suite::pages::titled;
use cardwire_testkit::store_suite::scene::{all_pages, page, person};
use cardwire_testkit::store_suite::{Stores, Tested, TimeMachine};

/// These tests do not change the time.
struct Unturned;

#[async_trait]
impl TimeMachine for Unturned {
    async fn advance(&self, _: Duration) {}
}

#[derive(Default)]
struct Seen(AtomicU64, AtomicU64);

impl Progress for Seen {
    fn at(&self, done: u64, all: u64) {
        assert!(done <= all, "{done} of {all}");
        let before = self.0.swap(done, Ordering::Relaxed);
        assert!(before <= done, "{done} after {before}");
        self.1.store(all, Ordering::Relaxed);
    }
}

fn file(path: &Path) -> anyhow::Result<SqliteStore> {
    Ok(SqliteStore::open(Place::File(path.to_owned()), Arc::new(SystemClock), Handover::default())?)
}

/// What people see, and what is owed.
async fn seen(stores: &Stores) -> anyhow::Result<Vec<String>> {
    let alice = person("alice");
    let mut seen = Vec::new();
    seen.push(format!("{:?}", stores.feed.feed(None, &page(100, None)).await?));
    seen.push(format!("{:?}", stores.library.library(&alice, &LibraryFilter::default(), &page(100, None)).await?));
    let texts = ["page", "7", "worth", "\"worth reading\"", "pge", "leeks", "leesk"];
    for (text, reader) in texts.into_iter().flat_map(|text| ["alice", "bob"].map(|name| (text, person(name)))) {
        let request = SearchRequest { text: text.into(), reader: Some(reader), ..SearchRequest::default() };
        let mut urls = all_pages(100, |page| {
            let request = request.clone();
            async move { stores.search.search(&request, &page).await.map(Found::page) }
        })
        .await?;
        // Each store has its own ranking numbers.
        urls.sort_unstable_by(|a, b| a.url.cmp(&b.url));
        let urls: Vec<_> = urls.iter().map(|hit| (&hit.url, &hit.card_ids)).collect();
        seen.push(format!("{text}: {urls:?}"));
    }
    seen.push(format!("{:?}", stores.analytics.summary(7).await?));
    seen.push(format!("{:?}", stores.analytics.top_urls(30, 10).await?));
    seen.push(format!("{:?}", stores.analytics.top_domains(30, 10).await?));
    for queue in Queue::ALL {
        seen.push(format!("{queue}: {}", stores.owed(queue).await?));
    }
    Ok(seen)
}

/// Cards of two people, some collected, some with notes; most events processed, some still owed.
async fn filled(path: &Path, cards: usize) -> anyhow::Result<Vec<String>> {
    let stores = Stores::of(Arc::new(file(path)?), Arc::new(Unturned));
    let (alice, bob) = (person("alice"), person("bob"));
    let collection = stores.collection(&alice, "to read", AccessType::Open).await?;
    stores.invite(&alice, collection, &[&bob]).await?;
    let saves = |who: UserId, from: usize| {
        (from..from + cards).map(move |n| (who.clone(), format!("https://example{}.com/page/{n}", n % 7)))
    };
    stores.save_at_once(&saves(alice.clone(), 0).chain(saves(bob.clone(), cards / 2)).collect::<Vec<_>>()).await?;
    for n in 0..10 {
        stores
            .save_with(
                &alice,
                &format!("https://example.com/note/{n}"),
                Some("worth reading twice: ü, 日本"),
                &[collection],
            )
            .await?;
    }
    stores.save_called(&bob, "https://example.com/note/1", "Leeks under snow").await?;
    // Some of what was collected, and some that was not.
    for kept in stores.library_of(&alice).await?.iter().take(20).skip(5) {
        stores.let_see(&alice, kept.card.id, Visibility::Private).await?;
    }
    while stores.index_all().await? > 0 {}
    while stores.flush_feed().await? > 0 {}
    let counted = stores.deliver(Queue::Analytics).await?;
    stores.analytics.count(&counted).await?;
    stores.save(&bob, "https://example.com/owed").await?;
    seen(&stores).await
}

async fn empty() -> anyhow::Result<(PostgresStore, Database, Postgres)> {
    let server = Postgres::shared()?;
    let database = server.database().await?;
    let store = PostgresStore::connect(database.url(), PoolSettings::default(), Handover::default())?;
    Ok((store, database, server))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_and_is_seen_as_before() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cardwire.db");
    let before = filled(&path, 300).await?;
    let (store, _database, _server) = empty().await?;
    let progress = Seen::default();
    let moved = move_to_postgres(&path, &store, &progress).await?;
    let rows = |name: &str| moved.rows.iter().find(|(table, _)| *table == name).map(|(_, rows)| *rows);
    assert_eq!((rows("cards"), rows("notes"), rows("links")), (Some(612), Some(10), Some(10)), "{moved:?}");
    assert_eq!(progress.0.load(Ordering::Relaxed), progress.1.load(Ordering::Relaxed));
    assert_eq!(seen(&Stores::of(Arc::new(store.clone()), Arc::new(Unturned))).await?, before);

    // Work continues there: owed events take effect, and new activities come after the old ones.
    let there = Stores::of(Arc::new(store.clone()), Arc::new(Unturned));
    assert_eq!(there.flush_feed().await?, 1);
    assert_eq!(there.flush_feed().await?, 0);

    let again = move_to_postgres(&path, &store, &Seen::default()).await;
    assert!(matches!(again, Err(MoveError::NotEmpty { table: "cards" })), "{again:?}");
    // The file is unchanged.
    assert_eq!(seen(&Stores::of(Arc::new(file(&path)?), Arc::new(Unturned))).await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_move_that_fails_leaves_nothing_behind() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cardwire.db");
    filled(&path, 20).await?;
    let (store, _database, _server) = empty().await?;
    // PostgreSQL's text cannot contain this character: one row near the end does not arrive.
    rusqlite::Connection::open(&path)?.execute(
        "INSERT INTO audit_log (at, person, action, parameters) VALUES (0, 'did:plc:alice', 'x' || char(0), '{}')",
        [],
    )?;
    let moved = move_to_postgres(&path, &store, &Seen::default()).await;
    assert!(matches!(moved, Err(MoveError::Postgres(_))), "{moved:?}");
    let there = Stores::of(Arc::new(store), Arc::new(Unturned));
    assert!(there.feed_items(None).await?.is_empty() && there.library_of(&person("alice")).await?.is_empty());

    let open = file(&path)?;
    let (store, _database, _server) = empty().await?;
    let moved = move_to_postgres(&path, &store, &Seen::default()).await;
    assert!(matches!(&moved, Err(MoveError::File(why)) if why.contains("has this file open")), "{moved:?}");
    drop(open);
    let moved = move_to_postgres(&folder.path().join("nowhere.db"), &store, &Seen::default()).await;
    assert!(matches!(&moved, Err(MoveError::File(why)) if why.contains("no such file")), "{moved:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_private_cards_arrive_for_their_owner_alone() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cardwire.db");
    let (alice, bob) = (person("alice"), person("bob"));
    let (secret, turned) = ("https://secret.example/page", "https://turned.example/page");
    let here = Stores::of(Arc::new(file(&path)?), Arc::new(Unturned));
    let hers = here.save_privately(&alice, secret, None, &[]).await?;
    let card = here.save(&alice, turned).await?.url_card_id;
    here.index_all().await?;
    let jobs = here.due().await?;
    assert_eq!(jobs.len(), 2);
    for job in jobs {
        assert!(here.pages.finish_fetch(&job, &Ok(titled("Marmalade")), &FetchPolicy::default()).await?);
    }
    // It is moved before it is re-indexed.
    here.let_see(&alice, card, Visibility::Private).await?;
    drop(here);

    let (store, _database, _server) = empty().await?;
    move_to_postgres(&path, &store, &Seen::default()).await?;
    let there = Stores::of(Arc::new(store), Arc::new(Unturned));
    let his = [there.save(&bob, secret).await?.url_card_id, there.save(&bob, turned).await?.url_card_id];
    for is_indexed in [false, true] {
        if is_indexed {
            there.index_all().await?;
        }
        for card in his {
            assert_eq!(there.library.library_card(card, None).await?.card.title, None, "{is_indexed}");
        }
        let kept = there.library.library_card(hers, Some(&alice)).await?;
        assert_eq!(kept.card.title.as_deref(), Some("Marmalade"));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pictures_arrive_and_those_that_no_page_shows_are_still_deleted() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cardwire.db");
    let alice = person("alice");
    let here = Stores::of(Arc::new(file(&path)?), Arc::new(Unturned));
    let mut cards = Vec::new();
    for number in 0..50_u8 {
        cards.push(here.save(&alice, &format!("https://site{number}.example/")).await?.url_card_id);
    }
    here.index_all().await?;
    let illustrated = Metadata { image: Some("https://cdn.example/cover.jpg".into()), ..titled("Illustrated") };
    for job in here.due().await? {
        assert!(here.pages.finish_fetch(&job, &Ok(illustrated.clone()), &FetchPolicy::default()).await?);
    }
    let room = FetchRoom { per_host: 100, ..FetchRoom::idle(100) };
    for (number, job) in here.pictures.lease_pictures(&room, Duration::from_secs(60)).await?.iter().enumerate() {
        let bytes = [format!("cover {number}").as_bytes(), &[0xff; 60_000]].concat();
        let cover = Fetched::Picture(Picture { kind: PictureKind::Jpeg, width: 640, height: 360, bytes });
        let outcome = PicturesFetched { cover, icon: Fetched::Nothing, again: None };
        assert!(here.pictures.finish_pictures(job, &outcome).await?);
    }
    let gone = here.library.library_card(cards[0], None).await?.card.pictures;
    here.remove(&alice, cards[0]).await?;
    here.index_all().await?;
    let before = here.library_of(&alice).await?;
    drop(here);

    let (store, _database, _server) = empty().await?;
    let moved = move_to_postgres(&path, &store, &Seen::default()).await?;
    let rows = |name: &str| moved.rows.iter().find(|(table, _)| *table == name).map(|(_, rows)| *rows);
    assert_eq!((rows("pictures"), rows("pictures_dropped")), (Some(50), Some(1)), "{moved:?}");
    let there = Stores::of(Arc::new(store.clone()), Arc::new(Unturned));
    assert_eq!(there.library_of(&alice).await?, before);
    for kept in &before {
        let cover = kept.card.pictures.cover.expect("each has one");
        assert_eq!(
            there.pictures.picture(cover.hash, None).await?.map(|picture| picture.bytes.len() > 60_000),
            Some(true)
        );
    }
    sqlx::query("UPDATE pictures SET kept_at = kept_at - interval '1 day'").execute(store.pool()).await?;
    assert_eq!(there.pictures.drop_pictures(10).await?, 1);
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM pictures").fetch_one(store.pool()).await?;
    assert_eq!(left, 49);
    assert_eq!(there.pictures.picture(gone.cover.expect("it had one").hash, None).await?, None);
    Ok(())
}

const fn hash(of: u8) -> TokenHash {
    TokenHash([of; 32])
}

/// The data of this account, and what the tokens of [`accounts_arrive_with_all_that_belongs_to_them`] still allow.
async fn accounts_seen(store: &dyn AccountStore, person: &UserId) -> anyhow::Result<Vec<String>> {
    Ok(vec![
        format!("{:?}", store.people(None, 10).await?),
        format!("{:?}", store.account_of(person).await?),
        format!("{:?}", store.profile(person).await?),
        format!("{:?}", store.sessions_of(person).await?),
        format!("{:?}", store.live_session(&hash(1)).await?),
        format!("{:?}", store.tokens_of(person).await?),
        format!("{:?}", store.live_token(&hash(3)).await?),
        format!("{:?} {:?}", store.is_invited(&hash(4)).await?, store.is_invited(&hash(5)).await?),
        format!("{:?}", store.reset_works(&hash(6)).await?),
    ])
}

#[tokio::test(flavor = "multi_thread")]
async fn accounts_arrive_with_all_that_belongs_to_them() -> Tested {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("cardwire.db");
    let here = file(&path)?;
    let account_of = |handle: &str| Account {
        user: User { id: UserId::generate(), handle: handle.to_owned() },
        password_hash: "$argon2id$".to_owned(),
    };
    let (alice, bob) = (account_of("alice"), account_of("bob"));
    let id = &alice.user.id;
    here.create_account(&alice, &Admission::FirstOnly).await?;
    here.create_invite(id, &hash(4)).await?;
    here.create_invite(id, &hash(5)).await?;
    here.create_account(&bob, &Admission::Invited(hash(5))).await?;
    here.suspend(&bob.user.id).await?;
    let day = Duration::from_secs(86_400);
    let tokens = SessionTokens { access: hash(1), access_for: day, refresh: hash(2), refresh_for: day };
    let session = NewSession { id: SessionId::generate(), tokens, client: "Firefox on Linux".into() };
    here.open_session(&alice, &session).await?;
    let name = TokenName::parse("backup")?;
    let (token_id, good_for) = (TokenId::generate(), Some(day));
    let token = NewToken { id: token_id, name, scope: Scope::Read, hash: hash(3), good_for, asked_in: None };
    here.create_token(id, &token).await?;
    here.note_token(token.id).await?;
    here.create_reset(id, &hash(6)).await?;
    let bio = Edit::Set(Bio::parse("Reads.")?);
    let default_visibility = Some(Visibility::Private);
    here.change_profile(id, &ProfileChange { bio, default_visibility, ..ProfileChange::default() }).await?;
    let before = accounts_seen(&here, id).await?;
    assert!(before.iter().all(|seen| seen != "None" && seen != "[]"), "{before:?}");
    drop(here);

    let (there, _database, _server) = empty().await?;
    move_to_postgres(&path, &there, &Seen::default()).await?;
    assert_eq!(accounts_seen(&there, id).await?, before);
    Ok(())
}
