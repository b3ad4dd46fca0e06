//! Whatever people do with who sees what, in any order: after every step each reader sees what a simple model says.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use anyhow::{anyhow, bail, ensure};
use cardwire_domain::collection::AccessType;
use cardwire_domain::feed::StreamCursor;
use cardwire_domain::search::SearchRequest;
use cardwire_domain::use_cases::{
    AddUrlToLibrary, HideCard, ShowCard, UpdateCollection, UpdateUrlCardAssociations, UseCase,
};
use cardwire_domain::{CardId, CollectionId, Error, UserId, Visibility};
use cardwire_events::Queue;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::scene::{page, person, saving};
use super::{Stores, Tested};

/// Two who save; the first writes collection 0, the second collection 1, in which the first collaborates.
const SAVERS: usize = 2;
/// The savers, and somebody who keeps nothing.
const READERS: usize = 3;
const URLS: usize = 3;
const COLLECTIONS: usize = 2;
/// Sequences that are played.
const SEQUENCES: usize = 12;
/// How often a sequence that fails is made shorter.
const SHORTENED: usize = 60;

#[derive(Clone, Debug)]
enum Step {
    Save { by: usize, url: usize, asked: Option<Visibility>, usual: Visibility, into: Option<usize> },
    Remove { by: usize, url: usize },
    Change { by: usize, url: usize, visibility: Option<Visibility>, add: Option<usize>, take: Option<usize> },
    Hide { by: usize, url: usize, is_hidden: bool },
    Close { collection: usize, visibility: Visibility },
    WorkOff { queue: Queue },
}

fn visibility() -> impl Strategy<Value = Visibility> {
    any::<bool>().prop_map(Visibility::of)
}

fn step() -> impl Strategy<Value = Step> {
    let (by, url) = (0..SAVERS, 0..URLS);
    let maybe = || prop::option::of(0..COLLECTIONS);
    prop_oneof![
        4 => (by.clone(), url.clone(), prop::option::of(visibility()), visibility(), maybe())
            .prop_map(|(by, url, asked, usual, into)| Step::Save { by, url, asked, usual, into }),
        2 => (by.clone(), url.clone()).prop_map(|(by, url)| Step::Remove { by, url }),
        5 => (by.clone(), url.clone(), prop::option::of(visibility()), maybe(), maybe())
            .prop_map(|(by, url, visibility, add, take)| Step::Change { by, url, visibility, add, take }),
        2 => (by, url, any::<bool>()).prop_map(|(by, url, is_hidden)| Step::Hide { by, url, is_hidden }),
        2 => (0..COLLECTIONS, visibility())
            .prop_map(|(collection, visibility)| Step::Close { collection, visibility }),
        2 => prop::sample::select(Queue::ALL.to_vec()).prop_map(|queue| Step::WorkOff { queue }),
    ]
}

/// A card as the model knows it.
struct Known {
    id: CardId,
    is_kept: bool,
    visibility: Visibility,
    is_hidden: bool,
    collections: BTreeSet<usize>,
}

impl Known {
    fn is_shown(&self) -> bool {
        self.is_kept && self.visibility == Visibility::Public && !self.is_hidden
    }
}

/// What there is, and what is told of it.
struct Model {
    /// Part of all names, so that one store serves every sequence.
    tag: String,
    people: Vec<UserId>,
    collections: Vec<CollectionId>,
    visibility: [Visibility; COLLECTIONS],
    /// By owner and URL. Cards that were removed stay.
    cards: BTreeMap<(usize, usize), Known>,
    start: StreamCursor,
    /// Queues with nothing to do.
    idle: BTreeSet<Queue>,
}

/// Refuses all but that something is missing, exactly when it should be.
fn agree<T: Debug>(result: cardwire_domain::Result<T>, is_there: bool, what: &str) -> anyhow::Result<Option<T>> {
    match result {
        Ok(found) if is_there => Ok(Some(found)),
        Err(Error::NotFound { .. }) if !is_there => Ok(None),
        other => bail!("{what} should be {}: {other:?}", if is_there { "there" } else { "missing" }),
    }
}

