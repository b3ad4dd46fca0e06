//! Imports continue where a lost process stopped, without saving or reporting a row twice.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::changes::{Idempotency, IdempotencyKey, Remember};
use cardwire_domain::imports::{
    FileRow, ImportRepository, ImportRow, ImportView, LeasedRows, NewImport, ReportRow, RowOutcome, Wanted,
};
use cardwire_domain::membership::Invitee;
use cardwire_domain::quotas::Quota;
use cardwire_domain::store::{DeletedCollection, Leaver, OutdatedCard, Recall, UndoneImport};
use cardwire_domain::use_cases::{ImportUrls, Request, execute};
use cardwire_domain::{
    Card, CardId, Changes, Collection, CollectionId, Error, ImportId, Page, PageRequest, Result, Store, Transaction,
    UserId,
};
use cardwire_events::{EventLog, Handover, Queue};
use cardwire_storage::SqliteStore;
use cardwire_testkit::TokioClock;
use cardwire_testkit::store_suite::scene::begin_import;
use cardwire_workers::ImportLoop;
use cardwire_workers::import::ImportSettings;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::harness::person;

/// Loses reports about rows a given number of times, as if the reporter were killed just before. Refuses some
/// transactions and is slow for the others.
struct Losing {
    store: SqliteStore,
    lose: AtomicUsize,
    away: AtomicUsize,
    slow: Duration,
    /// How many URLs a transaction can look for before it takes too long.
    patience: usize,
}

impl Losing {
    fn take(counter: &AtomicUsize) -> bool {
        counter.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
    }
}

#[async_trait]
impl Store for Losing {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        if Self::take(&self.away) {
            return Err(Error::Unavailable("away".into()));
        }
        sleep(self.slow).await;
        Ok(Box::new(Stumbling { inner: self.store.begin().await?, patience: self.patience }))
    }

    async fn ping(&self) -> Result<()> {
        self.store.ping().await
    }
}

/// Cannot read URLs that contain this.
const STUMBLES_OVER: &str = "stumble";

struct Stumbling {
    inner: Box<dyn Transaction>,
    patience: usize,
}

#[async_trait]
impl Transaction for Stumbling {
    async fn recall(&mut self, person: &UserId, key: &IdempotencyKey) -> Result<Option<Recall>> {
        self.inner.recall(person, key).await
    }

    async fn card(&mut self, id: CardId) -> Result<Option<Card>> {
        self.inner.card(id).await
    }

    async fn card_by_url(&mut self, owner: &UserId, normalised_url: &str) -> Result<Option<Card>> {
        if normalised_url.contains(STUMBLES_OVER) {
            return Err(Error::Corrupt("what is this?".into()));
        }
        self.patience = self.patience.checked_sub(1).ok_or_else(|| Error::Unavailable("too slow".into()))?;
        self.inner.card_by_url(owner, normalised_url).await
    }

    async fn collections(&mut self, ids: &[CollectionId]) -> Result<Vec<Collection>> {
        self.inner.collections(ids).await
    }

    async fn collections_named(&mut self, author: &UserId, names: &[String]) -> Result<Vec<Collection>> {
        self.inner.collections_named(author, names).await
    }

    async fn invitees(&mut self, people: &[UserId], author: &UserId) -> Result<Vec<Invitee>> {
        self.inner.invitees(people, author).await
    }

    async fn invitations(&mut self, person: &UserId, author: &UserId) -> Result<Vec<Collection>> {
        self.inner.invitations(person, author).await
    }

    async fn collaborations(&mut self, person: &UserId) -> Result<usize> {
        self.inner.collaborations(person).await
    }

    async fn deleted_collection(&mut self, limit: usize) -> Result<Option<DeletedCollection>> {
        self.inner.deleted_collection(limit).await
    }

    async fn leaver(&mut self, limit: usize) -> Result<Option<Leaver>> {
        self.inner.leaver(limit).await
    }

    async fn outdated_cards(&mut self, after: Option<CardId>, limit: usize) -> Result<Vec<OutdatedCard>> {
        self.inner.outdated_cards(after, limit).await
    }

    async fn undone_import(&mut self, limit: usize) -> Result<Option<UndoneImport>> {
        self.inner.undone_import(limit).await
    }

    async fn used_up(&mut self, quota: Quota, person: &UserId, most: NonZeroU32) -> Result<Option<Duration>> {
        self.inner.used_up(quota, person, most).await
    }

    async fn commit(self: Box<Self>, changes: Changes) -> Result<()> {
        self.inner.commit(changes).await
    }
}

#[async_trait]
impl ImportRepository for Losing {
    async fn open_import(&self, import: &NewImport) -> Result<()> {
        self.store.open_import(import).await
    }

