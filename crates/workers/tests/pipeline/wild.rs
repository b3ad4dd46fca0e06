//! All kinds of pages found in the wild, read over HTTP.

use std::io::Write;
use std::time::Duration;

use cardwire_domain::metadata::{FetchFailure, Metadata, PageKind};
use encoding_rs::Encoding;
use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

use crate::site::{Site, html, page};

const UTF_8: &str = "content-type: text/html; charset=utf-8";
const HTML: &str = "content-type: text/html";

/// What is read from this response.
async fn read(answer: Vec<u8>) -> Result<Metadata, FetchFailure> {
    let site = Site::with(move |_| Some(answer.clone())).await;
    site.fetcher(Duration::from_secs(10)).fetch(&site.url("/page")).await
}

async fn check<'a>(answers: impl IntoIterator<Item = (&'static str, Vec<u8>, Option<&'a str>)>) {
    for (kind, answer, title) in answers {
        let read = read(answer).await.unwrap_or_else(|failure| panic!("{kind}: {failure:?}"));
        assert_eq!(read.title.as_deref(), title, "{kind}");
    }
}

/// In this encoding.
fn bytes(label: &str, text: &str) -> Vec<u8> {
    let (bytes, _, lost) = Encoding::for_label(label.as_bytes()).unwrap().encode(text);
    assert!(!lost, "{label}: {text}");
    bytes.into_owned()
}

fn ok(content_type: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    page("200 OK", &[content_type], body)
}

#[tokio::test]
async fn pages_in_every_encoding_have_their_title() {
    let (japanese, russian) = ("季節の野菜と果物", "Осенний сад");
    let titled = |start: &str, title: &str| format!("{start}<title>{title}</title>");
    let comment = format!("<html><head><!-- {} -->", "notes of the people who made this. ".repeat(60));
    let script = format!("<html><head><script>{}</script>", "var place = 'garden';\n".repeat(80));
    let meta = "<meta charset=windows-1251>";
    let http_equiv = "<meta http-equiv=Content-Type content='text/html; charset=Shift_JIS'>";
    let xhtml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?><html><script src='x'/><title>Caf&#233;</title></html>";
    let long_japanese = "季節の野菜と果物の育て方について";
    let long_russian = "Осенний сад и его хозяева";
    let long_french = "Les pommes séchées de l'été";
    check([
        ("http-equiv", html(bytes("shift_jis", &titled(http_equiv, japanese))), Some(japanese)),
        (
            "header",
            ok("content-type: text/html; charset=windows-1251", bytes("windows-1251", &titled("", russian))),
            Some(russian),
        ),
        (
            "header in quotes",
            ok("content-type: text/html; charset=\"KOI8-R\"", bytes("koi8-r", &titled("", russian))),
            Some(russian),
        ),
        (
            "gb2312",
            ok("content-type: text/html; charset=gb2312", bytes("gbk", &titled("", "四季蔬菜"))),
            Some("四季蔬菜"),
        ),
        ("euc-kr", html(bytes("euc-kr", &titled("<meta charset='euc-kr'>", "가을 정원"))), Some("가을 정원")),
        ("big5", html(bytes("big5", &titled("<meta charset=big5>", "四季蔬菜"))), Some("四季蔬菜")),
        (
            "late, behind a comment",
            html(bytes("windows-1251", &titled(&format!("{comment}{meta}"), russian))),
            Some(russian),
        ),
        (
            "late, behind a script",
            html(bytes("windows-1251", &titled(&format!("{script}{meta}"), russian))),
            Some(russian),
        ),
        (
            "another element's charset",
            html(bytes("windows-1251", &titled(&format!("<script src=x charset='utf-8'></script>{meta}"), russian))),
            Some(russian),
        ),
        ("header against meta", ok(UTF_8, titled("<meta charset=iso-8859-1>", "Crème brûlée")), Some("Crème brûlée")),
        (
            "latin1 means windows-1252",
            ok("content-type: text/html; charset=iso-8859-1", bytes("windows-1252", &titled("", "“Salt” – and more"))),
            Some("“Salt” – and more"),
        ),
        (
            "one bad byte",
            html([titled("", "crème brûlée").as_bytes(), b"<p>\xff damaged"].concat()),
            Some("crème brûlée"),
        ),
        (
            "mark against header",
            ok("content-type: text/html; charset=iso-8859-1", titled("\u{feff}", "Crème")),
            Some("Crème"),
        ),
        (
            "utf-16",
            html(titled("\u{feff}", "Crème").encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>()),
            Some("Crème"),
        ),
        ("undeclared utf-8", html(titled("", "Crème")), Some("Crème")),
        ("undeclared japanese", html(bytes("shift_jis", &titled("", long_japanese))), Some(long_japanese)),
        ("undeclared russian", html(bytes("windows-1251", &titled("", long_russian))), Some(long_russian)),
        ("undeclared french", html(bytes("windows-1252", &titled("", long_french))), Some(long_french)),
        ("xhtml", ok("content-type: application/xhtml+xml", xhtml), Some("Café")),
        (
            "xml declaration",
            ok(
                "content-type: application/xhtml+xml",
                bytes("windows-1251", &titled("<?xml version='1.0' encoding='windows-1251'?>", russian)),
            ),
            Some(russian),
        ),
    ])
    .await;
}

