//! How far an import has come, as pages show it.

use cardwire_domain::imports::{ImportView, UndoView};
use cardwire_http::state::AppState;

use crate::shown::When;

pub(super) struct Progress {
    pub id: String,
    pub file_name: String,
    pub is_check: bool,
    pub total: u32,
    pub done: u32,
    pub saved: u32,
    pub known: u32,
    pub refused: u32,
    pub remarked: u32,
    pub is_finished: bool,
    pub undo: Option<UndoView>,
    pub when: When,
}

impl Progress {
    pub fn of(state: &AppState, import: ImportView) -> Self {
        Self {
            id: import.id.to_string(),
            is_check: import.is_check,
            done: import.done(),
            file_name: import.file_name,
            total: import.total,
            saved: import.saved,
            known: import.known,
            refused: import.refused,
            remarked: import.remarked,
            is_finished: import.finished_at.is_some(),
            undo: import.undo,
            when: When::of(import.begun_at, state.operations.clock.now()),
        }
    }

    /// What the page shows will change by itself.
    pub fn is_changing(&self) -> bool {
        !self.is_finished || self.undo.is_some_and(|undo| !undo.is_finished)
    }

    pub fn can_be_carried_out(&self) -> bool {
        self.is_check && self.is_finished && self.refused < self.total
    }

    pub fn can_be_undone(&self) -> bool {
        !self.is_check && self.is_finished && self.saved > 0 && self.undo.is_none()
    }
}
