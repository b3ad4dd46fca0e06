//! What a person takes along: files with all of their links, in an order and a form that an import can bring back.

use std::time::Duration;

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use serde_json::{Value, json};

async fn save(api: &Api, body: Value) {
    tokio::time::advance(Duration::from_secs(60)).await;
    api.post("alice", "/api/cards/library/urls", body).await.expect(201);
}

async fn file(api: &Api, path: &str) -> String {
    let answer = Browser::of(api, "alice").get(path).await;
    assert_eq!(answer.status.as_u16(), 200, "{path}");
    assert!(answer.header("content-disposition").starts_with("attachment; filename=\"cardwire"), "{path}");
    String::from_utf8(answer.body).unwrap()
}

/// A library with one card of each kind.
async fn library(api: &Api) {
    let garden = api.collection("alice", "Garden").await;
    let winter = api.collection("alice", "Winter, and snow").await;
    let odd = api.collection("alice", "two  blanks").await;
    api.collection("alice", "Empty").await;
    save(api, json!({ "url": "https://example.com/plain" })).await;
    let leeks = json!({
        "url": "https://example.com/leeks?a=1&b=2", "title": "Leeks <under> snow", "note": "one\n\n\"two\"",
        "visibility": "PRIVATE", "collectionIds": [winter, garden],
    });
    save(api, leeks).await;
    save(api, json!({ "url": "https://example.com/odd", "title": "=1+1", "collectionIds": [odd] })).await;
    save(api, json!({ "url": "https://example.com/last", "note": "'=1", "collectionIds": [garden] })).await;
}

/// With dates replaced by what they are dates of.
fn undated(file: &str) -> String {
    let mut text = String::new();
    let mut rest = file;
    while let Some((before, behind)) = rest.split_once("ADD_DATE=\"") {
        let (date, behind) = behind.split_once('"').unwrap();
        assert!(date.parse::<i64>().unwrap() > 0, "{date}");
        text = text + before + "ADD_DATE=\"…\"";
        rest = behind;
    }
    text + rest
}

#[tokio::test(start_paused = true)]
async fn a_bookmark_file_has_a_folder_for_each_collection_and_each_link_once() {
    let api = Api::new();
    library(&api).await;
    let expected = "<!DOCTYPE NETSCAPE-Bookmark-file-1>\n\
        <META HTTP-EQUIV=\"Content-Type\" CONTENT=\"text/html; charset=UTF-8\">\n\
        <TITLE>Bookmarks</TITLE>\n<H1>Bookmarks</H1>\n<DL><p>\n    \
        <DT><H3>Garden</H3>\n    <DL><p>\n        \
        <DT><A HREF=\"https://example.com/last\" ADD_DATE=\"…\" TAGS=\"Garden\">https://example.com/last</A>\n        \
        <DD>'=1\n        \
        <DT><A HREF=\"https://example.com/leeks?a=1&amp;b=2\" ADD_DATE=\"…\" PRIVATE=\"1\" TAGS=\"Garden\" \
        COLLECTIONS=\"[&quot;Winter, and snow&quot;]\" PRIVATE_COLLECTIONS=\"[]\">Leeks &lt;under&gt; snow</A>\n        \
        <DD>one\n\n&quot;two&quot;\n    \
        </DL><p>\n    \
        <DT><A HREF=\"https://example.com/odd\" ADD_DATE=\"…\" COLLECTIONS=\"[&quot;two  blanks&quot;]\">=1+1</A>\n    \
        <DT><A HREF=\"https://example.com/plain\" ADD_DATE=\"…\">https://example.com/plain</A>\n\
        </DL><p>\n";
    assert_eq!(undated(&file(&api, "/export/bookmarks.html").await), expected);
}

