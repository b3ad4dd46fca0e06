//! What every [`AccountStore`] must do. [`account_suite!`](macro@crate::account_suite) makes one test of each case.
//!
//! ```text
//! async fn accounts() -> anyhow::Result<Accounts> { … }
//! cardwire_testkit::account_suite!(accounts, (start_paused = true));
//! ```

pub mod access;
pub mod atproto;
pub mod profiles;
pub mod sessions;
pub mod signing_up;
pub mod tokens;

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use anyhow::ensure;
use cardwire_domain::account_store::AccountStore;
use cardwire_domain::accounts::{Account, Admission, SignedUp, TokenHash};
use cardwire_domain::sessions::{Bearer, LiveSession, NewSession, Opening, SessionTokens};
use cardwire_domain::tokens::{ApiToken, LiveToken, NewToken, Scope, TokenName};
use cardwire_domain::user::User;
use cardwire_domain::{Error, SessionId, TokenId, UserId};

use crate::store_suite::TimeMachine;

/// An empty store, and a hand on its clock.
pub struct Accounts {
    pub store: Arc<dyn AccountStore>,
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
        $crate::account_suite!(@cases $make, $runtime, signing_up: [
            an_account_is_found_by_its_handle_and_its_id,
            a_handle_belongs_to_one_account,
            people_without_an_account_are_named,
            parallel_sign_ups_under_one_handle_make_one_account,
            the_first_account_is_made_whatever_the_rule_and_is_an_administrators,
            of_several_first_accounts_at_once_one_is,
            an_invite_lets_one_person_in,
            of_several_with_one_invite_one_is_let_in,
            an_invite_is_good_for_seven_days,
        ]);
        $crate::account_suite!(@cases $make, $runtime, sessions: [
            an_access_token_is_good_for_its_time,
            a_refresh_replaces_both_tokens,
            a_refresh_token_is_good_for_its_time,
            a_spent_refresh_token_ends_its_session_alone,
            parallel_refreshes_with_one_token_end_the_session,
            a_session_is_refreshed_so_often_and_not_more,
            a_session_ends_ninety_days_after_signing_in,
            a_closed_session_is_gone,
            expired_sessions_close_and_do_not_disturb,
            sessions_are_listed_and_ended_by_their_owner,
            all_sessions_but_one_are_ended_at_once,
            the_use_of_a_session_is_noted_once_in_five_minutes,
        ]);
        $crate::account_suite!(@cases $make, $runtime, access: [
            a_suspended_account_has_no_access_until_it_is_restored,
            a_new_password_ends_all_access_but_one_session,
            of_two_new_passwords_at_once_one_is_set,
            a_reset_link_sets_a_password_once_and_ends_all_access,
            of_several_uses_of_a_reset_link_at_once_one_counts,
            a_reset_link_works_for_a_day_and_until_the_next_one,
        ]);
        $crate::account_suite!(@cases $make, $runtime, atproto: [
            a_sign_in_is_taken_once_and_in_time,
            a_connection_is_kept_replaced_and_forgotten,
            a_connection_that_ended_is_told_from_none,
            a_did_belongs_to_one_account,
            suspended_and_leaving_accounts_are_not_connected,
            one_refreshes_a_session_at_a_time,
            a_refresh_that_lost_its_lease_stores_nothing,
        ]);
        $crate::account_suite!(@cases $make, $runtime, tokens: [
            an_api_token_is_good_until_it_expires_or_is_revoked,
            api_tokens_are_for_people_with_an_account,
            nobody_has_more_than_fifty_api_tokens,
            the_use_of_an_api_token_is_noted_once_in_five_minutes,
        ]);
        $crate::account_suite!(@cases $make, $runtime, profiles: [
            everybody_has_a_profile_which_is_blank_at_first,
            a_profile_is_changed_part_by_part,
            parallel_changes_of_different_parts_all_count,
            tokens_tell_the_default_visibility_of_their_owner,
            people_are_listed_by_their_handles,
            administrators_are_made_once,
        ]);
    };
    (@cases $make:path, $runtime:tt, $module:ident: [$($case:ident),* $(,)?]) => {
        mod $module {
            use super::*;
            $(
                #[::tokio::test $runtime]
                async fn $case() -> $crate::store_suite::Tested {
                    $crate::account_suite::$module::$case($make().await?).await
                }
            )*
        }
    };
}

/// The hash of a token that nobody else has.
fn token(number: u32) -> TokenHash {
    let mut hash = [7; 32];
    hash[..4].copy_from_slice(&number.to_be_bytes());
    TokenHash(hash)
}

/// The access token `number` and the refresh token `number + 1`.
fn tokens_of(number: u32) -> SessionTokens {
    SessionTokens {
        access: token(number),
        access_for: ACCESS_FOR,
        refresh: token(number + 1),
        refresh_for: REFRESH_FOR,
    }
}

fn account_of(handle: &str) -> Account {
    account(User { id: UserId::generate(), handle: handle.into() })
}

/// As the person signed up with it.
fn account(user: User) -> Account {
    let password_hash = format!("$argon2id${}", user.handle);
    Account { user, password_hash }
}

fn new_token(number: u32, good_for: Option<Duration>) -> Result<NewToken, Error> {
    let name = TokenName::parse(&format!("token {number}"))?;
    Ok(NewToken { id: TokenId::generate(), name, scope: Scope::Read, hash: token(number), good_for, asked_in: None })
}

fn is_missing<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::NotFound { .. }))
}

impl Accounts {
    async fn sign_up(&self, handle: &str) -> anyhow::Result<User> {
        let account = account_of(handle);
        let signed_up = self.store.create_account(&account, &Admission::Open).await?;
        ensure!(matches!(signed_up, SignedUp::First | SignedUp::Member), "{handle}: {signed_up:?}");
        Ok(account.user)
    }

    /// With the password that the person signed up with.
    async fn try_open(&self, user: &User, number: u32) -> anyhow::Result<(SessionId, Opening)> {
        let id = SessionId::generate();
        let session = NewSession { id, tokens: tokens_of(number), client: format!("client {number}") };
        Ok((id, self.store.open_session(&account(user.clone()), &session).await?))
    }

    async fn open(&self, user: &User, number: u32) -> anyhow::Result<SessionId> {
        let (id, opening) = self.try_open(user, number).await?;
        ensure!(opening == Opening::Opened, "{opening:?}");
        Ok(id)
    }

    async fn live(&self, access: u32) -> anyhow::Result<Option<LiveSession>> {
        Ok(self.store.live_session(&token(access)).await?)
    }

    async fn who(&self, access: u32) -> anyhow::Result<Option<User>> {
        Ok(self.live(access).await?.map(|LiveSession { bearer: Bearer { user, .. }, .. }| user))
    }

    async fn refresh(&self, refresh: u32, new: u32) -> anyhow::Result<Option<UserId>> {
        Ok(self.store.refresh_session(&token(refresh), &tokens_of(new)).await?)
    }

    async fn try_token(&self, owner: &UserId, number: u32, good_for: Option<Duration>) -> Result<ApiToken, Error> {
        self.store.create_token(owner, &new_token(number, good_for)?).await
    }

    async fn live_token(&self, number: u32) -> anyhow::Result<Option<LiveToken>> {
        Ok(self.store.live_token(&token(number)).await?)
    }
}
