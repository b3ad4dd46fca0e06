//! The contract of accounts and sessions, over SQLite and PostgreSQL.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_events::Handover;
use cardwire_testkit::account_suite::Accounts;
use cardwire_testkit::store_suite::TimeMachine;

mod sqlite {
    use cardwire_storage::SqliteStore;
    use cardwire_testkit::TokioClock;

    use super::*;

    struct TokioTime;

    #[async_trait]
    impl TimeMachine for TokioTime {
        async fn advance(&self, by: Duration) {
            tokio::time::advance(by).await;
        }
    }

    async fn accounts_in_sqlite() -> anyhow::Result<Accounts> {
        let store = SqliteStore::in_memory(Arc::new(TokioClock::new()), Handover::default())?;
        Ok(Accounts { store: Arc::new(store), time: Arc::new(TokioTime), guard: Box::new(()) })
    }

    cardwire_testkit::account_suite!(accounts_in_sqlite, (start_paused = true));
}

mod postgres {
    use cardwire_storage::PostgresStore;
    use cardwire_storage::postgres::PoolSettings;
    use cardwire_testkit::postgres::Postgres;
    use sqlx::PgPool;

    use super::*;

    /// Makes all account data older.
    struct Ageing(PgPool);

    const TIMES: [(&str, &[&str]); 6] = [
        ("sessions", &["access_expires_at", "refresh_expires_at", "last_seen_at", "created_at"]),
        ("api_tokens", &["expires_at", "last_used_at", "created_at"]),
        ("invites", &["expires_at", "created_at"]),
        ("password_resets", &["expires_at"]),
        ("atproto_sign_ins", &["expires_at"]),
        ("atproto_connections", &["lease_until", "connected_at"]),
    ];

    #[async_trait]
    impl TimeMachine for Ageing {
        async fn advance(&self, by: Duration) {
            for (table, columns) in TIMES {
                let older = columns.iter().map(|column| format!("{column} = {column} - make_interval(secs => $1)"));
                let sql = format!("UPDATE {table} SET {}", older.collect::<Vec<_>>().join(", "));
                let query = sqlx::query(sqlx::AssertSqlSafe(sql)).bind(by.as_secs_f64());
                query.execute(&self.0).await.expect("PostgreSQL is there");
            }
        }
    }

    async fn accounts_in_postgres() -> anyhow::Result<Accounts> {
        let server = Postgres::shared()?;
        let database = server.database().await?;
        let store = PostgresStore::connect(database.url(), PoolSettings::default(), Handover::default())?;
        let time = Arc::new(Ageing(store.pool().clone()));
        // Dropped in this order: the database before its server.
        Ok(Accounts { store: Arc::new(store), time, guard: Box::new((database, server)) })
    }

    cardwire_testkit::account_suite!(accounts_in_postgres, ());
}
