//! The URL of a server, read strictly. Anything ambiguous is refused: otherwise a password with a `/` in it would
//! become a path, and be printed as one.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use percent_encoding::percent_decode_str;

/// Where a server is and how to sign in to it. Everything except `path` is percent-decoded. Its `Debug` shows no
/// secret.
#[derive(Clone, PartialEq, Eq)]
pub struct ServerUrl {
    pub scheme: &'static str,
    pub username: Option<String>,
    pub password: Option<String>,
    /// Without brackets; empty if there is none.
    pub host: String,
    pub port: Option<u16>,
    /// As written, without the first `/`.
    pub path: String,
    pub parameters: Vec<(String, String)>,
}

/// Says what to do, but never repeats the input.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidUrl {
    #[error("must not be in quotes: they would be part of it")]
    Quotes,
    #[error("must start with {0}")]
    Scheme(String),
    #[error(
        "can be read in more than one way: percent-encode the user name, the password and parameters, \
         such as %2F for /, %23 for #, %3A for :, %3F for ?, %40 for @ and %25 for %"
    )]
    Ambiguous,
    #[error("must be UTF-8 once it is percent-decoded")]
    Utf8,
    #[error("must name a host: a name, an IPv4 address, or an IPv6 address in brackets")]
    Host,
    #[error("must have a port from 1 to 65535, or none")]
    Port,
    #[error("has a parameter that is not name=value, or one that is there twice")]
    Parameter,
}

impl ServerUrl {
    /// `scheme://[[user][:password]@][host][:port][/path][?name=value&…]` with one of these schemes.
    ///
    /// # Errors
    /// If it is not such a URL, or is ambiguous.
    pub fn parse(text: &str, schemes: &[&'static str]) -> Result<Self, InvalidUrl> {
        if text.starts_with(['"', '\'']) || text.ends_with(['"', '\'']) {
            return Err(InvalidUrl::Quotes);
        }
        let with_scheme = |scheme: &&'static str| Some((*scheme, text.strip_prefix(*scheme)?.strip_prefix("://")?));
        let Some((scheme, rest)) = schemes.iter().find_map(with_scheme) else {
            let starts: Vec<_> = schemes.iter().map(|scheme| format!("{scheme}://")).collect();
            return Err(InvalidUrl::Scheme(starts.join(" or ")));
        };
        if !rest.bytes().all(is_url_byte) || !is_percent_encoded(rest) {
            return Err(InvalidUrl::Ambiguous);
        }
        let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
        // Everything up to an `@` may be part of the password, and so may text after another `?`.
        if behind.contains('@') || query.contains('?') || authority.matches('@').count() > 1 {
            return Err(InvalidUrl::Ambiguous);
        }
        let (credentials, server) = authority.split_once('@').map_or((None, authority), |(c, s)| (Some(c), s));
        let (username, password) = credentials.map(credentials_of).transpose()?.unwrap_or_default();
        let (host, port) = host_and_port(server)?;
        Ok(Self {
            scheme,
            username,
            password,
            host,
            port,
            path: path.strip_prefix('/').unwrap_or_default().to_owned(),
            parameters: parameters(query)?,
        })
    }

    /// For display: the password, a user name on its own (it may be a token) and parameters are replaced by stars.
    pub fn redacted(&self) -> String {
        let credentials = match (&self.username, &self.password) {
            (None, None) => "",
            (None, Some(_)) => ":***@",
            (Some(_), None) => "***@",
            (Some(name), Some(_)) => &format!("{name}:***@"),
        };
        let parameters = if self.parameters.is_empty() { "" } else { "?***" };
        format!("{}://{credentials}{}{parameters}", self.scheme, self.place())
    }

    /// Host, port and path.
    pub fn place(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        let port = self.port.map(|port| format!(":{port}")).unwrap_or_default();
        let slash = if self.path.is_empty() { "" } else { "/" };
        format!("{host}{port}{slash}{}", self.path)
    }
}

impl fmt::Debug for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.redacted())
    }
}

