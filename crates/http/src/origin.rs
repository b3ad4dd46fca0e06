//! Where this site is, as browsers see it: what `APP__PUBLIC_URL` says, or else the `Host` that was asked for. What clients or proxies
//! claim in `X-Forwarded-Host` or `Forwarded` never counts, since anybody can send it.

use std::fmt;

use actix_web::HttpRequest;
use actix_web::http::header::{self, HeaderName};
use url::{Origin, Url};

/// The address that browsers reach this site at. `None`: the one that each request names. Among the application's data.
#[derive(Clone, Debug, Default)]
pub struct PublicUrl(pub Option<Url>);

/// Why a request is not from a page of this site, in words for whoever sent it.
#[derive(Debug, PartialEq, Eq)]
pub struct Foreign {
    origin: Option<String>,
    site: String,
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, site } = self;
        match origin {
            Some(origin) if is_same_but_plain(origin, site) => write!(
                f,
                "it came from {origin}, but this site is {site}. Other machines need HTTPS to use it. Open {site} and send \
                 it again. If you run this site without HTTPS, set APP__PUBLIC_URL={origin}"
            )?,
            Some(origin) => write!(f, "it came from {origin}, but this site is {site}. Open {site} and send it again")?,
            None => write!(f, "it came without an Origin header, so nothing says that it came from {site}")?,
        }
        f.write_str(". If you run this site behind a proxy, set APP__PUBLIC_URL")
    }
}

/// Whether it is the site's own address, reached without TLS.
fn is_same_but_plain(origin: &str, site: &str) -> bool {
    origin.strip_prefix("http://").zip(site.strip_prefix("https://")).is_some_and(|(plain, secure)| plain == secure)
}

/// Refuses what a page of another site sends, and says so in the log. Requests without `Origin` are refused, too: browsers send it with
/// whatever changes something.
pub fn check(request: &HttpRequest) -> Result<(), Foreign> {
    let origin = text(request, &header::ORIGIN);
    let site = site(request);
    let is_ours = match (origin.and_then(parse), &site) {
        (Some(origin), Some(site)) => origin == site.origin(),
        _ => false,
    };
    if is_ours {
        return Ok(());
    }
    let host = text(request, &header::HOST).unwrap_or_default();
    let site = site.map_or_else(|| "unknown, as the request names no host".to_owned(), |site| ascii(&site));
    tracing::warn!(origin = origin.unwrap_or_default(), host, site, "refused what another site's page sent");
    Err(Foreign { origin: origin.map(str::to_owned), site })
}

/// Whether browsers speak plain HTTP with this site: on their own machine, or as `APP__PUBLIC_URL` says. Whoever lies about the host only
/// spoils their own cookies.
pub fn is_plain(request: &HttpRequest) -> bool {
    site(request).is_some_and(|site| site.scheme() == "http")
}

/// What links to this site from elsewhere begin with, such as `https://links.example`. `None`: the request names no host.
pub fn base(request: &HttpRequest) -> Option<String> {
    site(request).map(|site| ascii(&site))
}

/// The request's `Host`, without its port.
pub fn host_name(request: &HttpRequest) -> &str {
    let host = text(request, &header::HOST).unwrap_or_default();
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}

/// Names that lead nowhere but to the machine that asks.
pub fn is_loopback(name: &str) -> bool {
    matches!(name, "localhost" | "127.0.0.1" | "[::1]") || name.ends_with(".localhost")
}

fn site(request: &HttpRequest) -> Option<Url> {
    if let Some(PublicUrl(Some(url))) = request.app_data() {
        return Some(url.clone());
    }
    let host = text(request, &header::HOST).filter(|host| !host.contains(['/', '\\', '?', '#', '@']))?;
    let secure = Url::parse(&format!("https://{host}")).ok()?;
    let name = secure.host_str()?;
    // There is no TLS on one's own machine.
    match is_loopback(name) {
        true => Url::parse(&format!("http://{host}")).ok(),
        false => Some(secure),
    }
}

/// `null`, and what is no origin of the web, is none.
fn parse(text: &str) -> Option<Origin> {
    let origin = Url::parse(text).ok()?.origin();
    origin.is_tuple().then_some(origin)
}

fn ascii(site: &Url) -> String {
    site.origin().ascii_serialization()
}