impl Model {
    async fn begin(stores: &Stores, tag: String) -> anyhow::Result<Self> {
        let people: Vec<UserId> = ["one", "two", "other"].iter().map(|name| person(&format!("{name}-{tag}"))).collect();
        let mut collections = Vec::new();
        for (number, author) in people[..COLLECTIONS].iter().enumerate() {
            collections.push(stores.collection(author, &number.to_string(), AccessType::Open).await?);
        }
        stores.invite(&people[1], collections[1], &[&people[0]]).await?;
        stores.accept(&people[0], collections[1]).await?;
        Ok(Self {
            tag,
            people,
            collections,
            visibility: [Visibility::Public; COLLECTIONS],
            cards: BTreeMap::new(),
            start: stores.feed.stream_end().await?,
            idle: BTreeSet::new(),
        })
    }

    fn url(&self, number: usize) -> String {
        format!("https://{}.example/{number}", self.tag)
    }

    /// Which of the numbered URLs it is, if it is one of ours.
    fn number(&self, url: &str) -> Option<usize> {
        (0..URLS).find(|number| self.url(*number) == url)
    }

    fn sees_collection(&self, reader: Option<usize>, collection: usize) -> bool {
        let works_on_it = match reader {
            Some(0) => true,
            Some(1) => collection == 1,
            _ => false,
        };
        works_on_it || self.visibility[collection] == Visibility::Public
    }

    fn sees_card(reader: Option<usize>, owner: usize, card: &Known) -> bool {
        card.is_kept && (reader == Some(owner) || card.is_shown())
    }

    fn ids(&self, collections: impl IntoIterator<Item = usize>) -> BTreeSet<String> {
        collections.into_iter().map(|number| self.collections[number].to_string()).collect()
    }

    async fn run<C: UseCase>(&self, stores: &Stores, by: usize, command: &C) -> cardwire_domain::Result<C::Answer> {
        stores.run(&self.people[by], command).await
    }

