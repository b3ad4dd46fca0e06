//! The settings of a process: read once at start, checked as a whole, then passed around.
//!
//! A flag wins over the environment, the environment over `.env` (development only), `.env` over the defaults of
//! [`names::NAMES`]. Only [`Environment::of_process`] reads the process's environment, and nothing here changes it.

mod atproto;
#[cfg(test)]
mod atproto_tests;
mod effective;
mod error;
mod host;
mod layers;
pub mod names;
mod public;
mod redis;
#[cfg(test)]
mod tests;
mod traces;

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use actix_web::http::header::HeaderName;
use cardwire_atproto::ClientSite;
use cardwire_domain::UserId;
use cardwire_domain::accounts::Registration;
use cardwire_domain::quotas::Quotas;
use cardwire_events::{Queue, QueueSettings, ServerUrl};
use cardwire_storage::postgres::read_url;
use secrecy::SecretString;
use tracing_subscriber::EnvFilter;

pub use atproto::NetworkSettings;
pub use error::SettingsError;
pub use host::{Address, Host};
pub use layers::Environment;
pub use public::PublicSettings;
pub use redis::{RedisSettings, RedisTopology};
pub use traces::TraceSettings;

use crate::cli::CliSettings;
use atproto::Around;
use layers::Layers;

type Result<T, E = SettingsError> = std::result::Result<T, E>;

/// The person behind requests without a token under mock authentication. An admin.
pub const MOCK_USER: &str = "did:plc:mock123";

/// Far more than anybody can do by hand.
const WRITES_PER_SECOND: u32 = 200;
/// New links, collections and imports of one person in a day.
const QUOTAS: [u32; 3] = [5_000, 100, 20];

/// Which binary this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Web,
    FeedWorker,
    SearchWorker,
    AnalyticsWorker,
    RecordWorker,
}

impl Role {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::FeedWorker => "feed-worker",
            Self::SearchWorker => "search-worker",
            Self::AnalyticsWorker => "analytics-worker",
            Self::RecordWorker => "record-worker",
        }
    }

    /// What it does, for `--help`.
    pub const fn about(self) -> &'static str {
        match self {
            Self::Web => "Cardwire's HTTP API and pages; also the workers when events are in memory",
            Self::FeedWorker => "Turns Cardwire's events into activities of the feed",
            Self::SearchWorker => "Keeps Cardwire's search index up to date",
            Self::AnalyticsWorker => "Counts Cardwire's events for trends",
            Self::RecordWorker => "Publishes what is public as records in people's own repositories",
        }
    }

    /// The queue that a worker reads.
    pub const fn queue(self) -> Option<Queue> {
        match self {
            Self::Web => None,
            Self::FeedWorker => Some(Queue::Feeds),
            Self::SearchWorker => Some(Queue::Search),
            Self::AnalyticsWorker => Some(Queue::Analytics),
            Self::RecordWorker => Some(Queue::Records),
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppEnv {
    Production,
    Development,
}

impl AppEnv {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Development => "development",
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    Pretty,
    Json,
}

impl LogFormat {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pretty => "pretty",
            Self::Json => "json",
        }
    }
}

/// The named deployment contexts. They differ only in adapters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Context {
    Production,
    LocalDev,
    Hybrid,
    LocalMock,
    SingleProcess,
}

impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Production => "production",
            Self::LocalDev => "local dev",
            Self::Hybrid => "hybrid",
            Self::LocalMock => "local mock",
            Self::SingleProcess => "single process",
        })
    }
}

#[derive(Clone, Debug)]
pub struct DatabaseSettings {
    pub url: SecretString,
    /// The parts that may be shown.
    pub(crate) shown: ServerUrl,
    pub max_connections: u32,
}

/// Where all data is kept.
#[derive(Clone, Debug)]
pub enum StoreSettings {
    /// Lost when the process ends.
    Memory,
    /// All of Cardwire is this one process.
    File(PathBuf),
    Postgres(DatabaseSettings),
}

