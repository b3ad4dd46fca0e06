//! Files as people have them, one test for each kind that programs read wrongly.

use cardwire_imports::{Remark, Row};

use crate::support::{check, check_bytes, check_refused, file, links, read, rows, told};

#[test]
fn folders_inside_folders_and_tags_that_are_not_closed() {
    check(
        "nested.html",
        &[
            "https://orchard.example/apples | Apples | 2022-04-15T05:20:01Z | [\"Toolbar\"]",
            "https://orchard.example/pears | Pears | [\"Toolbar\"]",
            "https://orchard.example/quinces | Quinces | [\"Toolbar\"]",
            "https://orchard.example/plums | Plums | [\"Toolbar / Stone & fruit\"]",
            "https://orchard.example/medlars | Medlars | [\"Toolbar\"]",
        ],
    );
}

#[test]
fn titles_dates_and_tags_are_kept() {
    check(
        "title_date.html",
        &[
            "https://gone.invalid/p/77 | Growing chard under fleece | 2010-01-01T00:00:00Z | [\"garden\", \"winter work\"]",
        ],
    );
}

#[test]
fn what_is_marked_as_private_is_private() {
    check(
        "private.html",
        &[
            "https://diary.example/mine | Mine | 2023-11-14T22:13:20Z | private",
            "https://diary.example/ours | Ours | 2023-11-14T22:13:20Z",
        ],
    );
    let marks = ["PRIVATE=\"1\"", "private=yes", "PRIVATE", "PRIVATE=\"0\"", "PRIVATE=no", "TOREAD=\"1\""];
    let private = |mark| links(format!("<DT><A HREF=\"https://a.example/\" {mark}>x</A>").as_bytes())[0].is_private;
    assert_eq!(marks.map(private), [true, true, true, false, false, false]);
}

#[test]
fn a_declared_encoding_counts() {
    check("declared_1252.html", &["https://patisserie.example/éclairs | Éclairs | note \"pâte à choux – 12 €\""]);
    check("declared_1251.html", &["https://kniga.example/ | Книги"]);
    check("undeclared.csv", &["https://weinberg.example/ | Über die Mühle"]);
}

#[test]
fn utf_16_is_read() {
    check("utf16.csv", &["https://weinberg.example/rot | note \"trüb, aber gut\""]);
    check("utf16be.html", &["https://weinberg.example/weiß | Weiß"]);
}

#[test]
fn any_usual_separator_is_read() {
    check(
        "semicolon.csv",
        &["https://muehle.example/x?a=1,2 | Grütze | note \"rot; mit Sahne\"", "https://muehle.example/y"],
    );
    check("tabs.tsv", &["https://muehle.example/z | One, two | [\"a\", \"b\"]"]);
    check("sep_line.csv", &["https://muehle.example/sep | note \"one, two\""]);
    check_bytes(b"title|link\nBars|https://muehle.example/bars", &["https://muehle.example/bars | Bars"]);
}

#[test]
fn pockets_table_is_read() {
    check(
        "pocket.csv",
        &[
            "https://oven.example/rye | Rye, slowly | 2022-04-15T05:20:01Z | [\"baking\", \"slow food\"]",
            "https://oven.example/untitled | 2022-04-15T05:20:02Z",
            "https://oven.example/with,commas | Spelt | 2022-04-15T05:20:03Z",
        ],
    );
}

#[test]
fn pages_that_list_links_are_read() {
    check(
        "read_later.html",
        &[
            "https://oven.example/one | One | 2022-04-15T05:20:01Z | [\"bread\", \"crumb\"]",
            "https://oven.example/two | Two | 2022-04-15T05:20:02Z",
        ],
    );
}

#[test]
fn zip_files_are_read() {
    let urls: Vec<String> = links(&file("pocket.zip")).into_iter().map(|link| link.url).collect();
    let names = ["rye", "untitled", "with,commas", "second"].map(|name| format!("https://oven.example/{name}"));
    assert_eq!(urls, names, "in the order of their names, without notes and pages");
    let told: Vec<String> = rows(&file("folder.zip")).iter().map(told).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[0].starts_with("https://gone.invalid/p/77 | Growing chard under fleece"), "{told:?}");
    assert_eq!(told[1], "refused \"export/README.md\": This file in the zip file has no links that can be imported.");
    check_refused(&file("nothing.zip"), "This zip file has nothing that can be imported");
    let mut broken = file("pocket.zip");
    broken[60] ^= 0xff;
    check_refused(&broken, "This zip file cannot be unpacked.");
}

