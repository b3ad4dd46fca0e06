//! Connections to the AT Protocol network, and sign-ins through it.

use async_trait::async_trait;
use cardwire_domain::accounts::TokenHash;
use cardwire_domain::atproto::{
    AtprotoRepository, Connecting, Connection, ConnectionKind, MAX_REASON_CHARS, NewConnection, REFRESH_WITHIN,
    SIGN_IN_WITHIN, Sealed, SignInRequest,
};
use cardwire_domain::{Error, LinkId, Result, UserId};
use sqlx::postgres::PgRow;

use super::error::Failure;
use super::leaving::nobody_leaves;
use super::records;
use super::store::PostgresStore;
use super::values::{get, get_count, get_time, user_id, uuid};

/// Storing one also deletes some that have expired.
const KEEP_SIGN_IN: &str = "\
WITH expired AS (
    DELETE FROM atproto_sign_ins WHERE state_hash IN (
        SELECT state_hash FROM atproto_sign_ins WHERE expires_at <= now() ORDER BY expires_at LIMIT 100 FOR UPDATE SKIP LOCKED
    )
)
INSERT INTO atproto_sign_ins (state_hash, sealed, expires_at) VALUES ($1, $2, now() + make_interval(secs => $3))";

/// If two take it at once, the second waits for the row and then finds none.
const TAKE_SIGN_IN: &str =
    "DELETE FROM atproto_sign_ins WHERE state_hash = $1 RETURNING sealed, expires_at > now() AS is_good";

const CONNECTION: &str = "\
SELECT user_id, did, handle, service, kind, session, version, ended, last_error, connected_at
FROM atproto_connections WHERE user_id = $1";

/// The account whose id it is comes second: the DID may have moved to another account.
const PERSON_OF: &str = "\
SELECT id FROM (
    SELECT user_id AS id, 1 AS place FROM atproto_connections WHERE did = $1
    UNION ALL SELECT id, 2 FROM users WHERE id = $1
) found ORDER BY place LIMIT 1";

/// Locks the account as well, so that a deletion that comes later finds the connection.
const MAY_CONNECT: &str = concat!(
    "SELECT expect_nobody_leaves(NOT ",
    nobody_leaves!("ARRAY[$1]"),
    ") AS is_there, EXISTS (SELECT FROM users WHERE id = $1 AND suspended_at IS NOT NULL) AS is_suspended, \
     EXISTS (SELECT FROM atproto_connections WHERE did = $2 AND user_id <> $1) \
     OR EXISTS (SELECT FROM users WHERE id = $2 AND id <> $1) AS is_taken"
);

const HOLD: &str = "\
SELECT user_id, did, handle, service, kind, session, version, ended, last_error, connected_at
FROM atproto_connections WHERE user_id = $1 FOR UPDATE";

const CONNECT: &str = "\
INSERT INTO atproto_connections (user_id, did, handle, service, kind, session) VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (user_id) DO UPDATE SET did = excluded.did, handle = excluded.handle, service = excluded.service, kind = excluded.kind,
    session = excluded.session, version = atproto_connections.version + 1, ended = NULL, last_error = NULL,
    lease = NULL, lease_until = NULL, connected_at = now()";

const DISCONNECT: &str = "\
DELETE FROM atproto_connections WHERE user_id = $1
RETURNING user_id, did, handle, service, kind, session, version, ended, last_error, connected_at";

const LEAVERS: &str = "\
SELECT c.user_id FROM atproto_connections c JOIN leaving l ON l.user_id = c.user_id
WHERE l.stage IN ('forgetting', 'clearing') LIMIT 10";

const END: &str = "\
UPDATE atproto_connections SET session = NULL, ended = $3, lease = NULL, lease_until = NULL
WHERE user_id = $1 AND version = $2 AND ended IS NULL";

const NOTE: &str = "\
UPDATE atproto_connections SET last_error = $2 WHERE user_id = $1 AND last_error IS DISTINCT FROM $2";

const LEASE: &str = "\
UPDATE atproto_connections SET lease = $3, lease_until = now() + make_interval(secs => $4)
WHERE user_id = $1 AND version = $2 AND ended IS NULL AND (lease_until IS NULL OR lease_until <= now())";

const FINISH: &str = "\
UPDATE atproto_connections SET session = $3, version = version + 1, lease = NULL, lease_until = NULL
WHERE user_id = $1 AND lease = $2 AND ended IS NULL";

const RELEASE: &str =
    "UPDATE atproto_connections SET lease = NULL, lease_until = NULL WHERE user_id = $1 AND lease = $2";

#[async_trait]
impl AtprotoRepository for PostgresStore {
    async fn keep_sign_in(&self, request: &SignInRequest) -> Result<()> {
        let query = sqlx::query(KEEP_SIGN_IN).bind(&request.state.0[..]).bind(&request.sealed.0);
        self.session().await?.execute(query.bind(SIGN_IN_WITHIN.as_secs_f64())).await?;
        Ok(())
    }

