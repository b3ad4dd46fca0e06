//! What operators see and do.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context as _;
use cardwire_domain::{EventId, UserId};
use cardwire_events::log::{LOOK_AGAIN_AFTER, WORKER_LOST};
use cardwire_events::operations::{
    Action, DoneBy, Gauges, KEEP_SAMPLES, NewEntry, REBUILD_LEASE, RunLease, SAMPLE_EVERY, StepKind,
};
use cardwire_events::{Attempt, DeadFilter, DeadSelection, Failure, Queue, QueueSettings, Verdict};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::scene::{PLENTY, person};
use super::{Stores, Tested};

const SETTINGS: QueueSettings = QueueSettings { attempts: 3, backoff_ms: 0, concurrency: 1 };

fn operator() -> UserId {
    person("operator")
}

/// Makes events of these people owed to feeds, and tells their ids in order.
async fn owed(stores: &Stores, people: &[&str]) -> anyhow::Result<Vec<EventId>> {
    let url = |n: usize| format!("https://example.com/{n}");
    let saves: Vec<_> = people.iter().enumerate().map(|(n, name)| (person(name), url(n))).collect();
    stores.save_at_once(&saves).await?;
    let events = stores.deliver(Queue::Feeds).await?;
    let of = |name: &&str| events.iter().find(|event| *event.event.actor_id() == person(name)).map(|event| event.id);
    people.iter().map(|name| of(name).context("an event of each person")).collect()
}

async fn fail(stores: &Stores, id: EventId, error: &str, verdict: Verdict) -> anyhow::Result<bool> {
    let failure = Failure { event_id: id, error: error.into(), verdict };
    Ok(!stores.log.fail(Queue::Feeds, &[failure], &SETTINGS).await?.is_empty())
}

/// The newest entry: action, queue, parameters, how many; complete.
async fn last_entry(stores: &Stores) -> anyhow::Result<(String, Option<Queue>, Value, u64)> {
    let entries = stores.operator.audit(None, 1).await?;
    let entry = entries.into_iter().next().context("nothing was written down")?;
    assert_eq!(entry.by, DoneBy::from(operator()));
    assert!(entry.completed_at.is_some_and(|at| at >= entry.at), "{entry:?}");
    Ok((entry.action, entry.queue, entry.parameters, entry.affected))
}

pub async fn actions_are_written_down_with_what_came_of_them(stores: Stores) -> Tested {
    assert!(stores.operator.audit(None, PLENTY).await?.is_empty());
    let by = operator();
    let ids = owed(&stores, &["alice", "bob", "carol"]).await?;
    for id in &ids {
        assert!(fail(&stores, *id, "bad", Verdict::Reject).await?);
    }
    let queue = Queue::Feeds;
    let which = DeadSelection::Ids(vec![ids[0]]);
    assert_eq!(stores.operator.act(&by, &Action::Redrive { queue, which }).await?, 1);
    let told = ("dead-letters.redrive".to_owned(), Some(queue), json!({ "ids": [ids[0]] }), 1);
    assert_eq!(last_entry(&stores).await?, told);
    let which = DeadSelection::All;
    assert_eq!(stores.operator.act(&by, &Action::Discard { queue, which: which.clone() }).await?, 2);
    let told = ("dead-letters.discard".to_owned(), Some(queue), json!({ "all": true }), 2);
    assert_eq!(last_entry(&stores).await?, told);
    assert_eq!(stores.operator.act(&by, &Action::Discard { queue, which }).await?, 0);
    assert_eq!(last_entry(&stores).await?.3, 0, "what came to nothing was asked for all the same");

    let id = stores.operator.begin(&by.into(), &NewEntry::flush_window("key".into())).await?;
    let entries = stores.operator.audit(None, 1).await?;
    let entry = &entries[0];
    assert_eq!((entry.id, entry.action.as_str(), entry.completed_at), (id, "saga.flush", None));
    assert_eq!((entry.queue, entry.target.as_deref(), entry.affected), (None, Some("key"), 0));
    stores.operator.complete(id, 1).await?;
    stores.operator.complete(id, 1).await?;
    assert_eq!(last_entry(&stores).await?.3, 1, "it ends once");

    let all = stores.operator.audit(None, PLENTY).await?;
    assert_eq!(all.len(), 4);
    assert!(all.windows(2).all(|pair| pair[0].id > pair[1].id && pair[0].at >= pair[1].at), "newest first");
    let second = stores.operator.audit(Some(all[1].id), 1).await?;
    assert_eq!(second, all[2..3]);
    assert!(stores.operator.audit(Some(all[3].id), PLENTY).await?.is_empty());

    let id = stores.operator.begin(&DoneBy::CommandLine, &NewEntry::rebuild_counts()).await?;
    stores.operator.complete(id, 7).await?;
    let entries = stores.operator.audit(None, 2).await?;
    assert_eq!((&entries[0].by, entries[0].id, entries[0].affected), (&DoneBy::CommandLine, id, 7));
    assert_eq!(entries[1].by, DoneBy::from(operator()), "people are told from it");
    Ok(())
}

