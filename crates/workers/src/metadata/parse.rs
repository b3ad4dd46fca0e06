//! What a page says about itself: Open Graph first, then the older tags, then its heading, then schema.org data.

use cardwire_domain::metadata::{Metadata, PageKind};
use cardwire_domain::url::CardUrl;
use url::Url;

use super::challenge::is_challenge;
use super::charset::decode;
use super::content_type::ContentType;
use super::scan::scan;
use super::{refresh, schema};

/// A page that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page {
    pub metadata: Metadata,
    /// Where it redirects its readers at once, or almost at once.
    pub sends_to: Option<Url>,
}

/// `url`: the address of the page, for relative addresses in it. `is_whole`: false if its end is missing.
///
/// # Errors
/// Why this is not the page that was asked for.
pub(super) fn html(body: &[u8], told: &ContentType, url: &Url, is_whole: bool) -> Result<Page, String> {
    let seen = scan(&decode(body, told, url), told.is_xml());
    let described = schema::described(&seen.descriptions);
    let base = seen.base.as_ref().and_then(|base| url.join(base.trim()).ok());
    let base = base.filter(|base| matches!(base.scheme(), "http" | "https")).unwrap_or_else(|| url.clone());
    let sends_to = seen.refresh.as_ref().and_then(|refresh| refresh::target(refresh, &base));

    let social = seen.first(&["og:title", "twitter:title"]);
    let title = seen.title.as_deref().filter(|_| is_whole || !seen.is_title_cut).or(seen.heading.as_deref());
    if social.is_none() && sends_to.is_none() && title.is_some_and(is_challenge) {
        return Err("the site answered with a check of who is asking instead of the page".to_owned());
    }
    let description = seen.first(&["og:description", "twitter:description", "description"]);
    let pictures = ["og:image:secure_url", "og:image", "og:image:url", "twitter:image", "twitter:image:src"];
    let pictures = seen.all(&pictures).chain(seen.image.as_deref()).chain(described.image.as_deref());
    let absolute = |address: &str| {
        let absolute = String::from(base.join(address.trim()).ok()?);
        CardUrl::is_url(&absolute).then_some(absolute)
    };
    let author = seen.all(&["author", "article:author", "book:author"]).find(|name| !name.starts_with("http"));
    let metadata = Metadata {
        title: social.or(title).map(str::to_owned).or(described.title),
        description: description.map(str::to_owned).or(described.description),
        image: pictures.into_iter().find_map(absolute),
        icon: seen.icons.iter().find_map(|address| absolute(address)),
        site_name: seen.first(&["og:site_name", "application-name"]).map(str::to_owned),
        author: author.map(str::to_owned).or(described.author),
        kind: seen.first(&["og:type"]).and_then(open_graph_kind).or(described.kind),
        language: seen.language.as_deref().or(seen.first(&["og:locale"])).map(|tag| tag.replace('_', "-")),
    };
    Ok(Page { metadata: metadata.tidy(), sends_to })
}

