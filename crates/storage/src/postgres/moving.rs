//! The receiving end of a move from a file.

use std::time::Duration;

use serde_json::Value;
use sqlx::types::Uuid;

use super::error::Failure;
use super::pool::Session;
use super::search::{drop_stray_pages, index_cards};
use super::store::PostgresStore;
use super::values::{get, signed};
use crate::moving::{Column, Kind, Table};

/// How long one step may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// Cards indexed together.
const INDEXED: usize = 500;

/// The one transaction that receives everything.
pub(crate) struct MoveIn {
    session: Session,
}

impl MoveIn {
    pub(crate) async fn begin(store: &PostgresStore) -> Result<Self, Failure> {
        let mut session = store.session_within(PATIENCE).await?;
        session.begin().await?;
        for sql in [
            "SET LOCAL statement_timeout = 0",
            "SET LOCAL lock_timeout = 0",
            "SET LOCAL idle_in_transaction_session_timeout = 0",
        ] {
            session.execute(sqlx::query(sql)).await?;
        }
        Ok(Self { session })
    }

    /// Nobody else writes to the table from here on.
    pub(crate) async fn has_rows(&mut self, table: &Table) -> Result<bool, Failure> {
        self.session.start_again();
        let lock = format!("LOCK TABLE {} IN SHARE ROW EXCLUSIVE MODE", table.name);
        self.session.execute(sqlx::query(sqlx::AssertSqlSafe(lock))).await?;
        let sql = format!("SELECT EXISTS (SELECT 1 FROM {}) AS found", table.name);
        let rows = self.session.fetch_all(sqlx::query(sqlx::AssertSqlSafe(sql))).await?;
        rows.first().map_or(Ok(false), |row| get(row, "found"))
    }

    pub(crate) async fn clear(&mut self, table: &Table) -> Result<(), Failure> {
        self.session.start_again();
        self.session.execute(sqlx::query(sqlx::AssertSqlSafe(format!("DELETE FROM {}", table.name)))).await?;
        Ok(())
    }

    pub(crate) async fn put(&mut self, table: &Table, rows: Vec<Value>) -> Result<(), Failure> {
        self.session.start_again();
        let names: Vec<&str> = table.columns.iter().map(|column| column.name).collect();
        let values: Vec<String> = table.columns.iter().enumerate().map(|(at, column)| taken_in(at, column)).collect();
        let numbered = if table.is_numbered { " OVERRIDING SYSTEM VALUE" } else { "" };
        let sql = format!(
            "INSERT INTO {} ({}){numbered} SELECT {} FROM jsonb_array_elements($1) WITH ORDINALITY AS r(v, place) ORDER BY place",
            table.name,
            names.join(", "),
            values.join(", ")
        );
        self.session.execute(sqlx::query(sqlx::AssertSqlSafe(sql)).bind(Value::Array(rows))).await?;
        if table.is_numbered {
            let sql = format!(
                "SELECT setval(pg_get_serial_sequence('{0}', 'id'), (SELECT max(id) FROM {0}))::text AS last",
                table.name
            );
            self.session.fetch_all(sqlx::query(sqlx::AssertSqlSafe(sql))).await?;
        }
        Ok(())
    }

    /// Reads all rows in the order of the table's key, as [`Self::rows`] gives them.
    pub(crate) async fn read(&mut self, table: &Table) -> Result<(), Failure> {
        self.session.start_again();
        let values: Vec<String> = table.columns.iter().map(given_out).collect();
        let sql = format!(
            "DECLARE moved NO SCROLL CURSOR FOR SELECT jsonb_build_array({}) AS row FROM {} ORDER BY {}",
            values.join(", "),
            table.name,
            table.key
        );
        self.session.execute(sqlx::query(sqlx::AssertSqlSafe(sql))).await?;
        Ok(())
    }