#[tokio::test(start_paused = true)]
async fn csv_and_json_tell_the_same_newest_first() {
    let api = Api::new();
    library(&api).await;
    let table = file(&api, "/export/cards.csv").await;
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let columns = ["url", "title", "note", "collections", "private_collections", "added_at", "visibility"];
    assert_eq!(reader.headers().unwrap(), columns.to_vec());
    let rows: Vec<Vec<String>> = reader.records().map(|row| row.unwrap().iter().map(str::to_owned).collect()).collect();
    let told: Vec<[&str; 5]> =
        rows.iter().map(|row| [&row[0], &row[1], &row[2], &row[3], &row[6]].map(String::as_str)).collect();
    let expected = [
        ["https://example.com/last", "", "'\t'=1", "Garden", "PUBLIC"],
        ["https://example.com/odd", "'=1+1", "", "two  blanks", "PUBLIC"],
        [
            "https://example.com/leeks?a=1&b=2",
            "Leeks <under> snow",
            "one\n\n\"two\"",
            "Garden; Winter, and snow",
            "PRIVATE",
        ],
        ["https://example.com/plain", "", "", "", "PUBLIC"],
    ];
    assert_eq!(told, expected);

    let file: Value = serde_json::from_str(&file(&api, "/export/cards.json").await).unwrap();
    let cards = file["cards"].as_array().unwrap();
    assert_eq!(cards.len(), 4);
    for (card, row) in cards.iter().zip(&rows) {
        assert_eq!((card["url"].as_str(), card["addedAt"].as_str()), (Some(&*row[0]), Some(&*row[5])));
        assert_eq!(card["visibility"], row[6]);
    }
    let whole = json!({
        "url": "https://example.com/leeks?a=1&b=2", "title": "Leeks <under> snow", "note": "one\n\n\"two\"",
        "addedAt": cards[2]["addedAt"], "visibility": "PRIVATE",
        "collections": [
            { "name": "Garden", "visibility": "PUBLIC" }, { "name": "Winter, and snow", "visibility": "PUBLIC" },
        ],
    });
    assert_eq!(cards[2], whole);
}

#[tokio::test(start_paused = true)]
async fn an_empty_library_is_a_whole_file_as_well() {
    let api = Api::new();
    assert!(file(&api, "/export/bookmarks.html").await.ends_with("<DL><p>\n</DL><p>\n"));
    assert_eq!(
        file(&api, "/export/cards.csv").await,
        "url,title,note,collections,private_collections,added_at,visibility\r\n"
    );
    assert_eq!(file(&api, "/export/cards.json").await, "{\"cards\":[\n\n]}\n");
}

/// More than are read at once, most of them saved in the same second, in folders of which some are larger than that.
#[tokio::test(start_paused = true)]
async fn a_large_library_is_exported_whole_and_the_same_every_time() {
    let api = Api::new();
    let mut folders = Vec::new();
    for number in 0..3 {
        folders.push(api.collection("alice", &format!("Folder {number}")).await);
    }
    for number in 0..450 {
        let (first, second) = (folders[number % 3].as_str(), folders[number % 2].as_str());
        let collections = match number % 10 {
            0 => vec![],
            1..5 => vec![first],
            _ => vec![first, second],
        };
        api.save("alice", &format!("https://example.com/{}", number * 7_919 % 450), &collections).await;
    }
    for path in ["/export/bookmarks.html", "/export/cards.csv", "/export/cards.json"] {
        let once = file(&api, path).await;
        for number in 0..450 {
            let found = once.matches(&format!("\"https://example.com/{number}\"")).count();
            assert_eq!(found, 1, "{path}: {number}");
        }
        assert_eq!(file(&api, path).await, once, "{path}");
    }
    let bookmarks = file(&api, "/export/bookmarks.html").await;
    assert_eq!(bookmarks.matches("<H3>").count(), 3);
    let unfiled = bookmarks.rsplit_once("    </DL><p>\n").unwrap().1;
    assert_eq!(unfiled.matches("<DT><A ").count(), 45);
}
