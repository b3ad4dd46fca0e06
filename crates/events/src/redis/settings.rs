//! Where Redis is and how long to wait for it.

use std::fmt;
use std::time::Duration;

use fred::clients::{Client, SentinelClient};
use fred::rustls::pki_types::CertificateDer;
use fred::rustls::pki_types::pem::PemObject;
use fred::rustls::{ClientConfig, RootCertStore};
use fred::types::Builder;
use fred::types::config::{
    Config, ConnectionConfig, PerformanceConfig, ReconnectError, ReconnectPolicy, SentinelConfig, Server, ServerConfig,
    TcpConfig, TlsConfig, TlsConnector,
};

use super::deployment::Deployment;
use crate::error::{Error, Result};
use crate::server_url::{InvalidUrl, ServerUrl};

/// A host and its port.
pub type Address = (String, u16);

/// Where Redis is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Topology {
    Standalone {
        node: Address,
    },
    /// The sentinels know where the master is. They may want a password of their own.
    Sentinel {
        sentinels: Vec<Address>,
        master: String,
        password: Option<String>,
    },
    /// Any of the nodes; they lead to the others.
    Cluster {
        nodes: Vec<Address>,
    },
}

/// Whose certificates are trusted. A certificate must name the host that is connected to, or its address.
#[derive(Clone)]
pub struct Tls(TlsConnector);

impl Tls {
    /// Those that the system trusts.
    ///
    /// # Errors
    /// `Misconfigured` when the system's certificates cannot be read.
    pub fn system() -> Result<Self> {
        TlsConnector::default_rustls().map(Self).map_err(|error| unusable(error.details()))
    }

    /// Only those signed by one of these, in PEM.
    ///
    /// # Errors
    /// `Misconfigured` if it contains no certificate, or something else.
    pub fn trusting(pem: &[u8]) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| unusable(&error.to_string()))?;
            roots.add(certificate).map_err(|error| unusable(&error.to_string()))?;
        }
        if roots.is_empty() {
            return Err(unusable("no certificate in PEM among those to trust"));
        }
        Ok(Self(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth().into()))
    }
}

fn unusable(why: &str) -> Error {
    Error::Misconfigured("Redis", format!("TLS cannot be used: {why}"))
}

/// Time limits. The defaults are for production; tests are in a hurry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// A command without an answer for this long has failed.
    pub command: Duration,
    /// How long a wait for the bell blocks in Redis.
    pub block: Duration,
    /// If a blocking call is this late, the connection hangs.
    pub block_grace: Duration,
    /// To connect and complete the greeting.
    pub connect: Duration,
    /// The n-th attempt to reconnect waits n times this ...
    pub reconnect_step: Duration,
    /// ... but never longer than this.
    pub reconnect_at_most: Duration,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            command: Duration::from_secs(2),
            block: Duration::from_secs(2),
            block_grace: Duration::from_millis(1_500),
            connect: Duration::from_secs(2),
            reconnect_step: Duration::from_millis(100),
            reconnect_at_most: Duration::from_millis(3_000),
        }
    }
}

/// `redis://[[user]:password@]host[:port][/database]`, or `rediss://` for TLS.
pub struct RedisUrl {
    pub node: Address,
    pub username: Option<String>,
    pub password: Option<String>,
    pub database: u8,
    pub tls: bool,
    /// The whole URL for display, without secrets.
    pub redacted: String,
}

impl RedisUrl {
    /// # Errors
    /// The rule it breaks, such as "must name a host".
    pub fn parse(text: &str) -> Result<Self, String> {
        let url = ServerUrl::parse(text, &["redis", "rediss"]).map_err(|error| error.to_string())?;
        if url.host.is_empty() || url.host.starts_with('/') {
            return Err(InvalidUrl::Host.to_string());
        }
        if !url.parameters.is_empty() {
            return Err("must have no parameters".into());
        }
        let is_number = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
        let database = match url.path.as_str() {
            "" => 0,
            number => {
                let number = number.strip_suffix('/').unwrap_or(number);
                number
                    .parse()
                    .ok()
                    .filter(|_| is_number(number))
                    .ok_or("must end in a database number from 0 to 255, such as /0, or in none")?
            }
        };
        let (redacted, tls) = (url.redacted(), url.scheme == "rediss");
        let ServerUrl { username, password, host, port, .. } = url;
        Ok(Self { node: (host, port.unwrap_or(6379)), username, password, database, tls, redacted })
    }
}

