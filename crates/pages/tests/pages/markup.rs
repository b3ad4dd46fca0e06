//! What holds for the markup of every page that people use.

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;

#[tokio::test(start_paused = true)]
async fn moments_and_attributes_are_valid_and_pages_are_small() {
    let api = Api::new();
    let long = "x".repeat(100);
    let mut collections = Vec::new();
    for n in 0..100 {
        collections.push(api.collection("alice", &format!("{n} {long}")[..60]).await);
    }
    for n in 0..40 {
        let into: Vec<&str> = collections.iter().take(3).map(String::as_str).collect();
        api.save("alice", &format!("https://example.com/{n}/{long}"), &into).await;
    }
    api.deliver().await;
    let mut alice = Browser::of(&api, "alice");
    for path in ["/", "/library", "/collections", &format!("/collections/{}", collections[0]), "/search?q=example"] {
        let answer = alice.get(path).await;
        assert_eq!(answer.status.as_u16(), 200, "{path}");
        assert!(answer.body.len() < 150_000, "{path}: {} bytes", answer.body.len());
        for time in alice.all("time[datetime]") {
            let at = time.attr("datetime").unwrap();
            let digits = at.split_once('.').map_or(0, |(_, rest)| rest.trim_end_matches('Z').len());
            assert!(at.is_empty() || digits <= 3, "{path}: {at}");
        }
        for element in alice.all("*") {
            assert!(element.value().attrs().all(|(name, _)| !name.starts_with("hx-")), "{path}: {}", element.html());
        }
        assert!(alice.all("[autofocus]").is_empty(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn the_shortcuts_are_listed_on_every_page() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    for path in ["/", "/library", "/search", "/admin", "/nothing-here"] {
        alice.get(path).await;
        let keys: Vec<String> = alice.all("dialog#keys kbd").iter().map(|key| key.text().collect()).collect();
        assert_eq!(keys, ["/", "n", "j", "k", "?"], "{path}");
    }
}
