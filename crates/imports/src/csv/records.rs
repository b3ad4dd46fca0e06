//! The records of a table in text, one after the other.

use crate::error::Result;
use crate::kept::Kept;
use crate::window::Window;

/// Of a cell, so much is kept: longer than any note.
const MAX_CELL_BYTES: usize = 64 * 1_024;
/// Cells of a record that are kept.
const MAX_CELLS: usize = 256;

/// How a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dialect {
    pub separator: u8,
    /// A quotation mark inside a quoted cell: `\"` instead of `""`.
    pub has_backslashes: bool,
    /// A quoted cell may begin behind blanks.
    pub has_blanks: bool,
}

/// A quotation mark that opens a cell and is never closed, or only on a later line by one that more text follows, as the next cell's own
/// would be: every link in between would be taken for a part of the cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OpenQuote {
    /// From 1.
    pub line: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Record {
    /// Without blanks around them.
    pub cells: Vec<String>,
    /// More text follows a quotation mark that closes a cell.
    pub is_odd: bool,
    pub open_quote: Option<OpenQuote>,
}

impl Record {
    pub fn is_empty(&self) -> bool {
        self.cells.iter().all(String::is_empty)
    }
}

pub(crate) struct Records<'a> {
    window: Window<'a>,
    dialect: Dialect,
    /// Where the window is.
    line: u64,
}

/// What ended a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Cell,
    Record,
    File,
}

impl<'a> Records<'a> {
    pub fn new(window: Window<'a>, dialect: Dialect) -> Self {
        Self { window, dialect, line: 1 }
    }

    pub fn steps(&self) -> u64 {
        self.window.steps
    }

    /// Those without anything in them as well; `None` at the end of the file.
    pub fn next(&mut self) -> Result<Option<Record>> {
        if self.window.peek()?.is_none() {
            return Ok(None);
        }
        let mut record = Record::default();
        loop {
            let (cell, end) = self.cell(&mut record)?;
            if record.cells.len() < MAX_CELLS {
                record.cells.push(cell.as_str().trim().to_owned());
            }
            if end != End::Cell {
                return Ok(Some(record));
            }
        }
    }

    fn cell(&mut self, record: &mut Record) -> Result<(Kept, End)> {
        let mut cell = Kept::new(MAX_CELL_BYTES);
        if self.dialect.has_blanks {
            let separator = self.dialect.separator;
            self.window.until(|byte| byte == separator || !matches!(byte, b' ' | b'\t'), None)?;
        }
        if self.window.peek()? == Some(b'"') {
            self.quoted(&mut cell, record)?;
        }
        let end = self.plain(&mut cell)?;
        Ok((cell, end))
    }

    /// Up to the separator, or the end of the line.
    fn plain(&mut self, cell: &mut Kept) -> Result<End> {
        let separator = self.dialect.separator;
        let ends = |byte: u8| byte == separator || matches!(byte, b'\r' | b'\n');
        match self.window.until(ends, Some(cell))? {
            None => Ok(End::File),
            Some(byte) if byte == separator => {
                self.window.skip(1);
                Ok(End::Cell)
            }
            end => {
                self.window.pass_break(end)?;
                self.line += 1;
                Ok(End::Record)
            }
        }
    }

    /// From the quotation mark that opens a cell to where more text, or its end, follows the one that closes it.
    fn quoted(&mut self, cell: &mut Kept, record: &mut Record) -> Result<()> {
        let begun = self.line;
        let escape = if self.dialect.has_backslashes { b'\\' } else { b'"' };
        self.window.skip(1);
        loop {
            let stop = self
                .window
                .until(|byte| byte == b'"' || byte == escape || matches!(byte, b'\r' | b'\n'), Some(&mut *cell))?;
            match stop {
                None => {
                    record.open_quote.get_or_insert(OpenQuote { line: begun });
                    return Ok(());
                }
                Some(b'\r' | b'\n') => {
                    let from = self.window.mark();
                    self.window.pass_break(stop)?;
                    cell.push(self.window.since(from).unwrap_or("\n"));
                    self.line += 1;
                }
                Some(byte) => {
                    let next = self.window.ahead(2)?.as_bytes().get(1).copied();
                    let is_escaped = byte == escape && (next == Some(b'"') || next == Some(escape));
                    if is_escaped {
                        cell.push(if next == Some(b'"') { "\"" } else { "\\" });
                        self.window.skip(2);
                    } else if byte == b'"' {
                        self.window.skip(1);
                        return self.behind_quote(begun, cell, record);
                    } else {
                        cell.push("\\");
                        self.window.skip(1);
                    }
                }
            }
        }
    }

