//! What is exported, imported elsewhere and exported there again is the same file, and the same library.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use actix_web::test::TestRequest;
use cardwire_apptest::browser::{Browser, HOST};
use cardwire_apptest::harness::Api;
use cardwire_domain::exports::ExportedCard;
use cardwire_domain::imports::ImportRepository as _;
use cardwire_domain::library::LibraryRepository as _;
use cardwire_domain::use_cases::{AddUrlToLibrary, CreateCollection, Request, execute};
use cardwire_domain::{AccessType, Limit, PageRequest, UserId, Visibility};
use cardwire_workers::ImportLoop;
use cardwire_workers::import::ImportSettings;
use tokio_util::sync::CancellationToken;

const CARDS: usize = 5_000;
const BOUNDARY: &str = "----a-boundary";

/// Names that some format or other could trip over.
const FOLDERS: [&str; 14] = [
    "Garden",
    "Winter, and snow",
    "semi; colon",
    "Kitchen / Drinks",
    "two  blanks",
    "'quoted'",
    "\"quoted\"",
    "[\"a list\"]",
    "=sum",
    "- dashes",
    "#tag",
    "R&D <new>",
    "日本語　の本",
    "linkding:archived",
];
/// They hold links that everybody sees, too.
const PRIVATE_FOLDERS: [&str; 4] = ["Winter, and snow", "semi; colon", "Kitchen / Drinks", "two  blanks"];
const TITLES: [&str; 7] = [
    "",
    "Leeks under snow",
    "=1+1",
    "'=1+1",
    "a & b </A><b>c</b> \"d\"",
    "東京の図書館 👩\u{200d}🚀",
    "&amp; [x], y; z",
];
const NOTES: [&str; 8] = [
    "",
    "one line",
    "two\n\nlines",
    "as Windows\r\nwrites them",
    "=HYPERLINK(\"https://evil.example\")",
    "'-- guarded?",
    "</DD><DT><A HREF=\"https://evil.example/\">x</A> <!-- &lt;",
    "\"quoted\", with; separators | and\ttabs",
];

fn alice() -> UserId {
    UserId::parse("did:plc:alice").unwrap()
}

/// Cards of every kind, many of them saved in the same second.
async fn fill(api: &Api) {
    let by = Request::by(alice());
    let mut folders = Vec::new();
    for name in FOLDERS {
        let command = CreateCollection {
            name: name.into(),
            description: None,
            access: AccessType::Closed,
            visibility: Visibility::of(PRIVATE_FOLDERS.contains(&name)),
        };
        folders.push(execute(&api.store, &by, &command).await.unwrap().id.to_string());
    }
    for number in 0..CARDS {
        let in_folder = |index: usize| folders[index % folders.len()].clone();
        let collection_ids = match number % 4 {
            0 => vec![],
            1 => vec![in_folder(number / 4)],
            _ => vec![in_folder(number / 4), in_folder(number / 7 + 1), in_folder(number / 11 + 2)],
        };
        let text = |texts: &[&str], index: usize| Some(texts[index % texts.len()].to_owned());
        let command = AddUrlToLibrary {
            url: format!("https://site{}.example/Ü/{number}?a=1&copy=\"{number}\"&utm_source=x#top", number % 50),
            title: text(&TITLES, number),
            note: text(&NOTES, number / 3),
            collection_ids,
            visibility: Some(Visibility::of(number % 5 == 0)),
            ..AddUrlToLibrary::default()
        };
        execute(&api.store, &by, &command).await.unwrap();
        tokio::time::advance(Duration::from_millis(if number % 10 == 0 { 90_000 } else { 3 })).await;
    }
}

async fn export(api: &Api, path: &str) -> Vec<u8> {
    let answer = Browser::of(api, "alice").get(path).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}");
    answer.body
}

