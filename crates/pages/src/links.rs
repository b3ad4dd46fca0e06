//! Ways from page to page.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::fields::Fields;

/// The hidden field that says which list a form was on.
const BACK: &str = "back";

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

/// The list that somebody was on when they sent a form, with its filters, or else `other`. The form may name it; if it does not, the browser
/// does.
pub fn way_back(request: &HttpRequest, fields: &Fields, other: &str) -> String {
    let asked = fields.given(BACK).or_else(|| page_around(request, "referer")).map(own_path);
    let list = asked.filter(|path| {
        let name = path.split('?').next().unwrap_or_default();
        name == "/library" || name.starts_with("/collections/")
    });
    list.map_or_else(|| other.to_owned(), untold)
}

/// For a page that asks once more: the list is named by its form from here on.
pub fn with_back<'a>(fields: &mut Vec<(&'a str, &'a str)>, back: &'a str) {
    fields.retain(|(name, _)| *name != BACK);
    fields.push((BACK, back));
}

/// Without what the page told the last time.
fn untold(path: &str) -> String {
    let Some((path, query)) = path.split_once('?') else { return path.to_owned() };
    let is_kept = |pair: &&str| !["told=", "done=", "failed="].iter().any(|name| pair.starts_with(name));
    let kept: Vec<&str> = query.split('&').filter(is_kept).collect();
    if kept.is_empty() { path.to_owned() } else { format!("{path}?{}", kept.join("&")) }
}

/// The path of the page that a form or a script is on, as this header tells it: neither a part of a page nor what a form is sent to is a
/// place to come back to.
pub fn page_around<'a>(request: &'a HttpRequest, header: &str) -> Option<&'a str> {
    let url = request.headers().get(header)?.to_str().ok()?;
    let (_, behind_scheme) = url.split_once("://")?;
    let path = &behind_scheme[behind_scheme.find('/')?..];
    Some(path.split_once('#').map_or(path, |(path, _)| path))
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
    fn a_form_leads_back_to_its_list_with_the_list_s_filters() {
        let check = |back: &str, expected: &str| {
            let fields = Fields::parse(&format!("back={}", back.replace('&', "%26"))).unwrap();
            let request = actix_web::test::TestRequest::post().to_http_request();
            assert_eq!(way_back(&request, &fields, "/library"), expected, "{back}");
        };
        check("/library?q=a%2520b&sort=title&told=removed", "/library?q=a%20b&sort=title");
        check("/library?told=removed&done=3&failed=0", "/library");
        check("/collections/01ARZ?cursor=x", "/collections/01ARZ?cursor=x");
        for other in ["", "//evil.example/library", "https://evil.example/library", "/sign-out", "/libraryx"] {
            check(other, "/library");
        }
        let referer = ("referer", "https://cardwire.example/library?uncollected=true#cards");
        let request = actix_web::test::TestRequest::post().insert_header(referer).to_http_request();
        assert_eq!(way_back(&request, &Fields::default(), "/"), "/library?uncollected=true");
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
