//! What a response's status and headers mean for the way to the page.

use std::time::{Duration, SystemTime};

use cardwire_domain::metadata::FetchFailure;
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use url::Url;

/// A server is asked again after this time, no matter how long it asks us to wait.
const LONGEST_WAIT: Duration = Duration::from_secs(86_400);

/// Where a response from this URL leads. `None`: it is the page.
pub(super) fn next(url: &Url, status: StatusCode, headers: &HeaderMap) -> Result<Option<Url>, FetchFailure> {
    let target = headers.get(LOCATION).map(|target| target.as_bytes().trim_ascii()).filter(|target| !target.is_empty());
    match (status.as_u16(), target) {
        (300..=303 | 307 | 308, Some(target)) => match url.join(&readable(target)) {
            Ok(next) => Ok(Some(next)),
            Err(_) => Err(FetchFailure::lasting("redirected to what is no URL")),
        },
        (301..=303 | 307 | 308, None) => Err(FetchFailure::lasting("redirected to nowhere")),
        _ if status.is_success() => Ok(None),
        _ => Err(refused(status, headers)),
    }
}

/// Addresses in headers are UTF-8 or percent-encoded. Anything else goes back to its server byte by byte.
fn readable(target: &[u8]) -> String {
    match std::str::from_utf8(target) {
        Ok(text) => text.to_owned(),
        Err(_) => target.iter().fold(String::new(), |mut text, byte| {
            match byte.is_ascii() {
                true => text.push(char::from(*byte)),
                false => text.push_str(&format!("%{byte:02X}")),
            }
            text
        }),
    }
}

fn refused(status: StatusCode, headers: &HeaderMap) -> FetchFailure {
    let reason = format!("answered {}", status.as_u16());
    if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) {
        FetchFailure { wait: wait(headers, SystemTime::now()), ..FetchFailure::passing(reason) }
    } else {
        FetchFailure::lasting(reason)
    }
}

/// How long the server asks us to wait: seconds, or a date by its own clock.
fn wait(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let told = text(RETRY_AFTER).filter(|told| !told.is_empty())?;
    let wait = if told.bytes().all(|c| c.is_ascii_digit()) {
        Duration::from_secs(told.parse().unwrap_or(u64::MAX))
    } else {
        let until = httpdate::parse_http_date(told).ok()?;
        let now = text(DATE).and_then(|date| httpdate::parse_http_date(date).ok()).unwrap_or(now);
        until.duration_since(now).unwrap_or_default()
    };
    Some(wait.min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use reqwest::header::HeaderValue;

    use super::*;

    fn headers(lines: &[(HeaderName, &[u8])]) -> HeaderMap {
        lines.iter().map(|(name, value)| (name.clone(), HeaderValue::from_bytes(value).unwrap())).collect()
    }

    #[test]
    fn redirects_lead_where_browsers_go() {
        let url = Url::parse("https://example.com/a/b?c").unwrap();
        let check = |target: &[u8], expected: &str| {
            let led = next(&url, StatusCode::FOUND, &headers(&[(LOCATION, target)])).unwrap().unwrap();
            assert_eq!(led.as_str(), expected, "{}", String::from_utf8_lossy(target));
        };
        check(b"d", "https://example.com/a/d");
        check(b"?d", "https://example.com/a/b?d");
        check(b" /d ", "https://example.com/d");
        check(b"//other.example", "https://other.example/");
        check("/café".as_bytes(), "https://example.com/caf%C3%A9");
        check("https://bücher.example/ä?ö".as_bytes(), "https://xn--bcher-kva.example/%C3%A4?%C3%B6");
        check(b"/caf\xe9", "https://example.com/caf%E9");
        check(b"/a [b] c?x=1|2", "https://example.com/a%20[b]%20c?x=1|2");
    }

    #[test]
    fn statuses_are_pages_ways_or_failures() {
        let url = Url::parse("https://example.com/").unwrap();
        let of = |status: u16, target: &[u8]| {
            next(&url, StatusCode::from_u16(status).unwrap(), &headers(&[(LOCATION, target)]))
        };
        for status in [300, 301, 302, 303, 307, 308] {
            assert_eq!(of(status, b"/x").unwrap().unwrap().path(), "/x", "{status}");
            let failure = of(status, b"").unwrap_err();
            assert!(!failure.retryable, "{status}: {}", failure.reason);
        }
        assert_eq!(of(302, b"https://").unwrap_err(), FetchFailure::lasting("redirected to what is no URL"));
        for status in [200, 203, 204] {
            assert_eq!(of(status, b"/x"), Ok(None), "{status}");
        }
        for (status, retryable) in [(304, false), (403, false), (404, false), (999, false), (429, true), (503, true)] {
            let failure = of(status, b"/x").unwrap_err();
            assert_eq!((failure.reason, failure.retryable), (format!("answered {status}"), retryable));
        }
    }

    #[test]
    fn servers_say_when_to_come_back() {
        let now = httpdate::parse_http_date("Sun, 06 Nov 2033 08:49:37 GMT").unwrap();
        let check = |told: &str, date: &str, expected: Option<u64>| {
            let headers = headers(&[(RETRY_AFTER, told.as_bytes()), (DATE, date.as_bytes())]);
            assert_eq!(wait(&headers, now).map(|wait| wait.as_secs()), expected, "{told:?}, {date:?}");
        };
        check("3600", "", Some(3_600));
        check(" 0 ", "", Some(0));
        check("99999999999999999999999", "", Some(86_400));
        check("86401", "", Some(86_400));
        check("Sun, 06 Nov 2033 09:49:37 GMT", "", Some(3_600));
        check("Sunday, 06-Nov-33 08:50:37 GMT", "", Some(60));
        check("Sun, 06 Nov 2033 08:00:00 GMT", "", Some(0));
        check("Sun, 06 Nov 2033 09:49:37 GMT", "Sun, 06 Nov 2033 09:49:27 GMT", Some(10));
        check("-1", "", None);
        check("soon", "", None);
        check("", "", None);
        assert_eq!(wait(&HeaderMap::new(), now), None);
    }
}