/// Everyone may see what the file does not mark as private.
async fn import(api: &Api, name: &str, file: &[u8]) {
    let mut browser = Browser::of(api, "alice");
    browser.open("/import").await;
    let mut fields: Vec<(String, String)> = browser.form("/import");
    fields.retain(|(name, _)| name != "file" && name != "visibility");
    fields.push(("visibility".into(), "PUBLIC".into()));
    let mut body = String::new();
    for (name, value) in &fields {
        write!(body, "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n").unwrap();
    }
    write!(body, "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\r\n").unwrap();
    let body = [body.as_bytes(), file, format!("\r\n--{BOUNDARY}--\r\n").as_bytes()].concat();
    let request = TestRequest::post()
        .uri("/import")
        .insert_header(("origin", format!("https://{HOST}")))
        .insert_header(("content-type", format!("multipart/form-data; boundary={BOUNDARY}")))
        .set_payload(body);
    let answer = browser.send(request).await;
    assert_eq!(answer.status.as_u16(), 200, "{name}: {}", browser.page.html());
    assert!(browser.path.starts_with("/imports/"), "{name}: {}", browser.path);

    let stop = CancellationToken::new();
    let store = Arc::new(api.store.clone());
    let importing = ImportLoop::new(store.clone(), store, ImportSettings::default());
    let stopped = stop.clone();
    let working = tokio::spawn(async move { importing.run(stopped).await });
    let mut left = 100_000;
    loop {
        let import = api.store.imports_of(&alice(), 1).await.unwrap().remove(0);
        if import.finished_at.is_some() {
            assert_eq!((import.total, import.saved), (CARDS as u32, CARDS as u32), "{name}: {import:?}");
            break;
        }
        left -= 1;
        assert!(left > 0, "{name} does not end: {import:?}");
        tokio::time::advance(Duration::from_millis(100)).await;
    }
    stop.cancel();
    working.await.unwrap();
}

type Told = (String, Option<String>, Option<String>, BTreeSet<(String, &'static str)>, &'static str, i64);

/// All cards, with their dates to the microsecond or to the second.
async fn library(api: &Api, is_to_the_second: bool) -> Vec<Told> {
    let mut told = Vec::new();
    let mut request = PageRequest { limit: Limit::new(100).unwrap(), after: None };
    loop {
        let page = api.store.exported(&alice(), None, &request).await.unwrap();
        let one = |ExportedCard { id: _, url, title, note, collections, visibility, added_at }: ExportedCard| {
            let at = if is_to_the_second { added_at.as_second() } else { added_at.as_microsecond() };
            let note = note.map(|note| note.as_str().to_owned());
            let collections: BTreeSet<_> =
                collections.into_iter().map(|(name, visibility)| (name, visibility.name())).collect();
            (url.given().to_owned(), title, note, collections, visibility.name(), at)
        };
        told.extend(page.items.into_iter().map(one));
        match page.next {
            Some(next) => request.after = Some(next),
            None => return told,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_exported_and_imported_elsewhere_is_exported_the_same() {
    // Born at the same time, so that no date is ahead of any of them.
    let [here, with_bookmarks, with_table, with_json] = [Api::new(), Api::new(), Api::new(), Api::new()];
    fill(&here).await;
    for (there, path, name) in [
        (with_bookmarks, "/export/bookmarks.html", "cardwire.html"),
        (with_table, "/export/cards.csv", "cardwire.csv"),
        (with_json, "/export/cards.json", "cardwire-links.json"),
    ] {
        let file = export(&here, path).await;
        import(&there, name, &file).await;
        let again = export(&there, path).await;
        let differs = file.iter().zip(&again).position(|(one, other)| one != other);
        let around = |file: &[u8], at: usize| {
            String::from_utf8_lossy(&file[at.saturating_sub(200)..file.len().min(at + 200)]).into_owned()
        };
        if let Some(at) = differs {
            panic!("{path} differs at {at}:\n{}\ninstead of\n{}", around(&again, at), around(&file, at));
        }
        assert_eq!(file.len(), again.len(), "{path}");

        let is_to_the_second = name.ends_with(".html");
        let (mut before, mut after) = (library(&here, is_to_the_second).await, library(&there, is_to_the_second).await);
        if is_to_the_second {
            // Folder by folder, the order of what came in one second is that of the folders.
            before.sort();
            after.sort();
        }
        assert_eq!(before.len(), CARDS);
        let private: BTreeSet<&str> = after
            .iter()
            .flat_map(|card| &card.3)
            .filter(|(_, visibility)| *visibility == "PRIVATE")
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(private, BTreeSet::from(PRIVATE_FOLDERS), "{path}");
        for (one, other) in before.iter().zip(&after) {
            assert_eq!(one, other, "{path}");
        }
    }
}
