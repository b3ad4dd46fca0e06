//! The whole way of one save: what is known of it from the event log, from the queues and from what was written because of it. Nothing is
//! written down for healthy events, so some of it is not known.

use cardwire_domain::{ActivityId, EventId};
use cardwire_events::operations::{DeliveryNow, Step, Track, WrittenTo};
use cardwire_events::{Envelope, Queue, WorkerInfo, routes, trace};
use cardwire_saga::{OpenWindow, PendingEvent};
use jiff::Timestamp;

use super::Operations;
use crate::problem::{NOT_FOUND, Problem};

/// So many open windows are looked through for the one of a save.
const WINDOWS: usize = 1_000;
/// So many events that were accepted together are followed.
const FOLLOWED: usize = 50;

#[derive(Debug)]
pub struct Journey {
    pub accepted_at: Timestamp,
    /// What was accepted together: one request about one card.
    pub events: Vec<EventWay>,
    /// The card, if there still is one.
    pub card: Option<WrittenTo>,
    pub trace: Option<Trace>,
    /// Nothing of it is on its way any more. Dead letters are not.
    pub is_over: bool,
    /// Those that are alive; `None`: not known, since the transport does not answer.
    pub workers: Option<Vec<WorkerInfo>>,
}

/// The trace of the request.
#[derive(Debug, PartialEq, Eq)]
pub struct Trace {
    pub id: String,
    /// Where it is looked up, if that is known.
    pub url: Option<String>,
}

#[derive(Debug)]
pub struct EventWay {
    pub envelope: Envelope,
    /// One for each queue that it goes to, or is owed to.
    pub ways: Vec<Way>,
}

#[derive(Debug)]
pub struct Way {
    pub queue: Queue,
    pub stage: Stage,
    /// What went otherwise than planned, oldest first.
    pub steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// It waits in the log to be published: after a failed attempt, or because the queue was full, paused or away.
    Waiting {
        due_at: Timestamp,
        tries: u32,
    },
    /// It was published, and is in the queue or in the hands of a worker; which one of them is not known.
    Published {
        at: Timestamp,
        sweeps: u32,
        tries: u32,
    },
    /// It is gathered into a window, which is written at this time.
    Gathering {
        due_at: Timestamp,
        events: u64,
        is_written: bool,
    },
    Dead {
        at: Timestamp,
        error: Option<String>,
    },
    /// It is owed no more, so it has had its effect, or somebody discarded it.
    Done(Effect),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// `written_at` is when the activity was first written; not known if it is older than the event, which was added to it then.
    InActivity { id: ActivityId, written_at: Option<Timestamp> },
    /// No activity has it: it was no news, or the activity is gone.
    NoActivity,
    /// Search has a row of the card, or has none.
    Indexed(bool),
    /// Nothing says more than that it is done.
    Other,
}

impl Operations {
    /// The way of this event, and of what was accepted together with it.
    pub async fn journey(&self, event: EventId) -> Result<Journey, Problem> {
        let together = self.finder.accepted_with(event).await?;
        let by = together.iter().find(|envelope| envelope.id == event).map(|envelope| envelope.partitionkey.clone());
        let mut ids: Vec<EventId> =
            together.iter().filter(|one| Some(&one.partitionkey) == by.as_ref()).map(|one| one.id).collect();
        // The one that was asked for is among them, however many there are.
        ids.sort_by_key(|id| (*id != event, *id));
        ids.truncate(FOLLOWED);
        let tracks = self.finder.tracks(&ids).await?;
        let Some(first) = tracks.iter().find(|track| track.envelope.id == event) else {
            return Err(Problem::new(
                &NOT_FOUND,
                "The log has no such event. Events that have taken effect are deleted after a while.",
            ));
        };
        let (accepted_at, card) = (first.accepted_at, first.card.clone());
        let traceparent = tracks.iter().find_map(|track| track.envelope.traceparent.clone());
        let window = self.window_of(&tracks).await;
        let workers = self.workers_now().await;
        let alive = |(worker, is_alive): (WorkerInfo, bool)| is_alive.then_some(worker);
        let events: Vec<EventWay> = tracks.into_iter().map(|track| way(track, window.as_ref())).collect();
        let is_over = events.iter().flat_map(|event| &event.ways).all(|way| way.stage.is_over());
        Ok(Journey {
            accepted_at,
            events,
            card,
            trace: traceparent.and_then(|traceparent| self.trace(&traceparent)),
            is_over,
            workers: workers.map(|workers| workers.into_iter().filter_map(alive).collect()),
        })
    }

