//! The only place that chooses adapters. Everything else knows only the ports.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use async_trait::async_trait;
use cardwire_atproto::{Agents, CallError, Repos};
use cardwire_domain::account_store::AccountStore;
use cardwire_domain::analytics::Analytics;
use cardwire_domain::collection::CollectionRepository;
use cardwire_domain::feed::FeedRepository;
use cardwire_domain::imports::ImportRepository;
use cardwire_domain::library::LibraryRepository;
use cardwire_domain::metadata::PageRepository;
use cardwire_domain::pictures::PictureRepository;
use cardwire_domain::public::PublicRepository;
use cardwire_domain::records::RecordRepository;
use cardwire_domain::search::SearchIndex;
use cardwire_domain::{Store, SystemClock, UserId};
use cardwire_events::memory::{
    InMemoryEventPublisher, InMemoryEventSubscriber, InMemoryQueues, InMemoryWorkerRegistry,
};
use cardwire_events::redis::{
    Connection, Deployment, RedisEventPublisher, RedisEventSubscriber, RedisWorkerRegistry, Tls, Topology, agree,
};
use cardwire_events::relay::RelaySettings;
use cardwire_events::worker::LEASE;
use cardwire_events::{
    EventHandler, EventLog, EventPublisher, EventSubscriber, EventWorker, Finder, Handover, Operator, Pauses, Queue,
    Rebuilds, Relay, Replays, WorkHistory, WorkerRegistry,
};
use cardwire_saga::{
    CardCollectionSaga, InMemorySagaStateStore, RedisSagaStateStore, SagaSettings, SagaStateStore, Timing,
};
use cardwire_storage::postgres::{PoolSettings, PostgresStore, SchemaError};
use cardwire_storage::sqlite::{self, SqliteStore};
use cardwire_workers::import::ImportSettings;
use cardwire_workers::metadata::{AddressPolicy, FetchLimits, MetadataSettings, PageFetcher, system_lookup};
use cardwire_workers::pictures::PictureSettings;
use cardwire_workers::records::RecordSettings;
use cardwire_workers::{
    AnalyticsHandler, FakeRecordPublisher, FeedHandler, ImportLoop, MetadataLoop, PictureLoop, RecordHandler,
    RecordLoop, SearchHandler,
};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::measure::Measurements;
use crate::network;
use crate::readiness::Readiness;
use crate::settings::{Address, RedisSettings, RedisTopology, Settings, SettingsError, StoreSettings};

/// How long a worker is listed after its last report.
const REMEMBER_WORKERS: Duration = Duration::from_secs(30);
/// How often to retry a server that could not be reached at the start.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// A round that stays within the process costs little, so waiting for more events gains less.
const GATHER_IN_MEMORY: Duration = Duration::from_millis(10);
/// How long a server of the AT Protocol network may take to refresh a session once the process is told to stop.
const REFRESH_PATIENCE: Duration = Duration::from_secs(5);
/// How long a migration waits for an unreachable database.
const MIGRATE_PATIENCE: Duration = Duration::from_secs(30);

/// The adapters of a process. Clones share them.
#[derive(Clone)]
pub struct Adapters {
    pub store: Arc<dyn Store>,
    pub library: Arc<dyn LibraryRepository>,
    pub collections: Arc<dyn CollectionRepository>,
    pub feed: Arc<dyn FeedRepository>,
    pub public: Arc<dyn PublicRepository>,
    pub search: Arc<dyn SearchIndex>,
    pub analytics: Arc<dyn Analytics>,
    pub pages: Arc<dyn PageRepository>,
    pub pictures: Arc<dyn PictureRepository>,
    pub accounts: Arc<dyn AccountStore>,
    pub imports: Arc<dyn ImportRepository>,
    pub log: Arc<dyn EventLog>,
    pub operator: Arc<dyn Operator>,
    pub finder: Arc<dyn Finder>,
    pub history: Arc<dyn WorkHistory>,
    pub rebuilds: Arc<dyn Rebuilds>,
    pub replays: Arc<dyn Replays>,
    /// Relay and workers leave paused queues alone. Somebody has to keep this up to date: see [`crate::Rounds`].
    pub pauses: Pauses,
    pub publisher: Arc<dyn EventPublisher>,
    pub registry: Arc<dyn WorkerRegistry>,
    pub saga_store: Arc<dyn SagaStateStore>,
    pub saga: Arc<CardCollectionSaga>,
    /// What this site does in the AT Protocol network. `None`: nothing, without APP__SECRET_KEY.
    pub agents: Option<Agents>,
    pub records: Arc<dyn RecordRepository>,
    /// People's repositories.
    repos: Arc<dyn Repos>,
    /// Everybody has a repository: a stand-in.
    fakes_repos: bool,
    handover: Handover,
    transport: Transport,
    database: Option<PostgresStore>,
    file: Option<SqliteStore>,
}

