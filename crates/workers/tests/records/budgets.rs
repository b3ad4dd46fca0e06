//! The budgets of a server: the rest waits, and nobody waits for somebody else.

use std::time::Duration;

use cardwire_domain::UserId;
use cardwire_domain::Visibility;
use cardwire_domain::records::PublishingState;
use cardwire_workers::RecordLoop;
use cardwire_workers::records::RecordSettings;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Scene, people};

const HOUR: Duration = Duration::from_secs(3_600);
const MANY: usize = 20_000;

/// Saves this many at once.
async fn bring(scene: &Scene, person: &UserId, count: usize) {
    for portion in (0..count).collect::<Vec<_>>().chunks(500) {
        let saves: Vec<_> = portion.iter().map(|n| (person.clone(), format!("https://{n}.many.example/"))).collect();
        scene.stores.save_at_once(&saves).await.unwrap();
        scene.settle().await;
    }
}

#[tokio::test(start_paused = true)]
async fn twenty_thousand_cards_are_paced_and_others_are_published_within_a_minute() {
    let [alice, bob] = people();
    let scene = Scene::of(&[alice.clone(), bob.clone()]).await;
    bring(&scene, &alice, MANY).await;
    let stands = scene.stores.records.record_counts(&alice).await.unwrap().unwrap();
    assert_eq!(stands.waiting, MANY as u64);
    assert!(stands.rest > 48 * HOUR && stands.rest < 72 * HOUR, "{:?}", stands.rest);

    // Hours pass: checking twice a second would mean a million checks.
    let settings = RecordSettings {
        lanes: 2,
        poll: Duration::from_secs(20),
        measure_every: HOUR,
        ..RecordSettings::new("network.cosmik")
    };
    let publishing = RecordLoop::new(scene.stores.records.clone(), scene.pds.clone(), settings);
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let running = tokio::spawn(async move { publishing.run(stopped).await });
    let begun = Instant::now();
    let mut bobs = 0;
    while scene.held(&alice) < MANY {
        assert!(begun.elapsed() < 73 * HOUR, "{} are there", scene.held(&alice));
        scene.stores.save(&bob, &format!("https://{bobs}.few.example/")).await.unwrap();
        bobs += 1;
        scene.settle().await;
        let saved = Instant::now();
        while scene.held(&bob) < bobs {
            assert!(saved.elapsed() < Duration::from_secs(60), "somebody else waits");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        let stands = scene.stores.records.record_counts(&alice).await.unwrap().unwrap();
        assert!(stands.state != PublishingState::Failing, "{stands:?}");
        tokio::time::sleep(HOUR).await;
    }
    assert!(begun.elapsed() > 47 * HOUR, "{:?}", begun.elapsed());
    assert!(scene.pds.overdrawn().is_empty(), "the server never had to ask for it");
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn what_became_private_does_not_wait_for_the_next_hour() {
    let [alice, _] = people();
    let scene = Scene::of(std::slice::from_ref(&alice)).await;
    let card = scene.stores.save(&alice, "https://a.example/").await.unwrap().url_card_id;
    bring(&scene, &alice, 3_000).await;
    scene.publish().await;
    let held = scene.held(&alice);
    assert!((1_200..1_400).contains(&held), "{held} in the first hour");
    let stands = scene.stores.records.record_counts(&alice).await.unwrap().unwrap();
    assert_eq!(stands.state, PublishingState::Limited);
    scene.stores.let_see(&alice, card, Visibility::Private).await.unwrap();
    scene.publish().await;
    assert_eq!(scene.held(&alice), held - 1);
}
