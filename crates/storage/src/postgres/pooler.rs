//! Poolers between us and the server, and which of them are refused.
//!
//! A connection has its own settings (planner, time-outs) and prepared statements. A pooler that drops the settings, or
//! that gives each transaction a different server connection without the statements, causes slow plans and failing
//! statements.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Failure;

pub(super) const DROPS_SETTINGS: &str = "drops the settings of a connection";
const SHARES_CONNECTIONS: &str = "gives each transaction another connection of the server";

/// Why these two connections cannot be used. The check uses plain statements, which need no state of a connection.
pub(super) async fn flaw(one: &mut PgConnection, other: &mut PgConnection) -> Result<Option<&'static str>, Failure> {
    if ask(one, "SHOW enable_seqscan").await? != "off" {
        return Ok(Some(DROPS_SETTINGS));
    }
    // While one is in a transaction, the other uses a different server connection. Behind a pooler it gets the first
    // server connection, which was used last, as soon as that is free.
    sqlx::raw_sql("BEGIN").execute(&mut *one).await?;
    let before = ask(other, "SELECT pg_backend_pid()::text").await?;
    sqlx::raw_sql("COMMIT").execute(&mut *one).await?;
    let after = ask(other, "SELECT pg_backend_pid()::text").await?;
    Ok((before != after).then_some(SHARES_CONNECTIONS))
}

async fn ask(connection: &mut PgConnection, sql: &'static str) -> Result<String, Failure> {
    Ok(sqlx::raw_sql(sql).fetch_one(connection).await?.try_get(0)?)
}

/// Whether a server refuses settings, as poolers do unless configured to ignore them.
pub(super) fn refuses_settings(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.message().contains("unsupported startup parameter"))
}
