//! How Redis is reached.

use std::fmt;
use std::path::PathBuf;

use cardwire_events::redis::RedisUrl;
use secrecy::SecretString;

use super::error::SettingsError;
use super::host::Address;
use super::layers::Layers;

/// One master carries all partitions of a queue in one slot each, so a Cluster needs several to spread over its
/// masters.
const CLUSTER_PARTITIONS: u16 = 8;
const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// Where Redis is. `REDIS_URL` gives credentials, database and TLS for each topology, even if Sentinel or Cluster
/// provide the addresses.
#[derive(Clone, Debug)]
pub struct RedisSettings {
    pub topology: RedisTopology,
    /// Without secrets. Unless the topology is standalone, only its credentials, database and TLS count.
    pub url: Option<String>,
    pub username: Option<SecretString>,
    pub password: Option<SecretString>,
    pub database: u8,
    pub tls: bool,
    /// If given, only certificates signed by these, in PEM, are trusted for Redis and the sentinels; otherwise the
    /// system's.
    pub ca_file: Option<PathBuf>,
    /// For each queue. All processes must use the same number.
    pub partitions: u16,
    /// Start even if Redis may evict queues, locks and windows.
    pub allow_any_maxmemory_policy: bool,
}

#[derive(Clone, Debug)]
pub enum RedisTopology {
    Standalone(Address),
    Sentinel { sentinels: Vec<Address>, master: String, password: Option<SecretString> },
    Cluster { nodes: Vec<Address> },
}

impl RedisSettings {
    pub(super) fn read(layers: &Layers) -> Result<Self, SettingsError> {
        let wrong = |rule| SettingsError::value("REDIS_URL", rule);
        let from_url = layers.text("REDIS_URL").map(RedisUrl::parse).transpose().map_err(wrong)?;
        let host = layers.text("REDIS_HOST").unwrap_or("localhost");
        let port = layers.number("REDIS_PORT", &(1..=u16::MAX))?;
        let apart = Address::parse(host, port)
            .ok()
            .filter(|address| address.port == port)
            .ok_or_else(|| SettingsError::value("REDIS_HOST", "must be a host alone, without a port"))?;
        let url = from_url.as_ref().map(|url| url.redacted.clone());
        let secret = |text: Option<String>| text.map(SecretString::from);
        let (address, username, password, database, tls) = match from_url {
            Some(RedisUrl { node: (host, port), username, password, database, tls, .. }) => {
                (Address { host, port }, secret(username), secret(password), database, tls)
            }
            None => (apart, None, layers.secret("REDIS_PASSWORD")?, 0, false),
        };
        let topology = topology(layers, address)?;
        let clustered = matches!(topology, RedisTopology::Cluster { .. });
        if clustered && database != 0 {
            return Err(SettingsError::contradiction(
                "REDIS_CLUSTER_NODES: Redis Cluster has no database but 0, which REDIS_URL names",
            ));
        }
        let ca_file = layers.text("APP__REDIS__CA_FILE").map(PathBuf::from);
        if ca_file.is_some() && !tls {
            return Err(SettingsError::contradiction(
                "APP__REDIS__CA_FILE: is of use only with a REDIS_URL of rediss://",
            ));
        }
        let partitions = layers.number_if_set("APP__REDIS__PARTITIONS", &(1..=256))?;
        Ok(Self {
            topology,
            url,
            username,
            password,
            database,
            tls,
            ca_file,
            partitions: partitions.unwrap_or(if clustered { CLUSTER_PARTITIONS } else { 1 }),
            allow_any_maxmemory_policy: layers.flag("APP__REDIS__ALLOW_ANY_MAXMEMORY_POLICY")?,
        })
    }
}

fn topology(layers: &Layers, standalone: Address) -> Result<RedisTopology, SettingsError> {
    let address = |name: &'static str, text: &str, port| {
        Address::parse(text, port).map_err(|rule| SettingsError::value(name, rule))
    };
    let mut sentinels = Vec::new();
    for name in ["REDIS_SENTINEL_1_HOST", "REDIS_SENTINEL_2_HOST", "REDIS_SENTINEL_3_HOST"] {
        if let Some(text) = layers.text(name) {
            sentinels.push(address(name, text, SENTINEL_PORT)?);
        }
    }
    let mut nodes = Vec::new();
    for text in layers.text("REDIS_CLUSTER_NODES").into_iter().flat_map(|list| list.split(',')) {
        nodes.push(address("REDIS_CLUSTER_NODES", text.trim(), PORT)?);
    }
    match (layers.flag("REDIS_SENTINEL_ENABLED")?, nodes.is_empty()) {
        (true, false) => Err(SettingsError::contradiction(
            "REDIS_SENTINEL_ENABLED and REDIS_CLUSTER_NODES: Redis is reached through Sentinel or as a Cluster, not both",
        )),
        (true, true) if sentinels.is_empty() => Err(SettingsError::contradiction(
            "REDIS_SENTINEL_ENABLED: needs at least one of REDIS_SENTINEL_1_HOST, REDIS_SENTINEL_2_HOST, REDIS_SENTINEL_3_HOST",
        )),
        (true, true) => Ok(RedisTopology::Sentinel {
            sentinels,
            master: layers.text("REDIS_SENTINEL_MASTER").unwrap_or("mymaster").to_owned(),
            password: layers.secret("REDIS_SENTINEL_PASSWORD")?,
        }),
        (false, false) => Ok(RedisTopology::Cluster { nodes }),
        (false, true) => Ok(RedisTopology::Standalone(standalone)),
    }
}

/// The topology for the log at start, without credentials.
impl fmt::Display for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.topology {
            RedisTopology::Standalone(address) => write!(f, "Redis at {address}")?,
            RedisTopology::Sentinel { sentinels, master, .. } => {
                write!(f, "Redis Sentinel master {master} through {}", list(sentinels))?;
            }
            RedisTopology::Cluster { nodes } => write!(f, "Redis Cluster at {}", list(nodes))?,
        }
        let tls = if self.tls { ", TLS" } else { "" };
        let plural = if self.partitions == 1 { "" } else { "s" };
        write!(f, "{tls}, {} partition{plural}", self.partitions)
    }
}

pub(super) fn list(addresses: &[Address]) -> String {
    addresses.iter().map(Address::to_string).collect::<Vec<_>>().join(",")
}
