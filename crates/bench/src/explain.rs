//! Where PostgreSQL's time and WAL go, statement by statement.

use anyhow::Context as _;
use sqlx::PgPool;

use crate::report::aligned;

const STATEMENTS: &str = "\
SELECT left(regexp_replace(query, '\\s+', ' ', 'g'), 90) AS statement, calls::float8, total_exec_time, wal_bytes::float8
FROM pg_stat_statements WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY total_exec_time DESC LIMIT 20";

/// Begins to count.
///
/// # Errors
/// When the server does not preload `pg_stat_statements`.
pub async fn begin(pool: &PgPool) -> anyhow::Result<()> {
    let sql = "CREATE EXTENSION IF NOT EXISTS pg_stat_statements; SELECT pg_stat_statements_reset()";
    sqlx::raw_sql(sql).execute(pool).await.context("--explain needs shared_preload_libraries = pg_stat_statements")?;
    Ok(())
}

/// What each save cost since, dearest first.
pub async fn table(pool: &PgPool, saves: usize) -> anyhow::Result<String> {
    let statements: Vec<(String, f64, f64, f64)> = sqlx::query_as(STATEMENTS).fetch_all(pool).await?;
    let mut rows = vec![["calls/save", "us/save", "WAL B/save", "statement"].map(str::to_owned).to_vec()];
    let each = |value: f64| value / saves as f64;
    rows.extend(statements.into_iter().map(|(statement, calls, ms, wal)| {
        let figures = [format!("{:.3}", each(calls)), format!("{:.1}", each(ms * 1e3)), format!("{:.0}", each(wal))];
        figures.into_iter().chain([statement]).collect()
    }));
    Ok(aligned(&rows))
}
