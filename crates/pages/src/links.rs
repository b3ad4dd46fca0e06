//! Ways from page to page.

use actix_web::HttpResponse;
use actix_web::http::header;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// After a form: sends the browser on, so that reloading does not send the form again.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// A path with one parameter, encoded.
pub fn with_parameter(path: &str, name: &str, value: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
}

/// What a handle may hold besides letters and digits. Any other character, which only somebody without an account here can have in their name, is encoded.
const OF_HANDLE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b':');

/// The page of the person with this handle, or with this DID.
pub fn person(handle: &str) -> String {
    format!("/@{}", utf8_percent_encode(handle, OF_HANDLE))
}

/// The page about this link.
pub fn about_url(url: &str) -> String {
    with_parameter("/url", "u", url)
}

/// A page on the way to another one of this site. The feed is where people get without being told.
pub fn with_next(path: &str, next: &str) -> String {
    if next == "/" { path.to_owned() } else { with_parameter(path, "next", next) }
}

/// A path of this site, or the feed: a link must not lead elsewhere by way of our sign-in page.
pub fn own_path(text: &str) -> &str {
    let is_own =
        text.starts_with('/') && !text.starts_with("//") && text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_own { text } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_is_one_part_of_a_path() {
        assert_eq!(person("alice.b_c-d"), "/@alice.b_c-d");
        assert_eq!(person("did:plc:alice"), "/@did:plc:alice");
        assert_eq!(person("../<a>?"), "/@..%2F%3Ca%3E%3F");
    }

    #[test]
    fn signing_in_leads_nowhere_else() {
        for own in ["/", "/library?q=a%20b", "/cards/x"] {
            assert_eq!(own_path(own), own);
        }
        for other in
            ["", "//evil.example", "/\\evil.example", "https://evil.example", "javascript:alert(1)", "/a\nb", "/ü"]
        {
            assert_eq!(own_path(other), "/", "{other:?}");
        }
    }
}