    async fn add_rows(&self, import: ImportId, first: u32, rows: &[FileRow]) -> Result<()> {
        self.store.add_rows(import, first, rows).await
    }

    async fn start_import(&self, import: ImportId) -> Result<()> {
        self.store.start_import(import).await
    }

    async fn abandon_import(&self, import: ImportId) -> Result<()> {
        self.store.abandon_import(import).await
    }

    async fn carry_out(&self, owner: &UserId, id: ImportId) -> Result<()> {
        self.store.carry_out(owner, id).await
    }

    async fn ask_to_undo(&self, owner: &UserId, id: ImportId) -> Result<()> {
        self.store.ask_to_undo(owner, id).await
    }

    async fn import(&self, owner: &UserId, id: ImportId) -> Result<ImportView> {
        self.store.import(owner, id).await
    }

    async fn imports_of(&self, owner: &UserId, limit: usize) -> Result<Vec<ImportView>> {
        self.store.imports_of(owner, limit).await
    }

    async fn import_report(
        &self,
        owner: &UserId,
        id: ImportId,
        wanted: Wanted,
        page: &PageRequest,
    ) -> Result<Page<ReportRow>> {
        self.store.import_report(owner, id, wanted, page).await
    }

    async fn lease_rows(&self, limit: usize, lease: Duration) -> Result<Option<LeasedRows>> {
        self.store.lease_rows(limit, lease).await
    }

    async fn finish_rows(&self, leased: &LeasedRows, outcomes: &[(u32, RowOutcome)]) -> Result<bool> {
        if !outcomes.is_empty() && Self::take(&self.lose) {
            return Err(Error::Unavailable("lost".into()));
        }
        self.store.finish_rows(leased, outcomes).await
    }
}

fn links(count: usize) -> Vec<ImportRow> {
    (0..count).map(|n| ImportRow::new(&format!("https://example.com/{n}"), None)).collect()
}

async fn run(rows: Vec<ImportRow>, lose: usize, away: usize, slow: Duration) -> (ImportView, SqliteStore, Duration) {
    run_with(rows, |store| Losing { store, lose: lose.into(), away: away.into(), slow, patience: usize::MAX }).await
}

async fn run_with(
    rows: Vec<ImportRow>,
    losing: impl FnOnce(SqliteStore) -> Losing,
) -> (ImportView, SqliteStore, Duration) {
    run_poisoned(rows, &[], losing).await
}

/// `poisoned`: the first and last number of rows whose key already has the answer to something else.
async fn run_poisoned(
    rows: Vec<ImportRow>,
    poisoned: &[(u32, u32)],
    losing: impl FnOnce(SqliteStore) -> Losing,
) -> (ImportView, SqliteStore, Duration) {
    let store = SqliteStore::in_memory(Arc::new(TokioClock::new()), Handover::default()).expect("SQLite is built in");
    let losing = Arc::new(losing(store.clone()));
    let alice = person("alice");
    let id = ImportId::generate();
    let import = NewImport { id, owner: alice.clone(), file_name: "x".into(), collection: None, is_check: false };
    begin_import(&store, &import, &rows).await.unwrap();
    for (first, last) in poisoned {
        let key = IdempotencyKey::of_rows(id, *first, *last, (last - first + 1) as usize);
        let idempotency = Idempotency { key, fingerprint: "poison".into() };
        let remember = Some(Remember { person: alice.clone(), idempotency, answer: serde_json::Value::Null });
        store.begin().await.unwrap().commit(Changes { remember, ..Changes::default() }).await.unwrap();
    }
    let started = Instant::now();
    let stop = CancellationToken::new();
    let importing = ImportLoop::new(losing.clone(), losing, ImportSettings::default());
    let stopped = stop.clone();
    let task = tokio::spawn(async move { importing.run(stopped).await });
    let view = loop {
        let view = store.import(&alice, id).await.unwrap();
        if view.finished_at.is_some() {
            break view;
        }
        assert!(started.elapsed() < Duration::from_secs(600), "{view:?}");
        sleep(Duration::from_millis(50)).await;
    };
    stop.cancel();
    task.await.unwrap();
    (view, store, started.elapsed())
}

async fn owed(store: &SqliteStore, queue: Queue) -> u64 {
    let backlog = store.backlog().await.unwrap();
    backlog.iter().find(|backlog| backlog.queue == queue).map_or(0, |backlog| backlog.owed)
}

#[tokio::test(start_paused = true)]
async fn a_row_that_was_saved_but_not_reported_is_reported_as_saved() {
    for away in 0..4 {
        let (view, store, took) = run(links(123), 2, away, Duration::ZERO).await;
        assert_eq!((view.saved, view.known, view.refused), (123, 0, 0), "away {away} times");
        assert_eq!(owed(&store, Queue::Search).await, 123, "each row raised its event once");
        assert_eq!(owed(&store, Queue::Feeds).await, 0, "and none is news");
        assert!(took >= Duration::from_secs(30), "two leases had to run out: {took:?}");
    }
}

