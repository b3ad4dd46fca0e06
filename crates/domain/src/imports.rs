//! Links that somebody brings along from elsewhere: kept as rows, saved a few at a time, and told row by row what became of them.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use ulid::Ulid;

use crate::error::Result;
use crate::ids::{CardId, CollectionId, ImportId, UserId};
use crate::page::{Page, PageRequest};
use crate::url::CardUrl;
use crate::visibility::Visibility;

/// The most rows of one import.
pub const MAX_ROWS: usize = 200_000;
/// The most folders and tags of one import that become collections.
pub const MAX_NAMES: usize = 5_000;
/// Of a row's URL or note, so much is kept: what is longer breaks a rule all the same.
pub const MAX_CELL_CHARS: usize = 10_001;
/// An import that gets no rows for so long, and has not got all, never will: the process that read its file is gone.
pub const SILENT_AT_MOST: Duration = Duration::from_secs(60);

/// A link as a file has it, not yet looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRow {
    pub url: String,
    pub title: Option<String>,
    pub note: Option<String>,
    /// When it was added where it comes from. `None`: nothing is known, or nothing that can be a date.
    pub added_at: Option<Timestamp>,
    /// Names of collections, each once.
    pub collections: Vec<String>,
    /// Of those of which the file says it, who can see them. Of one that is there already, its owner has said so.
    pub visibilities: BTreeMap<String, Visibility>,
    /// Of a card that is new to the library. One that is there already keeps its own.
    pub visibility: Visibility,
    /// What of it was not taken, in words for its owner.
    pub remark: Option<String>,
    /// An earlier row of the file has the same link.
    pub same_as: Option<u32>,
}

impl ImportRow {
    /// Public. Cut, and without NUL, which no store keeps: in a URL a character takes its place that is refused as well.
    pub fn new(url: &str, note: Option<&str>) -> Self {
        let cell = |text: &str, nul: char| -> String {
            text.trim().chars().take(MAX_CELL_CHARS).map(|c| if c == '\0' { nul } else { c }).collect()
        };
        Self {
            url: cell(url, '\u{1}'),
            note: note.map(|note| cell(note, ' ')).filter(|note| !note.is_empty()),
            ..Self::default()
        }
    }

    /// For its owner only.
    pub fn private(self) -> Self {
        Self { visibility: Visibility::Private, ..self }
    }

    fn remarked(&mut self, more: &str) {
        self.remark = Some(match self.remark.take() {
            Some(remark) => format!("{remark} {more}"),
            None => more.to_owned(),
        });
    }
}

/// A row of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileRow {
    Link(ImportRow),
    /// It cannot be read as a link.
    Refused {
        url: String,
        why: String,
    },
}

/// What has to be known of a whole file before its first row can be kept. It takes the same little memory for each row, however long that
/// is.
#[derive(Debug, Default)]
pub struct Survey {
    hashers: [RandomState; 2],
    links: HashMap<u128, SameLink>,
    names: HashSet<u128>,
    /// Those of which some row says that they are private.
    private_names: HashSet<u128>,
    rows: u32,
}

/// Of all rows with one link.
#[derive(Clone, Copy, Debug)]
struct SameLink {
    first: u32,
    is_private: bool,
}

impl Survey {
    /// The next row of the file.
    pub fn see(&mut self, row: &FileRow) {
        self.rows += 1;
        let FileRow::Link(row) = row else { return };
        for name in &row.collections {
            let is_private = row.visibilities.get(name).is_some_and(|visibility| visibility.is_private());
            let name = self.hash(name);
            if self.names.len() < MAX_NAMES {
                self.names.insert(name);
            }
            if is_private && self.names.contains(&name) {
                self.private_names.insert(name);
            }
        }
        if let Some(link) = self.link(row) {
            let same = self.links.entry(link).or_insert(SameLink { first: self.rows, is_private: false });
            same.is_private |= row.visibility.is_private();
        }
    }

    pub fn rows(&self) -> u32 {
        self.rows
    }

    /// The row with this number as it is kept. Files list a link once for each of its folders: if one of them is private, all are. So it is
    /// with a collection, which is named by each of its links.
    pub fn settle(&self, number: u32, row: &mut ImportRow) {
        if let Some(same) = self.link(row).and_then(|link| self.links.get(&link)) {
            row.same_as = Some(same.first).filter(|first| *first < number);
            row.visibility = Visibility::of(same.is_private);
        }
        let before = row.collections.len();
        row.collections.retain(|name| self.names.contains(&self.hash(name)));
        if row.collections.len() < before {
            row.remarked("The file has more than 5,000 folders and tags. Some were left out.");
        }
        row.visibilities.retain(|name, _| row.collections.contains(name));
        for name in row.collections.iter().filter(|name| self.private_names.contains(&self.hash(name))) {
            row.visibilities.insert(name.clone(), Visibility::Private);
        }
    }

    /// What decides whether two rows have the same link.
    fn link(&self, row: &ImportRow) -> Option<u128> {
        CardUrl::parse(&row.url).ok().map(|url| self.hash(url.normalised()))
    }

