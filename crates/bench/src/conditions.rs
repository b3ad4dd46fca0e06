//! What else goes on in PostgreSQL while something is measured.

use std::time::Duration;

use cardwire_testkit::postgres::Database;
use sqlx::{Connection, PgConnection};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::servers::{Ground, Servers};

/// How long the transaction of the foreign writer stays open.
const WRITES_FOR: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// A report, a back-up, a forgotten psql: a snapshot that is as old as the run.
    pub held_snapshot: bool,
    /// Somebody writes into another database of the server.
    pub foreign_writer: bool,
}

/// They hold until this is dropped.
pub struct Held {
    _snapshot: Option<PgConnection>,
    _writer: JoinSet<anyhow::Result<()>>,
    _elsewhere: Option<Database>,
}

impl Conditions {
    pub async fn hold(self, servers: &Servers, ground: &Ground) -> anyhow::Result<Held> {
        let mut held = Held { _snapshot: None, _writer: JoinSet::new(), _elsewhere: None };
        if self.held_snapshot {
            let mut connection = PgConnection::connect(ground.database.url()).await?;
            let sql = "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM deliveries";
            sqlx::raw_sql(sql).execute(&mut connection).await?;
            held._snapshot = Some(connection);
        }
        if self.foreign_writer {
            let elsewhere = servers.database().await?;
            let mut connection = PgConnection::connect(elsewhere.url()).await?;
            sqlx::raw_sql("CREATE TABLE report (n integer)").execute(&mut connection).await?;
            held._writer.spawn(async move {
                loop {
                    sqlx::raw_sql("BEGIN; INSERT INTO report VALUES (1)").execute(&mut connection).await?;
                    sleep(WRITES_FOR).await;
                    sqlx::raw_sql("COMMIT").execute(&mut connection).await?;
                }
            });
            held._elsewhere = Some(elsewhere);
        }
        Ok(held)
    }

    /// For the name of a case.
    pub const fn name(self) -> &'static str {
        match (self.held_snapshot, self.foreign_writer) {
            (false, false) => "",
            (true, false) => ", a snapshot held",
            (false, true) => ", a foreign writer",
            (true, true) => ", a snapshot held, a foreign writer",
        }
    }
}