#[tokio::test]
async fn types_are_read_however_they_are_told() {
    check([
        ("upper case", ok("content-type: Text/HTML;Charset=UTF-8", "<title>Soup</title>"), Some("Soup")),
        (
            "told twice",
            ok("content-type: text/html; charset=utf-8, text/html", "<title>Soupe à l'ail</title>"),
            Some("Soupe à l'ail"),
        ),
        ("not told", page("200 OK", &[], "<title>Soup</title>"), Some("Soup")),
        ("plain text", ok("content-type: text/plain", "<!doctype html><title>Soup</title>"), None),
        ("a feed", ok("content-type: application/rss+xml", "<rss><channel><title>Soups</title></channel></rss>"), None),
        ("nothing", b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n".to_vec(), None),
        ("an empty page", html(""), None),
        ("an old server", b"HTTP/1.0 200 OK\r\n\r\n<title>Old soup</title>".to_vec(), Some("Old soup")),
        (
            "chunks that cut words",
            b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ntransfer-encoding: chunked\r\n\r\n\
              b\r\n<head><titl\r\n9\r\ne>So\xc3\xbbp</\r\n6\r\ntitle>\r\n0\r\n\r\n"
                .to_vec(),
            Some("Soûp"),
        ),
    ])
    .await;
    let paper = read(ok("content-type: application/pdf", "%PDF-1.4")).await.unwrap();
    assert_eq!(paper.icon.as_deref().map(|icon| icon.ends_with("/favicon.ico")), Some(true));
    let paper = Metadata { icon: None, ..paper };
    assert_eq!(paper, Metadata { kind: Some(PageKind::Document), ..Metadata::default() });
}

#[tokio::test]
async fn the_title_is_the_pages_own() {
    let long = "A very long title ".repeat(2_000);
    let cut: String = long.chars().take(Metadata::TITLE_CHARS).collect();
    let cut = cut.trim_end();
    let pepper = "<meta property=og:title content=\"Salt &amp;amp; pepper&amp;#39;s &amp;quot;day&amp;quot;\">";
    let bird = "<meta property=og:title content=''><meta name=twitter:title content=Bird><title>Tab</title>";
    let two = "<meta property=og:title content=First><meta property=og:title content=Second><title>Tab</title>";
    let not_markup = "<!-- <title>no</title> --><script>'<title>no</title>'</script>\
                      <noscript><title>no</title></noscript><title>Yes</title>";
    let turned = "<title>Invoice \u{202e}fdp.exe\u{202c} \u{200b}zero\u{200b}width\u{a0}wide \u{ad}shy</title>";
    let article = "<script type='application/ld+json'>{\"@type\":\"NewsArticle\",\"headline\":\"Told here\"}</script>";
    let clip = "<title>App</title>\
                <script type='application/ld+json'>{\"@type\":\"VideoObject\",\"name\":\"Clip\"}</script>";
    let (very_long, word) = (format!("<title>{long}</title>"), format!("<title>{}</title>", "x".repeat(5_000)));
    let cut_word = "x".repeat(Metadata::TITLE_CHARS);
    for (kind, body, title) in [
        ("decoded once", pepper, "Salt &amp; pepper&#39;s &quot;day&quot;"),
        ("decoded", "<title>Salt &amp; it&#x27;s &eacute;clair &hellip;</title>", "Salt & it's éclair …"),
        ("a drawing's", "<body><svg><title>Logo</title></svg><h1>The heading</h1>", "The heading"),
        ("a drawing's first", "<body><svg><title>Logo</title></svg><title>The page</title>", "The page"),
        ("blank, then another", bird, "Bird"),
        ("two", two, "First"),
        ("upper case", "<META NAME=Description CONTENT='About'><TITLE>LOUD</TITLE>", "LOUD"),
        ("spaces", "<meta property=og:title content='   '><title>Tab</title>", "Tab"),
        ("heading in parts", "<title></title><h1><span>Heading</span> <em>in parts</em></h1>", "Heading in parts"),
        ("not markup", not_markup, "Yes"),
        ("very long", &very_long, cut),
        ("one long word", &word, &cut_word),
        ("lines", "<title>\n\n  Line one\n  line two  \n</title>", "Line one line two"),
        ("controls", "<title>Null\u{0} bell\u{7} end</title>", "Null\u{fffd} bell end"),
        ("turned", turned, "Invoice fdp.exe zerowidth wide shy"),
        ("last resort", article, "Told here"),
        ("not needed", clip, "App"),
    ] {
        let read = read(ok(UTF_8, body)).await.unwrap();
        assert_eq!(read.title.as_deref(), Some(title), "{kind}");
    }
}

#[tokio::test]
async fn everything_else_is_read_as_well() {
    let article = r#"<script type="application/ld+json">{"@context":"https://schema.org","@type":"NewsArticle","headline":"Told here",
        "description":"And so is this","image":["https://pictures.example/i.jpg"],"author":{"@type":"Person","name":"Ada"}}</script>"#;
    let expected = Metadata {
        title: Some("Told here".into()),
        description: Some("And so is this".into()),
        image: Some("https://pictures.example/i.jpg".into()),
        author: Some("Ada".into()),
        kind: Some(PageKind::Article),
        ..Metadata::default()
    };
    assert_eq!(Metadata { icon: None, ..read(html(article)).await.unwrap() }, expected);
    let based = "<base href='https://cdn.example/assets/'><title>Based</title><meta property=og:image content=pic.png>";
    assert_eq!(read(html(based)).await.unwrap().image.as_deref(), Some("https://cdn.example/assets/pic.png"));
    let elsewhere = "<title>Rel</title><meta property=og:image content='//img.example/my pic.png'>";
    assert_eq!(read(html(elsewhere)).await.unwrap().image.as_deref(), Some("http://img.example/my%20pic.png"));
    let described = read(html("<meta property=og:description content='line1&#10;line2&lt;b&gt;'>")).await.unwrap();
    assert_eq!(described.description.as_deref(), Some("line1 line2<b>"));
}