    async fn play(&mut self, stores: &Stores, step: &Step) -> Tested {
        if !matches!(step, Step::WorkOff { .. }) {
            self.idle.clear();
        }
        match *step {
            Step::Save { by, url, asked, usual, into } => {
                let command = AddUrlToLibrary {
                    collection_ids: self.ids(into).into_iter().collect(),
                    visibility: asked,
                    default_visibility: usual,
                    ..saving(&self.url(url), None, &[])
                };
                let is_there = into.is_none_or(|into| self.sees_collection(Some(by), into));
                let Some(saved) = agree(self.run(stores, by, &command).await, is_there, "the collection")? else {
                    return Ok(());
                };
                let new = Known {
                    id: saved.url_card_id,
                    is_kept: false,
                    visibility: Visibility::Public,
                    is_hidden: false,
                    collections: BTreeSet::new(),
                };
                let card = self.cards.entry((by, url)).or_insert(new);
                ensure!(card.id == saved.url_card_id, "it is the same card");
                if card.is_kept {
                    card.visibility = asked.unwrap_or(card.visibility);
                } else {
                    card.visibility = asked.unwrap_or(usual);
                    card.is_kept = true;
                }
                card.collections.extend(into);
            }
            Step::Remove { by, url } => {
                let Some(card) = self.cards.get_mut(&(by, url)).filter(|card| card.is_kept) else { return Ok(()) };
                stores.remove(&self.people[by], card.id).await?;
                card.is_kept = false;
                card.collections.clear();
            }
            Step::Change { by, url, visibility, add, take } => {
                let take = take.filter(|take| add != Some(*take));
                let Some(card) = self.cards.get(&(by, url)) else { return Ok(()) };
                let sees = |collection| self.sees_collection(Some(by), collection);
                // Its owner takes it out of where it is, whether or not they still see that.
                let is_there =
                    add.is_none_or(sees) && take.is_none_or(|take| sees(take) || card.collections.contains(&take));
                let command = UpdateUrlCardAssociations {
                    card_id: card.id.to_string(),
                    title: None,
                    note: None,
                    visibility,
                    add_to_collections: self.ids(add).into_iter().collect(),
                    remove_from_collections: self.ids(take).into_iter().collect(),
                };
                let changed = self.run(stores, by, &command).await;
                let Some(changed) = agree(changed, is_there && card.is_kept, "the card or a collection")? else {
                    return Ok(());
                };
                let Some(card) = self.cards.get_mut(&(by, url)) else { return Ok(()) };
                card.visibility = visibility.unwrap_or(card.visibility);
                card.collections.extend(add);
                card.collections.retain(|collection| Some(*collection) != take);
                let in_it = self.cards[&(by, url)].collections.iter().copied();
                let seen = in_it.filter(|collection| self.sees_collection(Some(by), *collection));
                let told: BTreeSet<String> = changed.collection_ids.iter().map(ToString::to_string).collect();
                ensure!(told == self.ids(seen), "the answer tells of {told:?}");
            }
            Step::Hide { by, url, is_hidden } => {
                let Some(card) = self.cards.get_mut(&(by, url)) else { return Ok(()) };
                let (admin, card_id) = (person("admin"), card.id.to_string());
                let hidden = if is_hidden {
                    stores.run(&admin, &HideCard { card_id, reason: "a reason".into() }).await
                } else {
                    stores.run(&admin, &ShowCard { card_id }).await
                };
                if let Some(hidden) = agree(hidden, card.is_kept, "the card to hide or show")? {
                    ensure!(hidden.changed == (card.is_hidden != is_hidden), "{hidden:?}");
                    card.is_hidden = is_hidden;
                }
            }
            Step::Close { collection, visibility } => {
                let command = UpdateCollection {
                    id: self.collections[collection].to_string(),
                    name: collection.to_string(),
                    description: None,
                    access: AccessType::Open,
                    visibility: Some(visibility),
                };
                self.run(stores, collection, &command).await?;
                self.visibility[collection] = visibility;
            }
            Step::WorkOff { queue } => self.work_off(stores, queue).await?,
        }
        Ok(())
    }

    async fn work_off(&mut self, stores: &Stores, queue: Queue) -> Tested {
        match queue {
            Queue::Feeds => stores.flush_feed().await?,
            Queue::Search => stores.index_all().await?,
            Queue::Analytics => stores.analytics.count(&stores.deliver(queue).await?).await?,
            Queue::Records => stores.records.owe(&stores.deliver(queue).await?, false).await?,
        };
        self.idle.insert(queue);
        Ok(())
    }

    /// That everybody sees the truth: of what follows from events, nothing too much, and all of it where its queue is idle.
    async fn check(&self, stores: &Stores) -> Tested {
        for reader in (0..READERS).map(Some).chain([None]) {
            self.check_cards(stores, reader).await?;
            self.check_collections(stores, reader).await?;
            self.check_search(stores, reader).await?;
        }
        self.check_feed(stores).await?;
        self.check_trends(stores).await
    }

    fn id_of(&self, reader: Option<usize>) -> Option<&UserId> {
        reader.map(|reader| &self.people[reader])
    }

    async fn check_cards(&self, stores: &Stores, reader: Option<usize>) -> Tested {
        for ((owner, url), card) in &self.cards {
            let what = format!("card {url} of {owner}, for {reader:?},");
            let found = stores.library.library_card(card.id, self.id_of(reader)).await;
            let Some(found) = agree(found, Self::sees_card(reader, *owner, card), &what)? else { continue };
            let told = (found.card.visibility, found.card.is_hidden);
            ensure!(told == (card.visibility, card.is_hidden), "{what} is {told:?}");
            let seen = card.collections.iter().copied().filter(|number| self.sees_collection(reader, *number));
            let named: BTreeSet<String> = found.collections.iter().map(|named| named.id.to_string()).collect();
            ensure!(named == self.ids(seen), "{what} is in {named:?}");
        }
        let Some(owner) = reader else { return Ok(()) };
        let library: BTreeSet<CardId> =
            stores.library_of(&self.people[owner]).await?.into_iter().map(|kept| kept.card.id).collect();
        let own = self.cards.iter().filter(|((of, _), card)| *of == owner && card.is_kept).map(|(_, card)| card.id);
        ensure!(library == BTreeSet::from_iter(own), "the library of {owner} holds {library:?}");
        Ok(())
    }

