//! Search over pages and cards' own titles; for their owners also over notes and over cards that others do not see; and
//! over people and collections by their names.

mod asked;
mod find;
mod index;
mod kept;
mod names;
mod rank;
mod renamed;
mod renew;
mod text;
mod words;

use std::collections::BTreeSet;

use async_trait::async_trait;
use cardwire_domain::search::{
    CollectionFound, Found, PersonFound, Reindexed, Renewal, Renewed, SearchIndex, SearchQuery, SearchRequest,
};
use cardwire_domain::{CardId, EventId, PageRequest, RecordedEvent, Result};
use cardwire_events::Queue;
use jiff::Timestamp;
use rusqlite::Connection;

use super::departed;
use super::error::Failure;
use super::log::{recorded, take};
use super::store::SqliteStore;
use super::values::{blob, card_id, first, get, rows, signed};

pub(super) use index::{index_page, purge_texts, reindex};
pub(super) use kept::Kept;

/// This many cards of a portion may be left out of the index. If more cannot be indexed, it is hardly the cards' fault.
const MAX_UNFIT: usize = 20;

const NEXT_CARDS: &str = "SELECT id FROM cards WHERE id > ?1 ORDER BY id LIMIT ?2";

#[async_trait]
impl SearchIndex for SqliteStore {
    async fn index(&self, events: &[RecordedEvent]) -> Result<usize> {
        let ids: Vec<EventId> = events.iter().map(|event| event.id).collect();
        self.write(move |connection, now| index(connection, now, &ids)).await.map_err(Failure::of_effect)
    }

    async fn reindex(&self, after: Option<CardId>, limit: usize) -> Result<Option<Reindexed>> {
        let after = after.map(|card| blob(card.ulid()).to_vec()).unwrap_or_default();
        let next = move |connection: &Connection, _| {
            rows(connection, NEXT_CARDS, &[&after, &signed(limit)], |row| Ok(card_id(get(row, "id")?)))
        };
        let cards = self.read(next).await?;
        let Some(last) = cards.last().copied() else {
            self.in_portions(|connection, _, after| words::drop_strays(connection, after)).await?;
            return Ok(None);
        };
        Ok(Some(Reindexed { last, failed: self.index_all(cards).await? }))
    }

    async fn renew(&self, from: &mut Renewal, limit: usize) -> Result<Renewed> {
        let mut count = 0;
        // First, because people search for a name as soon as they have changed it.
        if self.read(|connection, _| renew::are_names_missing(connection)).await? {
            let behind = from.clone();
            let (people, collections) =
                self.write(move |connection, _| renew::names(connection, &behind, limit)).await?;
            count = people.len() + collections.len();
            from.person = people.into_iter().nth(limit.saturating_sub(1));
            from.collection = collections.into_iter().nth(limit.saturating_sub(1));
        }
        let after = from.card;
        let cards = self.read(move |connection, _| renew::old(connection, after, limit)).await?;
        from.card = cards.get(limit.saturating_sub(1)).copied();
        if cards.is_empty() {
            return Ok(Renewed { count, failed: Vec::new() });
        }
        count += cards.len();
        let failed = self.index_all(cards.clone()).await?;
        // Includes those that cannot be indexed, and those whose cards are gone.
        self.write(move |connection, _| renew::settle(connection, &cards)).await?;
        Ok(Renewed { count, failed })
    }

    async fn card_count(&self) -> Result<u64> {
        let count = |connection: &Connection, _| {
            let count = first(connection, "SELECT count(*) AS n FROM cards", &[], |row| get::<i64>(row, "n"))?;
            Ok(count.unwrap_or_default().unsigned_abs())
        };
        Ok(self.read(count).await?)
    }

    async fn search(&self, request: &SearchRequest, page: &PageRequest) -> Result<Found> {
        let (request, page) = (request.clone(), page.clone());
        Ok(self.read(move |connection, _| find::search(connection, &request, &page)).await?)
    }

    async fn find_people(&self, text: &str) -> Result<Vec<PersonFound>> {
        let Some(query) = SearchQuery::parse(text) else { return Ok(Vec::new()) };
        Ok(self.read(move |connection, _| names::people(connection, &query)).await?)
    }

    async fn find_collections(&self, text: &str) -> Result<Vec<CollectionFound>> {
        let Some(query) = SearchQuery::parse(text) else { return Ok(Vec::new()) };
        Ok(self.read(move |connection, _| names::collections(connection, &query)).await?)
    }
}

impl SqliteStore {
    /// Returns the cards that cannot be indexed, with the reasons.
    async fn index_all(&self, cards: Vec<CardId>) -> Result<Vec<(CardId, String)>, Failure> {
        let all = cards.clone();
        match self.write(move |connection, now| reindex(connection, now, &all)).await {
            Err(failure) if failure.is_about_data() => {}
            result => return result.map(|()| Vec::new()),
        }
        let mut failed = Vec::new();
        for card in cards {
            match self.write(move |connection, now| reindex(connection, now, &[card])).await {
                Err(failure) if failure.is_about_data() => failed.push((card, failure.to_string())),
                result => result?,
            }
            if let [(first, why), _, ..] = failed.as_slice()
                && failed.len() > MAX_UNFIT
            {
                let why = format!("more than {MAX_UNFIT} cards cannot be indexed, the first is {first}: {why}");
                return Err(Failure::Nonsense(why));
            }
        }
        Ok(failed)
    }
}

fn index(connection: &Connection, now: Timestamp, events: &[EventId]) -> Result<usize, Failure> {
    let known = recorded(connection, events)?;
    let ids: Vec<EventId> = known.iter().map(|event| event.id).collect();
    let taken: BTreeSet<EventId> = take(connection, Queue::Search, &ids)?.into_iter().collect();
    let ours: Vec<&RecordedEvent> = known.iter().filter(|event| taken.contains(&event.id)).collect();
    let mut cards: Vec<CardId> = ours.iter().filter_map(|event| event.event.card_id()).collect();
    cards.extend(departed::indexed(connection, &departed::people(ours))?);
    cards.sort_unstable();
    cards.dedup();
    reindex(connection, now, &cards)?;
    Ok(taken.len())
}
