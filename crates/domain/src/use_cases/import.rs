use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::named::load_collections;
use super::use_case::UseCase;
use crate::card::Card;
use crate::changes::{Change, Changes};
use crate::collection::{AccessType, Collection, Description, Name};
use crate::error::{Error, Result};
use crate::event::DomainEvent;
use crate::ids::{CardId, CollectionId, ImportId, UserId};
use crate::imports::{Fingerprint, ImportRow, RowOutcome};
use crate::note::NoteText;
use crate::store::{Store, Transaction};
use crate::title::Title;
use crate::url::CardUrl;

/// Saves links that were brought along, all in one commit. One that breaks a rule is refused, the others are saved. One that is
/// in the library already keeps its title, its note, its date and its visibility; it only joins the collections. What a row names as a
/// collection is looked up among those of its owner, and made where there is none.
#[derive(Clone, Debug)]
pub struct ImportUrls {
    pub import: ImportId,
    /// With their numbers.
    pub rows: Vec<(u32, ImportRow)>,
    /// Where every link goes.
    pub collection_id: Option<String>,
    /// The date of links without one, and the latest that any gets. `None`: now.
    pub begun_at: Option<Timestamp>,
}

/// What became of each row, in their order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UrlsImported(pub Vec<RowOutcome>);

#[async_trait]
impl UseCase for ImportUrls {
    type Answer = UrlsImported;

    async fn run(&self, by: &UserId, tx: &mut dyn Transaction, changes: &mut Changes) -> Result<UrlsImported> {
        (changes.import, changes.is_untold) = (Some(self.import), true);
        let chosen = match load_collections(tx, "collectionIds", self.collection_id.as_slice(), by).await {
            Ok(collections) => Ok(collections),
            Err(error) => Err(rule(error)?),
        };
        let names: BTreeSet<&String> = self.rows.iter().flat_map(|(_, row)| &row.collections).collect();
        let names: Vec<String> = names.into_iter().cloned().collect();
        let known = if names.is_empty() { Vec::new() } else { tx.collections_named(by, &names).await? };
        let named = known.into_iter().map(|collection| (collection.name.as_str().to_owned(), collection)).collect();
        // What the rows before did is not in the store yet.
        let mut here = Here { by, command: self, named, cards: BTreeMap::new(), left: BTreeMap::new() };
        let mut outcomes = Vec::new();
        for (number, row) in &self.rows {
            let outcome = match &chosen {
                Ok(chosen) => here
                    .import(*number, row, chosen, tx, changes)
                    .await
                    .or_else(|error| Ok::<_, Error>(RowOutcome::Refused(rule(error)?)))?,
                Err(why) => RowOutcome::Refused(why.clone()),
            };
            outcomes.push(outcome);
        }
        let left = here.left.into_iter().map(|(url, left)| left.change(self.import, &here.cards[&url]));
        changes.rows.extend(left);
        Ok(UrlsImported(outcomes))
    }
}

/// Why a row is refused; what is not about the row is given back.
fn rule(error: Error) -> Result<String> {
    match error {
        Error::OverQuota { .. } | Error::Stale | Error::Unavailable(_) | Error::Corrupt(_) => Err(error),
        Error::Invalid { field, rule } if field == "url" => Ok(rule),
        Error::Invalid { .. } | Error::NotFound { .. } | Error::Forbidden(_) | Error::Conflict(_) => {
            Ok(error.to_string())
        }
    }
}

/// What a command has done so far.
struct Here<'c> {
    by: &'c UserId,
    command: &'c ImportUrls,
    /// The owner's collections, by name.
    named: BTreeMap<String, Collection>,
    /// By normalised URL.
    cards: BTreeMap<String, Card>,
    /// What becomes of those that it saved, or that an earlier row of the file may have saved.
    left: BTreeMap<String, Left>,
}

/// Which row a card is left by.
#[derive(Clone, Copy, Debug)]
enum Left {
    /// By this row, which saved it.
    By { number: u32, same_as: Option<u32> },
    /// By the row before that has the same link, if it was still so.
    LaterRow { first: u32, before: Fingerprint },
}

impl Left {
    fn change(self, import: ImportId, card: &Card) -> Change {
        let fingerprint = card.fingerprint();
        match self {
            Self::By { number, same_as } => Change::LeftAs { import, number, card_id: card.id, fingerprint, same_as },
            Self::LaterRow { first, before } => Change::LeftByLaterRow { import, first, before, after: fingerprint },
        }
    }
}

