//! Every name a setting can have. The only list: what is not in it is not read, and `APP__` names that are not in it are refused.

/// A setting as an operator sees it.
pub struct Name {
    pub name: &'static str,
    /// `None`: there is none, or it depends on other settings.
    pub default: Option<&'static str>,
    /// Its value is a secret as a whole.
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
        "queues and sagas in memory: one web process that also runs the workers; false, with a file true",
    ),
    plain("USE_MOCK_REPOS", Some("false"), "repositories and event log in memory; needs USE_IN_MEMORY_EVENTS"),
    plain("USE_FAKE_PUBLISHERS", Some("false"), "keep published records in memory; false publishes nothing outside"),
    plain("USE_MOCK_AUTH", Some("false"), "the bearer token is the user's DID; development on a loopback HOST only"),
    plain(
        "DATABASE_URL",
        None,
        "postgres://…, or sqlite:PATH for one process that keeps everything in a file; required unless USE_MOCK_REPOS",
    ),
    plain("REDIS_URL", None, "redis:// or rediss://; wins over REDIS_HOST, REDIS_PORT and REDIS_PASSWORD"),
    plain("REDIS_HOST", Some("localhost"), "where Redis is, without REDIS_URL"),
    plain("REDIS_PORT", Some("6379"), "its port, without REDIS_URL"),
    secret("REDIS_PASSWORD", "its password, without REDIS_URL"),
    plain("REDIS_SENTINEL_ENABLED", Some("false"), "find the master through the sentinels below"),
    plain("REDIS_SENTINEL_1_HOST", None, "host or host:port; the port is 26379 by default"),
    plain("REDIS_SENTINEL_2_HOST", None, "a second sentinel"),
    plain("REDIS_SENTINEL_3_HOST", None, "a third sentinel"),
    plain("REDIS_SENTINEL_MASTER", Some("mymaster"), "the name that the sentinels know the master by"),
    secret("REDIS_SENTINEL_PASSWORD", "the sentinels' own password"),
    plain("REDIS_CLUSTER_NODES", None, "host:port, comma separated: use Redis Cluster"),
    plain("HOST", None, "address to listen on; 127.0.0.1 in development, else [::]"),
    plain("PORT", Some("8080"), "port of the web process"),
    plain("METRICS_PORT", Some("9091"), "port of /metrics, /healthz and /readyz"),
    plain("LOG_FORMAT", None, "pretty or json; pretty on a terminal, else json"),
    plain("RUST_LOG", Some("info"), "what to log, such as info,cardwire_events=debug"),
    plain("OTEL_EXPORTER_OTLP_ENDPOINT", None, "collector of traces, by OTLP over HTTP; without it there are none"),
    secret("OTEL_EXPORTER_OTLP_HEADERS", "headers for the collector: name=value, comma separated"),
    plain("OTEL_TRACES_SAMPLER_ARG", Some("1"), "share of the traces begun here that are kept, 0 to 1"),
    plain("METADATA_ALLOW_PRIVATE_HOSTS", Some("false"), "fetch page metadata from private addresses too"),
    plain("APP__ADMINS", None, "user ids of administrators, comma separated, besides those whose account says so"),
    plain("APP__DATABASE__MAX_CONNECTIONS", Some("10"), "PostgreSQL connections of this process"),
    plain("APP__EVENTS__KEEP_DAYS", Some("30"), "how long events stay that are owed to nobody"),
    plain(
        "APP__PUBLIC_URL",
        None,
        "where browsers reach this site, such as https://links.example; else what Host says",
    ),
    plain("APP__QUEUES__ANALYTICS__ATTEMPTS", Some("2"), "attempts before an event is a dead letter"),
    plain("APP__QUEUES__ANALYTICS__BACKOFF_MS", Some("5000"), "longest first wait between attempts; doubles"),
    plain("APP__QUEUES__ANALYTICS__CONCURRENCY", Some("20"), "batches in flight in one worker"),
    plain("APP__QUEUES__FEEDS__ATTEMPTS", Some("3"), "as above"),
    plain("APP__QUEUES__FEEDS__BACKOFF_MS", Some("2000"), "as above"),
    plain("APP__QUEUES__FEEDS__CONCURRENCY", Some("15"), "as above"),
    plain("APP__QUEUES__SEARCH__ATTEMPTS", Some("3"), "as above"),
    plain("APP__QUEUES__SEARCH__BACKOFF_MS", Some("2000"), "as above"),
    plain("APP__QUEUES__SEARCH__CONCURRENCY", Some("10"), "as above"),
    plain(
        "APP__QUOTAS__CARDS_A_DAY",
        None,
        "cards that one person may make in 24 hours, removed ones counted, imported ones not; 0: any number. 5000, with mock authentication 0",
    ),
    plain(
        "APP__QUOTAS__COLLECTIONS_A_DAY",
        None,
        "collections that one person may create in 24 hours, deleted ones not counted; 0: any number. 100, with mock authentication 0",
    ),
    plain(
        "APP__QUOTAS__IMPORTS_A_DAY",
        None,
        "imports that one person may begin in 24 hours; 0: any number. 20, with mock authentication 0",
    ),
    plain("APP__REDIS__ALLOW_ANY_MAXMEMORY_POLICY", Some("false"), "start although Redis may evict what it holds"),
    plain("APP__REDIS__CA_FILE", None, "PEM file: trust these certificates alone with rediss://; else the system's"),
    plain("APP__REDIS__PARTITIONS", None, "partitions of each queue, alike in all processes; 1, in Cluster 8"),
    plain(
        "APP__REGISTRATION",
        Some("invite"),
        "who may sign up: open, invite or closed; the first account is made all the same, and is an administrator's",
    ),
    plain("APP__RELAY__MAX_DEPTH", Some("50000"), "entries in a queue above which the rest waits in PostgreSQL"),
    plain("APP__SHUTDOWN__DEADLINE_S", Some("25"), "how long work in flight may take after SIGTERM"),
    plain("APP__TRACE_URL", None, "where operators look a trace up, such as https://traces.example/trace/{traceId}"),
    plain("APP__WEB__ADDRESS_HEADER", None, "header in which a trusted proxy tells the client's address"),
    plain("APP__WEB__CORS_ORIGINS", None, "other sites whose scripts may use the API with a token, comma separated"),
    plain(
        "APP__WEB__ANONYMOUS_READS_PER_SECOND",
        Some("50"),
        "reads from one address without signing in, ten seconds' worth at once; 0: any number",
    ),
    plain(
        "APP__WEB__WRITES_PER_SECOND",
        None,
        "changes of one person, ten seconds' worth at once; 0: any number. 200, with mock authentication 0",
    ),
];

pub fn find(name: &str) -> Option<&'static Name> {
    NAMES.iter().find(|known| known.name == name)
}

/// What `--help` says about the environment.
pub fn help() -> String {
    let width = NAMES.iter().map(|name| name.name.len()).max().unwrap_or(0);
    let mut text = String::from(
        "Environment (a flag wins, then the environment, then .env in development, then the default;\n\
         booleans are true, false, 1 or 0):\n",
    );
    for Name { name, default, about, .. } in NAMES {
        let default = default.map(|default| format!(" [default: {default}]")).unwrap_or_default();
        text.push_str(&format!("  {name:width$}  {about}{default}\n"));
    }
    text.push_str("\nExit codes: 0 drained, 1 runtime failure, 2 usage, 78 configuration.");
    text
}
