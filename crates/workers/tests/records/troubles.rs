//! A server that is down, slow, full or lying, or a session that ended: that person pauses, and nobody else notices.

use std::time::Duration;

use cardwire_domain::UserId;
use cardwire_domain::Visibility;
use cardwire_domain::records::{PublishingState, RecordCounts};
use cardwire_testkit::pds::Trouble;

use super::{Scene, people};

const DAY: Duration = Duration::from_secs(86_400);

async fn counts(scene: &Scene, person: &UserId) -> RecordCounts {
    scene.stores.records.record_counts(person).await.unwrap().unwrap()
}

#[tokio::test(start_paused = true)]
async fn whatever_troubles_one_server_the_others_are_published_and_so_is_this_one_once_it_is_well() {
    for trouble in [
        Trouble::Away,
        Trouble::AnswersLost,
        Trouble::NoRoom,
        Trouble::Nonsense,
        Trouble::OtherCid,
        Trouble::OtherUri,
        Trouble::RateLimited(Some(Duration::from_secs(1_000))),
        Trouble::RateLimited(None),
        Trouble::Slow(Duration::from_secs(40)),
    ] {
        let [alice, bob] = people();
        let scene = Scene::of(&[alice.clone(), bob.clone()]).await;
        scene.pds.trouble(&alice, Some(trouble.clone()));
        scene.save(&alice, 3).await;
        scene.save(&bob, 3).await;
        scene.publish().await;
        assert_eq!(scene.held(&bob), 3, "{trouble:?}");
        let stands = counts(&scene, &alice).await;
        assert_eq!((stands.published, stands.waiting), (0, 3), "{trouble:?}");
        let expected = if matches!(trouble, Trouble::RateLimited(_)) {
            PublishingState::Limited
        } else {
            PublishingState::Failing
        };
        assert!(stands.state == expected && stands.last_error.is_some(), "{trouble:?}: {stands:?}");
        let calls = scene.pds.calls(&alice);
        scene.publish().await;
        assert_eq!(scene.pds.calls(&alice), calls, "{trouble:?}: it is left alone for a while");

        scene.pds.trouble(&alice, None);
        tokio::time::advance(DAY).await;
        scene.publish().await;
        let stands = counts(&scene, &alice).await;
        assert_eq!((stands.published, stands.waiting, stands.state), (3, 0, PublishingState::Ok), "{trouble:?}");
        assert_eq!((scene.held(&alice), stands.last_error), (3, None), "{trouble:?}");
        let writes = scene.pds.writes(alice.as_str());
        assert!(writes.len() == 3 && writes.values().all(|times| *times == 1), "{trouble:?}: {writes:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_makes_no_second_record() {
    let [alice, _] = people();
    let scene = Scene::of(std::slice::from_ref(&alice)).await;
    scene.pds.trouble(&alice, Some(Trouble::AnswersLost));
    scene.save(&alice, 1).await;
    for _ in 0..5 {
        scene.publish().await;
        tokio::time::advance(DAY).await;
    }
    assert_eq!((scene.held(&alice), scene.pds.commits(alice.as_str())), (1, 1));
    scene.pds.trouble(&alice, None);
    scene.publish().await;
    assert_eq!((counts(&scene, &alice).await.published, scene.pds.commits(alice.as_str())), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_ended_pauses_one_person_until_they_connect_again() {
    let [alice, bob] = people();
    let scene = Scene::of(&[alice.clone(), bob.clone()]).await;
    scene.pds.trouble(&alice, Some(Trouble::Revoked));
    scene.save(&alice, 2).await;
    scene.save(&bob, 2).await;
    scene.publish().await;
    assert_eq!((scene.held(&alice), scene.held(&bob)), (0, 2));
    assert_eq!(counts(&scene, &alice).await.state, PublishingState::Ended);
    scene.pds.trouble(&alice, None);
    tokio::time::advance(DAY).await;
    scene.publish().await;
    assert_eq!(scene.held(&alice), 0, "nobody tries without a session");
    scene.stores.records.connect(&alice, alice.as_str()).await.unwrap();
    scene.publish().await;
    assert_eq!(scene.held(&alice), 2);
}

#[tokio::test(start_paused = true)]
async fn who_turns_out_to_have_no_repository_is_owed_nothing_more() {
    let [alice, _] = people();
    let scene = Scene::of(std::slice::from_ref(&alice)).await;
    scene.pds.trouble(&alice, Some(Trouble::NotConnected));
    scene.save(&alice, 2).await;
    scene.publish().await;
    assert_eq!(scene.stores.records.record_counts(&alice).await.unwrap(), None);
    assert_eq!(scene.stores.records.record_totals().await.unwrap().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_refused_keeps_no_other_waiting() {
    let [alice, _] = people();
    let scene = Scene::of(std::slice::from_ref(&alice)).await;
    scene.pds.trouble(&alice, Some(Trouble::Refuses("https://1.example/".to_owned())));
    scene.save(&alice, 4).await;
    scene.publish().await;
    assert_eq!(scene.held(&alice), 3);
    let stands = counts(&scene, &alice).await;
    assert_eq!((stands.published, stands.waiting), (3, 0));
}

#[tokio::test(start_paused = true)]
async fn what_became_private_while_the_server_was_away_is_never_sent() {
    let [alice, _] = people();
    let scene = Scene::of(std::slice::from_ref(&alice)).await;
    scene.pds.trouble(&alice, Some(Trouble::Away));
    let card = scene.stores.save(&alice, "https://a.example/").await.unwrap().url_card_id;
    scene.publish().await;
    scene.stores.let_see(&alice, card, Visibility::Private).await.unwrap();
    scene.pds.trouble(&alice, None);
    tokio::time::advance(DAY).await;
    scene.publish().await;
    assert_eq!((scene.held(&alice), scene.pds.commits(alice.as_str())), (0, 0));
}