#[derive(Clone)]
enum Transport {
    Memory(InMemoryQueues),
    Redis { connection: Connection, deployment: Deployment, partitions: u16 },
}

impl Adapters {
    /// Creates all adapters without waiting for any server. Call it on the runtime that will drive the connections.
    pub fn plug(settings: &Settings) -> anyhow::Result<Self> {
        let handover = Handover::default();
        let transport = if settings.use_in_memory_events {
            Transport::Memory(InMemoryQueues::default())
        } else {
            let deployment = Deployment::default();
            let redis = cardwire_events::redis::RedisSettings {
                deployment: Some(deployment.clone()),
                ..connection_settings(&settings.redis)?
            };
            let connection = Connection::open(redis).context("connecting to Redis")?;
            Transport::Redis { connection, deployment, partitions: settings.redis.partitions }
        };
        let in_file = |place| -> anyhow::Result<Self> {
            let store = SqliteStore::open(place, Arc::new(SystemClock), handover.clone()).map_err(unfit)?;
            Ok(Self {
                file: Some(store.clone()),
                ..Self::over(store, None, handover.clone(), transport.clone(), settings)
            })
        };
        let adapters = match &settings.store {
            StoreSettings::Memory => in_file(sqlite::Place::Memory)?,
            StoreSettings::File(path) => in_file(sqlite::Place::File(path.clone()))?,
            StoreSettings::Postgres(database) => {
                let pool = PoolSettings { max_connections: database.max_connections, ..PoolSettings::default() };
                let store = PostgresStore::connect(database.url.expose_secret(), pool, handover.clone())
                    .map_err(|error| SettingsError::value("DATABASE_URL", error.to_string()))?;
                Self::over(store.clone(), Some(store), handover, transport, settings)
            }
        };
        let agents = network::agents(settings, adapters.accounts.clone())?;
        let repos: Arc<dyn Repos> = match &agents {
            _ if settings.use_fake_publishers => Arc::new(FakeRecordPublisher::default()),
            Some(agents) => Arc::new(agents.clone()),
            None => Arc::new(Nobodys),
        };
        Ok(Self { agents, repos, ..adapters })
    }

    fn over<S>(
        store: S,
        database: Option<PostgresStore>,
        handover: Handover,
        transport: Transport,
        settings: &Settings,
    ) -> Self
    where
        S: Store
            + LibraryRepository
            + CollectionRepository
            + FeedRepository
            + PublicRepository
            + SearchIndex
            + Analytics,
        S: AccountStore
            + EventLog
            + PageRepository
            + PictureRepository
            + ImportRepository
            + RecordRepository
            + Operator
            + Finder
            + WorkHistory
            + Rebuilds
            + Replays
            + 'static,
    {
        let store = Arc::new(store);
        let (publisher, registry, saga_store): (
            Arc<dyn EventPublisher>,
            Arc<dyn WorkerRegistry>,
            Arc<dyn SagaStateStore>,
        ) = match &transport {
            Transport::Memory(queues) => (
                Arc::new(InMemoryEventPublisher::new(queues.clone())),
                Arc::new(InMemoryWorkerRegistry::new(Arc::new(SystemClock), REMEMBER_WORKERS)),
                Arc::new(InMemorySagaStateStore::new(Arc::new(SystemClock), Timing::default())),
            ),
            Transport::Redis { connection, partitions, .. } => (
                Arc::new(RedisEventPublisher::new(connection.clone(), *partitions)),
                Arc::new(RedisWorkerRegistry::new(connection.clone(), REMEMBER_WORKERS)),
                Arc::new(RedisSagaStateStore::new(connection.clone(), *partitions, Timing::default())),
            ),
        };
        let log: Arc<dyn EventLog> = store.clone();
        let feed: Arc<dyn FeedRepository> = store.clone();
        let saga = CardCollectionSaga::new(saga_store.clone(), feed.clone(), log.clone(), SagaSettings::default());
        Self {
            store: store.clone(),
            library: store.clone(),
            collections: store.clone(),
            feed,
            public: store.clone(),
            search: store.clone(),
            analytics: store.clone(),
            pages: store.clone(),
            pictures: store.clone(),
            operator: store.clone(),
            finder: store.clone(),
            history: store.clone(),
            rebuilds: store.clone(),
            replays: store.clone(),
            pauses: Pauses::not_known_yet(),
            accounts: store.clone(),
            imports: store.clone(),
            records: store,
            repos: Arc::new(Nobodys),
            fakes_repos: settings.use_fake_publishers,
            log,
            publisher,
            registry,
            saga_store,
            saga: Arc::new(saga),
            agents: None,
            handover,
            transport,
            database,
            file: None,
        }
    }

