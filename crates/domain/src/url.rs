//! Which URLs may be saved, and when two of them are the same.

use std::borrow::Cow;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::Url;

use crate::error::{Error, Result};
use crate::text::turns_direction;

/// A URL as its saver gave it, with the form that decides identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardUrl {
    given: String,
    normalised: String,
}

impl CardUrl {
    pub const MAX_BYTES: usize = 2_048;

    pub fn parse(text: &str) -> Result<Self> {
        let refuse = |rule: &str| Err(Error::invalid("url", rule));
        let given = text.trim();
        if given.is_empty() {
            return refuse("must not be empty");
        }
        if given.len() > Self::MAX_BYTES {
            return refuse("must be at most 2,048 bytes");
        }
        if given.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return refuse("must not contain control characters or white space");
        }
        if given.contains(turns_direction) {
            return refuse("must not contain characters that change the direction of text");
        }
        let Ok(url) = Url::parse(given) else {
            return refuse("must be an absolute URL such as https://example.com/page");
        };
        if !matches!(url.scheme(), "http" | "https") {
            return refuse("must start with http:// or https://");
        }
        if !url.username().is_empty() || url.password().is_some() {
            return refuse("must not contain a user name or password");
        }
        if url.host_str().is_none_or(str::is_empty) {
            return refuse("must name a host");
        }
        let normalised = normalise(url);
        if normalised.len() > 4 * Self::MAX_BYTES {
            return refuse("must be at most 2,048 bytes");
        }
        Ok(Self { given: given.to_owned(), normalised })
    }

    /// A URL that was checked before it was stored.
    pub fn from_stored(given: String, normalised: String) -> Self {
        Self { given, normalised }
    }

    /// As the saver wrote it, trimmed.
    pub fn given(&self) -> &str {
        &self.given
    }

    /// Two cards of one person never share this.
    pub fn normalised(&self) -> &str {
        &self.normalised
    }

    /// The host, lower-case, of a normalised URL.
    pub fn domain(&self) -> &str {
        let rest = self.normalised.split_once("://").map_or(self.normalised.as_str(), |(_, rest)| rest);
        let authority = rest.split(['/', '?']).next().unwrap_or(rest);
        match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
            _ => authority,
        }
    }
}

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

/// Lower-case host and no default port (both by the parser), no fragment, no parameters that only track.
fn normalise(mut url: Url) -> String {
    url.set_fragment(None);
    if let Some(query) = url.query() {
        let tracks = |pair: &&str| {
            let name = pair.split('=').next().unwrap_or(pair).to_ascii_lowercase();
            !(name.starts_with("utm_") || name == "fbclid" || name == "gclid")
        };
        let kept = query.split('&').filter(tracks).collect::<Vec<_>>().join("&");
        let kept = (!kept.is_empty()).then_some(kept);
        url.set_query(kept.as_deref());
    }
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identity_ignores_what_does_not_change_the_page() {
        let check = |given: &str, expected: &str| {
            assert_eq!(CardUrl::parse(given).unwrap().normalised(), expected, "{given}");
        };
        check("https://Example.COM", "https://example.com/");
        check("https://example.com:443/a", "https://example.com/a");
        check("http://example.com:8080/a", "http://example.com:8080/a");
        check("https://example.com/A#part", "https://example.com/A");
        check("https://example.com/?utm_source=x&b=2&UTM_Medium=y&fbclid=1", "https://example.com/?b=2");
        check("https://example.com/?gclid=1", "https://example.com/");
        check("  https://example.com/x ", "https://example.com/x");
        check("https://example.com/?b=2&a=1", "https://example.com/?b=2&a=1");
        check("https://bücher.example/", "https://xn--bcher-kva.example/");
    }

    #[test]
    fn the_url_is_kept_as_given() {
        let url = CardUrl::parse(" https://Example.com/a?utm_source=x#y ").unwrap();
        assert_eq!(url.given(), "https://Example.com/a?utm_source=x#y");
    }

    #[test]
    fn domains_have_no_port() {
        let check = |given: &str, domain: &str| assert_eq!(CardUrl::parse(given).unwrap().domain(), domain);
        check("http://Example.com:8080/a", "example.com");
        check("https://example.com?x", "example.com");
        check("http://[::1]:80/", "[::1]");
        check("http://[::1]:81/", "[::1]");
    }

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
    fn refuses_what_is_no_web_address() {
        let long = format!("https://example.com/{}", "x".repeat(2_048));
        for bad in [
            "",
            "   ",
            "example.com",
            "ftp://example.com",
            "javascript:alert(1)",
            "https://",
            "https://u:p@example.com",
            "https://u@example.com",
            "https://exa mple.com",
            "https://example.com/\0",
            "https://example.com/a\nb",
            &long,
        ] {
            let error = CardUrl::parse(bad).unwrap_err();
            assert!(matches!(error, Error::Invalid { ref field, .. } if field == "url"), "{bad:?}: {error}");
        }
    }
}
