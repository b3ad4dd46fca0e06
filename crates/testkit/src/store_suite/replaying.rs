//! Events that go to a queue again.

use std::time::Duration;

use anyhow::Context as _;
use cardwire_domain::accounts::{Account, Admission};
use cardwire_domain::imports::ImportRow;
use cardwire_domain::search::SearchRequest;
use cardwire_domain::user::User;
use cardwire_domain::{CardId, PageRequest, UserId};
use cardwire_events::Queue;
use cardwire_events::operations::{Owing, REBUILD_LEASE, Replay, ReplayId, ReplayOf, RunLease};
use jiff::Timestamp;

use super::scene::{PLENTY, importing, person};
use super::{Stores, Tested};

const URL: &str = "https://example.com/bread";

fn operator() -> UserId {
    person("operator")
}

/// All that any clock has stamped.
fn ever(queue: Queue) -> ReplayOf {
    let end = "2999-01-01T00:00:00Z".parse().expect("a time");
    ReplayOf::everything(queue, Timestamp::UNIX_EPOCH, end)
}

async fn start(stores: &Stores, of: &ReplayOf) -> anyhow::Result<Replay> {
    let total = stores.replays.count(of).await?;
    let (replay, new) = stores.replays.request_replay(&operator(), of, total).await?;
    assert!(new);
    Ok(replay)
}

async fn latest(stores: &Stores) -> anyhow::Result<Replay> {
    stores.replays.replays(1).await?.into_iter().next().context("nothing was replayed")
}

/// From its beginning to its end.
async fn replay(stores: &Stores, of: &ReplayOf) -> anyhow::Result<Replay> {
    start(stores, of).await?;
    let lease = RunLease::generate();
    let claimed = stores.replays.claim_replay(lease).await?.context("nobody runs it")?;
    for _ in 0..PLENTY {
        match stores.replays.owe_again(lease, claimed.id, 2).await? {
            Owing::More => {}
            Owing::All => break,
            Owing::Lost => anyhow::bail!("nobody else runs it"),
        }
    }
    assert!(stores.replays.finish_replay(lease, claimed.id, None).await?);
    latest(stores).await
}

/// Everything takes its effect.
async fn settle(stores: &Stores) -> Tested {
    stores.flush_feed().await?;
    stores.index_all().await?;
    let events = stores.deliver(Queue::Analytics).await?;
    stores.analytics.count(&events).await?;
    stores.records.owe(&stores.deliver(Queue::Records).await?, false).await?;
    Ok(())
}

pub async fn a_dry_run_counts_what_would_be_replayed(stores: Stores) -> Tested {
    let (alice, bob) = (person("alice"), person("bob"));
    let card = stores.save(&alice, URL).await?.url_card_id;
    stores.save(&bob, URL).await?;
    stores.save_with(&alice, URL, Some("a note"), &[]).await?;
    let count = async |of: &ReplayOf| stores.replays.count(of).await;
    let all = ever(Queue::Search);
    assert_eq!(count(&all).await?, 3);
    assert_eq!(count(&ever(Queue::Feeds)).await?, 2, "notes are no news");
    let kind = Some("CardNoteChanged.v1".to_owned());
    assert_eq!(count(&ReplayOf { kind, ..all.clone() }).await?, 1);
    assert_eq!(count(&ReplayOf { card_id: Some(card), ..all.clone() }).await?, 2);
    assert_eq!(count(&ReplayOf { card_id: Some(CardId::generate()), ..all.clone() }).await?, 0);
    assert_eq!(count(&ReplayOf { person: Some(bob), ..all.clone() }).await?, 1);
    let at = stores.library.library_card(card, None).await?.added_at;
    assert_eq!(count(&ReplayOf { until: at, ..all.clone() }).await?, 0, "until is not included");
    assert_eq!(count(&ReplayOf { from: at, ..all }).await?, 3, "from is");
    assert!(stores.operator.audit(None, 1).await?.is_empty(), "counting is no action");
    Ok(())
}

