//! Files of the largest size that may be sent.

use std::io::{Cursor, Read, Result, Seek, SeekFrom};

use cardwire_imports::{Error, Row};

/// A file that is made while it is read: equal blocks of equal length, each with its number.
struct Made {
    block: fn(usize) -> String,
    blocks: usize,
    at: u64,
    made: (usize, String),
}

impl Made {
    fn new(block: fn(usize) -> String, blocks: usize) -> Self {
        Self { block, blocks, at: 0, made: (0, block(0)) }
    }

    fn len(&self) -> u64 {
        (self.blocks * self.made.1.len()) as u64
    }
}

impl Read for Made {
    fn read(&mut self, into: &mut [u8]) -> Result<usize> {
        let length = self.made.1.len();
        let at = usize::try_from(self.at).unwrap();
        let (number, offset) = (at / length, at % length);
        if number >= self.blocks {
            return Ok(0);
        }
        if self.made.0 != number {
            self.made = (number, (self.block)(number));
            assert_eq!(self.made.1.len(), length);
        }
        let taken = into.len().min(length - offset);
        into[..taken].copy_from_slice(&self.made.1.as_bytes()[offset..offset + taken]);
        self.at += taken as u64;
        Ok(taken)
    }
}

impl Seek for Made {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        self.at = match to {
            SeekFrom::Start(at) => at,
            SeekFrom::End(behind) => self.len().saturating_add_signed(behind),
            SeekFrom::Current(more) => self.at.saturating_add_signed(more),
        };
        Ok(self.at)
    }
}

/// The most memory that this process ever had, in bytes.
fn high_water_mark() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1_024
}

/// Reads it and returns its number of rows and by how much the mark rose.
fn read(mut file: Made) -> (usize, usize) {
    let before = high_water_mark();
    let mut rows = 0;
    let summary = cardwire_imports::read(&mut file, &mut |row| {
        assert!(matches!(row, Row::Link(_)), "{row:?}");
        rows += 1;
        Ok(())
    });
    assert_eq!(summary.unwrap().rows, rows);
    (rows, high_water_mark() - before)
}

/// What waits for a name that comes behind it.
fn without_a_name(number: usize) -> String {
    if number == 0 { "{\"children\":[".to_owned() } else { "{\"url\":\"aa\"},".to_owned() }
}

#[test]
fn links_that_wait_for_a_name_are_no_more_than_may_be_imported() {
    let mut file = Made::new(without_a_name, 3_000_000);
    let before = high_water_mark();
    match cardwire_imports::read(&mut file, &mut |_| Ok(())) {
        Err(Error::Refused(rule)) => assert!(rule.contains("at most"), "{rule}"),
        other => panic!("{other:?}"),
    }
    let more = high_water_mark() - before;
    assert!(more < 192 * 1_024 * 1_024, "{more} bytes more than before");
}

#[test]
fn a_list_of_collections_has_an_end_however_often_it_begins() {
    let names = format!(",\n\"collections\": [\"a\"{}]", ",\"a\"".repeat(999));
    let file = format!("[{{\"url\": \"https://a.example/\"{}}}]", names.repeat(3_000));
    let before = high_water_mark();
    let summary = cardwire_imports::read(&mut Cursor::new(file), &mut |_| Ok(())).unwrap();
    let more = high_water_mark() - before;
    assert_eq!(summary.rows, 1);
    assert!(more < 32 * 1_024 * 1_024, "{more} bytes more than before");
}

fn with_icon(number: usize) -> String {
    let icon = "iVBORw0KGgoAAAANSUhEUgAA".repeat(710);
    format!(
        "    <DT><A HREF=\"https://icon.example/{number:06}\" ICON=\"data:image/png;base64,{icon}\">{number:06}</A>\n"
    )
}

fn with_page(number: usize) -> String {
    let page = "<p>words of a page that a service kept</p>".repeat(400);
    format!("{{\"id\": \"{number:06}\", \"content\": \"{page}\", \"url\": \"https://page.example/{number:06}\"}}\n")
}

#[test]
fn what_is_no_part_of_a_link_is_not_kept() {
    for block in [with_icon, with_page] {
        let file = Made::new(block, 3_500);
        assert!(file.len() > 55_000_000, "{}", file.len());
        let (rows, more) = read(file);
        assert_eq!(rows, 3_500);
        assert!(more < 16 * 1_024 * 1_024, "{more} bytes more than before");
    }
}
