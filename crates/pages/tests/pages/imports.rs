//! Bringing links along, and taking them with you.

use std::fmt::Write;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use actix_web::error::PayloadError;
use actix_web::test::TestRequest;
use actix_web::web::Bytes;
use cardwire_apptest::browser::{Browser, HOST};
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::people::NobodyWithoutToken;
use cardwire_domain::UserId;
use cardwire_domain::quotas::Quotas;
use cardwire_domain::use_cases::undo_imports;
use cardwire_http::Uploads;
use cardwire_workers::ImportLoop;
use cardwire_workers::import::ImportSettings;
use futures_util::{StreamExt, future, stream};
use serde_json::json;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const BOUNDARY: &str = "----a-boundary";

/// The fields of the import form.
fn sent(fields: &[(String, String)]) -> String {
    let mut body = String::new();
    for (name, value) in fields {
        write!(body, "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").unwrap();
    }
    body
}

/// What comes before the bytes of its file.
fn begun(file_name: &str) -> String {
    format!(
        "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{file_name}\"\r\n\
         Content-Type: application/octet-stream\r\n\r\n"
    )
}

/// The import form with this file, as a browser sends it.
fn upload(fields: &[(String, String)], file_name: &str, file: &[u8]) -> TestRequest {
    let mut body = (sent(fields) + &begun(file_name)).into_bytes();
    body.extend_from_slice(file);
    body.extend_from_slice(format!("\r\n--{BOUNDARY}--\r\n").as_bytes());
    TestRequest::post()
        .uri("/import")
        .insert_header(("origin", format!("https://{HOST}")))
        .insert_header(("content-type", format!("multipart/form-data; boundary={BOUNDARY}")))
        .set_payload(body)
}

async fn form(browser: &mut Browser<'_>) -> Vec<(String, String)> {
    browser.open("/import").await;
    browser.form("/import").into_iter().filter(|(name, _)| name != "file").collect()
}

pub async fn import(browser: &mut Browser<'_>, file_name: &str, file: &[u8]) -> Answer {
    let fields = form(browser).await;
    browser.send(upload(&fields, file_name, file)).await
}

/// The form as far as `body` goes, and then nothing more. `waited` gets a permit as soon as more is waited for.
async fn stalled(api: &Api, browser: &Browser<'_>, body: String, waited: Arc<Semaphore>) -> Answer {
    let nothing = async move {
        waited.add_permits(1);
        future::pending::<Result<Bytes, PayloadError>>().await
    };
    let pieces = stream::iter([Ok(Bytes::from(body))]).chain(stream::once(nothing));
    api.send_stream(browser.request(upload(&[], "x.csv", b"")), pieces).await
}

pub fn work(api: &Api) -> CancellationToken {
    let stop = CancellationToken::new();
    let store = Arc::new(api.store.clone());
    let importing = ImportLoop::new(store.clone(), store, ImportSettings::default());
    let stopped = stop.clone();
    tokio::spawn(async move { importing.run(stopped).await });
    stop
}