pub async fn events_are_owed_again_in_portions(stores: Stores) -> Tested {
    for n in 0..5 {
        stores.save(&person("alice"), &format!("https://example.com/{n}")).await?;
    }
    settle(&stores).await?;
    assert_eq!(stores.owed(Queue::Search).await?, 0);
    start(&stores, &ever(Queue::Search)).await?;
    let entry = stores.operator.audit(None, 1).await?.remove(0);
    assert_eq!((entry.action.as_str(), entry.queue, entry.affected), ("replay.start", Some(Queue::Search), 1));
    assert!(entry.completed_at.is_some() && entry.parameters["from"].is_string(), "{entry:?}");
    let lease = RunLease::generate();
    let claimed = stores.replays.claim_replay(lease).await?.context("nobody runs it")?;
    assert_eq!((claimed.total, claimed.done), (5, 0));
    for (owing, owed) in [(Owing::More, 2), (Owing::More, 4), (Owing::All, 5)] {
        assert_eq!(stores.replays.owe_again(lease, claimed.id, 2).await?, owing);
        assert_eq!(stores.owed(Queue::Search).await?, owed);
        assert_eq!(latest(&stores).await?.done, owed);
    }
    assert!(stores.replays.finish_replay(lease, claimed.id, None).await?);
    assert!(latest(&stores).await?.finished_at.is_some());
    assert_eq!(stores.owed(Queue::Feeds).await? + stores.owed(Queue::Analytics).await?, 0, "to that queue alone");
    assert_eq!(stores.deliver(Queue::Search).await?.len(), 5, "they are published at once");
    let backlog = stores.log.backlog().await?;
    assert!(backlog.iter().all(|of| of.owed <= 5), "none is owed twice");
    Ok(())
}

pub async fn a_replay_goes_on_where_its_process_was_lost(stores: Stores) -> Tested {
    for n in 0..4 {
        stores.save(&person("alice"), &format!("https://example.com/{n}")).await?;
    }
    settle(&stores).await?;
    start(&stores, &ever(Queue::Search)).await?;
    let (lost, other) = (RunLease::generate(), RunLease::generate());
    let id = stores.replays.claim_replay(lost).await?.context("nobody runs it")?.id;
    assert_eq!(stores.replays.owe_again(lost, id, 3).await?, Owing::More);
    assert!(stores.replays.claim_replay(other).await?.is_none(), "somebody runs it");
    stores.time.advance(REBUILD_LEASE + Duration::from_secs(1)).await;
    let taken = stores.replays.claim_replay(other).await?.context("its process is silent")?;
    assert_eq!((taken.id, taken.done), (id, 3));
    assert_eq!(stores.replays.owe_again(lost, id, 3).await?, Owing::Lost);
    assert!(!stores.replays.finish_replay(lost, id, None).await?);
    assert!(!stores.replays.advance_replay(lost, &taken).await?);
    assert_eq!(stores.replays.owe_again(other, id, 3).await?, Owing::All);
    assert_eq!((stores.owed(Queue::Search).await?, latest(&stores).await?.done), (4, 4));
    assert!(stores.replays.finish_replay(other, id, Some("no way")).await?);
    assert_eq!(latest(&stores).await?.error.as_deref(), Some("no way"));
    Ok(())
}

pub async fn a_replay_is_cancelled(stores: Stores) -> Tested {
    for n in 0..4 {
        stores.save(&person("alice"), &format!("https://example.com/{n}")).await?;
    }
    settle(&stores).await?;
    let id = start(&stores, &ever(Queue::Search)).await?.id;
    let lease = RunLease::generate();
    stores.replays.claim_replay(lease).await?.context("nobody runs it")?;
    assert_eq!(stores.replays.owe_again(lease, id, 2).await?, Owing::More);
    assert!(stores.replays.cancel_replay(&operator(), id).await?);
    assert_eq!(stores.replays.owe_again(lease, id, 2).await?, Owing::Lost);
    assert_eq!(stores.owed(Queue::Search).await?, 2, "what was done stays");
    let cancelled = latest(&stores).await?;
    assert!(cancelled.is_cancelled && cancelled.finished_at.is_some());
    let entry = stores.operator.audit(None, 1).await?.remove(0);
    assert_eq!((entry.action.as_str(), entry.target), ("replay.cancel", Some(id.to_string())));
    assert!(!stores.replays.cancel_replay(&operator(), id).await?, "it is over");
    assert!(!stores.replays.cancel_replay(&operator(), ReplayId(9_999)).await?);
    assert_eq!(stores.operator.audit(None, PLENTY).await?.len(), 2, "what came to nothing is not written down");
    Ok(())
}

pub async fn one_replay_of_a_queue_is_asked_for_at_a_time(stores: Stores) -> Tested {
    let first = start(&stores, &ever(Queue::Search)).await?;
    let (same, new) = stores.replays.request_replay(&operator(), &ever(Queue::Search), 7).await?;
    assert_eq!((same.id, new), (first.id, false));
    let entry = stores.operator.audit(None, 1).await?.remove(0);
    assert_eq!((entry.action.as_str(), entry.affected), ("replay.start", 0));
    let (other, new) = stores.replays.request_replay(&operator(), &ever(Queue::Feeds), 0).await?;
    assert!(new && other.id > first.id);
    assert_eq!(other.of, ever(Queue::Feeds));
    let taken = [
        stores.replays.claim_replay(RunLease::generate()).await?.map(|replay| replay.id),
        stores.replays.claim_replay(RunLease::generate()).await?.map(|replay| replay.id),
        stores.replays.claim_replay(RunLease::generate()).await?.map(|replay| replay.id),
    ];
    assert_eq!(taken, [Some(first.id), Some(other.id), None]);
    let narrow = ReplayOf {
        kind: Some("CardAddedToLibrary.v2".into()),
        card_id: Some(CardId::generate()),
        person: Some(person("alice")),
        ..ever(Queue::Analytics)
    };
    let (kept, _) = stores.replays.request_replay(&operator(), &narrow, 3).await?;
    assert_eq!((kept.of, kept.total), (narrow, 3), "it is kept as it was asked for");
    Ok(())
}

