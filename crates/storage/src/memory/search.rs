//! Search by looking at every indexed card: right for the few that one process keeps in memory.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use async_trait::async_trait;
use cardwire_domain::metadata::{Metadata, PageKind};
use cardwire_domain::search::{
    MAX_HIT_CARDS, MAX_MISSPELT, MAX_NEAR_WORDS, Reindexed, SearchHit, SearchIndex, SearchQuery, SearchRequest, Term,
    is_near, tokens,
};
use cardwire_domain::{CardId, Error, Page, PageRequest, Position, RecordedEvent, Result, UserId};
use cardwire_events::Queue;
use jiff::Timestamp;

use super::kept::Document;
use super::state::State;
use super::store::InMemoryStore;

/// By where a word is; a whole word counts twice a beginning.
const IN_TITLE: i64 = 1_000;
const IN_NAMES: i64 = 500;
const IN_DESCRIPTION: i64 = 300;
const IN_URL: i64 = 100;
const IN_NOTE: i64 = 50;
/// All words found whole.
const WHOLE: i64 = 1_000_000;
const RANK_UNIT: f32 = 1_000_000.0;
/// Marks the cursor of a search for similar words.
const SIMILAR: char = '~';

/// Words in a row, and what each counts.
type Field = (i64, Vec<String>);

struct Found<'a> {
    normalised: &'a str,
    rank: i64,
}

#[async_trait]
impl SearchIndex for InMemoryStore {
    async fn index(&self, events: &[RecordedEvent]) -> Result<usize> {
        let now = self.now();
        let mut state = self.lock().await;
        let mut taken = 0;
        for event in events {
            let Some(recorded) = state.ledger.recorded(event.id) else { continue };
            if !state.ledger.take(Queue::Search, event.id) {
                continue;
            }
            taken += 1;
            if let Some(id) = recorded.event.card_id() {
                state.index_card(id, now);
            }
        }
        Ok(taken)
    }

    async fn reindex(&self, after: Option<CardId>, limit: usize) -> Result<Option<Reindexed>> {
        let now = self.now();
        let mut state = self.lock().await;
        let mut ids: Vec<CardId> = state.card_ids().filter(|id| after.is_none_or(|after| *id > after)).collect();
        ids.sort_unstable();
        ids.truncate(limit);
        for id in &ids {
            state.index_card(*id, now);
        }
        Ok(ids.last().map(|last| Reindexed { last: *last, failed: Vec::new() }))
    }

    async fn card_count(&self) -> Result<u64> {
        Ok(self.lock().await.card_ids().count() as u64)
    }

    async fn search(&self, request: &SearchRequest, page: &PageRequest) -> Result<Page<SearchHit>> {
        let nothing = Page { items: Vec::new(), next: None };
        let Some(query) = SearchQuery::parse(&request.text) else {
            return Ok(nothing);
        };
        if page.after.as_ref().is_some_and(|after| after.key < 0) {
            return Err(Error::invalid("cursor", "must be the nextCursor of this list"));
        }
        let state = self.lock().await;
        let similar = page.after.as_ref().is_some_and(|after| after.id.starts_with(SIMILAR));
        if !similar {
            let found = state.find(&query, &HashMap::new(), request, page);
            if !found.items.is_empty() || page.after.is_some() {
                return Ok(found);
            }
        }
        match state.near(&query, request.reader.as_ref()) {
            near if near.is_empty() => Ok(nothing),
            near => Ok(state.find(&query, &near, request, page)),
        }
    }
}

type Near = HashMap<String, Vec<String>>;

impl State {
    fn index_card(&mut self, id: CardId, now: Timestamp) {
        let stored = self.card(id).filter(|stored| stored.in_library_since.is_some());
        let Some(card) = stored.map(|stored| stored.card.clone()) else {
            if let Some(gone) = self.index.documents.remove(&id) {
                if self.index.documents.values().any(|document| document.normalised == gone.normalised) {
                    self.pages.let_go(&gone.normalised, &gone.owner);
                } else {
                    self.pages.forget(&gone.normalised);
                }
            }
            return;
        };
        self.pages.keep(&card.url, &card.owner, now);
        let document = Document {
            owner: card.owner,
            url: card.url.given().to_owned(),
            normalised: card.url.normalised().to_owned(),
            note: card.note.map(|note| tokens(note.text.as_str()).collect()),
        };
        self.index.documents.insert(id, document);
    }

    fn fields(&self, normalised: &str) -> Vec<Field> {
        let metadata = self.pages.metadata(normalised).cloned().unwrap_or_default();
        let Metadata { title, description, site_name, author, .. } = metadata;
        let field = |count, text: Option<String>| (count, tokens(text.as_deref().unwrap_or_default()).collect());
        vec![
            field(IN_TITLE, title),
            field(IN_NAMES, site_name),
            field(IN_NAMES, author),
            field(IN_DESCRIPTION, description),
            field(IN_URL, Some(normalised.to_owned())),
        ]
    }

    fn kind(&self, normalised: &str) -> Option<PageKind> {
        self.pages.metadata(normalised).and_then(|metadata| metadata.kind)
    }

