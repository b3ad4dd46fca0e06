//! What two people do in each run: saves, collections and removals, within the window and after it.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_domain::use_cases::{
    AddCardToCollections, AddUrlToLibrary, CreateCollection, RemoveCardFromCollections, RemoveCardFromLibrary,
    UpdateUrlCardAssociations,
};
use cardwire_domain::{AccessType, CardId, UserId, Visibility};
use tokio::time::sleep;

use crate::world::World;

/// What the log and search must contain in the end.
pub struct Expected {
    /// Events by type.
    pub events: BTreeMap<&'static str, usize>,
    /// Cards by owner that are in the library, and a word of their note.
    pub library: Vec<(UserId, CardId, Option<&'static str>)>,
}

pub async fn run(world: &World) -> anyhow::Result<Expected> {
    let alice = UserId::parse("did:plc:alice").unwrap();
    let bob = UserId::parse("did:plc:bob").unwrap();
    let save = |url: &str| AddUrlToLibrary { url: url.into(), ..AddUrlToLibrary::default() };
    let create = |name: &str| CreateCollection {
        name: name.into(),
        description: None,
        access: AccessType::Open,
        visibility: Visibility::Public,
    };
    let tick = || sleep(Duration::from_millis(100));

    let one = world.give(&alice, "1", create("one")).await?.id.to_string();
    tick().await;
    let two = world.give(&alice, "2", create("two")).await?.id.to_string();
    tick().await;
    let three = world.give(&bob, "3", create("three")).await?.id.to_string();
    tick().await;
    let first = AddUrlToLibrary {
        note: Some("sesame".into()),
        collection_ids: vec![one.clone()],
        ..save("https://example.com/a")
    };
    let alices_a = world.give(&alice, "4", first).await?.url_card_id;
    tick().await;
    let bobs_a = world.give(&bob, "5", save("https://example.com/a")).await?.url_card_id;
    tick().await;
    // Within the window.
    let add = |card: CardId, collection: &str| AddCardToCollections {
        card_id: card.to_string(),
        collection_ids: vec![collection.to_owned()],
    };
    world.give(&alice, "6", add(alices_a, &two)).await?;
    tick().await;
    let alices_b = world.give(&alice, "7", save("https://example.com/b")).await?.url_card_id;
    tick().await;
    world.give(&bob, "8", RemoveCardFromLibrary { card_id: bobs_a.to_string() }).await?;
    tick().await;
    let again = AddUrlToLibrary { collection_ids: vec![three.clone()], ..save("https://example.com/a") };
    assert_eq!(world.give(&bob, "9", again).await?.url_card_id, bobs_a);
    // While windows are flushed.
    sleep(Duration::from_millis(2_400)).await;
    world.give(&alice, "10", add(alices_b, &one)).await?;
    sleep(Duration::from_millis(800)).await;
    // After the window.
    world.give(&alice, "11", add(alices_b, &two)).await?;
    tick().await;
    let from = RemoveCardFromCollections { card_id: alices_a.to_string(), collection_ids: vec![two] };
    world.give(&alice, "12", from).await?;
    tick().await;
    let note = UpdateUrlCardAssociations {
        card_id: bobs_a.to_string(),
        note: Some("open".into()),
        ..UpdateUrlCardAssociations::default()
    };
    world.give(&bob, "13", note).await?;
    tick().await;
    let bobs_c = world.give(&bob, "14", save("https://example.com/c")).await?.url_card_id;
    sleep(Duration::from_secs(4)).await;
    world.give(&bob, "15", RemoveCardFromLibrary { card_id: bobs_c.to_string() }).await?;

    Ok(Expected {
        events: BTreeMap::from([
            ("CardAddedToLibrary.v2", 5),
            ("CardAddedToCollection.v2", 5),
            ("CardRemovedFromLibrary.v1", 2),
            ("CardRemovedFromCollection.v1", 1),
            ("CardNoteChanged.v1", 1),
            ("CollectionCreated.v1", 3),
        ]),
        library: vec![(alice.clone(), alices_a, Some("sesame")), (alice, alices_b, None), (bob, bobs_a, Some("open"))],
    })
}
