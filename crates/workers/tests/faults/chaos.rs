//! People keep changing who sees what, while processes are killed and the transport loses its contents.
//!
//! `CHAOS_SEED` and `CHAOS_EVENTS` change the run or make it longer.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{bail, ensure};
use cardwire_domain::use_cases::{
    AddUrlToLibrary, CreateCollection, HideCard, RemoveCardFromLibrary, ShowCard, UpdateCollection,
    UpdateUrlCardAssociations, UseCase,
};
use cardwire_domain::{AccessType, CardId, CollectionId, Error, UserId, Visibility};
use cardwire_testkit::faults::FaultPlan;
use cardwire_testkit::longer::told;
use parking_lot::Mutex;
use tokio::sync::{Mutex as Turn, MutexGuard};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::others;
use crate::pairs::Draw;
use crate::world::{PROCESSES, Setup, World, in_world};

pub const PEOPLE: usize = 6;
/// The same ones for everybody.
pub const URLS: usize = 40;
/// All of them open. Person 0 wrote the collections 0, 6 and so on.
pub const COLLECTIONS: usize = 9;
/// At the named points, besides the kills at any time.
const PLANNED: usize = 40;
const EVENTS: u64 = 20_000;

/// A card as it must be after everything that was accepted.
#[derive(Default)]
pub struct Card {
    /// `None`: it was never saved.
    pub id: Option<CardId>,
    pub is_kept: bool,
    pub visibility: Visibility,
    pub is_hidden: bool,
    pub collections: BTreeSet<usize>,
}

impl Card {
    pub fn is_shown(&self) -> bool {
        self.is_kept && self.visibility == Visibility::Public && !self.is_hidden
    }
}

/// The totals that the day must have.
#[derive(Default)]
pub struct Totals {
    pub saves: u64,
    pub new_cards: u64,
    pub curators: BTreeSet<usize>,
}

/// The state that follows from everything that was accepted.
pub struct Truth {
    pub people: Vec<UserId>,
    /// By person and URL. One command at a time changes a card.
    pub cards: Vec<Vec<Turn<Card>>>,
    pub collections: Vec<CollectionId>,
    /// Of the collections.
    pub visibility: Mutex<Vec<Visibility>>,
    pub totals: Mutex<Totals>,
    pub events: AtomicU64,
    commands: AtomicU64,
    refused: AtomicU64,
}

pub fn url(number: usize) -> String {
    format!("https://example.com/{number}")
}

impl Truth {
    async fn begin(world: &World) -> anyhow::Result<Self> {
        let people = (0..PEOPLE).map(|n| UserId::parse(&format!("did:plc:person{n}")));
        let mut truth = Self {
            people: people.collect::<Result<_, _>>()?,
            cards: (0..PEOPLE).map(|_| (0..URLS).map(|_| Turn::default()).collect()).collect(),
            collections: Vec::new(),
            visibility: Mutex::new(vec![Visibility::Public; COLLECTIONS]),
            totals: Mutex::default(),
            events: AtomicU64::new(0),
            commands: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        };
        for number in 0..COLLECTIONS {
            let made = truth.ask(world, number % PEOPLE, collection(number)).await?;
            truth.collections.push(made.expect("nothing refuses a collection").id);
            truth.happened(1);
        }
        Ok(truth)
    }

    fn happened(&self, events: usize) {
        self.events.fetch_add(events as u64, Ordering::Relaxed);
    }

    /// `None`: it was refused, since something it names does not exist for this person.
    async fn ask<C: UseCase>(&self, world: &World, by: usize, command: C) -> anyhow::Result<Option<C::Answer>> {
        let key = self.commands.fetch_add(1, Ordering::Relaxed).to_string();
        match world.ask(&self.people[by], &key, command).await? {
            Ok(answer) => Ok(Some(answer)),
            Err(Error::NotFound { .. }) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => bail!("{key} was refused: {error}"),
        }
    }

    fn ids(&self, collections: &BTreeSet<usize>) -> Vec<String> {
        collections.iter().map(|number| self.collections[*number].to_string()).collect()
    }

    /// Fewer than `most`. Mostly those that the person saw a moment ago, because commands that name others are refused.
    fn some_collections(&self, by: usize, most: usize, draw: &mut Draw) -> BTreeSet<usize> {
        let is_careless = draw.below(20) == 0;
        let drawn: BTreeSet<usize> = (0..draw.below(most)).map(|_| draw.below(COLLECTIONS)).collect();
        let visibility = self.visibility.lock();
        let is_seen = |number: &usize| visibility[*number] == Visibility::Public || number % PEOPLE == by;
        drawn.into_iter().filter(|number| is_careless || is_seen(number)).collect()
    }

