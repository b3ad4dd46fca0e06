//! Invites, and links that set a new password. PostgreSQL's clock decides whether one is still valid.

use async_trait::async_trait;
use cardwire_domain::accounts::TokenHash;
use cardwire_domain::invites::{INVITE_GOOD_FOR, InviteRepository};
use cardwire_domain::resets::{RESET_GOOD_FOR, ResetRepository};
use cardwire_domain::{Error, Result, UserId};
use jiff::Timestamp;

use super::leaving::nobody_leaves;
use super::sessions::end_access;
use super::store::PostgresStore;
use super::values::{get, get_time, user_id};

/// Creating an invite also deletes some that no longer work.
const INVITE: &str = concat!(
    "\
WITH expired AS (
    DELETE FROM invites WHERE code_hash IN (
        SELECT code_hash FROM invites WHERE expires_at <= now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
    )
), maker AS (
    SELECT suspended_at FROM users WHERE id = $2 FOR SHARE
)
INSERT INTO invites (code_hash, created_by, expires_at) SELECT $1, $2, now() + make_interval(secs => $3)
WHERE NOT EXISTS (SELECT FROM maker WHERE suspended_at IS NOT NULL) AND expect_nobody_leaves(NOT ",
    nobody_leaves!("ARRAY[$2]"),
    ")
RETURNING expires_at"
);

const IS_INVITED: &str = "SELECT 1 FROM invites WHERE code_hash = $1 AND used_at IS NULL AND expires_at > now()";

const RESET: &str = "\
INSERT INTO password_resets (token_hash, user_id, expires_at)
SELECT $2, id, now() + make_interval(secs => $3) FROM users WHERE id = $1 AND deleted_at IS NULL
ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at
RETURNING expires_at";

const WORKS: &str = "SELECT 1 FROM password_resets WHERE token_hash = $1 AND expires_at > now()";

/// The account first, like everything that changes its password.
const HOLD: &str = "\
SELECT id FROM users WHERE id = (SELECT user_id FROM password_resets WHERE token_hash = $1) FOR NO KEY UPDATE";

const USE_UP: &str = "DELETE FROM password_resets WHERE token_hash = $1 AND expires_at > now()";

#[async_trait]
impl InviteRepository for PostgresStore {
    async fn create_invite(&self, by: &UserId, code: &TokenHash) -> Result<Timestamp> {
        let query = sqlx::query(INVITE).bind(&code.0[..]).bind(by.as_str()).bind(INVITE_GOOD_FOR.as_secs_f64());
        let rows = self.session().await?.fetch_all(query).await?;
        let expires_at = rows.first().map(|row| get_time(row, "expires_at")).transpose()?;
        expires_at.ok_or_else(|| Error::Forbidden("This account is suspended.".into()))
    }

    async fn is_invited(&self, code: &TokenHash) -> Result<bool> {
        Ok(!self.session().await?.fetch_all(sqlx::query(IS_INVITED).bind(&code.0[..])).await?.is_empty())
    }
}

#[async_trait]
impl ResetRepository for PostgresStore {
    async fn create_reset(&self, person: &UserId, token: &TokenHash) -> Result<Timestamp> {
        let query = sqlx::query(RESET).bind(person.as_str()).bind(&token.0[..]).bind(RESET_GOOD_FOR.as_secs_f64());
        let rows = self.session().await?.fetch_all(query).await?;
        let expires_at = rows.first().map(|row| get_time(row, "expires_at")).transpose()?;
        expires_at.ok_or_else(|| Error::not_found("person", person))
    }

    async fn reset_works(&self, token: &TokenHash) -> Result<bool> {
        Ok(!self.session().await?.fetch_all(sqlx::query(WORKS).bind(&token.0[..])).await?.is_empty())
    }

    async fn reset_password(&self, token: &TokenHash, password_hash: &str) -> Result<Option<UserId>> {
        let mut session = self.session().await?;
        session.begin().await?;
        let held = session.fetch_all(sqlx::query(HOLD).bind(&token.0[..])).await?;
        let Some(person) = held.first().map(|row| user_id(get(row, "id")?)).transpose()? else { return Ok(None) };
        if session.execute(sqlx::query(USE_UP).bind(&token.0[..])).await? == 0 {
            return Ok(None);
        }
        let set = sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1");
        session.execute(set.bind(person.as_str()).bind(password_hash)).await?;
        end_access(&mut session, &person, None).await?;
        session.commit().await?;
        Ok(Some(person))
    }
}