/// The characters a URL may contain; a `#` would begin a fragment, which no server has.
fn is_url_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~:/?[]@!$&'()*+,;=%".contains(&byte)
}

/// Whether each `%` begins an escape.
pub fn is_percent_encoded(text: &str) -> bool {
    text.split('%').skip(1).all(|behind| behind.len() >= 2 && behind.bytes().take(2).all(|b| b.is_ascii_hexdigit()))
}

fn decoded(text: &str) -> Result<String, InvalidUrl> {
    percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(|_| InvalidUrl::Utf8)
}

type Credentials = (Option<String>, Option<String>);

fn credentials_of(text: &str) -> Result<Credentials, InvalidUrl> {
    let (username, password) = text.split_once(':').map_or((text, None), |(name, secret)| (name, Some(secret)));
    let given = |text: &str| match text {
        "" => Ok(None),
        text if text.contains([':', '[', ']']) => Err(InvalidUrl::Ambiguous),
        text => decoded(text).map(Some),
    };
    Ok((given(username)?, password.map(given).transpose()?.flatten()))
}

fn host_and_port(text: &str) -> Result<(String, Option<u16>), InvalidUrl> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (ip, behind) = rest.split_once(']').ok_or(InvalidUrl::Host)?;
            let ip: Ipv6Addr = ip.parse().map_err(|_| InvalidUrl::Host)?;
            let port = behind.strip_prefix(':');
            if port.is_none() && !behind.is_empty() {
                return Err(InvalidUrl::Host);
            }
            (ip.to_string(), port)
        }
        None => {
            let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
            (decoded(host)?, port)
        }
    };
    let is_whole = |port: &str| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let number = |port: &str| port.parse().ok().filter(|number| *number > 0 && is_whole(port)).ok_or(InvalidUrl::Port);
    let port = port.map(number).transpose()?;
    match is_host(&host) {
        true => Ok((host, port)),
        false => Err(InvalidUrl::Host),
    }
}

