//! Accounts. Sessions, tokens, invites and the like have their own files.

use async_trait::async_trait;
use cardwire_domain::accounts::{Account, AccountRepository, Admission, Handle, Person, SignedUp};
use cardwire_domain::leaving::Stage;
use cardwire_domain::user::User;
use cardwire_domain::{Error, Result, SessionId, UserId};
use rusqlite::{Connection, Row, ToSql};

use super::error::Failure;
use super::invites::is_invited;
use super::sessions::end_access;
use super::store::SqliteStore;
use super::values::{first, get, get_time, get_user, rows, run, signed, time, us};

/// Only the audit entry of a deleted account stays.
const IS_FRESH: &str = "\
SELECT NOT EXISTS (SELECT 1 FROM users) AND NOT EXISTS (SELECT 1 FROM audit_log WHERE action = 'user.delete') AS fresh";

const CREATE: &str = "\
INSERT INTO users (id, handle, handle_key, password_hash, is_admin, created_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
ON CONFLICT (handle_key) DO NOTHING";

const TAKE_INVITE: &str = "UPDATE invites SET used_by = ?2, used_at = ?3 WHERE code_hash = ?1";

const ACCOUNT: &str = "SELECT id, handle, password_hash FROM users WHERE handle_key = ?1 AND deleted_at IS NULL";

const ACCOUNT_OF: &str = "SELECT id, handle, password_hash FROM users WHERE id = ?1 AND deleted_at IS NULL";

const PEOPLE: &str = "\
SELECT id, handle, is_admin, created_at, suspended_at FROM users
WHERE handle_key > coalesce(?1, '') AND deleted_at IS NULL ORDER BY handle_key LIMIT ?2";

const CHANGE_PASSWORD: &str = "\
UPDATE users SET password_hash = ?3 WHERE id = ?1 AND password_hash = ?2 AND deleted_at IS NULL";

const DELETE: &str = "\
UPDATE users SET deleted_at = ?3, suspended_at = coalesce(suspended_at, ?3)
WHERE id = ?1 AND password_hash = ?2 AND deleted_at IS NULL";

/// What goes at once. `?1` is the person.
const GO_AT_ONCE: [&str; 3] = [
    "DELETE FROM password_resets WHERE user_id = ?1",
    "DELETE FROM invites WHERE created_by = ?1",
    "DELETE FROM profiles WHERE user_id = ?1",
];

const END_IMPORT: &str = "\
UPDATE imports SET finished_at = ?2, lease = NULL, next_at = NULL WHERE owner_id = ?1 AND finished_at IS NULL";

const END_INVITES: &str = "DELETE FROM invites WHERE created_by = ?1 AND used_at IS NULL";

const WRITE_DOWN: &str =
    "INSERT INTO audit_log (at, person, action, target, parameters) VALUES (?2, ?1, 'user.delete', ?1, '{}')";

const BEGIN_TO_LEAVE: &str = "\
INSERT INTO leaving (user_id, requested_at, stage, audit_id) VALUES (?1, ?2, ?3, last_insert_rowid())";

const SUSPEND: &str = "UPDATE users SET suspended_at = ?2 WHERE id = ?1 AND suspended_at IS NULL";

const RESTORE: &str = "\
UPDATE users SET suspended_at = NULL WHERE id = ?1 AND suspended_at IS NOT NULL AND deleted_at IS NULL";

const MAKE_ADMIN: &str = "UPDATE users SET is_admin = 1 WHERE id = ?1 AND is_admin = 0 AND deleted_at IS NULL";

#[async_trait]
impl AccountRepository for SqliteStore {
    async fn is_fresh(&self) -> Result<bool> {
        Ok(self.read(|connection, _| is_fresh(connection)).await?)
    }

    async fn create_account(&self, account: &Account, admission: &Admission) -> Result<SignedUp> {
        let (Account { user: User { id, handle }, password_hash }, admission) = (account.clone(), *admission);
        let create = move |connection: &Connection, now| {
            let is_first = is_fresh(connection)?;
            let invite = match admission {
                Admission::Invited(code) if !is_first => Some(code),
                _ => None,
            };
            let is_let_in = match (admission, invite) {
                (_, Some(code)) => is_invited(connection, now, &code)?,
                (Admission::Open, None) => true,
                _ => is_first,
            };
            if !is_let_in {
                return Ok(SignedUp::Refused);
            }
            let key = handle.to_lowercase();
            let values: [&dyn ToSql; 6] = [&id.as_str(), &handle, &key, &password_hash, &is_first, &us(now)];
            if run(connection, CREATE, &values)? == 0 {
                return Ok(SignedUp::Taken);
            }
            if let Some(code) = invite {
                run(connection, TAKE_INVITE, &[&code.0, &id.as_str(), &us(now)])?;
            }
            Ok(if is_first { SignedUp::First } else { SignedUp::Member })
        };
        Ok(self.write(create).await?)
    }

