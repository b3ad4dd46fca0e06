//! Search over pages and cards' own titles; for their owners also over notes and over cards that others do not see; and
//! over people and collections by their names.

mod asked;
mod find;
mod index;
mod lookup;
mod names;
mod renamed;
mod renew;
mod vector;
mod words;

use async_trait::async_trait;
use cardwire_domain::search::{
    CollectionFound, Found, Gathering, Pass, PersonFound, Reindexed, Renewal, Renewed, SearchIndex, SearchQuery,
    SearchRequest,
};
use cardwire_domain::{CardId, EventId, PageRequest, RecordedEvent, Result};
use cardwire_events::Queue;
use sqlx::types::Uuid;

use super::departed;
use super::error::Failure;
use super::log::{recorded, take};
use super::pool::Session;
use super::store::PostgresStore;
use super::values::{card_id, get, get_count, signed, uuid};
pub(super) use asked::begun;
use find::Search;
pub(super) use index::{drop_stray_pages, index_cards, index_page};
pub(super) use lookup::{Lookup, inside};

/// This many cards of a portion may be left out of the index. If more cannot be indexed, it is hardly the cards' fault.
const MAX_UNFIT: usize = 20;

impl PostgresStore {
    /// Splits failing portions in half until the cards that cannot be indexed are alone; returns them with the reasons.
    async fn index_halving(&self, cards: Vec<Uuid>) -> Result<Vec<(CardId, String)>, Failure> {
        let (mut rest, mut failed) = (vec![cards], Vec::new());
        while let Some(mut cards) = rest.pop() {
            match (self.index_at_once(&cards).await, cards.as_slice()) {
                (Err(failure), [card]) if failure.is_about_data() => {
                    failed.push((card_id(*card), failure.to_string()));
                    if let [(first, why), _, ..] = failed.as_slice()
                        && failed.len() > MAX_UNFIT
                    {
                        let why = format!("more than {MAX_UNFIT} cards cannot be indexed, the first is {first}: {why}");
                        return Err(Failure::Nonsense(why));
                    }
                }
                (Err(failure), [_, _, ..]) if failure.is_about_data() => {
                    rest.push(cards.split_off(cards.len() / 2));
                    rest.push(cards);
                }
                (result, _) => result?,
            }
        }
        Ok(failed)
    }

    async fn index_at_once(&self, cards: &[Uuid]) -> Result<(), Failure> {
        let mut session = self.batch_session().await?;
        session.begin().await?;
        index_cards(&mut session, cards).await?;
        session.commit().await
    }
}

#[async_trait]
impl SearchIndex for PostgresStore {
    async fn index(&self, events: &[RecordedEvent]) -> Result<usize> {
        let mut session = self.batch_session().await.map_err(Failure::of_effect)?;
        index(&mut session, events).await.map_err(Failure::of_effect)
    }

    async fn reindex(&self, after: Option<CardId>, limit: usize) -> Result<Option<Reindexed>> {
        let mut session = self.batch_session().await?;
        let sql = "SELECT id FROM cards WHERE $1::uuid IS NULL OR id > $1 ORDER BY id LIMIT $2";
        let query = sqlx::query(sql).bind(after.map(|id| uuid(id.ulid()))).bind(signed(limit));
        let rows = session.fetch_all(query).await?;
        let cards = rows.iter().map(|row| get(row, "id")).collect::<Result<Vec<Uuid>, Failure>>()?;
        let Some(last) = cards.last().copied() else {
            words::drop_strays(&mut session).await?;
            return Ok(None);
        };
        drop(session);
        let failed = self.index_halving(cards).await?;
        Ok(Some(Reindexed { last: card_id(last), failed }))
    }

    async fn renew(&self, from: &mut Renewal, limit: usize) -> Result<Renewed> {
        let mut session = self.batch_session().await?;
        // First, because people search for a name as soon as they have changed it.
        let names = renew::names(&mut session, from, limit).await?;
        session.start_again();
        let (cards, failed) = match renew::cards(&mut session, from.card, limit).await? {
            renew::Cards::Busy => return Ok(Renewed { count: names, failed: Vec::new() }),
            renew::Cards::Renewed(cards) => (cards, Vec::new()),
            renew::Cards::Unfit(cards) => {
                drop(session);
                let failed = self.index_halving(cards.clone()).await?;
                let unfit: Vec<Uuid> = failed.iter().map(|(card, _)| uuid(card.ulid())).collect();
                renew::leave(&mut self.batch_session().await?, &unfit).await?;
                (cards, failed)
            }
        };
        from.card = cards.get(limit.saturating_sub(1)).map(|card| card_id(*card));
        Ok(Renewed { count: names + cards.len(), failed })
    }

    async fn card_count(&self) -> Result<u64> {
        let rows = self.batch_session().await?.fetch_all(sqlx::query("SELECT count(*) FROM cards")).await?;
        Ok(rows.first().map_or(Ok(0), |row| get_count(row, "count"))?)
    }

    async fn search(&self, request: &SearchRequest, page: &PageRequest) -> Result<Found> {
        let mut gathering = Gathering::new(page.limit, page.after.as_ref())?;
        let Some(query) = SearchQuery::parse(&request.text) else {
            return Ok(Found::of(gathering.page()));
        };
        let mut session = self.session().await?;
        let mut search = Search::new(&query, request);
        let mut corrected = None;
        for pass in Pass::ALL {
            let Some((wanted, after)) = gathering.wants(pass) else { continue };
            let hits = search.hits(&mut session, pass, after, wanted).await?;
            if let (Pass::Near, None, Some((_, best))) = (pass, after, hits.first()) {
                corrected = search.corrected(&mut session, &best.id).await?;
            }
            gathering.add(pass, hits);
        }
        Ok(Found { corrected, ..Found::of(gathering.page()) })
    }

    async fn find_people(&self, text: &str) -> Result<Vec<PersonFound>> {
        let Some(query) = SearchQuery::parse(text) else { return Ok(Vec::new()) };
        Ok(names::people(&mut self.session().await?, &query).await?)
    }

    async fn find_collections(&self, text: &str) -> Result<Vec<CollectionFound>> {
        let Some(query) = SearchQuery::parse(text) else { return Ok(Vec::new()) };
        Ok(names::collections(&mut self.session().await?, &query).await?)
    }
}

async fn index(session: &mut Session, events: &[RecordedEvent]) -> Result<usize, Failure> {
    if events.is_empty() {
        return Ok(0);
    }
    let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
    let known = recorded(session, &ids).await?;
    let ids: Vec<EventId> = known.iter().map(|event| event.id).collect();
    session.begin().await?;
    let taken: std::collections::BTreeSet<EventId> = take(session, Queue::Search, &ids).await?.into_iter().collect();
    let ours: Vec<&RecordedEvent> = known.iter().filter(|event| taken.contains(&event.id)).collect();
    let named = ours.iter().filter_map(|event| event.event.card_id());
    let mut cards: Vec<Uuid> = named.map(|id| uuid(id.ulid())).collect();
    cards.extend(departed::indexed(session, &departed::people(ours)).await?);
    cards.sort_unstable();
    cards.dedup();
    index_cards(session, &cards).await?;
    session.commit().await?;
    Ok(taken.len())
}