impl StoreSettings {
    /// Whether other processes can work on the data there.
    pub const fn is_shared(&self) -> bool {
        matches!(self, Self::Postgres(_))
    }

    /// `DATABASE_URL`, without secrets.
    pub(crate) fn shown(&self) -> String {
        match self {
            Self::Memory => String::new(),
            Self::File(path) => format!("{FILE_SCHEME}{}", path.display()),
            Self::Postgres(database) => database.shown.redacted(),
        }
    }
}

impl DatabaseSettings {
    fn address(&self) -> String {
        let place = self.shown.place();
        if self.shown.host.is_empty() { format!("localhost{place}") } else { place }
    }
}

/// Settings that do not contradict each other.
#[derive(Clone, Debug)]
pub struct Settings {
    pub role: Role,
    pub app_env: AppEnv,
    pub use_in_memory_events: bool,
    pub use_mock_repos: bool,
    pub use_fake_publishers: bool,
    pub use_mock_auth: bool,
    /// From `DATABASE_URL`, unless the repositories are mocks.
    pub store: StoreSettings,
    /// Not used if events are in memory.
    pub redis: RedisSettings,
    pub host: Host,
    pub port: u16,
    pub metrics_port: u16,
    pub log_format: LogFormat,
    /// Directives of an [`EnvFilter`], known to be valid.
    pub log_filter: String,
    pub traces: TraceSettings,
    pub metadata_allow_private_hosts: bool,
    /// Includes the mock user under mock authentication.
    pub admins: BTreeSet<UserId>,
    /// They see what administrators see, but cannot change anything.
    pub observers: BTreeSet<UserId>,
    pub registration: Registration,
    /// A header set by a proxy that clients cannot bypass; without one, the peer's address counts.
    pub address_header: Option<String>,
    /// For one person; 0: any number.
    pub writes_per_second: u32,
    /// For one person.
    pub quotas: Quotas,
    /// From one address, by people who are not signed in; 0: any number.
    pub anonymous_reads_per_second: u32,
    pub public: PublicSettings,
    pub network: NetworkSettings,
    queues: [QueueSettings; Queue::ALL.len()],
    /// While a queue has more entries than this, the relay leaves events in the log.
    pub relay_max_depth: usize,
    /// How long the log keeps events that are owed to no queue.
    pub keep_events: Duration,
    /// How long running work may take after SIGTERM.
    pub shutdown_deadline: Duration,
    /// PostgreSQL connections of this process.
    pub max_connections: u32,
}

impl Settings {
    /// # Errors
    /// The first invalid value, or the first contradiction.
    pub fn load(role: Role, cli: &CliSettings, environment: &Environment) -> Result<Self> {
        let layers = Layers::read(cli, environment)?;
        let settings = Self::read(role, &layers, environment.terminal)?;
        settings.check(&layers)?;
        Ok(settings)
    }

    pub const fn queue(&self, queue: Queue) -> QueueSettings {
        self.queues[queue.index()]
    }

    pub const fn context(&self) -> Context {
        if self.use_mock_repos {
            Context::LocalMock
        } else if self.use_in_memory_events {
            Context::SingleProcess
        } else if matches!(self.app_env, AppEnv::Production) {
            Context::Production
        } else if self.use_mock_auth || self.use_fake_publishers {
            Context::Hybrid
        } else {
            Context::LocalDev
        }
    }

    /// The transport and the store, without credentials.
    pub fn topology(&self) -> String {
        let store = match &self.store {
            StoreSettings::Memory => "repositories in memory".to_owned(),
            StoreSettings::File(path) => format!("everything in the file {}", path.display()),
            StoreSettings::Postgres(database) => format!("PostgreSQL at {}", database.address()),
        };
        if self.use_in_memory_events {
            format!("events in memory; {store}")
        } else {
            format!("{}; {store}", self.redis)
        }
    }