impl Here<'_> {
    /// Changes nothing when it is refused.
    async fn import(
        &mut self,
        number: u32,
        row: &ImportRow,
        chosen: &[Collection],
        tx: &mut dyn Transaction,
        changes: &mut Changes,
    ) -> Result<RowOutcome> {
        let url = CardUrl::parse(&row.url)?;
        let note = row.note.as_deref().map(NoteText::parse).transpose()?.flatten();
        let (mut own, mut made) = (Changes::default(), Vec::new());
        let normalised = url.normalised().to_owned();
        let mut card = match self.cards.get(&normalised) {
            Some(card) => card.clone(),
            None => match tx.card_by_url(self.by, &normalised).await? {
                Some(card) => card,
                None => {
                    let id = CardId::of_row(self.command.import, number);
                    Card::create_as(id, self.by.clone(), url, None, &mut own)
                }
            },
        };
        let at = self.date(row);
        let before = card.fingerprint();
        let created = card.add_to_library_since(at, row.visibility, &mut own);
        if created {
            card.set_title(row.title.as_deref().and_then(Title::of_file), false, &mut own);
        }
        if created && note.is_some() {
            card.set_note(note, false, &mut own);
        }
        for collection in chosen {
            card.add_to_collection_since(at, collection, &mut own)?;
        }
        for name in &row.collections {
            let collection = match self.named.get(name) {
                Some(collection) => collection.clone(),
                None => self.make(name, row, &mut own)?,
            };
            card.add_to_collection_since(at, &collection, &mut own)?;
            made.push(collection);
        }
        changes.rows.append(&mut own.rows);
        changes.events.append(&mut own.events);
        self.named.extend(made.into_iter().map(|collection| (collection.name.as_str().to_owned(), collection)));
        if created {
            self.left.insert(normalised.clone(), Left::By { number, same_as: row.same_as });
        } else if let Some(first) = row.same_as {
            self.left.entry(normalised.clone()).or_insert(Left::LaterRow { first, before });
        }
        let id = card.id;
        self.cards.insert(normalised, card);
        Ok(if created { RowOutcome::Saved(id) } else { RowOutcome::Known(id) })
    }

    fn date(&self, row: &ImportRow) -> Option<Timestamp> {
        let latest = self.command.begun_at;
        match row.added_at {
            Some(added) => latest.map(|latest| added.min(latest)),
            None => latest,
        }
    }

    /// Unless the file says otherwise, those who can see the link can see the collection that is made for it.
    fn make(&self, name: &str, row: &ImportRow, changes: &mut Changes) -> Result<Collection> {
        let collection = Collection {
            id: CollectionId::generate(),
            author: self.by.clone(),
            name: Name::parse(name)?,
            description: Description::default(),
            access: AccessType::Closed,
            visibility: row.visibilities.get(name).copied().unwrap_or(row.visibility),
            collaborators: BTreeSet::new(),
            invited: BTreeSet::new(),
        };
        changes.rows.push(Change::InsertCollection(collection.clone()));
        changes.events.push(DomainEvent::CollectionCreated { collection_id: collection.id, actor_id: self.by.clone() });
        Ok(collection)
    }
}

/// What [`ImportUrls`] would do with rows, if each had a commit of its own. Changes nothing.
pub async fn check_urls(
    store: &dyn Store,
    by: &UserId,
    rows: &[(u32, ImportRow)],
    collection_id: Option<CollectionId>,
) -> Result<Vec<(u32, RowOutcome)>> {
    let mut tx = store.begin().await?;
    let chosen: Option<String> = collection_id.map(|id| id.to_string());
    let closed = match load_collections(&mut *tx, "collectionIds", chosen.as_slice(), by).await {
        Ok(collections) => {
            collections.iter().find_map(|collection| collection.may_add(by).err()).map(rule).transpose()?
        }
        Err(error) => Some(rule(error)?),
    };
    let mut outcomes = Vec::new();
    for (number, row) in rows {
        let outcome = match &closed {
            Some(why) => RowOutcome::Refused(why.clone()),
            None => {
                check(row, by, &mut *tx).await.or_else(|error| Ok::<_, Error>(RowOutcome::Refused(rule(error)?)))?
            }
        };
        outcomes.push((*number, outcome));
    }
    Ok(outcomes)
}

async fn check(row: &ImportRow, by: &UserId, tx: &mut dyn Transaction) -> Result<RowOutcome> {
    let url = CardUrl::parse(&row.url)?;
    row.note.as_deref().map(NoteText::parse).transpose()?;
    row.collections.iter().try_for_each(|name| Name::parse(name).map(drop))?;
    if row.same_as.is_some() {
        return Ok(RowOutcome::Again);
    }
    let card = tx.card_by_url(by, url.normalised()).await?;
    Ok(match card.filter(|card| card.library_link.is_some()) {
        Some(card) => RowOutcome::Known(card.id),
        None => RowOutcome::New,
    })
}