pub async fn dead_letters_are_found_by_type_text_and_error(stores: Stores) -> Tested {
    let ids = owed(&stores, &["alice", "bob", "carol", "bobby"]).await?;
    for (id, error) in ids.iter().zip(["Disk 100% full", "disk_full", "poison", "poison"]) {
        assert!(fail(&stores, *id, error, Verdict::Reject).await?);
    }
    let part = |text: &str| Some(text.to_owned());
    let none = DeadFilter::default;
    let found = async |filter: DeadFilter| -> anyhow::Result<Vec<usize>> {
        let letters = stores.operator.matching(Queue::Feeds, &filter, None, PLENTY).await?;
        assert_eq!(stores.operator.count_matching(Queue::Feeds, &filter).await?, letters.len() as u64);
        let place = |id| ids.iter().position(|known| *known == id).context("not ours");
        letters.iter().map(|letter| place(letter.envelope.id)).collect()
    };
    assert_eq!(found(none()).await?.len(), 4);
    assert_eq!(found(DeadFilter { kind: part("CardAddedToLibrary.v2"), ..none() }).await?.len(), 4);
    assert!(found(DeadFilter { kind: part("CardAddedToLibrary"), ..none() }).await?.is_empty(), "types are whole");
    let mut bobs = found(DeadFilter { text: part("PLC:Bob"), ..none() }).await?;
    bobs.sort_unstable();
    assert_eq!(bobs, [1, 3]);
    assert_eq!(found(DeadFilter { text: part(&ids[2].to_string().to_lowercase()), ..none() }).await?, [2]);
    assert!(found(DeadFilter { text: part("specversion"), ..none() }).await?.is_empty(), "names of fields are no text");
    assert_eq!(found(DeadFilter { error: part("0% F"), ..none() }).await?, [0], "no pattern");
    assert_eq!(found(DeadFilter { error: part("k_f"), ..none() }).await?, [1], "no pattern");
    let both = DeadFilter { text: part("bob"), error: part("poison"), ..none() };
    assert_eq!(found(both.clone()).await?, [3]);
    let elsewhere = stores.operator.count_matching(Queue::Search, &none()).await?;
    assert_eq!(elsewhere, 0);

    let first = stores.operator.matching(Queue::Feeds, &none(), None, 1).await?;
    let rest = stores.operator.matching(Queue::Feeds, &none(), Some(first[0].envelope.id), PLENTY).await?;
    assert_eq!(rest.len(), 3);

    let which = DeadSelection::Matching(both.clone());
    assert_eq!(stores.operator.act(&operator(), &Action::Redrive { queue: Queue::Feeds, which }).await?, 1);
    let told = json!({ "matching": { "text": "bob", "error": "poison" } });
    assert_eq!(last_entry(&stores).await?.2, told);
    assert!(found(both).await?.is_empty());
    let which = DeadSelection::Matching(DeadFilter { error: part("disk"), ..none() });
    assert_eq!(stores.operator.act(&operator(), &Action::Discard { queue: Queue::Feeds, which }).await?, 2);
    assert_eq!(found(none()).await?, [2]);
    assert_eq!(stores.owed(Queue::Feeds).await?, 1, "the one that was redriven");
    Ok(())
}

