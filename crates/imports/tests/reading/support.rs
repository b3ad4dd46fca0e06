//! Reads files and tells in short what was found.

use std::fmt::Write as _;
use std::io::Cursor;
use std::path::Path;

use cardwire_imports::{Error, ImportedLink, Row, Summary};

/// One of `tests/files`.
pub fn file(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn read(bytes: &[u8]) -> Result<(Vec<Row>, Summary), Error> {
    let mut rows = Vec::new();
    let summary = cardwire_imports::read(&mut Cursor::new(bytes), &mut |row| {
        rows.push(row);
        Ok(())
    })?;
    Ok((rows, summary))
}

pub fn rows(bytes: &[u8]) -> Vec<Row> {
    let (rows, summary) = read(bytes).unwrap();
    assert_eq!(summary.rows, rows.len());
    let number = |row: &Row| match row {
        Row::Link(link) => link.row,
        Row::Refused(refused) => refused.row,
    };
    assert!(rows.iter().map(number).zip(1..).all(|(row, count)| row == count), "numbered from 1: {rows:?}");
    rows
}

/// All of a file of which no row is refused.
pub fn links(bytes: &[u8]) -> Vec<ImportedLink> {
    let link = |row| match row {
        Row::Link(link) => link,
        Row::Refused(refused) => panic!("{refused:?}"),
    };
    rows(bytes).into_iter().map(link).collect()
}

/// A row in short: `url | title | note | date | [collections] | private | remarks`, without what it does not have.
pub fn told(row: &Row) -> String {
    let link = match row {
        Row::Refused(refused) => return format!("refused {:?}: {}", refused.url, refused.why),
        Row::Link(link) => link,
    };
    let mut told = link.url.clone();
    if let Some(title) = &link.title {
        write!(told, " | {title}").unwrap();
    }
    if let Some(note) = &link.note {
        write!(told, " | note {note:?}").unwrap();
    }
    if let Some(added) = link.added_at {
        write!(told, " | {added}").unwrap();
    }
    if !link.collections.is_empty() {
        write!(told, " | {:?}", link.collections).unwrap();
    }
    if link.is_private {
        told.push_str(" | private");
    }
    for remark in &link.remarks {
        write!(told, " | {remark}").unwrap();
    }
    told
}

pub fn check_bytes(bytes: &[u8], expected: &[&str]) {
    let told: Vec<String> = rows(bytes).iter().map(told).collect();
    assert_eq!(told, expected, "{}", String::from_utf8_lossy(bytes));
}

/// The rows of a file, in short.
pub fn check(name: &str, expected: &[&str]) {
    let told: Vec<String> = rows(&file(name)).iter().map(told).collect();
    assert_eq!(told, expected, "{name}");
}

/// That a file is refused as a whole, with these words.
pub fn check_refused(bytes: &[u8], words: &str) {
    match read(bytes) {
        Err(Error::Refused(rule)) => assert!(rule.contains(words), "{rule}"),
        other => panic!("{other:?}"),
    }
}
