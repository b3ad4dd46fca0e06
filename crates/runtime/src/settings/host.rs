//! The address to listen on, and the addresses of other servers.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};
use std::str::FromStr;

/// An address, or a name that resolves to one when the process starts to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Host {
    Ip(IpAddr),
    Name(String),
}

impl Host {
    pub const LOOPBACK: Self = Self::Ip(IpAddr::V4(Ipv4Addr::LOCALHOST));
    /// Every address, including IPv4 if the system maps it.
    pub const EVERY: Self = Self::Ip(IpAddr::V6(Ipv6Addr::UNSPECIFIED));

    /// Whether only this machine can reach it. The only name trusted for that is `localhost`.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Ip(ip) => ip.to_canonical().is_loopback(),
            Self::Name(name) => name.eq_ignore_ascii_case("localhost"),
        }
    }

    /// What to bind. `[::]` becomes `0.0.0.0` on a machine without IPv6.
    pub fn addresses(&self, port: u16) -> io::Result<Vec<SocketAddr>> {
        match self {
            Self::Ip(IpAddr::V6(ip)) if ip.is_unspecified() && TcpListener::bind((*ip, 0)).is_err() => {
                Ok(vec![SocketAddr::from((Ipv4Addr::UNSPECIFIED, port))])
            }
            Self::Ip(ip) => Ok(vec![SocketAddr::from((*ip, port))]),
            Self::Name(name) => (name.as_str(), port).to_socket_addrs().map(Iterator::collect),
        }
    }
}

impl FromStr for Host {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        if let Ok(ip) = bare.parse() {
            Ok(Self::Ip(ip))
        } else if is_name(text) {
            Ok(Self::Name(text.to_owned()))
        } else {
            // Not repeated: somebody may have put a URL with a password here.
            Err("must be an IP address or a host name".to_owned())
        }
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]"),
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

fn is_name(text: &str) -> bool {
    let numeric = text.rsplit('.').next().is_some_and(|last| last.bytes().all(|b| b.is_ascii_digit()));
    !numeric && text.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b))
}

/// Where a server is: a host without brackets, and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub host: String,
    pub port: u16,
}

impl Address {
    /// `host`, `host:port`, `v6`, `[v6]` or `[v6]:port`.
    pub fn parse(text: &str, default_port: u16) -> Result<Self, String> {
        let wrong = || "must be host or host:port, without a scheme or a password".to_owned();
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !text.ends_with(']') && text.parse::<IpAddr>().is_err() => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (text, default_port),
        };
        let host: Host = host.parse().map_err(|_| wrong())?;
        if port == 0 {
            return Err(wrong());
        }
        Ok(Self { host: host.to_string().trim_matches(['[', ']']).to_owned(), port })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_whether_only_this_machine_reaches_them() {
        let check = |text: &str, shown: &str, loopback: bool| {
            let host: Host = text.parse().unwrap();
            assert_eq!((host.to_string().as_str(), host.is_loopback()), (shown, loopback), "{text}");
        };
        check("127.0.0.1", "127.0.0.1", true);
        check("127.8.9.1", "127.8.9.1", true);
        check("::1", "[::1]", true);
        check("[::1]", "[::1]", true);
        check("::ffff:127.0.0.1", "[::ffff:127.0.0.1]", true);
        check("localhost", "localhost", true);
        check("[::]", "[::]", false);
        check("0.0.0.0", "0.0.0.0", false);
        check("localhost.example.com", "localhost.example.com", false);
        check("fly-local-6pn", "fly-local-6pn", false);
        for bad in ["", "127.1", "1.2.3.4.5", "a b", "http://x", "host:80", "[::1"] {
            assert!(bad.parse::<Host>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn addresses_of_servers() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(Address::parse(text, 26379).ok().map(|a| a.to_string()).as_deref(), expected, "{text}");
        };
        check("redis", Some("redis:26379"));
        check("redis:1", Some("redis:1"));
        check("[::1]", Some("[::1]:26379"));
        check("fd00::1", Some("[fd00::1]:26379"));
        check("[fd00::1]:7000", Some("[fd00::1]:7000"));
        check("redis:", None);
        check("redis:0", None);
        check("redis:65536", None);
        check("redis://redis", None);
        check(":6379", None);
    }

    #[test]
    fn every_address_can_be_bound_with_or_without_ipv6() {
        let addresses = Host::EVERY.addresses(0).unwrap();
        assert!(TcpListener::bind(&addresses[..]).is_ok(), "{addresses:?}");
    }
}
