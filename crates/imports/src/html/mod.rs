//! Bookmark files: Netscape's format as browsers and services write it, and other pages that list links.
//!
//! Whatever is left open ends where the next item begins, so that no mistake costs more than the item that it is in.

mod comment;
mod item;
mod markup;
mod place;
pub(crate) mod scan;

use std::rc::Rc;

use crate::error::Result;
use crate::kept::Kept;
use crate::names::{Named, named};
use crate::row::{Found, Rows};
use crate::window::Window;

use comment::{Before, Comment, Hidden};
use item::Item;
use markup::{BREAK, Markup, words};
use place::{Place, State};
use scan::{Event, Scanner, Tag};

/// Of a title or the name of a folder, before its references are resolved.
const MAX_TITLE_BYTES: usize = 16 * 1_024;
/// Of a note. Ten thousand characters, each written as a reference, are less.
const MAX_NOTE_BYTES: usize = 128 * 1_024;

pub(crate) fn read(window: Window<'_>, rows: &mut Rows<'_>) -> Result<()> {
    let mut scanner = Scanner::new(window, item::ATTRIBUTES);
    let read = Reader::new(rows).read(&mut scanner);
    rows.steps += scanner.steps();
    read
}

struct Reader<'r, 'a> {
    rows: &'r mut Rows<'a>,
    state: State,
    /// The last link, as long as something may belong to it.
    item: Option<Item>,
    /// The text of the place.
    text: Kept,
    comment: Comment,
    /// Links are items of lists here, so that one inside a note is a part of it.
    has_items: bool,
}

impl<'r, 'a> Reader<'r, 'a> {
    fn new(rows: &'r mut Rows<'a>) -> Self {
        let (state, comment) = (State::default(), Comment::default());
        Self { rows, state, item: None, text: Kept::new(0), comment, has_items: false }
    }

    fn read(mut self, scanner: &mut Scanner<'_>) -> Result<()> {
        loop {
            let has_text = self.state.place != Place::Page;
            match scanner.next(has_text.then_some(&mut self.text))? {
                Some(Event::Start(tag)) => self.start(&tag, scanner)?,
                Some(Event::End(name)) => self.end(&name, scanner)?,
                Some(Event::CommentStart) => self.begin_comment(),
                Some(Event::CommentEnd) => self.end_comment(),
                None => {
                    self.keep_comment(scanner)?;
                    return self.finish_item();
                }
            }
            if self.comment.hides_too_much() {
                self.keep_comment(scanner)?;
            }
        }
    }

    fn start(&mut self, tag: &Tag, scanner: &mut Scanner<'_>) -> Result<()> {
        match &*tag.name {
            "a" => self.link(tag, scanner)?,
            "dt" => {
                self.leave_item(scanner)?;
                self.has_items = true;
                self.state.is_item = true;
            }
            "dl" => {
                self.leave_item(scanner)?;
                let name = self.state.heading.take();
                self.rows.steps += self.state.folders.enter(name);
            }
            "h3" => {
                self.leave_item(scanner)?;
                self.state.is_item = false;
                self.state.is_heading_private = item::is_private(tag);
                self.begin_text(Place::Heading, MAX_TITLE_BYTES);
            }
            "dd" if self.state.place == Place::Note => self.text.push(BREAK),
            "dd" => {
                self.leave_text(scanner);
                if self.item.is_some() {
                    self.begin_text(Place::Note, MAX_NOTE_BYTES);
                }
            }
            "hr" => self.leave_item(scanner)?,
            "li" if !self.has_items => self.leave_item(scanner)?,
            "script" | "style" if self.state.place == Place::Page => scanner.skip_raw(&tag.name)?,
            name => self.markup(name, tag.is_cut, scanner.raw()),
        }
        Ok(())
    }

    fn end(&mut self, name: &str, scanner: &mut Scanner<'_>) -> Result<()> {
        match (name, self.state.place) {
            ("a", Place::Title) | ("h3", Place::Heading) => self.leave_text(scanner),
            ("dl", _) => {
                self.leave_item(scanner)?;
                self.state.heading = None;
                self.state.folders.leave();
            }
            ("a" | "h3" | "dt" | "dd", _) => {}
            (name, _) => self.markup(name, false, scanner.raw()),
        }
        Ok(())
    }

