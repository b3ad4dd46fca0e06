use crate::changes::{Change, Changes};
use crate::error::Result;
use crate::event::DomainEvent;
use crate::ids::{EventId, UserId};
use crate::leaving::Stage;
use crate::store::{Leaver, Left, Store};

/// Cards stop leaving in one commit once it raises this many events: each card may be in many collections.
const EVENTS: usize = 1_000;

/// What became of a call of [`let_person_go`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parting {
    /// Nobody is leaving, or others see to all who are.
    Nobody,
    /// There is more to do at once.
    Further,
    /// It goes on when what was raised has taken effect, or a collection is empty.
    Waits,
    /// It goes on when a dead letter of this person has been sent on its way again, or given up.
    WaitsForDead { person: UserId, event: EventId },
}

/// Takes the deletion of an account one portion further: cards leave the library and collections are deleted, up to `limit` of them, each
/// with its events; when all of that has taken effect everywhere, [`DomainEvent::AccountDeleted`] is raised; and when that has, too, all
/// that names the person is deleted, the account last. Nothing is added meanwhile: a request that was on its way was committed before the
/// account was marked, or is refused, however long it takes.
///
/// If the future is dropped, the portion is done whole or not at all; calling it again goes on from there.
pub async fn let_person_go(store: &dyn Store, limit: usize) -> Result<Parting> {
    let mut tx = store.begin().await?;
    let Some(Leaver { person, stage, left }) = tx.leaver(limit).await? else { return Ok(Parting::Nobody) };
    let mut changes = Changes { is_parting: true, ..Changes::default() };
    let leave = |after, behind| Change::Leave { person: person.clone(), before: stage, after, behind };
    let mut parting = Parting::Further;
    match left {
        Left::Cards(cards) => {
            for mut card in cards {
                if changes.events.len() >= EVENTS {
                    break;
                }
                card.remove_from_library(&mut changes);
            }
            changes.rows.push(leave(Stage::Parting, None));
        }
        Left::Collections(ids) => {
            changes.rows.extend(ids.into_iter().map(Change::DeleteCollection));
            changes.rows.push(leave(Stage::Parting, None));
        }
        Left::Emptying | Left::Owed { is_dead: false, .. } => parting = Parting::Waits,
        Left::Owed { event, is_dead: true } => parting = Parting::WaitsForDead { person, event },
        Left::Unknown { behind } => changes.rows.push(leave(stage, Some(behind))),
        Left::Nothing => match stage {
            Stage::Parting => {
                changes.rows.push(Change::CutTies(person.clone()));
                changes.rows.push(leave(Stage::Settling, None));
            }
            Stage::Settling => {
                changes.events.push(DomainEvent::AccountDeleted { actor_id: person.clone() });
                changes.rows.push(leave(Stage::Told, None));
            }
            Stage::Told => changes.rows.push(leave(Stage::Forgetting, None)),
            Stage::Forgetting | Stage::Clearing => changes.rows.push(Change::Forget { person, limit }),
        },
    }
    // Even without changes, so that the person is free for the next caller.
    tx.commit(changes).await?;
    Ok(parting)
}
