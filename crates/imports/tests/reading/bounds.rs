//! Files that would take very long, or very much memory, if they were read carelessly.

use std::io::{Cursor, Write as _};
use std::time::{Duration, Instant};

use cardwire_imports::Remark;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use crate::support::{check_bytes, check_refused, links, read, told};

/// Folders in each other, with names of which nothing can be seen, and links in the innermost.
fn folders(depth: usize, name_bytes: usize, folder: impl Fn(&str) -> String) -> String {
    let name = "\u{200b}".repeat(name_bytes / 3);
    folder(&name).repeat(depth)
}

#[test]
fn names_of_folders_are_looked_at_once_and_not_for_each_link() {
    let bookmarks = "<DT><A HREF=https://a.example/>A</A>\n".repeat(20_000);
    let html = folders(100, 15_000, |name| format!("<DT><H3>{name}</H3>\n<DL><p>\n")) + &bookmarks;
    let bookmarks = "<bookmark href=\"https://a.example/\"/>\n".repeat(20_000);
    let xml = folders(100, 120_000, |name| format!("<folder><title>{name}</title>\n")) + &bookmarks;
    let links = vec!["{\"url\": \"https://a.example/\"}"; 20_000].join(",\n");
    let json =
        folders(50, 60_000, |name| format!("{{\"title\": \"{name}\", \"children\": [")) + &links + &"]}".repeat(50);
    for (what, file) in [("HTML", html), ("XML", format!("<xbel>{xml}")), ("JSON", json)] {
        let begun = Instant::now();
        assert_eq!(read(file.as_bytes()).unwrap().1.rows, 20_000, "{what}");
        // Looked at for each link, they take hours.
        assert!(begun.elapsed() < Duration::from_secs(120), "{what} takes {:?}", begun.elapsed());
    }
}

#[test]
fn a_text_that_is_said_to_end_again_and_again_is_looked_at_once() {
    let (text, ends) = ("x".repeat(120_000), "</title>".repeat(100_000));
    for file in [
        format!("<xbel><folder><title>{text}{ends}<bookmark href=\"https://a.example/\"/>"),
        format!("<xbel><bookmark href=\"https://a.example/\"><title>{text}{ends}</bookmark>"),
    ] {
        let begun = Instant::now();
        assert_eq!(read(file.as_bytes()).unwrap().1.rows, 1);
        assert!(begun.elapsed() < Duration::from_secs(60), "it takes {:?}", begun.elapsed());
    }
}

#[test]
fn a_text_of_json_is_never_kept_beyond_a_bound() {
    let long = "x".repeat(17 * 1_024 * 1_024);
    check_refused(
        format!("[{{\"url\": \"https://a.example/\", \"note\": \"{long}\"}}]").as_bytes(),
        "One text in this file is longer than 16 MiB. Remove it and try again.",
    );
}

#[test]
fn half_an_emoji_costs_no_file() {
    check_bytes(
        br#"[{"url": "https://a.example/", "note": "so far\ud83c"}, {"url": "https://b.example/", "title": "\ud83c\udf31"}]"#,
        &["https://a.example/ | note \"so far\u{fffd}\"", "https://b.example/ | 🌱"],
    );
}

/// A zip file in which these members share no more than how they are packed.
fn zip_of_copies(bytes: usize, names: &[String]) -> Vec<u8> {
    let mut one = ZipWriter::new(Cursor::new(Vec::new()));
    one.start_file("one", SimpleFileOptions::default()).unwrap();
    one.write_all(&vec![b'-'; bytes]).unwrap();
    let mut one = ZipArchive::new(one.finish().unwrap()).unwrap();
    let mut all = ZipWriter::new(Cursor::new(Vec::new()));
    for name in names {
        all.raw_copy_file_rename(one.by_index(0).unwrap(), name).unwrap();
    }
    all.finish().unwrap().into_inner()
}

#[test]
fn folders_of_a_zip_file_have_one_bound_together() {
    let deep = |depth: usize| format!("{}x", "f/".repeat(depth));
    let names: Vec<String> = (0..11).map(deep).collect();
    check_refused(&zip_of_copies(10 * 1_024 * 1_024, &names), "Unpacked, a zip file can be at most 100 MiB.");
    check_refused(&zip_of_copies(1_024, &names), "This zip file has nothing that can be imported");
}

#[test]
fn all_links_of_a_long_line_are_read() {
    for between in [" ", " , ", "\t"] {
        let urls: Vec<String> = (0..5_000).map(|number| format!("https://a.example/{number}")).collect();
        let (rows, _) = read(urls.join(between).as_bytes()).unwrap();
        assert_eq!(rows.len(), 5_000, "{between:?}");
        let read: Vec<String> = rows.iter().map(told).collect();
        assert!(read == urls, "{between:?}");
    }
}

#[test]
fn a_card_in_many_collections_keeps_a_hundred_of_them_and_is_told_so() {
    let name = |number: usize| format!("{number:03}\"{}", "&é".repeat(48));
    let names: Vec<String> = (0..500).map(name).collect();
    let listed = |separator: &str| names.join(separator).replace('&', "&amp;").replace('"', "&quot;");
    let json =
        format!("[\"{}\"]", names.iter().map(|name| name.replace('"', "\\\"")).collect::<Vec<_>>().join("\",\""));
    let json = json.replace('&', "&amp;").replace('"', "&quot;");
    for attribute in [format!("TAGS=\"{}\"", listed(",")), format!("COLLECTIONS=\"{json}\"")] {
        let file = format!("<DT><A HREF=\"https://a.example/\" {attribute}>A</A>");
        let link = links(file.as_bytes()).remove(0);
        assert!(link.collections == names[..100], "{:?}", link.collections.last());
        assert_eq!(link.remarks, [Remark::TooManyCollections]);
    }
}

#[test]
fn a_long_note_in_an_attribute_is_kept() {
    let note = "“é”".repeat(3_333);
    let file = format!("<posts><post href=\"https://a.example/\" extended=\"{}\"/>", note.replace('é', "&eacute;"));
    let link = links(file.as_bytes()).remove(0);
    assert_eq!((link.note.as_deref(), link.remarks), (Some(note.as_str()), vec![]));
}
