//! What is left of a text in a store, whatever tables and columns it has. After an account is deleted, this must be nothing.

use anyhow::ensure;
use cardwire_storage::SqliteStore;
use sqlx::{AssertSqlSafe, PgPool};

/// The columns in which it stands somewhere, as text or as its bytes: `table.column`.
///
/// # Errors
/// When the server does not answer.
pub async fn in_postgres(pool: &PgPool, text: &str) -> anyhow::Result<Vec<String>> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        "SELECT c.table_name::text, c.column_name::text FROM information_schema.columns c \
         JOIN information_schema.tables t USING (table_schema, table_name) \
         WHERE c.table_schema = current_schema() AND t.table_type = 'BASE TABLE' ORDER BY 1, 2",
    )
    .fetch_all(pool)
    .await?;
    ensure!(columns.len() > 100, "{columns:?}");
    let mut holding = Vec::new();
    for (table, column) in columns {
        // Bytes are written in hexadecimal digits.
        let sql = format!(
            "SELECT EXISTS (SELECT FROM {table} WHERE strpos({column}::text, $1) > 0 \
             OR strpos({column}::text, encode(convert_to($1, 'UTF8'), 'hex')) > 0)"
        );
        if sqlx::query_scalar(AssertSqlSafe(sql)).bind(text).fetch_one(pool).await? {
            holding.push(format!("{table}.{column}"));
        }
    }
    Ok(holding)
}

/// The same of a file.
///
/// # Errors
/// When it cannot be read.
pub async fn in_sqlite(store: &SqliteStore, text: &str) -> anyhow::Result<Vec<String>> {
    let mut holding = store.columns_holding(text).await?;
    // As the index of notes marks whose they are.
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    holding.extend(store.columns_holding(&hex).await?);
    Ok(holding)
}
