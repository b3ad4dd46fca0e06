//! Connections to the AT Protocol network, and sign-ins through it.

use async_trait::async_trait;
use cardwire_domain::accounts::{TokenHash, is_leaving};
use cardwire_domain::atproto::{
    AtprotoRepository, Connecting, Connection, ConnectionKind, MAX_REASON_CHARS, NewConnection, REFRESH_WITHIN,
    SIGN_IN_WITHIN, Sealed, SignInRequest,
};
use cardwire_domain::{Error, LinkId, Result, UserId};
use rusqlite::{Connection as Sql, Row, ToSql};

use super::error::Failure;
use super::leaving::leaves;
use super::records;
use super::store::SqliteStore;
use super::values::{blob, first, get, get_count, get_time, later, rows, run, us, user_id};
use crate::text::storable;

/// Storing one also deletes some that have expired.
const CLEAR: &str = "\
DELETE FROM atproto_sign_ins WHERE state_hash IN (
    SELECT state_hash FROM atproto_sign_ins WHERE expires_at <= ?1 ORDER BY expires_at LIMIT 10
)";

const KEEP_SIGN_IN: &str = "INSERT INTO atproto_sign_ins (state_hash, sealed, expires_at) VALUES (?1, ?2, ?3)";

const SIGN_IN: &str = "SELECT sealed, expires_at > ?2 AS is_good FROM atproto_sign_ins WHERE state_hash = ?1";

const CONNECTION: &str = "\
SELECT user_id, did, handle, service, kind, session, version, ended, last_error, connected_at
FROM atproto_connections WHERE user_id = ?1";

/// The account whose id it is comes second: the DID may have moved to another account.
const PERSON_OF: &str = "\
SELECT user_id AS id, 1 AS place FROM atproto_connections WHERE did = ?1
UNION ALL SELECT id, 2 FROM users WHERE id = ?1 ORDER BY place LIMIT 1";

const IS_SUSPENDED: &str = "SELECT 1 FROM users WHERE id = ?1 AND suspended_at IS NOT NULL";

const IS_TAKEN: &str = "\
SELECT 1 WHERE EXISTS (SELECT 1 FROM atproto_connections WHERE did = ?2 AND user_id <> ?1)
    OR EXISTS (SELECT 1 FROM users WHERE id = ?2 AND id <> ?1)";

const CONNECT: &str = "\
INSERT INTO atproto_connections (user_id, did, handle, service, kind, session, version, connected_at)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1, ?7)
ON CONFLICT (user_id) DO UPDATE SET did = excluded.did, handle = excluded.handle, service = excluded.service, kind = excluded.kind,
    session = excluded.session, version = atproto_connections.version + 1, ended = NULL, last_error = NULL,
    lease = NULL, lease_until = NULL, connected_at = excluded.connected_at";

const LEAVERS: &str = "\
SELECT c.user_id FROM atproto_connections c JOIN leaving l ON l.user_id = c.user_id
WHERE l.stage IN ('forgetting', 'clearing') LIMIT 10";

const END: &str = "\
UPDATE atproto_connections SET session = NULL, ended = ?3, lease = NULL, lease_until = NULL
WHERE user_id = ?1 AND version = ?2 AND ended IS NULL";

const NOTE: &str = "UPDATE atproto_connections SET last_error = ?2 WHERE user_id = ?1 AND last_error IS NOT ?2";

const LEASE: &str = "\
UPDATE atproto_connections SET lease = ?3, lease_until = ?5
WHERE user_id = ?1 AND version = ?2 AND ended IS NULL AND (lease_until IS NULL OR lease_until <= ?4)";

const FINISH: &str = "\
UPDATE atproto_connections SET session = ?3, version = version + 1, lease = NULL, lease_until = NULL
WHERE user_id = ?1 AND lease = ?2 AND ended IS NULL";

const RELEASE: &str =
    "UPDATE atproto_connections SET lease = NULL, lease_until = NULL WHERE user_id = ?1 AND lease = ?2";

#[async_trait]
impl AtprotoRepository for SqliteStore {
    async fn keep_sign_in(&self, request: &SignInRequest) -> Result<()> {
        let request = request.clone();
        let keep = move |sql: &Sql, now| {
            run(sql, CLEAR, &[&us(now)])?;
            run(sql, KEEP_SIGN_IN, &[&request.state.0, &request.sealed.0, &later(now, SIGN_IN_WITHIN)])?;
            Ok(())
        };
        Ok(self.write(keep).await?)
    }

    async fn take_sign_in(&self, state: &TokenHash) -> Result<Option<SignInRequest>> {
        let state = *state;
        let take = move |sql: &Sql, now| {
            let found = first(sql, SIGN_IN, &[&state.0, &us(now)], |row| {
                Ok((Sealed(get(row, "sealed")?), get::<bool>(row, "is_good")?))
            })?;
            run(sql, "DELETE FROM atproto_sign_ins WHERE state_hash = ?1", &[&state.0])?;
            Ok(found.and_then(|(sealed, is_good)| is_good.then_some(SignInRequest { state, sealed })))
        };
        Ok(self.write(take).await?)
    }

