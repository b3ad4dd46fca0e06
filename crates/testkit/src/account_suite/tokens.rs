//! API tokens.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardwire_domain::sessions::NOTED_EVERY;
use cardwire_domain::tokens::{MAX_TOKENS, Scope};
use cardwire_domain::{Error, TokenId, UserId};

use super::{Accounts, new_token, token};
use crate::store_suite::Tested;

pub async fn an_api_token_is_good_until_it_expires_or_is_revoked(accounts: Accounts) -> Tested {
    let day = Duration::from_secs(86_400);
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    let short = accounts.try_token(&alice.id, 1, Some(day)).await?;
    accounts.time.advance(Duration::from_secs(1)).await;
    let long = accounts.try_token(&alice.id, 2, None).await?;
    ensure!(
        short.expires_at.is_some_and(|at| at > short.created_at) && long.expires_at.is_none(),
        "{short:?} {long:?}"
    );
    let live = accounts.live_token(1).await?.context("it is good for a day")?;
    ensure!((live.id, live.scope, &live.bearer.user) == (short.id, Scope::Read, &alice), "{live:?}");
    ensure!(accounts.live_token(3).await?.is_none(), "never given out");
    ensure!(accounts.who(1).await?.is_none(), "it is no session's");
    let listed: Vec<_> = accounts.store.tokens_of(&alice.id).await?.into_iter().map(|token| token.name).collect();
    ensure!(listed == ["token 2", "token 1"], "newest first: {listed:?}");
    ensure!(accounts.store.tokens_of(&bob.id).await?.is_empty());

    accounts.time.advance(day).await;
    ensure!(accounts.live_token(1).await?.is_none() && accounts.live_token(2).await?.is_some());
    ensure!(accounts.store.tokens_of(&alice.id).await?.len() == 2, "an expired one is still listed");
    ensure!(!accounts.store.revoke_token(&bob.id, long.id).await?, "it is somebody else's");
    ensure!(!accounts.store.revoke_token(&alice.id, TokenId::generate()).await?);
    ensure!(accounts.store.revoke_token(&alice.id, long.id).await?);
    ensure!(!accounts.store.revoke_token(&alice.id, long.id).await?, "there is none left");
    ensure!(accounts.live_token(2).await?.is_none());
    Ok(())
}

pub async fn api_tokens_are_for_people_with_an_account(accounts: Accounts) -> Tested {
    let refused = accounts.try_token(&UserId::parse("did:plc:alice")?, 1, None).await;
    ensure!(matches!(refused, Err(Error::Forbidden(_))), "{refused:?}");
    ensure!(accounts.live_token(1).await?.is_none());
    Ok(())
}

pub async fn nobody_has_more_than_fifty_api_tokens(accounts: Accounts) -> Tested {
    let (alice, bob) = (accounts.sign_up("alice").await?, accounts.sign_up("bob").await?);
    let most = u32::try_from(MAX_TOKENS)?;
    for number in 0..most - 2 {
        accounts.try_token(&alice.id, number, None).await?;
    }
    let mut tries = tokio::task::JoinSet::new();
    for number in most..most + 6 {
        let (store, owner, new) = (accounts.store.clone(), alice.id.clone(), new_token(number, None)?);
        tries.spawn(async move { store.create_token(&owner, &new).await });
    }
    let outcomes = tries.join_all().await;
    let made = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Conflict(_)))).count();
    ensure!((made, refused) == (2, 4), "{outcomes:?}");
    let listed = accounts.store.tokens_of(&alice.id).await?;
    ensure!(listed.len() == MAX_TOKENS);
    accounts.try_token(&bob.id, 1_000, None).await?;
    accounts.store.revoke_token(&alice.id, listed[0].id).await?;
    accounts.try_token(&alice.id, 1_001, None).await?;
    Ok(())
}

pub async fn the_use_of_an_api_token_is_noted_once_in_five_minutes(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    let id = accounts.try_token(&alice.id, 1, None).await?.id;
    let is_due = async || anyhow::Ok(accounts.store.live_token(&token(1)).await?.context("it is good")?.is_due);
    let last_used = async || anyhow::Ok(accounts.store.tokens_of(&alice.id).await?[0].last_used_at);
    ensure!(is_due().await? && last_used().await?.is_none());
    accounts.store.note_token(id).await?;
    let first = last_used().await?.context("it was used")?;
    accounts.time.advance(NOTED_EVERY - Duration::from_secs(30)).await;
    ensure!(!is_due().await?);
    accounts.time.advance(Duration::from_secs(31)).await;
    ensure!(is_due().await?);
    accounts.store.note_token(id).await?;
    ensure!(!is_due().await? && last_used().await?.is_some_and(|last| last > first));
    Ok(())
}
