//! Connections and time-outs.
//!
//! Getting a connection and each statement have their own time-outs, so the client notices a server that is down or
//! hangs. A connection whose statement was given up is closed and never reused.

use std::time::Duration;

use cardwire_events::ServerUrl;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::{Connection, Postgres};
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::Failure;

/// How many connections, and how long to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolSettings {
    pub max_connections: u32,
    /// For a connection, whether new or from the pool.
    pub acquire_ms: u64,
    /// For a command or a page, all its statements together.
    pub answer_ms: u64,
    /// For a batch of events, all its statements together. Less than a handler has, so that a slow server is not the events' fault.
    pub batch_ms: u64,
    /// For a lock, in the server.
    pub lock_ms: u64,
    /// How often a look for due deliveries begins at the oldest, instead of where the last one ended.
    pub whole_look_ms: u64,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 16,
            acquire_ms: 2_000,
            answer_ms: 2_500,
            batch_ms: 20_000,
            lock_ms: 5_000,
            whole_look_ms: 60_000,
        }
    }
}

/// The parameters that a database URL may have.
const PARAMETERS: [&str; 17] = [
    "application_name",
    "dbname",
    "host",
    "hostaddr",
    "options",
    "password",
    "port",
    "ssl-ca",
    "ssl-cert",
    "ssl-key",
    "ssl-mode",
    "ssl-root-cert",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];
const FILES: [&str; 7] = ["ssl-ca", "ssl-cert", "ssl-key", "ssl-root-cert", "sslcert", "sslkey", "sslrootcert"];

/// Parses a database URL. Also returns it for display, without secrets.
///
/// # Errors
/// The rule that it breaks. The message repeats nothing of the URL except names of known parameters.
pub fn read_url(text: &str) -> Result<(PgConnectOptions, ServerUrl), String> {
    let url = ServerUrl::parse(text, &["postgres", "postgresql"]).map_err(|error| error.to_string())?;
    if url.path.contains('/') {
        return Err("must end in the name of a database".into());
    }
    for (name, value) in &url.parameters {
        if !PARAMETERS.contains(&name.as_str()) {
            return Err(format!("has a parameter that is not known; known are {}", PARAMETERS.join(", ")));
        }
        if FILES.contains(&name.as_str()) && std::fs::File::open(value).is_err() {
            return Err(format!("names a file as {name} that cannot be read"));
        }
    }
    // Its error may quote what it cannot read.
    let options: PgConnectOptions = text.parse().map_err(|_| "has a parameter with a value that it cannot have")?;
    // It would treat an address in brackets as a name.
    let in_brackets = url.host.contains(':') && !url.parameters.iter().any(|(name, _)| name.starts_with("host"));
    Ok((if in_brackets { options.host(&url.host) } else { options }, url))
}

/// Idle connections older than this are tried out before they are used.
const TRUSTED_IDLE: Duration = Duration::from_secs(1);