    /// Where saved cards are published outside Cardwire.
    pub const fn publishing(&self) -> &'static str {
        if self.use_fake_publishers {
            "records are kept in memory (USE_FAKE_PUBLISHERS=true)"
        } else if self.network.secret_key.is_some() {
            "records are written to the repositories that people connect"
        } else {
            "nothing is published outside (APP__SECRET_KEY is not set)"
        }
    }

    /// This site's address for servers of the AT Protocol network. `None`: nobody can sign in by it.
    pub fn network_site(&self) -> Option<ClientSite> {
        self.network.site(self.around())
    }

    fn around(&self) -> Around<'_> {
        Around {
            is_production: self.app_env == AppEnv::Production,
            use_mock_auth: self.use_mock_auth,
            public: self.public.url.as_ref(),
            port: self.port,
        }
    }

    fn read(role: Role, layers: &Layers, terminal: bool) -> Result<Self> {
        let app_env = match layers.text("APP_ENV") {
            None | Some("production") => AppEnv::Production,
            Some("development") => AppEnv::Development,
            Some(other) => {
                return Err(SettingsError::value(
                    "APP_ENV",
                    format!("must be production or development, not {other:?}"),
                ));
            }
        };
        let use_mock_repos = layers.flag("USE_MOCK_REPOS")?;
        let use_mock_auth = layers.flag("USE_MOCK_AUTH")?;
        let host = match layers.text("HOST") {
            Some(text) => text.parse().map_err(|rule: String| SettingsError::value("HOST", rule))?,
            None if app_env == AppEnv::Development => Host::LOOPBACK,
            None => Host::EVERY,
        };
        let max_connections = layers.number("APP__DATABASE__MAX_CONNECTIONS", &(1..=1_000))?;
        // Read even if mocks replace it, so that errors are reported.
        let store = layers.text("DATABASE_URL").map(|text| store(text, max_connections)).transpose()?;
        let store = store.filter(|_| !use_mock_repos).unwrap_or(StoreSettings::Memory);
        let seconds = layers.number("APP__SHUTDOWN__DEADLINE_S", &(1..=3_600))?;
        let days: u64 = layers.number("APP__EVENTS__KEEP_DAYS", &(1..=36_500))?;
        Ok(Self {
            role,
            app_env,
            use_in_memory_events: match (&store, layers.text("USE_IN_MEMORY_EVENTS")) {
                // One process, so its events are in memory.
                (StoreSettings::File(_), None) => true,
                (_, None) => false,
                _ => layers.flag("USE_IN_MEMORY_EVENTS")?,
            },
            use_mock_repos,
            use_fake_publishers: layers.flag("USE_FAKE_PUBLISHERS")?,
            use_mock_auth,
            store,
            redis: RedisSettings::read(layers)?,
            host,
            port: layers.number("PORT", &(1..=u16::MAX))?,
            metrics_port: layers.number("METRICS_PORT", &(1..=u16::MAX))?,
            log_format: log_format(layers.text("LOG_FORMAT"), terminal)?,
            log_filter: log_filter(layers.text("RUST_LOG").unwrap_or("info"))?,
            traces: TraceSettings::read(layers)?,
            metadata_allow_private_hosts: layers.flag("METADATA_ALLOW_PRIVATE_HOSTS")?,
            address_header: layers.text("APP__WEB__ADDRESS_HEADER").map(address_header).transpose()?,
            writes_per_second: layers
                .number_if_set("APP__WEB__WRITES_PER_SECOND", &(0..=1_000_000))?
                // With mock authentication everybody without a token is the same person.
                .unwrap_or(if use_mock_auth { 0 } else { WRITES_PER_SECOND }),
            quotas: quotas(layers, use_mock_auth)?,
            anonymous_reads_per_second: layers.number("APP__WEB__ANONYMOUS_READS_PER_SECOND", &(0..=1_000_000))?,
            public: PublicSettings::read(layers)?,
            network: NetworkSettings::read(layers)?,
            admins: people("APP__ADMINS", layers, use_mock_auth.then_some(MOCK_USER))?,
            observers: people("APP__OBSERVERS", layers, None)?,
            registration: layers.text("APP__REGISTRATION").map(registration).transpose()?.unwrap_or_default(),
            queues: all_queue_settings(layers)?,
            relay_max_depth: layers.number("APP__RELAY__MAX_DEPTH", &(1..=100_000_000))?,
            keep_events: Duration::from_secs(days * 86_400),
            shutdown_deadline: Duration::from_secs(seconds),
            max_connections,
        })
    }

    /// Combinations that are wrong although each value is valid.
    fn check(&self, layers: &Layers) -> Result<()> {
        let refuse = |line: String| Err(SettingsError::Contradiction(line));
        if let StoreSettings::File(path) = &self.store {
            let file = path.display();
            if self.role != Role::Web {
                let role = self.role;
                return refuse(format!(
                    "DATABASE_URL: the file {file} is for one process, which runs all workers; start web, not a {role}"
                ));
            }
            if !self.use_in_memory_events {
                return refuse(format!(
                    "USE_IN_MEMORY_EVENTS: must not be false with the file {file}, which is for one process; leave it out, or use PostgreSQL"
                ));
            }
            let redis = ["REDIS_URL", "REDIS_CLUSTER_NODES", "REDIS_SENTINEL_1_HOST"];
            if let Some(name) = redis.iter().find(|name| layers.text(name).is_some())
                && layers.text("USE_IN_MEMORY_EVENTS").is_none()
            {
                return refuse(format!(
                    "{name}: events do not go through Redis with the file {file}, which is for one process; leave it out, or use PostgreSQL"
                ));
            }
        }
        if self.role != Role::Web {
            for (name, set) in
                [("USE_IN_MEMORY_EVENTS", self.use_in_memory_events), ("USE_MOCK_REPOS", self.use_mock_repos)]
            {
                if set {
                    let role = self.role;
                    return refuse(format!(
                        "{name}: what one process holds in memory a {role} cannot share; start only web"
                    ));
                }
            }
        }
        if self.use_mock_repos && !self.use_in_memory_events {
            return refuse(
                "USE_MOCK_REPOS: mock repositories cannot work with Redis events across processes; \
                 set USE_IN_MEMORY_EVENTS=true too"
                    .to_owned(),
            );
        }
        if !self.use_mock_repos && layers.text("DATABASE_URL").is_none() {
            return refuse("DATABASE_URL: is missing; it is postgres://… or, for one process, sqlite:PATH".to_owned());
        }
        if self.use_mock_auth && self.app_env == AppEnv::Production {
            return refuse(
                "USE_MOCK_AUTH: is refused with APP_ENV=production, since anybody could be anybody".to_owned(),
            );
        }
        if self.metadata_allow_private_hosts && self.app_env == AppEnv::Production {
            return refuse(
                "METADATA_ALLOW_PRIVATE_HOSTS: is refused with APP_ENV=production, since anybody could have pages of your own \
                 network fetched"
                    .to_owned(),
            );
        }
        if self.use_mock_auth && !self.host.is_loopback() {
            return refuse(format!("USE_MOCK_AUTH: is refused on HOST={}, which is not a loopback address", self.host));
        }
        self.network.check(self.around())?;
        if self.role == Role::Web && self.port == self.metrics_port {
            return refuse(format!("PORT and METRICS_PORT: must differ, both are {}", self.port));
        }
        Ok(())
    }
}

