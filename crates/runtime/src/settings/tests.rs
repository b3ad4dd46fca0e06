//! The rules of the settings, one table for each.

use std::collections::BTreeMap;
use std::io::Write as _;

use secrecy::ExposeSecret as _;

use super::names::NAMES;
use super::*;

mod limits;

const DATABASE: &str = "postgres://localhost/cardwire";

fn environment(text: &str) -> Environment {
    let variables = text
        .split_whitespace()
        .map(|pair| {
            let (name, value) = pair.split_once('=').expect("NAME=value");
            (name.to_owned(), value.to_owned())
        })
        .collect();
    Environment { variables, dotenv: None, terminal: false }
}

fn load_as(role: Role, text: &str) -> Result<Settings> {
    Settings::load(role, &CliSettings::default(), &environment(text))
}

fn load(text: &str) -> Result<Settings> {
    load_as(Role::Web, text)
}

/// Of a web process with a database.
fn valid(text: &str) -> Settings {
    load(&format!("DATABASE_URL={DATABASE} {text}")).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn shown(settings: &Settings, name: &str) -> String {
    settings.effective().remove(name).unwrap_or_else(|| panic!("{name} is not shown"))
}

#[test]
fn defaults_are_those_of_the_contract() {
    let settings = valid("");
    let check = |name, expected| assert_eq!(shown(&settings, name), expected, "{name}");
    check("APP_ENV", "production");
    for name in ["USE_IN_MEMORY_EVENTS", "USE_MOCK_REPOS", "USE_FAKE_PUBLISHERS", "USE_MOCK_AUTH"] {
        check(name, "false");
    }
    check("REDIS_URL", "");
    check("REDIS_HOST", "localhost");
    check("REDIS_PORT", "6379");
    check("REDIS_PASSWORD", "");
    check("REDIS_SENTINEL_ENABLED", "false");
    check("REDIS_CLUSTER_NODES", "");
    check("HOST", "[::]");
    check("PORT", "8080");
    check("METRICS_PORT", "9091");
    check("LOG_FORMAT", "json");
    check("RUST_LOG", "info");
    check("METADATA_ALLOW_PRIVATE_HOSTS", "false");
    check("OTEL_EXPORTER_OTLP_ENDPOINT", "");
    check("OTEL_TRACES_SAMPLER_ARG", "1");
    check("APP__ADMINS", "");
    check("APP__OBSERVERS", "");
    check("APP__DATABASE__MAX_CONNECTIONS", "10");
    check("APP__EVENTS__KEEP_DAYS", "30");
    check("APP__REDIS__PARTITIONS", "1");
    check("APP__REDIS__ALLOW_ANY_MAXMEMORY_POLICY", "false");
    check("APP__REGISTRATION", "invite");
    check("APP__RELAY__MAX_DEPTH", "50000");
    check("APP__SHUTDOWN__DEADLINE_S", "25");
    check("APP__TRACE_URL", "");
    for queue in Queue::ALL {
        assert_eq!(settings.queue(queue), QueueSettings::of(queue), "{queue}");
    }
}

#[test]
fn settings_do_what_they_say() {
    let check = |environment: &str, name: &str, expected: &str| {
        assert_eq!(shown(&valid(environment), name), expected, "{environment}");
    };
    check("USE_FAKE_PUBLISHERS=1", "USE_FAKE_PUBLISHERS", "true");
    check("USE_FAKE_PUBLISHERS=true", "USE_FAKE_PUBLISHERS", "true");
    check("USE_FAKE_PUBLISHERS=0", "USE_FAKE_PUBLISHERS", "false");
    check("APP_ENV=development", "HOST", "127.0.0.1");
    check("APP_ENV=development HOST=::", "HOST", "[::]");
    check("HOST= PORT= REDIS_URL= RUST_LOG=", "HOST", "[::]");
    check("LOG_FORMAT=pretty", "LOG_FORMAT", "pretty");
    check("APP__QUEUES__FEEDS__ATTEMPTS=5", "APP__QUEUES__FEEDS__ATTEMPTS", "5");
    check("APP__QUEUES__SEARCH__BACKOFF_MS=10", "APP__QUEUES__SEARCH__BACKOFF_MS", "10");
    check("APP__QUEUES__ANALYTICS__CONCURRENCY=1", "APP__QUEUES__ANALYTICS__CONCURRENCY", "1");
    check("APP__QUEUES__RECORDS__ATTEMPTS=4", "APP__QUEUES__RECORDS__ATTEMPTS", "4");
    check("APP__ATPROTO__COLLECTION_PREFIX=net.example", "APP__ATPROTO__COLLECTION_PREFIX", "net.example");
    check("APP__ADMINS=did:plc:b,did:plc:a", "APP__ADMINS", "did:plc:a,did:plc:b");
    check("APP_ENV=development USE_MOCK_AUTH=true", "APP__ADMINS", "did:plc:mock123");
    check("APP__OBSERVERS=did:plc:b,did:plc:a", "APP__OBSERVERS", "did:plc:a,did:plc:b");
    check("APP__REGISTRATION=open", "APP__REGISTRATION", "open");
    check("APP__REGISTRATION= APP_ENV=development", "APP__REGISTRATION", "invite");
    check("REDIS_URL=rediss://cache:7000/2 REDIS_HOST=other REDIS_PASSWORD=p", "REDIS_HOST", "cache");
    check("REDIS_URL=redis://cache REDIS_PORT=7001", "REDIS_PORT", "6379");
    check("REDIS_URL=redis://cache REDIS_PASSWORD=p", "REDIS_PASSWORD", "");
    check("REDIS_CLUSTER_NODES=a:7000,b", "REDIS_CLUSTER_NODES", "a:7000,b:6379");
    check("REDIS_CLUSTER_NODES=a:7000", "APP__REDIS__PARTITIONS", "8");
    check("REDIS_URL=rediss://a APP__REDIS__CA_FILE=/etc/ca.pem", "APP__REDIS__CA_FILE", "/etc/ca.pem");
    check("REDIS_CLUSTER_NODES=a:7000 APP__REDIS__PARTITIONS=3", "APP__REDIS__PARTITIONS", "3");
    let sentinel = "REDIS_SENTINEL_ENABLED=true REDIS_SENTINEL_1_HOST=a REDIS_SENTINEL_2_HOST=b:1";
    check(sentinel, "REDIS_SENTINEL_1_HOST", "a:26379");
    check(sentinel, "REDIS_SENTINEL_2_HOST", "b:1");
    check(sentinel, "REDIS_SENTINEL_MASTER", "mymaster");
}

#[test]
fn a_file_is_for_one_process_whose_events_are_in_memory() {
    for (url, path) in
        [("sqlite:data/x.db", "data/x.db"), ("sqlite:/srv/x.db", "/srv/x.db"), ("sqlite:///srv/x.db", "/srv/x.db")]
    {
        let settings = load(&format!("DATABASE_URL={url}")).unwrap();
        assert!(settings.use_in_memory_events && !settings.store.is_shared());
        assert!(matches!(&settings.store, StoreSettings::File(file) if file.to_str() == Some(path)), "{url}");
        assert_eq!(shown(&settings, "DATABASE_URL"), format!("sqlite:{path}"));
        assert_eq!(settings.topology(), format!("events in memory; everything in the file {path}"));
    }
}

#[test]
fn a_terminal_gets_pretty_logs() {
    let mut environment = environment(&format!("DATABASE_URL={DATABASE}"));
    environment.terminal = true;
    let settings = Settings::load(Role::Web, &CliSettings::default(), &environment).unwrap();
    assert_eq!(settings.log_format, LogFormat::Pretty);
}

#[test]
fn redis_credentials_are_decoded() {
    let redis = valid("REDIS_URL=rediss://al%40ice:p%2Fw@cache/3").redis;
    assert_eq!(redis.username.unwrap().expose_secret(), "al@ice");
    assert_eq!(redis.password.unwrap().expose_secret(), "p/w");
    assert_eq!((redis.database, redis.tls), (3, true));
    let redis = valid("REDIS_HOST=cache REDIS_PASSWORD=p%2Fw").redis;
    assert_eq!(redis.password.unwrap().expose_secret(), "p%2Fw");
}

#[test]
fn values_that_break_their_rule_are_refused() {
    let check = |pair: &str, expected: &str| {
        let error = load(&format!("DATABASE_URL={DATABASE} {pair}")).expect_err(pair).to_string();
        assert_eq!(error, expected, "{pair}");
    };
    for name in [
        "USE_IN_MEMORY_EVENTS",
        "USE_MOCK_REPOS",
        "USE_FAKE_PUBLISHERS",
        "USE_MOCK_AUTH",
        "REDIS_SENTINEL_ENABLED",
        "METADATA_ALLOW_PRIVATE_HOSTS",
        "APP__REDIS__ALLOW_ANY_MAXMEMORY_POLICY",
    ] {
        for text in ["yes", "on", "TRUE", "True", "2", ""] {
            // It depends on other settings, so empty is not a value.
            if (name, text) == ("USE_IN_MEMORY_EVENTS", "") {
                continue;
            }
            check(&format!("{name}={text}"), &format!("{name}: must be true, false, 1 or 0, not {text:?}"));
        }
    }
    check("APP_ENV=prod", "APP_ENV: must be production or development, not \"prod\"");
    check("LOG_FORMAT=xml", "LOG_FORMAT: must be pretty or json, not \"xml\"");
    check("HOST=a/b", "HOST: must be an IP address or a host name");
    check("PORT=0", "PORT: must be a whole number from 1 to 65535, not \"0\"");
    check("PORT=65536", "PORT: must be a whole number from 1 to 65535, not \"65536\"");
    check("PORT=on", "PORT: must be a whole number from 1 to 65535, not \"on\"");
    check("METRICS_PORT=-1", "METRICS_PORT: must be a whole number from 1 to 65535, not \"-1\"");
    check("REDIS_PORT=+1", "REDIS_PORT: must be a whole number from 1 to 65535, not \"+1\"");
    check("REDIS_HOST=a:1", "REDIS_HOST: must be a host alone, without a port");
    check("REDIS_URL=http://cache", "REDIS_URL: must start with redis:// or rediss://");
    check("REDIS_URL=redis-cluster://cache", "REDIS_URL: must start with redis:// or rediss://");
    check("REDIS_URL=cache:6379", "REDIS_URL: must start with redis:// or rediss://");
    check("REDIS_URL=unix:///run/redis.sock", "REDIS_URL: must start with redis:// or rediss://");
    let host = "must name a host: a name, an IPv4 address, or an IPv6 address in brackets";
    let port = "must have a port from 1 to 65535, or none";
    let number = "must end in a database number from 0 to 255, such as /0, or in none";
    let node = "must be host or host:port, without a scheme or a password";
    check("REDIS_URL=redis://", &format!("REDIS_URL: {host}"));
    check("REDIS_URL=redis://%2Frun%2Fredis", &format!("REDIS_URL: {host}"));
    check("REDIS_URL=redis://cache:0", &format!("REDIS_URL: {port}"));
    check("REDIS_URL=redis://cache:70000", &format!("REDIS_URL: {port}"));
    for path in ["x", "256", "+1", "1/2", "/1"] {
        check(&format!("REDIS_URL=redis://cache/{path}"), &format!("REDIS_URL: {number}"));
    }
    for parameter in ["timeout=5", "db=5"] {
        check(&format!("REDIS_URL=redis://cache?{parameter}"), "REDIS_URL: must have no parameters");
    }
    check("REDIS_CLUSTER_NODES=a:1,", &format!("REDIS_CLUSTER_NODES: {node}"));
    check("REDIS_SENTINEL_2_HOST=a:x", &format!("REDIS_SENTINEL_2_HOST: {node}"));
    check("DATABASE_URL=mysql://x", "DATABASE_URL: must start with postgres://, postgresql:// or sqlite:");
    check("DATABASE_URL=x", "DATABASE_URL: must start with postgres://, postgresql:// or sqlite:");
    check("DATABASE_URL=sqlite:", "DATABASE_URL: must name a file: sqlite:PATH");
    check("DATABASE_URL=sqlite:///", "DATABASE_URL: must name a file, not the folder /");
    check(
        "DATABASE_URL=sqlite::memory:",
        "DATABASE_URL: must name a file; USE_MOCK_REPOS=true keeps everything in memory",
    );
    check("DATABASE_URL=sqlite:x?mode=ro", "DATABASE_URL: must name a file, without parameters");
    check("DATABASE_URL=postgres://db/x/y", "DATABASE_URL: must end in the name of a database");
    check(
        "DATABASE_URL=postgres://db/x?sslmode=often",
        "DATABASE_URL: has a parameter with a value that it cannot have",
    );
    check(
        "DATABASE_URL=postgres://db/x?sslmode=no-verify",
        "DATABASE_URL: has a parameter with a value that it cannot have",
    );
    check("DATABASE_URL=postgres://db/x?port=x", "DATABASE_URL: has a parameter with a value that it cannot have");
    for parameter in ["schema=public", "pgbouncer=true", "channel_binding=require"] {
        let error = load(&format!("DATABASE_URL=postgres://db/x?{parameter}")).expect_err(parameter).to_string();
        assert!(error.starts_with("DATABASE_URL: has a parameter that is not known; known are "), "{error}");
    }
    let missing = "DATABASE_URL: names a file as sslrootcert that cannot be read";
    check("DATABASE_URL=postgres://db/x?sslrootcert=/no/such/file", missing);
    let quotes = "must not be in quotes: they would be part of it";
    check("DATABASE_URL=\"postgres://db/x\"", &format!("DATABASE_URL: {quotes}"));
    check("REDIS_PASSWORD='hunter2'", &format!("REDIS_PASSWORD: {quotes}"));
    check("PORT=\"8080\"", &format!("PORT: {quotes}"));
    check("APP__WEB__ADDRESS_HEADER=a:b", "APP__WEB__ADDRESS_HEADER: must be the name of a header");
    let address = "must be an address alone; put a token into OTEL_EXPORTER_OTLP_HEADERS";
    check("OTEL_EXPORTER_OTLP_ENDPOINT=http://a:b@otel", &format!("OTEL_EXPORTER_OTLP_ENDPOINT: {address}"));
    check(
        "OTEL_EXPORTER_OTLP_ENDPOINT=grpc://otel:4317",
        "OTEL_EXPORTER_OTLP_ENDPOINT: must start with http:// or https://",
    );
    let headers = "OTEL_EXPORTER_OTLP_HEADERS: must be name=value, comma separated, values percent-encoded (%25 for %)";
    check("OTEL_EXPORTER_OTLP_HEADERS=hunter2", headers);
    check("OTEL_EXPORTER_OTLP_HEADERS=authorization=50%off", headers);
    check("OTEL_TRACES_SAMPLER_ARG=2", "OTEL_TRACES_SAMPLER_ARG: must be a number from 0 to 1, not \"2\"");
    for bad in ["https://traces.example/", "javascript:{traceId}", "{traceId}"] {
        check(
            &format!("APP__TRACE_URL={bad}"),
            "APP__TRACE_URL: must be an http or https URL with {traceId} in it, such as https://traces.example/trace/{traceId}",
        );
    }
    check("APP__ADMINS=alice", "APP__ADMINS: \"alice\" is no DID");
    check("APP__OBSERVERS=alice", "APP__OBSERVERS: \"alice\" is no DID");
    check("APP__REGISTRATION=Open", "APP__REGISTRATION: must be open, invite or closed, not \"Open\"");
    check("APP__REDIS__PARTITIONS=0", "APP__REDIS__PARTITIONS: must be a whole number from 1 to 256, not \"0\"");
    check(
        "APP__QUEUES__FEEDS__ATTEMPTS=0",
        "APP__QUEUES__FEEDS__ATTEMPTS: must be a whole number from 1 to 1000, not \"0\"",
    );
    check("APP__QUEUES__FEEDS__ATTEMPT=5", "APP__QUEUES__FEEDS__ATTEMPT: there is no such setting");
    check("APP__QUEUES__FEEDS=5", "APP__QUEUES__FEEDS: there is no such setting");
    check("APP__NONSENSE=5", "APP__NONSENSE: there is no such setting");
    check("APP__queues__feeds__attempts=5", "APP__queues__feeds__attempts: there is no such setting");
    let error = load(&format!("DATABASE_URL={DATABASE} RUST_LOG=a=b=c")).unwrap_err().to_string();
    assert!(error.starts_with("RUST_LOG: is no log filter"), "{error}");
}

#[test]
fn contradictions_are_refused() {
    let check = |role, environment: &str, expected: Option<&str>| {
        let error = load_as(role, environment).err().map(|error| error.to_string());
        match expected {
            Some(start) => {
                let error = error.unwrap_or_else(|| panic!("{role}: {environment} is accepted"));
                assert!(error.starts_with(start) && !error.contains('\n'), "{role}: {environment}: {error}");
            }
            None => assert_eq!(error, None, "{role}: {environment}"),
        }
    };
    let workers = [Role::FeedWorker, Role::SearchWorker, Role::AnalyticsWorker, Role::RecordWorker];
    let all = [Role::Web, Role::FeedWorker, Role::SearchWorker, Role::AnalyticsWorker, Role::RecordWorker];

    check(Role::Web, "USE_MOCK_REPOS=true", Some("USE_MOCK_REPOS: mock repositories cannot work with Redis events"));
    check(Role::Web, "USE_MOCK_REPOS=true USE_IN_MEMORY_EVENTS=true", None);
    check(Role::Web, "USE_IN_MEMORY_EVENTS=true", Some("DATABASE_URL: is missing"));
    let file = "DATABASE_URL=sqlite:data/cardwire.db";
    check(Role::Web, file, None);
    check(Role::Web, &format!("{file} USE_IN_MEMORY_EVENTS=true REDIS_URL=redis://cache"), None);
    check(Role::Web, &format!("{file} USE_IN_MEMORY_EVENTS=false"), Some("USE_IN_MEMORY_EVENTS: must not be false"));
    check(Role::Web, &format!("{file} REDIS_URL=redis://cache"), Some("REDIS_URL: events do not go through Redis"));
    for role in workers {
        check(role, file, Some("DATABASE_URL: the file data/cardwire.db is for one process"));
    }
    check(Role::Web, &format!("USE_IN_MEMORY_EVENTS=true DATABASE_URL={DATABASE}"), None);
    for role in workers {
        check(role, &format!("USE_IN_MEMORY_EVENTS=true DATABASE_URL={DATABASE}"), Some("USE_IN_MEMORY_EVENTS: "));
        check(role, &format!("USE_MOCK_REPOS=true DATABASE_URL={DATABASE}"), Some("USE_MOCK_REPOS: "));
    }
    for role in all {
        check(role, "", Some("DATABASE_URL: is missing"));
        check(role, "DATABASE_URL=", Some("DATABASE_URL: is missing"));
        let with = |rest: &str| format!("DATABASE_URL={DATABASE} {rest}");
        check(role, &with(""), None);
        check(role, &with("USE_MOCK_AUTH=true"), Some("USE_MOCK_AUTH: is refused with APP_ENV=production"));
        check(
            role,
            &with("USE_MOCK_AUTH=1 APP_ENV=production HOST=127.0.0.1"),
            Some("USE_MOCK_AUTH: is refused with APP_ENV"),
        );
        check(role, &with("USE_MOCK_AUTH=true APP_ENV=development"), None);
        check(role, &with("USE_MOCK_AUTH=true APP_ENV=development HOST=localhost"), None);
        for host in ["0.0.0.0", "[::]", "10.0.0.1", "example.com"] {
            let environment = with(&format!("USE_MOCK_AUTH=true APP_ENV=development HOST={host}"));
            check(role, &environment, Some(&format!("USE_MOCK_AUTH: is refused on HOST={host}")));
        }
        check(
            role,
            &with("METADATA_ALLOW_PRIVATE_HOSTS=true"),
            Some("METADATA_ALLOW_PRIVATE_HOSTS: is refused with APP_ENV"),
        );
        check(role, &with("METADATA_ALLOW_PRIVATE_HOSTS=true APP_ENV=development"), None);
        let sentinel = "REDIS_SENTINEL_ENABLED=true REDIS_SENTINEL_1_HOST=a";
        check(role, &with(sentinel), None);
        check(role, &with("REDIS_SENTINEL_ENABLED=true"), Some("REDIS_SENTINEL_ENABLED: needs at least one"));
        check(role, &with("REDIS_SENTINEL_1_HOST=a REDIS_CLUSTER_NODES=b"), None);
        let both = with(&format!("{sentinel} REDIS_CLUSTER_NODES=b:7000"));
        check(role, &both, Some("REDIS_SENTINEL_ENABLED and REDIS_CLUSTER_NODES"));
        check(role, &with("REDIS_CLUSTER_NODES=b REDIS_URL=redis://a/1"), Some("REDIS_CLUSTER_NODES: "));
        check(role, &with("REDIS_URL=redis://a APP__REDIS__CA_FILE=ca.pem"), Some("APP__REDIS__CA_FILE: "));
        check(role, &with("REDIS_URL=rediss://a APP__REDIS__CA_FILE=ca.pem"), None);
        let ports = (role == Role::Web).then_some("PORT and METRICS_PORT");
        check(role, &with("PORT=9091"), ports);
        check(role, &with("METRICS_PORT=8080"), ports);
    }
}

#[test]
fn flag_environment_dotenv_default() {
    let folder = tempfile::tempdir().unwrap();
    let dotenv = folder.path().join(".env");
    let mut file = std::fs::File::create(&dotenv).unwrap();
    write!(
        file,
        "# local\nDATABASE_URL={DATABASE}\nPORT=1111\nexport METRICS_PORT='2222'\nRUST_LOG=debug\nEDITOR=vi\n"
    )
    .unwrap();
    let check = |environment: &str, cli: &CliSettings, expected: &[(&str, &str)]| {
        let mut environment = self::environment(environment);
        environment.dotenv = Some(dotenv.clone());
        let settings = Settings::load(Role::Web, cli, &environment).unwrap();
        for (name, value) in expected {
            assert_eq!(shown(&settings, name), *value, "{name}");
        }
    };
    let none = CliSettings::default();
    let port = CliSettings { port: Some(4444), ..CliSettings::default() };
    let in_development = "APP_ENV=development PORT=3333";
    check(in_development, &port, &[("PORT", "4444"), ("METRICS_PORT", "2222"), ("RUST_LOG", "debug")]);
    check(in_development, &none, &[("PORT", "3333"), ("METRICS_PORT", "2222"), ("REDIS_PORT", "6379")]);
    check("APP_ENV=development", &none, &[("PORT", "1111"), ("DATABASE_URL", DATABASE)]);
    let production = format!("DATABASE_URL={DATABASE}");
    check(&production, &none, &[("PORT", "8080"), ("METRICS_PORT", "9091"), ("RUST_LOG", "info")]);

    let flags = CliSettings {
        check_config: false,
        host: Some("127.0.0.2".to_owned()),
        port: Some(1),
        metrics_port: Some(2),
        database_url: Some("postgres://flag/db".to_owned()),
        redis_url: Some("redis://flag".to_owned()),
        log_format: Some("pretty".to_owned()),
    };
    let expected = [
        ("HOST", "127.0.0.2"),
        ("PORT", "1"),
        ("METRICS_PORT", "2"),
        ("DATABASE_URL", "postgres://flag/db"),
        ("REDIS_URL", "redis://flag"),
        ("LOG_FORMAT", "pretty"),
    ];
    check("HOST=::1 METRICS_PORT=3 DATABASE_URL=postgres://e/e REDIS_URL=redis://e LOG_FORMAT=json", &flags, &expected);
}

#[test]
fn a_broken_dotenv_is_refused_in_development_only() {
    let folder = tempfile::tempdir().unwrap();
    let dotenv = folder.path().join(".env");
    let check = |content: &str, app_env: &str, expected: Option<&str>| {
        std::fs::write(&dotenv, content).unwrap();
        let mut environment = environment(&format!("DATABASE_URL={DATABASE} APP_ENV={app_env}"));
        environment.dotenv = Some(dotenv.clone());
        let error = Settings::load(Role::Web, &CliSettings::default(), &environment).err();
        assert_eq!(error.map(|error| error.to_string()).as_deref(), expected, "{content}");
    };
    check("REDIS_PASSWORD='hunter2", "development", Some(".env: the line of \"REDIS_PASSWORD\" is not NAME=value"));
    check("hunter2='", "development", Some(".env: a line is not NAME=value"));
    check("REDIS_PASSWORD='hunter2", "production", None);
    check("APP__NONSENSE=1", "development", Some("APP__NONSENSE: there is no such setting"));
    check("USE_MOCK_AUTH=yes", "development", Some("USE_MOCK_AUTH: must be true, false, 1 or 0, not \"yes\""));
}

#[test]
fn contexts_have_their_names() {
    let check = |environment: &str, context: &str, topology: &str| {
        let settings = load(environment).unwrap_or_else(|error| panic!("{environment}: {error}"));
        assert_eq!((settings.context().to_string().as_str(), settings.topology().as_str()), (context, topology));
    };
    let database = "DATABASE_URL=postgres://alice:hunter2@db:5433/cardwire";
    check(
        &format!("{database} REDIS_SENTINEL_ENABLED=1 REDIS_SENTINEL_1_HOST=a REDIS_SENTINEL_2_HOST=b"),
        "production",
        "Redis Sentinel master mymaster through a:26379,b:26379, 1 partition; PostgreSQL at db:5433/cardwire",
    );
    check(
        &format!("{database} APP_ENV=development REDIS_CLUSTER_NODES=a,b APP__REDIS__PARTITIONS=4"),
        "local dev",
        "Redis Cluster at a:6379,b:6379, 4 partitions; PostgreSQL at db:5433/cardwire",
    );
    check(
        &format!("{database} APP_ENV=development USE_MOCK_AUTH=1 USE_FAKE_PUBLISHERS=1 REDIS_URL=rediss://:hunter2@a"),
        "hybrid",
        "Redis at a:6379, TLS, 1 partition; PostgreSQL at db:5433/cardwire",
    );
    check(
        &format!("{database} USE_IN_MEMORY_EVENTS=1"),
        "single process",
        "events in memory; PostgreSQL at db:5433/cardwire",
    );
    check(
        &format!("{database} APP_ENV=development USE_IN_MEMORY_EVENTS=1 USE_MOCK_REPOS=1 USE_MOCK_AUTH=1"),
        "local mock",
        "events in memory; repositories in memory",
    );
}

#[test]
fn every_setting_is_shown_sorted_one_to_a_line() {
    let settings = valid("");
    let mut names: Vec<_> = NAMES.iter().map(|name| name.name).collect();
    names.sort_unstable();
    let lines = settings.effective_lines();
    let shown: Vec<_> = lines.lines().map(|line| line.split_once('=').unwrap().0).collect();
    assert_eq!(shown, names);
}

#[test]
fn what_is_shown_can_be_given_again() {
    let check = |text: &str| {
        let settings = valid(text);
        let mut environment = environment("");
        environment.variables =
            settings.effective().into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let again = Settings::load(Role::Web, &CliSettings::default(), &environment);
        let again = again.unwrap_or_else(|error| panic!("{text}: {error}"));
        assert_eq!(again.effective(), settings.effective(), "{text}");
    };
    check("");
    check("APP_ENV=development USE_MOCK_AUTH=1 APP__ADMINS=did:plc:a HOST=::1");
    check("REDIS_SENTINEL_ENABLED=1 REDIS_SENTINEL_3_HOST=[::1] REDIS_SENTINEL_PASSWORD=p");
    check("REDIS_CLUSTER_NODES=a,b:1 APP__QUEUES__FEEDS__ATTEMPTS=9");
    check(
        "OTEL_EXPORTER_OTLP_ENDPOINT=https://otel:4318/x OTEL_TRACES_SAMPLER_ARG=0.25 APP__TRACE_URL=http://t/{traceId}",
    );
    check("REDIS_URL=redis://a:b@[::1]:7/3 APP__EVENTS__KEEP_DAYS=2");
}

#[test]
fn no_secret_is_shown() {
    let check = |environment: &str, expected: &[(&str, &str)]| {
        let settings = load(environment).unwrap_or_else(|error| panic!("{environment}: {error}"));
        for (name, value) in expected {
            assert_eq!(shown(&settings, name), *value, "{environment}");
        }
        for text in [settings.effective_lines(), format!("{settings:?}"), settings.topology()] {
            assert!(!text.contains("hunter2"), "{text}");
        }
    };
    check("DATABASE_URL=postgres://alice:hunter2@db/x", &[("DATABASE_URL", "postgres://alice:***@db/x")]);
    check("DATABASE_URL=postgres://db/x?user=a&password=hunter2", &[("DATABASE_URL", "postgres://db/x?***")]);
    check(
        "DATABASE_URL=postgres://db/x REDIS_URL=redis://:hunter2@cache:7000/1",
        &[("REDIS_URL", "redis://:***@cache:7000/1"), ("REDIS_PASSWORD", "***")],
    );
    check("DATABASE_URL=postgres://db/x REDIS_URL=redis://hunter2@cache", &[("REDIS_URL", "redis://***@cache")]);
    check("DATABASE_URL=postgres://db/x REDIS_PASSWORD=hunter2", &[("REDIS_PASSWORD", "***")]);
    check(
        "DATABASE_URL=postgres://db/x REDIS_SENTINEL_ENABLED=1 REDIS_SENTINEL_1_HOST=s REDIS_SENTINEL_PASSWORD=hunter2",
        &[("REDIS_SENTINEL_PASSWORD", "***"), ("REDIS_PASSWORD", "")],
    );
    check(
        "DATABASE_URL=postgres://db/x OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20hunter2,x=hunter2",
        &[("OTEL_EXPORTER_OTLP_HEADERS", "***")],
    );
    let refused = |environment: &str| {
        let error = load(environment).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
    };
    refused("DATABASE_URL=mysql://alice:hunter2@db/x");
    refused("DATABASE_URL=postgres://alice:hunter2@db:99999/x");
    refused("DATABASE_URL=postgres://db/x REDIS_URL=http://:hunter2@cache");
    refused("DATABASE_URL=postgres://db/x REDIS_URL=redis://:hunter2@cache/x");
    refused("DATABASE_URL=postgres://db/x?pass=hunter2");
    refused("DATABASE_URL=postgres://db/hunter2/x");
    refused("DATABASE_URL=postgres://alice:hunter2");
    for name in ["REDIS_HOST", "REDIS_SENTINEL_1_HOST", "REDIS_CLUSTER_NODES", "HOST"] {
        refused(&format!("DATABASE_URL=postgres://db/x {name}=redis://:hunter2@cache:6379"));
    }
    refused("DATABASE_URL=postgres://db/x OTEL_EXPORTER_OTLP_ENDPOINT=https://hunter2@otel");
    refused("DATABASE_URL=postgres://db/x OTEL_EXPORTER_OTLP_ENDPOINT=https://otel/?key=hunter2");
    check(
        "DATABASE_URL=postgres://db/x OTEL_EXPORTER_OTLP_ENDPOINT=https://otel:4318/hunter2/x",
        &[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://otel:4318/***")],
    );
}

/// With each ASCII character that is neither a letter nor a digit, at the beginning, in the middle and at the end of a
/// password.
#[test]
fn a_password_with_any_punctuation_is_refused_or_kept_but_never_shown() {
    let secrets = (b'!'..=b'~').map(char::from).filter(char::is_ascii_punctuation).flat_map(|sign| {
        [format!("{sign}hunter2"), format!("7hun{sign}ter2"), format!("hunter2{sign}"), format!("hunter2{sign}{sign}7")]
    });
    let (mut kept, mut refused) = (0, 0);
    for secret in secrets {
        let encoded = percent_encoding::utf8_percent_encode(&secret, percent_encoding::NON_ALPHANUMERIC);
        for (password, is_encoded) in [(secret.clone(), false), (encoded.to_string(), true)] {
            for (name, url) in [("DATABASE_URL", "postgres"), ("REDIS_URL", "redis"), ("REDIS_URL", "rediss")] {
                let mut given = environment(&format!("DATABASE_URL={DATABASE}"));
                given.variables.insert(name.to_owned(), format!("{url}://alice:{password}@host:7000/1"));
                let told = match Settings::load(Role::Web, &CliSettings::default(), &given) {
                    Ok(settings) => {
                        kept += 1;
                        let (line, address) = (format!("{name}={url}://alice:***@host:7000/1\n"), settings.topology());
                        assert!(settings.effective_lines().contains(&line), "{secret}");
                        assert!(address.contains("host:7000"), "{secret}");
                        format!("{settings:?} {} {address}", settings.effective_lines())
                    }
                    Err(error) => {
                        assert!(!is_encoded, "{secret}: {error}");
                        assert!(error.to_string().contains("percent-encode"), "{secret}: {error}");
                        refused += 1;
                        format!("{error} {error:?}")
                    }
                };
                for part in [secret.as_str(), "hunter2", "7hun", "ter2"] {
                    assert!(!told.contains(part), "{secret}: {told}");
                }
            }
        }
    }
    // 32 signs; 15 of them mean nothing in a URL.
    assert_eq!((kept, refused), (32 * 12 + 15 * 12, 17 * 12));
}

#[test]
fn a_database_at_an_ipv6_address_is_no_name() {
    let (options, shown) = read_url("postgres://user@[::1]:5432/db").unwrap();
    assert_eq!((options.get_host(), options.get_port()), ("::1", 5432));
    assert_eq!(shown.redacted(), "postgres://***@[::1]:5432/db");
}

#[test]
fn the_table_has_no_name_twice_and_its_defaults_are_in_force() {
    let names: BTreeMap<_, _> = NAMES.iter().map(|name| (name.name, name.default)).collect();
    assert_eq!(names.len(), NAMES.len());
    // Shown empty because the topology makes them meaningless.
    let unused = ["REDIS_SENTINEL_MASTER"];
    let effective = valid("").effective();
    for (name, default) in names {
        if let Some(default) = default.filter(|_| !unused.contains(&name)) {
            assert_eq!(effective[name], default, "{name}");
        }
    }
}
