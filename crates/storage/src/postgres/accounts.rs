//! People and their sessions. Whether a token is still good is decided by PostgreSQL's clock.

use async_trait::async_trait;
use cardwire_domain::accounts::{
    Account, AccountRepository, Handle, MAX_REFRESHES, SESSION_ENDS_AFTER, SessionTokens, TokenHash,
};
use cardwire_domain::user::User;
use cardwire_domain::{Error, Result, UserId};
use sqlx::Postgres;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

use super::error::Failure;
use super::store::PostgresStore;
use super::values::{get, user_id};

const CREATE: &str = "\
INSERT INTO users (id, handle, password_hash) VALUES ($1, $2, $3) ON CONFLICT (lower(handle)) DO NOTHING";

const ACCOUNT: &str = "SELECT id, handle, password_hash FROM users WHERE lower(handle) = $1";

const WITHOUT: &str = "\
SELECT id FROM unnest($1::text[]) WITH ORDINALITY AS asked (id, place)
WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = asked.id) ORDER BY place";

/// Who opens a session clears some away that nobody can use any more.
const OPEN: &str = "\
WITH expired AS (
    DELETE FROM sessions WHERE id IN (
        SELECT id FROM sessions WHERE refresh_expires_at <= now()
        ORDER BY refresh_expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO sessions (access_hash, access_expires_at, refresh_hash, refresh_expires_at, user_id)
VALUES ($1, now() + make_interval(secs => $2), $3, now() + make_interval(secs => $4), $5)";

const SESSION_USER: &str = "\
SELECT u.id, u.handle FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.access_hash = $1 AND s.access_expires_at > now()";

/// Of two that show the same token at once, the second waits for the row and then no longer finds the token in it.
const REFRESH: &str = "\
UPDATE sessions SET
    access_hash = $1,
    access_expires_at = least(now() + make_interval(secs => $2), created_at + make_interval(secs => $7)),
    refresh_hash = $3,
    refresh_expires_at = least(now() + make_interval(secs => $4), created_at + make_interval(secs => $7)),
    spent_refresh = array_append(spent_refresh, refresh_hash)
WHERE refresh_hash = $5 AND refresh_expires_at > now() AND cardinality(spent_refresh) < $6
  AND created_at + make_interval(secs => $7) > now()
RETURNING user_id AS id";

const END_MISUSED: &str = "DELETE FROM sessions WHERE refresh_hash = $1 OR spent_refresh @> ARRAY[$1]";

const CLOSE: &str = "DELETE FROM sessions WHERE access_hash = $1";

#[async_trait]
impl AccountRepository for PostgresStore {
    async fn create_account(&self, account: &Account) -> Result<()> {
        let User { id, handle } = &account.user;
        let query = sqlx::query(CREATE).bind(id.as_str()).bind(handle).bind(&account.password_hash);
        match self.session().await?.execute(query).await? {
            0 => Err(Error::Conflict(format!("the handle {handle} is taken"))),
            _ => Ok(()),
        }
    }

    async fn account(&self, handle: &Handle) -> Result<Option<Account>> {
        let rows = self.session().await?.fetch_all(sqlx::query(ACCOUNT).bind(handle.as_str())).await?;
        Ok(rows.first().map(read_account).transpose()?)
    }

    async fn without_account(&self, people: &[UserId]) -> Result<Vec<UserId>> {
        let people: Vec<&str> = people.iter().map(UserId::as_str).collect();
        let rows = self.session().await?.fetch_all(sqlx::query(WITHOUT).bind(&people)).await?;
        Ok(rows.iter().map(|row| user_id(get(row, "id")?)).collect::<Result<_, Failure>>()?)
    }

    async fn open_session(&self, user: &UserId, tokens: &SessionTokens) -> Result<()> {
        let query = bind_tokens(sqlx::query(OPEN), tokens).bind(user.as_str());
        self.session().await?.execute(query).await?;
        Ok(())
    }

    async fn session_user(&self, access: &TokenHash) -> Result<Option<User>> {
        let rows = self.session().await?.fetch_all(sqlx::query(SESSION_USER).bind(&access.0[..])).await?;
        Ok(rows.first().map(read_user).transpose()?)
    }

    /// Dropped half-way, a spent token may leave its session alive until it is shown again.
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

fn read_account(row: &PgRow) -> Result<Account, Failure> {
    Ok(Account { user: read_user(row)?, password_hash: get(row, "password_hash")? })
}

fn read_user(row: &PgRow) -> Result<User, Failure> {
    Ok(User { id: user_id(get(row, "id")?)?, handle: get(row, "handle")? })
}