fn all_queue_settings(layers: &Layers) -> Result<[QueueSettings; Queue::ALL.len()]> {
    let mut all = Queue::ALL.map(QueueSettings::of);
    for queue in Queue::ALL {
        all[queue.index()] = queue_settings(layers, queue)?;
    }
    Ok(all)
}

fn queue_settings(layers: &Layers, queue: Queue) -> Result<QueueSettings> {
    let name = |what: &str| names::of_queue(queue.name(), what);
    Ok(QueueSettings {
        attempts: layers.number(name("ATTEMPTS"), &(1..=1_000))?,
        backoff_ms: layers.number(name("BACKOFF_MS"), &(0..=3_600_000))?,
        concurrency: layers.number(name("CONCURRENCY"), &(1..=1_000))?,
    })
}

fn quotas(layers: &Layers, use_mock_auth: bool) -> Result<Quotas> {
    let [cards, collections, imports] = QUOTAS;
    let most = |name, default: u32| {
        // As with WRITES_PER_SECOND.
        let default = if use_mock_auth { 0 } else { default };
        layers.number_if_set(name, &(0..=100_000)).map(|most| NonZeroU32::new(most.unwrap_or(default)))
    };
    Ok(Quotas {
        cards: most("APP__QUOTAS__CARDS_A_DAY", cards)?,
        collections: most("APP__QUOTAS__COLLECTIONS_A_DAY", collections)?,
        imports: most("APP__QUOTAS__IMPORTS_A_DAY", imports)?,
    })
}