/// Or none, or the folder of a socket.
fn is_host(text: &str) -> bool {
    let numeric =
        text.rsplit('.').next().is_some_and(|last| !last.is_empty() && last.bytes().all(|b| b.is_ascii_digit()));
    if numeric {
        return text.parse::<Ipv4Addr>().is_ok();
    }
    text.starts_with('/')
        || text.parse::<Ipv6Addr>().is_ok()
        || text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

fn parameters(query: &str) -> Result<Vec<(String, String)>, InvalidUrl> {
    let mut parameters: Vec<(String, String)> = Vec::new();
    for pair in query.split('&').filter(|_| !query.is_empty()) {
        // Some read a + as a space.
        if pair.contains('+') {
            return Err(InvalidUrl::Ambiguous);
        }
        let (name, value) = pair.split_once('=').ok_or(InvalidUrl::Parameter)?;
        let name = decoded(name)?;
        if name.is_empty() || parameters.iter().any(|(known, _)| *known == name) {
            return Err(InvalidUrl::Parameter);
        }
        parameters.push((name, decoded(value)?));
    }
    Ok(parameters)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SCHEMES: &[&str] = &["postgres", "postgresql"];

    fn read(url: &str) -> Result<ServerUrl, InvalidUrl> {
        ServerUrl::parse(url, SCHEMES)
    }

    #[test]
    fn a_url_is_read_in_one_way_or_refused() {
        let good = |url: &str, redacted: &str| {
            assert_eq!(read(url).map(|url| url.redacted()).as_deref(), Ok(redacted), "{url}")
        };
        good("postgres://db", "postgres://db");
        good("postgresql://alice:hunter2@db.example:5433/cards", "postgresql://alice:***@db.example:5433/cards");
        good("postgres://alice@db/x", "postgres://***@db/x");
        good("postgres://:hunter2@db", "postgres://:***@db");
        good("postgres://alice@[::1]:5432/db", "postgres://***@[::1]:5432/db");
        good("postgres://[fd00::1]/db", "postgres://[fd00::1]/db");
        good("postgres://10.0.0.1:1/db", "postgres://10.0.0.1:1/db");
        good("postgres:///db?host=/run/postgresql", "postgres:///db?***");
        good("postgres://%2Frun%2Fpostgresql/db", "postgres:///run/postgresql/db");
        good("postgres://a:%2F7Secret@db/x?sslmode=require", "postgres://a:***@db/x?***");
        good("postgres://a:b!$&'()*+,;=c@db", "postgres://a:***@db");

        let bad = |url: &str, expected: InvalidUrl| {
            let error = read(url).unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!error.to_string().contains("ecret"), "{error}");
        };
        let scheme = || InvalidUrl::Scheme("postgres:// or postgresql://".into());
        for url in
            ["", "db", "db:5432/x", "mysql://a:7Secret@db", "postgres:/db", "Postgres://db", "postgresql+ssl://db"]
        {
            bad(url, scheme());
        }
        for url in ["\"postgres://a:7Secret@db/x\"", "'postgres://db'", "postgres://db\""] {
            bad(url, InvalidUrl::Quotes);
        }
        for url in [
            "postgres://user:/7Secret@host/db",
            "postgres://user:7Sec#ret@host/db",
            "postgres://user:7Sec?ret@host/db",
            "postgres://user:7Sec@ret@host/db",
            "postgres://user:7Sec:ret@host/db",
            "postgres://user:7Sec[ret@host/db",
            "postgres://user:7Sec]ret@host/db",
            "postgres://user:7Sec%ret@host/db",
            "postgres://user:7Sec\\ret@host/db",
            "postgres://user:7Sec ret@host/db",
            "postgres://user:7Sec\tret@host/db",
            "postgres://user:7Secret\u{e9}@host/db",
            "postgres://user:7Secret%@host/db",
            "postgres://user:7Secret%4@host/db",
            "postgres://host/db#7Secret",
            "postgres://host/db?password=7Sec?ret",
            "postgres://host/db?password=7Sec+ret",
            "postgres://host/db?password=7Sec@ret",
        ] {
            bad(url, InvalidUrl::Ambiguous);
        }
        for url in
            ["postgres://user:7Secret", "postgres://db:", "postgres://db:0", "postgres://db:65536", "postgres://db:+1"]
        {
            bad(url, InvalidUrl::Port);
        }
        for url in [
            "postgres://[::1",
            "postgres://[7Secret]/x",
            "postgres://[::1]5432",
            "postgres://127.1",
            "postgres://a,b/x",
        ] {
            bad(url, InvalidUrl::Host);
        }
        for url in
            ["postgres://db?7Secret", "postgres://db?=7Secret", "postgres://db?a=1&a=7Secret", "postgres://db?a=1&"]
        {
            bad(url, InvalidUrl::Parameter);
        }
        bad("postgres://a:7Secret%ff@db", InvalidUrl::Utf8);
    }

    proptest! {
        /// Of any password, written in either way.
        #[test]
        fn a_password_is_read_as_it_was_meant_or_refused_and_never_shown(secret in "SECRET[!-~]{1,24}") {
            let encoded = percent_encoding::utf8_percent_encode(&secret, percent_encoding::NON_ALPHANUMERIC);
            let url = read(&format!("postgres://alice:{encoded}@db:5433/x")).unwrap();
            prop_assert_eq!(url.password.as_deref(), Some(secret.as_str()));
            let shown = format!("{url:?} {} {}", url.redacted(), url.place());
            prop_assert!(!shown.contains("SECRET"), "{}", shown);

            let told = match read(&format!("postgres://alice:{secret}@db:5433/x")) {
                Ok(url) => {
                    let meant = percent_decode_str(&secret).decode_utf8().unwrap();
                    prop_assert_eq!(url.password.as_deref(), Some(meant.as_ref()));
                    prop_assert_eq!(url.place(), "db:5433/x");
                    format!("{url:?} {}", url.redacted())
                }
                Err(error) => format!("{error} {error:?}"),
            };
            prop_assert!(!told.contains("SECRET"), "{}", told);
        }
    }
}
