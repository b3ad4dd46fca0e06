//! An import outlives the process that works on it.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_testkit::postgres::Postgres;
use cardwire_testkit::process::Process;
use tokio::time::{Instant, sleep};

const ROWS: usize = 1_000;
const BOUNDARY: &str = "----a-boundary";

/// The text of the page's part between these two.
fn between<'a>(page: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = page.split_once(before).unwrap_or_else(|| panic!("no {before} in {page}"));
    rest.split_once(after).unwrap_or_else(|| panic!("no {after} in {page}")).0
}

/// Sends the form with a file of that many links, and tells where it leads.
async fn upload(client: &reqwest::Client, web: &Process) -> String {
    let form = client.get(web.url("/import")).send().await.unwrap();
    let cookie = form.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let page = form.text().await.unwrap();
    let token = between(&page, "name=\"csrf\" value=\"", "\"");
    let rows: String = (0..ROWS).map(|n| format!("https://example.com/{n}\n")).collect();
    let part =
        |name: &str, value: &str| format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {name}\r\n\r\n{value}\r\n");
    let body = part("name=\"csrf\"", token) + &part("name=\"file\"; filename=\"x.csv\"", &format!("url\n{rows}"));
    let sent = client
        .post(web.url("/import"))
        .header("cookie", cookie)
        .header("origin", web.url(""))
        .header("content-type", format!("multipart/form-data; boundary={BOUNDARY}"))
        .body(format!("{body}--{BOUNDARY}--\r\n"))
        .send()
        .await
        .unwrap();
    assert_eq!(sent.status().as_u16(), 200);
    sent.url().path().to_owned()
}

/// How the page tells it, such as `50 of 1000: 50 saved, 0 already in your library, 0 not imported.`.
async fn progress(client: &reqwest::Client, web: &Process, path: &str) -> String {
    let page = client.get(web.url(path)).send().await.unwrap().text().await.unwrap();
    between(between(&page, "</progress>", "</div>"), "<p>", "</p>").to_owned()
}

async fn until(client: &reqwest::Client, web: &Process, path: &str, reached: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let told = progress(client, web, path).await;
        if reached(&told) {
            return told;
        }
        assert!(Instant::now() < deadline, "{told}");
        sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_import_goes_on_where_a_killed_process_left_it() {
    let server = Postgres::shared().unwrap();
    let database = server.database().await.unwrap();
    let environment: BTreeMap<String, String> = [
        ("USE_IN_MEMORY_EVENTS", "true"),
        ("USE_MOCK_AUTH", "true"),
        ("APP_ENV", "development"),
        ("DATABASE_URL", database.url()),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let client = cardwire_testkit::net::http_client();
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let path = upload(&client, &web).await;
    let before = until(&client, &web, &path, |told| !told.starts_with("0 of")).await;
    web.kill();
    assert!(!before.starts_with("1000 of"), "it was killed in the middle");
    let mut web = Process::start("web", &environment);
    web.ready().await;
    let started = Instant::now();
    let after = until(&client, &web, &path, |told| told.starts_with("1000 of")).await;
    assert_eq!(after, "1000 of 1000: 1000 saved, 0 already in your library, 0 not imported.");
    println!("killed at {before:?}, finished {:?} after the next start", started.elapsed());
}