/// Everything needed to connect. Its `Debug` shows no secret.
#[derive(Clone)]
pub struct RedisSettings {
    pub topology: Topology,
    pub username: Option<String>,
    pub password: Option<String>,
    pub database: Option<u8>,
    pub tls: Option<Tls>,
    pub timings: Timings,
    /// Commands are spread over this many connections.
    pub clients: usize,
    /// Refuses a Redis that belongs to a different deployment. `None`: nobody else uses it, as in tests.
    pub deployment: Option<Deployment>,
}

impl RedisSettings {
    pub fn new(topology: Topology) -> Self {
        Self {
            topology,
            username: None,
            password: None,
            database: None,
            tls: None,
            timings: Timings::default(),
            clients: 2,
            deployment: None,
        }
    }

    /// From a [`RedisUrl`].
    ///
    /// # Errors
    /// `Misconfigured` if it is not such a URL. The message does not repeat it, since it may contain a password.
    pub fn from_url(url: &str) -> Result<Self> {
        let misfit = |rule: String| Error::Misconfigured("Redis", format!("its URL {rule}"));
        let RedisUrl { node, username, password, database, tls, .. } = RedisUrl::parse(url).map_err(misfit)?;
        Ok(Self {
            username,
            password,
            database: (database != 0).then_some(database),
            tls: tls.then(Tls::system).transpose()?,
            ..Self::new(Topology::Standalone { node })
        })
    }

    pub(super) fn build(&self) -> Result<Client> {
        self.builder().build().map_err(|error| Error::Misconfigured("Redis", error.to_string()))
    }

    /// One client for each sentinel; none without sentinels.
    pub(super) fn build_sentinels(&self) -> Vec<(Address, SentinelClient)> {
        let Topology::Sentinel { sentinels, password, .. } = &self.topology else { return Vec::new() };
        sentinels
            .iter()
            .map(|address @ (host, port)| {
                let config = SentinelConfig {
                    host: host.clone(),
                    port: *port,
                    password: password.clone(),
                    tls: self.tls_config(),
                    ..SentinelConfig::default()
                };
                let client = SentinelClient::new(
                    config,
                    Some(self.performance()),
                    Some(self.connection()),
                    Some(self.reconnect_policy()),
                );
                (address.clone(), client)
            })
            .collect()
    }

    fn builder(&self) -> Builder {
        let servers = |nodes: &[Address]| nodes.iter().map(|(host, port)| Server::new(host.as_str(), *port)).collect();
        let server = match &self.topology {
            Topology::Standalone { node: (host, port) } => ServerConfig::new_centralized(host.as_str(), *port),
            Topology::Sentinel { sentinels, master, password } => ServerConfig::Sentinel {
                hosts: servers(sentinels),
                service_name: master.clone(),
                username: None,
                password: password.clone(),
            },
            Topology::Cluster { nodes } => {
                ServerConfig::Clustered { hosts: servers(nodes), policy: Default::default() }
            }
        };
        let config = Config {
            server,
            username: self.username.clone(),
            password: self.password.clone(),
            database: self.database,
            tls: self.tls_config(),
            // A process may start before Redis does.
            fail_fast: false,
            ..Config::default()
        };
        let mut builder = Builder::from_config(config);
        builder
            .set_performance_config(self.performance())
            .set_connection_config(self.connection())
            .set_policy(self.reconnect_policy());
        builder
    }

    fn tls_config(&self) -> Option<TlsConfig> {
        self.tls.as_ref().map(|tls| tls.0.clone().into())
    }

    fn performance(&self) -> PerformanceConfig {
        PerformanceConfig { default_command_timeout: self.timings.command, ..PerformanceConfig::default() }
    }

