//! What `--check-config` prints.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use cardwire_events::{Queue, QueueSettings};
use secrecy::SecretString;
use url::Url;

use super::Settings;
use super::redis::{RedisTopology, list};

/// Shown in place of a secret.
const REDACTED: &str = "***";

impl Settings {
    /// The value of every setting by name, with secrets redacted. Empty: not set.
    pub fn effective(&self) -> BTreeMap<&'static str, String> {
        let flag = |value: bool| value.to_string();
        let secret = |value: Option<&SecretString>| value.map(|_| REDACTED.to_owned()).unwrap_or_default();
        let quota = |most: Option<NonZeroU32>| most.map_or(0, NonZeroU32::get).to_string();
        let mut values = BTreeMap::from([
            ("APP_ENV", self.app_env.name().to_owned()),
            ("USE_IN_MEMORY_EVENTS", flag(self.use_in_memory_events)),
            ("USE_MOCK_REPOS", flag(self.use_mock_repos)),
            ("USE_FAKE_PUBLISHERS", flag(self.use_fake_publishers)),
            ("USE_MOCK_AUTH", flag(self.use_mock_auth)),
            ("DATABASE_URL", self.store.shown()),
            ("REDIS_URL", self.redis.url.clone().unwrap_or_default()),
            ("REDIS_PASSWORD", secret(self.redis.password.as_ref())),
            ("HOST", self.host.to_string()),
            ("PORT", self.port.to_string()),
            ("METRICS_PORT", self.metrics_port.to_string()),
            ("LOG_FORMAT", self.log_format.name().to_owned()),
            ("RUST_LOG", self.log_filter.clone()),
            ("OTEL_EXPORTER_OTLP_ENDPOINT", self.traces.shown_endpoint()),
            ("OTEL_EXPORTER_OTLP_HEADERS", secret(self.traces.headers.first().map(|(_, value)| value))),
            ("OTEL_TRACES_SAMPLER_ARG", self.traces.ratio.to_string()),
            ("METADATA_ALLOW_PRIVATE_HOSTS", flag(self.metadata_allow_private_hosts)),
            ("APP__ADMINS", self.admins.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(",")),
            ("APP__ATPROTO__ALLOW_APP_PASSWORDS", flag(self.network.allow_app_passwords)),
            ("APP__ATPROTO__ALLOW_PRIVATE_HOSTS", flag(self.network.allow_private_hosts)),
            ("APP__ATPROTO__COLLECTION_PREFIX", self.network.prefix.clone()),
            ("APP__ATPROTO__PLC_URL", self.network.plc.as_str().trim_end_matches('/').to_owned()),
            ("APP__SECRET_KEY", secret(self.network.secret_key.as_ref())),
            ("APP__DATABASE__MAX_CONNECTIONS", self.max_connections.to_string()),
            ("APP__EVENTS__KEEP_DAYS", (self.keep_events.as_secs() / 86_400).to_string()),
            ("APP__OBSERVERS", self.observers.iter().map(|id| id.as_str()).collect::<Vec<_>>().join(",")),
            ("APP__PUBLIC_URL", self.public.url.as_ref().map(Url::to_string).unwrap_or_default()),
            ("APP__QUOTAS__CARDS_A_DAY", quota(self.quotas.cards)),
            ("APP__QUOTAS__COLLECTIONS_A_DAY", quota(self.quotas.collections)),
            ("APP__QUOTAS__IMPORTS_A_DAY", quota(self.quotas.imports)),
            ("APP__REDIS__ALLOW_ANY_MAXMEMORY_POLICY", flag(self.redis.allow_any_maxmemory_policy)),
            (
                "APP__REDIS__CA_FILE",
                self.redis.ca_file.as_ref().map(|file| file.display().to_string()).unwrap_or_default(),
            ),
            ("APP__REDIS__PARTITIONS", self.redis.partitions.to_string()),
            ("APP__REGISTRATION", self.registration.name().to_owned()),
            ("APP__RELAY__MAX_DEPTH", self.relay_max_depth.to_string()),
            ("APP__SHUTDOWN__DEADLINE_S", self.shutdown_deadline.as_secs().to_string()),
            ("APP__TRACE_URL", self.traces.shown_at.clone().unwrap_or_default()),
            ("APP__WEB__ADDRESS_HEADER", self.address_header.clone().unwrap_or_default()),
            ("APP__WEB__ANONYMOUS_READS_PER_SECOND", self.anonymous_reads_per_second.to_string()),
            ("APP__WEB__CORS_ORIGINS", self.public.cors_origins.join(",")),
            ("APP__WEB__WRITES_PER_SECOND", self.writes_per_second.to_string()),
        ]);
        self.insert_topology(&mut values);
        for queue in Queue::ALL {
            let QueueSettings { attempts, backoff_ms, concurrency } = self.queue(queue);
            let name = |what: &str| super::names::of_queue(queue.name(), what);
            values.insert(name("ATTEMPTS"), attempts.to_string());
            values.insert(name("BACKOFF_MS"), backoff_ms.to_string());
            values.insert(name("CONCURRENCY"), concurrency.to_string());
        }
        values
    }

    /// `NAME=value` lines, sorted by name.
    pub fn effective_lines(&self) -> String {
        self.effective().into_iter().map(|(name, value)| format!("{name}={value}\n")).collect()
    }

    fn insert_topology(&self, values: &mut BTreeMap<&'static str, String>) {
        let (mut host, mut port) = (String::new(), String::new());
        let (mut sentinels, mut master, mut sentinel_password, mut nodes) = (&[][..], "", "", String::new());
        match &self.redis.topology {
            RedisTopology::Standalone(address) => (host, port) = (address.host.clone(), address.port.to_string()),
            RedisTopology::Sentinel { sentinels: all, master: name, password } => {
                (sentinels, master) = (&all[..], name.as_str());
                sentinel_password = if password.is_some() { REDACTED } else { "" };
            }
            RedisTopology::Cluster { nodes: all } => nodes = list(all),
        }
        let sentinel = |n: usize| sentinels.get(n).map(ToString::to_string).unwrap_or_default();
        values.extend([
            ("REDIS_HOST", host),
            ("REDIS_PORT", port),
            ("REDIS_SENTINEL_ENABLED", (!sentinels.is_empty()).to_string()),
            ("REDIS_SENTINEL_1_HOST", sentinel(0)),
            ("REDIS_SENTINEL_2_HOST", sentinel(1)),
            ("REDIS_SENTINEL_3_HOST", sentinel(2)),
            ("REDIS_SENTINEL_MASTER", master.to_owned()),
            ("REDIS_SENTINEL_PASSWORD", sentinel_password.to_owned()),
            ("REDIS_CLUSTER_NODES", nodes),
        ]);
    }
}