    /// One of the person's cards, mostly one that is in their library.
    async fn some_card(&self, by: usize, draw: &mut Draw) -> MutexGuard<'_, Card> {
        for _ in 0..4 {
            let card = self.cards[by][draw.below(URLS)].lock().await;
            if card.is_kept {
                return card;
            }
        }
        self.cards[by][draw.below(URLS)].lock().await
    }

    /// The card changed. What others see of it may have changed too: then all its stays ended, and new ones began.
    fn changed(&self, by: usize, card: &mut Card, change: impl FnOnce(&mut Card)) {
        let was_shown = card.is_shown();
        change(card);
        if was_shown != card.is_shown() {
            self.happened(2 * (1 + card.collections.len()));
            if card.is_shown() {
                self.counted(by);
            }
        }
    }

    fn counted(&self, by: usize) {
        let mut totals = self.totals.lock();
        totals.saves += 1;
        totals.curators.insert(by);
    }

    async fn save(&self, world: &World, by: usize, draw: &mut Draw) -> anyhow::Result<()> {
        let number = draw.below(URLS);
        let into = self.some_collections(by, 4, draw);
        let asked = [None, Some(Visibility::Public), Some(Visibility::Private)][draw.below(3)];
        let usual = Visibility::of(draw.below(3) == 0);
        let command = AddUrlToLibrary {
            url: url(number),
            collection_ids: self.ids(&into),
            visibility: asked,
            default_visibility: usual,
            ..AddUrlToLibrary::default()
        };
        let mut card = self.cards[by][number].lock().await;
        let Some(saved) = self.ask(world, by, command).await? else { return Ok(()) };
        ensure!(saved.created != card.is_kept, "{saved:?}, although it was there: {}", card.is_kept);
        let is_new = card.id.is_none();
        ensure!(*card.id.get_or_insert(saved.url_card_id) == saved.url_card_id, "it is the same card");
        if saved.created {
            card.is_kept = true;
            card.visibility = asked.unwrap_or(usual);
            self.happened(1);
            if card.is_shown() {
                self.counted(by);
                self.totals.lock().new_cards += u64::from(is_new);
            }
        } else if let Some(asked) = asked {
            self.changed(by, &mut card, |card| card.visibility = asked);
        }
        self.happened(into.difference(&card.collections).count());
        card.collections.extend(into);
        Ok(())
    }

    async fn associate(&self, world: &World, by: usize, draw: &mut Draw) -> anyhow::Result<()> {
        let mut card = self.some_card(by, draw).await;
        let Some(id) = card.id else { return Ok(()) };
        // Mostly the other one.
        let visibility = match draw.below(5) {
            0 => None,
            1 => Some(card.visibility),
            _ => Some(Visibility::of(card.visibility == Visibility::Public)),
        };
        let mut add = self.some_collections(by, 2, draw);
        let take = self.some_collections(by, 2, draw);
        add.retain(|number| !take.contains(number));
        let has_note = draw.below(8) == 0;
        let note = has_note.then(|| format!("note {}", self.commands.load(Ordering::Relaxed)));
        let command = UpdateUrlCardAssociations {
            card_id: id.to_string(),
            title: None,
            note,
            visibility,
            add_to_collections: self.ids(&add),
            remove_from_collections: self.ids(&take),
        };
        if self.ask(world, by, command).await?.is_none() {
            return Ok(());
        }
        ensure!(card.is_kept, "{id} was changed, although it was removed");
        self.happened(usize::from(has_note) + take.intersection(&card.collections).count());
        card.collections.retain(|number| !take.contains(number));
        if let Some(visibility) = visibility {
            self.changed(by, &mut card, |card| card.visibility = visibility);
        }
        self.happened(add.difference(&card.collections).count());
        card.collections.extend(add);
        Ok(())
    }

    async fn remove(&self, world: &World, by: usize, draw: &mut Draw) -> anyhow::Result<()> {
        let mut card = self.cards[by][draw.below(URLS)].lock().await;
        let Some(id) = card.id else { return Ok(()) };
        let removed = self.ask(world, by, RemoveCardFromLibrary { card_id: id.to_string() }).await?;
        ensure!(removed.is_some() == card.is_kept, "{id} was removed, although it was there: {}", card.is_kept);
        if card.is_kept {
            self.happened(1 + card.collections.len());
            card.is_kept = false;
            card.collections.clear();
        }
        Ok(())
    }

    /// By an administrator, of anybody's card.
    async fn hide(&self, world: &World, draw: &mut Draw) -> anyhow::Result<()> {
        let (by, is_hidden) = (draw.below(PEOPLE), draw.below(2) == 0);
        let mut card = self.some_card(by, draw).await;
        let Some(id) = card.id else { return Ok(()) };
        let card_id = id.to_string();
        let changed = if is_hidden {
            self.ask(world, 0, HideCard { card_id, reason: "a reason".into() }).await?
        } else {
            self.ask(world, 0, ShowCard { card_id }).await?
        };
        ensure!(changed.is_some() == card.is_kept, "{id} was hidden, although it was there: {}", card.is_kept);
        if changed.is_some() {
            self.changed(by, &mut card, |card| card.is_hidden = is_hidden);
        }
        Ok(())
    }

    async fn close(&self, world: &World, by: usize, draw: &mut Draw) -> anyhow::Result<()> {
        let own: Vec<usize> = (0..COLLECTIONS).filter(|number| number % PEOPLE == by).collect();
        let number = own[draw.below(own.len())];
        let visibility = Visibility::of(draw.below(2) == 0);
        let CreateCollection { name, description, access, .. } = collection(number);
        let id = self.collections[number].to_string();
        let command = UpdateCollection { id, name, description, access, visibility: Some(visibility) };
        ensure!(self.ask(world, by, command).await?.is_some(), "an author has their collection");
        self.visibility.lock()[number] = visibility;
        Ok(())
    }

    /// As if one of the accepted changes had not been recorded.
    async fn forget_one_change(&self) {
        for card in self.cards.iter().flatten() {
            let mut card = card.lock().await;
            if card.is_shown() {
                card.visibility = Visibility::Private;
                return;
            }
        }
    }

    async fn live(&self, world: &World, by: usize, mut draw: Draw, events: u64) -> anyhow::Result<()> {
        while self.events.load(Ordering::Relaxed) < events {
            match draw.below(100) {
                0..30 => self.save(world, by, &mut draw).await?,
                30..75 => self.associate(world, by, &mut draw).await?,
                75..85 => self.remove(world, by, &mut draw).await?,
                85..93 => self.hide(world, &mut draw).await?,
                _ => self.close(world, by, &mut draw).await?,
            }
            sleep(Duration::from_millis(draw.below(300) as u64)).await;
        }
        Ok(())
    }
}

