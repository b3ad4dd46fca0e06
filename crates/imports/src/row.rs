//! What a file is read into: links, and rows that are refused.

use std::collections::BTreeMap;
use std::fmt;

use cardwire_domain::Visibility;
use cardwire_domain::imports::{MAX_CELL_CHARS, MAX_ROWS};
use cardwire_domain::note::NoteText;
use cardwire_domain::text::is_visible;
use jiff::Timestamp;

use crate::dates::Unclear;
use crate::error::{Error, Result};
use crate::names::{Named, named};

/// The longest title that is taken.
pub const MAX_TITLE_CHARS: usize = 500;
/// The most folders and tags of one link that are taken.
pub const MAX_COLLECTIONS: usize = 100;

/// What a name takes besides its letters.
const BYTES_OF_A_NAME: usize = 64;

/// A row of a file, in the file's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    Link(ImportedLink),
    Refused(RefusedRow),
}

/// A link as a file has it. Whether its URL can be saved is up to the domain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedLink {
    /// From 1.
    pub row: u32,
    pub url: String,
    /// `None` also for one that only repeats the URL.
    pub title: Option<String>,
    pub note: Option<String>,
    /// It may lie in the future.
    pub added_at: Option<Timestamp>,
    /// Its folder, by the names of all that it is in, and its tags. Each once.
    pub collections: Vec<String>,
    /// Of those of which the file says it, who can see them.
    pub visibilities: BTreeMap<String, Visibility>,
    /// The file says that only its owner may see it. If it does not say so, nothing is known.
    pub is_private: bool,
    /// What of it was not taken.
    pub remarks: Vec<Remark>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRow {
    /// From 1.
    pub row: u32,
    /// What the file has in a URL's place; it may be empty.
    pub url: String,
    /// In words for the person who sent the file.
    pub why: String,
}

/// What of a link was not taken, in words for the person who sent the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remark {
    NoteCut,
    TitleCut,
    DateUnclear,
    CollectionNameCut,
    TooManyCollections,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoteCut => "The note was cut to its first 10,000 characters.",
            Self::TitleCut => "The title was cut to its first 500 characters.",
            Self::DateUnclear => "The date was not understood.",
            Self::CollectionNameCut => "The name of a folder or tag was shortened to 100 characters.",
            Self::TooManyCollections => "Only the first 100 folders and tags were kept.",
        })
    }
}

/// Numbers the rows and hands them on.
pub(crate) struct Rows<'a> {
    count: usize,
    take: &'a mut dyn FnMut(Row) -> Result<()>,
    /// Work done by those who found them.
    pub steps: u64,
}

impl<'a> Rows<'a> {
    pub fn new(take: &'a mut dyn FnMut(Row) -> Result<()>) -> Self {
        Self { count: 0, take, steps: 0 }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Refused if so many more are too many.
    pub fn room_for(&self, more: usize) -> Result<()> {
        if self.count + more > MAX_ROWS {
            return Err(Error::refused("A file can hold at most 200,000 links. Split it and import the parts."));
        }
        Ok(())
    }

    pub fn add(&mut self, found: Found) -> Result<()> {
        self.room_for(1)?;
        self.count += 1;
        let row = u32::try_from(self.count).expect("MAX_ROWS fits into 32 bits");
        (self.take)(match found {
            Found::Link(draft) => draft.numbered(row),
            Found::Refused { url, why } => {
                Row::Refused(RefusedRow { row, url: cut(url.trim(), MAX_CELL_CHARS).0, why })
            }
        })
    }
}

/// Before it has a number.
#[derive(Clone, Debug)]
pub(crate) enum Found {
    Link(Draft),
    Refused { url: String, why: String },
}

impl Found {
    /// About how many bytes its texts take.
    pub fn bytes(&self) -> usize {
        match self {
            Self::Refused { url, why } => url.len() + why.len(),
            Self::Link(draft) => {
                let tags: usize = draft.tags.iter().map(|tag| BYTES_OF_A_NAME + tag.len()).sum();
                let told: usize = draft.visibilities.iter().map(|(name, _)| BYTES_OF_A_NAME + name.len()).sum();
                draft.url.len() + draft.title.len() + draft.note.len() + tags + told
            }
        }
    }
}

/// A link whose parts are as they stand in the file, references and quotes resolved.
#[derive(Clone, Debug, Default)]
pub(crate) struct Draft {
    pub url: String,
    pub title: String,
    pub note: String,
    pub added_at: Option<Timestamp>,
    pub is_date_unclear: bool,
    pub folder: Option<Named>,
    /// Names of collections.
    pub tags: Vec<String>,
    /// Who can see some of them.
    pub visibilities: Vec<(String, Visibility)>,
    pub is_private: bool,
}

impl Draft {
    pub fn dated(&mut self, date: Result<Option<Timestamp>, Unclear>) {
        match date {
            Ok(date) => self.added_at = date,
            Err(Unclear) => self.is_date_unclear = true,
        }
    }

