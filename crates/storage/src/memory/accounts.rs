//! People and their sessions.

use std::time::Duration;

use async_trait::async_trait;
use cardwire_domain::accounts::{
    Account, AccountRepository, Handle, MAX_REFRESHES, SESSION_ENDS_AFTER, SessionTokens, TokenHash,
};
use cardwire_domain::user::User;
use cardwire_domain::{Error, Result, UserId};
use jiff::{SignedDuration, Timestamp};

use super::kept::{Accounts, Session};
use super::store::InMemoryStore;

impl Accounts {
    /// How to show a person, with or without an account.
    pub(super) fn user(&self, id: &UserId) -> User {
        match self.handles.get(id) {
            Some(handle) => User { id: id.clone(), handle: handle.clone() },
            None => User::unregistered(id.clone()),
        }
    }

    fn keep(&mut self, number: u64, session: Session) {
        self.by_access.insert(session.access, number);
        self.by_refresh.insert(session.refresh, number);
        self.sessions.insert(number, session);
    }

    fn end(&mut self, number: u64) {
        let Some(session) = self.sessions.remove(&number) else { return };
        self.by_access.remove(&session.access);
        for token in session.spent.iter().chain([&session.refresh]) {
            self.by_refresh.remove(token);
        }
    }

    fn live(&self, access: &TokenHash, now: Timestamp) -> Option<&Session> {
        self.sessions.get(self.by_access.get(access)?).filter(|session| session.access_until > now)
    }

    fn drop_expired(&mut self, now: Timestamp) {
        let expired = |(number, session): (&u64, &Session)| (session.refresh_until <= now).then_some(*number);
        let expired: Vec<u64> = self.sessions.iter().filter_map(expired).collect();
        expired.into_iter().for_each(|number| self.end(number));
    }
}

#[async_trait]
impl AccountRepository for InMemoryStore {
    async fn create_account(&self, account: &Account) -> Result<()> {
        let mut state = self.lock().await;
        let User { id, handle } = &account.user;
        let key = handle.to_lowercase();
        if state.accounts.by_handle.contains_key(&key) {
            return Err(Error::Conflict(format!("the handle {handle} is taken")));
        }
        state.accounts.handles.insert(id.clone(), handle.clone());
        state.accounts.by_handle.insert(key, account.clone());
        Ok(())
    }

    async fn account(&self, handle: &Handle) -> Result<Option<Account>> {
        Ok(self.lock().await.accounts.by_handle.get(handle.as_str()).cloned())
    }

    async fn without_account(&self, people: &[UserId]) -> Result<Vec<UserId>> {
        let state = self.lock().await;
        Ok(people.iter().filter(|person| !state.accounts.handles.contains_key(person)).cloned().collect())
    }

    async fn open_session(&self, user: &UserId, tokens: &SessionTokens) -> Result<()> {
        let now = self.now();
        let mut state = self.lock().await;
        let accounts = &mut state.accounts;
        if !accounts.handles.contains_key(user) {
            return Err(Error::Stale);
        }
        accounts.drop_expired(now);
        accounts.opened += 1;
        accounts.keep(accounts.opened, session(user.clone(), tokens, (now, now), Vec::new()));
        Ok(())
    }

    async fn session_user(&self, access: &TokenHash) -> Result<Option<User>> {
        let now = self.now();
        let state = self.lock().await;
        let accounts = &state.accounts;
        Ok(accounts.live(access, now).map(|session| accounts.user(&session.user)))
    }

    async fn refresh_session(&self, refresh: &TokenHash, tokens: &SessionTokens) -> Result<Option<UserId>> {
        let now = self.now();
        let mut state = self.lock().await;
        let accounts = &mut state.accounts;
        let Some(&number) = accounts.by_refresh.get(refresh) else { return Ok(None) };
        let good = |session: &Session| {
            session.refresh == *refresh && session.refresh_until > now && session.spent.len() < MAX_REFRESHES
        };
        if !accounts.sessions.get(&number).is_some_and(good) {
            accounts.end(number);
            return Ok(None);
        }
        let Some(before) = accounts.sessions.remove(&number) else { return Ok(None) };
        accounts.by_access.remove(&before.access);
        let mut spent = before.spent;
        spent.push(before.refresh);
        accounts.keep(number, session(before.user.clone(), tokens, (before.signed_in, now), spent));
        Ok(Some(before.user))
    }

    async fn close_session(&self, access: &TokenHash) -> Result<bool> {
        let mut state = self.lock().await;
        let found = state.accounts.by_access.get(access).copied();
        if let Some(number) = found {
            state.accounts.end(number);
        }
        Ok(found.is_some())
    }
}

fn session(
    user: UserId,
    tokens: &SessionTokens,
    (signed_in, now): (Timestamp, Timestamp),
    spent: Vec<TokenHash>,
) -> Session {
    let end = after(signed_in, SESSION_ENDS_AFTER);
    Session {
        user,
        signed_in,
        access: tokens.access,
        access_until: after(now, tokens.access_for).min(end),
        refresh: tokens.refresh,
        refresh_until: after(now, tokens.refresh_for).min(end),
        spent,
    }
}

fn after(now: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    now.checked_add(duration).unwrap_or(Timestamp::MAX)
}