#[test]
fn raindrops_table_is_read() {
    check(
        "raindrop.csv",
        &[
            "https://tea.example/sencha | Sencha | note \"steep it at 70°,\\nthen wait\" | 2024-03-01T10:00:00Z \
             | [\"Kitchen / Drinks\", \"leaf\", \"hot\"]",
            "https://tea.example/pot | The \"best\" pot | 2024-03-02T10:00:00Z",
        ],
    );
}

#[test]
fn omnivores_json_is_read() {
    check(
        "omnivore.json",
        &["https://hedge.example/dry | Dry hedges | note \"how to lay one\" | 2024-10-18T20:44:54.069Z | [\"hedge\"]"],
    );
}

#[test]
fn json_of_services_and_browsers_is_read() {
    check(
        "karakeep.json",
        &[
            "https://crow.example/x | note \"n\" | 2025-01-10T15:18:42Z | [\"x\", \"y z\"]",
            "refused \"\": There is no link in “A thought”.",
        ],
    );
    check(
        "firefox.json",
        &[
            "https://seed.example/ | Seeds | 2025-01-10T15:18:42.000123Z | [\"Garden\", \"spring\", \"rows\"]",
            "https://seed.example/raised | Raised | [\"Garden / Beds\"]",
            "place:sort=8&maxResults=10 | Recent",
        ],
    );
    check(
        "pinboard.json",
        &[
            "https://pin.example/t | Awls | note \"long\\nwords\" | 2020-01-01T00:00:00Z | [\"leather\", \"tools\"] | private",
            "https://pin.example/u | Lasts | 2020-01-02T00:00:00Z",
        ],
    );
    check(
        "chrome.json",
        &[
            "https://tool.example/adze | Adzes | 2024-01-17T21:20:00Z | [\"Bookmarks bar / Workshop\"]",
            "https://tool.example/saw | Saws | 2024-01-17T21:20:00.000001Z | [\"Bookmarks bar\"]",
        ],
    );
    check(
        "linkding.json",
        &["https://ding.example/ | Bells | note \"own words\\n\\nabout bells\" | 2020-09-26T09:46:23.006313Z \
           | [\"metal\", \"sound\"] | private"],
    );
    check(
        "linkwarden.json",
        &["https://map.example/old | Old maps | note \"of the coast\" | 2024-02-03T04:05:06Z | [\"Maps\", \"sea\"]"],
    );
    check("lines.json", &["https://line.example/1 | One", "https://line.example/2 | Two"]);
    check_bytes(b"[\"https://a.example/\", \"https://b.example/\"]", &["https://a.example/", "https://b.example/"]);
    check_refused(b"[{\"url\": \"https://a.example/\"}, {\"url\"", "This is not valid JSON");
}

#[test]
fn markup_in_words_hides_no_links() {
    check(
        "script.html",
        &[
            "https://markup.example/one | One | note \"How the <script> element works\"",
            "https://markup.example/two | Two <textarea> and <title> | note \"never <!-- closed\"",
            "https://markup.example/three | Three <!-- neither",
            "https://markup.example/four | Four | note \"before  behind\"",
            "https://markup.example/five | Five",
            "https://markup.example/six | Six",
        ],
    );
}

#[test]
fn links_in_a_note_are_part_of_it() {
    check(
        "link_in_note.html",
        &[
            "https://note.example/one | One | note \"Look at this as well,\\nthen go on.\"",
            "https://note.example/two | Two",
        ],
    );
}

#[test]
fn a_quotation_mark_that_is_not_closed_costs_its_own_link_only() {
    check(
        "broken_href.html",
        &[
            "https://quote.example/one | One",
            "refused \"https://quote.example/bad ADD_DATE=\": The quotation mark after HREF= is never closed.",
            "https://quote.example/two | Two",
            "refused \"https://quote.example/worse\": The quotation mark after HREF= is never closed.",
            "https://quote.example/three | Three | 1970-01-01T00:00:01Z",
            "https://quote.example/four | Four",
            "https://quote.example/five | Five",
        ],
    );
}

#[test]
fn a_link_is_a_row_wherever_it_stands() {
    check(
        "twice.html",
        &[
            "https://twice.example/x | X",
            "https://twice.example/x | X | [\"Folder\"]",
            "https://Twice.example:443/x | X",
        ],
    );
}

