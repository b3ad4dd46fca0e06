//! Compares what people see of each other with what was accepted.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use anyhow::{bail, ensure};
use cardwire_domain::analytics::Analytics as _;
use cardwire_domain::collection::CollectionRepository as _;
use cardwire_domain::feed::FeedRepository as _;
use cardwire_domain::library::LibraryRepository as _;
use cardwire_domain::search::{SearchIndex as _, SearchRequest};
use cardwire_domain::{CardId, CollectionId, Error, Limit, PageRequest, UserId, Visibility};
use cardwire_events::Message;

use crate::chaos::{COLLECTIONS, PEOPLE, Truth, URLS, url};
use crate::checker::{check_activities, check_ledger};
use crate::world::World;

/// A card at rest.
struct Known {
    id: CardId,
    owner: usize,
    url: usize,
    is_kept: bool,
    is_shown: bool,
    collections: BTreeSet<usize>,
}

struct Seen<'a> {
    truth: &'a Truth,
    cards: Vec<Known>,
    visibility: Vec<Visibility>,
}

/// Returns how many activities there are.
///
/// # Errors
/// The first thing that is wrong.
pub async fn check(world: &World, truth: &Truth) -> anyhow::Result<usize> {
    let envelopes = world.store.events().await?;
    let expected = truth.events.load(Ordering::Relaxed);
    ensure!(envelopes.len() as u64 == expected, "{} events instead of {expected}", envelopes.len());
    let mut events = Vec::with_capacity(envelopes.len());
    for envelope in &envelopes {
        events.push(Message::parse(&envelope.to_entry())?.decode()?);
    }
    check_ledger(world, &events).await?;
    let activities = check_activities(world, &events).await?.len();
    let seen = Seen::of(truth).await;
    for reader in (0..PEOPLE).map(Some).chain([None]) {
        seen.check_cards(world, reader).await?;
        seen.check_collections(world, reader).await?;
        seen.check_search(world, reader).await?;
    }
    seen.check_feed(world).await?;
    seen.check_counts(world).await?;
    Ok(activities)
}

impl<'a> Seen<'a> {
    async fn of(truth: &'a Truth) -> Self {
        let mut cards = Vec::new();
        for (owner, of_owner) in truth.cards.iter().enumerate() {
            for (url, card) in of_owner.iter().enumerate() {
                let card = card.lock().await;
                let Some(id) = card.id else { continue };
                let (is_kept, is_shown) = (card.is_kept, card.is_shown());
                cards.push(Known { id, owner, url, is_kept, is_shown, collections: card.collections.clone() });
            }
        }
        Self { truth, cards, visibility: truth.visibility.lock().clone() }
    }

    fn id_of(&self, reader: Option<usize>) -> Option<&UserId> {
        reader.map(|reader| &self.truth.people[reader])
    }

    fn cards_for(&self, reader: Option<usize>) -> impl Iterator<Item = &Known> {
        self.cards.iter().filter(move |card| card.is_kept && (card.is_shown || reader == Some(card.owner)))
    }

    fn sees_collection(&self, reader: Option<usize>, number: usize) -> bool {
        self.visibility[number] == Visibility::Public || reader == Some(number % PEOPLE)
    }

    fn ids(&self, reader: Option<usize>, card: &Known) -> BTreeSet<CollectionId> {
        let seen = card.collections.iter().filter(|number| self.sees_collection(reader, **number));
        seen.map(|number| self.truth.collections[*number]).collect()
    }