    /// The open window in which these events are gathered, if it is among those that are due soonest. A saga store that does not answer has
    /// nothing to say.
    async fn window_of(&self, tracks: &[Track]) -> Option<OpenWindow> {
        let is_owed = |track: &&Track| track.deliveries.iter().any(|delivery| delivery.queue == Queue::Feeds);
        let mut owed = tracks.iter().filter(is_owed).filter_map(|track| track.envelope.decode().ok());
        let key = owed.find_map(|recorded| PendingEvent::from_recorded(&recorded))?.key();
        let open = super::overview::told("windows", async {
            self.saga
                .open(None, WINDOWS)
                .await
                .map_err(|error| cardwire_events::Error::Unavailable("the saga store", error.to_string()))
        });
        open.await?.into_iter().find(|window| *window.key() == key)
    }

    fn trace(&self, traceparent: &str) -> Option<Trace> {
        let id = trace::parse(traceparent)?.trace_id().to_string();
        let url = self.trace_url.as_ref().map(|url| url.replace("{traceId}", &id));
        Some(Trace { id, url })
    }
}

impl Stage {
    fn is_over(&self) -> bool {
        matches!(self, Self::Done(_) | Self::Dead { .. })
    }
}

fn way(track: Track, window: Option<&OpenWindow>) -> EventWay {
    let mut queues: Vec<Queue> = track.envelope.decode().map(|event| routes(&event.event).to_vec()).unwrap_or_default();
    queues.extend(track.deliveries.iter().map(|delivery| delivery.queue));
    queues.sort();
    queues.dedup();
    let of = |queue: Queue| Way {
        queue,
        stage: match track.deliveries.iter().find(|delivery| delivery.queue == queue) {
            Some(delivery) => owed(delivery, window.filter(|window| is_in(window, queue, track.envelope.id))),
            None => Stage::Done(effect(&track, queue)),
        },
        steps: track.steps.iter().filter(|(of, _)| *of == queue).map(|(_, step)| step.clone()).collect(),
    };
    let ways = queues.into_iter().map(of).collect();
    EventWay { envelope: track.envelope, ways }
}

/// Of a large window, not all events are shown.
fn is_in(window: &OpenWindow, queue: Queue, event: EventId) -> bool {
    queue == Queue::Feeds
        && (window.pending.members.contains_key(&event) || window.events > window.pending.members.len() as u64)
}

fn owed(delivery: &DeliveryNow, window: Option<&OpenWindow>) -> Stage {
    let DeliveryNow { due_at, published_at, sweeps, tries, dead_at, ref error, .. } = *delivery;
    match (dead_at, window, published_at) {
        (Some(at), ..) => Stage::Dead { at, error: error.clone() },
        (None, Some(window), _) => {
            Stage::Gathering { due_at: window.due_at, events: window.events, is_written: window.locked }
        }
        (None, None, Some(at)) => Stage::Published { at, sweeps, tries },
        (None, None, None) => Stage::Waiting { due_at, tries },
    }
}

fn effect(track: &Track, queue: Queue) -> Effect {
    if queue == Queue::Feeds {
        return track.activity.map_or(Effect::NoActivity, |activity| {
            // Its id has the time at which it was made, in milliseconds.
            let made = i64::try_from(activity.id.ulid().timestamp_ms()).ok();
            let made = made.and_then(|ms| Timestamp::from_millisecond(ms).ok());
            let accepted_ms = track.accepted_at.as_millisecond();
            let written_at = made.filter(|made| made.as_millisecond() >= accepted_ms);
            Effect::InActivity { id: activity.id, written_at }
        });
    }
    if queue == Queue::Search {
        return Effect::Indexed(track.card.as_ref().is_some_and(|card| card.is_indexed));
    }
    Effect::Other
}
