//! What a page says about itself: Open Graph first, then the older tags, then schema.org's type.

use cardwire_domain::metadata::{Metadata, PageKind};
use encoding_rs::{Encoding, UTF_8, WINDOWS_1252};
use serde_json::Value;
use url::Url;

use super::scan::{Seen, scan};

/// Where browsers look for a page's encoding.
const SNIFFED_BYTES: usize = 1_024;
/// Things that one description is asked about.
const MAX_THINGS: usize = 500;

/// Of what is no HTML, the type is all that is known. `None`: it may be HTML.
pub(super) fn by_content_type(content_type: &str) -> Option<Metadata> {
    let essence = content_type.split(';').next().unwrap_or_default().trim();
    let kind = match essence {
        "" | "text/html" | "application/xhtml+xml" => return None,
        _ if essence.starts_with("image/") => Some(PageKind::Image),
        _ if essence.starts_with("video/") => Some(PageKind::Video),
        _ if essence.starts_with("audio/") => Some(PageKind::Audio),
        "application/epub+zip" => Some(PageKind::Book),
        "application/pdf" | "text/plain" | "text/markdown" | "application/msword" => Some(PageKind::Document),
        _ => None,
    };
    Some(Metadata { kind, ..Metadata::default() })
}

/// `url`: where the page was found, for what it names relative to itself.
pub(super) fn html(body: &[u8], content_type: &str, url: &Url) -> Metadata {
    let text = decode(body, content_type);
    let Seen { metas, title, heading, language, image, descriptions } = scan(&text);
    let tags = Tags(metas);
    let named = tags.first(&["og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src"]);
    let described = schemas(&descriptions);
    Metadata {
        title: tags
            .first(&["og:title", "twitter:title"])
            .or(title.filter(|title| !title.trim().is_empty()))
            .or(heading),
        description: tags.first(&["og:description", "twitter:description", "description"]),
        image: named.or(image).and_then(|image| url.join(&image).ok()).map(String::from),
        site_name: tags.first(&["og:site_name", "application-name"]),
        author: tags
            .first(&["author", "article:author", "book:author"])
            .filter(|name| !name.starts_with("http"))
            .or(described.author),
        kind: tags.first(&["og:type"]).and_then(|kind| open_graph_kind(&kind)).or(described.kind),
        language: language.or_else(|| tags.first(&["og:locale"])).map(|tag| tag.replace('_', "-")),
    }
    .tidy()
}

/// Names, in lower case, and what they say.
struct Tags(Vec<(String, String)>);

impl Tags {
    /// Of the first of these names that is there.
    fn first(&self, names: &[&str]) -> Option<String> {
        names.iter().find_map(|name| self.0.iter().find(|(known, _)| known == name)).map(|(_, content)| content.clone())
    }
}

fn open_graph_kind(kind: &str) -> Option<PageKind> {
    let kind = kind.to_ascii_lowercase();
    match kind.split(['.', ':']).next()? {
        "article" | "blog" => Some(PageKind::Article),
        "video" | "movie" => Some(PageKind::Video),
        "music" | "audio" => Some(PageKind::Audio),
        "book" | "books" => Some(PageKind::Book),
        "profile" => Some(PageKind::Profile),
        "website" => Some(PageKind::Website),
        _ => None,
    }
}

#[derive(Default)]
struct Described {
    kind: Option<PageKind>,
    author: Option<String>,
}

/// JSON-LD, as far as it is one object, a list of them or a `@graph`.
fn schemas(descriptions: &[String]) -> Described {
    let mut described = Described::default();
    for text in descriptions {
        let Ok(value) = serde_json::from_str::<Value>(text) else { continue };
        let graph = value.get("@graph").unwrap_or(&value);
        let one = std::slice::from_ref(graph);
        for thing in graph.as_array().map_or(one, Vec::as_slice).iter().take(MAX_THINGS) {
            described.kind = described.kind.or_else(|| schema_kind(thing.get("@type")?));
            if described.author.is_none() {
                let author = thing.get("author").map(|author| author.get(0).unwrap_or(author));
                let name = author.and_then(|author| author.get("name").unwrap_or(author).as_str());
                described.author = name.map(str::to_owned);
            }
        }
    }
    described
}

fn schema_kind(kind: &Value) -> Option<PageKind> {
    let name = kind.get(0).unwrap_or(kind).as_str()?;
    match name {
        "VideoObject" | "Movie" | "TVEpisode" => Some(PageKind::Video),
        "Book" => Some(PageKind::Book),
        "AudioObject" | "PodcastEpisode" | "MusicRecording" => Some(PageKind::Audio),
        "ProfilePage" | "Person" => Some(PageKind::Profile),
        _ if name.ends_with("Article") || name.ends_with("Posting") => Some(PageKind::Article),
        _ => None,
    }
}

/// As browsers find the encoding: byte order mark, header, the page's own word, else UTF-8 if it is, else Windows-1252.
fn decode(body: &[u8], content_type: &str) -> String {
    let head = String::from_utf8_lossy(&body[..body.len().min(SNIFFED_BYTES)]).to_ascii_lowercase();
    let encoding = Encoding::for_bom(body)
        .map(|(encoding, _)| encoding)
        .or_else(|| charset(content_type))
        .or_else(|| charset(&head))
        .unwrap_or_else(|| if std::str::from_utf8(body).is_ok() { UTF_8 } else { WINDOWS_1252 });
    encoding.decode(body).0.into_owned()
}