    /// Checks that the servers are suitable for Cardwire: the schema is there, Redis is new enough and does not evict
    /// data. Waits for unreachable servers until `stop`; an error means that they are not suitable.
    pub async fn verify(&self, settings: &Settings, stop: &CancellationToken) -> anyhow::Result<()> {
        tokio::select! {
            () = stop.cancelled() => Ok(()),
            verified = async {
                self.verify_database().await?;
                self.tell_deployment().await?;
                self.verify_redis(settings).await
            } => verified,
        }
    }

    /// Like [`Self::verify`], for the database alone.
    pub async fn verify_store(&self) -> anyhow::Result<()> {
        self.verify_database().await
    }

    async fn verify_database(&self) -> anyhow::Result<()> {
        let Some(database) = &self.database else { return Ok(()) };
        available(|| database.check_schema()).await
    }

    async fn tell_deployment(&self) -> anyhow::Result<()> {
        if let (Some(database), Transport::Redis { deployment, .. }) = (&self.database, &self.transport) {
            deployment.tell(&available(|| database.deployment()).await?);
        }
        Ok(())
    }

    async fn verify_redis(&self, settings: &Settings) -> anyhow::Result<()> {
        let Transport::Redis { connection, partitions, .. } = &self.transport else { return Ok(()) };
        let mut said = false;
        loop {
            let checked = async {
                connection.check_server(settings.redis.allow_any_maxmemory_policy).await?;
                for queue in Queue::ALL {
                    agree(connection, queue, *partitions).await?;
                }
                Ok(())
            };
            match checked.await {
                Ok(()) => return Ok(()),
                Err(cardwire_events::Error::Misconfigured(_, why)) => {
                    return Err(SettingsError::contradiction(format!("Redis: {why}")).into());
                }
                Err(error) => {
                    if !said {
                        tracing::warn!(%error, "waiting for Redis");
                    }
                    said = true;
                    sleep(LOOK_AGAIN).await;
                }
            }
        }
    }

    /// Brings the database schema up to date. A release must not fail because the database is restarting, so it waits
    /// 30 s for an unreachable server.
    pub async fn migrate(&self) -> anyhow::Result<()> {
        // A file is brought up to date whenever it is opened.
        let Some(database) = &self.database else { return Ok(()) };
        let give_up = Instant::now() + MIGRATE_PATIENCE;
        let mut said = false;
        let version = loop {
            match database.migrate().await {
                Err(SchemaError::Unavailable(why)) if Instant::now() < give_up => {
                    if !said {
                        tracing::warn!(%why, "waiting up to 30 s for PostgreSQL");
                    }
                    said = true;
                    sleep(LOOK_AGAIN).await;
                }
                migrated => break migrated.map_err(told)?,
            }
        };
        tracing::info!(version, "the schema is up to date");
        Ok(())
    }

    /// For a process that ends. Waits some seconds until AT Protocol sessions that are being refreshed are stored: if a
    /// server's new session is not kept, the connection is lost.
    pub async fn finish_refreshes(&self) {
        if let Some(agents) = &self.agents
            && timeout(REFRESH_PATIENCE, agents.drained()).await.is_err()
        {
            tracing::warn!("a server did not finish refreshing a session; its person may have to connect again");
        }
    }

    /// For a process that ends. If there is a file, leaves it in a state that can be copied.
    pub async fn close(&self) -> anyhow::Result<()> {
        match &self.file {
            Some(file) => file.close().await.context("closing the file"),
            None => Ok(()),
        }
    }