fn log_format(text: Option<&str>, terminal: bool) -> Result<LogFormat> {
    match text {
        Some("pretty") => Ok(LogFormat::Pretty),
        Some("json") => Ok(LogFormat::Json),
        Some(other) => Err(SettingsError::value("LOG_FORMAT", format!("must be pretty or json, not {other:?}"))),
        None if terminal => Ok(LogFormat::Pretty),
        None => Ok(LogFormat::Json),
    }
}

fn log_filter(text: &str) -> Result<String> {
    match EnvFilter::builder().parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(SettingsError::value("RUST_LOG", format!("is no log filter: {error}"))),
    }
}

/// The people that the setting lists, and one more.
fn people(name: &'static str, layers: &Layers, also: Option<&str>) -> Result<BTreeSet<UserId>> {
    let list = layers.text(name).unwrap_or("").split(',').map(str::trim).filter(|text| !text.is_empty());
    let parse = |text| UserId::parse(text).map_err(|_| SettingsError::value(name, format!("{text:?} is no DID")));
    list.chain(also).map(parse).collect()
}

fn registration(text: &str) -> Result<Registration> {
    text.parse()
        .map_err(|_| SettingsError::value("APP__REGISTRATION", format!("must be open, invite or closed, not {text:?}")))
}

/// The beginning of the file's URL.
const FILE_SCHEME: &str = "sqlite:";

fn store(text: &str, max_connections: u32) -> Result<StoreSettings> {
    let refuse = |rule: String| SettingsError::value("DATABASE_URL", rule);
    if let Some(path) = text.strip_prefix(FILE_SCHEME) {
        // Other programs write it this way too: sqlite:///absolute/path.
        let path = path.strip_prefix("//").unwrap_or(path);
        return match path {
            "" => Err(refuse(format!("must name a file: {FILE_SCHEME}PATH"))),
            ":memory:" => Err(refuse("must name a file; USE_MOCK_REPOS=true keeps everything in memory".into())),
            _ if path.contains('?') => Err(refuse("must name a file, without parameters".into())),
            _ if path.ends_with('/') => Err(refuse(format!("must name a file, not the folder {path}"))),
            _ => Ok(StoreSettings::File(PathBuf::from(path))),
        };
    }
    if !["postgres://", "postgresql://"].iter().any(|scheme| text.starts_with(scheme)) {
        return Err(refuse(format!("must start with postgres://, postgresql:// or {FILE_SCHEME}")));
    }
    let (_, shown) = read_url(text).map_err(refuse)?;
    Ok(StoreSettings::Postgres(DatabaseSettings { url: SecretString::from(text), shown, max_connections }))
}

fn address_header(text: &str) -> Result<String> {
    match HeaderName::try_from(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(SettingsError::value("APP__WEB__ADDRESS_HEADER", "must be the name of a header")),
    }
}
