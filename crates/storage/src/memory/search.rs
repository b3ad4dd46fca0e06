//! Search by looking at every indexed card: right for the few that one process keeps in memory.

use std::collections::{BTreeMap, HashMap};

use async_trait::async_trait;
use cardwire_domain::search::{SearchHit, SearchIndex};
use cardwire_domain::{CardId, Error, Page, PageRequest, Position, RecordedEvent, Result, UserId};
use cardwire_events::Queue;

use super::InMemoryStore;
use super::library::words;
use super::state::StoredCard;

/// A word in the address counts more than one in a note, a whole word more than a part.
const WHOLE_WORD: i64 = 1_000;
const PART: i64 = 500;
const IN_NOTE: i64 = 250;

#[derive(Default)]
pub(super) struct Index {
    /// By id, so that the oldest card of a URL comes first.
    documents: BTreeMap<CardId, Document>,
}

struct Document {
    owner: UserId,
    url: String,
    normalised: String,
    url_lower: String,
    note_lower: Option<String>,
}

impl Document {
    fn of(stored: &StoredCard) -> Self {
        let card = &stored.card;
        Self {
            owner: card.owner.clone(),
            url: card.url.given().to_owned(),
            normalised: card.url.normalised().to_owned(),
            url_lower: card.url.given().to_lowercase(),
            note_lower: card.note.as_ref().map(|note| note.text.as_str().to_lowercase()),
        }
    }

    /// `None` when a word does not occur.
    fn rank(&self, words: &[String], reader: Option<&UserId>) -> Option<i64> {
        let note = self.note_lower.as_deref().filter(|_| reader == Some(&self.owner));
        let mut rank = 0;
        for word in words {
            rank += if self.url_lower.split(|c: char| !c.is_alphanumeric()).any(|part| part == word) {
                WHOLE_WORD
            } else if self.url_lower.contains(word) {
                PART
            } else if note.is_some_and(|note| note.contains(word)) {
                IN_NOTE
            } else {
                return None;
            };
        }
        Some(rank)
    }
}

struct Hit<'a> {
    normalised: &'a str,
    url: &'a str,
    card_ids: Vec<CardId>,
    rank: i64,
}

#[async_trait]
impl SearchIndex for InMemoryStore {
    async fn index(&self, events: &[RecordedEvent]) -> Result<usize> {
        let mut state = self.lock().await;
        let mut taken = 0;
        for recorded in events {
            if !state.ledger.take(Queue::Search, recorded.id) {
                continue;
            }
            taken += 1;
            let Some(id) = recorded.event.card_id() else {
                continue;
            };
            let document = state.card(id).filter(|stored| stored.in_library_since.is_some()).map(Document::of);
            match document {
                Some(document) => state.index.documents.insert(id, document),
                None => state.index.documents.remove(&id),
            };
        }
        Ok(taken)
    }

    async fn search(&self, text: &str, reader: Option<&UserId>, page: &PageRequest) -> Result<Page<SearchHit>> {
        let words = words(text);
        if words.is_empty() {
            return Ok(Page { items: Vec::new(), next: None });
        }
        let after = match &page.after {
            Some(Position { key, .. }) if *key < 0 => {
                return Err(Error::invalid("cursor", "must be the nextCursor of this list"));
            }
            after => after.as_ref(),
        };
        let state = self.lock().await;
        let mut by_url: HashMap<&str, Hit<'_>> = HashMap::new();
        for (id, document) in &state.index.documents {
            let Some(rank) = document.rank(&words, reader) else {
                continue;
            };
            let hit = by_url.entry(&document.normalised).or_insert_with(|| Hit {
                normalised: &document.normalised,
                url: &document.url,
                card_ids: Vec::new(),
                rank: 0,
            });
            hit.card_ids.push(*id);
            hit.rank = hit.rank.max(rank);
        }
        // Best first; of equal ones in the order of their URLs.
        let mut hits: Vec<Hit<'_>> = by_url
            .into_values()
            .filter(|hit| {
                after.is_none_or(|after| {
                    hit.rank < after.key || (hit.rank == after.key && hit.normalised > after.id.as_str())
                })
            })
            .collect();
        hits.sort_unstable_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.normalised.cmp(b.normalised)));
        hits.truncate(page.limit.get() + 1);
        let page = Page::cut(hits, page.limit, |hit| Position { key: hit.rank, id: hit.normalised.to_owned() });
        Ok(page.map(|hit| SearchHit {
            url: hit.url.to_owned(),
            title: None,
            description: None,
            card_ids: hit.card_ids,
            rank: hit.rank as f32 / WHOLE_WORD as f32,
        }))
    }
}