    /// Adds the checks that show whether this process can do its work. `web` accepts requests without Redis: the event
    /// log keeps the events.
    pub fn watch(&self, readiness: &Readiness, needs_redis: bool) {
        readiness.tell_paused(self.pauses.clone());
        let store = self.store.clone();
        readiness.check("store", move || {
            let store = store.clone();
            async move { store.ping().await.map_err(|error| error.to_string()) }
        });
        if let (Transport::Redis { connection, .. }, true) = (&self.transport, needs_redis) {
            let connection = connection.clone();
            readiness.check("redis", move || {
                let connection = connection.clone();
                async move { connection.ping().await.map_err(|error| error.to_string()) }
            });
        }
    }

    pub fn relay(&self, settings: &Settings) -> Relay {
        let mut relay = RelaySettings {
            max_depth: settings.relay_max_depth,
            keep: settings.keep_events,
            ..RelaySettings::default()
        };
        if let Transport::Memory(_) = self.transport {
            relay.gather = GATHER_IN_MEMORY;
        }
        Relay::new(self.log.clone(), self.publisher.clone(), self.handover.clone(), relay)
            .followed_by(Queue::Feeds, self.saga.clone())
            .pausable(self.pauses.clone())
    }

    pub fn subscriber(&self, queue: Queue) -> anyhow::Result<Arc<dyn EventSubscriber>> {
        Ok(match &self.transport {
            Transport::Memory(queues) => Arc::new(InMemoryEventSubscriber::new(queues, queue)),
            Transport::Redis { connection, partitions, .. } => {
                Arc::new(RedisEventSubscriber::new(connection.clone(), queue, *partitions, LEASE)?)
            }
        })
    }

    pub fn worker(&self, queue: Queue, subscriber: Arc<dyn EventSubscriber>, settings: &Settings) -> EventWorker {
        EventWorker::new(queue, settings.queue(queue), subscriber, self.handler(queue), self.log.clone())
            .pausable(self.pauses.clone())
    }

    /// How many events are where, as this process sees it.
    pub fn measurements(&self) -> anyhow::Result<Measurements> {
        let mut queues = Vec::new();
        for queue in Queue::ALL {
            queues.push((queue, self.subscriber(queue)?));
        }
        let apart = matches!(self.transport, Transport::Redis { .. });
        Ok(Measurements {
            log: self.log.clone(),
            queues,
            workers: apart.then(|| self.registry.clone()),
            saga: self.saga_store.clone(),
            clock: Arc::new(SystemClock),
        })
    }

    /// Saves the rows of imports.
    pub fn imports(&self) -> ImportLoop {
        ImportLoop::new(self.imports.clone(), self.store.clone(), ImportSettings::default())
    }

    /// Fetches what pages say about themselves.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn metadata(&self, settings: &Settings) -> anyhow::Result<MetadataLoop> {
        Ok(MetadataLoop::new(self.pages.clone(), fetcher(settings)?, MetadataSettings::default()))
    }

    /// Fetches the covers and icons of pages.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn picture_loop(&self, settings: &Settings) -> anyhow::Result<PictureLoop> {
        Ok(PictureLoop::new(self.pictures.clone(), fetcher(settings)?, PictureSettings::default()))
    }

    /// Publishes everything public in people's own repositories.
    pub fn publishing(&self, settings: &Settings) -> RecordLoop {
        let records = RecordSettings::new(&settings.network.prefix);
        RecordLoop::new(self.records.clone(), self.repos.clone(), records)
    }

    pub fn handler(&self, queue: Queue) -> Arc<dyn EventHandler> {
        match queue {
            Queue::Feeds => Arc::new(FeedHandler::new(self.saga.clone(), self.feed.clone(), self.log.clone())),
            Queue::Search => Arc::new(SearchHandler::new(self.search.clone())),
            Queue::Analytics => Arc::new(AnalyticsHandler::new(self.analytics.clone())),
            Queue::Records => Arc::new(RecordHandler::new(self.records.clone(), self.fakes_repos)),
        }
    }
}

fn fetcher(settings: &Settings) -> anyhow::Result<PageFetcher> {
    let policy = AddressPolicy { allow_private: settings.metadata_allow_private_hosts, ..AddressPolicy::default() };
    PageFetcher::new(policy, FetchLimits::default(), system_lookup()).context("setting up fetches")
}

/// Nobody has a repository.
struct Nobodys;

#[async_trait]
impl Repos for Nobodys {
    async fn procedure(&self, _: &UserId, _: &str, _: Value) -> Result<Value, CallError> {
        Err(CallError::NotConnected)
    }