fn open_graph_kind(kind: &str) -> Option<PageKind> {
    let kind = kind.trim().to_ascii_lowercase();
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

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    fn page(body: &[u8]) -> Result<Page, String> {
        html(body, &ContentType::default(), &Url::parse("https://example.com/a/b").unwrap(), true)
    }

    fn read(body: &str) -> Metadata {
        page(body.as_bytes()).unwrap().metadata
    }

    fn title(body: &str) -> Option<String> {
        read(body).title
    }

    #[test]
    fn a_page_tells_all_about_itself() {
        let page = r#"<!doctype html><html lang="en-GB"><head><title>Tab &amp; title</title>
            <meta property="og:title" content="The &quot;title&quot;"><meta name=description content='About  it'>
            <meta property="og:image" content="/i.png"><meta property="og:site_name" content="Example">
            <link rel=icon href="//cdn.example/icon.png">
            <meta property="og:type" content="video.movie"><meta name="author" content="Ann"></head><body></body></html>"#;
        let expected = Metadata {
            title: Some("The \"title\"".into()),
            description: Some("About it".into()),
            image: Some("https://example.com/i.png".into()),
            icon: Some("https://cdn.example/icon.png".into()),
            site_name: Some("Example".into()),
            author: Some("Ann".into()),
            kind: Some(PageKind::Video),
            language: Some("en-GB".into()),
        };
        assert_eq!(read(page), expected);
    }

    #[test]
    fn titles_come_in_this_order_and_blank_ones_are_passed_over() {
        let json = "<script type=application/ld+json>{\"@type\": \"Article\", \"headline\": \"Described\"}</script>";
        let check = |page: &str, expected: &str| {
            assert_eq!(title(&format!("{json}{page}")).as_deref(), Some(expected), "{page}");
        };
        let all = "<meta property=og:title content=Graph><meta name=twitter:title content=Bird><title>Tab</title><h1>Head</h1>";
        check(all, "Graph");
        check(&all.replace("Graph", "' &#8203; '"), "Bird");
        check(&all.replace("Graph", "''").replace("Bird", "&nbsp;"), "Tab");
        check("<title> \n </title><h1>Head</h1>", "Head");
        check("<svg><title>Icon</title></svg><h1>Head</h1>", "Head");
        check("<h1></h1>", "Described");
        assert_eq!(title("<title> \n </title><meta property=og:title content=''>"), None);
        assert_eq!(title(""), None);
    }

    #[test]
    fn broken_pages_give_what_they_have() {
        assert_eq!(title("<title>Never closed"), Some("Never closed".into()));
        assert_eq!(title("<p><b>no head<title>late</p></title>"), Some("late</p>".into()));
        assert_eq!(title("<h1>Only <i>this"), Some("Only this".into()));
        let url = Url::parse("https://example.com/").unwrap();
        let cut = |body: &str| html(body.as_bytes(), &ContentType::default(), &url, false).unwrap().metadata.title;
        assert_eq!(cut("<title>Half a tit"), None);
        assert_eq!(cut("<title>Whole</title><p"), Some("Whole".into()));
    }

    #[test]
    fn pages_made_to_be_slow_are_read_in_bounded_time() {
        let megabytes = 2 * 1024 * 1024;
        let repeated = |unit: &str| unit.repeat(megabytes / unit.len());
        let attributes: String = (0..200_000).map(|n| format!(" a{n}")).collect();
        let metas = repeated("<meta name=description content=' '>");
        let wide = "<meta name=description content=' ' x".repeat(40_000);
        for slow in [
            repeated("<div>"),
            repeated("<b><p>"),
            repeated("</x>"),
            repeated("<"),
            repeated("<!--"),
            repeated("<!-- --"),
            repeated("<a '"),
            repeated("<a b=\""),
            repeated("<script>"),
            repeated("<script><!--<script>"),
            repeated("<textarea></"),
            repeated("<svg><title>"),
            repeated("<noscript>"),
            repeated("<h1>"),
            repeated("&amp"),
            repeated("<h1>&"),
            repeated("<meta content='0;url=,' http-equiv=refresh>"),
            repeated("<meta http-equiv=content-type content='charset charset'>"),
            repeated("<script type=application/ld+json>[[[[</script>"),
            repeated("<?"),
            repeated("</"),
            format!("<p{attributes}>"),
            format!("<p x=\"{}\">", repeated("x")),
            format!("<meta name=description content=\"{}\">", repeated("&quot")),
            format!("<h1>{}</h1>", repeated("&#x26;")),
            metas,
            wide,
        ] {
            let started = Instant::now();
            let found = page(format!("<title>T</title>{slow}").as_bytes()).unwrap().metadata.title;
            assert_eq!(found.as_deref(), Some("T"));
            let took = started.elapsed();
            assert!(took < Duration::from_secs(15), "{}…: {took:?}", &slow[..20]);
        }
    }

    #[test]
    fn text_that_looks_like_a_tag_is_none() {
        let page = r#"<!-- <title>a</title> --><script>"<title>b</title>"</script><textarea><title>c</title></textarea>
            <style><title>d</title></style><noscript><title>e</title></noscript><title>f <b>g</b></title><title>h</title>"#;
        assert_eq!(title(page), Some("f <b>g</b>".into()));
    }

    #[test]
    fn references_are_decoded_once() {
        let written = "<meta property=og:title content=\"Salt &amp;amp; pepper&amp;#39;s\">";
        assert_eq!(title(written), Some("Salt &amp; pepper&#39;s".into()));
        assert_eq!(title("<title>Salt &amp; it&#x27;s</title>"), Some("Salt & it's".into()));
    }

    #[test]
    fn what_is_shown_hides_nothing() {
        assert_eq!(
            title("<title>Report \u{202e}cod.exe\u{202c} \u{200b}of&shy; May\u{7}</title>"),
            Some("Report cod.exe of May".into())
        );
        assert_eq!(title("<title>\n\n  One\n  two  \n</title>"), Some("One two".into()));
    }

    #[test]
    fn pictures_are_found_where_the_base_says() {
        let check = |page: &str, expected: Option<&str>| assert_eq!(read(page).image.as_deref(), expected, "{page}");
        let picture = "<meta property=og:image content=p.png>";
        check(picture, Some("https://example.com/a/p.png"));
        check(&format!("{picture}<base href=/c/>"), Some("https://example.com/c/p.png"));
        check(&format!("<base href='https://cdn.example/c/'>{picture}"), Some("https://cdn.example/c/p.png"));
        check(&format!("<base href='data:text/html,x'>{picture}"), Some("https://example.com/a/p.png"));
        check(&format!("<base href='https://'>{picture}"), Some("https://example.com/a/p.png"));
        check("<meta property=og:image content='//img.example/my p.png'>", Some("https://img.example/my%20p.png"));
        check(
            "<meta property=og:image content=data:x><link rel=image_src href=q.png>",
            Some("https://example.com/a/q.png"),
        );
        check("<meta property=og:image content='javascript:x'>", None);
        let icon = |page: &str| read(page).icon;
        assert_eq!(
            icon("<link rel=icon href=data:x><link rel=icon href=i.ico>").as_deref(),
            Some("https://example.com/a/i.ico")
        );
        assert_eq!(icon("<base href=/c/><link rel=icon href=i.ico>").as_deref(), Some("https://example.com/c/i.ico"));
        let described =
            r#"<script type="application/ld+json">{"@type": "Article", "image": {"url": "r.png"}}</script>"#;
        check(described, Some("https://example.com/a/r.png"));
        check(&format!("{described}{picture}"), Some("https://example.com/a/p.png"));
    }

    #[test]
    fn readers_are_sent_on() {
        let sent = |body: &str| page(body.as_bytes()).unwrap().sends_to.map(String::from);
        let refresh = "<title>Redirecting…</title><meta http-equiv=refresh content='0; url=c'>";
        assert_eq!(sent(refresh), Some("https://example.com/a/c".into()));
        assert_eq!(sent(&format!("{refresh}<base href=/d/>")), Some("https://example.com/d/c".into()));
        assert_eq!(sent("<!-- <meta http-equiv=refresh content='0; url=c'> -->"), None);
        assert_eq!(sent("<script>'<meta http-equiv=refresh content=\"0; url=c\">'</script>"), None);
        assert_eq!(sent("<noscript><meta http-equiv=refresh content='0; url=c'></noscript>"), None);
        assert_eq!(sent("<meta http-equiv=refresh content='30; url=c'>"), None);
    }

    #[test]
    fn checks_of_who_is_asking_are_not_the_page() {
        assert!(page(b"<title>Just a moment...</title>").is_err());
        assert!(page(b"<h1>Access denied</h1>").is_err());
        assert_eq!(title("<meta property=og:title content=Real><title>Just a moment...</title>"), Some("Real".into()));
        assert_eq!(title("<title>A study</title><h1>Access denied</h1>"), Some("A study".into()));
    }

    #[test]
    fn schema_org_is_the_last_resort() {
        let page = r#"<script type="application/ld+json">{"@graph":[{"@type":"WebSite","name":"Site"},
            {"@type":["NewsArticle"],"headline":"Head","description":"About","author":[{"name":"Bo"}]}]}</script>
            <script type="application/ld+json">{broken</script>"#;
        let metadata = read(page);
        assert_eq!((metadata.title.as_deref(), metadata.description.as_deref()), (Some("Head"), Some("About")));
        assert_eq!((metadata.kind, metadata.author.as_deref()), (Some(PageKind::Article), Some("Bo")));
        let metadata = read(&format!("<title>Tab</title><meta name=description content=Said>{page}"));
        assert_eq!((metadata.title.as_deref(), metadata.description.as_deref()), (Some("Tab"), Some("Said")));
    }

    #[test]
    fn bytes_become_text_before_they_are_read() {
        assert_eq!(page(b"<title>\xfc</title>").unwrap().metadata.title.as_deref(), Some("ü"));
        let cyrillic = page(b"<meta charset=windows-1251><title>\xcf\xf0\xe8</title>").unwrap();
        assert_eq!(cyrillic.metadata.title.as_deref(), Some("При"));
        assert_eq!(page(b"\xff\xfe<\0t\0i\0t\0l\0e\0>\0a\0").unwrap().metadata.title.as_deref(), Some("a"));
    }
}
