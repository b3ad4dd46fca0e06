//! Links that somebody brings along from elsewhere: kept as rows, saved a few at a time, and told row by row what became of them.

use std::collections::HashSet;
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
pub const MAX_ROWS: usize = 50_000;
/// Of a row's URL or note, so much is kept: what is longer breaks a rule all the same.
pub const MAX_CELL_CHARS: usize = 10_001;

/// A link as a file has it, not yet looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportRow {
    pub url: String,
    pub note: Option<String>,
    /// Of a card that is new to the library. One that is there already keeps its own.
    pub visibility: Visibility,
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
            visibility: Visibility::Public,
        }
    }

    /// For its owner only.
    pub fn private(self) -> Self {
        Self { visibility: Visibility::Private, ..self }
    }
}

/// Files list a link once for each of its folders. If one of them is private, all are.
pub fn keep_private(rows: &mut [ImportRow]) {
    let key = |row: &ImportRow| CardUrl::parse(&row.url).ok().map(|url| url.normalised().to_owned());
    let private = |row: &&ImportRow| row.visibility.is_private();
    let links: HashSet<String> = rows.iter().filter(private).filter_map(key).collect();
    if links.is_empty() {
        return;
    }
    for row in rows.iter_mut().filter(|row| key(row).is_some_and(|link| links.contains(&link))) {
        row.visibility = Visibility::Private;
    }
}

#[derive(Clone, Debug)]
pub struct NewImport {
    pub id: ImportId,
    pub owner: UserId,
    pub file_name: String,
    /// Where every link goes besides the library.
    pub collection: Option<CollectionId>,
    /// 1 to [`MAX_ROWS`]; their places in the list are their numbers, from 1.
    pub rows: Vec<ImportRow>,
}

/// What became of a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum RowOutcome {
    Saved(CardId),
    /// It was in the library, which stays as it is.
    Known(CardId),
    /// Why.
    Refused(String),
}

impl RowOutcome {
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Saved(_) => "saved",
            Self::Known(_) => "known",
            Self::Refused(_) => "refused",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportRow {
    pub number: u32,
    pub url: String,
    /// `None`: not yet looked at.
    pub outcome: Option<RowOutcome>,
}

/// How far an import has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportView {
    pub id: ImportId,
    pub file_name: String,
    pub total: u32,
    pub saved: u32,
    pub known: u32,
    pub refused: u32,
    pub begun_at: Timestamp,
    pub finished_at: Option<Timestamp>,
}

impl ImportView {
    pub const fn done(&self) -> u32 {
        self.saved + self.known + self.refused
    }
}

/// Some rows of one import, leased to whoever got them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeasedRows {
    pub import: ImportId,
    pub owner: UserId,
    pub collection: Option<CollectionId>,
    /// Names the lease: outcomes count only while it is held.
    pub lease: Ulid,
    pub rows: Vec<(u32, ImportRow)>,
}

/// Imports and their rows. A finished one is kept for 30 days.
#[async_trait]
pub trait ImportRepository: Send + Sync {
    /// All rows or none. [`crate::Error::Conflict`] while another import of this person is not finished.
    async fn begin_import(&self, import: &NewImport) -> Result<()>;

    /// [`crate::Error::NotFound`] also for somebody else's.
    async fn import(&self, owner: &UserId, id: ImportId) -> Result<ImportView>;

    /// Newest first, up to `limit`.
    async fn imports_of(&self, owner: &UserId, limit: usize) -> Result<Vec<ImportView>>;

    /// By number, which is the position's key; with `refused` only rows that were.
    async fn import_report(
        &self,
        owner: &UserId,
        id: ImportId,
        refused: bool,
        page: &PageRequest,
    ) -> Result<Page<ReportRow>>;

    /// Up to `limit` rows of the import that has waited longest, in their order. Nobody else gets rows of it until they are finished or
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

    #[test]
    fn a_link_that_is_private_once_is_private_everywhere_in_the_file() {
        let mut rows = vec![
            ImportRow::new("https://example.com/a", None),
            ImportRow::new("https://EXAMPLE.com/a", None).private(),
            ImportRow::new("https://example.com/b", None),
            ImportRow::new("no URL", None).private(),
        ];
        keep_private(&mut rows);
        assert_eq!(rows.iter().map(|row| row.visibility.is_private()).collect::<Vec<_>>(), [true, true, false, true]);
    }
}
