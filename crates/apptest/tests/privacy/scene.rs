//! Who there is, what can be private, and the two worlds of a case.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::harness::Api;
use cardwire_apptest::operators::{ADMIN, open_windows};
use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::imports::{ImportRow, NewImport};
use cardwire_domain::metadata::{FetchPolicy, Metadata, PageRepository as _};
use cardwire_domain::{EventId, ImportId, UserId};
use cardwire_events::{EventLog as _, Failure, Queue, QueueSettings, Verdict};
use cardwire_testkit::store_suite::scene::begin_import;
use serde_json::json;

use crate::world::{Body, World};

/// Of the secret card.
pub const URL: &str = "https://secret.example/unmistakable";
/// The owner keeps it for themselves as well, and the stranger for everybody to see.
pub const SHARED: &str = "https://shared.example/page";
const NOTE: &str = "sesame";
const TITLE: &str = "Marmalade";
/// What the owner calls both cards.
const CALLED: &str = "Saffron";
const ABOUT: &str = "Wheelbarrows";
const FILE: &str = "mulberry.html";
pub const NAME: &str = "Velvet";
const DESCRIPTION: &str = "Walnut";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    Anonymous,
    Stranger,
    /// To the collection; has not answered yet.
    Invited,
    Collaborator,
    Owner,
    Admin,
}

impl Reader {
    pub const ALL: [Self; 6] =
        [Self::Anonymous, Self::Stranger, Self::Invited, Self::Collaborator, Self::Owner, Self::Admin];

    /// `None`: not signed in.
    pub const fn person(self) -> Option<&'static str> {
        match self {
            Self::Anonymous => None,
            Self::Stranger => Some("stranger"),
            Self::Invited => Some("invited"),
            Self::Collaborator => Some("collaborator"),
            Self::Owner => Some(OWNER),
            Self::Admin => Some(ADMIN),
        }
    }

    pub fn did(self) -> Option<String> {
        self.person().map(|person| format!("did:plc:{person}"))
    }
}

const OWNER: &str = "owner";
const COLLABORATOR: &str = "collaborator";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Thing {
    PrivateCard,
    /// It was public, and everybody saw it.
    CardMadePrivate,
    /// By an administrator; it was public, and everybody saw it.
    HiddenCard,
    /// It was public, and everybody saw it.
    PrivateCollection,
    /// The card is public. That it is in the collection is not.
    CardInPrivateCollection,
}

impl Thing {
    pub const fn is_seen_by(self, reader: Reader) -> bool {
        match reader {
            Reader::Owner => true,
            Reader::Collaborator => matches!(self, Self::PrivateCollection | Self::CardInPrivateCollection),
            _ => false,
        }
    }

    pub const fn is_card(self) -> bool {
        matches!(self, Self::PrivateCard | Self::CardMadePrivate | Self::HiddenCard)
    }

    /// Words that occur nowhere else.
    pub const fn marks(self) -> &'static [&'static str] {
        match self {
            Self::PrivateCard | Self::CardMadePrivate | Self::HiddenCard => {
                &["unmistakable", "secret.example", NOTE, TITLE, CALLED, ABOUT, FILE]
            }
            Self::PrivateCollection | Self::CardInPrivateCollection => &[NAME, DESCRIPTION],
        }
    }
}

