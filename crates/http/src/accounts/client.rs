//! The browser or program that somebody signs in with, as far as it identifies itself.

use std::net::IpAddr;

use actix_web::HttpRequest;
use actix_web::http::header;
use cardwire_domain::sessions::MAX_CLIENT_CHARS;

/// Where a request comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Client {
    /// Whom to count a sign-in against.
    pub address: Option<IpAddr>,
    /// Such as "Firefox on Linux". What the client says of itself: its owner may recognise it by that, nothing else depends on it.
    pub name: String,
}

/// The name of the request's client; empty if it says nothing.
pub(super) fn name(request: &HttpRequest) -> String {
    let told = request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    told.map(short).unwrap_or_default()
}

/// As the product names itself, and people know it. The first that fits counts: browsers name those they resemble as well.
const BROWSERS: [(&str, &str); 8] = [
    ("Edg", "Edge"),
    ("OPR/", "Opera"),
    ("Vivaldi/", "Vivaldi"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Firefox/", "Firefox"),
    ("FxiOS/", "Firefox"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
];

const SYSTEMS: [(&str, &str); 7] = [
    ("Android", "Android"),
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Windows", "Windows"),
    ("Mac OS X", "macOS"),
    ("CrOS", "ChromeOS"),
    ("Linux", "Linux"),
];

/// Of what is no browser, the first product without its version, such as "curl".
fn short(agent: &str) -> String {
    let known =
        |names: &[(&str, &'static str)]| names.iter().find(|(sign, _)| agent.contains(*sign)).map(|(_, name)| *name);
    let product = || agent.split(['/', ' ', '(']).next().unwrap_or_default();
    let name = match (known(&BROWSERS), known(&SYSTEMS)) {
        (Some(browser), Some(system)) => format!("{browser} on {system}"),
        (Some(browser), None) => browser.to_owned(),
        (None, _) => product().to_owned(),
    };
    name.chars().filter(|c| !c.is_control()).take(MAX_CLIENT_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_go_by_the_names_that_people_know() {
        for (agent, name) in [
            ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", "Firefox on Linux"),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
                "Chrome on Windows",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36 Edg/126.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/604.1",
                "Safari on iPhone",
            ),
            (
                "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537.36",
                "Chrome on Android",
            ),
            ("curl/8.5.0", "curl"),
            ("python-requests/2.32", "python-requests"),
            ("", ""),
        ] {
            assert_eq!(short(agent), name, "{agent}");
        }
        assert_eq!(short(&"x".repeat(1_000)).len(), MAX_CLIENT_CHARS);
    }
}