fn charset(text: &str) -> Option<&'static Encoding> {
    let (_, after) = text.split_once("charset=")?;
    let label: String = after
        .trim_start_matches(['"', '\'', ' '])
        .chars()
        .take_while(|c| c.is_ascii_alphanumeric() || "-_:.".contains(*c))
        .collect();
    Encoding::for_label(label.as_bytes())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn read(body: &[u8], content_type: &str) -> Metadata {
        html(body, content_type, &Url::parse("https://example.com/a/b").unwrap())
    }

    #[test]
    fn a_page_tells_all_about_itself() {
        let page = br#"<!doctype html><html lang="en-GB"><head><title>Tab &amp; title</title>
            <meta property="og:title" content="The &quot;title&quot;"><meta name=description content='About  it'>
            <meta property="og:image" content="/i.png"><meta property="og:site_name" content="Example">
            <meta property="og:type" content="video.movie"><meta name="author" content="Ann"></head><body></body></html>"#;
        let expected = Metadata {
            title: Some("The \"title\"".into()),
            description: Some("About it".into()),
            image: Some("https://example.com/i.png".into()),
            site_name: Some("Example".into()),
            author: Some("Ann".into()),
            kind: Some(PageKind::Video),
            language: Some("en-GB".into()),
        };
        assert_eq!(read(page, "text/html"), expected);
    }

    #[test]
    fn broken_pages_give_what_they_have() {
        let title = |body: &str| read(body.as_bytes(), "").title;
        assert_eq!(title("<title>Never closed"), Some("Never closed".into()));
        assert_eq!(title("<p><b>no head<title>late</p></title>"), Some("late</p>".into()));
        assert_eq!(title("<h1>Only <i>this"), Some("Only this".into()));
        assert_eq!(title("<title> \n </title><meta property=og:title content=''>"), None);
        assert_eq!(title(""), None);
    }

    #[test]
    fn pages_made_to_be_slow_are_read_in_bounded_time() {
        let megabytes = 2 * 1024 * 1024;
        let repeated = |unit: &str| unit.repeat(megabytes / unit.len());
        let attributes: String = (0..200_000).map(|n| format!(" a{n}")).collect();
        for slow in
            [repeated("<div>"), repeated("<b><p>"), repeated("</x>"), repeated("<!--"), format!("<p{attributes}>")]
        {
            let started = Instant::now();
            assert_eq!(read(format!("<title>T</title>{slow}").as_bytes(), "").title, Some("T".into()));
            let took = started.elapsed();
            assert!(took < Duration::from_secs(30), "{}…: {took:?}", &slow[..20]);
        }
    }

    #[test]
    fn text_that_looks_like_a_tag_is_none() {
        let page = r#"<!-- <title>a</title> --><script>"<title>b</title>"</script><textarea><title>c</title></textarea>
            <style><title>d</title></style><title>e <b>f</b></title><title>g</title>"#;
        assert_eq!(read(page.as_bytes(), "").title, Some("e <b>f</b>".into()));
    }

    #[test]
    fn encodings_are_recognised() {
        let title = |body: &[u8], content_type: &str| read(body, content_type).title.unwrap_or_default();
        assert_eq!(title(b"<title>caf\xe9</title>", "text/html; charset=iso-8859-1"), "caf\u{e9}");
        assert_eq!(title(b"<meta charset=windows-1251><title>\xcf\xf0\xe8</title>", ""), "\u{41f}\u{440}\u{438}");
        assert_eq!(
            title(b"<meta http-equiv=content-type content='text/html; charset=shift_jis'><title>\x93\xfa</title>", ""),
            "日"
        );
        assert_eq!(title("<title>ü</title>".as_bytes(), ""), "ü");
        assert_eq!(title(b"<title>\xfc</title>", ""), "ü");
        assert_eq!(title(b"\xff\xfe<\0t\0i\0t\0l\0e\0>\0a\0", ""), "a");
        assert_eq!(title(b"<title>a</title>", "text/html; charset=nonsense"), "a");
    }

    #[test]
    fn schema_org_names_type_and_author() {
        let page = br#"<script type="application/ld+json">{"@graph":[{"@type":"WebSite"},
            {"@type":["NewsArticle"],"author":[{"name":"Bo"}]}]}</script><script type="application/ld+json">{broken</script>"#;
        let metadata = read(page, "text/html");
        assert_eq!((metadata.kind, metadata.author.as_deref()), (Some(PageKind::Article), Some("Bo")));
    }

    #[test]
    fn what_is_no_html_has_its_type() {
        let kind = |content_type| by_content_type(content_type).map(|metadata| metadata.kind);
        assert_eq!(kind("application/pdf"), Some(Some(PageKind::Document)));
        assert_eq!(kind("image/png; x=y"), Some(Some(PageKind::Image)));
        assert_eq!(kind("application/zip"), Some(None));
        assert_eq!(kind("text/html; charset=utf-8"), None);
        assert_eq!(kind(""), None);
    }
}
