//! Hands on what is found in nested objects, with the names of the folders around it, and as private if one of them is. Chrome writes a
//! folder's name behind what is in it, and who can see a folder may stand there as well: then that waits until both are known.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::names::{Named, named, nested};
use crate::row::{Found, Rows};

/// Of text that waits.
const MAX_WAITING_BYTES: usize = 64 * 1_024 * 1_024;

/// The file is not at fault: see [`Walk::stopped`].
#[derive(Debug)]
pub(super) struct Stop;

pub(super) struct Walk<'w, 'a> {
    rows: &'w mut Rows<'a>,
    innermost: Option<Rc<Folder>>,
    /// Folders around here of which something may still come.
    unknown: usize,
    waiting: Vec<(Found, Option<Rc<Folder>>)>,
    waiting_bytes: usize,
    /// Why it went no further.
    pub stopped: Option<Error>,
}

#[derive(Default)]
struct Folder {
    name: RefCell<Option<Named>>,
    is_named: Cell<bool>,
    is_private: Cell<bool>,
    /// It is known whether it is private.
    is_settled: Cell<bool>,
    /// What everything in it is told, once the first needs it.
    told: OnceCell<Told>,
    /// Something in it, or in a folder in it, was told so.
    has_told: Cell<bool>,
    around: Option<Rc<Self>>,
}

struct Told {
    name: Option<Named>,
    /// It, or one around it.
    is_private: bool,
}

impl Folder {
    fn is_known(&self) -> bool {
        self.is_named.get() && self.is_settled.get()
    }

    fn told(&self) -> &Told {
        self.told.get_or_init(|| {
            let outwards = || std::iter::successors(Some(self), |folder| folder.around.as_deref());
            let names: Vec<Named> = outwards().filter_map(|folder| folder.name.borrow().clone()).collect();
            outwards().for_each(|folder| folder.has_told.set(true));
            Told { name: nested(&names), is_private: outwards().any(|folder| folder.is_private.get()) }
        })
    }
}

impl<'w, 'a> Walk<'w, 'a> {
    pub fn new(rows: &'w mut Rows<'a>) -> Self {
        Self { rows, innermost: None, unknown: 0, waiting: Vec::new(), waiting_bytes: 0, stopped: None }
    }

    /// A folder whose name may still come, and who can see it.
    pub fn enter(&mut self) {
        self.innermost = Some(Rc::new(Folder { around: self.innermost.take(), ..Folder::default() }));
        self.unknown += 1;
    }

    /// Names the innermost folder, once. With `None`, it adds nothing to the names of what is in it.
    pub fn name(&mut self, name: Option<&str>) -> Result<(), Stop> {
        let Some(folder) = self.innermost.clone().filter(|folder| !folder.is_named.get()) else { return Ok(()) };
        self.rows.steps += name.map_or(0, str::len) as u64;
        *folder.name.borrow_mut() = name.and_then(named);
        folder.is_named.set(true);
        self.known(&folder)
    }

    /// Who can see the innermost folder. Once it is said that it is private, it is.
    pub fn settle(&mut self, is_private: bool) -> Result<(), Stop> {
        let Some(folder) = self.innermost.clone() else { return Ok(()) };
        if is_private && !folder.is_private.get() {
            if folder.has_told.get() {
                return Err(
                    self.stop(Error::refused("This file says that its links are private only after listing them. Move the privacy of a folder in front of its links."))
                );
            }
            folder.is_private.set(true);
        }
        if folder.is_settled.replace(true) {
            return Ok(());
        }
        self.known(&folder)
    }

    pub fn leave(&mut self) -> Result<(), Stop> {
        self.name(None)?;
        self.settle(false)?;
        if let Some(folder) = self.innermost.take() {
            self.innermost.clone_from(&folder.around);
        }
        Ok(())
    }

    pub fn add(&mut self, found: Found) -> Result<(), Stop> {
        let folder = self.innermost.clone();
        if self.unknown == 0 {
            return self.hand_on(found, folder.as_deref());
        }
        self.waiting_bytes += found.bytes();
        if self.waiting_bytes > MAX_WAITING_BYTES {
            return Err(self.stop(Error::refused(
                "This file gives the names and the privacy of its folders only after their links, and there are too many links to wait for them. Move them in front of the links.",
            )));
        }
        if let Err(error) = self.rows.room_for(self.waiting.len() + 1) {
            return Err(self.stop(error));
        }
        self.waiting.push((found, folder));
        Ok(())
    }

    /// Something came to be known of this folder.
    fn known(&mut self, folder: &Folder) -> Result<(), Stop> {
        if !folder.is_known() {
            return Ok(());
        }
        self.unknown -= 1;
        if self.unknown == 0 {
            self.waiting_bytes = 0;
            for (found, folder) in std::mem::take(&mut self.waiting) {
                self.hand_on(found, folder.as_deref())?;
            }
        }
        Ok(())
    }

    fn hand_on(&mut self, mut found: Found, folder: Option<&Folder>) -> Result<(), Stop> {
        if let (Found::Link(draft), Some(folder)) = (&mut found, folder) {
            let told = folder.told();
            draft.folder.clone_from(&told.name);
            draft.is_private |= told.is_private;
        }
        self.rows.add(found).map_err(|error| self.stop(error))
    }

    fn stop(&mut self, error: Error) -> Stop {
        self.stopped = Some(error);
        Stop
    }
}