/// The world with the thing, and the one without it.
pub async fn worlds(thing: Thing, reader: Reader) -> [World; 2] {
    let mut worlds = [World::new().await, World::new().await];
    for world in &mut worlds {
        begin(world, reader).await;
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    for world in &mut worlds {
        world.live = Some(world.follow(reader, None).await);
    }
    let [with, without] = &mut worlds;
    if thing.is_card() {
        // What was public was counted then, wherever it went; so where it is not there in the end, it was removed.
        for world in [&mut *with, &mut *without] {
            world.collection = world.shelf.clone();
            keep_first(world, thing).await;
        }
        take_back(without).await;
        keep_card(with, thing).await;
    } else {
        for world in [&mut *with, without] {
            world.card = save(&world.api, OWNER, "https://public.example/in-it", &[&world.shelf]).await;
            if thing == Thing::PrivateCollection {
                world.api.deliver().await;
            }
        }
        keep_collection(with, thing).await;
    }
    for world in &worlds {
        world.api.deliver().await;
        fetch(&world.api).await;
    }
    tokio::time::advance(Duration::from_secs(10)).await;
    for_operators(&mut worlds[0], thing).await;
    worlds
}

/// A public shelf to which everybody adds a card. The collaborator works on it, the invited person may.
async fn begin(world: &mut World, reader: Reader) {
    let api = &world.api;
    let body = json!({ "name": "Shelf", "accessType": "OPEN" });
    let shelf = api.post(OWNER, "/api/collections", body).await.expect(201);
    world.shelf = shelf["id"].as_str().unwrap().to_owned();
    share(api, &world.shelf).await;
    for other in Reader::ALL {
        let Some(person) = other.person() else { continue };
        let card = save(api, person, &format!("https://public.example/{person}"), &[&world.shelf]).await;
        if other == Reader::Collaborator {
            world.theirs.clone_from(&card);
        }
        if reader == other {
            world.own = card;
        }
    }
    save(api, "stranger", SHARED, &[]).await;
    api.deliver().await;
    fetch(api).await;
}

async fn share(api: &Api, collection: &str) {
    let path = format!("/api/collections/{collection}");
    let people = json!({ "userIds": ["did:plc:collaborator", "did:plc:invited"] });
    api.ask(OWNER, Method::PUT, &format!("{path}/collaborators"), Some(people)).await.expect(200);
    api.ask(COLLABORATOR, Method::POST, &format!("{path}/membership"), None).await.expect(200);
}

/// Each at a time of its own, which is its place in the lists.
async fn save(api: &Api, person: &str, url: &str, collections: &[&str]) -> String {
    tokio::time::advance(Duration::from_millis(10)).await;
    api.save(person, url, collections).await
}

/// The secret card and the one that the stranger keeps, too; both on the shelf. All but the private one begin as everybody's.
async fn keep_first(world: &World, thing: Thing) {
    for url in [SHARED, URL] {
        let visibility = if thing == Thing::PrivateCard { "PRIVATE" } else { "PUBLIC" };
        let body = json!({ "url": url, "title": CALLED, "visibility": visibility, "collectionIds": [world.shelf] });
        tokio::time::advance(Duration::from_millis(10)).await;
        world.api.post(OWNER, "/api/cards/library/urls", body).await.expect(201);
    }
    world.api.deliver().await;
    fetch(&world.api).await;
}

async fn take_back(world: &World) {
    for url in [SHARED, URL] {
        let status = world.get(Reader::Owner, &format!("/api/cards/library/status?url={url}")).await.json();
        let path = format!("/api/cards/{}/library", status["cardId"].as_str().unwrap());
        world.api.ask(OWNER, Method::DELETE, &path, None).await.expect(200);
    }
}

/// The same cards as their owner has them in the end.
async fn keep_card(world: &mut World, thing: Thing) {
    for url in [SHARED, URL] {
        let mut body = json!({ "url": url, "title": CALLED, "note": NOTE, "collectionIds": [world.shelf] });
        if thing != Thing::HiddenCard {
            body["visibility"] = json!("PRIVATE");
        }
        let saved = world.ask(Reader::Owner, "POST", "/api/cards/library/urls", &Body::Json(body)).await.json();
        world.card = saved["urlCardId"].as_str().unwrap().to_owned();
        if thing == Thing::HiddenCard {
            let hide = format!("/api/admin/cards/{}/hide", world.card);
            world.api.post(ADMIN, &hide, json!({ "reason": "spam" })).await.expect(204);
        }
    }
    let import = NewImport {
        id: ImportId::generate(),
        owner: UserId::parse("did:plc:owner").unwrap(),
        file_name: FILE.to_owned(),
        collection: None,
        is_check: false,
    };
    world.import = import.id.to_string();
    begin_import(&world.api.store, &import, &[ImportRow::new(URL, Some(NOTE)).private()]).await.unwrap();
}

/// A collection with cards of its author and of its collaborator.
async fn keep_collection(world: &mut World, thing: Thing) {
    let api = &world.api;
    let was_public = thing == Thing::PrivateCollection;
    let visibility = if was_public { "PUBLIC" } else { "PRIVATE" };
    let mut body = json!({ "name": NAME, "description": DESCRIPTION, "accessType": "OPEN", "visibility": visibility });
    let made = api.post(OWNER, "/api/collections", body.clone()).await.expect(201);
    world.collection = made["id"].as_str().unwrap().to_owned();
    share(api, &world.collection).await;
    for (person, card) in [(OWNER, &world.card), (COLLABORATOR, &world.theirs)] {
        let added = json!({ "cardId": card, "collectionIds": [world.collection] });
        api.post(person, "/api/cards/collections", added).await.expect(200);
    }
    if was_public {
        api.deliver().await;
        body["visibility"] = json!("PRIVATE");
        let path = format!("/api/collections/{}", world.collection);
        api.ask(OWNER, Method::PUT, &path, Some(body)).await.expect(200);
    }
}

/// Every page is fetched. Those of secret cards say secret things.
async fn fetch(api: &Api) {
    loop {
        let jobs = api.store.lease_fetches(&FetchRoom::idle(100), &FetchPolicy::default()).await.unwrap();
        if jobs.is_empty() {
            return;
        }
        for job in jobs {
            let metadata = match job.url.contains("secret") {
                true => Metadata {
                    title: Some(TITLE.to_owned()),
                    description: Some(ABOUT.to_owned()),
                    ..Metadata::default()
                },
                false => Metadata { title: Some("A page".to_owned()), ..Metadata::default() },
            };
            assert!(api.store.finish_fetch(&job, &Ok(metadata), &FetchPolicy::default()).await.unwrap());
        }
    }
}

/// A dead letter and an open window that are about the thing.
async fn for_operators(world: &mut World, thing: Thing) {
    let api = &world.api;
    let note = json!({ "cardId": world.card, "note": format!("{NOTE} {NOTE}") });
    api.ask(OWNER, Method::PUT, "/api/cards/url/associations", Some(note)).await.expect(200);
    let owed = api.store.lease(Queue::Search, 100, None).await.unwrap().events;
    let died: Vec<EventId> = owed.iter().map(|owed| owed.envelope.id).collect();
    let failure = |id: &EventId| Failure { event_id: *id, error: "it is poison".into(), verdict: Verdict::Reject };
    let failures: Vec<Failure> = died.iter().map(failure).collect();
    api.store.fail(Queue::Search, &failures, &QueueSettings::of(Queue::Search)).await.unwrap();
    world.dead = died.first().unwrap().to_string();
    if !thing.is_card() {
        // In and out and in again, without an activity.
        let path = format!("/api/cards/{}/collections", world.card);
        let body = json!({ "collectionIds": [world.collection] });
        api.ask(OWNER, Method::DELETE, &path, Some(body.clone())).await.expect(200);
        api.deliver().await;
        let again = json!({ "cardId": world.card, "collectionIds": [world.collection] });
        api.post(OWNER, "/api/cards/collections", again).await.expect(200);
        assert!(!open_windows(api).await.is_empty());
    }
}
