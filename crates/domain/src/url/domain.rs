//! Hosts: the part of them that somebody registered, and what looks like one.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The part of a normalised URL's host that somebody registered, by the public suffix list: `example.co.uk` of `a.b.example.co.uk`. An
/// address, or a name that is a public suffix itself, stands for itself, an IPv6 address for the /64 that one customer has.
pub fn registrable_domain(host: &str) -> Cow<'_, str> {
    let host = host.strip_suffix('.').unwrap_or(host);
    if let Some(Ok(address)) =
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).map(str::parse::<Ipv6Addr>)
    {
        let customer = Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX));
        return format!("[{customer}]").into();
    }
    let is_address = host.parse::<Ipv4Addr>().is_ok();
    if is_address { host.into() } else { psl::domain_str(host).unwrap_or(host).into() }
}

/// Last parts of names that are not in the public suffix list, but in use: RFC 2606, RFC 6761, RFC 6762, RFC 9476, and what people call their
/// own networks.
const OTHER_ENDS: [&str; 13] = [
    "alt",
    "arpa",
    "corp",
    "example",
    "home",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "onion",
    "test",
];

/// What a text without a scheme may be, if it is a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Host {
    /// An address, or this machine. There is hardly ever a certificate for those.
    Here,
    /// A name that ends as names on the net do.
    Known,
    /// A name with a dot that ends otherwise, as names of files do.
    Unknown,
}

/// `None`: it is no host, or a word without a dot.
pub(super) fn host(text: &str) -> Option<Host> {
    if let Some(address) = text.strip_prefix('[') {
        return address.strip_suffix(']')?.parse::<Ipv6Addr>().ok().map(|_| Host::Here);
    }
    let name = text.strip_suffix('.').unwrap_or(text).to_lowercase();
    if name.parse::<Ipv4Addr>().is_ok() || name == "localhost" || name.ends_with(".localhost") {
        return Some(Host::Here);
    }
    let (rest, end) = name.rsplit_once('.')?;
    let is_label = |label: &str| {
        !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_') || !c.is_ascii())
    };
    let is_end = (end.len() >= 2 && end.bytes().all(|byte| byte.is_ascii_lowercase()))
        || end.starts_with("xn--")
        || !end.bytes().any(|byte| byte.is_ascii());
    if !is_end || !is_label(end) || !rest.split('.').all(is_label) {
        return None;
    }
    let is_known = psl::suffix(name.as_bytes()).is_some_and(|suffix| suffix.is_known()) || OTHER_ENDS.contains(&end);
    Some(if is_known { Host::Known } else { Host::Unknown })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subdomains_belong_to_the_domain_that_somebody_registered() {
        for (host, domain) in [
            ("example.com", "example.com"),
            ("a.b.example.com", "example.com"),
            ("www.example.co.uk", "example.co.uk"),
            ("example.com.", "example.com"),
            ("ann.github.io", "ann.github.io"),
            ("github.io", "github.io"),
            ("[2001:db8:1:2:3::4]", "[2001:db8:1:2::]"),
            ("127.0.0.1", "127.0.0.1"),
            ("localhost", "localhost"),
            ("a.unheard-of", "a.unheard-of"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("192.0.2.1", "192.0.2.1"),
        ] {
            assert_eq!(registrable_domain(host), domain);
        }
    }

    #[test]
    fn hosts_are_told_from_words_and_files() {
        let check = |text: &str, expected: Option<Host>| assert_eq!(host(text), expected, "{text:?}");
        for here in ["localhost", "LocalHost", "app.localhost", "192.168.1.4", "[::1]", "[2001:db8::7]"] {
            check(here, Some(Host::Here));
        }
        for known in
            ["example.com", "Bare.Example", "bücher.example", "nas.local", "a_b.co.uk", "example.com.", "例え.jp"]
        {
            check(known, Some(Host::Known));
        }
        for unknown in ["report.pdf", "node.js", "a.unheard"] {
            check(unknown, Some(Host::Unknown));
        }
        for none in [
            "", "rust", "octopus", "3.14", "1.2.3", "v1.2", "e.g.", ".com", "a..com", "[::1", "a b.com", "a@b.com",
            "a.b/c",
        ] {
            check(none, None);
        }
    }
}
