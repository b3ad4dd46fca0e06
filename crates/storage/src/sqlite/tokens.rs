//! API tokens. The store's clock decides whether one is still valid.

use async_trait::async_trait;
use cardwire_domain::accounts::TokenHash;
use cardwire_domain::sessions::NOTED_EVERY;
use cardwire_domain::tokens::{
    ApiToken, LiveToken, MAX_TOKENS, NewToken, Scope, TokenRepository, needs_account, session_has_ended, too_many,
};
use cardwire_domain::{Error, Result, TokenId, UserId};
use rusqlite::{Connection, Row, ToSql};

use super::error::Failure;
use super::sessions::read_bearer;
use super::store::SqliteStore;
use super::values::{blob, earlier, first, get, get_count, get_time, later, rows, run, time, ulid, us};

const HAS_ACCOUNT: &str = "SELECT 1 FROM users WHERE id = ?1 AND suspended_at IS NULL";

const IS_OPEN: &str = "SELECT 1 FROM sessions WHERE id = ?1 AND user_id = ?2";

const COUNT: &str = "SELECT count(*) AS count FROM api_tokens WHERE user_id = ?1";

const CREATE: &str = "\
INSERT INTO api_tokens (id, user_id, name, scope, token_hash, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
RETURNING id, name, scope, created_at, expires_at, last_used_at";

const LIVE: &str = "\
SELECT u.id, u.handle, u.is_admin, coalesce(p.default_visibility, 'PUBLIC') AS default_visibility,
       t.id AS token, t.scope, coalesce(t.last_used_at <= ?3, 1) AS due
FROM api_tokens t JOIN users u ON u.id = t.user_id LEFT JOIN profiles p ON p.user_id = t.user_id
WHERE t.token_hash = ?1 AND coalesce(t.expires_at > ?2, 1) AND u.suspended_at IS NULL";

const NOTE: &str = "UPDATE api_tokens SET last_used_at = ?2 WHERE id = ?1 AND coalesce(last_used_at <= ?3, 1)";

const LIST: &str = "\
SELECT id, name, scope, created_at, expires_at, last_used_at FROM api_tokens
WHERE user_id = ?1 ORDER BY created_at DESC, id DESC";

const REVOKE: &str = "DELETE FROM api_tokens WHERE user_id = ?1 AND id = ?2";

#[async_trait]
impl TokenRepository for SqliteStore {
    async fn create_token(&self, owner: &UserId, token: &NewToken) -> Result<ApiToken> {
        let (owner, token) = (owner.clone(), token.clone());
        let create = move |connection: &Connection, now| {
            let owner = owner.as_str();
            if first(connection, HAS_ACCOUNT, &[&owner], |_| Ok(()))?.is_none() {
                return Err(Failure::Refused(needs_account()));
            }
            if let Some(asked_in) = token.asked_in
                && first(connection, IS_OPEN, &[&blob(asked_in.ulid()), &owner], |_| Ok(()))?.is_none()
            {
                return Err(Failure::Refused(session_has_ended()));
            }
            let count = first(connection, COUNT, &[&owner], |row| get_count(row, "count"))?.unwrap_or(0);
            if count >= MAX_TOKENS as u64 {
                return Err(Failure::Refused(too_many()));
            }
            let NewToken { id, name, scope, hash, good_for, asked_in: _ } = token;
            let (id, expires_at) = (blob(id.ulid()), good_for.map(|good_for| later(now, good_for)));
            let values: [&dyn ToSql; 7] = [&id, &owner, &name.as_str(), &scope.name(), &hash.0, &us(now), &expires_at];
            let created = first(connection, CREATE, &values, read_token)?;
            created.ok_or_else(|| Failure::Nonsense("an inserted token is not there".into()))
        };
        Ok(self.write(create).await?)
    }

    async fn live_token(&self, hash: &TokenHash) -> Result<Option<LiveToken>> {
        let hash = hash.0;
        let find = move |connection: &Connection, now| {
            first(connection, LIVE, &[&hash, &us(now), &earlier(now, NOTED_EVERY)], read_live)
        };
        Ok(self.look(find)?)
    }

    async fn note_token(&self, id: TokenId) -> Result<()> {
        let id = blob(id.ulid());
        let note = move |connection: &Connection, now| {
            run(connection, NOTE, &[&id, &us(now), &earlier(now, NOTED_EVERY)]).map(drop)
        };
        Ok(self.write(note).await?)
    }

    async fn tokens_of(&self, owner: &UserId) -> Result<Vec<ApiToken>> {
        let owner = owner.clone();
        Ok(self.read(move |connection, _| rows(connection, LIST, &[&owner.as_str()], read_token)).await?)
    }

    async fn revoke_token(&self, owner: &UserId, id: TokenId) -> Result<bool> {
        let (owner, id) = (owner.clone(), blob(id.ulid()));
        Ok(self.write(move |connection, _| run(connection, REVOKE, &[&owner.as_str(), &id])).await? > 0)
    }
}

fn read_live(row: &Row<'_>) -> Result<LiveToken, Failure> {
    Ok(LiveToken {
        id: TokenId::from_ulid(ulid(get(row, "token")?)),
        bearer: read_bearer(row)?,
        scope: read_scope(row)?,
        is_due: get(row, "due")?,
    })
}

fn read_scope(row: &Row<'_>) -> Result<Scope, Failure> {
    let text: String = get(row, "scope")?;
    text.parse().map_err(|error: Error| Failure::Nonsense(error.to_string()))
}

fn read_token(row: &Row<'_>) -> Result<ApiToken, Failure> {
    let moment = |column| get::<Option<i64>>(row, column)?.map(time).transpose();
    Ok(ApiToken {
        id: TokenId::from_ulid(ulid(get(row, "id")?)),
        name: get(row, "name")?,
        scope: read_scope(row)?,
        created_at: get_time(row, "created_at")?,
        expires_at: moment("expires_at")?,
        last_used_at: moment("last_used_at")?,
    })
}
