//! The way to a page: redirects, cookies and pages that redirect their readers.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use cardwire_domain::metadata::FetchFailure;
use cardwire_workers::metadata::{AddressPolicy, FetchLimits, Lookup, PageFetcher};

use crate::site::{Asked, Site, html, page, redirect};

const PATIENCE: Duration = Duration::from_secs(10);

fn titled(title: &str) -> Option<Vec<u8>> {
    Some(html(format!("<title>{title}</title>")))
}

fn refresh(content: &str) -> Option<Vec<u8>> {
    Some(html(format!(
        "<title>Redirecting…</title><meta http-equiv=refresh content=\"{content}\"><h1>Redirecting…</h1>"
    )))
}

/// The title found when the site is asked for `/from`, and the paths that were requested.
async fn way(
    answers: impl Fn(&Asked) -> Option<Vec<u8>> + Send + Sync + 'static,
) -> (Result<Option<String>, FetchFailure>, Vec<String>) {
    let site = Site::with(answers).await;
    let read = site.fetcher(PATIENCE).fetch(&site.url("/from")).await;
    (read.map(|metadata| metadata.title), site.paths())
}

#[tokio::test]
async fn redirects_are_followed_however_they_are_written() {
    for (target, asked) in [
        ("/café", "/caf%C3%A9"),
        ("/a [b] c?x=1|2", "/a%20[b]%20c?x=1|2"),
        ("?q=1", "/from?q=1"),
        ("there", "/there"),
        ("./x/../there#part", "/there"),
        ("/%E2%82%AC", "/%E2%82%AC"),
    ] {
        let (title, paths) = way(move |request| match request.path.as_str() {
            "/from" => Some(redirect(target)),
            _ => titled("There"),
        })
        .await;
        assert_eq!(title, Ok(Some("There".into())), "{target}");
        assert_eq!(paths, ["/from", asked], "{target}");
    }
    for status in ["300 Multiple Choices", "301 Moved", "303 See Other", "307 Temporary", "308 Permanent"] {
        let (title, _) = way(move |request| match request.path.as_str() {
            "/from" => Some(page(status, &["location: /there"], "")),
            _ => titled("There"),
        })
        .await;
        assert_eq!(title, Ok(Some("There".into())), "{status}");
    }
    let latin = b"HTTP/1.1 302 D\xe9plac\xe9\r\nlocation: /caf\xe9\r\ncontent-length: 0\r\n\r\n";
    let (title, paths) = way(move |request| match request.path.as_str() {
        "/from" => Some(latin.to_vec()),
        _ => titled("There"),
    })
    .await;
    assert_eq!((title, paths[1].as_str()), (Ok(Some("There".into())), "/caf%E9"));
    let (title, _) = way(|_| Some(page("302 Found", &["location: "], ""))).await;
    assert_eq!(title, Err(FetchFailure::lasting("redirected to nowhere")));
}

/// Each page of `/from`, `/1`, `/2` and so on leads to the next in this way, up to `last`.
async fn chain(last: usize, lead: fn(usize, &str) -> Vec<u8>) -> (Result<Option<String>, FetchFailure>, Vec<String>) {
    way(move |request| {
        let at: usize = request.path[1..].parse().unwrap_or_default();
        if at == last { titled("The end") } else { Some(lead(at, &format!("/{}", at + 1))) }
    })
    .await
}

#[tokio::test]
async fn five_steps_are_taken_of_whatever_kind() {
    let by_status = |_: usize, next: &str| redirect(next);
    let by_refresh = |_: usize, next: &str| refresh(&format!("0;url={next}")).unwrap();
    let in_turn = |at: usize, next: &str| match at % 2 {
        0 => redirect(next),
        _ => page("200 OK", &["content-type: text/html", &format!("refresh: 1; url={next}")], "<title>Go on</title>"),
    };
    let leads: [fn(usize, &str) -> Vec<u8>; 3] = [by_status, by_refresh, in_turn];
    for lead in leads {
        let (title, paths) = chain(5, lead).await;
        assert_eq!((title, paths.len()), (Ok(Some("The end".into())), 6));
    }
    let (title, paths) = chain(6, by_status).await;
    assert_eq!((title, paths.len()), (Err(FetchFailure::lasting("more than 5 redirects")), 6));
    // There the steps end at a page, which is taken as it is.
    let (title, paths) = chain(usize::MAX, by_refresh).await;
    assert_eq!((title, paths.len()), (Ok(Some("Redirecting…".into())), 6));
}

