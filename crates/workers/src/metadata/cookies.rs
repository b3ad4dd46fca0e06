//! The cookies of one fetch. They are kept while it lasts and sent back to their origin, as sites expect from browsers
//! that follow redirects.

use std::cmp::Reverse;
use std::time::SystemTime;

use cardwire_domain::url::registrable_domain;
use reqwest::header::{HeaderMap, HeaderValue, SET_COOKIE};
use url::{Host, Url};

/// At most this many cookies are kept. More are ignored.
const MOST: usize = 30;
/// For one cookie, including its attributes.
const MAX_BYTES: usize = 4_096;
/// For all cookies in a request.
const MAX_SENT: usize = 8_192;

/// The cookies of one fetch.
#[derive(Debug, Default)]
pub(super) struct Jar(Vec<Cookie>);

/// Whom a cookie is for, and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Key {
    name: Vec<u8>,
    host: String,
    /// Cookies are kept separate by port, which browsers do not do: another port may be another server in a test or a
    /// home network.
    port: Option<u16>,
    for_subdomains: bool,
    path: String,
}

#[derive(Debug)]
struct Cookie {
    key: Key,
    value: Vec<u8>,
    is_secure: bool,
}

impl Jar {
    /// Keeps the cookies that a response from this URL sets. Returns whether any cookie is new or has a new value.
    pub(super) fn keep(&mut self, url: &Url, headers: &HeaderMap) -> bool {
        let lines = headers.get_all(SET_COOKIE).iter().map(HeaderValue::as_bytes);
        let mut is_changed = false;
        for line in lines.filter(|line| line.len() <= MAX_BYTES).take(2 * MOST) {
            is_changed |= self.keep_one(url, line).unwrap_or_default();
        }
        is_changed
    }

    fn keep_one(&mut self, url: &Url, line: &[u8]) -> Option<bool> {
        let Parsed { cookie, is_over } = parse(url, line)?;
        let known = self.0.iter().position(|known| known.key == cookie.key);
        match known {
            Some(at) if is_over => _ = self.0.remove(at),
            Some(at) => {
                let before = std::mem::replace(&mut self.0[at], cookie);
                return Some(before.value != self.0[at].value);
            }
            None if is_over || self.0.len() >= MOST => return None,
            None => self.0.push(cookie),
        }
        Some(true)
    }

    /// The cookies for a request to this URL: longer paths first, as sites expect.
    pub(super) fn header(&self, url: &Url) -> Option<HeaderValue> {
        let mut sent: Vec<&Cookie> = self.0.iter().filter(|cookie| cookie.goes_to(url)).collect();
        sent.sort_by_key(|cookie| Reverse(cookie.key.path.len()));
        let mut header = Vec::new();
        for Cookie { key, value, .. } in sent {
            let joint: &[u8] = if header.is_empty() { b"" } else { b"; " };
            let pair = [joint, key.name.as_slice(), b"=", value.as_slice()].concat();
            if header.len() + pair.len() <= MAX_SENT {
                header.extend(pair);
            }
        }
        HeaderValue::from_bytes(&header).ok().filter(|header| !header.is_empty())
    }
}

impl Cookie {
    fn goes_to(&self, url: &Url) -> bool {
        let Key { host, port, for_subdomains, path, .. } = &self.key;
        let Some(asked) = url.host_str() else { return false };
        let is_below = || asked.strip_suffix(host.as_str()).is_some_and(|sub| sub.ends_with('.'));
        (asked == host || (*for_subdomains && is_below()))
            && url.port() == *port
            && (!self.is_secure || url.scheme() == "https")
            && is_within(url.path(), path)
    }
}

fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.is_empty() || folder.ends_with('/') || rest.starts_with('/'))
}

struct Parsed {
    cookie: Cookie,
    /// It deletes the cookie of this name.
    is_over: bool,
}

/// `None`: it is not a cookie, or this URL may not set it.
fn parse(url: &Url, line: &[u8]) -> Option<Parsed> {
    let mut parts = line.split(|c| *c == b';');
    let (name, value) = pair(parts.next()?)?;
    if name.is_empty() {
        return None;
    }
    let host = url.host_str()?.to_owned();
    let default_path =
        url.path().rsplit_once('/').map_or("/", |(folder, _)| if folder.is_empty() { "/" } else { folder });
    let key = Key { name: name.to_vec(), host, port: url.port(), for_subdomains: false, path: default_path.to_owned() };
    let mut cookie = Cookie { key, value: value.to_vec(), is_secure: false };
    let (mut max_age, mut expires) = (None, None);
    for part in parts {
        let (attribute, value) = pair(part).unwrap_or((part.trim_ascii(), &[]));
        let Ok(value) = std::str::from_utf8(value) else { continue };
        match attribute.to_ascii_lowercase().as_slice() {
            b"domain" if !value.is_empty() => {
                let domain = value.strip_prefix('.').unwrap_or(value).to_ascii_lowercase();
                cookie.key.for_subdomains = is_shared(url, &domain)?;
                cookie.key.host = domain;
            }
            b"path" if value.starts_with('/') => cookie.key.path = value.to_owned(),
            b"secure" => cookie.is_secure = true,
            b"max-age" => max_age = value.parse::<i64>().ok().or(max_age),
            b"expires" => expires = date(value).or(expires),
            _ => {}
        }
    }
    // Somebody in between may have forged it.
    if cookie.is_secure && url.scheme() != "https" {
        return None;
    }
    let is_over = match max_age {
        Some(seconds) => seconds <= 0,
        None => expires.is_some_and(|at| at <= SystemTime::now()),
    };
    Some(Parsed { cookie, is_over })
}

fn pair(part: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = part.iter().position(|c| *c == b'=')?;
    Some((part[..at].trim_ascii(), part[at + 1..].trim_ascii()))
}