    async fn account(&self, handle: &Handle) -> Result<Option<Account>> {
        let handle = handle.clone();
        Ok(self.read(move |connection, _| first(connection, ACCOUNT, &[&handle.as_str()], read_account)).await?)
    }

    async fn account_of(&self, person: &UserId) -> Result<Option<Account>> {
        let person = person.clone();
        Ok(self.read(move |connection, _| first(connection, ACCOUNT_OF, &[&person.as_str()], read_account)).await?)
    }

    async fn without_account(&self, people: &[UserId]) -> Result<Vec<UserId>> {
        let people = people.to_vec();
        let find = move |connection: &Connection, _| {
            let mut without = Vec::new();
            for person in people {
                if !exists(connection, &person)? {
                    without.push(person);
                }
            }
            Ok(without)
        };
        Ok(self.read(find).await?)
    }

    async fn people(&self, after: Option<&Handle>, limit: usize) -> Result<Vec<Person>> {
        let after = after.map(|handle| handle.as_str().to_owned());
        Ok(self.read(move |connection, _| rows(connection, PEOPLE, &[&after, &signed(limit)], read_person)).await?)
    }

    async fn change_password(&self, account: &Account, password_hash: &str, except: Option<SessionId>) -> Result<bool> {
        let (account, password_hash) = (account.clone(), password_hash.to_owned());
        let change = move |connection: &Connection, _| {
            let id = account.user.id.as_str();
            let has_changed = run(connection, CHANGE_PASSWORD, &[&id, &account.password_hash, &password_hash])? > 0;
            if has_changed {
                end_access(connection, &account.user.id, except)?;
                run(connection, "DELETE FROM password_resets WHERE user_id = ?1", &[&id])?;
            }
            Ok(has_changed)
        };
        Ok(self.write(change).await?)
    }

    async fn delete_account(&self, account: &Account) -> Result<bool> {
        let account = account.clone();
        let delete = move |connection: &Connection, now| {
            let (id, now) = (account.user.id.as_str(), us(now));
            if run(connection, DELETE, &[&id, &account.password_hash, &now])? == 0 {
                return Ok(false);
            }
            end_access(connection, &account.user.id, None)?;
            for sql in GO_AT_ONCE {
                run(connection, sql, &[&id])?;
            }
            run(connection, END_IMPORT, &[&id, &now])?;
            run(connection, WRITE_DOWN, &[&id, &now])?;
            run(connection, BEGIN_TO_LEAVE, &[&id, &now, &Stage::Parting.name()])?;
            Ok(true)
        };
        Ok(self.write(delete).await?)
    }

    async fn suspend(&self, person: &UserId) -> Result<bool> {
        let person = person.clone();
        let suspend = move |connection: &Connection, now| {
            let has_changed = change(connection, SUSPEND, &person, &[&person.as_str(), &us(now)])?;
            if has_changed {
                end_access(connection, &person, None)?;
                run(connection, END_IMPORT, &[&person.as_str(), &us(now)])?;
                run(connection, END_INVITES, &[&person.as_str()])?;
            }
            Ok(has_changed)
        };
        Ok(self.write(suspend).await?)
    }

    async fn restore(&self, person: &UserId) -> Result<bool> {
        let person = person.clone();
        Ok(self.write(move |connection, _| change(connection, RESTORE, &person, &[&person.as_str()])).await?)
    }

    async fn make_admin(&self, person: &UserId) -> Result<bool> {
        let person = person.clone();
        Ok(self.write(move |connection, _| change(connection, MAKE_ADMIN, &person, &[&person.as_str()])).await?)
    }
}

fn is_fresh(connection: &Connection) -> Result<bool, Failure> {
    Ok(first(connection, IS_FRESH, &[], |row| get(row, "fresh"))?.unwrap_or(false))
}

fn exists(connection: &Connection, person: &UserId) -> Result<bool, Failure> {
    let sql = "SELECT 1 FROM users WHERE id = ?1 AND deleted_at IS NULL";
    Ok(first(connection, sql, &[&person.as_str()], |_| Ok(()))?.is_some())
}

/// Whether the person's account changed; it must exist.
fn change(connection: &Connection, sql: &str, person: &UserId, values: &[&dyn ToSql]) -> Result<bool, Failure> {
    if run(connection, sql, values)? > 0 {
        return Ok(true);
    }
    if exists(connection, person)? { Ok(false) } else { Err(Failure::Refused(Error::not_found("person", person))) }
}

fn read_account(row: &Row<'_>) -> Result<Account, Failure> {
    Ok(Account { user: get_user(row, "id", "handle")?, password_hash: get(row, "password_hash")? })
}

fn read_person(row: &Row<'_>) -> Result<Person, Failure> {
    Ok(Person {
        user: get_user(row, "id", "handle")?,
        is_admin: get(row, "is_admin")?,
        created_at: get_time(row, "created_at")?,
        suspended_at: get::<Option<i64>>(row, "suspended_at")?.map(time).transpose()?,
    })
}
