//! XML: Pinboard's posts, which del.icio.us had before it, and XBEL.

use crate::dates;
use crate::entities::decode;
use crate::error::Result;
use crate::folders::Folders;
use crate::html::scan::{Event, Scanner, Tag};
use crate::kept::Kept;
use crate::names;
use crate::row::{Draft, Found, Rows, is_yes};
use crate::window::Window;

const ATTRIBUTES: &[&str] = &["href", "description", "extended", "tag", "time", "shared", "private", "added"];
/// Of a title or a description, before its references are resolved.
const MAX_TEXT_BYTES: usize = 128 * 1_024;

pub(crate) fn read(window: Window<'_>, rows: &mut Rows<'_>) -> Result<()> {
    let mut scanner = Scanner::new(window, ATTRIBUTES);
    let read = read_tags(&mut scanner, rows);
    rows.steps += scanner.steps();
    read
}

fn read_tags(scanner: &mut Scanner<'_>, rows: &mut Rows<'_>) -> Result<()> {
    let mut folders = Folders::default();
    // Of XBEL, whose links have their words inside them.
    let mut bookmark: Option<Draft> = None;
    let mut text = Kept::new(MAX_TEXT_BYTES);
    loop {
        match scanner.next(Some(&mut text))? {
            None => break,
            Some(Event::Start(tag)) => match &*tag.name {
                "post" => rows.add(Found::Link(post(&tag)))?,
                "bookmark" => {
                    if let Some(left_open) = bookmark.replace(started(&tag, &folders)) {
                        rows.add(Found::Link(left_open))?;
                    }
                    if tag.is_empty {
                        rows.add(Found::Link(bookmark.take().unwrap_or_default()))?;
                    }
                }
                "folder" if !tag.is_empty => rows.steps += folders.enter(None),
                "title" | "desc" => text = Kept::new(MAX_TEXT_BYTES),
                _ => {}
            },
            Some(Event::End(name)) => match (&*name, &mut bookmark) {
                // Each text is looked at once, however often it is said to end.
                ("title", Some(bookmark)) => bookmark.title = taken(&mut text, rows),
                ("desc", Some(bookmark)) => bookmark.note = taken(&mut text, rows),
                ("title", None) => {
                    let name = taken(&mut text, rows);
                    rows.steps += folders.rename(&name);
                }
                ("bookmark", _) => {
                    if let Some(bookmark) = bookmark.take() {
                        rows.add(Found::Link(bookmark))?;
                    }
                }
                ("folder", _) => folders.leave(),
                _ => {}
            },
            Some(Event::CommentStart | Event::CommentEnd) => {}
        }
    }
    bookmark.map_or(Ok(()), |left_open| rows.add(Found::Link(left_open)))
}

/// A text that has ended.
fn taken(text: &mut Kept, rows: &mut Rows<'_>) -> String {
    let text = std::mem::replace(text, Kept::new(0)).into_text();
    rows.steps += text.len() as u64;
    words(&text)
}

fn words(text: &str) -> String {
    let text = text.trim();
    let literal = text.strip_prefix("<![CDATA[").and_then(|text| text.strip_suffix("]]>"));
    literal.map_or_else(|| decode(text, false).into_owned(), str::to_owned)
}

fn value(tag: &Tag, name: &str) -> String {
    tag.attribute(name).map(|raw| decode(raw, true).into_owned()).unwrap_or_default()
}

fn post(tag: &Tag) -> Draft {
    let shared = value(tag, "shared");
    let mut draft = Draft {
        url: value(tag, "href"),
        title: value(tag, "description"),
        note: value(tag, "extended"),
        tags: value(tag, "tag").split_whitespace().map(str::to_owned).collect(),
        is_private: !shared.is_empty() && !is_yes(&shared) || is_yes(&value(tag, "private")),
        ..Draft::default()
    };
    draft.dated(dates::read(&value(tag, "time")));
    draft
}

fn started(tag: &Tag, folders: &Folders) -> Draft {
    let mut draft = Draft {
        url: value(tag, "href"),
        folder: folders.name(),
        tags: names::between(&value(tag, "tag"), ','),
        ..Draft::default()
    };
    draft.dated(dates::read(&value(tag, "added")));
    draft
}