    async fn check_collections(&self, stores: &Stores, reader: Option<usize>) -> Tested {
        for (number, id) in self.collections.iter().enumerate() {
            let what = format!("collection {number}, for {reader:?},");
            let is_there = self.sees_collection(reader, number);
            let view = stores.collections.collection(*id, self.id_of(reader)).await;
            let view = agree(view, is_there, &what)?;
            let cards = stores.collections.cards_in(*id, self.id_of(reader), &page(100, None)).await;
            let Some((view, cards)) = view.zip(agree(cards, is_there, &what)?) else { continue };
            let found: BTreeSet<CardId> = cards.items.iter().map(|collected| collected.card.id).collect();
            let in_it = self.cards.iter().filter(|(_, card)| card.collections.contains(&number));
            let seen = in_it.filter(|((owner, _), card)| Self::sees_card(reader, *owner, card));
            ensure!(found == BTreeSet::from_iter(seen.map(|(_, card)| card.id)), "{what} holds {found:?}");
            ensure!(view.card_count == found.len() as u64, "{what} counts {} of {}", view.card_count, found.len());
            ensure!(view.visibility == self.visibility[number], "{what} is {:?}", view.visibility);
        }
        Ok(())
    }

    /// The cards of each URL that the reader sees.
    fn seen_by_url(&self, reader: Option<usize>, mine: bool) -> BTreeMap<usize, BTreeSet<CardId>> {
        let mut seen: BTreeMap<usize, BTreeSet<CardId>> = BTreeMap::new();
        for ((owner, url), card) in &self.cards {
            if Self::sees_card(reader, *owner, card) && (!mine || reader == Some(*owner)) {
                seen.entry(*url).or_default().insert(card.id);
            }
        }
        seen
    }

    async fn check_search(&self, stores: &Stores, reader: Option<usize>) -> Tested {
        for mine in [false, true] {
            let what = format!("search for {reader:?} among all but their own: {}", !mine);
            let request = SearchRequest {
                text: self.tag.clone(),
                reader: self.id_of(reader).cloned(),
                mine,
                ..SearchRequest::default()
            };
            let seen = self.seen_by_url(reader, mine);
            let hits = stores.search.search(&request, &page(100, None)).await?.items;
            let mut found: BTreeMap<usize, BTreeSet<CardId>> = BTreeMap::new();
            for hit in hits {
                let Some(number) = self.number(&hit.url) else { bail!("{what}: found {hit:?}") };
                let own = reader.and_then(|reader| self.cards.get(&(reader, number))).filter(|card| card.is_kept);
                let expected = own.map_or(Visibility::Public, |card| card.visibility);
                ensure!(hit.visibility == expected, "{what}: found {hit:?}");
                let cards: BTreeSet<CardId> = hit.card_ids.into_iter().collect();
                ensure!(!cards.is_empty() && found.insert(number, cards).is_none(), "{what}: URL {number}");
            }
            let is_idle = self.idle.contains(&Queue::Search);
            let nothing_more = found.iter().all(|(url, cards)| seen.get(url).is_some_and(|seen| cards.is_subset(seen)));
            ensure!(if is_idle { found == seen } else { nothing_more }, "{what}: found {found:?} of {seen:?}");
        }
        Ok(())
    }

