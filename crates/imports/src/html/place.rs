//! Where in a bookmark file a reader is.

use std::rc::Rc;

use crate::folders::Folders;
use crate::names::Named;

/// What the text that comes next belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Place {
    /// Nothing.
    #[default]
    Page,
    /// The name of a folder.
    Heading,
    /// The link's title.
    Title,
    /// The link's note.
    Note,
}

/// A reader can go back to one.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    pub place: Place,
    pub folders: Folders,
    /// The name of the folder that begins with the next list.
    pub heading: Option<Rc<Named>>,
    /// The heading says so of that folder.
    pub is_heading_private: bool,
    /// Behind `<dt>`, before its link or heading.
    pub is_item: bool,
}