pub async fn the_way_of_a_dead_letter_is_told(stores: Stores) -> Tested {
    let id = owed(&stores, &["alice"]).await?[0];
    assert!(stores.operator.way(Queue::Feeds, id).await?.is_none(), "it is not dead");
    stores.time.advance(LOOK_AGAIN_AFTER).await;
    assert_eq!(stores.log.lease(Queue::Feeds, PLENTY, None).await?.again, 1);
    assert!(!fail(&stores, id, "first", Verdict::Retry).await?);
    stores.deliver(Queue::Feeds).await?;
    assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SETTINGS).await?, Attempt::Run);
    assert!(fail(&stores, id, "last", Verdict::Reject).await?);

    let way = stores.operator.way(Queue::Feeds, id).await?.context("it is dead")?;
    assert_eq!((way.letter.envelope.id, way.letter.tries, way.letter.error.as_str()), (id, 2, "last"));
    assert_eq!(way.sweeps, 1);
    assert!(way.published_at.is_some_and(|at| at >= way.accepted_at && way.letter.dead_at >= at));
    let steps = |way: &[cardwire_events::operations::Step]| -> Vec<(StepKind, String)> {
        way.iter().map(|step| (step.kind, step.detail.clone())).collect()
    };
    let step = |kind, detail: &str| (kind, detail.to_owned());
    let mut expected = vec![
        step(StepKind::Failed, "first"),
        step(StepKind::RunAfterLoss, ""),
        step(StepKind::Failed, "last"),
        step(StepKind::Died, ""),
    ];
    assert_eq!(steps(&way.steps), expected);
    assert!(way.steps.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert!(stores.operator.way(Queue::Search, id).await?.is_none());

    let redrive = Action::Redrive { queue: Queue::Feeds, which: DeadSelection::All };
    assert_eq!(stores.operator.act(&operator(), &redrive).await?, 1);
    expected.push(step(StepKind::Redriven, ""));
    for _ in 0..SETTINGS.attempts {
        assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SETTINGS).await?, Attempt::Run);
        expected.extend([step(StepKind::RunAfterLoss, ""), step(StepKind::Failed, WORKER_LOST)]);
    }
    for _ in 0..2 {
        assert_eq!(stores.log.begin_attempt(Queue::Feeds, id, &SETTINGS).await?, Attempt::Dead);
    }
    let way = stores.operator.way(Queue::Feeds, id).await?.context("it is dead again")?;
    let (died, before) = way.steps.split_last().context("steps")?;
    assert_eq!(steps(before), expected, "what was before stays");
    assert_eq!((died.kind, way.published_at, way.sweeps), (StepKind::Died, None, 0));
    assert_eq!((way.letter.error.as_str(), way.letter.tries), (WORKER_LOST, SETTINGS.attempts));
    Ok(())
}

pub async fn a_queue_is_paused_until_it_is_resumed(stores: Stores) -> Tested {
    let by = operator();
    let paused = async || -> anyhow::Result<Vec<(Queue, Option<String>)>> {
        let pauses = stores.operator.pauses().await?;
        assert!(pauses.iter().all(|pause| pause.by == by));
        Ok(pauses.into_iter().map(|pause| (pause.queue, pause.reason)).collect())
    };
    assert_eq!(paused().await?, []);
    let resume = |queue| Action::Resume { queue };
    let pause = |queue, reason: Option<&str>| Action::Pause { queue, reason: reason.map(str::to_owned) };
    assert_eq!(stores.operator.act(&by, &resume(Queue::Search)).await?, 0, "it runs");
    assert_eq!(stores.operator.act(&by, &pause(Queue::Search, Some("a bad build"))).await?, 1);
    let told = ("queue.pause".to_owned(), Some(Queue::Search), json!({ "reason": "a bad build" }), 1);
    assert_eq!(last_entry(&stores).await?, told);
    assert_eq!(stores.operator.act(&by, &pause(Queue::Search, Some("again"))).await?, 0, "it is paused");
    assert_eq!(stores.operator.act(&by, &pause(Queue::Feeds, None)).await?, 1);
    let both = [(Queue::Feeds, None), (Queue::Search, Some("a bad build".to_owned()))];
    assert_eq!(paused().await?, both);
    assert_eq!(stores.operator.act(&by, &resume(Queue::Search)).await?, 1);
    assert_eq!(paused().await?, both[..1]);
    assert_eq!(stores.operator.act(&by, &pause(Queue::Search, None)).await?, 1, "and again");
    assert_eq!(paused().await?, [(Queue::Feeds, None), (Queue::Search, None)]);
    Ok(())
}

