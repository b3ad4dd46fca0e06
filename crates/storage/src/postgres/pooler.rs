//! Poolers between us and the server, and which of them are refused.
//!
//! A connection has settings of its own (the planner's, time-outs) and statements that it has prepared. A pooler that drops the ones, or
//! gives each transaction another connection of the server, which lacks the others, makes slow plans and failing statements of it.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::error::Failure;

pub(super) const DROPS_SETTINGS: &str = "drops the settings of a connection";
const SHARES_CONNECTIONS: &str = "gives each transaction another connection of the server";

/// Why these two connections cannot be worked with. Asked in plain statements, which need nothing of a connection.
pub(super) async fn flaw(one: &mut PgConnection, other: &mut PgConnection) -> Result<Option<&'static str>, Failure> {
    if ask(one, "SHOW enable_seqscan").await? != "off" {
        return Ok(Some(DROPS_SETTINGS));
    }
    // While the one is in a transaction, the other is served by another connection of the server; behind a pooler it gets the first one,
    // which was used last, as soon as that is free.
    sqlx::raw_sql("BEGIN").execute(&mut *one).await?;
    let before = ask(other, "SELECT pg_backend_pid()::text").await?;
    sqlx::raw_sql("COMMIT").execute(&mut *one).await?;
    let after = ask(other, "SELECT pg_backend_pid()::text").await?;
    Ok((before != after).then_some(SHARES_CONNECTIONS))
}

async fn ask(connection: &mut PgConnection, sql: &'static str) -> Result<String, Failure> {
    Ok(sqlx::raw_sql(sql).fetch_one(connection).await?.try_get(0)?)
}

/// Whether a server refuses to be given settings, as poolers do unless they are told to ignore them.
pub(super) fn refuses_settings(error: &sqlx::Error) -> bool {
    matches!(error, sqlx::Error::Database(error) if error.message().contains("unsupported startup parameter"))
}