    fn numbered(self, row: u32) -> Row {
        let url = as_browsers_read(&cut(&self.url, MAX_CELL_CHARS).0);
        if url.is_empty() {
            return Row::Refused(RefusedRow { row, url, why: "There is no link in it.".into() });
        }
        let mut remarks = Vec::new();
        let mut remark = |is_so: bool, remark: Remark| {
            if is_so && !remarks.contains(&remark) {
                remarks.push(remark);
            }
        };
        let words = self.title.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
        let title = words.collect::<Vec<_>>().join(" ");
        let says_more = title != url;
        let (title, is_cut) = cut(&title, MAX_TITLE_CHARS);
        let title = (is_visible(&title) && says_more).then_some(title);
        remark(is_cut && title.is_some(), Remark::TitleCut);
        let (note, is_cut) = cut(self.note.replace('\0', " ").trim(), NoteText::MAX_CHARS);
        remark(is_cut, Remark::NoteCut);
        remark(self.is_date_unclear, Remark::DateUnclear);
        let mut collections = Vec::new();
        let private_folder = self.folder.as_ref().filter(|folder| folder.is_private).map(|folder| folder.name.clone());
        for name in self.folder.into_iter().chain(self.tags.iter().filter_map(|tag| named(tag))) {
            if collections.contains(&name.name) {
                continue;
            }
            if collections.len() == MAX_COLLECTIONS {
                remark(true, Remark::TooManyCollections);
                break;
            }
            remark(name.is_cut, Remark::CollectionNameCut);
            collections.push(name.name);
        }
        let mut visibilities = BTreeMap::new();
        let told = self.visibilities.iter().filter_map(|(name, visibility)| Some((named(name)?.name, *visibility)));
        for (name, visibility) in told.chain(private_folder.map(|name| (name, Visibility::Private))) {
            if collections.contains(&name) {
                let known = visibilities.entry(name).or_insert(visibility);
                *known = Visibility::of(known.is_private() || visibility.is_private());
            }
        }
        Row::Link(ImportedLink {
            row,
            url,
            title,
            note: is_visible(&note).then_some(note),
            added_at: self.added_at,
            collections,
            visibilities,
            is_private: self.is_private,
            remarks,
        })
    }
}

/// Its first so many characters, and whether there are more.
fn cut(text: &str, chars: usize) -> (String, bool) {
    match text.char_indices().nth(chars) {
        Some((end, _)) => (text[..end].trim_end().to_owned(), true),
        None => (text.to_owned(), false),
    }
}

/// In an address of the web, breaks and tabs vanish and blanks are encoded, wherever somebody's program wrapped or forgot them.
fn as_browsers_read(url: &str) -> String {
    let url = url.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let begins = |scheme: &str| url.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if !begins("http://") && !begins("https://") {
        return url.to_owned();
    }
    let joined: Vec<&str> = url.split(['\r', '\n', '\t']).collect();
    // What a line was indented by is no part of it.
    let joined: String =
        joined.iter().map(|line| if joined.len() > 1 { line.trim_matches(' ') } else { *line }).collect();
    joined.replace(' ', "%20")
}

/// What is marked with anything but a no is marked: a link that should have been public is easier to mend than one that should not.
pub(crate) fn is_yes(value: &str) -> bool {
    !["", "0", "n", "no", "f", "false", "null", "none"].iter().any(|no| value.trim().eq_ignore_ascii_case(no))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(draft: Draft) -> ImportedLink {
        match draft.numbered(1) {
            Row::Link(link) => link,
            Row::Refused(refused) => panic!("{refused:?}"),
        }
    }

    #[test]
    fn what_is_too_long_is_cut_and_told() {
        let draft = Draft {
            url: " https://example.com/ ".into(),
            title: "x ".repeat(501),
            note: "é".repeat(10_001),
            is_date_unclear: true,
            tags: (0..200).map(|n| format!("{n}{}", "x".repeat(200))).collect(),
            ..Draft::default()
        };
        let link = link(draft);
        assert_eq!(link.url, "https://example.com/");
        assert_eq!(link.title.map(|title| title.chars().count()), Some(499), "a blank at the end is none");
        assert_eq!(link.note.map(|note| note.chars().count()), Some(10_000));
        assert_eq!(link.collections.len(), 100);
        assert!(link.collections.iter().all(|name| name.chars().count() == 100));
        let all = [
            Remark::TitleCut,
            Remark::NoteCut,
            Remark::DateUnclear,
            Remark::CollectionNameCut,
            Remark::TooManyCollections,
        ];
        assert_eq!(link.remarks, all);
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let draft = Draft {
            url: "https://example.com/a".into(),
            title: "\u{200b} ".into(),
            note: " \0 ".into(),
            tags: vec!["a".into(), " a ".into(), String::new()],
            ..Draft::default()
        };
        let link = link(draft);
        assert_eq!((link.title, link.note, link.collections, link.remarks), (None, None, vec!["a".into()], vec![]));
        let url = "https://example.com/a";
        let draft = Draft { url: url.into(), title: url.into(), ..Draft::default() };
        assert_eq!(super::tests::link(draft).title, None, "it is what is shown without a title");
        let url = format!("https://example.com/{}", "x".repeat(1_000));
        let link = super::tests::link(Draft { url: url.clone(), title: url, ..Draft::default() });
        assert_eq!((link.title, link.remarks), (None, vec![]), "however long it is");
        assert!(matches!(Draft::default().numbered(3), Row::Refused(RefusedRow { row: 3, .. })));
    }

    #[test]
    fn addresses_are_read_as_browsers_read_them() {
        let check = |given: &str, expected: &str| assert_eq!(as_browsers_read(given), expected);
        check("https://example.com/My Report 2024.pdf", "https://example.com/My%20Report%202024.pdf");
        check("\n   https://example.com/trimmed   ", "https://example.com/trimmed");
        check("https://example.com/long/\r\n   path/\tthat", "https://example.com/long/path/that");
        check("HTTP://example.com/?q=two words", "HTTP://example.com/?q=two%20words");
        check("not a link", "not a link");
        check("javascript:a b", "javascript:a b");
        check("héé", "héé");
    }
}