pub async fn what_is_owed_is_delivered_again(stores: Stores) -> Tested {
    let by = operator();
    let ids = owed(&stores, &["alice", "bob", "carol", "dave"]).await?;
    assert!(fail(&stores, ids[0], "bad", Verdict::Reject).await?);
    let slow = QueueSettings { backoff_ms: 86_400_000, ..SETTINGS };
    let failure = Failure { event_id: ids[1], error: "bad".into(), verdict: Verdict::Retry };
    stores.log.fail(Queue::Feeds, &[failure], &slow).await?;
    assert_eq!(stores.log.settle(Queue::Feeds, &ids[3..]).await?, 1);
    assert!(stores.log.lease(Queue::Feeds, PLENTY, None).await?.events.is_empty());
    let again = Action::Redeliver { queue: Queue::Feeds };
    assert_eq!(stores.operator.act(&by, &again).await?, 2, "not what is dead, nor what is owed no more");
    assert_eq!(last_entry(&stores).await?, ("queue.redeliver".to_owned(), Some(Queue::Feeds), json!({}), 2));
    let mut leased: Vec<_> =
        stores.log.lease(Queue::Feeds, PLENTY, None).await?.events.into_iter().map(|owed| owed.envelope.id).collect();
    leased.sort_unstable();
    let mut expected = ids[1..3].to_vec();
    expected.sort_unstable();
    assert_eq!(leased, expected);
    Ok(())
}

pub async fn one_caller_takes_each_turn(stores: Stores) -> Tested {
    for round in 0..3 {
        let mut callers = JoinSet::new();
        for _ in 0..8 {
            let history = stores.history.clone();
            callers.spawn(async move { history.take_turn().await });
        }
        let turns: Vec<_> = callers.join_all().await.into_iter().collect::<Result<_, _>>()?;
        let taken: Vec<_> = turns.into_iter().flatten().collect();
        let different: BTreeSet<_> = taken.iter().collect();
        // Two, if the next stretch began meanwhile.
        assert!(different.len() == taken.len() && (1..=2).contains(&taken.len()), "round {round}: {taken:?}");
        assert!(taken.iter().all(|at| at.as_second() % 15 == 0), "{taken:?}");
        stores.time.advance(2 * SAMPLE_EVERY).await;
    }
    Ok(())
}

fn gauges(queue: Queue, owed: u64, waiting: Option<u64>) -> Gauges {
    Gauges {
        queue,
        waiting,
        in_flight: None,
        suspects: Some(0),
        owed,
        unpublished: 1,
        dead: 2,
        oldest_age_s: 3,
        workers: Some(4),
    }
}

pub async fn figures_are_kept_over_time(stores: Stores) -> Tested {
    let hour = Duration::from_secs(3_600);
    let queue = Queue::Analytics;
    assert!(stores.history.history(queue, hour, 100).await?.is_empty());
    for (round, waiting) in [(0, Some(9)), (1, None), (2, Some(4))] {
        stores.history.add_work(queue, 10, 1).await?;
        let at = stores.history.take_turn().await?.context("a turn")?;
        let measured = [gauges(queue, 5 + round, waiting), gauges(Queue::Search, 0, None)];
        stores.history.keep(at, &measured).await?;
        stores.history.keep(at, &[gauges(queue, 1_000, None)]).await?;
        stores.time.advance(4 * SAMPLE_EVERY).await;
    }
    let samples = stores.history.history(queue, hour, 3_600).await?;
    let told: Vec<_> = samples
        .iter()
        .map(|sample| (sample.gauges.owed, sample.gauges.waiting, sample.processed, sample.failed))
        .collect();
    assert_eq!(told, [(5, Some(9), 10, 1), (6, None, 20, 2), (7, Some(4), 30, 3)], "oldest first, kept once");
    assert!(samples.windows(2).all(|pair| pair[0].at < pair[1].at));
    assert_eq!(samples[2].gauges, gauges(queue, 7, Some(4)));
    assert_eq!(stores.history.history(Queue::Search, hour, 3_600).await?[0].processed, 0);
    let few = stores.history.history(queue, 24 * hour, 1).await?;
    assert!((1..=2).contains(&few.len()), "a day in one or, around its turn, two");
    let highest = few.iter().map(|sample| sample.gauges.owed).max();
    assert_eq!(highest, Some(7));
    assert!(stores.history.history(queue, Duration::from_secs(30), 100).await?.is_empty(), "all are older");

    stores.time.advance(KEEP_SAMPLES).await;
    let at = stores.history.take_turn().await?.context("a turn")?;
    stores.history.keep(at, &[gauges(queue, 8, None)]).await?;
    let kept = stores.history.history(queue, 10 * KEEP_SAMPLES, 1_000_000).await?;
    assert_eq!(kept.len(), 1, "what is too old is dropped");
    Ok(())
}

