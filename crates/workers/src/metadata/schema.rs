//! JSON-LD: schema.org data, used for what the page says nowhere else.

use cardwire_domain::metadata::PageKind;
use cardwire_domain::text::is_visible;
use serde_json::Value;

use super::references;

/// At most this many things are looked at.
const MAX_THINGS: usize = 500;
/// How deep things may be nested in others that only lead to them.
const MAX_DEPTH: usize = 4;

/// The described thing.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Described {
    pub title: Option<String>,
    pub description: Option<String>,
    /// As written, relative to the page.
    pub image: Option<String>,
    pub author: Option<String>,
    pub kind: Option<PageKind>,
}

/// Objects, lists of them, or a `@graph`. Unreadable parts are skipped.
pub(super) fn described(descriptions: &[String]) -> Described {
    let values: Vec<Value> = descriptions.iter().filter_map(|text| read(text)).collect();
    let mut things = Vec::new();
    for value in &values {
        gather(value, MAX_DEPTH, &mut things);
    }
    // The page's subject comes before its site, its author and the like.
    let about = || things.iter().filter(|thing| is_content(thing)).chain(things.iter().filter(|thing| is_site(thing)));
    let first = |names: &[&str]| about().find_map(|thing| names.iter().find_map(|name| text(thing.get(name)?)));
    Described {
        title: first(&["headline"]).or_else(|| first(&["name"])),
        description: first(&["description"]),
        image: about()
            .find_map(|thing| ["image", "thumbnailUrl"].iter().find_map(|name| address(thing.get(name)?, &things))),
        author: things.iter().find_map(|thing| author(thing.get("author")?)),
        kind: about().find_map(|thing| kinds(thing).find_map(kind)),
    }
}

/// Some are wrapped in the old script comments, or have line breaks within texts.
fn read(text: &str) -> Option<Value> {
    let text = text.trim();
    let text = text.strip_prefix("<!--").unwrap_or(text).trim_start();
    let text = text.strip_prefix("//").unwrap_or(text).trim_start();
    let text = text.strip_prefix("<![CDATA[").unwrap_or(text);
    let text = text.strip_suffix("-->").unwrap_or(text).trim_end();
    let text = text.strip_suffix("]]>").map_or(text, |text| text.trim_end().trim_end_matches('/')).trim_end();
    let text = text.strip_suffix(';').unwrap_or(text);
    serde_json::from_str(&text.replace(|c: char| c.is_ascii_control(), " ")).ok()
}

/// The things in a value, in order, including those that others only lead to.
fn gather<'a>(value: &'a Value, depth: usize, things: &mut Vec<&'a Value>) {
    if things.len() >= MAX_THINGS || depth == 0 {
        return;
    }
    match value {
        Value::Array(values) => values.iter().for_each(|value| gather(value, depth - 1, things)),
        Value::Object(thing) => {
            if let Some(graph) = thing.get("@graph") {
                gather(graph, depth - 1, things);
            }
            if thing.contains_key("@type") {
                things.push(value);
            }
            for leads_to in ["mainEntity", "mainEntityOfPage"] {
                if let Some(other) = thing.get(leads_to) {
                    gather(other, depth - 1, things);
                }
            }
        }
        _ => {}
    }
}

/// The names of its types, without their vocabulary.
fn kinds(thing: &Value) -> impl Iterator<Item = &str> {
    let kind = thing.get("@type");
    let several = kind.and_then(Value::as_array).into_iter().flatten();
    let names = several.chain(kind).filter_map(Value::as_str);
    names.map(|name| name.rsplit(['/', '#', ':']).next().unwrap_or(name))
}

/// Things on a page that are not its subject.
fn is_part(thing: &Value) -> bool {
    const PARTS: [&str; 12] = [
        "BreadcrumbList",
        "ListItem",
        "ItemList",
        "ImageObject",
        "SearchAction",
        "ReadAction",
        "SiteNavigationElement",
        "WPHeader",
        "WPFooter",
        "Comment",
        "Review",
        "AggregateRating",
    ];
    kinds(thing).any(|name| PARTS.contains(&name))
}

fn is_site(thing: &Value) -> bool {
    const SITES: [&str; 8] = [
        "WebSite",
        "Organization",
        "NewsMediaOrganization",
        "Corporation",
        "LocalBusiness",
        "Person",
        "Place",
        "PostalAddress",
    ];
    kinds(thing).any(|name| SITES.contains(&name))
}

fn is_content(thing: &Value) -> bool {
    !is_part(thing) && !is_site(thing)
}

/// A text, or the first of several. Authors write character references in it as in HTML.
fn text(value: &Value) -> Option<String> {
    let one = value.get(0).unwrap_or(value);
    let text = one.get("@value").unwrap_or(one).as_str()?;
    Some(references::text(text.as_bytes())).filter(|text| is_visible(text))
}

/// For a picture: its address, an object that contains it or refers to another one that does, or the first of several.
fn address(value: &Value, things: &[&Value]) -> Option<String> {
    let within = |thing: &Value| ["url", "contentUrl"].iter().find_map(|name| text(thing.get(name)?));
    let one = value.get(0).unwrap_or(value);
    let named = || {
        let id = one.get("@id")?;
        things.iter().filter(|thing| thing.get("@id") == Some(id)).find_map(|thing| within(thing))
    };
    text(one).or_else(|| within(one)).or_else(named)
}