    async fn check_cards(&self, world: &World, reader: Option<usize>) -> anyhow::Result<()> {
        let seen: BTreeSet<CardId> = self.cards_for(reader).map(|card| card.id).collect();
        for card in &self.cards {
            match world.store.library_card(card.id, self.id_of(reader)).await {
                Ok(found) => {
                    ensure!(seen.contains(&card.id), "{} is shown to {reader:?}", card.id);
                    let named = found.collections.iter().map(|named| named.id).collect();
                    ensure!(self.ids(reader, card) == named, "{} is in {named:?} for {reader:?}", card.id);
                }
                Err(Error::NotFound { .. }) => {
                    ensure!(!seen.contains(&card.id), "{} is not there for {reader:?}", card.id);
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    async fn check_collections(&self, world: &World, reader: Option<usize>) -> anyhow::Result<()> {
        for number in 0..COLLECTIONS {
            let (id, reader_id) = (self.truth.collections[number], self.id_of(reader));
            let view = match world.store.collection(id, reader_id).await {
                Ok(view) => view,
                Err(Error::NotFound { .. }) if !self.sees_collection(reader, number) => continue,
                Err(error) => bail!("collection {number} is not there for {reader:?}: {error}"),
            };
            ensure!(self.sees_collection(reader, number), "collection {number} is shown to {reader:?}");
            let expected = self.cards_for(reader).filter(|card| card.collections.contains(&number));
            let expected: BTreeSet<CardId> = expected.map(|card| card.id).collect();
            let mut found = Vec::new();
            let mut page = PageRequest { limit: Limit::new(100)?, after: None };
            loop {
                let part = world.store.cards_in(id, reader_id, &page).await?;
                found.extend(part.items.iter().map(|collected| collected.card.id));
                page.after = part.next;
                if page.after.is_none() {
                    break;
                }
            }
            ensure!(found.len() == expected.len(), "collection {number} holds a card twice for {reader:?}");
            ensure!(BTreeSet::from_iter(found) == expected, "collection {number} holds other cards for {reader:?}");
            let count = view.card_count;
            ensure!(count == expected.len() as u64, "collection {number} counts {count} for {reader:?}");
        }
        Ok(())
    }

    async fn check_search(&self, world: &World, reader: Option<usize>) -> anyhow::Result<()> {
        let mut expected: BTreeMap<String, BTreeSet<CardId>> = BTreeMap::new();
        for card in self.cards_for(reader) {
            expected.entry(url(card.url)).or_default().insert(card.id);
        }
        let request =
            SearchRequest { text: "example".into(), reader: self.id_of(reader).cloned(), ..SearchRequest::default() };
        let page = PageRequest { limit: Limit::new(100)?, after: None };
        let hits = world.store.search(&request, &page).await?.items;
        let found: BTreeMap<_, _> =
            hits.into_iter().map(|hit| (hit.url, hit.card_ids.into_iter().collect::<BTreeSet<_>>())).collect();
        ensure!(found == expected, "{reader:?} finds {found:?} instead of {expected:?}");
        Ok(())
    }

    /// Every card that others see has its activities, in the feed and in the live feed, with the public collections that it is in.
    async fn check_feed(&self, world: &World) -> anyhow::Result<()> {
        let expected: BTreeMap<CardId, BTreeSet<CollectionId>> =
            self.cards_for(None).map(|card| (card.id, self.ids(None, card))).collect();
        let mut shown: BTreeMap<CardId, BTreeSet<CollectionId>> = BTreeMap::new();
        let mut activities = Vec::new();
        let mut page = PageRequest { limit: Limit::new(100)?, after: None };
        loop {
            let part = world.store.feed(None, &page).await?;
            for item in part.items {
                activities.push(item.id);
                let named = item.collections.into_iter().map(|named| named.id);
                shown.entry(item.card.id).or_default().extend(named);
            }
            page.after = part.next;
            if page.after.is_none() {
                break;
            }
        }
        ensure!(shown == expected, "the feed shows {shown:?} instead of {expected:?}");
        let mut streamed = Vec::new();
        let mut after = "0-00000000000000000000000000".parse()?;
        loop {
            let part = world.store.stream(after, 100).await?;
            let Some((last, _)) = part.last() else { break };
            after = *last;
            streamed.extend(part.into_iter().map(|(_, item)| item.id));
        }
        activities.sort_unstable();
        streamed.sort_unstable();
        ensure!(activities.windows(2).all(|pair| pair[0] != pair[1]), "an activity is in the feed twice");
        ensure!(streamed == activities, "the live feed has {} and the feed {}", streamed.len(), activities.len());
        Ok(())
    }

    async fn check_counts(&self, world: &World) -> anyhow::Result<()> {
        let mut expected: BTreeMap<String, u64> = BTreeMap::new();
        for card in self.cards_for(None) {
            *expected.entry(url(card.url)).or_default() += 1;
        }
        let kept: u64 = expected.values().sum();
        let top = world.store.top_urls(7, 2 * URLS).await?;
        let found: BTreeMap<_, _> = top.into_iter().map(|top| (top.url, top.saves)).collect();
        ensure!(found == expected, "{found:?} are trending instead of {expected:?}");
        let domains: Vec<_> =
            world.store.top_domains(7, 10).await?.into_iter().map(|top| (top.domain, top.saves)).collect();
        ensure!(domains == [("example.com".to_owned(), kept)], "{domains:?} instead of {kept}");
        let by_kind: u64 = world.store.by_kind(7).await?.iter().map(|kind| kind.saves).sum();
        ensure!(by_kind == kept, "{by_kind} by kind instead of {kept}");
        let today = &world.store.summary(1).await?[0];
        let totals = self.truth.totals.lock();
        let (saves, curators, new_cards) = (totals.saves, totals.curators.len() as u64, totals.new_cards);
        ensure!(
            (today.saves, today.active_curators, today.new_cards) == (saves, curators, new_cards),
            "{today:?} instead of {saves} saves by {curators} people, {new_cards} of them new"
        );
        Ok(())
    }
}
