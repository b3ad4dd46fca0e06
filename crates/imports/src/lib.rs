//! Reads the files that people bring their links along in: what browsers and bookmark services export.
//!
//! [`read`] takes bookmark files (HTML), CSV, JSON, XML, plain lists, and zip files of these, in any usual encoding, and hands on one
//! [`Row`] after the other, in the file's order: a link, or a row that is refused and why. It performs no I/O but on the file it is given
//! and decides nothing about links: whether one can be saved is up to the domain.
//!
//! Guarantees, and the tests that show them:
//! - No file makes it panic (`arbitrary::no_bytes_make_a_reader_panic`, `arbitrary::no_mistake_in_a_file_makes_a_reader_panic`).
//! - The work is linear in the size of the file (`arbitrary::work_grows_with_the_file_and_no_faster`).
//! - Memory is bounded, whatever the file's size: icons, pages and other values that are no part of a link are not kept
//!   (`large::what_is_no_part_of_a_link_is_not_kept`). Links of JSON wait where the name of a folder, or who can see it, may stand behind them:
//!   no more than may be imported, with 64 MiB of text (`large::links_that_wait_for_a_name_are_no_more_than_may_be_imported`). JSON with a
//!   text of more than 16 MiB is refused (`bounds::a_text_of_json_is_never_kept_beyond_a_bound`).
//! - What the file says is private is never handed on as public: JSON that says so of all its links behind them is refused
//!   (`services::links_in_a_private_collection_are_private`).
//! - What is not taken is told: a row is refused with its reason, a link that lost something has [`Remark`]s, and a file that is of no
//!   known kind is refused in words that help (`kinds`).
//!
//! Not guaranteed: that a file which breaks off in its middle is read up to there. Bookmark files and lists are; CSV with a quotation mark
//! that is never closed and JSON are refused.

mod csv;
mod dates;
mod detect;
mod encoding;
mod entities;
mod error;
mod folders;
mod formats;
mod html;
mod json;
mod kept;
mod list;
mod names;
mod row;
mod source;
mod window;
mod xml;
mod zip;

use std::io::{Read, Seek};

pub use error::{Error, Result};
pub use row::{ImportedLink, MAX_COLLECTIONS, MAX_TITLE_CHARS, RefusedRow, Remark, Row};

use detect::{NO_LINKS, detect};
use row::Rows;
use source::Whole;

/// What was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Summary {
    pub rows: usize,
    /// Work that it took, about one for each byte and each look at it. For tests: it must not grow faster than the file.
    pub steps: u64,
}

/// Hands every row of the file to `take`, in the file's order. After an error, those that were handed on are worth nothing.
///
/// It blocks as long as reading the file takes, a few seconds for the largest.
pub fn read(file: &mut (impl Read + Seek), take: &mut dyn FnMut(Row) -> Result<()>) -> Result<Summary> {
    let mut rows = Rows::new(take);
    if zip::is_zip(file)? {
        zip::read(file, &mut rows)?;
    } else {
        let mut source = Whole(file);
        let (kind, encoding) = detect(&mut source)?;
        formats::read(&mut source, (&kind, encoding), &mut rows)?;
    }
    match rows.count() {
        0 => Err(Error::refused(NO_LINKS)),
        count => Ok(Summary { rows: count, steps: rows.steps }),
    }
}
