//! Sessions. PostgreSQL's clock decides whether a token is still valid.

use async_trait::async_trait;
use cardwire_domain::accounts::{Account, TokenHash};
use cardwire_domain::sessions::{
    Bearer, LiveSession, MAX_LISTED, MAX_REFRESHES, NOTED_EVERY, NewSession, Opening, SESSION_ENDS_AFTER,
    Session as Listed, SessionRepository, SessionTokens,
};
use cardwire_domain::{Error, Result, SessionId, UserId, Visibility};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Uuid;

use super::error::Failure;
use super::pool::Session;
use super::store::PostgresStore;
use super::values::{get, get_time, get_user, signed, ulid, user_id, uuid};

/// Opening a session also deletes some that can no longer be used. The account is locked, so a suspension or a new
/// password either comes before the session or ends it.
const OPEN: &str = "\
WITH expired AS (
    DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE refresh_expires_at <= now()
        ORDER BY refresh_expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
    )
), owner AS (
    SELECT id FROM users WHERE id = $5 AND password_hash = $6 AND suspended_at IS NULL FOR SHARE
)
INSERT INTO sessions (access_hash, access_expires_at, refresh_hash, refresh_expires_at, user_id, id, client)
SELECT $1, now() + make_interval(secs => $2), $3, now() + make_interval(secs => $4), id, $7, $8 FROM owner";

const IS_SUSPENDED: &str = "SELECT 1 FROM users WHERE id = $1 AND password_hash = $2 AND suspended_at IS NOT NULL";

const LIVE: &str = "\
SELECT u.id, u.handle, u.is_admin, coalesce(p.default_visibility, 'PUBLIC') AS default_visibility,
       s.id AS session, s.last_seen_at <= now() - make_interval(secs => $2) AS due
FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN profiles p ON p.user_id = s.user_id
WHERE s.access_hash = $1 AND s.access_expires_at > now() AND u.suspended_at IS NULL";

const NOTE: &str = "\
UPDATE sessions SET last_seen_at = now() WHERE id = $1 AND last_seen_at <= now() - make_interval(secs => $2)";

/// If the same token is used twice at once, the second waits for the row and then no longer finds the token in it.
const REFRESH: &str = "\
UPDATE sessions SET
    access_hash = $1,
    access_expires_at = least(now() + make_interval(secs => $2), created_at + make_interval(secs => $7)),
    refresh_hash = $3,
    refresh_expires_at = least(now() + make_interval(secs => $4), created_at + make_interval(secs => $7)),
    spent_refresh = array_append(spent_refresh, refresh_hash),
    last_seen_at = now()
WHERE refresh_hash = $5 AND refresh_expires_at > now() AND cardinality(spent_refresh) < $6
  AND created_at + make_interval(secs => $7) > now()
RETURNING user_id AS id";

const END_MISUSED: &str = "DELETE FROM sessions WHERE refresh_hash = $1 OR spent_refresh @> ARRAY[$1]";

const CLOSE: &str = "DELETE FROM sessions WHERE access_hash = $1";

const LIST: &str = "\
SELECT id, created_at, last_seen_at, client FROM sessions
WHERE user_id = $1 AND refresh_expires_at > now() ORDER BY last_seen_at DESC, id DESC LIMIT $2";

const END: &str = "DELETE FROM sessions WHERE user_id = $1 AND id = $2";

const END_OTHERS: &str = "DELETE FROM sessions WHERE user_id = $1 AND id IS DISTINCT FROM $2";

#[async_trait]
impl SessionRepository for PostgresStore {
    async fn open_session(&self, account: &Account, new: &NewSession) -> Result<Opening> {
        let (id, password_hash) = (account.user.id.as_str(), &account.password_hash);
        let query = bind_tokens(sqlx::query(OPEN), &new.tokens).bind(id).bind(password_hash);
        let query = query.bind(uuid(new.id.ulid())).bind(&new.client);
        let mut session = self.session().await?;
        if session.execute(query).await? > 0 {
            return Ok(Opening::Opened);
        }
        let suspended = session.fetch_all(sqlx::query(IS_SUSPENDED).bind(id).bind(password_hash)).await?;
        Ok(if suspended.is_empty() { Opening::Outdated } else { Opening::Suspended })
    }

