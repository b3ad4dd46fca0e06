//! Which addresses a page may be fetched from: no request reaches what only this machine or its network can reach.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// Why a URL is not asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody is told which: what names inside a network lead to is not for its outside.
    #[error("not a public address")]
    Private,
    #[error("port {0} is not fetched from")]
    Port(u16),
    #[error("{0} URLs are not fetched")]
    Scheme(String),
    #[error("the URL names no host")]
    NoHost,
    #[error("URLs with a user name or password are not fetched")]
    Credentials,
}

/// What may be asked.
#[derive(Clone, Debug, Default)]
pub struct AddressPolicy {
    /// Private addresses too, on any port: for tests and development.
    pub allow_private: bool,
    /// Ports besides 80 and 443.
    pub ports: BTreeSet<u16>,
    /// Exceptions for servers that a test runs itself.
    pub exempt: BTreeSet<SocketAddr>,
}

impl AddressPolicy {
    /// Before a request is made: scheme, credentials, port and an address that stands in the URL itself, in any notation: the parser has turned
    /// `127.1`, `0x7f000001` and the like into addresses.
    pub fn check_url(&self, url: &Url) -> Result<(), Refusal> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Refusal::Scheme(url.scheme().to_owned()));
        }
        // None is saved with them, but a page may redirect to them: it would have others' servers asked in its name.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Refusal::Credentials);
        }
        let port = url.port_or_known_default().ok_or(Refusal::NoHost)?;
        let ip: Option<IpAddr> = match url.host().ok_or(Refusal::NoHost)? {
            Host::Domain(_) => None,
            Host::Ipv4(ip) => Some(ip.into()),
            Host::Ipv6(ip) => Some(ip.into()),
        };
        if ip.is_some_and(|ip| self.exempt.contains(&SocketAddr::new(ip, port))) {
            return Ok(());
        }
        self.check_port(port)?;
        ip.map_or(Ok(()), |ip| self.check_ip(ip))
    }

    /// What a name resolved to.
    pub fn check_ip(&self, ip: IpAddr) -> Result<(), Refusal> {
        if self.allow_private || is_public(ip) { Ok(()) } else { Err(Refusal::Private) }
    }

    fn check_port(&self, port: u16) -> Result<(), Refusal> {
        if self.allow_private || matches!(port, 80 | 443) || self.ports.contains(&port) {
            Ok(())
        } else {
            Err(Refusal::Port(port))
        }
    }
}

/// Whether the address belongs to the open internet.
pub fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = ip.is_unspecified()
        || ip.is_loopback()
        || ip.is_private()
        || ip.is_link_local()
        || ip.is_multicast()
        || ip.is_broadcast()
        || ip.is_documentation()
        // "This network", shared address space (RFC 6598), IETF protocols, 6to4 relays, benchmarks, reserved.
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 192 && b == 0 && c == 0)
        || (a == 192 && b == 88 && c == 99)
        || (a == 198 && (18..20).contains(&b))
        // A cloud's own services, on a public address.
        || ip == Ipv4Addr::new(168, 63, 129, 16)
        || a >= 240;
    !special
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    let segments = ip.segments();
    let embedded = |high: u16, low: u16| {
        let [[a, b], [c, d]] = [high.to_be_bytes(), low.to_be_bytes()];
        is_public_v4(Ipv4Addr::new(a, b, c, d))
    };
    match segments {
        // IPv4-mapped, and NAT64 (RFC 6052): what matters is the address inside.
        [0, 0, 0, 0, 0, 0xffff, high, low] => embedded(high, low),
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => embedded(high, low),
        // 6to4.
        [0x2002, high, low, ..] => embedded(high, low),
        // Teredo, benchmarks, ORCHID, documentation.
        [0x2001, b, ..] if b < 0x200 || b == 0xdb8 => false,
        [0x3fff, b, ..] if b < 0x1000 => false,
        // Only global unicast: no loopback, unspecified, unique local, link-local, site-local, multicast, local NAT64.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_are_not_public_are_refused_in_every_notation() {
        let policy = AddressPolicy::default();
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "0",
            "0.0.0.0",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "100.127.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "168.63.129.16",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:169.254.169.254]",
            "[::127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b:1::1]",
            "[2002:7f00:1::1]",
            "[2001::1]",
            "[2001:db8::1]",
            "[3fff::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[100::1]",
            "１２７.0.0.1",
            "①②⑦.0.0.1",
        ] {
            let url = Url::parse(&format!("http://{host}/")).unwrap();
            assert!(matches!(policy.check_url(&url), Err(Refusal::Private)), "{host} became {url}");
        }
    }

    #[test]
    fn the_open_internet_is_asked_on_web_ports() {
        let policy = AddressPolicy::default();
        for url in
            ["http://example.com", "https://93.184.215.14", "http://[2606:4700::1]/", "https://[64:ff9b::808:808]/"]
        {
            assert_eq!(policy.check_url(&Url::parse(url).unwrap()), Ok(()), "{url}");
        }
        let check =
            |url: &str, expected| assert_eq!(policy.check_url(&Url::parse(url).unwrap()), Err(expected), "{url}");
        check("http://example.com:22/", Refusal::Port(22));
        check("https://example.com:8443/", Refusal::Port(8443));
        for url in ["http://a@example.com/", "http://a:b@example.com/", "http://:b@example.com/"] {
            check(url, Refusal::Credentials);
        }
        check("ftp://example.com/", Refusal::Scheme("ftp".into()));
        check("file:///etc/passwd", Refusal::Scheme("file".into()));
        let wider = AddressPolicy { ports: BTreeSet::from([8443]), ..AddressPolicy::default() };
        assert_eq!(wider.check_url(&Url::parse("https://example.com:8443/").unwrap()), Ok(()));
        let open = AddressPolicy { allow_private: true, ..AddressPolicy::default() };
        assert_eq!(open.check_url(&Url::parse("http://127.0.0.1:9/").unwrap()), Ok(()));
    }
}