fn author(value: &Value) -> Option<String> {
    let one = value.get(0).unwrap_or(value);
    text(one.get("name").unwrap_or(one)).filter(|name| !name.starts_with("http"))
}

fn kind(name: &str) -> Option<PageKind> {
    match name {
        "VideoObject" | "Movie" | "TVEpisode" => Some(PageKind::Video),
        "Book" => Some(PageKind::Book),
        "AudioObject" | "PodcastEpisode" | "MusicRecording" => Some(PageKind::Audio),
        "ProfilePage" | "Person" => Some(PageKind::Profile),
        _ if name.ends_with("Article") || name.ends_with("Posting") => Some(PageKind::Article),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> Described {
        described(&texts.iter().map(ToString::to_string).collect::<Vec<_>>())
    }

    fn title(text: &str) -> String {
        of(&[text]).title.unwrap_or_default()
    }

    #[test]
    fn an_article_is_read_whole() {
        let found = of(&[
            r#"{"@context": "https://schema.org", "@type": "NewsArticle", "headline": "Rain &amp; sun", "name": "n",
            "description": "Both in one day", "image": ["/i.jpg", "/j.jpg"], "author": {"@type": "Person", "name": "Ada"}}"#,
        ]);
        let expected = Described {
            title: Some("Rain & sun".into()),
            description: Some("Both in one day".into()),
            image: Some("/i.jpg".into()),
            author: Some("Ada".into()),
            kind: Some(PageKind::Article),
        };
        assert_eq!(found, expected);
    }

    #[test]
    fn values_have_many_forms() {
        for image in [
            r#""/i.jpg""#,
            r#"["/i.jpg"]"#,
            r#"{"@type": "ImageObject", "url": "/i.jpg"}"#,
            r#"[{"contentUrl": "/i.jpg"}, "/j.jpg"]"#,
            r##"{"@id": "#i"}"##,
        ] {
            let picture = r##"{"@type": "ImageObject", "@id": "#i", "url": "/i.jpg"}"##;
            let text = format!(r#"[{{"@type": "Recipe", "image": {image}}}, {picture}]"#);
            assert_eq!(of(&[&text]).image.as_deref(), Some("/i.jpg"), "{image}");
        }
        for name in [r#""Soup""#, r#"["Soup", "Suppe"]"#, r#"{"@value": "Soup", "@language": "en"}"#] {
            let text = format!(r#"[{{"@type": ["https://schema.org/Recipe"], "name": {name}}}]"#);
            assert_eq!(title(&text), "Soup", "{name}");
        }
        assert_eq!(title(r#"{"@type": "Recipe", "name": 5, "headline": " "}"#), "");
    }

    #[test]
    fn what_the_page_is_about_comes_before_its_site() {
        let graph = r#"{"@graph": [{"@type": "Organization", "name": "Maker"}, {"@type": "WebSite", "name": "Site"},
            {"@type": "BreadcrumbList", "name": "Crumbs"}, {"@type": ["WebPage"], "name": "Page"}]}"#;
        assert_eq!(title(graph), "Page");
        assert_eq!(
            title(r#"[{"@type": "BreadcrumbList", "name": "Crumbs"}, {"@type": "WebSite", "name": "Site"}]"#),
            "Site"
        );
        let led_to = r#"{"@type": "QAPage", "mainEntity": {"@type": "Question", "name": "Why?"}}"#;
        assert_eq!(title(led_to), "Why?");
        let two = [r#"{"@type": "WebSite", "name": "Site"}"#, r#"{"@type": "VideoObject", "name": "Clip"}"#];
        assert_eq!((of(&two).title.as_deref(), of(&two).kind), (Some("Clip"), Some(PageKind::Video)));
    }

    #[test]
    fn what_is_wrapped_or_broken_does_no_harm() {
        for wrapped in [
            "\n<!-- {\"@type\": \"Book\", \"name\": \"B\"} -->",
            "//<![CDATA[\n{\"@type\": \"Book\", \"name\": \"B\"}\n//]]>",
            "<![CDATA[{\"@type\": \"Book\", \"name\": \"B\"}]]>",
            "{\"@type\": \"Book\", \"name\": \"\nB\t\"};",
        ] {
            assert_eq!(title(wrapped).trim(), "B", "{wrapped}");
        }
        assert_eq!(
            of(&["{broken", "[]", "null", "\"@type\"", "{\"@type\": 1}", "{\"@graph\": {\"@graph\": 1}}"]),
            Described::default()
        );
        assert_eq!(
            title(r#"{"@type": "Book", "name": "B"}"#),
            of(&["{broken", r#"{"@type": "Book", "name": "B"}"#]).title.unwrap()
        );
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(of(&[&deep]), Described::default());
        let many =
            format!("[{}{{\"@type\": \"Book\", \"name\": \"late\"}}]", "{\"@type\": \"Book\"},".repeat(MAX_THINGS));
        assert_eq!(title(&many), "");
    }
}
