//! Redis and PostgreSQL: the run's own, or those it was given.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use cardwire_events::redis::{Connection, RedisSettings, Repeat};
use cardwire_testkit::postgres::{Database, Postgres};
use cardwire_testkit::redis::RedisServer;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;

use crate::accounting;

/// For --explain.
const PRELOADED: [&str; 2] = ["shared_preload_libraries=pg_stat_statements", "pg_stat_statements.track_planning=on"];

/// Where the servers of a run come from.
pub struct Servers {
    postgres: Postgres,
    redis_url: Option<String>,
    redis_aof: bool,
}

/// An empty Redis and a new database, for one scenario.
pub struct Ground {
    pub redis: Redis,
    pub database: Database,
    pub pool: PgPool,
    /// `None`: on another machine.
    postgres_pid: Option<u32>,
}

pub struct Redis {
    pub url: String,
    pub connection: Connection,
    pid: Option<u32>,
    /// Ends when it is dropped.
    _own: Option<RedisServer>,
}

/// Processor time used by both servers.
#[derive(Clone, Copy, Debug, Default)]
pub struct ServerCpu {
    pub redis: Duration,
    pub postgres: Duration,
}

impl Servers {
    /// Starts what is not given. PostgreSQL is as durable as it comes. Call it in the main thread: its servers end with it.
    pub fn start(redis_url: Option<String>, database_url: Option<&str>, redis_aof: bool) -> anyhow::Result<Self> {
        let postgres = match database_url {
            Some(url) => Postgres::at(url),
            None => Postgres::start_durable(&PRELOADED)?,
        };
        Ok(Self { postgres, redis_url, redis_aof })
    }

    /// A new database with the schema.
    pub async fn database(&self) -> anyhow::Result<Database> {
        self.postgres.database().await
    }

    /// # Errors
    /// Also when the Redis that was given holds something: scenarios need an empty one, and empty it.
    pub async fn ground(&self) -> anyhow::Result<Ground> {
        let own = match self.redis_url {
            Some(_) => None,
            None if self.redis_aof => {
                Some(RedisServer::start_with(&["--appendonly", "yes", "--appendfsync", "everysec"]))
            }
            None => Some(RedisServer::start()),
        };
        let url = own.as_ref().map(RedisServer::url).or_else(|| self.redis_url.clone()).context("a Redis")?;
        let connection = Connection::open(RedisSettings::from_url(&url)?)?;
        let keys: u64 = connection.server_command("DBSIZE", Vec::new()).await?;
        ensure!(keys == 0, "the Redis at --redis-url holds {keys} keys; a throw-away one is needed");
        let mut redis = Redis { url, connection, pid: None, _own: own };
        redis.pid = redis.info("process_id").await?.parse().ok().filter(|pid| accounting::name(*pid).contains("redis"));
        let database = self.database().await?;
        let pool = PgPoolOptions::new().max_connections(2).connect(database.url()).await?;
        let backend: i32 = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&pool).await?;
        let backend = u32::try_from(backend)?;
        let postgres_pid =
            accounting::name(backend).contains("postgres").then(|| accounting::parent(backend)).flatten();
        Ok(Ground { redis, database, pool, postgres_pid })
    }
}

impl Ground {
    pub fn cpu(&self) -> ServerCpu {
        ServerCpu {
            redis: self.redis.pid.map(accounting::cpu).unwrap_or_default(),
            postgres: self.postgres_pid.map(accounting::cpu_of_family).unwrap_or_default(),
        }
    }

    /// How many bytes of WAL the server has written, all its databases together.
    pub async fn wal(&self) -> anyhow::Result<f64> {
        let sql = "SELECT pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::float8";
        Ok(sqlx::query_scalar(sql).fetch_one(&self.pool).await?)
    }

    /// What was prepared is no longer on its way to the disk, and is known to the planner.
    pub async fn settle_postgres(&self) -> anyhow::Result<()> {
        sqlx::raw_sql("VACUUM ANALYZE").execute(&self.pool).await.context("VACUUM")?;
        sqlx::raw_sql("CHECKPOINT").execute(&self.pool).await.context("CHECKPOINT")?;
        Ok(())
    }

    /// Leaves the Redis as empty as it was.
    pub async fn clear(self) -> anyhow::Result<()> {
        self.pool.close().await;
        self.redis.connection.server_command::<String>("FLUSHDB", Vec::new()).await?;
        Ok(())
    }
}

impl Redis {
    pub async fn used_memory(&self) -> anyhow::Result<u64> {
        Ok(self.info("used_memory").await?.parse()?)
    }

    pub async fn rename(&self, from: &str, to: &str) -> anyhow::Result<()> {
        let keys = vec![from.into(), to.into()];
        self.connection.command::<String>("RENAME", keys, Repeat::Never).await?;
        Ok(())
    }

    pub async fn push(&self, list: &str, value: &str) -> anyhow::Result<()> {
        self.connection.command::<i64>("LPUSH", vec![list.into(), value.into()], Repeat::Never).await?;
        Ok(())
    }

    async fn info(&self, field: &str) -> anyhow::Result<String> {
        let info: String = self.connection.server_command("INFO", Vec::new()).await?;
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        Ok(line.with_context(|| format!("INFO has no {field}"))?.trim().to_owned())
    }
}
