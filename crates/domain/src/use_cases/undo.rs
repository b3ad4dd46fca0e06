use crate::changes::{Change, Changes};
use crate::error::Result;
use crate::store::{LeftToUndo, MadeCard, Store, UndoneImport};

/// Cards stop being removed in one commit once it raises this many events: each card may be in many collections.
const EVENTS: usize = 1_000;

/// Takes an import that is being undone one portion further: up to `limit` of the cards that it made leave the library as if their owner
/// removed them, unless they were changed since; then those collections that it made are deleted in which no card is. False: nothing is
/// being undone, or others see to it.
///
/// If the future is dropped, the portion is done whole or not at all; calling it again goes on from there.
pub async fn undo_imports(store: &dyn Store, limit: usize) -> Result<bool> {
    let mut tx = store.begin().await?;
    let Some(UndoneImport { import, behind, left }) = tx.undone_import(limit).await? else { return Ok(false) };
    let mut changes = Changes::default();
    match left {
        LeftToUndo::Cards(cards) => {
            let (mut after, mut removed, mut kept) = (behind, Vec::new(), 0);
            for MadeCard { number, card, left_as } in cards {
                if changes.events.len() >= EVENTS {
                    break;
                }
                after = number;
                // One that its owner has removed already is neither.
                let Some(mut card) = card.filter(|card| card.library_link.is_some()) else { continue };
                if left_as == Some(card.fingerprint()) {
                    card.remove_from_library(&mut changes);
                    removed.push(number);
                } else {
                    kept += 1;
                }
            }
            changes.rows.push(Change::UndoRows { import, before: behind, after, removed, kept });
        }
        LeftToUndo::Collections(ids) => changes.rows.extend(ids.into_iter().map(Change::DeleteEmptyCollection)),
        LeftToUndo::Nothing => changes.rows.push(Change::FinishUndo(import)),
    }
    tx.commit(changes).await?;
    Ok(true)
}