/// What the report says of each row, once the import is finished.
pub async fn finished(browser: &mut Browser<'_>, path: &str) -> Vec<(String, String)> {
    for _ in 0..10_000 {
        browser.open(path).await;
        if browser.all("#progress[data-hx-get]").is_empty() {
            let text = |cell: &scraper::ElementRef<'_>| cell.text().collect::<String>();
            let cells: Vec<String> = browser.all("tbody td").iter().map(text).collect();
            return cells.chunks(2).map(|row| (row[0].clone(), row[1].clone())).collect();
        }
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    panic!("the import does not end");
}

#[tokio::test(start_paused = true)]
async fn a_browsers_bookmarks_are_saved_and_told_row_by_row() {
    let api = Api::new();
    let stop = work(&api);
    api.post("alice", "/api/cards/library/urls", json!({ "url": "https://example.com/kept", "note": "mine" })).await;
    let collection = api.collection("alice", "Brought along").await;
    let mut alice = Browser::of(&api, "alice");
    let mut fields = form(&mut alice).await;
    fields.push(("collection".into(), collection.clone()));
    let file = "<!DOCTYPE NETSCAPE-Bookmark-file-1><DL><p>\
        <DT><A HREF=\"https://example.com/new?a=1&amp;b=2\">New</A><DD>of the file\
        <DT><A HREF=\"https://EXAMPLE.com/kept#x\">Kept</A><DD>not this note\
        <DT><A HREF=\"https://example.com/new?a=1&amp;b=2&amp;utm_source=x\">New again</A>\
        <DT><A HREF=\"javascript:alert(1)\">Script</A><DT><A HREF=\"<script>alert(1)</script>\">x</A></DL>";
    alice.send(upload(&fields, "my <b>bookmarks</b>.html", file.as_bytes())).await;
    assert_eq!(alice.text("h1"), "Import of my <b>bookmarks</b>.html");
    let path = alice.path.clone();
    let told = finished(&mut alice, &path).await;
    let expected = [
        ("https://example.com/new?a=1&b=2", "Saved"),
        ("https://EXAMPLE.com/kept#x", "Already in your library"),
        ("https://example.com/new?a=1&b=2&utm_source=x", "Already in your library"),
        ("javascript:alert(1)", "Not imported: Links start with http:// or https://."),
        ("<script>alert(1)</script>", "Not imported: Enter a full link such as https://example.com/page."),
    ];
    assert_eq!(told, expected.map(|(url, became)| (url.to_owned(), became.to_owned())));
    assert!(alice.text("#progress").contains("5 of 5: 1 saved, 2 already in your library, 2 not imported."));
    alice.open(&format!("{path}?refused=true")).await;
    assert_eq!(alice.all("tbody tr").len(), 2);
    alice.open("/library").await;
    let notes: Vec<String> = alice.all(".items .note").iter().map(|note| note.text().collect()).collect();
    assert_eq!(notes, ["of the file", "mine"], "a note that was there stays");
    alice.open(&format!("/collections/{collection}")).await;
    assert_eq!(alice.all(".items > li").len(), 2);
    let mut bob = Browser::of(&api, "bob");
    assert_eq!(bob.get(&path).await.status.as_u16(), 404, "it is hers alone");
    stop.cancel();
}

/// With what a file may say of links: folders, tags, dates, titles, notes and what is private.
const WHOLE: &str = "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n<DL><p>\n\
    <DT><H3>Kitchen</H3>\n<DL><p>\n<DT><H3>Bread</H3>\n<DL><p>\n\
    <DT><A HREF=\"https://example.com/rye\" ADD_DATE=\"1262304000\" TAGS=\"slow,dark\">Rye</A>\n<DD>a note\n\
    </DL><p>\n<DT><A HREF=\"https://example.com/tea\" ADD_DATE=\"1300000000\" PRIVATE=\"1\">Tea</A>\n</DL><p>\n\
    <DT><A HREF=\"https://example.com/undated\" ADD_DATE=\"yesterday\">Undated</A>\n\
    <DT><A HREF=\"https://example.com/rye\">Rye again</A>\n<DT><A HREF=\"javascript:x\">Script</A>\n</DL><p>\n";

/// The whole library of somebody: URL, date, who sees it, and collections.
async fn library(api: &Api, person: &str) -> Vec<(String, String, String, Vec<String>)> {
    let cards = api.ask(person, actix_web::http::Method::GET, "/api/cards/my?limit=100", None).await.expect(200);
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let card = |card: &serde_json::Value| {
        let mut names: Vec<String> =
            card["collections"].as_array().unwrap().iter().map(|collection| text(&collection["name"])).collect();
        names.sort();
        (text(&card["url"]), text(&card["addedAt"]), text(&card["visibility"]), names)
    };
    cards["items"].as_array().unwrap().iter().map(card).collect()
}

#[tokio::test(start_paused = true)]
async fn dates_folders_tags_and_privacy_are_kept_and_the_rest_is_told() {
    let api = Api::new();
    let stop = work(&api);
    let mut alice = Browser::of(&api, "alice");
    let mut fields = form(&mut alice).await;
    fields.retain(|(name, _)| name != "visibility");
    fields.push(("visibility".into(), "PUBLIC".into()));
    alice.send(upload(&fields, "x.html", WHOLE.as_bytes())).await;
    let path = alice.path.clone();
    finished(&mut alice, &path).await;
    assert!(alice.text("#progress").contains("5 of 5: 3 saved, 1 already in your library, 1 not imported."));
    let kept = library(&api, "alice").await;
    let told: Vec<(&str, &str, &str, Vec<&str>)> = kept
        .iter()
        .map(|(url, date, sees, names)| {
            (&url[20..], &date[..10], sees.as_str(), names.iter().map(String::as_str).collect())
        })
        .collect();
    let today = told[0].1;
    assert_eq!(
        told,
        [
            ("undated", today, "PUBLIC", vec![]),
            ("tea", "2011-03-13", "PRIVATE", vec!["Kitchen"]),
            ("rye", "2010-01-01", "PUBLIC", vec!["Kitchen / Bread", "dark", "slow"]),
        ]
    );
    assert_ne!(today, "2011-03-13");
    alice.open(&format!("{path}?cut=true")).await;
    assert_eq!(alice.text("tbody"), "3https://example.com/undatedSaved: The date was not understood.");
    alice.open(&format!("{path}?refused=true")).await;
    assert!(alice.text("tbody").starts_with("5javascript:xNot imported: "), "{}", alice.text("tbody"));
    api.deliver().await;
    tokio::time::advance(Duration::from_secs(10)).await;
    api.deliver().await;
    let feed = api.get("/api/feeds/global").await.expect(200);
    assert_eq!(feed["items"], json!([]), "an import is no news");
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn a_file_is_checked_before_it_is_imported() {
    let api = Api::new();
    let stop = work(&api);
    api.save("alice", "https://example.com/tea", &[]).await;
    let mut alice = Browser::of(&api, "alice");
    let fields = form(&mut alice).await;
    assert_eq!(alice.one("button[formaction]").attr("formaction"), Some("/import?check=true"));
    alice.send(upload(&fields, "x.html", WHOLE.as_bytes()).uri("/import?check=true")).await;
    let path = alice.path.clone();
    let told = finished(&mut alice, &path).await;
    assert_eq!(alice.text("h1"), "Check of x.html");
    let states: Vec<&str> = told.iter().map(|(_, state)| state.split(':').next().unwrap()).collect();
    assert_eq!(states, ["New", "Already in your library", "New", "Same link as an earlier row", "Not imported"]);
    let progress = alice.text("#progress");
    assert!(
        progress.contains("5 of 5: 2 new, 2 already in your library, 1 cannot be imported. Nothing has been imported."),
        "{progress}"
    );
    assert_eq!(library(&api, "alice").await.len(), 1);
    assert!(alice.all("form[action$='/undo']").is_empty(), "there is nothing to undo");

    alice.submit(&format!("{path}/import"), &[]).await;
    assert_eq!(alice.path, path);
    finished(&mut alice, &path).await;
    assert!(alice.text("#progress").contains("5 of 5: 2 saved, 2 already in your library, 1 not imported."));
    assert_eq!(library(&api, "alice").await.len(), 3);
    assert!(alice.all("form[action$='/import'][method=post]").is_empty(), "it is done");
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn an_import_is_undone_from_its_page() {
    let api = Api::new();
    let stop = work(&api);
    let mut alice = Browser::of(&api, "alice");
    import(&mut alice, "x.html", WHOLE.as_bytes()).await;
    let path = alice.path.clone();
    finished(&mut alice, &path).await;
    let rye = "https://example.com/rye";
    api.post("alice", "/api/cards/library/urls", json!({ "url": rye, "note": "mine now" })).await.expect(200);
    alice.submit(&format!("{path}/undo"), &[]).await;
    assert_eq!(alice.text("h1"), "Undo import?", "without a script, a page asks for confirmation");
    assert_eq!(library(&api, "alice").await.len(), 3);
    alice.submit(&format!("{path}/undo"), &[]).await;
    assert_eq!(alice.path, path);
    assert!(alice.text(".undo").starts_with("Undoing"), "{}", alice.text(".undo"));
    while undo_imports(&api.store, 2).await.unwrap() {}
    finished(&mut alice, &path).await;
    assert_eq!(alice.text(".undo"), "Undone: 2 links removed, 1 kept because you have changed it.");
    let kept = library(&api, "alice").await;
    assert_eq!(kept.iter().map(|(url, ..)| url.as_str()).collect::<Vec<_>>(), [rye]);
    assert!(alice.all(&format!("form[action='{path}/undo']")).is_empty());
    let mut bob = Browser::of(&api, "bob");
    bob.open("/import").await;
    let token = bob.form("/import").into_iter().filter(|(name, _)| name == "csrf").collect::<Vec<_>>();
    for what in ["undo", "import"] {
        let request = cardwire_apptest::browser::post(&format!("{path}/{what}"), &token);
        assert_eq!(bob.send(request).await.status.as_u16(), 404, "it is hers alone");
    }
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn files_of_other_services_are_read_from_what_is_in_them() {
    let api = Api::new();
    let stop = work(&api);
    let json = br#"[{"href":"https://example.com/pin","description":"P","extended":"","time":"2020-01-01T00:00:00Z","tags":"a b"}]"#;
    for (person, file) in [
        ("alice", &json[..]),
        ("bob", b"\xff\xfeu\0r\0l\0\n\0h\0t\0t\0p\0s\0:\0/\0/\0e\0.\0e\0x\0/\0"),
        ("carol", b"https://example.com/list\n"),
        ("dave", b"Titel;URL\n\"a; b\";https://example.com/table\n"),
    ] {
        let mut browser = Browser::of(&api, person);
        import(&mut browser, "bookmarks.html", file).await;
        let path = browser.path.clone();
        finished(&mut browser, &path).await;
        assert!(browser.text("#progress").contains("1 of 1: 1 saved"), "{person}: {}", browser.text("#progress"));
    }
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn what_is_exported_can_be_imported_again() {
    let api = Api::new();
    let stop = work(&api);
    let links = [
        ("https://example.com/\"><script>alert(1)</script>", "a <note> & \"quotes\",\nin two lines"),
        ("https://example.com/formula", "=HYPERLINK(\"https://evil.example\")"),
        ("https://example.com/plain", ""),
    ];
    for (url, note) in links {
        api.post("alice", "/api/cards/library/urls", json!({ "url": url, "note": note })).await.expect(201);
    }
    for n in 0..230 {
        api.save("alice", &format!("https://example.org/{n}"), &[]).await;
    }
    for (path, content_type, person) in [
        ("/export/bookmarks.html", "text/html; charset=utf-8", "bob"),
        ("/export/cards.csv", "text/csv; charset=utf-8", "carol"),
    ] {
        let mut alice = Browser::of(&api, "alice");
        let answer = alice.get(path).await;
        assert_eq!(answer.status.as_u16(), 200);
        assert_eq!(answer.header("content-type"), content_type);
        assert!(answer.header("content-disposition").starts_with("attachment; filename=\"cardwire."));
        assert!(answer.header("content-security-policy").contains("sandbox"));
        assert!(!String::from_utf8_lossy(&answer.body).contains("<script>alert") || path.ends_with(".csv"));
        if path.ends_with(".csv") {
            assert!(String::from_utf8_lossy(&answer.body).contains("\"'=HYPERLINK("), "no spreadsheet runs it");
        }
        let mut other = Browser::of(&api, person);
        import(&mut other, "export", &answer.body).await;
        let path = other.path.clone();
        finished(&mut other, &path).await;
        assert!(other.text("#progress").contains("233 of 233: 233 saved"), "{}", other.text("#progress"));
        for (url, note) in links {
            let status = format!(
                "/api/cards/library/status?url={}",
                percent_encoding::utf8_percent_encode(url, percent_encoding::NON_ALPHANUMERIC)
            );
            let status = api.ask(person, actix_web::http::Method::GET, &status, None).await.expect(200);
            let card = format!("/api/cards/{}", status["cardId"].as_str().unwrap());
            let card = api.ask(person, actix_web::http::Method::GET, &card, None).await.expect(200);
            assert_eq!(card["url"], url.replace('"', "%22").replace('<', "%3C").replace('>', "%3E"));
            assert_eq!(card["note"]["text"].as_str().unwrap_or_default(), note);
        }
    }
    stop.cancel();
}

#[tokio::test(start_paused = true)]
async fn files_that_cannot_be_imported_are_refused_beside_the_field() {
    let mut api = Api::new();
    api.state.uploads = Uploads::with_room(1 << 20, 8 << 20);
    let mut alice = Browser::of(&api, "alice");
    let many = format!("url\n{}", "x\n".repeat(200_001));
    let large = vec![b'x'; (1 << 20) + 1];
    for (file, rule) in [
        (&b""[..], "There are no links in this file."),
        (b"url\n", "There are no links in this file."),
        (b"nothing,of,this", "a column named url"),
        (b"%PDF-1.7", "This is a PDF."),
        (b"url,note\nhttps://a.example/1,\"open\nhttps://a.example/2,x\n", "The quote on line 2 is never closed"),
        (b"[{\"url\": \"https://a.example/\"}, {", "This is not valid JSON"),
        (many.as_bytes(), "A file can hold at most 200,000 links. Split it and import the parts."),
        (&large, "Files are at most 1 MiB."),
    ] {
        let answer = import(&mut alice, "x.csv", file).await;
        assert_eq!(answer.status.as_u16(), 422, "{rule}");
        assert!(alice.text("#file-wrong").contains(rule), "{}", alice.text("#file-wrong"));
    }
    assert!(alice.all(".items").is_empty(), "nothing of them is kept");
    // One at a time.
    import(&mut alice, "x.csv", b"url\nhttps://example.com/").await;
    assert!(alice.path.starts_with("/imports/"));
    assert_eq!(import(&mut alice, "x.csv", b"url\nhttps://example.com/").await.status.as_u16(), 409);
    assert!(alice.text("form .wrong").contains("still running"));
}

#[tokio::test(start_paused = true)]
async fn a_file_from_elsewhere_is_not_read() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    alice.open("/import").await;
    let token = alice.form("/import").into_iter().find(|(name, _)| name == "csrf").unwrap();
    let file = b"url\nhttps://example.com/";
    let good = || upload(std::slice::from_ref(&token), "x.csv", file);
    let wrong = upload(&[("csrf".into(), "wrong".into())], "x.csv", file);
    for request in [wrong, upload(&[], "x.csv", file), good().insert_header(("origin", "https://evil.example"))] {
        assert_eq!(alice.send(request).await.status.as_u16(), 403);
    }
    alice.open("/import").await;
    assert!(alice.all(".items").is_empty(), "nothing was kept");
    alice.send(good()).await;
    assert!(alice.path.starts_with("/imports/"));
    let not_a_form = good().insert_header(("content-type", "application/json"));
    assert_eq!(alice.send(not_a_form).await.status.as_u16(), 400);
}

#[tokio::test(start_paused = true)]
async fn who_may_send_no_file_is_refused_before_anything_is_waited_for() {
    let mut api = Api::new();
    api.state.authenticator = Arc::new(NobodyWithoutToken);
    let nobody = Browser::new(&api);
    let before = Instant::now();
    let form = || nobody.request(upload(&[], "x.csv", b""));
    let answer = api.send_stream(form(), stream::pending()).await;
    assert_eq!((answer.status.as_u16(), answer.header("location")), (303, "/sign-in?next=%2F"));
    let elsewhere = form().insert_header(("origin", "https://evil.example"));
    assert_eq!(api.send_stream(elsewhere, stream::pending()).await.status.as_u16(), 403);
    assert_eq!(before.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_form_whose_file_has_not_begun_keeps_nobody_waiting() {
    let api = Api::new();
    let (mut alice, mut bob) = (Browser::of(&api, "alice"), Browser::of(&api, "bob"));
    let fields = sent(&form(&mut alice).await);
    let waited = Arc::new(Semaphore::new(0));
    let before = Instant::now();
    let idle = future::join_all((0..3).map(|_| stalled(&api, &alice, fields.clone(), waited.clone())));
    let (idle, ()) = tokio::join!(biased; idle, async {
        waited.acquire_many(3).await.unwrap().forget();
        import(&mut bob, "x.csv", b"url\nhttps://example.com/").await;
        assert!(bob.path.starts_with("/imports/"), "{}", bob.path);
    });
    assert_eq!(idle.iter().map(|answer| answer.status.as_u16()).collect::<Vec<_>>(), [408; 3]);
    assert_eq!(before.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn files_that_arrive_slowly_keep_nobody_waiting_and_are_cut() {
    let api = Api::new();
    let file = b"url\nhttps://example.com/";
    let waited = Arc::new(Semaphore::new(0));
    let mut slow = Vec::new();
    for person in ["alice", "bob", "dave", "erin"] {
        let mut browser = Browser::of(&api, person);
        let body = sent(&form(&mut browser).await) + &begun("x.csv") + "url";
        slow.push((browser, body));
    }
    let [mut alice_again, mut carol] = ["alice", "carol"].map(|person| Browser::of(&api, person));
    let before = Instant::now();
    let stalling = slow.iter().map(|(browser, body)| stalled(&api, browser, body.clone(), waited.clone()));
    let (cut, ()) = tokio::join!(biased; future::join_all(stalling), async {
        waited.acquire_many(4).await.unwrap().forget();
        import(&mut carol, "x.csv", file).await;
        assert!(carol.path.starts_with("/imports/"), "{}", carol.path);
        let fields = form(&mut alice_again).await;
        let from = format!("https://{HOST}/import");
        let refused = alice_again.send(upload(&fields, "x.csv", file).insert_header(("referer", from))).await;
        assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "5"), "one file of each person");
        assert_eq!(alice_again.all("main a")[0].attr("href"), Some("/import"), "a file is chosen again");
        assert_eq!(before.elapsed(), Duration::ZERO);
    });
    assert_eq!(cut.iter().map(|answer| answer.status.as_u16()).collect::<Vec<_>>(), [408; 4]);
    assert_eq!(before.elapsed().as_secs(), 10);
    let (mut alice, body) = slow.swap_remove(0);
    let twice = upload(&[], "x.csv", b"").set_payload(format!("{body}\r\n{}y\r\n--{BOUNDARY}--\r\n", begun("y.csv")));
    assert_eq!(alice.send(twice).await.status.as_u16(), 422, "another file would have as long again");
}

#[tokio::test(start_paused = true)]
async fn so_many_imports_may_be_begun_in_a_day() {
    let mut api = Api::new();
    api.state.quotas = Quotas { imports: NonZeroU32::new(1), ..Quotas::default() };
    let mut alice = Browser::of(&api, "alice");
    let file = b"url\nhttps://example.com/";
    import(&mut alice, "x.csv", file).await;
    assert!(alice.path.starts_with("/imports/"), "{}", alice.path);
    let refused = import(&mut alice, "y.csv", file).await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (429, "86400"));
    assert_eq!(alice.text(".wrong"), "You have reached your daily limit for imports (1). Try again in 24 hours.");
    tokio::time::advance(Duration::from_secs(86_401)).await;
    assert_eq!(import(&mut alice, "y.csv", file).await.status.as_u16(), 409, "the first is not finished yet");
}

#[tokio::test(start_paused = true)]
async fn a_byte_now_and_then_does_not_keep_an_upload_alive() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    let body = sent(&form(&mut alice).await) + &begun("x.csv");
    let drops = stream::repeat_with(|| Ok(Bytes::from("x"))).then(|byte| async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        byte
    });
    let pieces = stream::iter([Ok::<_, PayloadError>(Bytes::from(body))]).chain(drops);
    let before = Instant::now();
    let late = api.send_stream(alice.request(upload(&[], "x.csv", b"")), Box::pin(pieces)).await;
    assert_eq!((late.status.as_u16(), before.elapsed().as_secs()), (408, 10));
}

#[tokio::test(start_paused = true)]
async fn a_person_downloads_their_library_once_at_a_time() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    let owner = UserId::parse("did:plc:alice").unwrap();
    let held = api.state.exports.take(&owner).unwrap();
    let refused = alice.get("/export/cards.csv").await;
    assert_eq!((refused.status.as_u16(), refused.header("retry-after")), (503, "30"));
    assert_eq!(Browser::of(&api, "bob").get("/export/cards.csv").await.status.as_u16(), 200);
    drop(held);
    for _ in 0..3 {
        assert_eq!(alice.get("/export/bookmarks.html").await.status.as_u16(), 200, "its place is free again");
    }
}

#[tokio::test(start_paused = true)]
async fn while_an_import_runs_its_report_can_be_read_on() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    let rows: String = (0..250).map(|n| format!("https://example.com/{n}\n")).collect();
    import(&mut alice, "x.csv", format!("url\n{rows}").as_bytes()).await;
    let mut first_rows = Vec::new();
    for _ in 0..2 {
        assert_eq!(alice.one("#progress[data-hx-get]").attr("data-hx-select"), Some("#progress"));
        assert!(alice.all("#progress table, #progress a[rel=next]").is_empty(), "these stay as they are");
        first_rows.push(alice.all("tbody th")[0].text().collect::<String>());
        let next = alice.one("a[rel=next]").attr("href").unwrap().to_owned();
        alice.open(&next).await;
    }
    assert_eq!(first_rows[0], "1");
    assert_ne!(first_rows[1], "1");
}
