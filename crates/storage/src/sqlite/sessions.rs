//! Sessions. The store's clock decides whether a token is still valid.

use async_trait::async_trait;
use cardwire_domain::accounts::{Account, TokenHash};
use cardwire_domain::sessions::{
    Bearer, LiveSession, MAX_LISTED, MAX_REFRESHES, NOTED_EVERY, NewSession, Opening, SESSION_ENDS_AFTER, Session,
    SessionRepository, SessionTokens,
};
use cardwire_domain::{Error, Result, SessionId, UserId, Visibility};
use jiff::Timestamp;
use rusqlite::{Connection, Row, ToSql};

use super::error::Failure;
use super::store::SqliteStore;
use super::values::{
    blob, earlier, first, get, get_count, get_time, get_user, later, rows, run, signed, ulid, us, user_id,
};

/// Opening a session also deletes some that can no longer be used, with their spent tokens.
const CLEAR: &str = "\
DELETE FROM sessions WHERE id IN (
    SELECT id FROM sessions WHERE refresh_expires_at <= ?1 ORDER BY refresh_expires_at LIMIT 10
)";

const IS_SUSPENDED: &str = "\
SELECT suspended_at IS NOT NULL AS suspended FROM users WHERE id = ?1 AND password_hash = ?2";

const OPEN: &str = "\
INSERT INTO sessions (id, user_id, access_hash, access_expires_at, refresh_hash, refresh_expires_at, last_seen_at, client, created_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?7)";

const LIVE: &str = "\
SELECT u.id, u.handle, u.is_admin, coalesce(p.default_visibility, 'PUBLIC') AS default_visibility,
       s.id AS session, s.last_seen_at <= ?3 AS due
FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN profiles p ON p.user_id = s.user_id
WHERE s.access_hash = ?1 AND s.access_expires_at > ?2 AND u.suspended_at IS NULL";

const NOTE: &str = "UPDATE sessions SET last_seen_at = ?2 WHERE id = ?1 AND last_seen_at <= ?3";

const REFRESHABLE: &str = "\
SELECT s.id, s.user_id, s.created_at, (SELECT count(*) FROM spent_refresh WHERE session_id = s.id) AS spent
FROM sessions s WHERE s.refresh_hash = ?1 AND s.refresh_expires_at > ?2";

const REFRESH: &str = "\
UPDATE sessions SET access_hash = ?2, access_expires_at = ?3, refresh_hash = ?4, refresh_expires_at = ?5, last_seen_at = ?6
WHERE id = ?1";

const END_MISUSED: &str = "\
DELETE FROM sessions WHERE refresh_hash = ?1 OR id = (SELECT session_id FROM spent_refresh WHERE hash = ?1)";

const CLOSE: &str = "DELETE FROM sessions WHERE access_hash = ?1";

const LIST: &str = "\
SELECT id, created_at, last_seen_at, client FROM sessions
WHERE user_id = ?1 AND refresh_expires_at > ?2 ORDER BY last_seen_at DESC, id DESC LIMIT ?3";

const END: &str = "DELETE FROM sessions WHERE user_id = ?1 AND id = ?2";

const END_OTHERS: &str = "DELETE FROM sessions WHERE user_id = ?1 AND id IS NOT ?2";

#[async_trait]
impl SessionRepository for SqliteStore {
    async fn open_session(&self, account: &Account, new: &NewSession) -> Result<Opening> {
        let (account, new) = (account.clone(), new.clone());
        let open = move |connection: &Connection, now| {
            run(connection, CLEAR, &[&us(now)])?;
            let owner = account.user.id.as_str();
            let found =
                first(connection, IS_SUSPENDED, &[&owner, &account.password_hash], |row| get(row, "suspended"))?;
            match found {
                None => return Ok(Opening::Outdated),
                Some(true) => return Ok(Opening::Suspended),
                Some(false) => {}
            }
            let NewSession { id, tokens, client } = new;
            let (access_until, refresh_until) = good_until(&tokens, now, now);
            let (id, access, refresh) = (blob(id.ulid()), tokens.access.0, tokens.refresh.0);
            let values: [&dyn ToSql; 8] =
                [&id, &owner, &access, &access_until, &refresh, &refresh_until, &us(now), &client];
            run(connection, OPEN, &values)?;
            Ok(Opening::Opened)
        };
        Ok(self.write(open).await?)
    }

