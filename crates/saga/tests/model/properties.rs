//! What must hold in every state, and what must be possible at all.

use stateright::{Model as _, Property};

use crate::state::{Events, Flush, Hand, Lock, Row, State};
use crate::step::{Pipeline, Step, fault};

pub const ONCE: &str = "no event has its effect twice";
/// Wherever it is: in a log that somebody reads, in Redis, in a living process.
pub const KEPT: &str = "an accepted event without effect is kept somewhere";
/// So looking again restores what was never published and what Redis lost, and is needed for nothing else.
pub const STAYS: &str = "what was published stays in Redis until its effect, unless Redis loses everything";
pub const SETTLED: &str = "when nothing is left to do, every accepted event has had its effect";
pub const OWNED: &str = "a lock is freed by its owner or by time";
pub const EXCLUSIVE: &str = "two workers whose locks have not run out never flush the window at once";
pub const DUE: &str = "a window with events is due some time";

pub const SAFETY: [&str; 7] = [ONCE, KEPT, STAYS, SETTLED, OWNED, EXCLUSIVE, DUE];

pub fn all() -> Vec<Property<Pipeline>> {
    let always = Property::always;
    let sometimes = Property::sometimes;
    vec![
        always(ONCE, |_, state: &State| state.effects.iter().all(|effects| *effects < 2)),
        always(KEPT, kept),
        always(STAYS, stays),
        always(SETTLED, settled_when_idle),
        always(OWNED, |_, state: &State| {
            let mut workers = state.workers.iter().enumerate();
            workers.all(|(index, worker)| !worker.flush.holds_lock() || state.lock == Lock::Worker(index))
        }),
        always(EXCLUSIVE, |_, state: &State| !state.workers.iter().all(|worker| worker.flush.holds_lock())),
        always(DUE, |_, state: &State| state.window.is_empty() || state.due),
        // That the model reaches what it is about.
        sometimes("an event is merged while the window is flushed", |_, state: &State| {
            let read =
                |flush| matches!(flush, Flush::Claimed { events, .. } if !state.window.without(events).is_empty());
            state.workers.iter().any(|worker| read(worker.flush))
        }),
        sometimes("a worker flushes whose lock another has now", |_, state: &State| {
            state.workers.iter().all(|worker| worker.flush != Flush::Idle) && state.lock != Lock::Free
        }),
        sometimes("an event that has had its effect is merged again", |_, state: &State| {
            Events::ALL.into_iter().any(|event| state.effects[event] == 1 && state.window.has(event))
                && state.workers.iter().all(|worker| worker.flush == Flush::Idle)
        }),
        sometimes("both workers hold one event", |_, state: &State| {
            state.workers.iter().all(|worker| matches!(worker.hand, Hand::Claimed { events, .. } if events.has(0)))
        }),
        sometimes("both events have had their effect and nothing is left over", |_, state: &State| {
            state.effects == [1, 1] && settled(state)
        }),
    ]
}

/// Every accepted event has had its effect, and Redis holds nothing more.
pub fn settled(state: &State) -> bool {
    let done = Events::ALL.into_iter().all(|event| !state.lacks_effect(event));
    let rows = state.rows.iter().all(|row| matches!(row, Row::NotYet | Row::Taken));
    done && rows && state.queued().is_empty() && state.window.is_empty() && !state.due && state.lock == Lock::Free
}

fn kept(model: &Pipeline, state: &State) -> bool {
    let held = state.queued().with(state.window).with(state.in_memory());
    Events::ALL
        .into_iter()
        .filter(|event| state.lacks_effect(*event))
        .all(|event| (model.looks && state.rows[event] == Row::Owed) || held.has(event))
}

fn stays(_: &Pipeline, state: &State) -> bool {
    let held = state.queued().with(state.window);
    let owed = |event: &usize| state.rows[*event] == Row::Owed && state.published.has(*event);
    state.wiped || Events::ALL.into_iter().filter(owed).all(|event| held.has(event))
}

fn settled_when_idle(model: &Pipeline, state: &State) -> bool {
    if Events::ALL.into_iter().all(|event| !state.lacks_effect(event)) {
        return true;
    }
    let mut steps = Vec::new();
    model.actions(state, &mut steps);
    steps.into_iter().any(|step| !matches!(step, Step::Accept(_)) && fault(state, step).is_none())
}