    fn hash(&self, text: &str) -> u128 {
        let [one, other] = self.hashers.each_ref().map(|hasher| hasher.hash_one(text));
        (u128::from(one) << 64) | u128::from(other)
    }
}

/// An import before it has rows.
#[derive(Clone, Debug)]
pub struct NewImport {
    pub id: ImportId,
    pub owner: UserId,
    pub file_name: String,
    /// Where every link goes besides the library.
    pub collection: Option<CollectionId>,
    /// Nothing is saved: it only tells what an import would do.
    pub is_check: bool,
}

/// What became of a row, or of a check: what would.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowOutcome {
    Saved(CardId),
    /// It was in the library, which stays as it is.
    Known(CardId),
    /// Why.
    Refused(String),
    /// It would be saved.
    New,
    /// An earlier row of the file has the same link.
    Again,
}

impl RowOutcome {
    /// As it is counted.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Saved(_) | Self::New => "saved",
            Self::Known(_) | Self::Again => "known",
            Self::Refused(_) => "refused",
        }
    }

    pub const fn card(&self) -> Option<CardId> {
        match self {
            Self::Saved(card) | Self::Known(card) => Some(*card),
            Self::Refused(_) | Self::New | Self::Again => None,
        }
    }

    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Refused(why) => Some(why),
            _ => None,
        }
    }

    /// As it was kept: its name, card and reason. `None`: it is none of ours.
    pub fn from_stored(name: &str, card: Option<CardId>, reason: Option<String>) -> Option<Self> {
        match (name, card) {
            ("saved", Some(card)) => Some(Self::Saved(card)),
            ("saved", None) => Some(Self::New),
            ("known", Some(card)) => Some(Self::Known(card)),
            ("known", None) => Some(Self::Again),
            ("refused", _) => Some(Self::Refused(reason.unwrap_or_default())),
            _ => None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    pub number: u32,
    pub url: String,
    /// `None`: not yet looked at.
    pub outcome: Option<RowOutcome>,
    /// What of it was not taken.
    pub remark: Option<String>,
    /// Its card was removed as the import was undone.
    pub is_undone: bool,
}

/// Which rows of a report are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    #[default]
    All,
    Refused,
    /// With a remark.
    Remarked,
}

/// How far an import has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportView {
    pub id: ImportId,
    pub file_name: String,
    /// Nothing was saved: [`ImportView::saved`] counts what would be.
    pub is_check: bool,
    pub total: u32,
    pub saved: u32,
    pub known: u32,
    pub refused: u32,
    /// Rows that lost something.
    pub remarked: u32,
    pub begun_at: Timestamp,
    pub finished_at: Option<Timestamp>,
    /// Since it was asked to be undone.
    pub undo: Option<UndoView>,
}

/// How far undoing an import has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UndoView {
    pub is_finished: bool,
    pub removed: u32,
    /// Cards that stay because somebody changed them since.
    pub kept: u32,
}

impl ImportView {
    pub const fn done(&self) -> u32 {
        self.saved + self.known + self.refused
    }
}

/// Some rows of one import, leased to one worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedRows {
    pub import: ImportId,
    pub owner: UserId,
    pub collection: Option<CollectionId>,
    pub is_check: bool,
    pub begun_at: Timestamp,
    /// Names the lease: outcomes count only while it is held.
    pub lease: Ulid,
    pub rows: Vec<(u32, ImportRow)>,
    /// Rows that have saved these cards already, by somebody who could not report it any more.
    pub saved: Vec<(u32, CardId)>,
}

/// What people can change of a card, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fingerprint(i64);

impl Fingerprint {
    /// FNV-1a: it only has to be the same in every release.
    pub fn of<'p>(parts: impl Iterator<Item = &'p [u8]>) -> Self {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        for part in parts {
            let length = (part.len() as u64).to_be_bytes();
            for byte in length.iter().chain(part) {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
        }
        Self(hash.cast_signed())
    }

    pub const fn from_stored(stored: i64) -> Self {
        Self(stored)
    }

    pub const fn as_stored(self) -> i64 {
        self.0
    }
}

/// Imports and their rows. A finished one is kept for 30 days.
#[async_trait]
pub trait ImportRepository: Send + Sync {
    /// Without rows: those are added next. [`crate::Error::Conflict`] while another import of this person is not finished: one
    /// that is silent for longer than [`SILENT_AT_MOST`] gives way.
    async fn open_import(&self, import: &NewImport) -> Result<()>;

    /// Adds rows, the first of which has this number. All of them or none; [`crate::Error::NotFound`] if the import is not open.
    async fn add_rows(&self, import: ImportId, first: u32, rows: &[FileRow]) -> Result<()>;

    /// It has all its rows, 1 to [`MAX_ROWS`] of them, numbered from 1: work on them begins.
    async fn start_import(&self, import: ImportId) -> Result<()>;

    /// It does not get all its rows, and is forgotten. Does nothing once it is started.
    async fn abandon_import(&self, import: ImportId) -> Result<()>;

    /// Saves what a check looked at. [`crate::Error::Conflict`] while another import of this person is not finished, or if there is nothing to
    /// save.
    async fn carry_out(&self, owner: &UserId, id: ImportId) -> Result<()>;