    fn behind_quote(&mut self, begun: u64, cell: &mut Kept, record: &mut Record) -> Result<()> {
        let separator = self.dialect.separator;
        let next = self.window.until(|byte| byte == separator || !matches!(byte, b' ' | b'\t'), Some(cell))?;
        if next.is_some_and(|byte| byte != separator && !matches!(byte, b'\r' | b'\n')) {
            record.is_odd = true;
            if self.line > begun {
                record.open_quote.get_or_insert(OpenQuote { line: begun });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::tests::window;

    const COMMAS: Dialect = Dialect { separator: b',', has_backslashes: false, has_blanks: false };

    fn records(text: &str, dialect: Dialect) -> Vec<Record> {
        let mut records = Records::new(window(text), dialect);
        std::iter::from_fn(|| records.next().unwrap()).collect()
    }

    fn check_in(dialect: Dialect, text: &str, expected: &[&[&str]]) {
        let cells: Vec<Vec<String>> = records(text, dialect).into_iter().map(|record| record.cells).collect();
        assert_eq!(cells, expected, "{text}");
    }

    #[test]
    fn cells_are_read_as_spreadsheets_write_them() {
        let check = |text: &str, expected: &[&[&str]]| check_in(COMMAS, text, expected);
        check("a,b\r\nc,d\n\ne\rf,", &[&["a", "b"], &["c", "d"], &[""], &["e"], &["f", ""]]);
        check("\"a, \"\"b\"\"\",\"two\r\nlines\" \t,c", &[&["a, \"b\"", "two\r\nlines", "c"]]);
        check(" a , b", &[&["a", "b"]]);
        check("6\" wide,it\"s", &[&["6\" wide", "it\"s"]]);
        check("a, \"x\nb", &[&["a", "\"x"], &["b"]]);
        check("\"so\" called,\"\"", &[&["so called", ""]]);
        check("\"\"\"all\"\"\",\"\"\"\"", &[&["\"all\"", "\""]]);
        check("", &[]);
    }

    #[test]
    fn other_dialects_are_read() {
        let backslashes = Dialect { has_backslashes: true, ..COMMAS };
        check_in(backslashes, r#""she said \"hi\"",a\b,"c\\d\e""#, &[&["she said \"hi\"", "a\\b", "c\\d\\e"]]);
        let blanks = Dialect { has_blanks: true, ..COMMAS };
        check_in(blanks, "a, \"b, c\" , d", &[&["a", "b, c", "d"]]);
        let tabs = Dialect { separator: b'\t', has_blanks: true, ..COMMAS };
        check_in(tabs, "a\t\t\"b\tc\"\td", &[&["a", "", "b\tc", "d"]]);
    }

    #[test]
    fn a_quotation_mark_that_is_not_closed_is_told_by_its_line() {
        let check = |text: &str, line: Option<u64>| {
            let open = records(text, COMMAS).iter().find_map(|record| record.open_quote);
            assert_eq!(open.map(|open| open.line), line, "{text}");
        };
        check("url,note\na,\"never closed\nb,x\n", Some(2));
        check("url,note\r\na,\"two\r\nlines\"\r\nb,\"open", Some(4));
        check("\"url", Some(1));
        check("a,\"x\"\"", Some(1));
        check("url,note\na,\"kept\"\nb,\"open\nc,\"swallowed\"\nd,x\n", Some(3));
        check("a,\"so\" called\nb,\"two\nlines\"", None);
    }

    #[test]
    fn a_record_of_any_length_is_read_without_being_kept() {
        let long = records(&",".repeat(100_000), COMMAS);
        assert_eq!((long.len(), long[0].cells.len()), (1, MAX_CELLS));
        let wide = records(&format!("\"{}\"", "x".repeat(1_000_000)), COMMAS);
        assert_eq!(wide[0].cells[0].len(), MAX_CELL_BYTES);
    }
}