fn text<'a>(request: &'a HttpRequest, name: &HeaderName) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(host: &str, origin: &str) -> TestRequest {
        TestRequest::post().insert_header(("host", host)).insert_header(("origin", origin))
    }

    #[test]
    fn only_pages_of_this_host_are_of_the_same_origin() {
        let compare = |host: &str, origin: &str, expected: bool| {
            assert_eq!(check(&request(host, origin).to_http_request()).is_ok(), expected, "{host} {origin}");
        };
        compare("example.com", "https://example.com", true);
        compare("localhost:8080", "http://localhost:8080", true);
        // Ports that go without saying, letter case, IPv6.
        compare("links.example:443", "https://links.example", true);
        compare("links.example", "https://links.example:443", true);
        compare("Links.Example:443", "https://LINKS.example", true);
        compare("[2001:DB8::1]:443", "https://[2001:db8:0::1]", true);
        compare("[::1]:8080", "http://[::1]:8080", true);
        compare("localhost:80", "http://localhost", true);
        compare("links.example:8443", "https://links.example", false);
        compare("[2001:db8::1]:8443", "https://[2001:db8::1]", false);
        compare("example.com", "http://example.com", false);
        compare("example.com:80", "http://example.com", false);
        compare("example.com", "https://example.com.evil.example", false);
        compare("evil.example@example.com", "https://example.com", false);
        compare("localhost:8080", "http://localhost:8081", false);
        compare("localhost:8080", "https://localhost:8080", false);
        compare("localhost:8080", "http://127.0.0.1:8080", false);
        compare("localhost", "null", false);
        compare("localhost", "", false);
        compare("", "https://", false);
        assert!(check(&TestRequest::post().insert_header(("host", "localhost")).to_http_request()).is_err());
    }

    #[test]
    fn a_refusal_names_what_was_compared() {
        let why = |host: &str, origin: &str| check(&request(host, origin).to_http_request()).unwrap_err().to_string();
        let text = why("links.example", "http://links.example");
        assert!(text.contains("from http://links.example, but this site is https://links.example."), "{text}");
        assert!(text.contains("APP__PUBLIC_URL"), "{text}");
    }

    #[test]
    fn a_refusal_says_that_https_is_needed_where_that_is_the_reason() {
        let why = |host: &str, origin: &str| check(&request(host, origin).to_http_request()).unwrap_err().to_string();
        for (host, origin, site) in [
            ("192.168.1.5:8080", "http://192.168.1.5:8080", "https://192.168.1.5:8080"),
            ("Links.Example", "http://links.example", "https://links.example"),
            ("[2001:db8::1]:8080", "http://[2001:db8::1]:8080", "https://[2001:db8::1]:8080"),
        ] {
            let text = why(host, origin);
            assert!(text.contains(&format!("need HTTPS to use it. Open {site} and send it again")), "{text}");
            assert!(text.contains(&format!("without HTTPS, set APP__PUBLIC_URL={origin}")), "{text}");
        }
        for origin in ["http://evil.example", "https://evil.example", "http://192.168.1.5:8081"] {
            let text = why("192.168.1.5:8080", origin);
            assert!(!text.contains("HTTPS") && !text.contains(&format!("APP__PUBLIC_URL={origin}")), "{text}");
        }
    }

    #[test]
    fn the_public_url_decides_where_it_is_set() {
        let public = |url: &str| PublicUrl(Some(Url::parse(url).unwrap()));
        let asked = |url: &str, origin: &str| request("10.0.0.7:8080", origin).app_data(public(url)).to_http_request();
        assert!(check(&asked("https://links.example", "https://links.example")).is_ok());
        assert!(check(&asked("https://links.example", "https://10.0.0.7:8080")).is_err());
        assert!(!is_plain(&asked("https://localhost", "x")));
        assert!(is_plain(&asked("http://links.intranet", "x")));
        assert_eq!(base(&asked("https://LINKS.example:443/", "x")).as_deref(), Some("https://links.example"));
    }

    #[test]
    fn what_clients_say_about_proxies_is_not_believed() {
        let forwarded = |request: TestRequest| {
            let request = request.insert_header(("x-forwarded-host", "evil.example"));
            request.insert_header(("forwarded", "host=evil.example;proto=https")).to_http_request()
        };
        let request = forwarded(request("links.example", "https://evil.example"));
        assert!(check(&request).is_err());
        assert_eq!(base(&request).as_deref(), Some("https://links.example"));
    }
}
