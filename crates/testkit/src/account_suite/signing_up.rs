//! Accounts, and who is let in.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardwire_domain::UserId;
use cardwire_domain::accounts::{Admission, Handle, SignedUp};

use super::{Accounts, account_of, token};
use crate::store_suite::Tested;

pub async fn an_account_is_found_by_its_handle_and_its_id(accounts: Accounts) -> Tested {
    let alice = account_of("alice");
    accounts.store.create_account(&alice, &Admission::Open).await?;
    accounts.sign_up("bob").await?;
    // Handles are kept in lower case and compared without case.
    let found = accounts.store.account(&Handle::parse("Alice")?).await?.context("alice signed up")?;
    ensure!(found.user == alice.user && found.password_hash == alice.password_hash, "{found:?}");
    let found = accounts.store.account_of(&alice.user.id).await?.context("alice signed up")?;
    ensure!(found.user == alice.user && found.password_hash == alice.password_hash, "{found:?}");
    ensure!(accounts.store.account(&Handle::parse("carol")?).await?.is_none());
    ensure!(accounts.store.account_of(&UserId::parse("did:plc:carol")?).await?.is_none());
    Ok(())
}

pub async fn a_handle_belongs_to_one_account(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    for handle in ["alice", "ALICE"] {
        let again = accounts.store.create_account(&account_of(handle), &Admission::Open).await?;
        ensure!(again == SignedUp::Taken, "{handle}: {again:?}");
    }
    let found = accounts.store.account(&Handle::parse("alice")?).await?.context("alice signed up")?;
    ensure!(found.user == alice, "the first one stays");
    Ok(())
}

pub async fn people_without_an_account_are_named(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?.id;
    let (first, second) = (UserId::parse("did:plc:zed")?, UserId::parse("did:plc:alice")?);
    let unknown = accounts.store.without_account(&[first.clone(), alice.clone(), second.clone()]).await?;
    ensure!(unknown == [first, second], "in the order they were asked for: {unknown:?}");
    ensure!(accounts.store.without_account(&[alice]).await?.is_empty());
    ensure!(accounts.store.without_account(&[]).await?.is_empty());
    Ok(())
}

/// Signs up under all of these handles at once.
async fn at_once(accounts: &Accounts, handles: Vec<String>, admission: Admission) -> anyhow::Result<Vec<SignedUp>> {
    let mut tries = tokio::task::JoinSet::new();
    for handle in handles {
        let store = accounts.store.clone();
        tries.spawn(async move { store.create_account(&account_of(&handle), &admission).await });
    }
    Ok(tries.join_all().await.into_iter().collect::<Result<_, _>>()?)
}

fn count(outcomes: &[SignedUp], wanted: SignedUp) -> usize {
    outcomes.iter().filter(|outcome| **outcome == wanted).count()
}

pub async fn parallel_sign_ups_under_one_handle_make_one_account(accounts: Accounts) -> Tested {
    accounts.sign_up("first").await?;
    let outcomes = at_once(&accounts, vec!["alice".into(); 8], Admission::Open).await?;
    ensure!((count(&outcomes, SignedUp::Member), count(&outcomes, SignedUp::Taken)) == (1, 7), "{outcomes:?}");
    Ok(())
}

pub async fn the_first_account_is_made_whatever_the_rule_and_is_an_administrators(accounts: Accounts) -> Tested {
    let create = async |handle: &str, admission| accounts.store.create_account(&account_of(handle), &admission).await;
    ensure!(accounts.store.is_fresh().await?);
    ensure!(create("alice", Admission::FirstOnly).await? == SignedUp::First);
    ensure!(!accounts.store.is_fresh().await?);
    ensure!(create("bob", Admission::FirstOnly).await? == SignedUp::Refused);
    // People who are not let in do not learn which handles are taken.
    ensure!(create("alice", Admission::FirstOnly).await? == SignedUp::Refused);
    ensure!(create("alice", Admission::Invited(token(1))).await? == SignedUp::Refused, "nobody made that invite");
    ensure!(create("bob", Admission::Open).await? == SignedUp::Member);
    let people = accounts.store.people(None, 10).await?;
    let admins: Vec<_> = people.iter().map(|person| (person.user.handle.as_str(), person.is_admin)).collect();
    ensure!(admins == [("alice", true), ("bob", false)], "{admins:?}");
    Ok(())
}

pub async fn of_several_first_accounts_at_once_one_is(accounts: Accounts) -> Tested {
    let handles = |start: &str| (0..8).map(|n| format!("{start}{n}")).collect();
    let outcomes = at_once(&accounts, handles("first"), Admission::FirstOnly).await?;
    ensure!((count(&outcomes, SignedUp::First), count(&outcomes, SignedUp::Refused)) == (1, 7), "{outcomes:?}");
    let outcomes = at_once(&accounts, handles("later"), Admission::Open).await?;
    ensure!(count(&outcomes, SignedUp::Member) == 8, "{outcomes:?}");
    let people = accounts.store.people(None, 100).await?;
    ensure!(people.len() == 9 && people.iter().filter(|person| person.is_admin).count() == 1, "{people:?}");
    Ok(())
}

pub async fn an_invite_lets_one_person_in(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    let create =
        async |handle: &str| accounts.store.create_account(&account_of(handle), &Admission::Invited(token(1))).await;
    ensure!(!accounts.store.is_invited(&token(1)).await?);
    accounts.store.create_invite(&alice.id, &token(1)).await?;
    ensure!(accounts.store.is_invited(&token(1)).await? && !accounts.store.is_invited(&token(2)).await?);
    ensure!(create("alice").await? == SignedUp::Taken);
    ensure!(accounts.store.is_invited(&token(1)).await?, "nobody came in with it");
    ensure!(create("bob").await? == SignedUp::Member);
    ensure!(!accounts.store.is_invited(&token(1)).await?);
    ensure!(create("carol").await? == SignedUp::Refused);
    Ok(())
}

pub async fn of_several_with_one_invite_one_is_let_in(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.store.create_invite(&alice.id, &token(1)).await?;
    let handles = (0..8).map(|n| format!("person{n}")).collect();
    let outcomes = at_once(&accounts, handles, Admission::Invited(token(1))).await?;
    ensure!((count(&outcomes, SignedUp::Member), count(&outcomes, SignedUp::Refused)) == (1, 7), "{outcomes:?}");
    ensure!(accounts.store.people(None, 100).await?.len() == 2);
    Ok(())
}

pub async fn an_invite_is_good_for_seven_days(accounts: Accounts) -> Tested {
    let week = Duration::from_secs(7 * 86_400);
    let alice = accounts.sign_up("alice").await?;
    accounts.store.create_invite(&alice.id, &token(1)).await?;
    accounts.time.advance(week - Duration::from_secs(60)).await;
    ensure!(accounts.store.is_invited(&token(1)).await?);
    accounts.store.create_invite(&alice.id, &token(2)).await?;
    accounts.time.advance(Duration::from_secs(61)).await;
    ensure!(!accounts.store.is_invited(&token(1)).await? && accounts.store.is_invited(&token(2)).await?);
    let late = accounts.store.create_account(&account_of("bob"), &Admission::Invited(token(1))).await?;
    ensure!(late == SignedUp::Refused, "{late:?}");
    // The expired one is cleared away, so that even its code could be given out again.
    accounts.store.create_invite(&alice.id, &token(3)).await?;
    accounts.store.create_invite(&alice.id, &token(1)).await?;
    ensure!(accounts.store.is_invited(&token(1)).await? && accounts.store.is_invited(&token(3)).await?);
    Ok(())
}
