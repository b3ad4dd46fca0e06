//! The content of a page's tags that may describe it, collected in one pass.

use std::collections::BTreeMap;

use cardwire_domain::text::is_visible;

use super::references;
use super::tokens::{Tag, Token, Tokens};

/// The names of `meta` tags that are read.
const NAMES: [&str; 17] = [
    "og:title",
    "twitter:title",
    "og:description",
    "twitter:description",
    "description",
    "og:image:secure_url",
    "og:image",
    "og:image:url",
    "twitter:image",
    "twitter:image:src",
    "og:site_name",
    "application-name",
    "author",
    "article:author",
    "book:author",
    "og:type",
    "og:locale",
];
/// The values of `link rel` for icons.
const ICONS: [&[u8]; 3] = [b"icon", b"apple-touch-icon", b"apple-touch-icon-precomposed"];
const MAX_ICONS: usize = 20;
const MAX_SCRIPTS: usize = 20;
/// At most this many bytes of all scripts that describe the page are read.
const MAX_SCRIPT_BYTES: usize = 1 << 20;
/// Bytes of a heading.
const MAX_HEADING: usize = 2_000;
/// Browsers that run scripts do not show the content of these.
const NOT_SHOWN: [&str; 2] = ["noscript", "template"];

/// The content of a page's tags.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By name, the first that is not empty.
    metas: BTreeMap<&'static str, String>,
    /// The first that is not empty.
    pub title: Option<String>,
    /// The page ends within its title.
    pub is_title_cut: bool,
    /// The first `h1` that is not empty.
    pub heading: Option<String>,
    /// From the `html` tag.
    pub language: Option<String>,
    /// `link rel=image_src`.
    pub image: Option<String>,
    /// `link rel=icon` and `rel=apple-touch-icon`, in their order.
    pub icons: Vec<String>,
    /// `base`, which all addresses in the page are relative to.
    pub base: Option<String>,
    /// `meta http-equiv=refresh`.
    pub refresh: Option<String>,
    /// `script type=application/ld+json`.
    pub descriptions: Vec<String>,
}

impl Seen {
    /// The first non-empty value among these names.
    pub(super) fn first(&self, names: &[&str]) -> Option<&str> {
        self.all(names).next()
    }

    pub(super) fn all<'a>(&'a self, names: &[&str]) -> impl Iterator<Item = &'a str> {
        names.iter().filter_map(|name| self.metas.get(*name)).map(String::as_str)
    }
}

pub(super) fn scan(page: &str, is_xml: bool) -> Seen {
    let mut tokens = Tokens::of(page.as_bytes(), is_xml);
    let mut scan = Scan::default();
    while let Some(token) = tokens.next() {
        match token {
            Token::Start(tag) => scan.start(&tag, tokens.is_in_drawing()),
            Token::End(name) => scan.end(name),
            Token::Text(text) => scan.text(text, tokens.is_in_drawing()),
            Token::Raw(text) => scan.raw(text),
        }
    }
    scan.finish()
}

/// The element whose content is being kept.
#[derive(Default)]
enum Reading {
    #[default]
    Nothing,
    Title,
    Description,
    Heading(String),
}

#[derive(Default)]
struct Scan {
    seen: Seen,
    reading: Reading,
    /// How many open elements hide their content.
    not_shown: usize,
    script_bytes: usize,
}

impl Scan {
    fn start(&mut self, tag: &Tag<'_>, is_in_drawing: bool) {
        if tag.is_any(&NOT_SHOWN) {
            self.not_shown += usize::from(!tag.is_empty);
            return;
        }
        if tag.is("script") {
            self.script(tag);
        }
        if self.not_shown > 0 || is_in_drawing {
            return;
        }
        if tag.is("meta") {
            self.meta(tag);
        } else if tag.is("title") {
            if self.seen.title.is_none() && !tag.is_empty {
                self.keep_heading();
                self.reading = Reading::Title;
            }
        } else if tag.is("h1") {
            self.keep_heading();
            if self.seen.heading.is_none() {
                self.reading = Reading::Heading(String::new());
            }
        } else if tag.is("html") {
            let language = tag.attribute("lang").or_else(|| tag.attribute("xml:lang"));
            keep_first(&mut self.seen.language, language);
        } else if tag.is("base") {
            keep_first(&mut self.seen.base, tag.attribute("href"));
        } else if tag.is("link") {
            let kinds = || tag.attribute("rel").unwrap_or_default().split(u8::is_ascii_whitespace);
            let is_any = |names: &[&[u8]]| kinds().any(|kind| names.iter().any(|name| kind.eq_ignore_ascii_case(name)));
            if is_any(&[b"image_src"]) {
                keep_first(&mut self.seen.image, tag.attribute("href"));
            }
            if is_any(&ICONS) {
                self.icon(tag);
            }
        }
    }