#[tokio::test]
async fn what_was_read_before_a_limit_is_used() {
    let head = "<html><head><title>A large page</title><meta property=og:description content=large></head><body>";
    let large = format!("{head}{}", "<p>row</p>".repeat(500_000));
    let told = read(ok(UTF_8, &large)).await.unwrap();
    assert_eq!((told.title.as_deref(), told.description.as_deref()), (Some("A large page"), Some("large")));
    let untold =
        [b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\nconnection: close\r\n\r\n".as_slice(), large.as_bytes()];
    assert_eq!(read(untold.concat()).await.unwrap().title.as_deref(), Some("A large page"));
    let styled = format!("<head><style>{}</style><title>Behind styles</title>", ".a{color:red}".repeat(60_000));
    assert_eq!(read(ok(UTF_8, styled)).await.unwrap().title.as_deref(), Some("Behind styles"));
    let cut_in_a_character = format!("<title>Cut!</title>{}", "é".repeat(2 << 20));
    assert_eq!(read(html(cut_in_a_character)).await.unwrap().title.as_deref(), Some("Cut!"));
    // The connection ends before the declared length.
    let broken =
        b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 9999\r\n\r\n<title>Broken off</title><p>"
            .to_vec();
    assert_eq!(read(broken.clone()).await.unwrap().title.as_deref(), Some("Broken off"));
    let too_early = read(broken[..broken.len() - 13].to_vec()).await.unwrap_err();
    assert!(too_early.retryable, "another attempt may bring the title: {too_early:?}");
}

fn packed<W>(mut encoder: W, body: &[u8], finish: impl FnOnce(W) -> std::io::Result<Vec<u8>>) -> Vec<u8>
where
    W: Write,
{
    encoder.write_all(body).unwrap();
    finish(encoder).unwrap()
}

fn gzip(body: &[u8]) -> Vec<u8> {
    packed(GzEncoder::new(Vec::new(), Compression::best()), body, GzEncoder::finish)
}

#[tokio::test]
async fn packed_pages_are_unpacked_within_the_limits() {
    let title = b"<title>Packed anyhow</title>";
    let answer =
        |encoding: &str, body: Vec<u8>| page("200 OK", &[HTML, &format!("content-encoding: {encoding}")], body);
    let zlib = packed(ZlibEncoder::new(Vec::new(), Compression::fast()), title, ZlibEncoder::finish);
    let raw = packed(DeflateEncoder::new(Vec::new(), Compression::fast()), title, DeflateEncoder::finish);
    let large = gzip(&[&title[..], &b"<p>row</p>".repeat(1_000_000)].concat());
    let half = gzip(&(0..200_000_u32).fold(title.to_vec(), |mut body, n| {
        body.extend(n.wrapping_mul(2_654_435_761).to_string().bytes());
        body
    }));
    let half = half[..half.len() / 2].to_vec();
    check([
        ("gzip", answer("gzip", gzip(title)), Some("Packed anyhow")),
        ("x-gzip", answer("X-GZIP", gzip(title)), Some("Packed anyhow")),
        ("deflate", answer("deflate", zlib.clone()), Some("Packed anyhow")),
        ("deflate without its frame", answer("deflate", raw), Some("Packed anyhow")),
        ("packed twice", answer("deflate, gzip", gzip(&zlib)), Some("Packed anyhow")),
        ("no packing at all", answer("utf-8", title.to_vec()), Some("Packed anyhow")),
        ("larger than the limit", answer("gzip", large), Some("Packed anyhow")),
        ("cut in half", answer("gzip", half), Some("Packed anyhow")),
        ("nothing in it", answer("gzip", Vec::new()), None),
    ])
    .await;
    for (encoding, body, reason) in [
        ("br", title.to_vec(), "packed in a way that is not read (br)"),
        ("zstd", title.to_vec(), "packed in a way that is not read (zstd)"),
        ("gzip, gzip, gzip", title.to_vec(), "packed in a way that is not read (too many layers)"),
        ("gzip", gzip(&vec![0; 8 << 20]), "more than 2097152 bytes"),
        ("gzip, gzip", gzip(&gzip(&vec![b'x'; 8 << 20])), "more than 2097152 bytes"),
    ] {
        let failure = read(answer(encoding, body)).await.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.retryable), (reason, false), "{encoding}");
    }
    let failure = read(answer("gzip", title.to_vec())).await.unwrap_err();
    assert!(failure.reason.starts_with("the answer could not be unpacked"), "{}", failure.reason);
}

