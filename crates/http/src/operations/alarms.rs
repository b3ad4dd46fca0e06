//! What is the matter, so that an operator need not read it off the figures.

use std::time::Duration;

use cardwire_domain::records::FailingTotals;
use cardwire_events::{Pause, Queue};
use futures_util::future::join3;
use tokio::time::Instant;

use super::overview::Overview;
use crate::problem::Problem;
use crate::state::AppState;

/// An event that is owed for longer is late. A window takes three seconds, and what a queue lost comes back after ten.
pub const LATE_S: u64 = 30;
/// A store that takes longer for a small question is slow: each event takes several.
pub const SLOW_STORE: Duration = Duration::from_millis(30);

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Alarm {
    StoreSlow {
        ms: u64,
    },
    /// Redis, which carries the events, does not answer.
    QueuesAway,
    /// No worker of the queue is alive.
    NoWorker {
        queue: Queue,
    },
    Paused {
        pause: Pause,
    },
    Dead {
        queue: Queue,
        events: u64,
    },
    /// The oldest owed event is so old, and nothing above says why.
    Late {
        queue: Queue,
        age_s: u64,
    },
    /// A worker fell silent without saying that it ends.
    Silent {
        queue: Queue,
        host: String,
        pid: u32,
    },
    /// Copies of these events were lost on the way, and they were published again.
    Resent {
        queue: Queue,
        events: u64,
    },
    /// Servers on which people publish their links do not take them. They are tried again.
    PublishingFails(FailingTotals),
}

impl Alarm {
    /// False: it mends itself.
    pub const fn needs_a_person(&self) -> bool {
        !matches!(self, Self::Silent { .. } | Self::Resent { .. } | Self::PublishingFails(_))
    }
}

/// What somebody looks at who wants to know whether all is well.
#[derive(Debug)]
pub struct Watched {
    pub overview: Overview,
    /// What needs a person first.
    pub alarms: Vec<Alarm>,
    /// How long a small question to the store takes.
    pub store_answers_in: Duration,
}

impl AppState {
    /// As [`Operations::overview`](super::Operations::overview), with what is the matter.
    pub async fn watch(&self) -> Result<Watched, Problem> {
        let mut store_answers_in = Duration::MAX;
        // The quickest of some: a single one may have waited for a connection.
        for _ in 0..3 {
            let asked = Instant::now();
            self.operations.operator.pauses().await?;
            store_answers_in = store_answers_in.min(asked.elapsed());
        }
        let operations = &self.operations;
        let (overview, resent, failing) =
            join3(operations.overview(), operations.finder.resent(), self.records.failing_totals()).await;
        let (overview, resent, failing) = (overview?, resent?, failing?);
        let alarms = alarms(&overview, &resent, failing, store_answers_in);
        Ok(Watched { overview, alarms, store_answers_in })
    }
}

/// Those that need a person first, causes before what follows from them.
pub fn alarms(
    seen: &Overview,
    resent: &[(Queue, u64)],
    failing: FailingTotals,
    store_answers_in: Duration,
) -> Vec<Alarm> {
    let mut alarms = Vec::new();
    if store_answers_in > SLOW_STORE {
        alarms.push(Alarm::StoreSlow { ms: u64::try_from(store_answers_in.as_millis()).unwrap_or(u64::MAX) });
    }
    if !seen.transport_answers() {
        alarms.push(Alarm::QueuesAway);
    }
    let mut later = Vec::new();
    for now in &seen.queues {
        let queue = now.queue;
        let workers = seen.workers.as_ref();
        let none_alive = workers.is_some_and(|all| !all.iter().any(|(worker, alive)| *alive && worker.queue == queue));
        if none_alive {
            alarms.push(Alarm::NoWorker { queue });
        }
        if let Some(pause) = &now.paused {
            alarms.push(Alarm::Paused { pause: pause.clone() });
        }
        let dead = now.backlog.map_or(0, |backlog| backlog.dead);
        if dead > 0 {
            later.push(Alarm::Dead { queue, events: dead });
        }
        let age_s = now.oldest_age_s.unwrap_or_default();
        if age_s > LATE_S && !none_alive && now.paused.is_none() {
            later.push(Alarm::Late { queue, age_s });
        }
    }
    alarms.extend(later);
    let silent = seen.workers.iter().flatten().filter(|(_, alive)| !alive);
    alarms.extend(silent.map(|(worker, _)| Alarm::Silent {
        queue: worker.queue,
        host: worker.host.clone(),
        pid: worker.pid,
    }));
    if failing.people > 0 {
        alarms.push(Alarm::PublishingFails(failing));
    }
    alarms.extend(resent.iter().map(|(queue, events)| Alarm::Resent { queue: *queue, events: *events }));
    alarms
}

