//! Accounts. Sessions, tokens, invites and the like have their own files.

use async_trait::async_trait;
use cardwire_domain::accounts::{Account, AccountRepository, Admission, Handle, Person, SignedUp};
use cardwire_domain::user::User;
use cardwire_domain::{Error, Result, SessionId, UserId};
use sqlx::postgres::PgRow;

use super::error::Failure;
use super::pool::Session;
use super::sessions::end_access;
use super::store::PostgresStore;
use super::values::{get, get_time, get_user, signed, user_id};

/// Only the audit entry of a deleted account stays.
const IS_FRESH: &str = "\
SELECT NOT EXISTS (SELECT FROM users) AND NOT EXISTS (SELECT FROM audit_log WHERE action = 'user.delete') AS fresh";

/// Sign-ups that would be the first account take turns.
const LOCK_FIRST: &str = "SELECT pg_advisory_xact_lock(20771, 4)";

/// If two use the same code, the second waits for the row and then finds it used.
const TAKE_INVITE: &str = "\
UPDATE invites SET used_by = $2, used_at = now() WHERE code_hash = $1 AND used_at IS NULL AND expires_at > now()";

const CREATE: &str = "\
INSERT INTO users (id, handle, password_hash, is_admin) VALUES ($1, $2, $3, $4) ON CONFLICT (lower(handle)) DO NOTHING";

const ACCOUNT: &str = "SELECT id, handle, password_hash FROM users WHERE lower(handle) = $1 AND deleted_at IS NULL";

const ACCOUNT_OF: &str = "SELECT id, handle, password_hash FROM users WHERE id = $1 AND deleted_at IS NULL";

const WITHOUT: &str = "\
SELECT id FROM unnest($1::text[]) WITH ORDINALITY AS asked (id, place)
WHERE NOT EXISTS (SELECT FROM users u WHERE u.id = asked.id AND u.deleted_at IS NULL) ORDER BY place";

const PEOPLE: &str = "\
SELECT id, handle, is_admin, created_at, suspended_at FROM users
WHERE lower(handle) > coalesce($1, '') AND deleted_at IS NULL ORDER BY lower(handle) LIMIT $2";

const CHANGE_PASSWORD: &str = "\
UPDATE users SET password_hash = $3 WHERE id = $1 AND password_hash = $2 AND deleted_at IS NULL";

const DELETE: &str = "\
UPDATE users SET deleted_at = now(), suspended_at = coalesce(suspended_at, now())
WHERE id = $1 AND password_hash = $2 AND deleted_at IS NULL";

const END_IMPORT: &str =
    "UPDATE imports SET finished_at = now(), lease = NULL, next_at = NULL WHERE owner_id = $1 AND finished_at IS NULL";
const END_INVITES: &str = "DELETE FROM invites WHERE created_by = $1 AND used_at IS NULL";

/// What goes at once. `$1` is the person.
const GO_AT_ONCE: [&str; 5] = [
    "DELETE FROM password_resets WHERE user_id = $1",
    "DELETE FROM invites WHERE created_by = $1",
    "DELETE FROM profiles WHERE user_id = $1",
    END_IMPORT,
    "WITH written AS ( \
         INSERT INTO audit_log (person, action, target, parameters) VALUES ($1, 'user.delete', $1, '{}') RETURNING id \
     ) \
     INSERT INTO leaving (user_id, audit_id) SELECT $1, id FROM written",
];

const SUSPEND: &str = "UPDATE users SET suspended_at = now() WHERE id = $1 AND suspended_at IS NULL";

const RESTORE: &str =
    "UPDATE users SET suspended_at = NULL WHERE id = $1 AND suspended_at IS NOT NULL AND deleted_at IS NULL";

const MAKE_ADMIN: &str = "UPDATE users SET is_admin = true WHERE id = $1 AND NOT is_admin AND deleted_at IS NULL";

const EXISTS: &str = "SELECT 1 FROM users WHERE id = $1 AND deleted_at IS NULL";

#[async_trait]
impl AccountRepository for PostgresStore {
    async fn is_fresh(&self) -> Result<bool> {
        Ok(is_fresh(&mut self.session().await?).await?)
    }

    async fn create_account(&self, account: &Account, admission: &Admission) -> Result<SignedUp> {
        let User { id, handle } = &account.user;
        let mut session = self.session().await?;
        session.begin().await?;
        let mut is_first = is_fresh(&mut session).await?;
        if is_first {
            session.execute(sqlx::query(LOCK_FIRST)).await?;
            is_first = is_fresh(&mut session).await?;
        }
        let is_let_in = is_first
            || match admission {
                Admission::Open => true,
                Admission::FirstOnly => false,
                Admission::Invited(code) => {
                    session.execute(sqlx::query(TAKE_INVITE).bind(&code.0[..]).bind(id.as_str())).await? > 0
                }
            };
        if !is_let_in {
            return Ok(SignedUp::Refused);
        }
        let query = sqlx::query(CREATE).bind(id.as_str()).bind(handle).bind(&account.password_hash).bind(is_first);
        if session.execute(query).await? == 0 {
            // Not committed, so the invite is not used up.
            return Ok(SignedUp::Taken);
        }
        session.commit().await?;
        Ok(if is_first { SignedUp::First } else { SignedUp::Member })
    }

