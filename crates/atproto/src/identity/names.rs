//! Names of the network, which are names of hosts, and what DNS says of them.

use std::time::Duration;

use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::proto::rr::RData;

use crate::error::Error;

/// A handle of the network, such as `alice.example.com`, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NetworkHandle(String);

/// Names that lead nowhere on the internet.
const DISALLOWED: [&str; 6] = ["alt", "arpa", "internal", "invalid", "local", "onion"];
/// Names that mean something in development alone.
const DEVELOPMENT: [&str; 3] = ["example", "localhost", "test"];

impl NetworkHandle {
    /// `None`: it is no handle. With or without its `@`.
    pub fn parse(text: &str, development: bool) -> Option<Self> {
        let text = text.trim().trim_start_matches('@').to_ascii_lowercase();
        let label = |label: &str| {
            (1..=63).contains(&label.len())
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        };
        let (_, top) = text.rsplit_once('.')?;
        let is_good = text.len() <= 253
            && text.split('.').all(label)
            && top.starts_with(|c: char| c.is_ascii_lowercase())
            && !DISALLOWED.contains(&top)
            && (development || !DEVELOPMENT.contains(&top));
        is_good.then_some(Self(text))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Asks DNS.
#[async_trait]
pub trait TxtNames: Send + Sync + 'static {
    /// The TXT records of this name, in no particular order; none if there is no such name.
    async fn txt(&self, name: &str) -> Result<Vec<String>, Error>;
}

/// The system's resolver.
pub struct DnsNames(TokioResolver);

impl DnsNames {
    /// # Errors
    /// When the system's configuration cannot be read.
    pub fn of_system() -> Result<Self, Error> {
        let away = |error: hickory_resolver::net::NetError| Error::Away { what: "DNS", why: error.to_string() };
        let mut builder = TokioResolver::builder_tokio().map_err(away)?;
        builder.options_mut().timeout = Duration::from_secs(3);
        builder.options_mut().attempts = 2;
        Ok(Self(builder.build().map_err(away)?))
    }
}

#[async_trait]
impl TxtNames for DnsNames {
    async fn txt(&self, name: &str) -> Result<Vec<String>, Error> {
        // Fully qualified, so that no search domain is tried.
        let found = match self.0.txt_lookup(format!("{name}.")).await {
            Ok(found) => found,
            Err(error) if error.is_no_records_found() || error.is_nx_domain() => return Ok(Vec::new()),
            Err(error) => return Err(Error::Away { what: "DNS", why: error.to_string() }),
        };
        let text = |data: &RData| match data {
            RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
            _ => None,
        };
        Ok(found.answers().iter().filter_map(|record| text(&record.data)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_are_names_of_hosts() {
        let parse = |text: &str| NetworkHandle::parse(text, false).map(|handle| handle.0);
        assert_eq!(parse(" @Alice.Example.COM ").as_deref(), Some("alice.example.com"));
        assert_eq!(parse("xn--bcher-kva.net").as_deref(), Some("xn--bcher-kva.net"));
        for bad in [
            "",
            "alice",
            "a..com",
            ".com",
            "a.com.",
            "-a.com",
            "a-.com",
            "a_b.com",
            "a.c0m/",
            "a.1com",
            "127.0.0.1",
            "a.local",
            "a.onion",
            "a.test",
            "a.localhost",
            "ä.com",
            "a.com:80",
            "a.com?x",
            "a@b.com",
        ] {
            assert_eq!(parse(bad), None, "{bad:?}");
        }
        assert_eq!(parse(&format!("{}.com", "a".repeat(64))), None);
        assert!(NetworkHandle::parse("alice.test", true).is_some());
        assert!(NetworkHandle::parse("alice.internal", true).is_none());
    }
}