#[tokio::test]
async fn pages_that_send_their_readers_on_are_followed() {
    for (content, expected) in [
        ("0; url=/there", "There"),
        ("3;URL='there'", "There"),
        ("0; url=/from", "Redirecting…"),
        ("0", "Redirecting…"),
        ("60; url=/there", "Redirecting…"),
        ("0; url=mailto:a@example.com", "Redirecting…"),
    ] {
        let (title, _) = way(move |request| match request.path.as_str() {
            "/from" => refresh(content),
            _ => titled("There"),
        })
        .await;
        assert_eq!(title, Ok(Some(expected.into())), "{content}");
    }
    let (title, _) = way(|request| match request.path.as_str() {
        "/from" => refresh("0; url=/gone"),
        _ => Some(page("404 Not Found", &[], "")),
    })
    .await;
    assert_eq!(title, Err(FetchFailure::lasting("answered 404")));
}

#[tokio::test]
async fn a_site_sees_its_cookies_again_while_the_fetch_lasts() {
    let with_cookie = |request: &Asked| match request.header("cookie") {
        "seen=1" => titled("Welcome"),
        _ => Some(page("302 Found", &["set-cookie: seen=1; Path=/", "location: /from"], "")),
    };
    let site = Site::with(with_cookie).await;
    let fetcher = site.fetcher(PATIENCE);
    for _ in 0..2 {
        assert_eq!(fetcher.fetch(&site.url("/from")).await.unwrap().title.as_deref(), Some("Welcome"));
    }
    let cookies: Vec<String> = site.asked().iter().map(|asked| asked.header("cookie").to_owned()).collect();
    assert_eq!(cookies, ["", "seen=1", "", "seen=1"], "each fetch begins without any");

    let (title, paths) = way(|request| match request.header("cookie") {
        "seen=1" => titled("Welcome"),
        _ => {
            let again = "<meta http-equiv=refresh content='0; url=/from'>";
            Some(page("200 OK", &["content-type: text/html", "set-cookie: seen=1"], again))
        }
    })
    .await;
    assert_eq!((title, paths.len()), (Ok(Some("Welcome".into())), 2), "a page that loads itself again for its cookie");

    let (title, paths) = way(|request| match request.path.as_str() {
        "/from" => {
            Some(page("302 Found", &["set-cookie: a=1; max-age=0", "set-cookie: b=2; secure", "location: /x"], ""))
        }
        _ if request.header("cookie").is_empty() => titled("None"),
        _ => titled("Some"),
    })
    .await;
    assert_eq!((title, paths.len()), (Ok(Some("None".into())), 2));
}

#[tokio::test]
async fn no_other_host_sees_a_cookie() {
    let hop = |request: &Asked| {
        let port = request.header("host").split_once(':').map_or("", |(_, port)| port).to_owned();
        let cookies = ["set-cookie: own=1; path=/", "set-cookie: shared=2; path=/; domain=example.com"];
        let stolen = ["set-cookie: a=1; domain=com; path=/", "set-cookie: b=1; domain=victim.example; path=/"];
        let to = |host: &str, path: &str| format!("location: http://{host}:{port}{path}");
        Some(match request.path.as_str() {
            "/from" => {
                page("302 Found", &[cookies[0], cookies[1], stolen[0], stolen[1], &to("b.example.com", "/1")], "")
            }
            "/1" => page("302 Found", &[&to("a.example.com", "/2")], ""),
            "/2" => page("302 Found", &[&to("victim.example", "/3")], ""),
            "/3" => html(format!("<meta http-equiv=refresh content='0; url=http://other.com:{port}/4'>")),
            _ => html("<title>The end</title>"),
        })
    };
    let site = Site::with(hop).await;
    // Every name leads to the one server.
    let lookup: Lookup = Arc::new(|_| Box::pin(async { Ok(vec![IpAddr::from([127, 0, 0, 1])]) }));
    let policy = AddressPolicy { allow_private: true, ..AddressPolicy::default() };
    let fetcher = PageFetcher::new(policy, FetchLimits::default(), lookup).unwrap();
    let read = fetcher.fetch(&format!("http://a.example.com:{}/from", site.address.port())).await.unwrap();
    assert_eq!(read.title.as_deref(), Some("The end"));
    let seen: Vec<(String, String)> =
        site.asked().iter().map(|asked| (asked.path.clone(), asked.header("cookie").to_owned())).collect();
    let seen: Vec<(&str, &str)> = seen.iter().map(|(path, cookies)| (path.as_str(), cookies.as_str())).collect();
    let expected = [("/from", ""), ("/1", "shared=2"), ("/2", "own=1; shared=2"), ("/3", ""), ("/4", "")];
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn only_what_can_be_unpacked_is_asked_for() {
    let site = Site::with(|_| titled("Plain")).await;
    site.fetcher(PATIENCE).fetch(&site.url("/")).await.unwrap();
    assert_eq!(site.asked()[0].header("accept-encoding"), "gzip, deflate");
}
