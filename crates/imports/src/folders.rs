//! The folders that a reader is in.

use std::rc::Rc;

use crate::names::{Named, nested};

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
    name: Option<Rc<str>>,
    depth: usize,
    around: Option<Rc<Folder>>,
}

impl Folders {
    /// Without a name, it adds nothing to the names of what is in it.
    pub fn enter(&mut self, name: Option<Rc<str>>) {
        let depth = self.innermost.as_ref().map_or(0, |folder| folder.depth) + 1;
        if depth > MAX_DEPTH {
            self.deeper += 1;
            return;
        }
        let around = self.innermost.take();
        self.innermost = Some(Rc::new(Folder { name, depth, around }));
    }

    /// Names the innermost, if it has no name yet.
    pub fn rename(&mut self, name: &str) {
        if self.deeper == 0
            && let Some(folder) = self.innermost.take_if(|folder| folder.name.is_none())
        {
            self.innermost =
                Some(Rc::new(Folder { name: Some(name.into()), depth: folder.depth, around: folder.around.clone() }));
        }
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
        let outwards = std::iter::successors(self.innermost.as_deref(), |folder| folder.around.as_deref());
        nested(outwards.filter_map(|folder| folder.name.as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_that_are_left_are_part_of_no_name() {
        let mut folders = Folders::default();
        folders.leave();
        assert_eq!(folders.name(), None);
        folders.enter(Some("a".into()));
        let before = folders.clone();
        folders.enter(None);
        folders.enter(Some("b".into()));
        assert_eq!(folders.name().unwrap().name, "a / b");
        folders.leave();
        folders.leave();
        assert_eq!((folders.name(), before.name()), (folders.name(), folders.name()));
        for _ in 0..10_000 {
            folders.enter(Some("c".into()));
        }
        for _ in 0..10_000 {
            folders.leave();
        }
        assert_eq!(folders.name().unwrap().name, "a");
    }
}
