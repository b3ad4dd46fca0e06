//! Hands on what is found in nested objects, with the names of the folders around it. Chrome writes a folder's name behind what is in it:
//! then that waits until the name is known.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::error::{Error, Result};
use crate::names::{Named, nested};
use crate::row::{Found, Rows};

/// The file is not at fault: see [`Walk::stopped`].
#[derive(Debug)]
pub(super) struct Stop;

pub(super) struct Walk<'w, 'a> {
    rows: &'w mut Rows<'a>,
    innermost: Option<Rc<Folder>>,
    /// Folders around here whose name may still come.
    unnamed: usize,
    waiting: Vec<(Found, Option<Rc<Folder>>)>,
    /// Why it went no further.
    pub stopped: Option<Error>,
}

struct Folder {
    name: RefCell<Option<String>>,
    is_named: Cell<bool>,
    around: Option<Rc<Folder>>,
}

impl<'w, 'a> Walk<'w, 'a> {
    pub fn new(rows: &'w mut Rows<'a>) -> Self {
        Self { rows, innermost: None, unnamed: 0, waiting: Vec::new(), stopped: None }
    }

    /// A folder whose name may still come.
    pub fn enter(&mut self) {
        let folder = Folder { name: RefCell::default(), is_named: Cell::new(false), around: self.innermost.take() };
        self.innermost = Some(Rc::new(folder));
        self.unnamed += 1;
    }

    /// Names the innermost folder, once. With `None`, it adds nothing to the names of what is in it.
    pub fn name(&mut self, name: Option<&str>) -> Result<(), Stop> {
        let Some(folder) = self.innermost.as_ref().filter(|folder| !folder.is_named.get()) else { return Ok(()) };
        *folder.name.borrow_mut() = name.map(str::to_owned);
        folder.is_named.set(true);
        self.unnamed -= 1;
        if self.unnamed == 0 {
            for (found, folder) in std::mem::take(&mut self.waiting) {
                self.hand_on(found, folder.as_deref())?;
            }
        }
        Ok(())
    }

    pub fn leave(&mut self) -> Result<(), Stop> {
        self.name(None)?;
        if let Some(folder) = self.innermost.take() {
            self.innermost.clone_from(&folder.around);
        }
        Ok(())
    }

    pub fn add(&mut self, found: Found) -> Result<(), Stop> {
        let folder = self.innermost.clone();
        if self.unnamed == 0 {
            return self.hand_on(found, folder.as_deref());
        }
        self.waiting.push((found, folder));
        Ok(())
    }

    fn hand_on(&mut self, mut found: Found, folder: Option<&Folder>) -> Result<(), Stop> {
        if let Found::Link(draft) = &mut found {
            draft.folder = name_of(folder);
        }
        self.rows.add(found).map_err(|error| {
            self.stopped = Some(error);
            Stop
        })
    }
}

fn name_of(folder: Option<&Folder>) -> Option<Named> {
    let outwards = std::iter::successors(folder, |folder| folder.around.as_deref());
    let names: Vec<String> = outwards.filter_map(|folder| folder.name.borrow().clone()).collect();
    nested(names.iter().map(String::as_str))
}
