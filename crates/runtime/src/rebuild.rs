//! Rebuilds of the search index that administrators requested, and re-indexing after an upgrade. Any search-worker does
//! both.

use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::Error;
use cardwire_domain::search::{Renewal, SearchIndex};
use cardwire_events::operations::{Rebuild, Rebuilds, RunLease};
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

/// Cards indexed in one transaction.
pub(crate) const PORTION: usize = 500;
/// How often to look for a rebuild.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// After an upgrade, this many cards are indexed again in one transaction. With a file, others wait for that
/// transaction.
const RENEWED: usize = 100;
/// After this time of re-indexing, the store is left to others until the next look.
const ROUND: Duration = Duration::from_secs(1);
/// How long to wait after a failure that will not go away by itself.
const REST: Duration = Duration::from_secs(60);

/// Runs requested rebuilds until `stop`. An unfinished one continues in another worker, or here after the next start.
pub async fn run(rebuilds: Arc<dyn Rebuilds>, search: Arc<dyn SearchIndex>, stop: CancellationToken) {
    let mut look = interval(LOOK_EVERY);
    look.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut rests_until, mut from) = (Instant::now(), Renewal::default());
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = look.tick() => {}
        }
        let lease = RunLease::generate();
        match rebuilds.claim(lease).await {
            Ok(None) if Instant::now() >= rests_until => {
                if let Err(error) = renew(&*search, &mut from, &stop).await {
                    tracing::warn!(%error, "re-indexing after the upgrade failed; will retry");
                    rests_until = Instant::now() + REST;
                }
            }
            Ok(None) => {}
            Ok(Some(rebuild)) => {
                if let Err(error) = carry_on(&*rebuilds, &*search, lease, rebuild, &stop).await {
                    tracing::warn!(%error, "a rebuild of the search index cannot go on now; it will");
                }
            }
            Err(error) => tracing::debug!(%error, "could not look for a rebuild"),
        }
    }
}

/// Re-indexes part of what an older release indexed. Another round, here or in another process, does the rest.
async fn renew(search: &dyn SearchIndex, from: &mut Renewal, stop: &CancellationToken) -> cardwire_domain::Result<()> {
    let (end, mut count) = (Instant::now() + ROUND, 0);
    while !stop.is_cancelled() && Instant::now() < end {
        let renewed = match search.renew(from, RENEWED).await {
            Ok(renewed) => renewed,
            // The next look tries again.
            Err(Error::Unavailable(_) | Error::Stale) => break,
            Err(error) => return Err(error),
        };
        for (card, why) in renewed.failed {
            tracing::error!(%card, error = why, "the card cannot be indexed again; it is found as before");
        }
        count += renewed.count;
        if renewed.count == 0 {
            break;
        }
    }
    if count > 0 {
        tracing::debug!(count, "cards and names were indexed again");
    }
    Ok(())
}