pub async fn one_rebuild_is_asked_for_at_a_time(stores: Stores) -> Tested {
    let (rebuilds, by) = (&stores.rebuilds, operator());
    assert_eq!(rebuilds.latest().await?, None);
    let lease = RunLease::generate();
    assert_eq!(rebuilds.claim(lease).await?, None);
    let mut callers = JoinSet::new();
    for _ in 0..4 {
        let (rebuilds, by) = (rebuilds.clone(), by.clone());
        callers.spawn(async move { rebuilds.request(&by).await });
    }
    let asked: Vec<_> = callers.join_all().await.into_iter().collect::<Result<_, _>>()?;
    assert_eq!(asked.iter().filter(|(_, new)| *new).count(), 1);
    assert!(asked.iter().all(|(rebuild, _)| *rebuild == asked[0].0));
    let entries = stores.operator.audit(None, PLENTY).await?;
    assert_eq!(entries.len(), 4, "each asked");
    assert_eq!(entries.iter().map(|entry| entry.affected).sum::<u64>(), 1);
    assert_eq!(last_entry(&stores).await?.0, "search.rebuild");

    let claimed = rebuilds.claim(lease).await?.context("nobody runs it")?;
    assert!(claimed.started_at.is_some());
    assert!(rebuilds.finish(lease, claimed.id, Some("no way")).await?);
    assert!(!rebuilds.finish(lease, claimed.id, None).await?, "it is over");
    let latest = rebuilds.latest().await?.context("there was one")?;
    assert_eq!((latest.id, latest.error.as_deref()), (claimed.id, Some("no way")));
    assert!(latest.finished_at.is_some());
    let (next, new) = rebuilds.request(&by).await?;
    assert!(new && next.id > claimed.id && next.started_at.is_none());
    assert_eq!(rebuilds.latest().await?, Some(next));
    Ok(())
}

pub async fn a_rebuild_goes_on_where_its_worker_was_lost(stores: Stores) -> Tested {
    let rebuilds = &stores.rebuilds;
    let card = stores.save_at_once(&[(person("alice"), "https://example.com/".into())]).await?[0];
    rebuilds.request(&operator()).await?;
    let (lost, other) = (RunLease::generate(), RunLease::generate());
    let mut rebuild = rebuilds.claim(lost).await?.context("nobody runs it")?;
    assert_eq!(rebuilds.claim(other).await?, None, "somebody runs it");
    (rebuild.after, rebuild.done, rebuild.total) = (Some(card), 500, Some(700));
    rebuild.error = Some("one card".into());
    assert!(!rebuilds.advance(other, &rebuild).await?);
    stores.time.advance(REBUILD_LEASE / 2).await;
    assert!(rebuilds.advance(lost, &rebuild).await?);
    stores.time.advance(REBUILD_LEASE / 2).await;
    assert_eq!(rebuilds.claim(other).await?, None, "it goes on");
    stores.time.advance(REBUILD_LEASE).await;
    let taken = rebuilds.claim(other).await?.context("its worker is silent")?;
    assert_eq!(taken, rebuild);
    assert!(!rebuilds.advance(lost, &rebuild).await?, "it is somebody else's now");
    assert!(!rebuilds.finish(lost, rebuild.id, None).await?);
    assert!(rebuilds.finish(other, rebuild.id, None).await?);
    assert_eq!(rebuilds.latest().await?.and_then(|latest| latest.error).as_deref(), Some("one card"), "it stays");
    Ok(())
}
