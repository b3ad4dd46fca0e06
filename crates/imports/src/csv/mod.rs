//! Tables in text: CSV with any usual separator. The first record names the columns.

mod columns;
mod records;

use encoding_rs::{Encoding, UTF_8};

use crate::encoding::Text;
use crate::error::{Error, Result};
use crate::row::{Found, Rows};
use crate::source::Source;
use crate::window::Window;

use columns::Columns;
use records::{Dialect, OpenQuote, Records};

const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// A character of no text.
const NONE: u8 = 0;
/// What is tried for quotation marks, the most usual first: whether they are escaped by backslashes, and whether blanks may stand before
/// them.
const QUOTING: [(bool, bool); 4] = [(false, false), (true, false), (false, true), (true, true)];

/// A table whose columns are known.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    separator: u8,
    columns: Columns,
    /// Records up to the one that names the columns.
    header: usize,
}

/// The table that begins with this text, if one of its columns is for the link.
pub(crate) fn find(head: &str) -> Result<Option<Table>> {
    let mut best: Option<Table> = None;
    let told = told_separator(head);
    for separator in SEPARATORS.into_iter().chain(told).filter(|separator| told.is_none_or(|told| told == *separator)) {
        let dialect = Dialect { separator, has_backslashes: false, has_blanks: false };
        let window = Window::new(Text::new(Box::new(head.as_bytes()), UTF_8));
        let Some((columns, header)) = header(&mut Records::new(window, dialect), told.is_some())? else { continue };
        // Where there is only one, nothing separates: a URL may hold any of them.
        let separator = if columns.count == 1 && told.is_none() { NONE } else { separator };
        if best.as_ref().is_none_or(|best| best.columns.named < columns.named) {
            best = Some(Table { separator, columns, header });
        }
    }
    Ok(best)
}

/// Of a first line `sep=;`, as spreadsheets write and read it.
fn told_separator(head: &str) -> Option<u8> {
    let line = head.trim_start().lines().next()?;
    let line = line.trim_matches('"');
    let named = line.get(..4).filter(|start| start.eq_ignore_ascii_case("sep="))?;
    match &line.as_bytes()[named.len()..] {
        [separator] if separator.is_ascii() => Some(*separator),
        _ => None,
    }
}

/// The columns, and how many records there are up to the one that names them.
fn header(records: &mut Records<'_>, is_told: bool) -> Result<Option<(Columns, usize)>> {
    let (mut count, mut passes) = (0, usize::from(is_told));
    while let Some(record) = records.next()? {
        count += 1;
        if record.is_empty() {
            continue;
        }
        if passes == 0 {
            return Ok(Columns::of(&record.cells).map(|columns| (columns, count)));
        }
        passes -= 1;
    }
    Ok(None)
}

pub(crate) fn read(
    source: &mut dyn Source,
    encoding: &'static Encoding,
    table: &Table,
    rows: &mut Rows<'_>,
) -> Result<()> {
    let dialect = dialect(source, encoding, table, rows)?;
    let mut records = open(source, encoding, dialect)?;
    let read = read_records(&mut records, table, rows);
    rows.steps += records.steps();
    read
}

fn read_records(records: &mut Records<'_>, table: &Table, rows: &mut Rows<'_>) -> Result<()> {
    let mut passed = 0;
    while let Some(record) = records.next()? {
        passed += 1;
        if passed > table.header && !record.is_empty() {
            rows.add(Found::Link(table.columns.draft(&record)))?;
        }
    }
    Ok(())
}

fn open<'s>(source: &'s mut dyn Source, encoding: &'static Encoding, dialect: Dialect) -> Result<Records<'s>> {
    Ok(Records::new(Window::new(Text::new(source.open()?, encoding)), dialect))
}

/// How well a dialect fits. The less, the better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Misfit {
    has_open_quote: bool,
    /// Records with other cells than the columns say, or with text behind a quotation mark that closes a cell.
    records: usize,
}

/// The one in which the fewest records are odd.
fn dialect(
    source: &mut dyn Source,
    encoding: &'static Encoding,
    table: &Table,
    rows: &mut Rows<'_>,
) -> Result<Dialect> {
    let mut best: Option<(Misfit, Option<OpenQuote>, Dialect)> = None;
    for (has_backslashes, has_blanks) in QUOTING {
        let dialect = Dialect { separator: table.separator, has_backslashes, has_blanks };
        let mut records = open(source, encoding, dialect)?;
        let (odd, open_quote) = survey(&mut records, table)?;
        rows.steps += records.steps();
        let misfit = Misfit { has_open_quote: open_quote.is_some(), records: odd };
        if best.is_none_or(|(least, ..)| misfit < least) {
            best = Some((misfit, open_quote, dialect));
        }
        if odd == 0 && open_quote.is_none() {
            break;
        }
    }
    match best.expect("there are dialects") {
        (_, Some(OpenQuote { line }), _) => {
            Err(Error::refused(format!("The quote on line {line} is never closed. Close it and try again.")))
        }
        (_, None, dialect) => Ok(dialect),
    }
}

/// How many records are odd, and the first quotation mark that is not closed.
fn survey(records: &mut Records<'_>, table: &Table) -> Result<(usize, Option<OpenQuote>)> {
    let (mut odd, mut open_quote, mut passed) = (0, None, 0);
    while let Some(record) = records.next()? {
        passed += 1;
        open_quote = open_quote.or(record.open_quote);
        let is_odd = record.is_odd || record.cells.len() != table.columns.count;
        if passed > table.header && !record.is_empty() && is_odd {
            odd += 1;
        }
    }
    Ok((odd, open_quote))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_separator_is_the_one_that_names_most_columns() {
        let check = |head: &str, expected: Option<(u8, usize)>| {
            let found = find(head).unwrap().map(|table| (table.separator, table.header));
            assert_eq!(found, expected, "{head}");
        };
        check("url,note\na,b", Some((b',', 1)));
        check("\n\nTitle;URL;Tags\n", Some((b';', 3)));
        check("name\tlink\n", Some((b'\t', 1)));
        check("a|href\n", Some((b'|', 1)));
        check("url\nhttps://a.example/?x=1,2;3", Some((NONE, 1)));
        check(" \turl\na", Some((NONE, 1)));
        check("sep=;\r\nurl;note", Some((b';', 2)));
        check("\"SEP=:\"\nurl:note", Some((b':', 2)));
        check("URL;Title, in short;Note", Some((b';', 1)));
        check("nothing,of,this\nurl,note", None);
        check("", None);
        check("sep=;\nnothing", None);
    }
}
