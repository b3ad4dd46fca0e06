//! People and their sessions. Whether a token is still good is decided by the store's clock.

use async_trait::async_trait;
use cardwire_domain::accounts::{
    Account, AccountRepository, Handle, MAX_REFRESHES, SESSION_ENDS_AFTER, SessionTokens, TokenHash,
};
use cardwire_domain::user::User;
use cardwire_domain::{Error, Result, UserId};
use jiff::Timestamp;
use rusqlite::{Connection, Row};
use ulid::Ulid;

use super::error::Failure;
use super::store::SqliteStore;
use super::values::{blob, first, get, get_count, get_time, later, run, us, user_id};

const CREATE: &str = "\
INSERT INTO users (id, handle, handle_key, password_hash, created_at) VALUES (?1, ?2, ?3, ?4, ?5)
ON CONFLICT (handle_key) DO NOTHING";

const ACCOUNT: &str = "SELECT id, handle, password_hash FROM users WHERE handle_key = ?1";

/// Who opens a session clears some away that nobody can use any more, with what was spent in them.
const CLEAR: &str = "\
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE refresh_expires_at <= ?1 ORDER BY refresh_expires_at LIMIT 10
)";

const OPEN: &str = "\
INSERT INTO sessions (id, user_id, access_hash, access_expires_at, refresh_hash, refresh_expires_at, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";

const SESSION_USER: &str = "\
SELECT u.id, u.handle FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.access_hash = ?1 AND s.access_expires_at > ?2";

const REFRESHABLE: &str = "\
SELECT s.id, s.user_id, s.created_at, (SELECT count(*) FROM spent_refresh WHERE session_id = s.id) AS spent
FROM sessions s WHERE s.refresh_hash = ?1 AND s.refresh_expires_at > ?2";

const REFRESH: &str = "\
UPDATE sessions SET access_hash = ?2, access_expires_at = ?3, refresh_hash = ?4, refresh_expires_at = ?5 WHERE id = ?1";

const END_MISUSED: &str = "\
DELETE FROM sessions WHERE refresh_hash = ?1 OR id = (SELECT session_id FROM spent_refresh WHERE hash = ?1)";

const CLOSE: &str = "DELETE FROM sessions WHERE access_hash = ?1";

#[async_trait]
impl AccountRepository for SqliteStore {
    async fn create_account(&self, account: &Account) -> Result<()> {
        let Account { user: User { id, handle }, password_hash } = account.clone();
        let create = move |connection: &Connection, now| {
            let key = handle.to_lowercase();
            match run(connection, CREATE, &[&id.as_str(), &handle, &key, &password_hash, &us(now)])? {
                0 => Err(Failure::Refused(Error::Conflict(format!("the handle {handle} is taken")))),
                _ => Ok(()),
            }
        };
        Ok(self.write(create).await?)
    }

    async fn account(&self, handle: &Handle) -> Result<Option<Account>> {
        let handle = handle.clone();
        Ok(self.read(move |connection, _| first(connection, ACCOUNT, &[&handle.as_str()], read_account)).await?)
    }

    async fn without_account(&self, people: &[UserId]) -> Result<Vec<UserId>> {
        let people = people.to_vec();
        let find = move |connection: &Connection, _| {
            let mut without = Vec::new();
            for person in people {
                let found = first(connection, "SELECT 1 FROM users WHERE id = ?1", &[&person.as_str()], |_| Ok(()))?;
                if found.is_none() {
                    without.push(person);
                }
            }
            Ok(without)
        };
        Ok(self.read(find).await?)
    }

    async fn open_session(&self, user: &UserId, tokens: &SessionTokens) -> Result<()> {
        let (user, tokens) = (user.clone(), tokens.clone());
        let open = move |connection: &Connection, now| {
            run(connection, CLEAR, &[&us(now)])?;
            let (access_until, refresh_until) = good_until(&tokens, now, now);
            let (id, access, refresh) = (blob(Ulid::generate()), tokens.access.0, tokens.refresh.0);
            run(connection, OPEN, &[&id, &user.as_str(), &access, &access_until, &refresh, &refresh_until, &us(now)])?;
            Ok(())
        };
        Ok(self.write(open).await?)
    }

    async fn session_user(&self, access: &TokenHash) -> Result<Option<User>> {
        let access = access.0;
        Ok(self.look(|connection, now| first(connection, SESSION_USER, &[&access, &us(now)], read_user))?)
    }

    async fn refresh_session(&self, refresh: &TokenHash, tokens: &SessionTokens) -> Result<Option<UserId>> {
        let (spent, tokens) = (refresh.0, tokens.clone());
        let refresh = move |connection: &Connection, now| {
            let found = first(connection, REFRESHABLE, &[&spent, &us(now)], read_refreshable)?;
            let Some(session) = found.filter(|session| session.refreshes < MAX_REFRESHES as u64) else {
                run(connection, END_MISUSED, &[&spent])?;
                return Ok(None);
            };
            let (access_until, refresh_until) = good_until(&tokens, now, session.since);
            let (id, access, refresh) = (session.id, tokens.access.0, tokens.refresh.0);
            run(connection, REFRESH, &[&id, &access, &access_until, &refresh, &refresh_until])?;
            run(connection, "INSERT INTO spent_refresh (hash, session_id) VALUES (?1, ?2)", &[&spent, &id])?;
            Ok(Some(session.user))
        };
        Ok(self.write(refresh).await?)
    }

    async fn close_session(&self, access: &TokenHash) -> Result<bool> {
        let access = access.0;
        Ok(self.write(move |connection, _| run(connection, CLOSE, &[&access])).await? > 0)
    }
}

struct Refreshable {
    id: [u8; 16],
    user: UserId,
    /// When its person signed in.
    since: Timestamp,
    refreshes: u64,
}

/// When the access token and the refresh token expire; neither outlives the session.
fn good_until(tokens: &SessionTokens, now: Timestamp, since: Timestamp) -> (i64, i64) {
    let end = later(since, SESSION_ENDS_AFTER);
    (later(now, tokens.access_for).min(end), later(now, tokens.refresh_for).min(end))
}

fn read_refreshable(row: &Row<'_>) -> Result<Refreshable, Failure> {
    Ok(Refreshable {
        id: get(row, "id")?,
        user: user_id(&get::<String>(row, "user_id")?)?,
        since: get_time(row, "created_at")?,
        refreshes: get_count(row, "spent")?,
    })
}

fn read_account(row: &Row<'_>) -> Result<Account, Failure> {
    Ok(Account { user: read_user(row)?, password_hash: get(row, "password_hash")? })
}

fn read_user(row: &Row<'_>) -> Result<User, Failure> {
    Ok(User { id: user_id(&get::<String>(row, "id")?)?, handle: get(row, "handle")? })
}
