//! Profiles, and people as administrators see them.

use anyhow::{Context as _, ensure};
use cardwire_domain::accounts::Handle;
use cardwire_domain::profile::{Bio, DisplayName, Edit, Profile, ProfileChange};
use cardwire_domain::{UserId, Visibility};

use super::{Accounts, is_missing};
use crate::store_suite::Tested;

fn named(name: &str) -> anyhow::Result<ProfileChange> {
    Ok(ProfileChange { display_name: Edit::Set(DisplayName::parse(name)?), ..ProfileChange::default() })
}

fn private() -> ProfileChange {
    ProfileChange { default_visibility: Some(Visibility::Private), ..ProfileChange::default() }
}

pub async fn everybody_has_a_profile_which_is_blank_at_first(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?.id;
    let profile = accounts.store.profile(&alice).await?;
    ensure!(profile.created_at.is_some(), "{profile:?}");
    ensure!(Profile { created_at: None, ..profile } == Profile::default());
    let without = UserId::parse("did:plc:bob")?;
    ensure!(accounts.store.profile(&without).await? == Profile::default());
    let changed = accounts.store.change_profile(&without, &named("Bob")?).await?;
    ensure!(changed.display_name == Some(DisplayName::parse("Bob")?) && changed.created_at.is_none(), "{changed:?}");
    ensure!(accounts.store.profile(&without).await? == changed);
    Ok(())
}

pub async fn a_profile_is_changed_part_by_part(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?.id;
    let change = async |change: ProfileChange| accounts.store.change_profile(&alice, &change).await;
    change(named("Alice")?).await?;
    let bio = Edit::Set(Bio::parse("Reads.")?);
    change(ProfileChange { bio, ..private() }).await?;
    let profile = change(ProfileChange::default()).await?;
    let parts = (profile.display_name.as_ref(), profile.bio.as_ref(), profile.default_visibility);
    ensure!(
        parts == (Some(&DisplayName::parse("Alice")?), Some(&Bio::parse("Reads.")?), Visibility::Private),
        "{parts:?}"
    );
    let profile = change(ProfileChange { display_name: Edit::Clear, ..ProfileChange::default() }).await?;
    ensure!(profile.display_name.is_none() && profile.bio.is_some(), "{profile:?}");
    ensure!(profile.default_visibility == Visibility::Private);
    ensure!(accounts.store.profile(&alice).await? == profile);
    Ok(())
}

pub async fn parallel_changes_of_different_parts_all_count(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?.id;
    let bio = ProfileChange { bio: Edit::Set(Bio::parse("Reads.")?), ..ProfileChange::default() };
    let mut changes = tokio::task::JoinSet::new();
    for change in [named("Alice")?, bio, private()] {
        let (store, person) = (accounts.store.clone(), alice.clone());
        changes.spawn(async move { store.change_profile(&person, &change).await });
    }
    changes.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    let profile = accounts.store.profile(&alice).await?;
    ensure!(profile.display_name.is_some() && profile.bio.is_some(), "{profile:?}");
    ensure!(profile.default_visibility == Visibility::Private);
    Ok(())
}

pub async fn tokens_tell_the_default_visibility_of_their_owner(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.open(&alice, 10).await?;
    accounts.try_token(&alice.id, 20, None).await?;
    for visibility in [Visibility::Public, Visibility::Private] {
        let change = ProfileChange { default_visibility: Some(visibility), ..ProfileChange::default() };
        accounts.store.change_profile(&alice.id, &change).await?;
        let session = accounts.live(10).await?.context("it is open")?;
        let token = accounts.live_token(20).await?.context("it is good")?;
        ensure!([session.bearer.default_visibility, token.bearer.default_visibility] == [visibility; 2]);
    }
    Ok(())
}

pub async fn people_are_listed_by_their_handles(accounts: Accounts) -> Tested {
    for handle in ["carol", "alice", "dave", "bob"] {
        accounts.sign_up(handle).await?;
    }
    let handles = async |after: Option<&Handle>, limit| {
        let people = accounts.store.people(after, limit).await?;
        anyhow::Ok(people.into_iter().map(|person| person.user.handle).collect::<Vec<_>>())
    };
    ensure!(handles(None, 10).await? == ["alice", "bob", "carol", "dave"]);
    ensure!(handles(None, 2).await? == ["alice", "bob"]);
    ensure!(handles(Some(&Handle::parse("bob")?), 2).await? == ["carol", "dave"]);
    ensure!(handles(Some(&Handle::parse("dave")?), 2).await?.is_empty());
    Ok(())
}

pub async fn administrators_are_made_once(accounts: Accounts) -> Tested {
    accounts.sign_up("alice").await?;
    let bob = accounts.sign_up("bob").await?;
    accounts.open(&bob, 10).await?;
    accounts.try_token(&bob.id, 20, None).await?;
    let is_admin = async || anyhow::Ok(accounts.live(10).await?.context("it is open")?.bearer.is_admin);
    ensure!(!is_admin().await?);
    ensure!(accounts.store.make_admin(&bob.id).await?);
    ensure!(!accounts.store.make_admin(&bob.id).await?);
    ensure!(is_admin().await?, "from the next request on");
    ensure!(accounts.live_token(20).await?.is_some_and(|token| token.bearer.is_admin));
    ensure!(is_missing(&accounts.store.make_admin(&UserId::parse("did:plc:nobody")?).await));
    Ok(())
}