    fn find(&self, query: &SearchQuery, near: &Near, request: &SearchRequest, page: &PageRequest) -> Page<SearchHit> {
        let reader = request.reader.as_ref();
        let mut by_url: BTreeMap<&str, Vec<(&CardId, &Document)>> = BTreeMap::new();
        for (id, document) in &self.index.documents {
            by_url.entry(&document.normalised).or_default().push((id, document));
        }
        let mut found: Vec<Found<'_>> = Vec::new();
        for (normalised, documents) in &by_url {
            let mine = documents.iter().find(|(_, document)| reader == Some(&document.owner));
            if (request.mine && mine.is_none()) || (request.kind.is_some() && self.kind(normalised) != request.kind) {
                continue;
            }
            let mut fields = self.fields(normalised);
            let rank = rank(query, near, &fields).or_else(|| {
                fields.push((IN_NOTE, mine?.1.note.clone()?));
                rank(query, near, &fields).map(|rank| rank % WHOLE / 2)
            });
            if let Some(rank) = rank {
                found.push(Found { normalised, rank: rank + documents.len().min(9) as i64 });
            }
        }
        let mark = if near.is_empty() { String::new() } else { SIMILAR.to_string() };
        if let Some(after) = &page.after {
            let url = after.id.strip_prefix(&mark).unwrap_or(&after.id);
            found.retain(|hit| hit.rank < after.key || (hit.rank == after.key && hit.normalised > url));
        }
        found.sort_unstable_by(|a, b| b.rank.cmp(&a.rank).then_with(|| a.normalised.cmp(b.normalised)));
        found.truncate(page.limit.get() + 1);
        let position = |hit: &Found<'_>| Position { key: hit.rank, id: format!("{mark}{}", hit.normalised) };
        Page::cut(found, page.limit, position).map(|hit| {
            let documents = by_url.get(hit.normalised).into_iter().flatten();
            let shown: Vec<_> =
                documents.filter(|(_, document)| !request.mine || reader == Some(&document.owner)).collect();
            let metadata = self.pages.metadata(hit.normalised).cloned().unwrap_or_default();
            SearchHit {
                url: shown.first().map(|(_, document)| document.url.clone()).unwrap_or_default(),
                title: metadata.title,
                description: metadata.description,
                kind: metadata.kind,
                card_ids: shown.iter().take(MAX_HIT_CARDS).map(|(id, _)| **id).collect(),
                rank: hit.rank as f32 / RANK_UNIT,
            }
        })
    }

    /// Similar words for those that begin no indexed one, the nearest first.
    fn near(&self, query: &SearchQuery, reader: Option<&UserId>) -> Near {
        let mut words: Vec<String> = Vec::new();
        for document in self.index.documents.values() {
            words.extend(self.fields(&document.normalised).into_iter().flat_map(|(_, words)| words));
            if reader == Some(&document.owner) {
                words.extend(document.note.iter().flatten().cloned());
            }
        }
        words.sort_unstable();
        words.dedup();
        let asked = query.required.iter().filter_map(|term| match term {
            Term::Word { word, .. } if word.chars().count() >= 4 => Some(word),
            _ => None,
        });
        let unknown: BTreeSet<&String> =
            asked.filter(|word| !words.iter().any(|known| known.starts_with(word.as_str()))).collect();
        let mut near = Near::new();
        if unknown.len() > MAX_MISSPELT {
            return near;
        }
        for word in unknown {
            let mut similar: Vec<(usize, &String)> =
                words.iter().filter_map(|other| Some((is_near(word, other)?, other))).collect();
            similar.sort_unstable();
            if !similar.is_empty() {
                let nearest = similar.into_iter().take(MAX_NEAR_WORDS).map(|(_, word)| word.clone());
                near.insert(word.clone(), nearest.collect());
            }
        }
        near
    }
}

/// `None` when a term does not occur, or an excluded one does.
fn rank(query: &SearchQuery, near: &Near, fields: &[Field]) -> Option<i64> {
    if query.excluded.iter().any(|term| occurs(term, fields)) {
        return None;
    }
    let (mut rank, mut all_whole) = (0, true);
    for term in &query.required {
        let (mut best, mut whole) = (0, false);
        for (count, words) in fields {
            match term {
                Term::Phrase(phrase) if holds(words, phrase) => (best, whole) = (best.max(*count), true),
                Term::Phrase(_) => {}
                Term::Word { word, open } => {
                    let similar = near.get(word).is_some_and(|near| near.iter().any(|near| words.contains(near)));
                    if words.contains(word) {
                        (best, whole) = (best.max(*count), true);
                    } else if similar || (*open && words.iter().any(|other| other.starts_with(word.as_str()))) {
                        best = best.max(count / 2);
                    }
                }
            }
        }
        if best == 0 {
            return None;
        }
        rank += best * 10;
        all_whole &= whole;
    }
    Some(rank.min(WHOLE - 10) + if all_whole { WHOLE } else { 0 })
}

fn occurs(term: &Term, fields: &[Field]) -> bool {
    fields.iter().any(|(_, words)| match term {
        Term::Word { word, .. } => words.contains(word),
        Term::Phrase(phrase) => holds(words, phrase),
    })
}

fn holds(words: &[String], phrase: &[String]) -> bool {
    words.windows(phrase.len()).any(|window| window == phrase)
}