    fn link(&mut self, tag: &Tag, scanner: &mut Scanner<'_>) -> Result<()> {
        if self.state.place == Place::Note && self.has_items {
            return Ok(());
        }
        self.leave_item(scanner)?;
        self.state.heading = None;
        let is_item = std::mem::take(&mut self.state.is_item);
        if let Some(item) = Item::of(tag) {
            self.item = Some(item);
            self.begin_text(Place::Title, MAX_TITLE_BYTES);
        } else if is_item {
            // Elsewhere it is an anchor of the page; here it should have been a link.
            self.add(Found::Refused { url: String::new(), why: "There is no link in it.".into() })?;
        }
        Ok(())
    }

    /// A tag inside a text.
    fn markup(&mut self, name: &str, is_cut: bool, raw: &str) {
        match (self.state.place, Markup::of(name)) {
            (Place::Page, _) => {}
            (_, Markup::Words) => self.text.push(raw),
            (_, _) if is_cut => self.text.push(raw),
            (_, Markup::Inline) => {}
            (_, Markup::Breaks) => self.text.push(BREAK),
        }
    }

    fn begin_text(&mut self, place: Place, most_bytes: usize) {
        self.state.place = place;
        self.text = Kept::new(most_bytes);
    }

    /// The text is over: what it belongs to gets it. A comment that began in it and has not ended was none.
    fn leave_text(&mut self, scanner: &mut Scanner<'_>) {
        if let Comment::InText(_) = self.comment {
            self.comment = Comment::None;
            scanner.in_comment = false;
        }
        self.end_text();
    }

    fn end_text(&mut self) {
        let text = std::mem::replace(&mut self.text, Kept::new(0)).into_text();
        match (std::mem::take(&mut self.state.place), &mut self.item) {
            (Place::Heading, _) => {
                self.rows.steps += text.len() as u64;
                let is_private = self.state.is_heading_private;
                self.state.heading = named(&words(&text)).map(|named| Rc::new(Named { is_private, ..named }));
            }
            (Place::Title, Some(item)) => item.title = text,
            (Place::Note, Some(item)) => item.note = text,
            _ => {}
        }
    }

    /// Nothing that follows belongs to the last link.
    fn leave_item(&mut self, scanner: &mut Scanner<'_>) -> Result<()> {
        self.leave_text(scanner);
        self.finish_item()
    }

    fn finish_item(&mut self) -> Result<()> {
        self.end_text();
        match self.item.take() {
            Some(item) => self.add(item.finish(&self.state.folders)),
            None => Ok(()),
        }
    }

    fn add(&mut self, found: Found) -> Result<()> {
        match &mut self.comment {
            Comment::OfPage(hidden) => hidden.push(found),
            _ => self.rows.add(found)?,
        }
        Ok(())
    }

    fn begin_comment(&mut self) {
        let is_in_text = match self.state.place {
            Place::Page => false,
            // Notes have no end, but a comment with a line for itself is no part of one.
            Place::Note => !begins_line(self.text.as_str()),
            Place::Heading | Place::Title => true,
        };
        self.comment = if is_in_text {
            let before = self.text.len();
            self.text.push("<!--");
            Comment::InText(before)
        } else {
            Comment::OfPage(Hidden::begin(self.before()))
        };
    }

    /// Everything that a comment interrupts.
    fn before(&mut self) -> Before {
        let before = Before {
            state: self.state.clone(),
            item: self.item.take(),
            text: std::mem::replace(&mut self.text, Kept::new(0)),
        };
        self.state.place = Place::Page;
        before
    }

    fn end_comment(&mut self) {
        match std::mem::take(&mut self.comment) {
            Comment::None => {}
            Comment::InText(before) => self.text.truncate(before),
            Comment::OfPage(hidden) => {
                let Before { state, item, text } = hidden.forget();
                (self.state, self.item, self.text) = (state, item, text);
            }
        }
    }

    /// The file ends before the comment does: it was not meant to hide anything.
    fn keep_comment(&mut self, scanner: &mut Scanner<'_>) -> Result<()> {
        scanner.in_comment = false;
        match std::mem::take(&mut self.comment) {
            Comment::OfPage(hidden) => hidden.keep(|found| self.rows.add(found)),
            Comment::None | Comment::InText(_) => Ok(()),
        }
    }
}

/// Whether there are only blanks, and not many, since a line began.
fn begins_line(text: &str) -> bool {
    let end = &text[text.floor_char_boundary(text.len().saturating_sub(64))..];
    end.rsplit_once('\n').is_some_and(|(_, line)| line.trim().is_empty())
}
