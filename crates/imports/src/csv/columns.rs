//! What the columns of a table are, by the names that services give them.

use crate::dates;
use crate::names::{self, named};
use crate::row::{Draft, is_yes};

use super::records::Record;

/// Names without case, blanks and signs. Where a table has several of a kind, the one that comes first here counts.
const URL: &[&str] = &[
    "url",
    "link",
    "href",
    "uri",
    "address",
    "pageurl",
    "linkurl",
    "bookmarkurl",
    "sourceurl",
    "webaddress",
    "resolvedurl",
    "givenurl",
    "originalurl",
    "website",
    "permalink",
];
const TITLE: &[&str] =
    &["title", "name", "pagetitle", "linktitle", "bookmarktitle", "resolvedtitle", "giventitle", "heading"];
/// What people write themselves.
const NOTE: &[&str] = &["note", "notes", "mynotes", "comment", "comments", "annotation", "extended"];
const DESCRIPTION: &[&str] = &["description", "desc", "summary"];
/// What is taken from the page. It counts if there is nothing else.
const EXCERPT: &[&str] = &["selection", "excerpt"];
const ADDED: &[&str] = &[
    "addedat",
    "dateadded",
    "timeadded",
    "adddate",
    "createdat",
    "created",
    "datecreated",
    "creationdate",
    "savedat",
    "saveddate",
    "datesaved",
    "saved",
    "bookmarkedat",
    "added",
    "timestamp",
    "date",
    "time",
];
const TAGS: &[&str] =
    &["tags", "tag", "tagnames", "documenttags", "labels", "label", "keywords", "topics", "categories", "category"];
const FOLDER: &[&str] = &["folder", "folderpath", "folderid", "collection", "collectionname", "list", "group"];
const COLLECTIONS: &[&str] = &["collections", "folders", "lists"];
/// Of our own exports: those of them that are private. The others are public.
const PRIVATE_COLLECTIONS: &[&str] = &["privatecollections"];
const PRIVATE: &[&str] = &["private", "isprivate"];
const VISIBILITY: &[&str] = &["visibility"];
const SHARED: &[&str] = &["shared", "isshared", "public", "ispublic"];
/// What Raindrop and Instapaper say of links that are in no folder.
const NO_FOLDERS: [&str; 2] = ["Unsorted", "Unread"];

#[derive(Clone, Debug)]
pub(super) struct Columns {
    pub count: usize,
    /// Those with a name.
    pub named: usize,
    url: usize,
    title: Option<usize>,
    notes: Vec<usize>,
    added: Option<usize>,
    tags: Option<usize>,
    folder: Option<usize>,
    collections: Option<usize>,
    private_collections: Option<usize>,
    private: Option<usize>,
    visibility: Option<usize>,
    shared: Option<usize>,
}

impl Columns {
    /// By the record that names them; `None`: none of them is for the link.
    pub fn of(names: &[String]) -> Option<Self> {
        let keys: Vec<String> = names.iter().map(|name| key(name)).collect();
        let column = |names: &[&str]| names.iter().find_map(|name| keys.iter().position(|key| key == name));
        let notes: Vec<usize> = [NOTE, DESCRIPTION].into_iter().filter_map(column).collect();
        let excerpt = || column(EXCERPT).into_iter().collect();
        Some(Self {
            count: names.len(),
            named: names.iter().filter(|name| !name.is_empty()).count(),
            url: column(URL)?,
            title: column(TITLE),
            notes: if notes.is_empty() { excerpt() } else { notes },
            added: column(ADDED),
            tags: column(TAGS),
            folder: column(FOLDER),
            collections: column(COLLECTIONS),
            private_collections: column(PRIVATE_COLLECTIONS),
            private: column(PRIVATE),
            visibility: column(VISIBILITY),
            shared: column(SHARED),
        })
    }

    pub fn draft(&self, record: &Record) -> Draft {
        let at = |column: usize| record.cells.get(column).map_or("", |cell| without_guard(cell));
        let cell = |column: Option<usize>| column.map_or("", at);
        let notes: Vec<&str> = self.notes.iter().map(|column| at(*column)).filter(|note| !note.is_empty()).collect();
        let folder = Some(cell(self.folder)).filter(|folder| !NO_FOLDERS.contains(folder));
        let mut tags = names::tags(cell(self.tags));
        let collections = names::collections(cell(self.collections));
        let private = self.private_collections.map(|column| names::collections(at(column)));
        let visibilities = names::visibilities(&collections, private);
        tags.extend(collections);
        let shared = cell(self.shared);
        let mut draft = Draft {
            url: at(self.url).to_owned(),
            title: cell(self.title).to_owned(),
            note: notes.join("\n\n"),
            folder: folder.and_then(named),
            tags,
            visibilities,
            is_private: is_yes(cell(self.private))
                || cell(self.visibility).eq_ignore_ascii_case("private")
                || !shared.is_empty() && !is_yes(shared),
            ..Draft::default()
        };
        draft.dated(dates::read(cell(self.added)));
        draft
    }
}

fn key(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Our own exports guard cells against spreadsheets with an apostrophe.
fn without_guard(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(['=', '+', '-', '@', '\t', '\r']) => rest,
        _ => cell,
    }
}