#[test]
fn plain_lists_are_read() {
    let three = ["https://list.example/one", "https://list.example/two", "https://list.example/three"];
    check("list.txt", &three);
    check(
        "list.md",
        &[
            "https://list.example/one | One | note \"first\"",
            "https://list.example/two | Two",
            "https://list.example/three",
            "https://list.example/four | Four",
            "refused \"not yet\": There is no link on this line.",
        ],
    );
    check(
        "tabs.txt",
        &[
            "https://list.example/one | One, the first",
            "https://list.example/two | Two",
            "https://list.example/three | Three",
        ],
    );
}

#[test]
fn dates_are_read_or_told() {
    let dates: Vec<Option<String>> =
        links(&file("dates.html")).iter().map(|link| link.added_at.map(|date| date.to_string())).collect();
    let date = |text: &str| Some(text.to_owned());
    assert_eq!(
        dates,
        [
            None,
            None,
            date("2013-08-16T20:13:02.55Z"),
            date("2013-08-16T20:13:02.550123Z"),
            None,
            None,
            None,
            date("2024-01-17T21:20:00Z"),
            date("2013-08-16T20:13:02Z"),
        ]
    );
    let unclear: Vec<u32> = links(&file("dates.html"))
        .iter()
        .filter(|link| link.remarks.contains(&Remark::DateUnclear))
        .map(|link| link.row)
        .collect();
    assert_eq!(unclear, [5, 7]);
}

#[test]
fn what_is_no_link_of_the_web_is_handed_on_or_refused() {
    let rows = rows(&file("schemes.html"));
    let refused: Vec<usize> =
        rows.iter().enumerate().filter(|(_, row)| matches!(row, Row::Refused(_))).map(|(index, _)| index).collect();
    assert_eq!((rows.len(), refused), (13, vec![8, 9, 12]), "those without anything that could be one");
    assert_eq!(told(&rows[1]), "place:sort=8&maxResults=10 | 1");
    assert_eq!(told(&rows[11]), "https://scheme.example/good | 11");
}

#[test]
fn blanks_and_breaks_are_read_as_browsers_read_them() {
    check(
        "spaces.html",
        &[
            "https://space.example/My%20Report%202024.pdf | Report",
            "https://space.example/very/long/path/that/was/wrapped | Wrapped",
            "https://space.example/trimmed | Trimmed",
            "https://space.example/?q=two%20words | Query",
        ],
    );
}

#[test]
fn a_url_of_any_length_is_handed_on_as_too_long() {
    let file = format!("<DT><A HREF=\"https://long.example/?{}\">Long</A>", "x".repeat(70_000));
    let links = links(file.as_bytes());
    assert_eq!(links[0].title.as_deref(), Some("Long"));
    assert!((2_049..20_000).contains(&links[0].url.len()), "{}", links[0].url.len());
}

#[test]
fn a_note_that_is_too_long_is_cut_and_told() {
    let sentence = "a sentence that goes on. ";
    let note = sentence.repeat(500);
    for file in [
        format!("<DT><A HREF=\"https://long.example/\">X</A>\n<DD>{note}\n"),
        format!("url,note\nhttps://long.example/,{note}"),
        format!("[{{\"url\": \"https://long.example/\", \"note\": \"{note}\"}}]"),
    ] {
        let links = links(file.as_bytes());
        assert_eq!(links[0].remarks, [Remark::NoteCut]);
        let kept = links[0].note.as_deref().unwrap();
        assert!(note.starts_with(kept) && kept.len() > 9_990, "{}", kept.len());
    }
}

#[test]
fn links_without_a_title_are_read() {
    check(
        "no_title.html",
        &[
            "https://untitled.example/x | 1970-01-01T00:00:01Z",
            "https://untitled.example/y",
            "https://untitled.example/z",
        ],
    );
}

#[test]
fn references_are_resolved_once() {
    check("bom.html", &["https://mark.example/?a=1&b=2&copy=3&para=4&sect=5&c=6 | x & y | note \"5 < 6 … 🌱\""]);
}

