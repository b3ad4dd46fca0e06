//! Sessions: how long tokens are good, and who ends them.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardwire_domain::SessionId;
use cardwire_domain::sessions::{MAX_REFRESHES, NOTED_EVERY};

use super::{ACCESS_FOR, Accounts, REFRESH_FOR, token, tokens_of};
use crate::store_suite::Tested;

pub async fn an_access_token_is_good_for_its_time(accounts: Accounts) -> Tested {
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    accounts.open(&alice, 10).await?;
    accounts.open(&bob, 20).await?;
    ensure!(accounts.who(10).await? == Some(alice));
    ensure!(accounts.who(20).await? == Some(bob));
    ensure!(accounts.who(11).await?.is_none(), "a refresh token opens nothing");
    ensure!(accounts.who(99).await?.is_none(), "never given out");
    accounts.time.advance(ACCESS_FOR - Duration::from_secs(60)).await;
    ensure!(accounts.who(10).await?.is_some());
    accounts.time.advance(Duration::from_secs(61)).await;
    ensure!(accounts.who(10).await?.is_none(), "expired");
    Ok(())
}

pub async fn a_refresh_replaces_both_tokens(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.open(&alice, 10).await?;
    // Also once the access token has expired: that is what it is for.
    accounts.time.advance(ACCESS_FOR + Duration::from_secs(1)).await;
    ensure!(accounts.refresh(10, 90).await?.is_none(), "an access token refreshes nothing");
    ensure!(accounts.refresh(11, 20).await? == Some(alice.id.clone()));
    ensure!(accounts.who(10).await?.is_none() && accounts.who(20).await? == Some(alice.clone()));
    ensure!(accounts.refresh(21, 30).await? == Some(alice.id.clone()));
    ensure!(accounts.who(20).await?.is_none(), "replaced before it expired");
    ensure!(accounts.who(30).await? == Some(alice));
    ensure!(accounts.refresh(99, 40).await?.is_none(), "never given out");
    ensure!(accounts.who(40).await?.is_none() && accounts.who(30).await?.is_some(), "and disturbs nobody");
    Ok(())
}

pub async fn a_refresh_token_is_good_for_its_time(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.open(&alice, 10).await?;
    accounts.time.advance(REFRESH_FOR - Duration::from_secs(60)).await;
    ensure!(accounts.refresh(11, 20).await?.is_some(), "and is then replaced by one with its whole time");
    accounts.time.advance(REFRESH_FOR - Duration::from_secs(60)).await;
    ensure!(accounts.refresh(21, 30).await?.is_some());
    accounts.time.advance(REFRESH_FOR + Duration::from_secs(1)).await;
    ensure!(accounts.refresh(31, 40).await?.is_none(), "expired");
    ensure!(accounts.who(40).await?.is_none());
    Ok(())
}

pub async fn a_spent_refresh_token_ends_its_session_alone(accounts: Accounts) -> Tested {
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    accounts.open(&alice, 10).await?;
    accounts.open(&alice, 50).await?;
    accounts.open(&bob, 60).await?;
    ensure!(accounts.refresh(11, 20).await?.is_some());
    ensure!(accounts.refresh(21, 30).await?.is_some());
    ensure!(accounts.refresh(11, 40).await?.is_none(), "spent two refreshes ago");
    ensure!(accounts.who(30).await?.is_none(), "the session's newest access token is void");
    ensure!(accounts.who(40).await?.is_none());
    ensure!(accounts.refresh(31, 70).await?.is_none(), "and so is its newest refresh token");
    ensure!(accounts.who(50).await? == Some(alice) && accounts.who(60).await? == Some(bob), "other sessions stay");
    Ok(())
}

pub async fn parallel_refreshes_with_one_token_end_the_session(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.open(&alice, 10).await?;
    let mut tries = tokio::task::JoinSet::new();
    for new in [20, 30, 40, 50] {
        let store = accounts.store.clone();
        tries.spawn(async move { store.refresh_session(&token(11), &tokens_of(new)).await });
    }
    let outcomes = tries.join_all().await.into_iter().collect::<Result<Vec<_>, _>>()?;
    ensure!(outcomes.iter().flatten().count() == 1, "one wins: {outcomes:?}");
    for access in [10, 20, 30, 40, 50] {
        ensure!(accounts.who(access).await?.is_none(), "the others were a reuse");
    }
    Ok(())
}

pub async fn a_session_is_refreshed_so_often_and_not_more(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.open(&alice, 0).await?;
    let mut number = 0;
    for _ in 0..MAX_REFRESHES {
        ensure!(accounts.refresh(number + 1, number + 2).await?.is_some(), "after {number}");
        number += 2;
    }
    ensure!(accounts.who(number).await?.is_some());
    ensure!(accounts.refresh(number + 1, number + 2).await?.is_none());
    ensure!(accounts.who(number).await?.is_none() && accounts.who(number + 2).await?.is_none(), "sign in again");
    Ok(())
}

pub async fn a_session_ends_ninety_days_after_signing_in(accounts: Accounts) -> Tested {
    let day = Duration::from_secs(86_400);
    let alice = accounts.sign_up("alice").await?;
    accounts.open(&alice, 10).await?;
    for number in [10, 20, 30] {
        accounts.time.advance(29 * day).await;
        ensure!(accounts.refresh(number + 1, number + 10).await?.is_some(), "after {number}");
    }
    // 87 days have passed. The last refresh gives no more than what is left.
    accounts.time.advance(3 * day - Duration::from_secs(60)).await;
    ensure!(accounts.refresh(41, 50).await? == Some(alice.id));
    ensure!(accounts.who(50).await?.is_some());
    accounts.time.advance(Duration::from_secs(61)).await;
    ensure!(accounts.who(50).await?.is_none(), "the access token ends with its session");
    ensure!(accounts.refresh(51, 60).await?.is_none() && accounts.who(60).await?.is_none(), "sign in again");
    Ok(())
}