    async fn account(&self, handle: &Handle) -> Result<Option<Account>> {
        let rows = self.session().await?.fetch_all(sqlx::query(ACCOUNT).bind(handle.as_str())).await?;
        Ok(rows.first().map(read_account).transpose()?)
    }

    async fn account_of(&self, person: &UserId) -> Result<Option<Account>> {
        let rows = self.session().await?.fetch_all(sqlx::query(ACCOUNT_OF).bind(person.as_str())).await?;
        Ok(rows.first().map(read_account).transpose()?)
    }

    async fn without_account(&self, people: &[UserId]) -> Result<Vec<UserId>> {
        let people: Vec<&str> = people.iter().map(UserId::as_str).collect();
        let rows = self.session().await?.fetch_all(sqlx::query(WITHOUT).bind(&people)).await?;
        Ok(rows.iter().map(|row| user_id(get(row, "id")?)).collect::<Result<_, Failure>>()?)
    }

    async fn people(&self, after: Option<&Handle>, limit: usize) -> Result<Vec<Person>> {
        let query = sqlx::query(PEOPLE).bind(after.map(Handle::as_str)).bind(signed(limit));
        let rows = self.session().await?.fetch_all(query).await?;
        Ok(rows.iter().map(read_person).collect::<Result<_, Failure>>()?)
    }

    async fn change_password(&self, account: &Account, password_hash: &str, except: Option<SessionId>) -> Result<bool> {
        let id = &account.user.id;
        let mut session = self.session().await?;
        session.begin().await?;
        let query = sqlx::query(CHANGE_PASSWORD).bind(id.as_str()).bind(&account.password_hash).bind(password_hash);
        let has_changed = session.execute(query).await? > 0;
        if has_changed {
            end_access(&mut session, id, except).await?;
            session.execute(sqlx::query("DELETE FROM password_resets WHERE user_id = $1").bind(id.as_str())).await?;
            session.commit().await?;
        }
        Ok(has_changed)
    }

    async fn delete_account(&self, account: &Account) -> Result<bool> {
        let id = &account.user.id;
        let mut session = self.session().await?;
        session.begin().await?;
        let query = sqlx::query(DELETE).bind(id.as_str()).bind(&account.password_hash);
        if session.execute(query).await? == 0 {
            return Ok(false);
        }
        end_access(&mut session, id, None).await?;
        for sql in GO_AT_ONCE {
            session.execute(sqlx::query(sql).bind(id.as_str())).await?;
        }
        session.commit().await?;
        Ok(true)
    }

    async fn suspend(&self, person: &UserId) -> Result<bool> {
        let mut session = self.session().await?;
        session.begin().await?;
        let has_changed = change(&mut session, SUSPEND, person).await?;
        if has_changed {
            end_access(&mut session, person, None).await?;
            for sql in [END_IMPORT, END_INVITES] {
                session.execute(sqlx::query(sql).bind(person.as_str())).await?;
            }
            session.commit().await?;
        }
        Ok(has_changed)
    }

    async fn restore(&self, person: &UserId) -> Result<bool> {
        change(&mut self.session().await?, RESTORE, person).await
    }

    async fn make_admin(&self, person: &UserId) -> Result<bool> {
        change(&mut self.session().await?, MAKE_ADMIN, person).await
    }
}

async fn is_fresh(session: &mut Session) -> Result<bool, Failure> {
    let rows = session.fetch_all(sqlx::query(IS_FRESH)).await?;
    rows.first().map_or(Ok(false), |row| get(row, "fresh"))
}

/// Whether the person's account changed; it must exist.
async fn change(session: &mut Session, sql: &'static str, person: &UserId) -> Result<bool> {
    if session.execute(sqlx::query(sql).bind(person.as_str())).await? > 0 {
        return Ok(true);
    }
    let there = session.fetch_all(sqlx::query(EXISTS).bind(person.as_str())).await?;
    if there.is_empty() { Err(Error::not_found("person", person)) } else { Ok(false) }
}

fn read_account(row: &PgRow) -> Result<Account, Failure> {
    Ok(Account { user: get_user(row, "id", "handle")?, password_hash: get(row, "password_hash")? })
}

fn read_person(row: &PgRow) -> Result<Person, Failure> {
    let suspended_at: Option<jiff_sqlx::Timestamp> = get(row, "suspended_at")?;
    Ok(Person {
        user: get_user(row, "id", "handle")?,
        is_admin: get(row, "is_admin")?,
        created_at: get_time(row, "created_at")?,
        suspended_at: suspended_at.map(jiff_sqlx::Timestamp::to_jiff),
    })
}