    /// SVG is not supported, so another one may do.
    fn icon(&mut self, tag: &Tag<'_>) {
        let href = tag.attribute("href").map(references::value).filter(|href| is_visible(href));
        let kind = tag.attribute("type").unwrap_or_default();
        let is_svg = |href: &String| {
            let path = href.split(['?', '#']).next().unwrap_or_default();
            kind.to_ascii_lowercase().starts_with(b"image/svg") || path.to_ascii_lowercase().ends_with(".svg")
        };
        if let Some(href) = href.filter(|href| !is_svg(href) && self.seen.icons.len() < MAX_ICONS) {
            self.seen.icons.push(href);
        }
    }

    fn meta(&mut self, tag: &Tag<'_>) {
        let Some(content) = tag.attribute("content") else { return };
        if tag.attribute("http-equiv").is_some_and(|what| what.trim_ascii().eq_ignore_ascii_case(b"refresh")) {
            keep_first(&mut self.seen.refresh, Some(content));
        }
        for attribute in ["property", "name", "itemprop"] {
            for name in tag.attribute(attribute).unwrap_or_default().split(u8::is_ascii_whitespace) {
                let known = NAMES.into_iter().find(|known| name.eq_ignore_ascii_case(known.as_bytes()));
                let Some(known) = known.filter(|known| !self.seen.metas.contains_key(known)) else { continue };
                let content = references::value(content);
                if is_visible(&content) {
                    self.seen.metas.insert(known, content);
                }
            }
        }
    }

    fn script(&mut self, tag: &Tag<'_>) {
        let kind = tag.attribute("type").unwrap_or_default().split(|c| *c == b';').next().unwrap_or_default();
        let describes = kind.trim_ascii().eq_ignore_ascii_case(b"application/ld+json");
        if describes && !tag.is_empty && self.seen.descriptions.len() < MAX_SCRIPTS {
            self.keep_heading();
            self.reading = Reading::Description;
        }
    }

    fn text(&mut self, text: &[u8], is_in_drawing: bool) {
        if let Reading::Heading(read) = &mut self.reading
            && self.not_shown == 0
            && !is_in_drawing
            && read.len() < MAX_HEADING
        {
            read.push_str(&references::text(&text[..text.len().min(MAX_HEADING)]));
        }
    }

    fn raw(&mut self, text: &[u8]) {
        match std::mem::take(&mut self.reading) {
            Reading::Title => {
                let title = references::text(text);
                if is_visible(&title) {
                    self.seen.title = Some(title);
                    self.seen.is_title_cut = true;
                }
            }
            Reading::Description => {
                if self.script_bytes + text.len() <= MAX_SCRIPT_BYTES {
                    self.script_bytes += text.len();
                    self.seen.descriptions.push(String::from_utf8_lossy(text).into_owned());
                }
            }
            // Scripts and the like in a heading are not part of it.
            other => self.reading = other,
        }
    }

    fn end(&mut self, name: &[u8]) {
        if NOT_SHOWN.iter().any(|other| name.eq_ignore_ascii_case(other.as_bytes())) {
            self.not_shown = self.not_shown.saturating_sub(1);
        } else if name.eq_ignore_ascii_case(b"h1") {
            self.keep_heading();
        } else if name.eq_ignore_ascii_case(b"title") {
            self.seen.is_title_cut = false;
            self.leave_empty();
        } else if name.eq_ignore_ascii_case(b"script") {
            self.leave_empty();
        }
    }

    /// An empty title or script.
    fn leave_empty(&mut self) {
        if matches!(self.reading, Reading::Title | Reading::Description) {
            self.reading = Reading::Nothing;
        }
    }

    fn keep_heading(&mut self) {
        if let Reading::Heading(read) = std::mem::take(&mut self.reading)
            && is_visible(&read)
        {
            self.seen.heading.get_or_insert(read);
        }
    }

    /// Elements that the page leaves open end with it.
    fn finish(mut self) -> Seen {
        self.keep_heading();
        self.seen
    }
}

