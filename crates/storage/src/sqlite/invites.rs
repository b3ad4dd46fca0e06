//! Invites, and links that set a new password. The store's clock decides whether one is still valid.

use async_trait::async_trait;
use cardwire_domain::accounts::{TokenHash, is_leaving};
use cardwire_domain::invites::{INVITE_GOOD_FOR, InviteRepository};
use cardwire_domain::resets::{RESET_GOOD_FOR, ResetRepository};
use cardwire_domain::{Error, Result, UserId};
use jiff::Timestamp;
use rusqlite::Connection;

use super::error::Failure;
use super::leaving::leaves;
use super::sessions::end_access;
use super::store::SqliteStore;
use super::values::{first, get, later, run, time, us, user_id};

/// Creating an invite also deletes some that no longer work.
const CLEAR: &str = "\
DELETE FROM invites WHERE code_hash IN (
    SELECT code_hash FROM invites WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 10
)";

const INVITE: &str = "\
INSERT INTO invites (code_hash, created_by, created_at, expires_at) SELECT ?1, ?2, ?3, ?4
WHERE NOT EXISTS (SELECT 1 FROM users WHERE id = ?2 AND suspended_at IS NOT NULL)";

const IS_INVITED: &str = "SELECT 1 FROM invites WHERE code_hash = ?1 AND used_at IS NULL AND expires_at > ?2";

const RESET: &str = "\
INSERT INTO password_resets (token_hash, user_id, expires_at) SELECT ?1, id, ?3 FROM users WHERE id = ?2 AND deleted_at IS NULL
ON CONFLICT (user_id) DO UPDATE SET token_hash = excluded.token_hash, expires_at = excluded.expires_at";

const WHOSE: &str = "SELECT user_id FROM password_resets WHERE token_hash = ?1 AND expires_at > ?2";

#[async_trait]
impl InviteRepository for SqliteStore {
    async fn create_invite(&self, by: &UserId, code: &TokenHash) -> Result<Timestamp> {
        let (by, code) = (by.clone(), *code);
        let create = move |connection: &Connection, now| {
            if leaves(connection, &by)? {
                return Err(Failure::Refused(is_leaving()));
            }
            run(connection, CLEAR, &[&us(now)])?;
            let expires_at = later(now, INVITE_GOOD_FOR);
            if run(connection, INVITE, &[&code.0, &by.as_str(), &us(now), &expires_at])? == 0 {
                return Err(Failure::Refused(Error::Forbidden("This account is suspended.".into())));
            }
            time(expires_at)
        };
        Ok(self.write(create).await?)
    }

    async fn is_invited(&self, code: &TokenHash) -> Result<bool> {
        let code = *code;
        Ok(self.read(move |connection, now| is_invited(connection, now, &code)).await?)
    }
}

pub(super) fn is_invited(connection: &Connection, now: Timestamp, code: &TokenHash) -> Result<bool, Failure> {
    Ok(first(connection, IS_INVITED, &[&code.0, &us(now)], |_| Ok(()))?.is_some())
}

#[async_trait]
impl ResetRepository for SqliteStore {
    async fn create_reset(&self, person: &UserId, token: &TokenHash) -> Result<Timestamp> {
        let (person, token) = (person.clone(), *token);
        let create = move |connection: &Connection, now| {
            let expires_at = later(now, RESET_GOOD_FOR);
            match run(connection, RESET, &[&token.0, &person.as_str(), &expires_at])? {
                0 => Err(Failure::Refused(Error::not_found("person", &person))),
                _ => time(expires_at),
            }
        };
        Ok(self.write(create).await?)
    }

    async fn reset_works(&self, token: &TokenHash) -> Result<bool> {
        let token = *token;
        Ok(self.read(move |connection, now| whose(connection, now, &token)).await?.is_some())
    }

    async fn reset_password(&self, token: &TokenHash, password_hash: &str) -> Result<Option<UserId>> {
        let (token, password_hash) = (*token, password_hash.to_owned());
        let reset = move |connection: &Connection, now| {
            let Some(person) = whose(connection, now, &token)? else { return Ok(None) };
            run(connection, "DELETE FROM password_resets WHERE token_hash = ?1", &[&token.0])?;
            let set = "UPDATE users SET password_hash = ?2 WHERE id = ?1";
            run(connection, set, &[&person.as_str(), &password_hash])?;
            end_access(connection, &person, None)?;
            Ok(Some(person))
        };
        Ok(self.write(reset).await?)
    }
}

/// The person whose password this link would set now.
fn whose(connection: &Connection, now: Timestamp, token: &TokenHash) -> Result<Option<UserId>, Failure> {
    first(connection, WHOSE, &[&token.0, &us(now)], |row| user_id(&get::<String>(row, "user_id")?))
}