    async fn query(&self, _: &UserId, _: &str, _: &[(&str, &str)]) -> Result<Value, CallError> {
        Err(CallError::NotConnected)
    }
}

/// What a command for managing accounts needs: the accounts and the audit log.
pub struct ForAccounts {
    pub accounts: Arc<dyn AccountStore>,
    pub operator: Arc<dyn Operator>,
}

impl ForAccounts {
    fn of<S: AccountStore + Operator + 'static>(store: S) -> Self {
        let store = Arc::new(store);
        Self { accounts: store.clone(), operator: store }
    }
}

/// For a command that ends at once. A process may have the file open.
///
/// # Errors
/// If nothing is stored permanently, or the store is not suitable.
pub async fn for_accounts(settings: &Settings) -> anyhow::Result<ForAccounts> {
    match &settings.store {
        StoreSettings::Memory => {
            Err(SettingsError::contradiction("USE_MOCK_REPOS: what a process holds in memory it alone can see").into())
        }
        StoreSettings::File(path) => {
            Ok(ForAccounts::of(SqliteStore::join(path, Arc::new(SystemClock)).map_err(unfit)?))
        }
        StoreSettings::Postgres(database) => {
            let store =
                PostgresStore::connect(database.url.expose_secret(), PoolSettings::default(), Handover::default())
                    .map_err(|error| SettingsError::value("DATABASE_URL", error.to_string()))?;
            store.check_schema().await.map_err(told)?;
            Ok(ForAccounts::of(store))
        }
    }
}

/// Finds problems that would stop a process although its settings are valid, such as a missing file.
pub(crate) fn check(settings: &Settings) -> anyhow::Result<()> {
    match settings.use_in_memory_events {
        true => Ok(()),
        false => connection_settings(&settings.redis).map(drop),
    }
}

/// What the database answers once it can be reached.
async fn available<T, F: Future<Output = Result<T, SchemaError>>>(ask: impl Fn() -> F) -> anyhow::Result<T> {
    let mut said = false;
    loop {
        match ask().await {
            Err(SchemaError::Unavailable(error)) => {
                if !said {
                    tracing::warn!(error, "waiting for PostgreSQL");
                }
                said = true;
                sleep(LOOK_AGAIN).await;
            }
            answer => return answer.map_err(told),
        }
    }
}

/// A file problem that somebody has to fix counts as a settings error.
fn unfit(error: sqlite::OpenError) -> anyhow::Error {
    match error {
        sqlite::OpenError::Unfit { .. } => SettingsError::value("DATABASE_URL", error.to_string()).into(),
        sqlite::OpenError::Unavailable { .. } => error.into(),
    }
}

/// An unsuitable pooler counts as a settings error.
fn told(error: SchemaError) -> anyhow::Error {
    match error {
        SchemaError::Pooler(_) => SettingsError::value("DATABASE_URL", error.to_string()).into(),
        error => error.into(),
    }
}

fn connection_settings(redis: &RedisSettings) -> anyhow::Result<cardwire_events::redis::RedisSettings> {
    let plain = |secret: &Option<secrecy::SecretString>| secret.as_ref().map(|s| s.expose_secret().to_owned());
    let address = |address: &Address| (address.host.clone(), address.port);
    let topology = match &redis.topology {
        RedisTopology::Standalone(node) => Topology::Standalone { node: address(node) },
        RedisTopology::Sentinel { sentinels, master, password } => Topology::Sentinel {
            sentinels: sentinels.iter().map(address).collect(),
            master: master.clone(),
            password: plain(password),
        },
        RedisTopology::Cluster { nodes } => Topology::Cluster { nodes: nodes.iter().map(address).collect() },
    };
    Ok(cardwire_events::redis::RedisSettings {
        username: plain(&redis.username),
        password: plain(&redis.password),
        database: (redis.database != 0).then_some(redis.database),
        tls: if redis.tls { Some(tls(redis.ca_file.as_deref())?) } else { None },
        ..cardwire_events::redis::RedisSettings::new(topology)
    })
}

fn tls(ca_file: Option<&Path>) -> anyhow::Result<Tls> {
    let Some(file) = ca_file else { return Ok(Tls::system()?) };
    let wrong = |why: String| SettingsError::value("APP__REDIS__CA_FILE", format!("{}: {why}", file.display()));
    let pem = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    Ok(Tls::trusting(&pem).map_err(|error| wrong(error.to_string()))?)
}