    fn connection(&self) -> ConnectionConfig {
        use ReconnectError::{ClusterDown, Loading, MasterDown, NoReplicas, ReadOnly};
        ConnectionConfig {
            connection_timeout: self.timings.connect,
            internal_command_timeout: self.timings.connect,
            // By default fred repeats a command whose reply was lost. Only the caller knows whether that is harmless.
            max_command_attempts: 1,
            // Above 0 the connection stops flushing for good after one burst; a semaphore bounds the load instead.
            max_command_buffer_len: 0,
            // Somebody may correct a password while we run.
            reconnect_on_auth_error: true,
            reconnect_errors: vec![ClusterDown, Loading, ReadOnly, MasterDown, NoReplicas],
            tcp: TcpConfig { nodelay: Some(true), ..TcpConfig::default() },
            ..ConnectionConfig::default()
        }
    }

    /// Forever, after min(n x step, at most).
    fn reconnect_policy(&self) -> ReconnectPolicy {
        let ms = |duration: Duration| u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
        let mut policy =
            ReconnectPolicy::new_linear(0, ms(self.timings.reconnect_at_most), ms(self.timings.reconnect_step));
        policy.set_jitter(0);
        policy
    }
}

impl fmt::Debug for RedisSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut topology = self.topology.clone();
        if let Topology::Sentinel { password, .. } = &mut topology {
            *password = password.as_ref().map(|_| "***".into());
        }
        f.debug_struct("RedisSettings")
            .field("topology", &topology)
            .field("username", &self.username)
            .field("password", &self.password.as_ref().map(|_| "***"))
            .field("database", &self.database)
            .field("tls", &self.tls.is_some())
            .field("timings", &self.timings)
            .field("clients", &self.clients)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_says_it_all() {
        let settings = RedisSettings::from_url("redis://bob:s%40crt@cache.internal:6380/2").unwrap();
        assert_eq!(settings.topology, Topology::Standalone { node: ("cache.internal".into(), 6380) });
        assert_eq!((settings.username.as_deref(), settings.password.as_deref()), (Some("bob"), Some("s@crt")));
        assert_eq!((settings.database, settings.tls.is_some()), (Some(2), false));
        let database = |url: &str| RedisSettings::from_url(url).map(|settings| settings.database).ok();
        assert_eq!(database("redis://bob:s3cret@cache/3"), Some(Some(3)));
        assert_eq!(database("redis://cache/3/"), Some(Some(3)), "a slash at the end says nothing");
        assert_eq!(database("redis://cache/0/"), Some(None), "0 is what there is without asking");
        for unclear in ["redis://cache//", "redis://cache/3//", "redis://cache/3/4", "redis://cache?db=3"] {
            assert_eq!(database(unclear), None, "{unclear}");
        }
        let short = RedisSettings::from_url("redis://localhost").unwrap();
        assert_eq!(short.topology, Topology::Standalone { node: ("localhost".into(), 6379) });
    }

    #[test]
    fn what_is_no_redis_url_is_refused_without_being_repeated() {
        for url in ["", "localhost:6379", "http://:s3cret@localhost", "redis://:s3cret@:x", "redis-sentinel://s3cret"] {
            let error = RedisSettings::from_url(url).unwrap_err();
            assert!(matches!(error, Error::Misconfigured(..)), "{url}: {error}");
            assert!(!error.to_string().contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn what_is_no_certificate_is_not_trusted() {
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for pem in ["", "nonsense", broken, "-----BEGIN CERTIFICATE-----\nAAAA"] {
            assert!(matches!(Tls::trusting(pem.as_bytes()), Err(Error::Misconfigured(..))), "{pem}");
        }
    }

    #[test]
    fn debug_shows_no_secret() {
        let topology = Topology::Sentinel {
            sentinels: vec![("s".into(), 26379)],
            master: "mymaster".into(),
            password: Some("s3cret".into()),
        };
        let settings = RedisSettings { password: Some("s3cret".into()), ..RedisSettings::new(topology) };
        assert!(!format!("{settings:?}").contains("s3cret"));
    }
}