pub async fn a_closed_session_is_gone(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.open(&alice, 10).await?;
    accounts.open(&alice, 20).await?;
    ensure!(accounts.store.close_session(&token(10)).await?);
    ensure!(accounts.who(10).await?.is_none());
    ensure!(accounts.refresh(11, 30).await?.is_none());
    ensure!(!accounts.store.close_session(&token(10)).await?, "there is none left");
    ensure!(!accounts.store.close_session(&token(21)).await?, "a refresh token closes nothing");
    ensure!(accounts.who(20).await? == Some(alice), "other sessions stay");
    Ok(())
}

pub async fn expired_sessions_close_and_do_not_disturb(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.open(&alice, 10).await?;
    accounts.open(&alice, 40).await?;
    accounts.time.advance(ACCESS_FOR + Duration::from_secs(1)).await;
    ensure!(accounts.store.close_session(&token(40)).await?, "its owner may still end it");
    ensure!(accounts.refresh(41, 50).await?.is_none(), "so that it cannot be refreshed");
    ensure!(accounts.refresh(11, 20).await?.is_some(), "other sessions stay");
    accounts.time.advance(REFRESH_FOR + Duration::from_secs(1)).await;
    accounts.open(&alice, 30).await?;
    // Cleared away, so that even the same token could be given out again.
    accounts.open(&alice, 20).await?;
    ensure!(accounts.who(30).await?.is_some() && accounts.who(20).await? == Some(alice));
    Ok(())
}

pub async fn sessions_are_listed_and_ended_by_their_owner(accounts: Accounts) -> Tested {
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    let first = accounts.open(&alice, 10).await?;
    accounts.time.advance(Duration::from_secs(60)).await;
    let second = accounts.open(&alice, 20).await?;
    let other = accounts.open(&bob, 30).await?;
    let sessions = accounts.store.sessions_of(&alice.id).await?;
    let listed: Vec<_> = sessions.iter().map(|session| (session.id, session.client.as_str())).collect();
    ensure!(listed == [(second, "client 20"), (first, "client 10")], "last seen first: {listed:?}");
    let first_seen = sessions[1].last_seen_at;
    ensure!(sessions[1].created_at == first_seen && sessions[0].created_at > first_seen, "{sessions:?}");
    ensure!(accounts.live(10).await?.is_some_and(|live| live.id == first));

    ensure!(!accounts.store.end_session(&alice.id, other).await?, "it is somebody else's");
    ensure!(!accounts.store.end_session(&alice.id, SessionId::generate()).await?);
    ensure!(accounts.store.end_session(&alice.id, first).await?);
    ensure!(!accounts.store.end_session(&alice.id, first).await?, "there is none left");
    ensure!(accounts.who(10).await?.is_none() && accounts.refresh(11, 40).await?.is_none());
    ensure!(accounts.who(20).await?.is_some() && accounts.who(30).await? == Some(bob), "the others stay");
    // One that can only be refreshed is listed, and one that cannot be used at all is not.
    accounts.time.advance(ACCESS_FOR + Duration::from_secs(1)).await;
    ensure!(accounts.store.sessions_of(&alice.id).await?.len() == 1);
    accounts.time.advance(REFRESH_FOR).await;
    ensure!(accounts.store.sessions_of(&alice.id).await?.is_empty());
    Ok(())
}

pub async fn all_sessions_but_one_are_ended_at_once(accounts: Accounts) -> Tested {
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    let kept = accounts.open(&alice, 10).await?;
    accounts.open(&alice, 20).await?;
    accounts.open(&alice, 30).await?;
    accounts.open(&bob, 40).await?;
    ensure!(accounts.store.end_sessions(&alice.id, Some(kept)).await? == 2);
    ensure!(accounts.who(10).await?.is_some() && accounts.who(40).await?.is_some());
    ensure!(accounts.who(20).await?.is_none() && accounts.who(30).await?.is_none());
    ensure!(accounts.store.end_sessions(&alice.id, None).await? == 1);
    ensure!(accounts.who(10).await?.is_none() && accounts.who(40).await?.is_some());
    Ok(())
}

pub async fn the_use_of_a_session_is_noted_once_in_five_minutes(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    let id = accounts.open(&alice, 10).await?;
    let is_due = async || anyhow::Ok(accounts.live(10).await?.context("it is good for an hour")?.is_due);
    let listed = async || anyhow::Ok(accounts.store.sessions_of(&alice.id).await?[0].clone());
    ensure!(!is_due().await?);
    accounts.time.advance(NOTED_EVERY - Duration::from_secs(30)).await;
    ensure!(!is_due().await?);
    accounts.store.note_session(id).await?;
    let session = listed().await?;
    ensure!(session.last_seen_at == session.created_at, "too soon: {session:?}");
    accounts.time.advance(Duration::from_secs(31)).await;
    ensure!(is_due().await?);
    accounts.store.note_session(id).await?;
    ensure!(!is_due().await?);
    let session = listed().await?;
    ensure!(session.last_seen_at > session.created_at, "{session:?}");
    // A refresh is a use.
    accounts.time.advance(NOTED_EVERY + Duration::from_secs(1)).await;
    ensure!(accounts.refresh(11, 20).await?.is_some());
    ensure!(accounts.live(20).await?.is_some_and(|live| !live.is_due && live.id == id), "and the session the same");
    Ok(())
}