/// Whether a cookie from this URL may go to every host of the domain. `None`: this URL may not set it for this domain.
fn is_shared(url: &Url, domain: &str) -> Option<bool> {
    let host = url.host_str()?;
    let is_name = matches!(url.host(), Some(Host::Domain(_)));
    let is_above = host.strip_suffix(domain).is_some_and(|sub| sub.is_empty() || sub.ends_with('.'));
    // The names under a public suffix belong to many owners.
    let below = format!("x.{domain}");
    if is_name && is_above && registrable_domain(&below) != below {
        return Some(true);
    }
    (host == domain).then_some(false)
}

/// A date in HTTP format, or with dashes as in old cookies.
fn date(text: &str) -> Option<SystemTime> {
    let parsed = httpdate::parse_http_date(text);
    parsed.or_else(|_| httpdate::parse_http_date(&text.replace('-', " "))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn set(lines: &[&str]) -> HeaderMap {
        lines.iter().map(|line| (SET_COOKIE, HeaderValue::from_str(line).unwrap())).collect()
    }

    /// The cookies set by `from` that go to `to`.
    fn sent(from: &str, lines: &[&str], to: &str) -> String {
        let mut jar = Jar::default();
        jar.keep(&url(from), &set(lines));
        jar.header(&url(to)).map(|header| header.to_str().unwrap().to_owned()).unwrap_or_default()
    }

    const FROM: &str = "https://www.example.com/a/b";

    #[test]
    fn cookies_go_back_to_where_they_came_from() {
        let check =
            |line: &str, to: &str, expected: &str| assert_eq!(sent(FROM, &[line], to), expected, "{line}, {to}");
        check("n=v", FROM, "n=v");
        check("n=v", "https://www.example.com/a/c", "n=v");
        check("n=v", "http://www.example.com/a", "n=v");
        check("n=v", "https://www.example.com/", "");
        check("n=v; Path=/", "https://www.example.com/", "n=v");
        check("n=v; path=/x", "https://www.example.com/x/y", "n=v");
        check("n=v; path=/x", "https://www.example.com/xy", "");
        check("n=v; path=relative", FROM, "n=v");
        check(" n = \"a b=c\" ;HttpOnly; SameSite=None", FROM, "n=\"a b=c\"");
        check("n=v; secure", FROM, "n=v");
        check("n=v; Secure", "http://www.example.com/a/b", "");
        check("n", FROM, "");
        check("=v", FROM, "");
        assert_eq!(sent("http://www.example.com/", &["n=v; Secure"], FROM), "", "set in the open");
        let several = ["a=1; path=/", "b=2; path=/a/b", "c=3; path=/a"];
        assert_eq!(sent(FROM, &several, FROM), "b=2; c=3; a=1");
    }

    #[test]
    fn no_other_host_gets_them() {
        let check =
            |line: &str, to: &str, expected: &str| assert_eq!(sent(FROM, &[line], to), expected, "{line}, {to}");
        for other in [
            "https://example.com/a",
            "https://sub.www.example.com/a",
            "https://evil-www.example.com/a",
            "https://www.example.com.evil.example/a",
            "https://www.example.com:8443/a",
            "http://127.0.0.1/a",
        ] {
            check("n=v", other, "");
        }
        check("n=v; Domain=.Example.com", "https://example.com/a", "n=v");
        check("n=v; Domain=example.com", "https://login.example.com/a", "n=v");
        check("n=v; Domain=www.example.com", "https://example.com/a", "");
        check("n=v; Domain=example.com", "https://notexample.com/a", "");
        for foreign in ["com", "evil.example", "ww.example.com", "sub.www.example.com", "ample.com"] {
            check(&format!("n=v; Domain={foreign}"), FROM, "");
        }
        let shared = sent("https://ann.github.io/", &["n=v; Domain=github.io; path=/"], "https://bo.github.io/");
        assert_eq!(shared, "", "a suffix under which everybody has names");
        assert_eq!(sent("http://127.0.0.1/", &["n=v; Domain=127.0.0.1"], "http://127.0.0.1/"), "n=v");
        assert_eq!(sent("http://127.0.0.1:81/", &["n=v"], "http://127.0.0.1:82/"), "", "another server");
    }

    #[test]
    fn cookies_change_and_end() {
        let mut jar = Jar::default();
        let mut keep = |line: &str| jar.keep(&url(FROM), &set(&[line]));
        assert_eq!((keep("n=1"), keep("n=1"), keep("n=2"), keep("m=1; max-age=0")), (true, false, true, false));
        let ends = [
            "n=x; Max-Age=0",
            "n=x; Max-Age=-5; Expires=Fri, 31 Dec 9999 23:59:59 GMT",
            "n=x; expires=Thu, 01 Jan 1970 00:00:00 GMT",
            "n=x; expires=Thu, 01-Jan-1970 00:00:00 GMT",
        ];
        for end in ends {
            assert_eq!(sent(FROM, &["n=1", end], FROM), "", "{end}");
        }
        for goes_on in ["n=2; Max-Age=5", "n=2; expires=Fri, 31 Dec 9999 23:59:59 GMT", "n=2; expires=nonsense"] {
            assert_eq!(sent(FROM, &["n=1", goes_on], FROM), "n=2", "{goes_on}");
        }
    }

    #[test]
    fn what_is_kept_and_sent_is_bounded() {
        let many: Vec<String> = (0..1_000).map(|n| format!("n{n}={}", "v".repeat(1_000))).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        assert!((4_000..=MAX_SENT).contains(&sent(FROM, &many, FROM).len()));
        assert_eq!(sent(FROM, &[&format!("n={}", "v".repeat(MAX_BYTES))], FROM), "");
    }
}