#[test]
fn the_quirks_of_csv_are_read() {
    check(
        "quirks.csv",
        &[
            "https://quirk.example/one | A \"quoted\" name | note \"line one\\nline two\"",
            "refused \"\": There is no link in it.",
            "https://quirk.example/two",
            "https://quirk.example/three | x | note \"a; b\\t c\"",
        ],
    );
    check(
        "instapaper.csv",
        &[
            "https://quirk.example/i | One, two | note \"selected words\" | 2023-11-14T22:13:20Z | [\"a\"]",
            "https://quirk.example/j | J | 2023-11-14T22:13:21Z | [\"Long reads\"]",
        ],
    );
    check("readwise.csv", &["https://quirk.example/r | T | 2024-01-01T00:00:00Z | [\"a\", \"b c\"]"]);
    check(
        "escaped.csv",
        &[
            "https://quirk.example/e | note \"she said \\\"hi\\\", and left\"",
            "https://quirk.example/f | note \"plain\"",
        ],
    );
    check("blanks.csv", &["https://quirk.example/g | note \"one, two\""]);
}

#[test]
fn safaris_file_is_read() {
    check(
        "safari.html",
        &[
            "https://safari.example/one | One | [\"Favourites\"]",
            "https://safari.example/two | Two | [\"Reading List\"]",
        ],
    );
}

#[test]
fn notes_are_read_as_they_were_written() {
    let notes: Vec<Option<String>> = links(&file("roundtrip.csv")).into_iter().map(|link| link.note).collect();
    let note = |text: &str| Some(text.to_owned());
    assert_eq!(
        notes,
        [
            note("=1+1"),
            note("<b>not bold</b> & \"quoted\" </DD><DT><A HREF=\"https://evil.example/\">x</A>"),
            note("line one\nline two\n\nline four"),
            note("-- dashed"),
            note("'quoted by apostrophes'"),
            note("שלום 👩\u{200d}👩\u{200d}👦"),
            note("=guarded"),
        ]
    );
}

#[test]
fn a_table_with_one_column_has_no_separator() {
    let file: String = (0..200).map(|n| format!("https://flood.example/{n},a;b|c\n")).collect();
    let links = links(format!("url\n{file}").as_bytes());
    assert_eq!((links.len(), links[199].url.as_str()), (200, "https://flood.example/199,a;b|c"));
}

#[test]
fn what_is_no_link_is_handed_on_as_it_stands() {
    let urls: Vec<String> = links(&file("some_bad.csv")).into_iter().map(|link| link.url).collect();
    assert_eq!(
        urls,
        [
            "not a link",
            "https://bad.example/good",
            "http://",
            "https://user:secret@bad.example/",
            "https://bad.example:99999/"
        ]
    );
}

#[test]
fn rows_keep_the_order_of_the_file() {
    let file: String = (0..30)
        .map(|n| format!("<DT><A HREF=\"https://order.example/{n}\" ADD_DATE=\"{}\">{n}</A>\n", 1_600_000_000 + n))
        .collect();
    let links = links(file.as_bytes());
    assert!(links.iter().enumerate().all(|(n, link)| link.url == format!("https://order.example/{n}")));
    assert!(links.is_sorted_by_key(|link| link.added_at));
}

#[test]
fn files_of_no_known_kind_are_refused_in_words_that_help() {
    for nothing in [&b""[..], b"   ", b"url\n", b"<html>nothing</html>", b"[]", b"{}"] {
        check_refused(nothing, "There are no links in this file.");
    }
    for unknown in [&b"name,note\na,b"[..], b"Dear all,\nsee you", b"\0\x01PNG", b"nothing,of,this"] {
        check_refused(unknown, "CSV with a column named url");
    }
    check_refused(b"mozLz40\0xyz", "Export Bookmarks to HTML");
    check_refused(b"SQLite format 3\0", "This is a browser's database");
    check_refused(b"%PDF-1.7", "This is a PDF.");
    check_refused(b"<opml version=\"2.0\"><body/></opml>", "a list of feeds");
    check_refused(
        b"url,note\nhttps://a.example/1,\"open\nhttps://a.example/2,x\n",
        "The quote on line 2 is never closed",
    );
    check_refused(format!("url\n{}", "https://a.example/\n".repeat(200_001)).as_bytes(), "at most 200,000 links");
    let deep = format!("{}{}", "{\"children\":[".repeat(1_000), "]}".repeat(1_000));
    check_refused(deep.as_bytes(), "This is not valid JSON");
    assert!(read(b"url\nhttps://a.example/").is_ok());
}
