//! By what two URLs are the same link: RFC 3986, section 6.2, as far as it holds on every server, without what only tracks.
//!
//! Linear in the length of the URL. Of what it returns it makes the same again.

use url::Url;

use super::percent;
use super::tracking::tracks;

/// `None`: there is no host, or it has characters that no name has, although the URL standard allows them, such as a quotation mark.
pub(super) fn identity(url: &Url) -> Option<String> {
    let host = url.host_str()?;
    // The root of all names may be written or not.
    let host = host.strip_suffix('.').unwrap_or(host);
    let is_name =
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) && !host.ends_with('.');
    if host.is_empty() || !(is_name || host.starts_with('[')) {
        return None;
    }
    let mut identity = format!("{}://{host}", url.scheme());
    if let Some(port) = url.port() {
        identity.push(':');
        identity.push_str(&port.to_string());
    }
    push(&mut identity, url.path(), is_of_path);
    push_query(&mut identity, host, url.query().unwrap_or_default());
    push_route(&mut identity, host, url.fragment().unwrap_or_default());
    Some(identity)
}

/// Appends it with everything encoded that must be, and nothing that need not be. What means something only as it is stays encoded: `%2F`.
fn push(into: &mut String, text: &str, is_allowed: fn(u8) -> bool) {
    let (bytes, mut at) = (text.as_bytes(), 0);
    while at < bytes.len() {
        let (byte, is_plain, length) = match percent::encoded_at(bytes, at) {
            Some(byte) => (byte, is_unreserved(byte), 3),
            None => (bytes[at], is_allowed(bytes[at]), 1),
        };
        if is_plain {
            into.push(char::from(byte));
        } else {
            percent::push_byte(into, byte);
        }
        at += length;
    }
}

/// Parameters keep their order. Empty ones, and those that track, are left out.
fn push_query(into: &mut String, host: &str, query: &str) {
    let mut mark = '?';
    for parameter in query.split('&').filter(|parameter| !parameter.is_empty()) {
        let before = into.len();
        into.push(mark);
        push(into, parameter, is_of_query);
        if tracks(host, &into[before + 1..]) {
            into.truncate(before);
        } else {
            mark = '&';
        }
    }
}

/// A fragment that is a route is another page, `#/people/7` or `#!inbox`. Any other is a place on the page.
fn push_route(into: &mut String, host: &str, fragment: &str) {
    if !fragment.starts_with(['/', '!']) {
        return;
    }
    let mut route = String::new();
    push(&mut route, fragment, is_of_query);
    // The part after `:~:` tells browsers what to highlight on the page.
    let route = route.split(":~:").next().unwrap_or_default();
    let (path, query) = route.split_once('?').unwrap_or((route, ""));
    let before = into.len();
    into.push('#');
    into.push_str(path);
    push_query(into, host, query);
    if into[before + 1..].bytes().all(|byte| matches!(byte, b'/' | b'!')) {
        into.truncate(before);
    }
}

/// RFC 3986, section 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

/// Section 3.3.
fn is_of_path(byte: u8) -> bool {
    is_unreserved(byte) || b"!$&'()*+,;=:@/".contains(&byte)
}

