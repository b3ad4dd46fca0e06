//! The only list of setting names. Names that are not in it are not read, and such `APP__` names are refused.

/// A setting as an operator sees it.
pub struct Name {
    pub name: &'static str,
    /// `None`: there is none, or it depends on other settings.
    pub default: Option<&'static str>,
    /// Its whole value is a secret.
    pub secret: bool,
    pub about: &'static str,
}

/// What nested names start with.
pub const NESTED: &str = "APP__";

const fn plain(name: &'static str, default: Option<&'static str>, about: &'static str) -> Name {
    Name { name, default, secret: false, about }
}

const fn secret(name: &'static str, about: &'static str) -> Name {
    Name { name, default: None, secret: true, about }
}

pub const NAMES: &[Name] = &[
    plain("APP_ENV", Some("production"), "production or development; only development reads .env"),
    plain(
        "USE_IN_MEMORY_EVENTS",
        None,
        "keep queues and sagas in memory, in one web process that also runs the workers; default false, with SQLite true",
    ),
    plain("USE_MOCK_REPOS", Some("false"), "keep all data in memory; needs USE_IN_MEMORY_EVENTS"),
    plain("USE_FAKE_PUBLISHERS", Some("false"), "keep published records in memory instead of in people's repositories"),
    plain("USE_MOCK_AUTH", Some("false"), "the bearer token is the user's DID; development on a loopback HOST only"),
    plain(
        "DATABASE_URL",
        None,
        "postgres://…, or sqlite:PATH for one process that keeps everything in a file; required unless USE_MOCK_REPOS",
    ),
    plain("REDIS_URL", None, "redis:// or rediss://; takes precedence over REDIS_HOST, REDIS_PORT and REDIS_PASSWORD"),
    plain("REDIS_HOST", Some("localhost"), "host of Redis, if REDIS_URL is not set"),
    plain("REDIS_PORT", Some("6379"), "port of Redis, if REDIS_URL is not set"),
    secret("REDIS_PASSWORD", "password of Redis, if REDIS_URL is not set"),
    plain("REDIS_SENTINEL_ENABLED", Some("false"), "find the master through the sentinels below"),
    plain("REDIS_SENTINEL_1_HOST", None, "host or host:port; the port is 26379 by default"),
    plain("REDIS_SENTINEL_2_HOST", None, "a second sentinel"),
    plain("REDIS_SENTINEL_3_HOST", None, "a third sentinel"),
    plain("REDIS_SENTINEL_MASTER", Some("mymaster"), "name of the master in the sentinels"),
    secret("REDIS_SENTINEL_PASSWORD", "the sentinels' own password"),
    plain("REDIS_CLUSTER_NODES", None, "nodes of a Redis Cluster: host:port, comma separated"),
    plain("HOST", None, "address to listen on; default 127.0.0.1 in development, otherwise [::]"),
    plain("PORT", Some("8080"), "port of the web process"),
    plain("METRICS_PORT", Some("9091"), "port of /metrics, /healthz and /readyz"),
    plain("LOG_FORMAT", None, "pretty or json; default pretty on a terminal, otherwise json"),
    plain("RUST_LOG", Some("info"), "what to log, such as info,cardwire_events=debug"),
    plain("OTEL_EXPORTER_OTLP_ENDPOINT", None, "collector of traces (OTLP over HTTP); without it, no traces"),
    secret("OTEL_EXPORTER_OTLP_HEADERS", "headers for the collector: name=value, comma separated"),
    plain("OTEL_TRACES_SAMPLER_ARG", Some("1"), "share of traces that are kept, 0 to 1"),
    plain(
        "METADATA_ALLOW_PRIVATE_HOSTS",
        Some("false"),
        "fetch page metadata from private addresses too; development only",
    ),
    plain("APP__ADMINS", None, "user ids of more administrators, comma separated"),
    plain(
        "APP__ATPROTO__ALLOW_APP_PASSWORDS",
        Some("false"),
        "connect repositories with app passwords too; development only",
    ),
    plain(
        "APP__ATPROTO__ALLOW_PRIVATE_HOSTS",
        Some("false"),
        "ask AT Protocol servers on private addresses and without TLS; development only",
    ),
    plain("APP__ATPROTO__COLLECTION_PREFIX", Some("network.cosmik"), "what the names of published records begin with"),
    plain("APP__ATPROTO__PLC_URL", Some("https://plc.directory"), "the directory of AT Protocol accounts"),
    plain("APP__DATABASE__MAX_CONNECTIONS", Some("10"), "PostgreSQL connections of this process"),
    plain("APP__EVENTS__KEEP_DAYS", Some("30"), "days until events that have been handled are deleted"),
    plain("APP__OBSERVERS", None, "user ids of people who see the console but cannot act there, comma separated"),
    plain(
        "APP__PUBLIC_URL",
        None,
        "where browsers reach this site, such as https://links.example; default: the Host header",
    ),
    plain("APP__QUEUES__ANALYTICS__ATTEMPTS", Some("2"), "attempts before an event becomes a dead letter"),
    plain(
        "APP__QUEUES__ANALYTICS__BACKOFF_MS",
        Some("5000"),
        "longest wait before the second attempt; doubles with each one",
    ),
    plain("APP__QUEUES__ANALYTICS__CONCURRENCY", Some("20"), "batches in flight in one worker"),
    plain("APP__QUEUES__FEEDS__ATTEMPTS", Some("3"), "as above"),
    plain("APP__QUEUES__FEEDS__BACKOFF_MS", Some("2000"), "as above"),
    plain("APP__QUEUES__FEEDS__CONCURRENCY", Some("15"), "as above"),
    plain("APP__QUEUES__RECORDS__ATTEMPTS", Some("3"), "as above"),
    plain("APP__QUEUES__RECORDS__BACKOFF_MS", Some("2000"), "as above"),
    plain("APP__QUEUES__RECORDS__CONCURRENCY", Some("5"), "as above"),
    plain("APP__QUEUES__SEARCH__ATTEMPTS", Some("3"), "as above"),
    plain("APP__QUEUES__SEARCH__BACKOFF_MS", Some("2000"), "as above"),
    plain("APP__QUEUES__SEARCH__CONCURRENCY", Some("10"), "as above"),
    plain(
        "APP__QUOTAS__CARDS_A_DAY",
        None,
        "links one person can save in 24 hours, including removed ones, not imported ones; 0: no limit. Default 5000, with mock authentication 0",
    ),
    plain(
        "APP__QUOTAS__COLLECTIONS_A_DAY",
        None,
        "collections one person can create in 24 hours, not counting deleted ones; 0: no limit. Default 100, with mock authentication 0",
    ),
    plain(
        "APP__QUOTAS__IMPORTS_A_DAY",
        None,
        "imports one person can start in 24 hours; 0: no limit. Default 20, with mock authentication 0",
    ),
    plain("APP__REDIS__ALLOW_ANY_MAXMEMORY_POLICY", Some("false"), "start even if Redis is set to evict keys"),
    plain(
        "APP__REDIS__CA_FILE",
        None,
        "PEM file of the only certificates to trust with rediss://; default: the system's",
    ),
    plain(
        "APP__REDIS__PARTITIONS",
        None,
        "partitions of each queue, the same in all processes; default 1, in a Cluster 8",
    ),
    plain(
        "APP__REGISTRATION",
        Some("invite"),
        "who can sign up: open, invite or closed; the first account can always be created, and is an administrator",
    ),
    plain("APP__RELAY__MAX_DEPTH", Some("50000"), "longest a queue gets; further events wait in the database"),
    secret(
        "APP__SECRET_KEY",
        "encrypts AT Protocol sessions and turns signing in by it on; several, comma separated: the first encrypts, all decrypt",
    ),
    plain("APP__SHUTDOWN__DEADLINE_S", Some("25"), "seconds that running work can take after SIGTERM"),
    plain(
        "APP__TRACE_URL",
        None,
        "where administrators look up traces, such as https://traces.example/trace/{traceId}",
    ),
    plain("APP__WEB__ADDRESS_HEADER", None, "header in which a trusted proxy sends the client's address"),
    plain("APP__WEB__CORS_ORIGINS", None, "other sites whose scripts can use the API with a token, comma separated"),
    plain(
        "APP__WEB__ANONYMOUS_READS_PER_SECOND",
        Some("50"),
        "reads a second from one address without signing in, in bursts of up to ten seconds' worth; 0: no limit",
    ),
    plain(
        "APP__WEB__WRITES_PER_SECOND",
        None,
        "changes a second by one person, in bursts of up to ten seconds' worth; 0: no limit. Default 200, with mock authentication 0",
    ),
];

pub fn find(name: &str) -> Option<&'static Name> {
    NAMES.iter().find(|known| known.name == name)
}

/// The name of a setting of a queue.
pub fn of_queue(queue: &str, what: &str) -> &'static str {
    let name = format!("{NESTED}QUEUES__{}__{what}", queue.to_uppercase());
    find(&name).expect("each queue has its settings in the list").name
}

/// What `--help` says about the environment.
pub fn help() -> String {
    let width = NAMES.iter().map(|name| name.name.len()).max().unwrap_or(0);
    let mut text = String::from(
        "Environment (flags come first, then the environment, then .env in development, then the default;\n\
         booleans are true, false, 1 or 0):\n",
    );
    for Name { name, default, about, .. } in NAMES {
        let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
        text.push_str(&format!("  {name:width$}  {about}{default}\n"));
    }
    text.push_str("\nExit codes: 0 drained, 1 runtime failure, 2 usage, 78 configuration.");
    text
}