/// Some are saved one by one by a process that dies before it reports them; the next process saves several at once.
#[tokio::test(start_paused = true)]
async fn rows_saved_by_a_process_that_died_are_reported_as_saved_whatever_shared_their_commit() {
    let store = SqliteStore::in_memory(Arc::new(TokioClock::new()), Handover::default()).expect("SQLite is built in");
    let alice = person("alice");
    let id = ImportId::generate();
    let import = NewImport { id, owner: alice.clone(), file_name: "x".into(), collection: None, is_check: false };
    let mut rows = links(10);
    rows[4] = ImportRow { same_as: Some(1), ..ImportRow::new("https://example.com/0", None) };
    begin_import(&store, &import, &rows).await.unwrap();
    for (number, row) in (1_u32..).zip(&rows).filter(|(number, _)| number % 2 == 1) {
        let key = IdempotencyKey::of_rows(id, number, number, 1);
        let idempotency = Some(Idempotency { fingerprint: key.as_str().to_owned(), key });
        let request = Request { idempotency, ..Request::by(alice.clone()) };
        let command = ImportUrls { import: id, rows: vec![(number, row.clone())], collection_id: None, begun_at: None };
        execute(&store, &request, &command).await.unwrap();
    }
    let stop = CancellationToken::new();
    let store = Arc::new(store);
    let importing = ImportLoop::new(store.clone(), store.clone(), ImportSettings::default());
    let stopped = stop.clone();
    let task = tokio::spawn(async move { importing.run(stopped).await });
    let started = Instant::now();
    let view = loop {
        let view = store.import(&alice, id).await.unwrap();
        if view.finished_at.is_some() {
            break view;
        }
        assert!(started.elapsed() < Duration::from_secs(600), "{view:?}");
        sleep(Duration::from_millis(50)).await;
    };
    stop.cancel();
    task.await.unwrap();
    assert_eq!((view.saved, view.known, view.refused), (9, 1, 0));
    let report = store.import_report(&alice, id, Wanted::All, &PageRequest::default()).await.unwrap().items;
    let known = report.iter().filter(|row| matches!(row.outcome, Some(RowOutcome::Known(_))));
    assert_eq!(known.map(|row| row.number).collect::<Vec<_>>(), [5]);
    assert_eq!(owed(&store, Queue::Search).await, 9, "each card raised its event once");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_stored_does_not_hold_up_the_others() {
    let mut rows = links(60);
    for n in [3, 57] {
        rows[n] = ImportRow::new(&format!("https://example.com/{STUMBLES_OVER}/{n}"), None);
    }
    let (view, store, _) = run(rows, 1, 0, Duration::ZERO).await;
    assert_eq!((view.saved, view.known, view.refused), (58, 0, 2));
    let refused =
        store.import_report(&person("alice"), view.id, Wanted::Refused, &PageRequest::default()).await.unwrap().items;
    assert_eq!(refused.iter().map(|row| row.number).collect::<Vec<_>>(), [4, 58]);
}

#[tokio::test(start_paused = true)]
async fn a_row_that_is_refused_as_a_whole_does_not_hold_up_the_rest() {
    let losing = |store| Losing { store, lose: 0.into(), away: 0.into(), slow: Duration::ZERO, patience: usize::MAX };
    let (view, _, took) = run_poisoned(links(60), &[(1, 10), (3, 3)], losing).await;
    assert_eq!((view.saved, view.known, view.refused), (59, 0, 1));
    assert!(took < Duration::from_secs(2), "no pause as for a store that is away: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_too_slow_for_a_few_rows_at_once_is_given_them_one_by_one() {
    let slow = Duration::from_millis(300);
    let (view, store, _) =
        run_with(links(123), |store| Losing { store, lose: 0.into(), away: 0.into(), slow, patience: 1 }).await;
    assert_eq!((view.saved, view.known, view.refused), (123, 0, 0));
    assert_eq!(owed(&store, Queue::Search).await, 123, "each row raised its event once");
}

#[tokio::test(start_paused = true)]
async fn others_have_half_of_the_time_and_more_where_the_store_is_fast() {
    let (view, _, took) = run(links(1_000), 0, 0, Duration::ZERO).await;
    assert_eq!(view.saved, 1_000);
    assert!(took >= 19 * Duration::from_millis(50), "20 batches of 50: {took:?}");
    let commit = Duration::from_millis(30);
    let (view, _, took) = run(links(1_000), 0, 0, commit).await;
    assert_eq!(view.saved, 1_000);
    assert!(took >= (100 + 95) * commit, "as long a pause as 5 commits take, 19 times: {took:?}");
}
