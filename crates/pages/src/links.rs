//! Ways from page to page.

use actix_web::HttpResponse;
use actix_web::http::header;

/// After a form: sends the browser on, so that reloading does not send the form again.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

/// A path with one parameter, encoded.
pub fn with_parameter(path: &str, name: &str, value: &str) -> String {
    let joint = if path.contains('?') { '&' } else { '?' };
    format!("{path}{joint}{name}={}", percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC))
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