fn collection(number: usize) -> CreateCollection {
    CreateCollection {
        name: number.to_string(),
        description: None,
        access: AccessType::Open,
        visibility: Visibility::Public,
    }
}

/// Faults at the named points, throughout the run.
fn planned(draw: &mut Draw) -> Vec<FaultPlan> {
    (0..PLANNED).map(|_| draw.plan(400)).collect()
}

/// Kills one process after the other, sometimes both at once; sometimes the transport loses everything.
async fn kill_on(world: &World, mut draw: Draw, kills: &AtomicU64) {
    loop {
        sleep(Duration::from_millis(500 + draw.below(3_000) as u64)).await;
        let victim = draw.below(PROCESSES);
        world.kill(victim);
        kills.fetch_add(1, Ordering::Relaxed);
        match draw.below(10) {
            0 => world.kill((victim + 1) % PROCESSES),
            1 => world.transport.flushall(),
            _ => {}
        }
    }
}

#[test]
fn whoever_may_see_what_changes_20_000_events_long_and_whatever_dies_others_see_the_truth() {
    let (seed, events) = (told("CHAOS_SEED", 1), told("CHAOS_EVENTS", EVENTS));
    println!("CHAOS_SEED={seed} CHAOS_EVENTS={events}");
    let mut draw = Draw(seed);
    let plans = planned(&mut draw);
    let done = in_world(&plans, Setup::default(), async |world| {
        let truth = Arc::new(Truth::begin(&world).await?);
        let kills = Arc::new(AtomicU64::new(0));
        let mut people = JoinSet::new();
        for by in 0..PEOPLE {
            let (world, truth) = (Arc::clone(&world), Arc::clone(&truth));
            let draw = Draw(seed.wrapping_mul(1_000) + by as u64);
            people.spawn(async move { truth.live(&world, by, draw, events).await });
        }
        let killer = tokio::spawn({
            let (world, kills) = (Arc::clone(&world), Arc::clone(&kills));
            async move { kill_on(&world, draw, &kills).await }
        });
        while let Some(lived) = people.join_next().await {
            lived??;
        }
        killer.abort();
        let settled_after = world.settled().await?;
        let activities = others::check(&world, &truth).await?;
        truth.forget_one_change().await;
        ensure!(others::check(&world, &truth).await.is_err(), "another truth passes as well");
        Ok(format!(
            "{} events of {} commands ({} refused), {} kills at any time and {} planned faults; settled after {settled_after:?}; \
             {activities} activities, and everybody sees the truth",
            truth.events.load(Ordering::Relaxed),
            truth.commands.load(Ordering::Relaxed),
            truth.refused.load(Ordering::Relaxed),
            kills.load(Ordering::Relaxed),
            PLANNED - world.faults.unfired().len(),
        ))
    });
    println!("{}", done.unwrap_or_else(|error| panic!("CHAOS_SEED={seed}: {error:#}")));
}