/// Sections 3.4 and 3.5.
fn is_of_query(byte: u8) -> bool {
    is_of_path(byte) || byte == b'?'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let made = identity(&Url::parse(text).unwrap()).unwrap();
        assert_eq!(made, expected, "{text}");
        assert_eq!(identity(&Url::parse(&made).unwrap()).unwrap(), made, "{text} again");
    }

    #[test]
    fn schemes_hosts_and_ports() {
        check("HTTPS://Port.Example:443", "https://port.example/");
        check("http://example.com:80/a", "http://example.com/a");
        check("http://example.com:443/a", "http://example.com:443/a");
        check("http://example.com:8080/a", "http://example.com:8080/a");
        check("https://example.com./a", "https://example.com/a");
        check("https://example.com.:8443/a", "https://example.com:8443/a");
        check("https://BÜCHER.example/x", "https://xn--bcher-kva.example/x");
        check("https://ex%61mple.com/x", "https://example.com/x");
        check("http://0x7f.1/", "http://127.0.0.1/");
        check("http://[2001:DB8:0:0::7]:8080/x", "http://[2001:db8::7]:8080/x");
        check("https://www.example.com/", "https://www.example.com/");
        for nameless in ["https://./", "https://example.com../"] {
            assert_eq!(Url::parse(nameless).ok().and_then(|url| identity(&url)), None, "{nameless}");
        }
    }

    #[test]
    fn paths() {
        check("https://example.com/a/../x/./y", "https://example.com/x/y");
        check("https://example.com/%2e%2E/x", "https://example.com/x");
        check("https://example.com/%7Euser", "https://example.com/~user");
        check("https://example.com/~user", "https://example.com/~user");
        check("https://example.com/%61%2Db%5Fc%2e%39", "https://example.com/a-b_c.9");
        check("https://example.com/caf%c3%a9", "https://example.com/caf%C3%A9");
        check("https://example.com/café", "https://example.com/caf%C3%A9");
        check("https://example.com/a%2fb", "https://example.com/a%2Fb");
        check("https://example.com/a%3Ab", "https://example.com/a%3Ab");
        check("https://example.com/a:b@c,d;e=f(g)!*'$&+", "https://example.com/a:b@c,d;e=f(g)!*'$&+");
        check("https://example.com/a|b{c}^d[e]", "https://example.com/a%7Cb%7Bc%7D%5Ed%5Be%5D");
        check("https://example.com/page/", "https://example.com/page/");
        check("https://example.com//a//b", "https://example.com//a//b");
        check("https://example.com/A", "https://example.com/A");
        // No encoding is made by decoding.
        check("https://example.com/100%", "https://example.com/100%25");
        check("https://example.com/%4%31", "https://example.com/%2541");
        check("https://example.com/%2541", "https://example.com/%2541");
        check("https://example.com/%2%35", "https://example.com/%2525");
        check("https://example.com/%zz", "https://example.com/%25zz");
    }

    #[test]
    fn queries() {
        check("https://example.com/?", "https://example.com/");
        check("https://example.com/?&&", "https://example.com/");
        check("https://example.com/?a=1&&", "https://example.com/?a=1");
        check("https://example.com/?&a=1&&b=2&", "https://example.com/?a=1&b=2");
        check("https://example.com/?b=2&a=1", "https://example.com/?b=2&a=1");
        check("https://example.com/?a", "https://example.com/?a");
        check("https://example.com/?a=", "https://example.com/?a=");
        check("https://example.com/?a[]=1", "https://example.com/?a%5B%5D=1");
        check("https://example.com/?a%5b%5d=1", "https://example.com/?a%5B%5D=1");
        check("https://example.com/?q=a+b%20c", "https://example.com/?q=a+b%20c");
        check("https://example.com/?q=%7E%26'", "https://example.com/?q=~%26%27");
        check("https://example.com/?u=https://example.org/?x", "https://example.com/?u=https://example.org/?x");
        check("https://example.com/?utm_source=x&b=2&UTM_Medium=y&fbclid=1", "https://example.com/?b=2");
        check("https://example.com/?gclid=1", "https://example.com/");
        check("https://example.com/?%75tm%5Fsource=x&%66bclid=1&a", "https://example.com/?a");
        check("https://youtu.be/abc?si=Zx81aB&t=42", "https://youtu.be/abc?t=42");
    }

    #[test]
    fn fragments() {
        check("https://example.com/#part", "https://example.com/");
        check("https://example.com/health#What-is-this?", "https://example.com/health");
        check("https://example.com/#", "https://example.com/");
        check("https://example.com/#:~:text=word", "https://example.com/");
        check("https://example.com/#part:~:text=word", "https://example.com/");
        check("https://matrix.to/#/#one:b.example", "https://matrix.to/#/%23one:b.example");
        check("https://matrix.to/#/%23one:b.example", "https://matrix.to/#/%23one:b.example");
        check("https://app.example/#/people/%7e7?b=1&utm_source=x&&a=2", "https://app.example/#/people/~7?b=1&a=2");
        check("https://app.example/#!inbox", "https://app.example/#!inbox");
        check("https://app.example/?a=1#!/inbox:~:text=word", "https://app.example/?a=1#!/inbox");
        check("https://app.example/#/a:%7E:b", "https://app.example/#/a");
        check("https://app.example/#/a?fbclid:%7E:=1", "https://app.example/#/a");
        // No route at all.
        check("https://app.example/#/", "https://app.example/");
        check("https://app.example/#!/", "https://app.example/");
        check("https://app.example/#/?utm_source=x", "https://app.example/");
    }
}
