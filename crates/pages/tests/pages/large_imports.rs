//! Imports as large as libraries are: every link is there once, and its owner decides who sees it.

use std::fmt::Write as _;

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;

use crate::imports::{finished, import, work};

#[tokio::test(start_paused = true)]
async fn a_file_that_is_large_for_its_icons_alone_is_imported() {
    let api = Api::new();
    let stop = work(&api);
    let icon = "iVBORw0KGgoAAAANSUhEUgAA".repeat(1_600);
    let mut file = "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p>\n".to_owned();
    for n in 0..400 {
        let icon = format!("ICON=\"data:image/png;base64,{icon}\"");
        writeln!(file, "<DT><A HREF=\"https://example.com/{n}\" ADD_DATE=\"1600000000\" {icon}>Link {n}</A>").unwrap();
    }
    assert!(file.len() > 14 << 20, "{}", file.len());
    let mut alice = Browser::of(&api, "alice");
    import(&mut alice, "bookmarks.html", file.as_bytes()).await;
    assert!(alice.path.starts_with("/imports/"), "{}", alice.page.html());
    let path = alice.path.clone();
    finished(&mut alice, &path).await;
    assert!(alice.text("#progress").contains("400 of 400: 400 saved"), "{}", alice.text("#progress"));
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn two_hundred_links_of_one_moment_are_listed_once_each_in_the_order_of_the_file() {
    let api = Api::new();
    let stop = work(&api);
    let addresses: Vec<String> = (0..200).map(|n| format!("example.com/{n:03}")).collect();
    let rows: String = addresses.iter().map(|address| format!("https://{address}\n")).collect();
    let mut alice = Browser::of(&api, "alice");
    import(&mut alice, "links.csv", format!("url\n{rows}").as_bytes()).await;
    let path = alice.path.clone();
    finished(&mut alice, &path).await;
    let mut listed = Vec::new();
    let mut next = Some("/library".to_owned());
    while let Some(path) = next {
        alice.open(&path).await;
        listed.extend(alice.all(".items .title").iter().map(|title| title.text().collect::<String>()));
        assert!(listed.len() <= addresses.len(), "a link is listed twice");
        next = alice.all("a[rel=next]").first().and_then(|link| link.attr("href")).map(str::to_owned);
    }
    assert_eq!(listed, addresses);
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn what_is_imported_is_its_owners_alone_unless_the_form_says_otherwise() {
    let api = Api::new();
    let stop = work(&api);
    let mut alice = Browser::of(&api, "alice");
    alice.open("/import").await;
    assert_eq!(alice.one("input[name=visibility][checked]").attr("value"), Some("PRIVATE"));
    assert!(alice.text("fieldset.audience").contains("Everyone, except for links that the file marks as private"));
    import(&mut alice, "links.csv", b"url,title\nhttps://example.com/diary,My diary\n").await;
    let path = alice.path.clone();
    finished(&mut alice, &path).await;
    api.deliver().await;
    let mut bob = Browser::of(&api, "bob");
    for path in ["/search?q=diary", "/search?q=https%3A%2F%2Fexample.com%2Fdiary", "/", "/?actor=did:plc:alice"] {
        bob.open(path).await;
        assert!(!bob.text("main").contains("My diary"), "{path}");
        assert!(bob.all("main a[href='https://example.com/diary']").is_empty(), "{path}");
    }
    alice.open("/search?q=diary").await;
    assert_eq!(alice.text("#hits .title"), "My diary");
    stop.cancel();
}