#[tokio::test]
async fn refusals_and_checks_give_no_title() {
    let just_a_moment = "<title>Just a moment...</title>";
    for (status, reason, retryable) in [
        ("403 Forbidden", "answered 403", false),
        ("999 Request denied", "answered 999", false),
        ("404 Not Found", "answered 404", false),
        ("429 Too Many Requests", "answered 429", true),
        ("503 Service Unavailable", "answered 503", true),
    ] {
        let failure = read(page(status, &[UTF_8], just_a_moment)).await.unwrap_err();
        assert_eq!((failure.reason.as_str(), failure.retryable, failure.wait), (reason, retryable, None));
    }
    for title in ["Just a moment...", "Attention Required! | Cloudflare", "Access Denied", "Robot or human?"] {
        let failure = read(html(format!("<title>{title}</title><h1>x</h1>"))).await.unwrap_err();
        assert!(!failure.retryable && failure.reason.contains("check of who is asking"), "{title}: {failure:?}");
    }
    for status in ["429 Too Many Requests", "503 Service Unavailable"] {
        let failure = read(page(status, &["retry-after: 3600"], just_a_moment)).await.unwrap_err();
        assert_eq!((failure.retryable, failure.wait), (true, Some(Duration::from_secs(3_600))), "{status}");
    }
}
