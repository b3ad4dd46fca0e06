//! The AT Protocol network: this site's role in it, and the servers it uses.

use std::net::IpAddr;

use cardwire_atproto::{ClientSite, Keys};
use secrecy::SecretString;
use url::{Host, Url};

use super::error::SettingsError;
use super::layers::Layers;
use super::public::address;

type Result<T, E = SettingsError> = std::result::Result<T, E>;

const SECRET_KEY: &str = "APP__SECRET_KEY";
const PLC_URL: &str = "APP__ATPROTO__PLC_URL";
const PREFIX: &str = "APP__ATPROTO__COLLECTION_PREFIX";
const APP_PASSWORDS: &str = "APP__ATPROTO__ALLOW_APP_PASSWORDS";
const PRIVATE_HOSTS: &str = "APP__ATPROTO__ALLOW_PRIVATE_HOSTS";

#[derive(Clone, Debug)]
pub struct NetworkSettings {
    /// The key that encrypts tokens. `None`: nobody can sign in by the network or connect a repository.
    pub secret_key: Option<SecretString>,
    /// The directory of did:plc.
    pub plc: Url,
    /// The prefix of the names of records' collections.
    pub prefix: String,
    pub allow_app_passwords: bool,
    /// Allows servers on private addresses and without TLS.
    pub allow_private_hosts: bool,
}

/// Other settings that it depends on.
#[derive(Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) is_production: bool,
    pub(super) use_mock_auth: bool,
    pub(super) public: Option<&'a Url>,
    pub(super) port: u16,
}

impl NetworkSettings {
    pub(super) fn read(layers: &Layers) -> Result<Self> {
        let secret_key = layers.secret(SECRET_KEY)?;
        if let Some(key) = &secret_key {
            Keys::parse(key).map_err(|error| SettingsError::value(SECRET_KEY, error.to_string()))?;
        }
        let prefix = layers.text(PREFIX).unwrap_or_default();
        if !is_prefix(prefix) {
            return Err(SettingsError::value(PREFIX, "must be the beginning of a name such as network.cosmik"));
        }
        Ok(Self {
            secret_key,
            plc: address(PLC_URL, layers.text(PLC_URL).unwrap_or_default())?,
            prefix: prefix.to_owned(),
            allow_app_passwords: layers.flag(APP_PASSWORDS)?,
            allow_private_hosts: layers.flag(PRIVATE_HOSTS)?,
        })
    }

    /// Combinations that are wrong although each value is valid.
    pub(super) fn check(&self, around: Around<'_>) -> Result<()> {
        let refuse = |line: String| Err(SettingsError::contradiction(line));
        let for_development = [
            (APP_PASSWORDS, self.allow_app_passwords, "people would give their passwords away"),
            (PRIVATE_HOSTS, self.allow_private_hosts, "anybody could have servers of your own network asked"),
        ];
        for (name, is_set, why) in for_development {
            if is_set && around.is_production {
                return refuse(format!("{name}: is refused with APP_ENV=production, since {why}"));
            }
        }
        if self.allow_app_passwords && self.secret_key.is_none() {
            return refuse(format!("{APP_PASSWORDS}: needs {SECRET_KEY}, which sessions are encrypted with"));
        }
        if self.plc.scheme() != "https" && !self.allow_private_hosts {
            return refuse(format!("{PLC_URL}: must begin with https:// unless {PRIVATE_HOSTS}=true"));
        }
        if self.secret_key.is_some() && !around.use_mock_auth && self.site(around).is_none() {
            return refuse(format!(
                "{SECRET_KEY}: signing in by AT Protocol needs APP__PUBLIC_URL to begin with https://"
            ));
        }
        Ok(())
    }

    /// This site's address for servers of the network. `None`: nobody can sign in by it.
    pub(super) fn site(&self, around: Around<'_>) -> Option<ClientSite> {
        if self.secret_key.is_none() || around.use_mock_auth {
            return None;
        }
        match around.public {
            Some(url) if url.scheme() == "https" => Some(ClientSite::Public(url.clone())),
            _ if around.is_production => None,
            Some(url) if is_loopback(url) => {
                Some(ClientSite::Loopback { port: url.port_or_known_default().unwrap_or(around.port) })
            }
            Some(_) => None,
            None => Some(ClientSite::Loopback { port: around.port }),
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => IpAddr::from(ip).is_loopback(),
        Some(Host::Ipv6(ip)) => IpAddr::from(ip).is_loopback(),
        None => false,
    }
}

/// Two or more parts of a name, as the network writes them.
fn is_prefix(text: &str) -> bool {
    let part = |part: &str| {
        (1..=63).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= 200
        && text.contains('.')
        && text.split('.').all(part)
        && text.starts_with(|c: char| c.is_ascii_lowercase())
}
