//! What every [`AccountRepository`] must do. [`account_suite!`](macro@crate::account_suite) makes one test of each case.
//!
//! ```text
//! async fn accounts() -> anyhow::Result<Accounts> { … }
//! cardwire_testkit::account_suite!(accounts, (start_paused = true));
//! ```

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardwire_domain::accounts::{Account, AccountRepository, Handle, MAX_REFRESHES, SessionTokens, TokenHash};
use cardwire_domain::user::User;
use cardwire_domain::{Error, UserId};

use crate::store_suite::{Tested, TimeMachine};

/// An empty repository, and a hand on its clock.
pub struct Accounts {
    pub repository: Arc<dyn AccountRepository>,
    pub time: Arc<dyn TimeMachine>,
    /// Lives as long as the test, such as a server.
    pub guard: Box<dyn Any + Send + Sync>,
}

const ACCESS_FOR: Duration = Duration::from_secs(3_600);
const REFRESH_FOR: Duration = Duration::from_secs(30 * 86_400);

/// One test for each case of the contract. The second argument is what `tokio::test` is given; `()` if nothing.
#[macro_export]
macro_rules! account_suite {
    ($make:path, $runtime:tt) => {
        $crate::account_suite!(@cases $make, $runtime: [
            an_account_is_found_by_its_handle,
            a_handle_belongs_to_one_account,
            people_without_an_account_are_named,
            parallel_sign_ups_under_one_handle_make_one_account,
            an_access_token_is_good_for_its_time,
            a_refresh_replaces_both_tokens,
            a_refresh_token_is_good_for_its_time,
            a_spent_refresh_token_ends_its_session_alone,
            parallel_refreshes_with_one_token_end_the_session,
            a_session_is_refreshed_so_often_and_not_more,
            a_session_ends_ninety_days_after_signing_in,
            a_closed_session_is_gone,
            expired_sessions_close_and_do_not_disturb,
        ]);
    };
    (@cases $make:path, $runtime:tt: [$($case:ident),* $(,)?]) => {
        mod accounts {
            use super::*;
            $(
                #[::tokio::test $runtime]
                async fn $case() -> $crate::store_suite::Tested {
                    $crate::account_suite::$case($make().await?).await
                }
            )*
        }
    };
}

fn token(number: u32) -> TokenHash {
    let mut hash = [7; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    TokenHash(hash)
}

/// The access token `number` and the refresh token `number + 1`.
fn tokens(number: u32) -> SessionTokens {
    SessionTokens {
        access: token(number),
        access_for: ACCESS_FOR,
        refresh: token(number + 1),
        refresh_for: REFRESH_FOR,
    }
}

fn account_of(handle: &str) -> Account {
    let user = User { id: UserId::generate(), handle: handle.into() };
    Account { user, password_hash: format!("$argon2id${handle}") }
}

impl Accounts {
    async fn sign_up(&self, handle: &str) -> anyhow::Result<User> {
        let account = account_of(handle);
        self.repository.create_account(&account).await?;
        Ok(account.user)
    }

    async fn open(&self, user: &User, number: u32) -> anyhow::Result<()> {
        Ok(self.repository.open_session(&user.id, &tokens(number)).await?)
    }

    async fn who(&self, access: u32) -> anyhow::Result<Option<User>> {
        Ok(self.repository.session_user(&token(access)).await?)
    }

    async fn refresh(&self, refresh: u32, new: u32) -> anyhow::Result<Option<UserId>> {
        Ok(self.repository.refresh_session(&token(refresh), &tokens(new)).await?)
    }
}

pub async fn an_account_is_found_by_its_handle(accounts: Accounts) -> Tested {
    let alice = account_of("alice");
    accounts.repository.create_account(&alice).await?;
    accounts.sign_up("bob").await?;
    // Handles are kept in lower case and compared without case.
    let found = accounts.repository.account(&Handle::parse("Alice")?).await?.context("alice signed up")?;
    ensure!(found.user == alice.user && found.password_hash == alice.password_hash, "{found:?}");
    ensure!(accounts.repository.account(&Handle::parse("carol")?).await?.is_none());
    Ok(())
}

pub async fn a_handle_belongs_to_one_account(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    for handle in ["alice", "ALICE"] {
        let again = accounts.repository.create_account(&account_of(handle)).await;
        ensure!(matches!(again, Err(Error::Conflict(_))), "{handle}: {again:?}");
    }
    let found = accounts.repository.account(&Handle::parse("alice")?).await?.context("alice signed up")?;
    ensure!(found.user == alice, "the first one stays");
    Ok(())
}

pub async fn people_without_an_account_are_named(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?.id;
    let (first, second) = (UserId::parse("did:plc:zed")?, UserId::parse("did:plc:alice")?);
    let unknown = accounts.repository.without_account(&[first.clone(), alice.clone(), second.clone()]).await?;
    ensure!(unknown == [first, second], "in the order they were asked for: {unknown:?}");
    ensure!(accounts.repository.without_account(&[alice]).await?.is_empty());
    ensure!(accounts.repository.without_account(&[]).await?.is_empty());
    Ok(())
}

pub async fn parallel_sign_ups_under_one_handle_make_one_account(accounts: Accounts) -> Tested {
    let mut tries = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let repository = accounts.repository.clone();
        tries.spawn(async move { repository.create_account(&account_of("alice")).await });
    }
    let outcomes = tries.join_all().await;
    let created = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let refused = outcomes.iter().filter(|outcome| matches!(outcome, Err(Error::Conflict(_)))).count();
    ensure!((created, refused) == (1, 7), "{outcomes:?}");
    Ok(())
}

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
        let repository = accounts.repository.clone();
        tries.spawn(async move { repository.refresh_session(&token(11), &tokens(new)).await });
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
    ensure!(accounts.repository.close_session(&token(10)).await?);
    ensure!(accounts.who(10).await?.is_none());
    ensure!(accounts.refresh(11, 30).await?.is_none());
    ensure!(!accounts.repository.close_session(&token(10)).await?, "there is none any more");
    ensure!(!accounts.repository.close_session(&token(21)).await?, "a refresh token closes nothing");
    ensure!(accounts.who(20).await? == Some(alice), "other sessions stay");
    Ok(())
}

pub async fn expired_sessions_close_and_do_not_disturb(accounts: Accounts) -> Tested {
    let alice = accounts.sign_up("alice").await?;
    accounts.open(&alice, 10).await?;
    accounts.open(&alice, 40).await?;
    accounts.time.advance(ACCESS_FOR + Duration::from_secs(1)).await;
    ensure!(accounts.repository.close_session(&token(40)).await?, "its owner may still end it");
    ensure!(accounts.refresh(41, 50).await?.is_none(), "so that it cannot be refreshed");
    ensure!(accounts.refresh(11, 20).await?.is_some(), "other sessions stay");
    accounts.time.advance(REFRESH_FOR + Duration::from_secs(1)).await;
    accounts.open(&alice, 30).await?;
    // Cleared away, so that even the same token could be given out again.
    accounts.open(&alice, 20).await?;
    ensure!(accounts.who(30).await?.is_some() && accounts.who(20).await? == Some(alice));
    Ok(())
}