    /// The next rows; none if there are no more.
    pub(crate) async fn rows(&mut self, table: &Table) -> Result<Vec<Value>, Failure> {
        self.session.start_again();
        let sql = format!("FETCH {} FROM moved", table.portion);
        let rows = self.session.fetch_all(sqlx::query(sqlx::AssertSqlSafe(sql)).persistent(false)).await?;
        if rows.is_empty() {
            self.session.execute(sqlx::query("CLOSE moved")).await?;
        }
        rows.iter().map(|row| get(row, "row")).collect()
    }

    /// Builds the search index. Reports how many cards are done.
    pub(crate) async fn index(&mut self, told: impl Fn(u64)) -> Result<(), Failure> {
        let (mut after, mut done) = (Uuid::nil(), 0);
        loop {
            self.session.start_again();
            let sql = "SELECT id FROM cards WHERE id > $1 ORDER BY id LIMIT $2";
            let rows = self.session.fetch_all(sqlx::query(sql).bind(after).bind(signed(INDEXED))).await?;
            let cards = rows.iter().map(|row| get(row, "id")).collect::<Result<Vec<Uuid>, Failure>>()?;
            let Some(last) = cards.last() else { break };
            after = *last;
            done += cards.len() as u64;
            index_cards(&mut self.session, &cards).await?;
            told(done);
        }
        // Of cards that had left them but were not indexed again before the move.
        self.session.start_again();
        drop_stray_pages(&mut self.session).await
    }

    pub(crate) async fn commit(mut self) -> Result<(), Failure> {
        self.session.start_again();
        self.session.commit().await
    }
}

/// A value of a JSON row `v`, converted for the column.
fn taken_in(at: usize, column: &Column) -> String {
    match column.kind {
        Kind::Id => format!("(v->>{at})::uuid"),
        Kind::Bytes => format!("decode(v->>{at}, 'hex')"),
        Kind::Text => format!("v->>{at}"),
        Kind::Int => format!("(v->>{at})::bigint"),
        Kind::Bool => format!("(v->>{at})::int = 1"),
        Kind::Time => format!("timestamptz 'epoch' + (v->>{at})::bigint * interval '1 microsecond'"),
        Kind::Day => format!("date '1970-01-01' + (v->>{at})::int"),
        Kind::Json => format!("v->{at}"),
        Kind::Position => format!("(v->>{at})::xid8"),
        Kind::BytesList => list(at, "decode(e, 'hex')"),
        Kind::IdList => list(at, "e::uuid"),
        Kind::TimeList => list(at, "timestamptz 'epoch' + e::bigint * interval '1 microsecond'"),
    }
}

fn list(at: usize, element: &str) -> String {
    format!(
        "ARRAY(SELECT {element} FROM jsonb_array_elements_text(v->{at}) WITH ORDINALITY AS l(e, turn) ORDER BY turn)"
    )
}

/// The reverse conversion.
fn given_out(column: &Column) -> String {
    let name = column.name;
    match column.kind {
        Kind::Id => format!("replace({name}::text, '-', '')"),
        Kind::Bytes => format!("encode({name}, 'hex')"),
        Kind::Text | Kind::Int | Kind::Json => name.to_owned(),
        Kind::Bool => format!("{name}::int"),
        Kind::Time => micros(name),
        Kind::Day => format!("{name} - date '1970-01-01'"),
        Kind::Position => format!("{name}::text::bigint"),
        Kind::BytesList => elements(name, "encode(e, 'hex')"),
        Kind::IdList => elements(name, "replace(e::text, '-', '')"),
        Kind::TimeList => elements(name, &micros("e")),
    }
}

fn micros(name: &str) -> String {
    format!("(extract(epoch FROM {name}) * 1000000)::bigint")
}

fn elements(name: &str, element: &str) -> String {
    format!(
        "(SELECT coalesce(jsonb_agg({element} ORDER BY turn), '[]') FROM unnest({name}) WITH ORDINALITY AS l(e, turn))"
    )
}
