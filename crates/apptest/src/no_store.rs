//! A store that is away: every command, and everything about accounts, fails.

use async_trait::async_trait;
use cardwire_domain::accounts::{Account, AccountRepository, Admission, Handle, Person, SignedUp, TokenHash};
use cardwire_domain::atproto::{AtprotoRepository, Connecting, Connection, NewConnection, Sealed, SignInRequest};
use cardwire_domain::invites::InviteRepository;
use cardwire_domain::profile::{Profile, ProfileChange, ProfileRepository};
use cardwire_domain::resets::ResetRepository;
use cardwire_domain::sessions::{LiveSession, NewSession, Opening, Session, SessionRepository, SessionTokens};
use cardwire_domain::tokens::{ApiToken, LiveToken, NewToken, TokenRepository};
use cardwire_domain::{Error, LinkId, Result, SessionId, Store, TokenId, Transaction, UserId};
use jiff::Timestamp;

pub struct NoStore;

impl NoStore {
    pub fn fail<T>() -> Result<T> {
        Err(Error::Unavailable("db.internal refused the connection".into()))
    }
}

#[async_trait]
impl Store for NoStore {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Self::fail()
    }
    async fn ping(&self) -> Result<()> {
        Self::fail()
    }
}

#[async_trait]
impl AccountRepository for NoStore {
    async fn is_fresh(&self) -> Result<bool> {
        Self::fail()
    }
    async fn create_account(&self, _: &Account, _: &Admission) -> Result<SignedUp> {
        Self::fail()
    }
    async fn account(&self, _: &Handle) -> Result<Option<Account>> {
        Self::fail()
    }
    async fn account_of(&self, _: &UserId) -> Result<Option<Account>> {
        Self::fail()
    }
    async fn without_account(&self, _: &[UserId]) -> Result<Vec<UserId>> {
        Self::fail()
    }
    async fn people(&self, _: Option<&Handle>, _: usize) -> Result<Vec<Person>> {
        Self::fail()
    }
    async fn change_password(&self, _: &Account, _: &str, _: Option<SessionId>) -> Result<bool> {
        Self::fail()
    }
    async fn delete_account(&self, _: &Account) -> Result<bool> {
        Self::fail()
    }
    async fn suspend(&self, _: &UserId) -> Result<bool> {
        Self::fail()
    }
    async fn restore(&self, _: &UserId) -> Result<bool> {
        Self::fail()
    }
    async fn make_admin(&self, _: &UserId) -> Result<bool> {
        Self::fail()
    }
}

#[async_trait]
impl SessionRepository for NoStore {
    async fn open_session(&self, _: &Account, _: &NewSession) -> Result<Opening> {
        Self::fail()
    }
    async fn live_session(&self, _: &TokenHash) -> Result<Option<LiveSession>> {
        Self::fail()
    }
    async fn note_session(&self, _: SessionId) -> Result<()> {
        Self::fail()
    }
    async fn refresh_session(&self, _: &TokenHash, _: &SessionTokens) -> Result<Option<UserId>> {
        Self::fail()
    }
    async fn close_session(&self, _: &TokenHash) -> Result<bool> {
        Self::fail()
    }
    async fn sessions_of(&self, _: &UserId) -> Result<Vec<Session>> {
        Self::fail()
    }
    async fn end_session(&self, _: &UserId, _: SessionId) -> Result<bool> {
        Self::fail()
    }
    async fn end_sessions(&self, _: &UserId, _: Option<SessionId>) -> Result<u64> {
        Self::fail()
    }
}

#[async_trait]
impl TokenRepository for NoStore {
    async fn create_token(&self, _: &UserId, _: &NewToken) -> Result<ApiToken> {
        Self::fail()
    }
    async fn live_token(&self, _: &TokenHash) -> Result<Option<LiveToken>> {
        Self::fail()
    }
    async fn note_token(&self, _: TokenId) -> Result<()> {
        Self::fail()
    }
    async fn tokens_of(&self, _: &UserId) -> Result<Vec<ApiToken>> {
        Self::fail()
    }
    async fn revoke_token(&self, _: &UserId, _: TokenId) -> Result<bool> {
        Self::fail()
    }
}

#[async_trait]
impl ProfileRepository for NoStore {
    async fn profile(&self, _: &UserId) -> Result<Profile> {
        Self::fail()
    }
    async fn change_profile(&self, _: &UserId, _: &ProfileChange) -> Result<Profile> {
        Self::fail()
    }
}

#[async_trait]
impl InviteRepository for NoStore {
    async fn create_invite(&self, _: &UserId, _: &TokenHash) -> Result<Timestamp> {
        Self::fail()
    }
    async fn is_invited(&self, _: &TokenHash) -> Result<bool> {
        Self::fail()
    }
}

#[async_trait]
impl ResetRepository for NoStore {
    async fn create_reset(&self, _: &UserId, _: &TokenHash) -> Result<Timestamp> {
        Self::fail()
    }
    async fn reset_works(&self, _: &TokenHash) -> Result<bool> {
        Self::fail()
    }
    async fn reset_password(&self, _: &TokenHash, _: &str) -> Result<Option<UserId>> {
        Self::fail()
    }
}

#[async_trait]
impl AtprotoRepository for NoStore {
    async fn keep_sign_in(&self, _: &SignInRequest) -> Result<()> {
        Self::fail()
    }
    async fn take_sign_in(&self, _: &TokenHash) -> Result<Option<SignInRequest>> {
        Self::fail()
    }
    async fn connection(&self, _: &UserId) -> Result<Option<Connection>> {
        Self::fail()
    }
    async fn person_of(&self, _: &UserId) -> Result<Option<UserId>> {
        Self::fail()
    }
    async fn connect(&self, _: &NewConnection) -> Result<Connecting> {
        Self::fail()
    }
    async fn disconnect(&self, _: &UserId) -> Result<Option<Connection>> {
        Self::fail()
    }
    async fn connected_leavers(&self) -> Result<Vec<UserId>> {
        Self::fail()
    }
    async fn end_connection(&self, _: &UserId, _: u64, _: &str) -> Result<bool> {
        Self::fail()
    }
    async fn note_connection(&self, _: &UserId, _: Option<&str>) -> Result<()> {
        Self::fail()
    }
    async fn lease_refresh(&self, _: &UserId, _: u64, _: LinkId) -> Result<bool> {
        Self::fail()
    }
    async fn finish_refresh(&self, _: &UserId, _: LinkId, _: &Sealed) -> Result<bool> {
        Self::fail()
    }
    async fn release_refresh(&self, _: &UserId, _: LinkId) -> Result<()> {
        Self::fail()
    }
}
