//! People connect their repositories, once and again.

use anyhow::{Context as _, bail, ensure};
use cardwire_domain::collection::AccessType;
use cardwire_domain::records::{Ending, PublishingState, Subject, Wanted};

use super::publishing::{LEASE, SECOND};
use super::scene::person;
use super::{Stores, Tested};

pub async fn the_same_repository_again_compares_nothing(stores: Stores) -> Tested {
    let alice = stores.connected("alice").await?;
    stores.save(&alice, "https://a.example/").await?;
    ensure!(stores.publish().await?.len() == 1);
    stores.connected("alice").await?;
    ensure!(stores.records.begin_turn(LEASE).await?.is_none(), "nothing is due");

    stores.save(&alice, "https://b.example/").await?;
    stores.settle_records().await?;
    let turn = stores.turn().await?;
    stores.connected("alice").await?;
    let ended = Ending::Ended("the old session was revoked".to_owned());
    ensure!(!stores.records.end_turn(&turn, &[], &ended).await?, "it says nothing of the new session");
    let counts = stores.records.record_counts(&alice).await?.context("is connected")?;
    ensure!(counts.state == PublishingState::Ok && counts.waiting == 1, "{counts:?}");
    ensure!(stores.records.begin_turn(LEASE).await?.is_none(), "what the old turn has sent may still arrive");
    stores.time.advance(LEASE + SECOND).await;
    let turn = stores.turn().await?;
    ensure!(!turn.is_new && stores.records.todo(&turn, 200).await?.len() == 1, "{turn:?}");
    Ok(())
}

pub async fn collections_name_the_repository_of_a_collaborator_who_connects_later(stores: Stores) -> Tested {
    let (alice, bob) = (stores.connected("alice").await?, person("bob"));
    let shared = stores.collection(&alice, "Shared", AccessType::Closed).await?;
    stores.invite(&alice, shared, &[&bob]).await?;
    stores.accept(&bob, shared).await?;
    stores.publish().await?;
    ensure!(stores.records.begin_turn(LEASE).await?.is_none());

    stores.records.connect(&bob, "did:plc:bobsown").await?;
    let turn = stores.turn().await?;
    ensure!(turn.person == bob && stores.records.end_turn(&turn, &[], &Ending::Further).await?, "{turn:?}");
    let turn = stores.turn().await?;
    let todo = stores.records.todo(&turn, 200).await?;
    ensure!(turn.person == alice && todo.len() == 1 && todo[0].subject == Subject::collection(shared), "{todo:?}");
    let Some(Wanted::Collection(wanted)) = &todo[0].wanted else { bail!("{todo:?}") };
    ensure!(wanted.collaborators == ["did:plc:bobsown"], "{wanted:?}");
    Ok(())
}
