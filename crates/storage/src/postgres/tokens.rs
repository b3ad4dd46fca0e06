//! API tokens. PostgreSQL's clock decides whether one is still valid.

use async_trait::async_trait;
use cardwire_domain::accounts::TokenHash;
use cardwire_domain::sessions::NOTED_EVERY;
use cardwire_domain::tokens::{
    ApiToken, LiveToken, MAX_TOKENS, NewToken, Scope, TokenRepository, needs_account, session_has_ended, too_many,
};
use cardwire_domain::{Error, Result, TokenId, UserId};
use sqlx::postgres::PgRow;

use super::error::Failure;
use super::sessions::read_bearer;
use super::store::PostgresStore;
use super::values::{get, get_count, get_time, ulid, uuid};

/// Creating tokens for one person is serialised, so that the limit holds, and a suspension ends the tokens created
/// before it.
const HOLD: &str = "SELECT 1 FROM users WHERE id = $1 AND suspended_at IS NULL FOR NO KEY UPDATE";

/// Not in the statement above, which may have waited while the session ended.
const IS_OPEN: &str = "SELECT 1 FROM sessions WHERE id = $1 AND user_id = $2";

const COUNT: &str = "SELECT count(*) AS count FROM api_tokens WHERE user_id = $1";

const CREATE: &str = "\
INSERT INTO api_tokens (id, user_id, name, scope, token_hash, expires_at)
VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
RETURNING id, name, scope, created_at, expires_at, last_used_at";

const LIVE: &str = "\
SELECT u.id, u.handle, u.is_admin, coalesce(p.default_visibility, 'PUBLIC') AS default_visibility,
       t.id AS token, t.scope, coalesce(t.last_used_at <= now() - make_interval(secs => $2), true) AS due
FROM api_tokens t JOIN users u ON u.id = t.user_id LEFT JOIN profiles p ON p.user_id = t.user_id
WHERE t.token_hash = $1 AND coalesce(t.expires_at > now(), true) AND u.suspended_at IS NULL";

const NOTE: &str = "\
UPDATE api_tokens SET last_used_at = now()
WHERE id = $1 AND coalesce(last_used_at <= now() - make_interval(secs => $2), true)";

const LIST: &str = "\
SELECT id, name, scope, created_at, expires_at, last_used_at FROM api_tokens
WHERE user_id = $1 ORDER BY created_at DESC, id DESC";

const REVOKE: &str = "DELETE FROM api_tokens WHERE user_id = $1 AND id = $2";

#[async_trait]
impl TokenRepository for PostgresStore {
    async fn create_token(&self, owner: &UserId, token: &NewToken) -> Result<ApiToken> {
        let mut session = self.session().await?;
        session.begin().await?;
        if session.fetch_all(sqlx::query(HOLD).bind(owner.as_str())).await?.is_empty() {
            return Err(needs_account());
        }
        if let Some(asked_in) = token.asked_in {
            let query = sqlx::query(IS_OPEN).bind(uuid(asked_in.ulid())).bind(owner.as_str());
            if session.fetch_all(query).await?.is_empty() {
                return Err(session_has_ended());
            }
        }
        let counted = session.fetch_all(sqlx::query(COUNT).bind(owner.as_str())).await?;
        let count = counted.first().map_or(Ok(0), |row| get_count(row, "count"))?;
        if count >= MAX_TOKENS as u64 {
            return Err(too_many());
        }
        let NewToken { id, name, scope, hash, good_for, asked_in: _ } = token;
        let query = sqlx::query(CREATE).bind(uuid(id.ulid())).bind(owner.as_str()).bind(name.as_str());
        let query = query.bind(scope.name()).bind(&hash.0[..]).bind(good_for.map(|good_for| good_for.as_secs_f64()));
        let rows = session.fetch_all(query).await?;
        session.commit().await?;
        let created = rows.first().map(read_token).transpose()?;
        created.ok_or_else(|| Error::Corrupt("an inserted token is not there".into()))
    }

    async fn live_token(&self, hash: &TokenHash) -> Result<Option<LiveToken>> {
        let query = sqlx::query(LIVE).bind(&hash.0[..]).bind(NOTED_EVERY.as_secs_f64());
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.first().map(read_live).transpose()?)
    }

    async fn note_token(&self, id: TokenId) -> Result<()> {
        let query = sqlx::query(NOTE).bind(uuid(id.ulid())).bind(NOTED_EVERY.as_secs_f64());
        self.session().await?.execute(query).await?;
        Ok(())
    }

    async fn tokens_of(&self, owner: &UserId) -> Result<Vec<ApiToken>> {
        let rows = self.session().await?.fetch_all(sqlx::query(LIST).bind(owner.as_str())).await?;
        Ok(rows.iter().map(read_token).collect::<Result<_, Failure>>()?)
    }

    async fn revoke_token(&self, owner: &UserId, id: TokenId) -> Result<bool> {
        let query = sqlx::query(REVOKE).bind(owner.as_str()).bind(uuid(id.ulid()));
        Ok(self.session().await?.execute(query).await? > 0)
    }
}

fn read_live(row: &PgRow) -> Result<LiveToken, Failure> {
    Ok(LiveToken {
        id: TokenId::from_ulid(ulid(get(row, "token")?)),
        bearer: read_bearer(row)?,
        scope: read_scope(row)?,
        is_due: get(row, "due")?,
    })
}

fn read_scope(row: &PgRow) -> Result<Scope, Failure> {
    get::<&str>(row, "scope")?.parse().map_err(|error: Error| Failure::Nonsense(error.to_string()))
}

fn read_token(row: &PgRow) -> Result<ApiToken, Failure> {
    let time = |column| Ok::<_, Failure>(get::<Option<jiff_sqlx::Timestamp>>(row, column)?.map(|at| at.to_jiff()));
    Ok(ApiToken {
        id: TokenId::from_ulid(ulid(get(row, "id")?)),
        name: get(row, "name")?,
        scope: read_scope(row)?,
        created_at: get_time(row, "created_at")?,
        expires_at: time("expires_at")?,
        last_used_at: time("last_used_at")?,
    })
}