/// Unless there is one already.
fn keep_first(kept: &mut Option<String>, written: Option<&[u8]>) {
    if kept.is_none() {
        *kept = written.map(references::value).filter(|text| is_visible(text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_says_something_counts() {
        let seen = scan(
            "<meta property='og:title' content=' '><meta property='og:title' content='One'><meta name=OG:TITLE content=Two>\
             <meta name=unknown content=x><meta itemprop='author x' content='Ann &amp; Bo'><meta name=description>",
            false,
        );
        assert_eq!(seen.first(&["twitter:title", "og:title"]), Some("One"));
        assert_eq!(seen.first(&["author"]), Some("Ann & Bo"));
        assert_eq!(seen.first(&["description"]), None);
        assert_eq!(
            scan("<title> </title><title>&nbsp;</title><title>Late</title>", false).title.as_deref(),
            Some("Late")
        );
        assert_eq!(scan("<h1><img></h1><h1>Late</h1><h1>No</h1>", false).heading.as_deref(), Some("Late"));
        assert_eq!(scan("<h1>First<h1>Second", false).heading.as_deref(), Some("First"));
        let seen =
            scan("<script type=application/ld+json></script><style>p</style><title></title><style>p</style>", false);
        assert_eq!((seen.descriptions.len(), seen.title), (0, None));
    }

    #[test]
    fn titles_of_drawings_and_what_is_not_shown_are_not_the_pages() {
        let title = |page: &str| scan(page, false).title.unwrap_or_default();
        assert_eq!(title("<svg><title>Logo</title></svg><title>Page</title>"), "Page");
        assert_eq!(title("<svg><title>Logo</title></svg>"), "");
        assert_eq!(title("<svg><title>Logo</title></svg ><h1>x</h1>"), "");
        assert_eq!(title("<noscript><title>No</title></noscript><title>Page</title>"), "Page");
        assert_eq!(title("<template><title>No</title></template><title>Page</title>"), "Page");
        let seen =
            scan("<h1><svg><title>Logo</title></svg> The <b>only</b><script>x</script> &lt;heading&gt;</h1>", false);
        assert_eq!(seen.heading.as_deref(), Some(" The only <heading>"));
        let seen = scan("<noscript><meta http-equiv=refresh content='0; url=/m'></noscript><h1>a</h1>", false);
        assert_eq!((seen.refresh, seen.heading.as_deref()), (None, Some("a")));
    }

    #[test]
    fn what_the_page_does_not_close_ends_with_it() {
        let seen = scan("<title>Never closed", false);
        assert_eq!((seen.title.as_deref(), seen.is_title_cut), (Some("Never closed"), true));
        assert!(!scan("<title>Closed</title>", false).is_title_cut);
        assert_eq!(scan("<h1>Only <i>this", false).heading.as_deref(), Some("Only this"));
        let seen = scan("<script type=' application/LD+json; charset=utf-8'>{}", false);
        assert_eq!(seen.descriptions, ["{}"]);
    }

    #[test]
    fn addresses_and_languages_are_found() {
        let page = "<html lang='pt-BR'><base target=x><base href='/a/'><base href='/b/'><link rel='x IMAGE_SRC' href=i.png>\
                    <meta http-equiv=Refresh content='3; url=/c?a=1&amp;b'><html lang=en>";
        let seen = scan(page, false);
        assert_eq!((seen.language.as_deref(), seen.base.as_deref()), (Some("pt-BR"), Some("/a/")));
        assert_eq!((seen.image.as_deref(), seen.refresh.as_deref()), (Some("i.png"), Some("3; url=/c?a=1&b")));
    }

    #[test]
    fn icons_are_found_but_for_drawings() {
        let icons = |page: &str| scan(page, false).icons;
        let page = "<link rel=icon href=a.svg><link rel=icon type='image/svg+xml' href=b><link rel='Shortcut ICON' href='c.ico?v=1&amp;w'>\
                    <link rel=apple-touch-icon href=d.png><link rel=mask-icon href=e.png><link rel=icon><link rel=icon href=f.SVG#x>";
        assert_eq!(icons(page), ["c.ico?v=1&w", "d.png"]);
        assert_eq!(icons("<noscript><link rel=icon href=a.png></noscript>"), [""; 0]);
        assert_eq!(icons(&"<link rel=icon href=a.png>".repeat(100)).len(), MAX_ICONS);
    }

    #[test]
    fn what_is_kept_of_many_large_tags_is_bounded() {
        let script = format!("<script type=application/ld+json>{}</script>", "x".repeat(300_000));
        let seen = scan(&script.repeat(6), false);
        assert_eq!(seen.descriptions.len(), 3);
        let seen = scan(&"<script type=application/ld+json>{}</script>".repeat(100), false);
        assert_eq!(seen.descriptions.len(), MAX_SCRIPTS);
        let heading = scan(&format!("<h1>{}", "word ".repeat(100_000)), false).heading.unwrap();
        assert!(heading.len() <= 2 * MAX_HEADING);
    }
}