    async fn live_session(&self, access: &TokenHash) -> Result<Option<LiveSession>> {
        let query = sqlx::query(LIVE).bind(&access.0[..]).bind(NOTED_EVERY.as_secs_f64());
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.first().map(read_live).transpose()?)
    }

    async fn note_session(&self, id: SessionId) -> Result<()> {
        let query = sqlx::query(NOTE).bind(uuid(id.ulid())).bind(NOTED_EVERY.as_secs_f64());
        self.session().await?.execute(query).await?;
        Ok(())
    }

    /// If dropped half-way, a spent token's session may stay alive until the token is used again.
    async fn refresh_session(&self, refresh: &TokenHash, tokens: &SessionTokens) -> Result<Option<UserId>> {
        let query = bind_tokens(sqlx::query(REFRESH), tokens).bind(&refresh.0[..]).bind(MAX_REFRESHES as i32);
        let query = query.bind(SESSION_ENDS_AFTER.as_secs_f64());
        let mut session = self.session().await?;
        let rows = session.fetch_all(query).await?;
        match rows.first() {
            Some(row) => Ok(Some(user_id(get(row, "id")?)?)),
            None => {
                session.execute(sqlx::query(END_MISUSED).bind(&refresh.0[..])).await?;
                Ok(None)
            }
        }
    }

    async fn close_session(&self, access: &TokenHash) -> Result<bool> {
        Ok(self.session().await?.execute(sqlx::query(CLOSE).bind(&access.0[..])).await? > 0)
    }

    async fn sessions_of(&self, person: &UserId) -> Result<Vec<Listed>> {
        let query = sqlx::query(LIST).bind(person.as_str()).bind(signed(MAX_LISTED));
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.iter().map(read_listed).collect::<Result<_, Failure>>()?)
    }

    async fn end_session(&self, person: &UserId, id: SessionId) -> Result<bool> {
        let query = sqlx::query(END).bind(person.as_str()).bind(uuid(id.ulid()));
        Ok(self.session().await?.execute(query).await? > 0)
    }

    async fn end_sessions(&self, person: &UserId, except: Option<SessionId>) -> Result<u64> {
        Ok(end_others(&mut self.session().await?, person, except).await?)
    }
}

/// Ends all sessions except one, and all API tokens, in the transaction that changed the account.
pub(super) async fn end_access(
    session: &mut Session,
    person: &UserId,
    except: Option<SessionId>,
) -> Result<(), Failure> {
    end_others(session, person, except).await?;
    session.execute(sqlx::query("DELETE FROM api_tokens WHERE user_id = $1").bind(person.as_str())).await?;
    Ok(())
}

async fn end_others(session: &mut Session, person: &UserId, except: Option<SessionId>) -> Result<u64, Failure> {
    let except: Option<Uuid> = except.map(|id| uuid(id.ulid()));
    session.execute(sqlx::query(END_OTHERS).bind(person.as_str()).bind(except)).await
}

fn bind_tokens<'q>(
    query: Query<'q, Postgres, PgArguments>,
    tokens: &'q SessionTokens,
) -> Query<'q, Postgres, PgArguments> {
    query
        .bind(&tokens.access.0[..])
        .bind(tokens.access_for.as_secs_f64())
        .bind(&tokens.refresh.0[..])
        .bind(tokens.refresh_for.as_secs_f64())
}

fn read_live(row: &PgRow) -> Result<LiveSession, Failure> {
    Ok(LiveSession {
        id: SessionId::from_ulid(ulid(get(row, "session")?)),
        bearer: read_bearer(row)?,
        is_due: get(row, "due")?,
    })
}

/// From `id`, `handle`, `is_admin` and `default_visibility`.
pub(super) fn read_bearer(row: &PgRow) -> Result<Bearer, Failure> {
    Ok(Bearer {
        user: get_user(row, "id", "handle")?,
        is_admin: get(row, "is_admin")?,
        default_visibility: read_default_visibility(row)?,
    })
}

/// From `default_visibility`.
pub(super) fn read_default_visibility(row: &PgRow) -> Result<Visibility, Failure> {
    get::<&str>(row, "default_visibility")?.parse().map_err(|error: Error| Failure::Nonsense(error.to_string()))
}

fn read_listed(row: &PgRow) -> Result<Listed, Failure> {
    Ok(Listed {
        id: SessionId::from_ulid(ulid(get(row, "id")?)),
        created_at: get_time(row, "created_at")?,
        last_seen_at: get_time(row, "last_seen_at")?,
        client: get(row, "client")?,
    })
}
