//! The schema, and how to recognise our files.

use rusqlite::Connection;

/// In the file's header: "Crdw".
const APPLICATION_ID: i32 = 0x4372_6477;

/// Numbered like PostgreSQL's migrations: the same number means the same data.
const MIGRATIONS: [(i32, &str); 13] = [
    (17, include_str!("../../migrations/sqlite/0017_one_file.sql")),
    (18, include_str!("../../migrations/sqlite/0018_private.sql")),
    (19, include_str!("../../migrations/sqlite/0019_accounts.sql")),
    (20, include_str!("../../migrations/sqlite/0020_leaving.sql")),
    (21, include_str!("../../migrations/sqlite/0021_identity.sql")),
    (22, include_str!("../../migrations/sqlite/0022_imports.sql")),
    (23, include_str!("../../migrations/sqlite/0023_words.sql")),
    (24, include_str!("../../migrations/sqlite/0024_titles.sql")),
    (25, include_str!("../../migrations/sqlite/0025_replays.sql")),
    (26, include_str!("../../migrations/sqlite/0026_atproto.sql")),
    (27, include_str!("../../migrations/sqlite/0027_records.sql")),
    (28, include_str!("../../migrations/sqlite/0028_pictures.sql")),
    (29, include_str!("../../migrations/sqlite/0029_latencies.sql")),
];
const NEWEST: i32 = MIGRATIONS[MIGRATIONS.len() - 1].0;

#[derive(Debug, thiserror::Error)]
pub(super) enum SchemaError {
    #[error(transparent)]
    Sqlite(#[from] rusqlite::Error),
    #[error("it is a database of another program")]
    NotOurs,
    #[error(
        "a newer release wrote it (schema {found}, this one knows {NEWEST}); use that release, or a copy from before"
    )]
    TooNew { found: i32 },
    #[error(
        "an older release wrote it (schema {found}, this one needs {NEWEST}); start web once, which brings it up to date"
    )]
    TooOld { found: i32 },
    #[error("it is damaged ({0}); restore it from a copy")]
    Damaged(String),
}

/// Asked before anything is changed.
pub(super) fn is_ours(connection: &Connection) -> Result<(), SchemaError> {
    let found = version(connection)?;
    let application: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    match (application, tables) {
        (APPLICATION_ID, _) if found > NEWEST => Err(SchemaError::TooNew { found }),
        (APPLICATION_ID, _) | (0, 0) => Ok(()),
        _ => Err(SchemaError::NotOurs),
    }
}

/// For callers that do not migrate it themselves.
pub(super) fn is_current(connection: &Connection) -> Result<(), SchemaError> {
    is_ours(connection)?;
    match version(connection)? {
        NEWEST => Ok(()),
        found => Err(SchemaError::TooOld { found }),
    }
}

/// Whether the file is intact, table by table. For search words, the rows are checked, but not whether they match the
/// texts, which would take four times as long.
pub(super) fn check(connection: &Connection) -> Result<(), SchemaError> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL %'";
    let mut statement = connection.prepare(sql)?;
    let tables = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for table in tables {
        let mut found = String::new();
        connection.pragma(None, "quick_check", table, |row| {
            found = row.get(0)?;
            Ok(())
        })?;
        if found != "ok" {
            return Err(SchemaError::Damaged(found));
        }
    }
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<i32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Each in one transaction, with the version it leads to.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), SchemaError> {
    let found = version(connection)?;
    for (number, sql) in MIGRATIONS {
        if number > found {
            let transaction = connection.transaction()?;
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", number)?;
            transaction.commit()?;
        }
    }
    Ok(())
}

/// Queues live in the process: whatever they held when the last one ended is due now.
pub(super) fn begin_again(connection: &Connection, now_us: i64) -> Result<(), SchemaError> {
    connection.execute(
        "UPDATE deliveries SET due_at = min(due_at, ?1), published_at = NULL WHERE published_at IS NOT NULL AND dead_at IS NULL",
        [now_us],
    )?;
    Ok(())
}