pub async fn replayed_events_make_no_second_activity(stores: Stores) -> Tested {
    let alice = person("alice");
    for n in 0..3 {
        stores.save(&alice, &format!("https://example.com/{n}")).await?;
        stores.time.advance(Duration::from_secs(10)).await;
    }
    settle(&stores).await?;
    let before = stores.feed_items(None).await?;
    assert_eq!(before.len(), 3);
    for queue in [Queue::Feeds, Queue::Feeds] {
        assert_eq!(replay(&stores, &ever(queue)).await?.done, 3);
        assert_eq!(stores.owed(queue).await?, 3);
        settle(&stores).await?;
        assert_eq!(stores.owed(queue).await?, 0);
        assert_eq!(stores.feed_items(None).await?, before);
    }
    Ok(())
}

pub async fn what_was_no_news_is_none_when_it_is_replayed(stores: Stores) -> Tested {
    let row = |n: usize| ImportRow { url: format!("https://example.com/{n}"), ..ImportRow::default() };
    stores.run(&person("alice"), &importing((0..3).map(row).collect())).await?;
    stores.save(&person("bob"), URL).await?;
    settle(&stores).await?;
    assert_eq!(stores.feed_items(None).await?.len(), 1);
    assert_eq!(stores.replays.count(&ever(Queue::Search)).await?, 4);
    assert_eq!(replay(&stores, &ever(Queue::Feeds)).await?.done, 1, "the feed was not told of the import");
    settle(&stores).await?;
    assert_eq!(stores.feed_items(None).await?.len(), 1);
    Ok(())
}

pub async fn a_card_is_indexed_as_it_is_now(stores: Stores) -> Tested {
    let alice = person("alice");
    let kept = stores.save(&alice, URL).await?.url_card_id;
    let gone = stores.save(&alice, "https://example.com/gone").await?.url_card_id;
    stores.remove(&alice, gone).await?;
    settle(&stores).await?;
    assert_eq!(replay(&stores, &ever(Queue::Search)).await?.done, 3);
    settle(&stores).await?;
    let request = SearchRequest { text: "example".into(), ..SearchRequest::default() };
    let found = stores.search.search(&request, &PageRequest::default()).await?;
    assert_eq!(found.items.len(), 1);
    assert_eq!(found.items[0].card_ids, [kept]);
    Ok(())
}

pub async fn nothing_of_somebody_who_is_leaving_is_replayed(stores: Stores) -> Tested {
    let user = User { id: person("alice"), handle: "alice".into() };
    let account = Account { user, password_hash: "$argon2id$".into() };
    stores.accounts.create_account(&account, &Admission::Open).await?;
    stores.save(&account.user.id, URL).await?;
    stores.save(&person("bob"), URL).await?;
    settle(&stores).await?;
    assert_eq!(stores.replays.count(&ever(Queue::Feeds)).await?, 2);
    assert!(stores.accounts.delete_account(&account).await?);
    assert_eq!(stores.replays.count(&ever(Queue::Feeds)).await?, 1);
    assert_eq!(replay(&stores, &ever(Queue::Feeds)).await?.done, 1);
    let owed = stores.deliver(Queue::Feeds).await?;
    assert_eq!(owed.iter().map(|event| event.event.actor_id()).collect::<Vec<_>>(), [&person("bob")]);
    Ok(())
}

pub async fn nothing_is_pruned_while_events_are_replayed(stores: Stores) -> Tested {
    stores.save(&person("alice"), URL).await?;
    settle(&stores).await?;
    stores.time.advance(Duration::from_secs(3_600)).await;
    let replay = start(&stores, &ever(Queue::Search)).await?;
    let keep = Duration::from_secs(60);
    assert_eq!(stores.log.prune(keep).await?, 0);
    assert_eq!(stores.replays.count(&ever(Queue::Search)).await?, 1);
    assert!(stores.replays.cancel_replay(&operator(), replay.id).await?);
    assert_eq!(stores.log.prune(keep).await?, 1);
    Ok(())
}
