//! The cookies of the pages.
//!
//! Off localhost, and off sites whose `APP__PUBLIC_URL` is plain HTTP, cookies are `Secure` and carry the `__Host-` prefix, so that neither a plain connection nor another host of the same
//! domain can plant one. On localhost, where there is no TLS, they go by their bare names.

use actix_web::HttpRequest;
use actix_web::cookie::time::Duration as CookieAge;
use actix_web::cookie::{Cookie, SameSite};
use actix_web::http::Method;
use actix_web::http::header;

use crate::origin::is_plain;

/// How long a browser stays signed in, and how long it is known as the same visitor.
pub const KEPT_DAYS: u32 = 30;

/// What a cookie is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Jar {
    /// The token of somebody who signed in.
    Session,
    /// Random; forms are tied to it, whether anybody is signed in or not.
    Visitor,
    /// How lists of cards are drawn. No secret.
    View,
}

impl Jar {
    /// `local`: without TLS.
    pub fn name(self, local: bool) -> &'static str {
        match (self, local) {
            (Self::Session, true) => "session",
            (Self::Session, false) => "__Host-session",
            (Self::Visitor, true) => "visitor",
            (Self::Visitor, false) => "__Host-visitor",
            (Self::View, true) => "view",
            (Self::View, false) => "__Host-view",
        }
    }

    /// What the browser sent; `None` also for an empty value.
    pub fn read(self, request: &HttpRequest) -> Option<&str> {
        let name = self.name(is_plain(request));
        let headers = request.headers().get_all(header::COOKIE);
        let mut pairs = headers.filter_map(|value| value.to_str().ok()).flat_map(|line| line.split(';'));
        pairs.find_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('=').filter(|value| !value.is_empty()))
    }

    /// A cookie for this value, out of reach of scripts and of other sites' forms.
    pub fn write(self, request: &HttpRequest, value: &str) -> Cookie<'static> {
        self.write_at(is_plain(request), value)
    }

    /// The same; `local`: without TLS.
    pub fn write_at(self, local: bool, value: &str) -> Cookie<'static> {
        Cookie::build(self.name(local), value.to_owned())
            .path("/")
            .http_only(true)
            .same_site(SameSite::Lax)
            .secure(!local)
            .max_age(CookieAge::days(i64::from(KEPT_DAYS)))
            .finish()
    }

    /// Makes the browser forget it.
    pub fn clear(self, request: &HttpRequest) -> Cookie<'static> {
        let mut cookie = self.write(request, "");
        cookie.set_max_age(CookieAge::ZERO);
        cookie
    }
}

/// GET, HEAD and OPTIONS change nothing.
pub fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS)
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn request(host: &str, name: &str, value: &str) -> HttpRequest {
        TestRequest::post().insert_header(("host", host)).insert_header((name.to_owned(), value)).to_http_request()
    }

    #[test]
    fn cookies_are_secure_off_localhost() {
        for (host, expected) in [
            ("example.com", "__Host-session=t; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2592000"),
            ("localhost.example.com", "__Host-session=t; HttpOnly; SameSite=Lax; Secure; Path=/; Max-Age=2592000"),
            ("127.0.0.1:8080", "session=t; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000"),
            ("[::1]:8080", "session=t; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000"),
            ("localhost", "session=t; HttpOnly; SameSite=Lax; Path=/; Max-Age=2592000"),
        ] {
            assert_eq!(Jar::Session.write(&request(host, "x", "y"), "t").to_string(), expected, "{host}");
        }
    }

    #[test]
    fn a_cookie_is_read_by_its_whole_name() {
        let read = |host: &str, cookies: &str| Jar::Session.read(&request(host, "cookie", cookies)).map(str::to_owned);
        assert_eq!(read("localhost", "a=b; session=did:plc:x ; c=d").as_deref(), Some("did:plc:x"));
        assert_eq!(read("example.com", "session=planted; __Host-session=t").as_deref(), Some("t"));
        for none in ["", "session", "session=", "xsession=t", "sessions=t"] {
            assert_eq!(read("localhost", none), None, "{none:?}");
        }
    }
}