    async fn live_session(&self, access: &TokenHash) -> Result<Option<LiveSession>> {
        let access = access.0;
        let find = move |connection: &Connection, now| {
            first(connection, LIVE, &[&access, &us(now), &earlier(now, NOTED_EVERY)], read_live)
        };
        Ok(self.look(find)?)
    }

    async fn note_session(&self, id: SessionId) -> Result<()> {
        let id = blob(id.ulid());
        let note = move |connection: &Connection, now| {
            run(connection, NOTE, &[&id, &us(now), &earlier(now, NOTED_EVERY)]).map(drop)
        };
        Ok(self.write(note).await?)
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
            run(connection, REFRESH, &[&id, &access, &access_until, &refresh, &refresh_until, &us(now)])?;
            run(connection, "INSERT INTO spent_refresh (hash, session_id) VALUES (?1, ?2)", &[&spent, &id])?;
            Ok(Some(session.user))
        };
        Ok(self.write(refresh).await?)
    }

    async fn close_session(&self, access: &TokenHash) -> Result<bool> {
        let access = access.0;
        Ok(self.write(move |connection, _| run(connection, CLOSE, &[&access])).await? > 0)
    }

    async fn sessions_of(&self, person: &UserId) -> Result<Vec<Session>> {
        let person = person.clone();
        let list = move |connection: &Connection, now| {
            rows(connection, LIST, &[&person.as_str(), &us(now), &signed(MAX_LISTED)], read_listed)
        };
        Ok(self.read(list).await?)
    }

    async fn end_session(&self, person: &UserId, id: SessionId) -> Result<bool> {
        let (person, id) = (person.clone(), blob(id.ulid()));
        Ok(self.write(move |connection, _| run(connection, END, &[&person.as_str(), &id])).await? > 0)
    }

    async fn end_sessions(&self, person: &UserId, except: Option<SessionId>) -> Result<u64> {
        let person = person.clone();
        Ok(self.write(move |connection, _| end_others(connection, &person, except)).await?)
    }
}

/// Ends all sessions except one, and all API tokens, in the transaction that changed the account.
pub(super) fn end_access(connection: &Connection, person: &UserId, except: Option<SessionId>) -> Result<(), Failure> {
    end_others(connection, person, except)?;
    run(connection, "DELETE FROM api_tokens WHERE user_id = ?1", &[&person.as_str()])?;
    Ok(())
}

fn end_others(connection: &Connection, person: &UserId, except: Option<SessionId>) -> Result<u64, Failure> {
    let except = except.map(|id| blob(id.ulid()));
    Ok(run(connection, END_OTHERS, &[&person.as_str(), &except])? as u64)
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

fn read_live(row: &Row<'_>) -> Result<LiveSession, Failure> {
    Ok(LiveSession {
        id: SessionId::from_ulid(ulid(get(row, "session")?)),
        bearer: read_bearer(row)?,
        is_due: get(row, "due")?,
    })
}

/// From `id`, `handle`, `is_admin` and `default_visibility`.
pub(super) fn read_bearer(row: &Row<'_>) -> Result<Bearer, Failure> {
    Ok(Bearer {
        user: get_user(row, "id", "handle")?,
        is_admin: get(row, "is_admin")?,
        default_visibility: read_default_visibility(row)?,
    })
}

/// From `default_visibility`.
pub(super) fn read_default_visibility(row: &Row<'_>) -> Result<Visibility, Failure> {
    let text: String = get(row, "default_visibility")?;
    text.parse().map_err(|error: Error| Failure::Nonsense(error.to_string()))
}

fn read_listed(row: &Row<'_>) -> Result<Session, Failure> {
    Ok(Session {
        id: SessionId::from_ulid(ulid(get(row, "id")?)),
        created_at: get_time(row, "created_at")?,
        last_seen_at: get_time(row, "last_seen_at")?,
        client: get(row, "client")?,
    })
}
