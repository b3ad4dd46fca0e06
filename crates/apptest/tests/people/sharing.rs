//! What others show of a link to this site, and what browsers make of the site.

use actix_web::test::TestRequest;
use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::{Api, HOST};
use cardwire_http::origin::PublicUrl;
use serde_json::{Value, json};

fn meta(browser: &Browser<'_>, name: &str) -> String {
    let selector = format!("meta[property='{name}'], meta[name='{name}']");
    browser.one(&selector).attr("content").unwrap().to_owned()
}

#[tokio::test(start_paused = true)]
async fn a_public_collection_tells_what_it_is() {
    let mut api = Api::new();
    let body = json!({ "name": "Leeks & \"onions\"", "description": "All about\n<leeks>" });
    let made = api.post("alice", "/api/collections", body).await.expect(201);
    let path = format!("/collections/{}", made["id"].as_str().unwrap());
    let check = async |api: &Api, base: &str| {
        let mut browser = Browser::of(api, "bob");
        browser.open(&path).await;
        for prefix in ["og", "twitter"] {
            assert_eq!(meta(&browser, &format!("{prefix}:title")), "Leeks & \"onions\"");
            assert_eq!(meta(&browser, &format!("{prefix}:description")), "All about <leeks>");
            let image = meta(&browser, &format!("{prefix}:image"));
            let file = image.strip_prefix(base).unwrap_or_else(|| panic!("{image} is elsewhere"));
            let answer = api.get(file).await;
            assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "image/png"));
        }
        assert_eq!(meta(&browser, "og:url"), format!("{base}{path}"));
        assert_eq!(meta(&browser, "og:type"), "website");
        assert_eq!(browser.one("link[rel=canonical]").attr("href"), Some(&*format!("{base}{path}")));
        let feeds = browser.all("link[type='application/atom+xml']");
        let feeds: Vec<_> = feeds.iter().filter_map(|feed| feed.attr("href").map(str::to_owned)).collect();
        assert_eq!(feeds, [format!("{path}/feed.atom"), "/feed.atom".into()]);
        let oembed = browser.one("link[type='application/json+oembed']").attr("href").unwrap().to_owned();
        let oembed = oembed.strip_prefix(base).unwrap().to_owned();
        let told = api.send(TestRequest::get().uri(&oembed).insert_header(("host", HOST))).await.expect(200);
        let expected: Value = json!({
            "type": "link", "version": "1.0", "title": "Leeks & \"onions\"", "author_name": "alice",
            "author_url": format!("{base}/@alice"), "provider_name": "Cardwire", "provider_url": base, "cache_age": 300,
        });
        assert_eq!(told, expected);
    };
    check(&api, &format!("https://{HOST}")).await;
    api.state.public_url = PublicUrl(Some("https://links.example".parse().unwrap()));
    check(&api, "https://links.example").await;
}

#[tokio::test(start_paused = true)]
async fn a_card_and_a_person_tell_what_they_are() {
    let api = Api::new();
    let body = json!({ "url": "https://example.com/a", "title": "Growing leeks" });
    let saved = api.post("alice", "/api/cards/library/urls", body).await.expect(201);
    let path = format!("/cards/{}", saved["urlCardId"].as_str().unwrap());
    let mut browser = Browser::of(&api, "bob");
    browser.open(&path).await;
    assert_eq!((meta(&browser, "og:title").as_str(), meta(&browser, "og:type").as_str()), ("Growing leeks", "article"));
    assert_eq!(meta(&browser, "og:description"), "example.com/a");
    let answer = api.get(&format!("/oembed?url={path}&format=json&maxwidth=300")).await;
    assert_eq!(answer.header("cache-control"), "no-cache", "it may be private the next moment");
    let told = answer.expect(200);
    assert_eq!((&told["title"], &told["author_name"]), (&json!("Growing leeks"), &json!("alice")));
    browser.open("/@alice").await;
    assert_eq!(meta(&browser, "og:title"), "alice");
    assert_eq!(meta(&browser, "og:url"), format!("https://{HOST}/@alice"));
    for (query, status) in [
        ("", 400),
        ("?url=/cards/nothing", 404),
        ("?url=https://elsewhere.example/", 404),
        ("?url=/library", 404),
        (&*format!("?url={path}&format=xml"), 400),
    ] {
        assert_eq!(api.get(&format!("/oembed{query}")).await.status.as_u16(), status, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn browsers_find_out_how_to_install_and_search_the_site() {
    let api = Api::new();
    let mut browser = Browser::new(&api);
    browser.open("/").await;
    let manifest = browser.one("link[rel=manifest]").attr("href").unwrap().to_owned();
    let search = browser.one("link[rel=search]").attr("href").unwrap().to_owned();
    let answer = api.get(&manifest).await;
    assert_eq!(answer.header("content-type"), "application/manifest+json");
    let told = answer.json();
    assert_eq!((&told["display"], &told["start_url"]), (&json!("standalone"), &json!("/")));
    let icons = told["icons"].as_array().unwrap();
    let has = |size: &str, purpose: &str| icons.iter().any(|icon| icon["sizes"] == size && icon["purpose"] == purpose);
    assert!(has("192x192", "any") && has("512x512", "any") && has("512x512", "maskable"), "{icons:?}");
    for icon in icons {
        let answer = api.get(icon["src"].as_str().unwrap()).await;
        assert_eq!(answer.header("content-type"), "image/png");
        // The size is in the file where PNG has it.
        let width = u32::from_be_bytes(answer.body[16..20].try_into().unwrap());
        assert_eq!(format!("{width}x{width}"), icon["sizes"].as_str().unwrap());
    }
    let answer = api.send(TestRequest::get().uri(&search).insert_header(("host", HOST))).await;
    assert_eq!(answer.header("content-type"), "application/opensearchdescription+xml");
    let text = String::from_utf8(answer.body).unwrap();
    assert!(text.contains(&format!("template=\"https://{HOST}/search?q={{searchTerms}}\"")), "{text}");
}
