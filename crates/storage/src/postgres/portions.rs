//! Changing many rows, some at a time.

use sqlx::Postgres;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;

use super::error::Failure;
use super::pool::Session;

/// Rows changed by one statement of work that has no bound of its own.
pub(super) const PORTION: i64 = 10_000;

/// Repeats what changes up to [`PORTION`] rows until there are no more; each portion is a transaction of its own.
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