    /// Asks for it to be undone: see [`crate::use_cases::undo_imports`]. [`crate::Error::Conflict`] if it is not finished, or nothing was
    /// saved. Asking again changes nothing.
    async fn ask_to_undo(&self, owner: &UserId, id: ImportId) -> Result<()>;

    /// [`crate::Error::NotFound`] also for somebody else's.
    async fn import(&self, owner: &UserId, id: ImportId) -> Result<ImportView>;

    /// Newest first, up to `limit`, those that still get rows included.
    async fn imports_of(&self, owner: &UserId, limit: usize) -> Result<Vec<ImportView>>;

    /// By number, which is the position's key.
    async fn import_report(
        &self,
        owner: &UserId,
        id: ImportId,
        wanted: Wanted,
        page: &PageRequest,
    ) -> Result<Page<ReportRow>>;

    /// Up to `limit` rows of the import that has waited longest, in their order, those included that are saved and not reported. Nobody else gets rows of it until they are finished or
    /// the lease runs out.
    async fn lease_rows(&self, limit: usize, lease: Duration) -> Result<Option<LeasedRows>>;

    /// Keeps what became of rows, and gives the lease back; rows without an outcome are leased again. False: the lease was lost, nothing
    /// was kept. The import is finished with its last row.
    async fn finish_rows(&self, leased: &LeasedRows, outcomes: &[(u32, RowOutcome)]) -> Result<bool>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_cut_and_hold_nothing_that_cannot_be_kept() {
        let row = ImportRow::new(" https://example.com/\0 ", Some(&"x".repeat(20_000)));
        assert_eq!(row.url, "https://example.com/\u{1}");
        assert_eq!(row.note.map(|note| note.len()), Some(MAX_CELL_CHARS));
        assert_eq!(ImportRow::new("x", Some("  ")).note, None);
    }

    fn settled(rows: &[ImportRow]) -> Vec<ImportRow> {
        let mut survey = Survey::default();
        rows.iter().cloned().for_each(|row| survey.see(&FileRow::Link(row)));
        let mut rows = rows.to_vec();
        (1..).zip(&mut rows).for_each(|(number, row)| survey.settle(number, row));
        rows
    }

    #[test]
    fn a_link_that_is_private_once_is_private_everywhere_in_the_file() {
        let rows = settled(&[
            ImportRow::new("https://example.com/a", None),
            ImportRow::new("https://EXAMPLE.com/a", None).private(),
            ImportRow::new("https://example.com/b", None),
            ImportRow::new("no URL", None).private(),
        ]);
        assert_eq!(rows.iter().map(|row| row.visibility.is_private()).collect::<Vec<_>>(), [true, true, false, true]);
        assert_eq!(rows.iter().map(|row| row.same_as).collect::<Vec<_>>(), [None, Some(1), None, None]);
    }

    #[test]
    fn a_collection_that_is_private_once_is_private_everywhere_in_the_file() {
        let row = |names: &[&str], told: &[(&str, Visibility)]| ImportRow {
            collections: names.iter().map(|name| (*name).to_owned()).collect(),
            visibilities: told.iter().map(|(name, visibility)| ((*name).to_owned(), *visibility)).collect(),
            ..ImportRow::new("https://example.com/", None)
        };
        let rows = settled(&[
            row(&["a", "b"], &[("a", Visibility::Public), ("gone", Visibility::Private)]),
            row(&["a"], &[("a", Visibility::Private)]),
            row(&["a", "c"], &[("c", Visibility::Public)]),
        ]);
        let told = |row: &ImportRow| {
            row.visibilities
                .iter()
                .map(|(name, visibility)| format!("{name} {}", visibility.name()))
                .collect::<Vec<_>>()
        };
        assert_eq!(told(&rows[0]), ["a PRIVATE"]);
        assert_eq!(told(&rows[1]), ["a PRIVATE"]);
        assert_eq!(told(&rows[2]), ["a PRIVATE", "c PUBLIC"]);
    }

    #[test]
    fn so_many_names_become_collections() {
        let row = |name: usize| ImportRow {
            collections: vec![name.to_string(), "shared".into()],
            ..ImportRow::new(&format!("https://example.com/{name}"), None)
        };
        let rows = settled(&(0..=MAX_NAMES).map(row).collect::<Vec<_>>());
        assert_eq!(rows[MAX_NAMES - 2].collections.len(), 2);
        assert_eq!(rows[MAX_NAMES].collections, ["shared"]);
        assert!(rows[MAX_NAMES].remark.as_deref().unwrap().contains("5,000"));
        assert_eq!(rows[0].remark, None);
    }

    #[test]
    fn fingerprints_tell_where_one_part_ends() {
        let of = |parts: &[&str]| Fingerprint::of(parts.iter().map(|part| part.as_bytes()));
        assert_ne!(of(&["ab", "c"]), of(&["a", "bc"]));
        assert_ne!(of(&["a"]), of(&["a", ""]));
        assert_eq!(of(&["a", "b"]), of(&["a", "b"]));
    }
}