    async fn connection(&self, person: &UserId) -> Result<Option<Connection>> {
        let person = person.clone();
        Ok(self.read(move |sql, _| first(sql, CONNECTION, &[&person.as_str()], read)).await?)
    }

    async fn person_of(&self, did: &UserId) -> Result<Option<UserId>> {
        let did = did.clone();
        let find =
            move |sql: &Sql, _| first(sql, PERSON_OF, &[&did.as_str()], |row| user_id(&get::<String>(row, "id")?));
        Ok(self.read(find).await?)
    }

    async fn connect(&self, new: &NewConnection) -> Result<Connecting> {
        let new = new.clone();
        let connect = move |sql: &Sql, now| {
            let (person, did) = (new.person.as_str(), new.did.as_str());
            if leaves(sql, &new.person)? {
                return Err(Failure::Refused(is_leaving()));
            }
            if first(sql, IS_SUSPENDED, &[&person], |_| Ok(()))?.is_some() {
                return Err(Failure::Refused(Error::Forbidden("This account is suspended.".into())));
            }
            if first(sql, IS_TAKEN, &[&person, &did], |_| Ok(()))?.is_some() {
                return Ok(Connecting::Taken);
            }
            let replaced = first(sql, CONNECTION, &[&person], read)?;
            let values: [&dyn ToSql; 7] =
                [&person, &did, &new.handle, &new.service, &new.kind.name(), &new.session.0, &us(now)];
            run(sql, CONNECT, &values)?;
            records::people::connect(sql, person, did, now)?;
            Ok(Connecting::Connected { replaced })
        };
        Ok(self.write(connect).await?)
    }

    async fn disconnect(&self, person: &UserId) -> Result<Option<Connection>> {
        let person = person.clone();
        let disconnect = move |sql: &Sql, _| {
            let connection = first(sql, CONNECTION, &[&person.as_str()], read)?;
            run(sql, "DELETE FROM atproto_connections WHERE user_id = ?1", &[&person.as_str()])?;
            records::people::disconnect(sql, &person)?;
            Ok(connection)
        };
        Ok(self.write(disconnect).await?)
    }

    async fn connected_leavers(&self) -> Result<Vec<UserId>> {
        let find = |sql: &Sql, _| rows(sql, LEAVERS, &[], |row| user_id(&get::<String>(row, "user_id")?));
        Ok(self.read(find).await?)
    }

    async fn end_connection(&self, person: &UserId, version: u64, reason: &str) -> Result<bool> {
        let (person, reason) = (person.clone(), storable(reason, MAX_REASON_CHARS));
        let end = move |sql: &Sql, _| Ok(run(sql, END, &[&person.as_str(), &version.cast_signed(), &reason])? > 0);
        Ok(self.write(end).await?)
    }

    async fn note_connection(&self, person: &UserId, error: Option<&str>) -> Result<()> {
        let (person, error) = (person.clone(), error.map(|error| storable(error, MAX_REASON_CHARS)));
        Ok(self.write(move |sql, _| run(sql, NOTE, &[&person.as_str(), &error]).map(drop)).await?)
    }

    async fn lease_refresh(&self, person: &UserId, version: u64, lease: LinkId) -> Result<bool> {
        let person = person.clone();
        let take = move |sql: &Sql, now| {
            let (lease, until) = (blob(lease.ulid()), later(now, REFRESH_WITHIN));
            Ok(run(sql, LEASE, &[&person.as_str(), &version.cast_signed(), &lease, &us(now), &until])? > 0)
        };
        Ok(self.write(take).await?)
    }

    async fn finish_refresh(&self, person: &UserId, lease: LinkId, session: &Sealed) -> Result<bool> {
        let (person, session) = (person.clone(), session.clone());
        let finish =
            move |sql: &Sql, _| Ok(run(sql, FINISH, &[&person.as_str(), &blob(lease.ulid()), &session.0])? > 0);
        Ok(self.write(finish).await?)
    }

    async fn release_refresh(&self, person: &UserId, lease: LinkId) -> Result<()> {
        let person = person.clone();
        let release = move |sql: &Sql, _| run(sql, RELEASE, &[&person.as_str(), &blob(lease.ulid())]).map(drop);
        Ok(self.write(release).await?)
    }
}

fn read(row: &Row<'_>) -> Result<Connection, Failure> {
    let name: String = get(row, "kind")?;
    let kind = ConnectionKind::ALL.into_iter().find(|kind| kind.name() == name);
    Ok(Connection {
        person: user_id(&get::<String>(row, "user_id")?)?,
        did: user_id(&get::<String>(row, "did")?)?,
        handle: get(row, "handle")?,
        service: get(row, "service")?,
        kind: kind.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as a kind of connection")))?,
        session: get::<Option<Vec<u8>>>(row, "session")?.map(Sealed),
        version: get_count(row, "version")?,
        ended: get(row, "ended")?,
        last_error: get(row, "last_error")?,
        connected_at: get_time(row, "connected_at")?,
    })
}
