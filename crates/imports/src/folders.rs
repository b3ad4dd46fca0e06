//! The folders that a reader is in.

use std::rc::Rc;

use crate::names::{Named, named, nested};

/// Folders inside more than so many others count as the last of them.
const MAX_DEPTH: usize = 1_000;

/// From the innermost outwards. A clone costs nothing, so that a reader can go back to where it was.
#[derive(Clone, Debug, Default)]
pub(crate) struct Folders {
    innermost: Option<Rc<Folder>>,
    /// Folders inside it that are too deep to have a name.
    deeper: u64,
}

#[derive(Debug)]
struct Folder {
    is_named: bool,
    depth: usize,
    /// Of the folders around what is in it, those that have a name.
    names: Option<Rc<Names>>,
    around: Option<Rc<Folder>>,
}

/// The name of a folder, and those of the folders around it. A file may have many links in one folder: what they are told is made once.
#[derive(Debug)]
struct Names {
    own: Rc<Named>,
    whole: Named,
    around: Option<Rc<Names>>,
}

impl Names {
    fn add(around: Option<Rc<Self>>, own: Rc<Named>) -> Rc<Self> {
        let outwards = std::iter::successors(around.as_deref(), |names| names.around.as_deref());
        let innermost_first = std::iter::once(&*own).chain(outwards.map(|names| &*names.own));
        let mut whole = nested(innermost_first).expect("there is at least its own name");
        whole.is_private |= around.as_ref().is_some_and(|names| names.whole.is_private);
        Rc::new(Self { own, whole, around })
    }
}

impl Folders {
    /// Without a name, it adds nothing to the names of what is in it. Returns the work that it took.
    pub fn enter(&mut self, name: Option<Rc<Named>>) -> u64 {
        let depth = self.innermost.as_ref().map_or(0, |folder| folder.depth) + 1;
        if depth > MAX_DEPTH {
            self.deeper += 1;
            return 1;
        }
        let around = self.innermost.take();
        let is_named = name.is_some();
        let names = around.as_ref().and_then(|folder| folder.names.clone());
        let names = match name {
            Some(own) => Some(Names::add(names, own)),
            None => names,
        };
        self.innermost = Some(Rc::new(Folder { is_named, depth, names, around }));
        if is_named { self.work() } else { 1 }
    }

    /// Names the innermost, if it has no name yet. Returns the work that it took.
    pub fn rename(&mut self, name: &str) -> u64 {
        if self.deeper > 0 {
            return 1;
        }
        let Some(folder) = self.innermost.take_if(|folder| !folder.is_named) else { return 1 };
        let (depth, around) = (folder.depth, folder.around.clone());
        let names = match named(name) {
            Some(own) => Some(Names::add(folder.names.clone(), Rc::new(own))),
            None => folder.names.clone(),
        };
        self.innermost = Some(Rc::new(Folder { is_named: true, depth, names, around }));
        name.len() as u64 + self.work()
    }

    pub fn leave(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else if let Some(folder) = self.innermost.take() {
            self.innermost.clone_from(&folder.around);
        }
    }

    /// For what is in the innermost.
    pub fn name(&self) -> Option<Named> {
        let names = self.innermost.as_ref()?.names.as_ref()?;
        Some(names.whole.clone())
    }

    /// Of making the innermost's name: about one for each byte of it.
    fn work(&self) -> u64 {
        self.name().map_or(1, |named| 1 + named.name.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn a_name(name: &str) -> Option<Rc<Named>> {
        named(name).map(Rc::new)
    }

    #[test]
    fn folders_that_are_left_are_part_of_no_name() {
        let mut folders = Folders::default();
        folders.leave();
        assert_eq!(folders.name(), None);
        folders.enter(a_name("a"));
        let before = folders.clone();
        folders.enter(None);
        folders.enter(a_name("b"));
        assert_eq!(folders.name().unwrap().name, "a / b");
        folders.leave();
        folders.leave();
        assert_eq!((folders.name(), before.name()), (folders.name(), folders.name()));
        for _ in 0..10_000 {
            folders.enter(a_name("c"));
        }
        for _ in 0..10_000 {
            folders.leave();
        }
        assert_eq!(folders.name().unwrap().name, "a");
    }

    #[test]
    fn a_folder_is_named_once() {
        let mut folders = Folders::default();
        folders.enter(a_name("a"));
        folders.enter(None);
        folders.rename("b");
        folders.rename("c");
        assert_eq!(folders.name().unwrap().name, "a / b");
        folders.enter(None);
        folders.rename("\u{200b}");
        folders.rename("d");
        assert_eq!(folders.name().unwrap().name, "a / b");
    }
}