impl PoolSettings {
    /// A pool that connects when it is first used.
    ///
    /// Everything here finds rows by an index. A plan that was made while a table was empty would scan it, and stay
    /// cached while the table grows; so such plans are switched off. The server has the time-outs too, so that it does
    /// not work or hold locks for a client that is gone.
    pub fn pool(&self, options: PgConnectOptions) -> PgPool {
        let options = options.application_name("cardwire").options([
            ("statement_timeout", self.batch_ms.to_string()),
            ("lock_timeout", self.lock_ms.to_string()),
            // Less than others wait for a lock: an idle transaction must not make them fail.
            ("idle_in_transaction_session_timeout", "4000".to_owned()),
            ("client_connection_check_interval", "1000".to_owned()),
            ("enable_seqscan", "off".to_owned()),
            ("enable_hashjoin", "off".to_owned()),
            ("enable_mergejoin", "off".to_owned()),
            ("jit", "off".to_owned()),
        ]);
        PgPoolOptions::new()
            .max_connections(self.max_connections)
            .acquire_timeout(Duration::from_millis(self.acquire_ms))
            .test_before_acquire(false)
            .before_acquire(|connection, meta| {
                Box::pin(async move {
                    if meta.idle_for > TRUSTED_IDLE {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            // Otherwise each connection that ever sent a large batch would keep the memory it needed.
            .after_release(|connection, _| {
                connection.shrink_buffers();
                Box::pin(async { Ok(true) })
            })
            .connect_lazy_with(options)
    }
}

/// A connection in use. Dropping it rolls back what was not committed; the connection goes back to the pool unless a statement
/// on it was given up.
pub(super) struct Session {
    connection: Option<PoolConnection<Postgres>>,
    patience: Duration,
    deadline: Instant,
    in_transaction: bool,
    broken: bool,
}

const ROLLBACK_PATIENCE: Duration = Duration::from_secs(2);

impl Session {
    /// Everything done with it, including getting the connection, must finish within `patience`: a server that is slow
    /// in every statement counts as unavailable before the caller gives up for another reason.
    ///
    /// A connection ends with the runtime that opened it. The runtimes of request handlers end before the process does,
    /// and code still using their connections would not learn the result of its last statement. So all connections are
    /// opened at `home`.
    pub(super) async fn open(pool: &PgPool, home: Option<&Handle>, patience: Duration) -> Result<Self, Failure> {
        let deadline = Instant::now() + patience;
        let connection = match home {
            Some(home) if home.id() != Handle::current().id() => {
                let pool = pool.clone();
                // Without a result if that runtime ends.
                home.spawn(async move { pool.acquire().await }).await.unwrap_or(Err(sqlx::Error::PoolClosed))?
            }
            _ => pool.acquire().await?,
        };
        Ok(Self { connection: Some(connection), patience, deadline, in_transaction: false, broken: false })
    }

    /// For work in portions: the next one gets the full time again.
    pub(super) fn start_again(&mut self) {
        self.deadline = Instant::now() + self.patience;
    }

    pub(super) async fn begin(&mut self) -> Result<(), Failure> {
        if !self.in_transaction {
            self.in_transaction = true;
            self.execute(sqlx::query("BEGIN")).await?;
        }
        Ok(())
    }

    /// Commits what [`Self::begin`] began, if it did.
    pub(super) async fn commit(&mut self) -> Result<(), Failure> {
        if self.in_transaction {
            self.execute(sqlx::query("COMMIT")).await?;
            self.in_transaction = false;
        }
        Ok(())
    }

    /// How many rows it changed.
    pub(super) async fn execute(&mut self, query: Query<'_, Postgres, PgArguments>) -> Result<u64, Failure> {
        let connection = self.connection.as_mut().expect("a session has its connection until it is dropped");
        // Until the answer arrives, dropping this future leaves the connection in the middle of a statement.
        self.broken = true;
        let answer = timeout_at(self.deadline, query.execute(&mut **connection)).await;
        self.settle(answer).map(|done| done.rows_affected())
    }

    pub(super) async fn fetch_all(&mut self, query: Query<'_, Postgres, PgArguments>) -> Result<Vec<PgRow>, Failure> {
        let connection = self.connection.as_mut().expect("a session has its connection until it is dropped");
        self.broken = true;
        let answer = timeout_at(self.deadline, query.fetch_all(&mut **connection)).await;
        self.settle(answer)
    }

    fn settle<T>(&mut self, answer: Result<sqlx::Result<T>, tokio::time::error::Elapsed>) -> Result<T, Failure> {
        let result = match answer {
            Ok(result) => result.map_err(Failure::from),
            Err(_) => Err(Failure::NoAnswer(self.patience)),
        };
        self.broken = result.as_ref().is_err_and(|failure| !failure.leaves_connection_usable());
        result
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let Some(mut connection) = self.connection.take() else {
            return;
        };
        if self.broken {
            connection.close_on_drop();
        } else if self.in_transaction {
            tokio::spawn(async move {
                let undone = timeout(ROLLBACK_PATIENCE, sqlx::query("ROLLBACK").execute(&mut *connection)).await;
                if !matches!(undone, Ok(Ok(_))) {
                    connection.close_on_drop();
                }
            });
        }
    }
}