    async fn check_feed(&self, stores: &Stores) -> Tested {
        let feed = stores.feed_items(None).await?;
        let mut shown: BTreeMap<CardId, BTreeSet<String>> = BTreeMap::new();
        let mut activities = BTreeSet::new();
        for item in feed.into_iter().filter(|item| self.number(&item.card.url).is_some()) {
            activities.insert(item.id);
            shown.entry(item.card.id).or_default().extend(item.collections.iter().map(|named| named.id.to_string()));
        }
        let mut truth: BTreeMap<CardId, BTreeSet<String>> = BTreeMap::new();
        for card in self.cards.values().filter(|card| card.is_shown()) {
            let public = card.collections.iter().copied().filter(|number| self.sees_collection(None, *number));
            truth.insert(card.id, self.ids(public));
        }
        let nothing_more = shown.iter().all(|(card, names)| truth.get(card).is_some_and(|all| names.is_subset(all)));
        let is_idle = self.idle.contains(&Queue::Feeds);
        ensure!(if is_idle { shown == truth } else { nothing_more }, "the feed shows {shown:?} of {truth:?}");
        let streamed = stores.feed.stream(self.start, 1_000).await?.into_iter().map(|(_, item)| item);
        let streamed = streamed.filter(|item| self.number(&item.card.url).is_some()).map(|item| item.id);
        ensure!(activities == BTreeSet::from_iter(streamed), "the live feed should show what the feed shows");
        Ok(())
    }

    async fn check_trends(&self, stores: &Stores) -> Tested {
        let mut truth: BTreeMap<usize, u64> = BTreeMap::new();
        for ((_, url), _) in self.cards.iter().filter(|(_, card)| card.is_shown()) {
            *truth.entry(*url).or_default() += 1;
        }
        let top = stores.analytics.top_urls(7, 1_000).await?;
        let counted: BTreeMap<usize, u64> =
            top.iter().filter_map(|top| Some((self.number(&top.url)?, top.saves))).collect();
        ensure!(counted.keys().all(|url| truth.contains_key(url)), "{counted:?} are trending instead of {truth:?}");
        if self.idle.contains(&Queue::Analytics) {
            ensure!(counted == truth, "{counted:?} are trending instead of {truth:?}");
            let domain = format!("{}.example", self.tag);
            let domains = stores.analytics.top_domains(7, 1_000).await?;
            let saves = domains.iter().find(|top| top.domain == domain).map(|top| top.saves).unwrap_or_default();
            ensure!(saves == truth.values().sum::<u64>(), "{domain} has {saves} saves instead of {truth:?}");
        }
        Ok(())
    }
}

async fn play(stores: &Stores, steps: &[Step], tag: String) -> Tested {
    let mut model = Model::begin(stores, tag).await?;
    for (number, step) in steps.iter().enumerate() {
        let at = |error: anyhow::Error| error.context(format!("step {}, {step:?}", number + 1));
        model.play(stores, step).await.map_err(at)?;
        model.check(stores).await.map_err(at)?;
    }
    for queue in Queue::ALL {
        model.work_off(stores, queue).await?;
    }
    model.check(stores).await.map_err(|error| error.context("once all is worked off"))
}

pub async fn any_order_of_changes_shows_everybody_the_truth(stores: Stores) -> Tested {
    let mut runner = TestRunner::deterministic();
    let sequences = prop::collection::vec(step(), 1..25);
    for sequence in 0..SEQUENCES {
        let mut tree = sequences.new_tree(&mut runner).map_err(|reason| anyhow!("no sequence: {reason}"))?;
        let Err(mut error) = play(&stores, &tree.current(), format!("s{sequence}t")).await else { continue };
        // The shortest sequence that fails says most.
        let mut shortest = tree.current();
        let mut is_other = tree.simplify();
        for number in 0..SHORTENED {
            if !is_other {
                break;
            }
            is_other = match play(&stores, &tree.current(), format!("s{sequence}n{number}t")).await {
                Err(other) => {
                    (error, shortest) = (other, tree.current());
                    tree.simplify()
                }
                Ok(()) => tree.complicate(),
            };
        }
        bail!("{shortest:#?}\n{error:#}");
    }
    Ok(())
}