    async fn take_sign_in(&self, state: &TokenHash) -> Result<Option<SignInRequest>> {
        let rows = self.session().await?.fetch_all(sqlx::query(TAKE_SIGN_IN).bind(&state.0[..])).await?;
        let Some(row) = rows.first() else { return Ok(None) };
        let is_good: bool = get(row, "is_good")?;
        let sealed = Sealed(get(row, "sealed")?);
        Ok(is_good.then_some(SignInRequest { state: *state, sealed }))
    }

    async fn connection(&self, person: &UserId) -> Result<Option<Connection>> {
        let rows = self.session().await?.fetch_all(sqlx::query(CONNECTION).bind(person.as_str())).await?;
        Ok(rows.first().map(read).transpose()?)
    }

    async fn person_of(&self, did: &UserId) -> Result<Option<UserId>> {
        let rows = self.session().await?.fetch_all(sqlx::query(PERSON_OF).bind(did.as_str())).await?;
        Ok(rows.first().map(|row| user_id(get(row, "id")?)).transpose()?)
    }

    async fn connect(&self, new: &NewConnection) -> Result<Connecting> {
        let (person, did) = (new.person.as_str(), new.did.as_str());
        let mut session = self.session().await?;
        session.begin().await?;
        let rows = session.fetch_all(sqlx::query(MAY_CONNECT).bind(person).bind(did)).await?;
        let row = rows.first().ok_or_else(|| Failure::Nonsense("no answer to who may connect".into()))?;
        if get(row, "is_suspended")? {
            return Err(Error::Forbidden("This account is suspended.".into()));
        }
        if get(row, "is_taken")? {
            return Ok(Connecting::Taken);
        }
        let rows = session.fetch_all(sqlx::query(HOLD).bind(person)).await?;
        let replaced = rows.first().map(read).transpose()?;
        let query = sqlx::query(CONNECT).bind(person).bind(did).bind(&new.handle).bind(&new.service);
        session.execute(query.bind(new.kind.name()).bind(&new.session.0)).await?;
        records::people::connect(&mut session, person, did).await?;
        session.commit().await?;
        Ok(Connecting::Connected { replaced })
    }

    async fn disconnect(&self, person: &UserId) -> Result<Option<Connection>> {
        let mut session = self.session().await?;
        session.begin().await?;
        let rows = session.fetch_all(sqlx::query(DISCONNECT).bind(person.as_str())).await?;
        records::people::disconnect(&mut session, person).await?;
        session.commit().await?;
        Ok(rows.first().map(read).transpose()?)
    }

    async fn connected_leavers(&self) -> Result<Vec<UserId>> {
        let rows = self.session().await?.fetch_all(sqlx::query(LEAVERS)).await?;
        Ok(rows.iter().map(|row| user_id(get(row, "user_id")?)).collect::<Result<_, Failure>>()?)
    }

    async fn end_connection(&self, person: &UserId, version: u64, reason: &str) -> Result<bool> {
        let query = sqlx::query(END).bind(person.as_str()).bind(version.cast_signed()).bind(cut(reason));
        Ok(self.session().await?.execute(query).await? > 0)
    }

    async fn note_connection(&self, person: &UserId, error: Option<&str>) -> Result<()> {
        let query = sqlx::query(NOTE).bind(person.as_str()).bind(error.map(cut));
        self.session().await?.execute(query).await?;
        Ok(())
    }

    async fn lease_refresh(&self, person: &UserId, version: u64, lease: LinkId) -> Result<bool> {
        let query = sqlx::query(LEASE).bind(person.as_str()).bind(version.cast_signed()).bind(uuid(lease.ulid()));
        Ok(self.session().await?.execute(query.bind(REFRESH_WITHIN.as_secs_f64())).await? > 0)
    }

    async fn finish_refresh(&self, person: &UserId, lease: LinkId, session: &Sealed) -> Result<bool> {
        let query = sqlx::query(FINISH).bind(person.as_str()).bind(uuid(lease.ulid())).bind(&session.0);
        Ok(self.session().await?.execute(query).await? > 0)
    }

    async fn release_refresh(&self, person: &UserId, lease: LinkId) -> Result<()> {
        let query = sqlx::query(RELEASE).bind(person.as_str()).bind(uuid(lease.ulid()));
        self.session().await?.execute(query).await?;
        Ok(())
    }
}

/// A reason as stored.
fn cut(text: &str) -> String {
    text.chars().filter(|c| *c != '\0').take(MAX_REASON_CHARS).collect()
}

fn read(row: &PgRow) -> Result<Connection, Failure> {
    let name: &str = get(row, "kind")?;
    let kind = ConnectionKind::ALL.into_iter().find(|kind| kind.name() == name);
    let session: Option<Vec<u8>> = get(row, "session")?;
    Ok(Connection {
        person: user_id(get(row, "user_id")?)?,
        did: user_id(get(row, "did")?)?,
        handle: get(row, "handle")?,
        service: get(row, "service")?,
        kind: kind.ok_or_else(|| Failure::Nonsense(format!("{name:?} is stored as a kind of connection")))?,
        session: session.map(Sealed),
        version: get_count(row, "version")?,
        ended: get(row, "ended")?,
        last_error: get(row, "last_error")?,
        connected_at: get_time(row, "connected_at")?,
    })
}