#[cfg(test)]
mod tests {
    use cardwire_domain::UserId;
    use cardwire_events::registry::WorkerId;
    use cardwire_events::{Backlog, Depth, QueueSettings, WorkerInfo};
    use jiff::Timestamp;

    use super::*;
    use crate::operations::overview::QueueNow;

    fn worker(queue: Queue) -> WorkerInfo {
        let now = Timestamp::UNIX_EPOCH;
        WorkerInfo {
            id: WorkerId::generate(),
            queue,
            host: "here".into(),
            pid: 7,
            version: "1".into(),
            started_at: now,
            last_seen: now,
            processed: 0,
            in_flight: 0,
        }
    }

    fn healthy() -> Overview {
        let now = |queue| QueueNow {
            queue,
            depth: Some(Depth::default()),
            backlog: Some(Backlog { queue, owed: 3, unpublished: 0, dead: 0, oldest: Some(Timestamp::UNIX_EPOCH) }),
            oldest_age_s: Some(LATE_S),
            paused: None,
            settings: QueueSettings::of(queue),
        };
        Overview {
            queues: Queue::ALL.into_iter().map(now).collect(),
            workers: Some(Queue::ALL.into_iter().map(|queue| (worker(queue), true)).collect()),
        }
    }

    const NOBODY: FailingTotals = FailingTotals { people: 0, waiting: 0 };

    fn told(seen: &Overview) -> Vec<Alarm> {
        alarms(seen, &[], NOBODY, Duration::from_millis(1))
    }

    #[test]
    fn nothing_is_the_matter_while_all_is_well() {
        assert_eq!(told(&healthy()), []);
        assert_eq!(alarms(&healthy(), &[], NOBODY, SLOW_STORE), []);
    }

    #[test]
    fn each_thing_that_is_the_matter_is_told() {
        let queue = Queue::Search;
        let place = Queue::ALL.iter().position(|known| *known == queue).unwrap();
        let check = |change: &dyn Fn(&mut Overview), expected: &[Alarm]| {
            let mut seen = healthy();
            change(&mut seen);
            assert_eq!(told(&seen), expected);
        };
        let by = UserId::parse("did:plc:alice").unwrap();
        let pause = Pause { queue, since: Timestamp::UNIX_EPOCH, by, reason: None };
        check(&|seen| seen.queues[place].oldest_age_s = Some(31), &[Alarm::Late { queue, age_s: 31 }]);
        check(&|seen| seen.queues[place].depth = None, &[Alarm::QueuesAway]);
        check(&|seen| seen.workers = None, &[Alarm::QueuesAway]);
        check(&|seen| seen.queues[place].backlog.as_mut().unwrap().dead = 2, &[Alarm::Dead { queue, events: 2 }]);
        let is_paused = |seen: &mut Overview| {
            seen.queues[place].paused = Some(pause.clone());
            seen.queues[place].oldest_age_s = Some(1_000);
        };
        check(&is_paused, &[Alarm::Paused { pause: pause.clone() }]);
        let stops = |seen: &mut Overview| {
            seen.queues[place].oldest_age_s = Some(1_000);
            seen.workers.as_mut().unwrap()[place].1 = false;
        };
        let silent = Alarm::Silent { queue, host: "here".into(), pid: 7 };
        check(&stops, &[Alarm::NoWorker { queue }, silent.clone()]);
        check(&|seen| seen.workers.as_mut().unwrap().push((worker(queue), false)), std::slice::from_ref(&silent));
        assert!(!silent.needs_a_person() && Alarm::QueuesAway.needs_a_person());

        let failing = FailingTotals { people: 2, waiting: 7 };
        let slow = alarms(&healthy(), &[(queue, 5)], failing, Duration::from_millis(51));
        let expected =
            [Alarm::StoreSlow { ms: 51 }, Alarm::PublishingFails(failing), Alarm::Resent { queue, events: 5 }];
        assert_eq!(slow, expected);
        assert!(!Alarm::PublishingFails(failing).needs_a_person(), "it goes on by itself");
    }
}
