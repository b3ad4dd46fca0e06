//! Changing many rows in portions.

use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::error::Failure;
use super::pool::Session;

/// One statement of otherwise unbounded work changes this many rows.
pub(super) const PORTION: i64 = 10_000;

/// Repeats a change of up to [`PORTION`] rows until there are no more; each portion is its own transaction.
pub(super) async fn in_portions<'q>(
    session: &mut Session,
    change: impl Fn() -> Query<'q, Postgres, PgArguments>,
) -> Result<u64, Failure> {
    let mut changed = 0;
    loop {
        session.start_again();
        let portion = session.execute(change()).await?;
        changed += portion;
        if portion < PORTION as u64 {
            return Ok(changed);
        }
    }
}
