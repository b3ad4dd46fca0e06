//! What ends all access at once: a suspension, and a new password.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardwire_domain::UserId;
use cardwire_domain::sessions::Opening;
use cardwire_domain::user::User;

use super::{Accounts, account, is_missing, token};
use crate::store_suite::Tested;

/// Sessions 10 and 20, and the API token 30.
async fn give_access(accounts: &Accounts, user: &User) -> Tested {
    accounts.open(user, 10).await?;
    accounts.open(user, 20).await?;
    accounts.try_token(&user.id, 30, None).await?;
    Ok(())
}

/// Of sessions 10 and 20 and the API token 30, which are good.
async fn access(accounts: &Accounts) -> anyhow::Result<[bool; 3]> {
    let (first, second) = (accounts.who(10).await?.is_some(), accounts.who(20).await?.is_some());
    Ok([first, second, accounts.live_token(30).await?.is_some()])
}

async fn password_of(accounts: &Accounts, person: &UserId) -> anyhow::Result<String> {
    Ok(accounts.store.account_of(person).await?.context("the account is there")?.password_hash)
}

pub async fn a_suspended_account_has_no_access_until_it_is_restored(accounts: Accounts) -> Tested {
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    give_access(&accounts, &alice).await?;
    accounts.open(&bob, 40).await?;
    ensure!(accounts.store.suspend(&alice.id).await?);
    ensure!(!accounts.store.suspend(&alice.id).await?, "it is suspended already");
    ensure!(access(&accounts).await? == [false; 3] && accounts.refresh(11, 50).await?.is_none());
    ensure!(accounts.try_open(&alice, 60).await?.1 == Opening::Suspended);
    ensure!(accounts.try_token(&alice.id, 70, None).await.is_err());
    let people = accounts.store.people(None, 10).await?;
    ensure!(people[0].suspended_at.is_some() && people[1].suspended_at.is_none(), "{people:?}");
    ensure!(accounts.who(40).await? == Some(bob), "others stay");

    ensure!(accounts.store.restore(&alice.id).await?);
    ensure!(!accounts.store.restore(&alice.id).await?);
    ensure!(access(&accounts).await? == [false; 3], "what ended stays so");
    accounts.open(&alice, 60).await?;
    ensure!(accounts.who(60).await? == Some(alice));
    let nobody = UserId::parse("did:plc:nobody")?;
    ensure!(is_missing(&accounts.store.suspend(&nobody).await) && is_missing(&accounts.store.restore(&nobody).await));
    Ok(())
}

pub async fn a_new_password_ends_all_access_but_one_session(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    give_access(&accounts, &alice).await?;
    accounts.store.create_reset(&alice.id, &token(90)).await?;
    let kept = accounts.live(20).await?.context("it is open")?.id;
    ensure!(accounts.store.change_password(&account(alice.clone()), "new", Some(kept)).await?);
    ensure!(access(&accounts).await? == [false, true, false]);
    ensure!(password_of(&accounts, &alice.id).await? == "new");
    ensure!(!accounts.store.reset_works(&token(90)).await?, "a link from before");
    // A sign-in that was checked against the old password comes too late.
    ensure!(accounts.try_open(&alice, 60).await?.1 == Opening::Outdated);
    ensure!(!accounts.store.change_password(&account(alice.clone()), "newer", None).await?);
    ensure!(access(&accounts).await? == [false, true, false] && password_of(&accounts, &alice.id).await? == "new");
    Ok(())
}

pub async fn of_two_new_passwords_at_once_one_is_set(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..4 {
        let (store, before) = (accounts.store.clone(), account(alice.clone()));
        let new = format!("new {n}");
        tries.spawn(async move { store.change_password(&before, &new, None).await.map(|set| set.then_some(new)) });
    }
    let set: Vec<_> =
        tries.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    ensure!(set == [password_of(&accounts, &alice.id).await?], "{set:?}");
    Ok(())
}

pub async fn a_reset_link_sets_a_password_once_and_ends_all_access(accounts: Accounts) -> Tested {
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    give_access(&accounts, &alice).await?;
    accounts.open(&bob, 40).await?;
    ensure!(is_missing(&accounts.store.create_reset(&UserId::parse("did:plc:nobody")?, &token(1)).await));
    accounts.store.create_reset(&alice.id, &token(90)).await?;
    ensure!(accounts.store.reset_works(&token(90)).await? && !accounts.store.reset_works(&token(91)).await?);
    ensure!(access(&accounts).await? == [true; 3], "nothing has changed yet");
    ensure!(accounts.store.reset_password(&token(91), "guessed").await?.is_none());
    ensure!(accounts.store.reset_password(&token(90), "new").await? == Some(alice.id.clone()));
    ensure!(access(&accounts).await? == [false; 3] && accounts.who(40).await? == Some(bob));
    ensure!(!accounts.store.reset_works(&token(90)).await?);
    ensure!(accounts.store.reset_password(&token(90), "again").await?.is_none());
    ensure!(password_of(&accounts, &alice.id).await? == "new");
    Ok(())
}

pub async fn of_several_uses_of_a_reset_link_at_once_one_counts(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.store.create_reset(&alice.id, &token(90)).await?;
    let mut tries = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (store, new) = (accounts.store.clone(), format!("new {n}"));
        tries.spawn(async move { store.reset_password(&token(90), &new).await.map(|whose| whose.map(|_| new)) });
    }
    let set: Vec<_> =
        tries.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
    ensure!(set == [password_of(&accounts, &alice.id).await?], "{set:?}");
    Ok(())
}

pub async fn a_reset_link_works_for_a_day_and_until_the_next_one(accounts: Accounts) -> Tested {
    let (day, minute) = (Duration::from_secs(86_400), Duration::from_secs(60));
    let alice = accounts.sign_up("alice").await?;
    accounts.store.create_reset(&alice.id, &token(90)).await?;
    accounts.time.advance(day - minute).await;
    ensure!(accounts.store.reset_works(&token(90)).await?);
    accounts.time.advance(minute + Duration::from_secs(1)).await;
    ensure!(!accounts.store.reset_works(&token(90)).await?);
    ensure!(accounts.store.reset_password(&token(90), "late").await?.is_none());
    accounts.store.create_reset(&alice.id, &token(91)).await?;
    accounts.store.create_reset(&alice.id, &token(92)).await?;
    ensure!(!accounts.store.reset_works(&token(91)).await? && accounts.store.reset_works(&token(92)).await?);
    Ok(())
}