/// After an error the lease runs out, and the rebuild continues where it was.
async fn carry_on(
    rebuilds: &dyn Rebuilds,
    search: &dyn SearchIndex,
    lease: RunLease,
    mut rebuild: Rebuild,
    stop: &CancellationToken,
) -> cardwire_events::Result<()> {
    let id = rebuild.id;
    while !stop.is_cancelled() {
        match portion(search, &mut rebuild).await {
            Ok(true) => {
                if !rebuilds.advance(lease, &rebuild).await? {
                    tracing::info!(rebuild = %id, "another worker goes on with the rebuild");
                    return Ok(());
                }
            }
            Ok(false) => {
                if rebuilds.finish(lease, id, None).await? {
                    tracing::info!(rebuild = %id, cards = rebuild.done, error = rebuild.error, "the rebuild is done");
                }
                return Ok(());
            }
            Err(error @ (Error::Unavailable(_) | Error::Stale)) => {
                return Err(cardwire_events::Error::Unavailable("the search index", error.to_string()));
            }
            Err(error) => {
                tracing::error!(rebuild = %id, %error, "the rebuild is given up");
                rebuilds.finish(lease, id, Some(&error.to_string())).await?;
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Indexes the next cards; false: there are none.
async fn portion(search: &dyn SearchIndex, rebuild: &mut Rebuild) -> cardwire_domain::Result<bool> {
    let total = match rebuild.total {
        Some(total) => total,
        None => *rebuild.total.insert(search.card_count().await?),
    };
    let Some(portion) = search.reindex(rebuild.after, PORTION).await? else { return Ok(false) };
    for (card, why) in portion.failed {
        tracing::error!(rebuild = %rebuild.id, %card, error = why, "the card cannot be indexed");
        rebuild.error.get_or_insert_with(|| format!("card {card} cannot be indexed: {why}"));
    }
    rebuild.after = Some(portion.last);
    // The last portion is rarely full.
    rebuild.done = (rebuild.done + PORTION as u64).min(total);
    Ok(true)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use cardwire_domain::collection::AccessType;
    use cardwire_domain::search::{CollectionFound, Found, PersonFound, Reindexed, Renewed, SearchRequest};
    use cardwire_domain::use_cases::{AddUrlToLibrary, CreateCollection, Request, execute};
    use cardwire_domain::{CardId, PageRequest, RecordedEvent, SystemClock, UserId, Visibility};
    use cardwire_events::Handover;
    use cardwire_storage::SqliteStore;
    use tokio::time::timeout;

    use super::*;

    /// Each card is a portion, and the first cannot be indexed.
    struct Picky(Arc<SqliteStore>);

    #[async_trait]
    impl SearchIndex for Picky {
        async fn index(&self, events: &[RecordedEvent]) -> cardwire_domain::Result<usize> {
            self.0.index(events).await
        }

        async fn reindex(&self, after: Option<CardId>, _: usize) -> cardwire_domain::Result<Option<Reindexed>> {
            let mut portion = self.0.reindex(after, 1).await?;
            if let (None, Some(portion)) = (after, &mut portion) {
                portion.failed.push((portion.last, "no way".into()));
            }
            Ok(portion)
        }

        async fn card_count(&self) -> cardwire_domain::Result<u64> {
            self.0.card_count().await
        }

        async fn renew(&self, from: &mut Renewal, limit: usize) -> cardwire_domain::Result<Renewed> {
            self.0.renew(from, limit).await
        }

        async fn search(&self, request: &SearchRequest, page: &PageRequest) -> cardwire_domain::Result<Found> {
            self.0.search(request, page).await
        }

        async fn find_people(&self, text: &str) -> cardwire_domain::Result<Vec<PersonFound>> {
            self.0.find_people(text).await
        }

        async fn find_collections(&self, text: &str) -> cardwire_domain::Result<Vec<CollectionFound>> {
            self.0.find_collections(text).await
        }
    }

    async fn keep(store: &SqliteStore, by: &UserId, url: &str) -> String {
        let command = AddUrlToLibrary { url: url.into(), ..AddUrlToLibrary::default() };
        execute(store, &Request::by(by.clone()), &command).await.unwrap().url_card_id.to_string()
    }

    async fn rebuilt(store: &Arc<SqliteStore>, search: Arc<dyn SearchIndex>, by: &UserId) -> Rebuild {
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(store.clone(), search, stop.clone()));
        let (asked, new) = store.request(by).await.unwrap();
        assert!(new);
        let done = async {
            loop {
                let latest = store.latest().await.unwrap().unwrap();
                if latest.finished_at.is_some() {
                    return latest;
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let done = timeout(Duration::from_secs(30), done).await.unwrap();
        assert_eq!(done.id, asked.id);
        stop.cancel();
        timeout(Duration::from_secs(30), running).await.unwrap().unwrap();
        done
    }

    fn scene() -> (Arc<SqliteStore>, UserId) {
        (
            Arc::new(SqliteStore::in_memory(Arc::new(SystemClock), Handover::default()).expect("SQLite is built in")),
            UserId::parse("did:plc:alice").unwrap(),
        )
    }

    #[tokio::test(start_paused = true)]
    async fn a_card_that_cannot_be_indexed_is_told_and_the_others_are() {
        let (store, alice) = scene();
        let mut cards = Vec::new();
        for n in 0..3 {
            cards.push(keep(&store, &alice, &format!("https://example.com/{n}")).await);
        }
        cards.sort_unstable();
        let done = rebuilt(&store, Arc::new(Picky(store.clone())), &alice).await;
        assert_eq!(done.error, Some(format!("card {} cannot be indexed: no way", cards[0])));
        assert_eq!(done.after.map(|card| card.to_string()), cards.last().cloned(), "it went on to the end");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_asked_for_is_done() {
        let (store, alice) = scene();
        keep(&store, &alice, "https://example.com/bread").await;
        let done = rebuilt(&store, store.clone(), &alice).await;
        assert_eq!((done.error, done.done, done.total), (None, 1, Some(1)));
        let request = SearchRequest { text: "bread".into(), ..SearchRequest::default() };
        let found = store.search(&request, &PageRequest::default()).await.unwrap();
        assert_eq!(found.items.len(), 1, "although no event was worked off");
    }

    #[tokio::test(start_paused = true)]
    async fn names_are_indexed_without_being_asked_for() {
        let (store, alice) = scene();
        let command = CreateCollection {
            name: "Bread".into(),
            description: None,
            access: AccessType::Closed,
            visibility: Visibility::Public,
        };
        execute(&*store, &Request::by(alice), &command).await.unwrap();
        assert!(store.find_collections("bread").await.unwrap().is_empty(), "nobody has looked yet");
        let stop = CancellationToken::new();
        let running = tokio::spawn(run(store.clone(), store.clone(), stop.clone()));
        let found = async {
            while store.find_collections("bread").await.unwrap().is_empty() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        timeout(Duration::from_secs(30), found).await.unwrap();
        stop.cancel();
        timeout(Duration::from_secs(30), running).await.unwrap().unwrap();
    }
}
