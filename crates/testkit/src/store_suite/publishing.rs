//! Records in people's own repositories: what is owed, whose turn it is, and what is kept of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use cardwire_domain::atproto::{Connecting, ConnectionKind, NewConnection, Sealed};
use cardwire_domain::collection::AccessType;
use cardwire_domain::records::{
    Attempt, Done, Ending, FailingPerson, FailingTotals, Outcome, PublishingState, RecordKind, Subject, Todo, Turn,
    Wanted,
};
use cardwire_domain::use_cases::{
    DeleteCollection, HideCard, Parting, UpdateCollection, UpdateUrlCardAssociations, let_person_go,
};
use cardwire_domain::{CollectionId, DomainEvent, LinkId, RecordedEvent, UserId, Visibility};
use cardwire_events::{DeadSelection, Failure, Queue, QueueSettings, Verdict};

use super::scene::{PLENTY, person};
use super::{Stores, Tested};

pub(super) const LEASE: Duration = Duration::from_secs(60);
pub(super) const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const PREFIX: &str = "network.cosmik";

impl Stores {
    /// Works off the queue.
    pub(super) async fn settle_records(&self) -> anyhow::Result<usize> {
        Ok(self.records.owe(&self.deliver(Queue::Records).await?, false).await?)
    }

    pub(super) async fn turn(&self) -> anyhow::Result<Turn> {
        let turn = self.records.begin_turn(LEASE).await?.context("nobody is due")?;
        if turn.is_new {
            self.records.owe_everything(&turn).await?;
        }
        Ok(turn)
    }

    /// Ends everybody's turns as if a server had taken everything. Returns what was written (true) or deleted.
    pub(super) async fn publish(&self) -> anyhow::Result<BTreeMap<(UserId, Subject), bool>> {
        self.settle_records().await?;
        let mut written = BTreeMap::new();
        while let Some(turn) = self.records.begin_turn(LEASE).await? {
            if turn.is_new {
                self.records.owe_everything(&turn).await?;
            }
            let todo = self.records.todo(&turn, 200).await?;
            let attempts: Vec<Attempt> = todo.iter().filter(|item| item.wanted.is_some()).map(attempt).collect();
            ensure!(self.records.attempt(&turn, &attempts, 1, LEASE).await?);
            let done: Vec<Done> = todo.iter().map(taken).collect();
            for done in &done {
                match done.outcome {
                    Outcome::Published { .. } => written.insert((turn.person.clone(), done.subject), true),
                    Outcome::Deleted => written.insert((turn.person.clone(), done.subject), false),
                    _ => None,
                };
            }
            ensure!(self.records.end_turn(&turn, &done, &Ending::Further).await?);
        }
        Ok(written)
    }

    pub(super) async fn connected(&self, name: &str) -> anyhow::Result<UserId> {
        let who = person(name);
        self.records.connect(&who, who.as_str()).await?;
        Ok(who)
    }

    /// As somebody with an account does.
    async fn connect_account(&self, who: &UserId, did: &str) -> Tested {
        let connection = NewConnection {
            person: who.clone(),
            did: UserId::parse(did)?,
            handle: None,
            service: "https://pds.example.com".to_owned(),
            kind: ConnectionKind::OAuth,
            session: Sealed(vec![1]),
        };
        let connecting = self.accounts.connect(&connection).await?;
        ensure!(matches!(connecting, Connecting::Connected { .. }), "{connecting:?}");
        Ok(())
    }

    async fn counted(&self, who: &UserId) -> anyhow::Result<(u64, u64)> {
        let counts = self.records.record_counts(who).await?.context("nobody is connected")?;
        Ok((counts.published, counts.waiting))
    }
}

fn attempt(item: &Todo) -> Attempt {
    let link = match &item.wanted {
        Some(Wanted::Link(link)) => Some((link.card, link.collection)),
        _ => None,
    };
    let Subject { kind, id } = item.subject;
    Attempt { subject: item.subject, nsid: format!("{PREFIX}.{}", kind.name()), rkey: id.to_string(), link }
}

fn taken(item: &Todo) -> Done {
    let outcome = match (&item.wanted, &item.kept) {
        (Some(_), Some(kept)) if kept.cid.is_some() && !kept.is_in_doubt => Outcome::Unchanged,
        (Some(wanted), _) => Outcome::Published { cid: "bafy".to_owned(), digest: format!("{wanted:?}").into_bytes() },
        (None, Some(_)) => Outcome::Deleted,
        (None, None) => Outcome::Unchanged,
    };
    Done { subject: item.subject, stamp: item.stamp, outcome }
}

fn kinds(todo: &[Todo]) -> Vec<(RecordKind, bool)> {
    todo.iter().map(|item| (item.subject.kind, item.wanted.is_some())).collect()
}

pub async fn people_without_a_repository_are_owed_nothing(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save(&alice, "https://a.example/").await?;
    ensure!(stores.settle_records().await? == 1);
    ensure!(stores.owed(Queue::Records).await? == 0);
    ensure!(stores.records.begin_turn(LEASE).await?.is_none());
    ensure!(stores.records.record_counts(&alice).await?.is_none());
    Ok(())
}

pub async fn connecting_owes_what_is_public_and_nothing_else(stores: Stores) -> Tested {
    let alice = person("alice");
    let open = stores.collection(&alice, "Open", AccessType::Open).await?;
    let closed = stores.collection(&alice, "Mine", AccessType::Closed).await?;
    see(&stores, &alice, closed, "Mine", Visibility::Private).await?;
    let shown = stores.save_with(&alice, "https://a.example/", Some("whispered"), &[open, closed]).await?;
    stores.save_privately(&alice, "https://b.example/", None, &[open]).await?;
    let hidden = stores.save(&alice, "https://c.example/").await?.url_card_id;
    stores.run(&alice, &HideCard { card_id: hidden.to_string(), reason: "spam".to_owned() }).await?;
    stores.settle_records().await?;
    stores.connected("alice").await?;
    let turn = stores.turn().await?;
    let todo = stores.records.todo(&turn, 200).await?;
    let expected = [(RecordKind::Card, true), (RecordKind::Collection, true), (RecordKind::Link, true)];
    ensure!(kinds(&todo) == expected, "{todo:?}");
    ensure!(todo[0].subject == Subject::card(shown.url_card_id) && todo[1].subject == Subject::collection(open));
    ensure!(!format!("{todo:?}").contains("whispered"));
    Ok(())
}

pub async fn an_event_owes_what_it_touches_and_is_owed_no_more(stores: Stores) -> Tested {
    let alice = stores.connected("alice").await?;
    ensure!(stores.publish().await?.is_empty());
    let card = stores.save(&alice, "https://a.example/").await?.url_card_id;
    let events = stores.deliver(Queue::Records).await?;
    ensure!(stores.records.owe(&events, false).await? == 1);
    ensure!(stores.records.owe(&events, false).await? == 0, "a copy owes nothing");
    ensure!(stores.owed(Queue::Records).await? == 0);
    ensure!(stores.counted(&alice).await? == (0, 1));
    let written = stores.publish().await?;
    ensure!(written == BTreeMap::from([((alice.clone(), Subject::card(card)), true)]), "{written:?}");
    ensure!(stores.counted(&alice).await? == (1, 0));
    ensure!(stores.publish().await?.is_empty(), "nothing is left to do");
    Ok(())
}

pub async fn one_worker_at_a_time_publishes_for_a_person(stores: Stores) -> Tested {
    let alice = stores.connected("alice").await?;
    let card = stores.save(&alice, "https://a.example/").await?.url_card_id;
    stores.settle_records().await?;
    let first = stores.turn().await?;
    ensure!(stores.records.begin_turn(LEASE).await?.is_none());
    let todo = stores.records.todo(&first, 200).await?;
    let attempts: Vec<Attempt> = todo.iter().map(attempt).collect();
    ensure!(stores.records.attempt(&first, &attempts, 3, LEASE).await?);
    stores.time.advance(LEASE + SECOND).await;
    let second = stores.turn().await?;
    let done: Vec<Done> = todo.iter().map(taken).collect();
    ensure!(!stores.records.end_turn(&first, &done, &Ending::Further).await?, "the first one comes too late");
    ensure!(!stores.records.attempt(&first, &attempts, 3, LEASE).await?);
    let again = stores.records.todo(&second, 200).await?;
    let kept = again[0].kept.as_ref().context("its key is kept")?;
    ensure!(again.len() == 1 && again[0].subject == Subject::card(card));
    ensure!(kept.rkey == attempts[0].rkey && kept.is_in_doubt && kept.cid.is_none(), "{kept:?}");
    ensure!(second.spent.hour == 3, "{:?}", second.spent);
    Ok(())
}

pub async fn what_is_owed_during_a_turn_is_done_in_the_next(stores: Stores) -> Tested {
    let alice = stores.connected("alice").await?;
    let card = stores.save(&alice, "https://a.example/").await?.url_card_id;
    stores.settle_records().await?;
    let turn = stores.turn().await?;
    let todo = stores.records.todo(&turn, 200).await?;
    let attempts: Vec<Attempt> = todo.iter().map(attempt).collect();
    ensure!(stores.records.attempt(&turn, &attempts, 3, LEASE).await?);
    stores.let_see(&alice, card, Visibility::Private).await?;
    stores.settle_records().await?;
    let done: Vec<Done> = todo.iter().map(taken).collect();
    ensure!(stores.records.end_turn(&turn, &done, &Ending::OutOfBudget(HOUR)).await?);
    let written = stores.publish().await?;
    ensure!(written == BTreeMap::from([((alice, Subject::card(card)), false)]), "{written:?}");
    Ok(())
}

pub async fn what_others_see_no_more_is_deleted_and_comes_back(stores: Stores) -> Tested {
    let alice = stores.connected("alice").await?;
    let bob = stores.connected("bob").await?;
    let shared = stores.collection(&alice, "Shared", AccessType::Open).await?;
    let ours = stores.save_with(&alice, "https://a.example/", None, &[shared]).await?;
    stores.save_with(&bob, "https://b.example/", None, &[shared]).await?;
    stores.publish().await?;
    stores.publish().await?;
    ensure!(stores.counted(&alice).await? == (3, 0) && stores.counted(&bob).await? == (2, 0));

    see(&stores, &alice, shared, "Shared", Visibility::Private).await?;
    let gone = stores.publish().await?;
    ensure!(gone.len() == 3 && gone.values().all(|written| !written), "{gone:?}");
    ensure!(stores.counted(&alice).await? == (1, 0) && stores.counted(&bob).await? == (1, 0));

    see(&stores, &alice, shared, "Shared", Visibility::Public).await?;
    stores.publish().await?;
    ensure!(stores.counted(&alice).await? == (3, 0) && stores.counted(&bob).await? == (2, 0));

    stores.let_see(&alice, ours.url_card_id, Visibility::Private).await?;
    stores.publish().await?;
    ensure!(stores.counted(&alice).await? == (1, 0), "the card and its link are gone, the collection stays");

    stores.run(&alice, &DeleteCollection { id: shared.to_string() }).await?;
    let gone = stores.publish().await?;
    ensure!(gone.len() == 2 && gone.values().all(|written| !written), "{gone:?}");
    stores.let_all_go(10).await?;
    ensure!(stores.publish().await?.is_empty());
    Ok(())
}

pub async fn an_author_removes_what_somebody_elses_repository_holds(stores: Stores) -> Tested {
    let alice = stores.connected("alice").await?;
    let bob = stores.connected("bob").await?;
    let shared = stores.collection(&alice, "Shared", AccessType::Open).await?;
    stores.publish().await?;
    let card = stores.save_with(&bob, "https://b.example/", None, &[shared]).await?.url_card_id;
    let written = stores.publish().await?;
    let link = written.keys().find(|(_, subject)| subject.kind == RecordKind::Link).context("a link")?.1;
    stores.uncollect(&alice, card, &[shared]).await?;
    let written = stores.publish().await?;
    let removal = Subject::removal(LinkId::from_ulid(link.id));
    let expected = BTreeMap::from([((alice.clone(), removal), true), ((bob.clone(), link), false)]);
    ensure!(written == expected, "{written:?}");
    Ok(())
}

pub async fn a_changed_title_or_collection_is_looked_at_again(stores: Stores) -> Tested {
    let alice = stores.connected("alice").await?;
    let shared = stores.collection(&alice, "Before", AccessType::Open).await?;
    let card = stores.save(&alice, "https://a.example/").await?.url_card_id;
    stores.publish().await?;
    see(&stores, &alice, shared, "After", Visibility::Public).await?;
    let title = Some("Mine".to_owned());
    let command = UpdateUrlCardAssociations { card_id: card.to_string(), title, ..Default::default() };
    stores.run(&alice, &command).await?;
    stores.settle_records().await?;
    let turn = stores.turn().await?;
    let said = format!("{:?}", stores.records.todo(&turn, 200).await?);
    ensure!(said.contains("\"After\"") && said.contains("\"Mine\""), "{said}");
    Ok(())
}

pub async fn a_pause_holds_for_one_person_and_ends_by_hand(stores: Stores) -> Tested {
    let alice = stores.connected("alice").await?;
    let bob = stores.connected("bob").await?;
    for who in [&alice, &bob] {
        stores.save(who, "https://a.example/").await?;
    }
    stores.settle_records().await?;
    let turn = stores.turn().await?;
    let reason = "the server does not answer".to_owned();
    let ending = Ending::Paused { pause: HOUR, reason: reason.clone(), is_asked: false };
    ensure!(stores.records.end_turn(&turn, &[], &ending).await?);
    let paused = turn.person.clone();
    let counts = stores.records.record_counts(&paused).await?.context("is connected")?;
    ensure!(counts.state == PublishingState::Failing && counts.last_error == Some(reason), "{counts:?}");
    ensure!(counts.paused_until.is_some() && counts.waiting == 1);
    let written = stores.publish().await?;
    ensure!(written.len() == 1 && written.keys().all(|(who, _)| *who != paused), "{written:?}");
    stores.records.publish_again(&paused).await?;
    ensure!(stores.publish().await?.len() == 1);

    stores.save(&paused, "https://b.example/").await?;
    stores.settle_records().await?;
    let turn = stores.turn().await?;
    ensure!(stores.records.end_turn(&turn, &[], &Ending::Ended("revoked".to_owned())).await?);
    stores.time.advance(100 * HOUR).await;
    ensure!(stores.publish().await?.is_empty(), "nothing is sent without a session");
    stores.records.connect(&paused, paused.as_str()).await?;
    ensure!(stores.publish().await?.len() == 1);
    Ok(())
}

pub async fn operators_see_for_whom_publishing_fails_and_since_when(stores: Stores) -> Tested {
    let away = Ending::Paused { pause: HOUR, reason: "the server is away".to_owned(), is_asked: false };
    let failing = async |state| stores.records.failing_people(state, None, 10).await;
    for (name, saves) in [("alice", 2), ("bob", 1), ("carol", 1), ("dave", 1)] {
        let who = stores.connected(name).await?;
        for n in 0..saves {
            stores.save(&who, &format!("https://{n}.example/")).await?;
        }
        stores.settle_records().await?;
        let turn = stores.turn().await?;
        ensure!(turn.person == who, "{turn:?}");
        let ending = match name {
            "alice" | "bob" => away.clone(),
            "carol" => Ending::Ended("revoked".to_owned()),
            _ => Ending::Paused { pause: HOUR, reason: "slow down".to_owned(), is_asked: true },
        };
        ensure!(stores.records.end_turn(&turn, &[], &ending).await?);
    }
    let totals = stores.records.failing_totals().await?;
    ensure!(totals == FailingTotals { people: 2, waiting: 3 }, "{totals:?}");
    ensure!(stores.records.record_totals().await?.failing == 2, "who has to connect again is not counted");
    let listed = failing(PublishingState::Failing).await?;
    let [alice, bob] = listed.as_slice() else { anyhow::bail!("two people: {listed:?}") };
    let since = alice.since.context("since when")?;
    let until = alice.paused_until.context("until when")?;
    ensure!(until.duration_since(since) >= jiff::SignedDuration::from_mins(59), "{alice:?}");
    let expected = FailingPerson {
        person: person("alice"),
        did: person("alice").to_string(),
        service: None,
        state: PublishingState::Failing,
        reason: Some("the server is away".to_owned()),
        since: Some(since),
        attempts: 1,
        paused_until: Some(until),
        waiting: 2,
    };
    ensure!(*alice == expected && bob.person == person("bob") && bob.waiting == 1, "{listed:?}");
    let behind = stores.records.failing_people(PublishingState::Failing, Some(&alice.person), 10).await?;
    ensure!(
        behind == [bob.clone()] && stores.records.failing_people(PublishingState::Failing, None, 1).await?.len() == 1
    );
    let ended = failing(PublishingState::Ended).await?;
    ensure!(ended.len() == 1 && ended[0].person == person("carol") && ended[0].paused_until.is_none(), "{ended:?}");
    for other in [PublishingState::Ok, PublishingState::Limited] {
        ensure!(failing(other).await?.is_empty(), "{other:?}");
    }

    // Another failure leaves the time of the first, however somebody tries again.
    stores.records.publish_again(&person("alice")).await?;
    ensure!(stores.records.failing_totals().await?.people == 1, "it is being tried");
    let turn = stores.turn().await?;
    ensure!(turn.person == person("alice") && stores.records.end_turn(&turn, &[], &away).await?);
    let again = failing(PublishingState::Failing).await?;
    ensure!(again[0].since == Some(since), "{again:?}");

    stores.time.advance(2 * HOUR).await;
    stores.publish().await?;
    ensure!(stores.records.failing_totals().await? == FailingTotals::default());
    stores.save(&person("bob"), "https://late.example/").await?;
    stores.settle_records().await?;
    let turn = stores.turn().await?;
    ensure!(stores.records.end_turn(&turn, &[], &away).await?);
    let later = failing(PublishingState::Failing).await?;
    ensure!(later.len() == 1 && later[0].since > Some(since) && later[0].attempts == 1, "{later:?}");

    stores.records.disconnect(&person("bob")).await?;
    ensure!(failing(PublishingState::Failing).await?.is_empty() && stores.records.failing_totals().await?.people == 0);
    Ok(())
}

pub async fn another_repository_gets_everything_and_none_gets_nothing(stores: Stores) -> Tested {
    let alice = stores.connected("alice").await?;
    stores.save(&alice, "https://a.example/").await?;
    ensure!(stores.publish().await?.len() == 1);
    stores.records.connect(&alice, alice.as_str()).await?;
    ensure!(stores.publish().await?.is_empty(), "it is there already");
    stores.records.connect(&alice, "did:plc:other").await?;
    ensure!(stores.publish().await?.len() == 1);
    stores.records.disconnect(&alice).await?;
    stores.save(&alice, "https://b.example/").await?;
    ensure!(stores.publish().await?.is_empty() && stores.records.record_counts(&alice).await?.is_none());
    Ok(())
}

pub async fn stand_ins_are_there_for_everybody(stores: Stores) -> Tested {
    let alice = person("alice");
    stores.save(&alice, "https://a.example/").await?;
    ensure!(stores.records.owe(&stores.deliver(Queue::Records).await?, true).await? == 1);
    let turn = stores.turn().await?;
    ensure!(turn.person == alice && turn.did == "did:fake:plc:alice", "{turn:?}");
    ensure!(stores.records.todo(&turn, 10).await?.len() == 1);
    Ok(())
}

pub async fn connecting_an_account_publishes_what_is_public_until_it_is_disconnected(stores: Stores) -> Tested {
    let alice = stores.sign_up("alice").await?.user.id;
    stores.save(&alice, "https://a.example/").await?;
    stores.save_privately(&alice, "https://secret.example/", None, &[]).await?;
    // While there is a stand-in.
    stores.records.owe(&stores.deliver(Queue::Records).await?, true).await?;
    ensure!(stores.publish().await?.len() == 1);

    stores.connect_account(&alice, "did:plc:first").await?;
    let turn = stores.turn().await?;
    ensure!(turn.person == alice && turn.did == "did:plc:first", "{turn:?}");
    let todo = stores.records.todo(&turn, 200).await?;
    ensure!(kinds(&todo) == [(RecordKind::Card, true)] && todo[0].kept.is_none(), "{todo:?}");
    ensure!(stores.records.end_turn(&turn, &[], &Ending::Further).await?);
    ensure!(stores.publish().await?.len() == 1);

    stores.save(&alice, "https://b.example/").await?;
    stores.settle_records().await?;
    let turn = stores.turn().await?;
    let ending = Ending::Paused { pause: HOUR, reason: "away".to_owned(), is_asked: false };
    ensure!(stores.records.end_turn(&turn, &[], &ending).await?);
    ensure!(stores.publish().await?.is_empty());
    stores.connect_account(&alice, "did:plc:first").await?;
    let counts = stores.records.record_counts(&alice).await?.context("is connected")?;
    ensure!(counts.state == PublishingState::Ok && counts.paused_until.is_none(), "{counts:?}");
    ensure!(stores.publish().await?.len() == 1, "what is there already is not written again");

    ensure!(stores.accounts.disconnect(&alice).await?.is_some());
    stores.save(&alice, "https://c.example/").await?;
    stores.settle_records().await?;
    ensure!(stores.records.begin_turn(LEASE).await?.is_none());
    ensure!(stores.records.record_counts(&alice).await?.is_none());

    stores.connect_account(&alice, "did:plc:second").await?;
    let written = stores.publish().await?;
    ensure!(written.len() == 3 && written.values().all(|written| *written), "{written:?}");
    Ok(())
}

pub async fn a_turn_from_before_a_new_connection_keeps_nothing(stores: Stores) -> Tested {
    let alice = stores.sign_up("alice").await?.user.id;
    stores.connect_account(&alice, "did:plc:first").await?;
    stores.save(&alice, "https://a.example/").await?;
    stores.settle_records().await?;
    let turn = stores.turn().await?;
    stores.connect_account(&alice, "did:plc:second").await?;
    ensure!(!stores.records.end_turn(&turn, &[], &Ending::Ended("revoked".to_owned())).await?);
    ensure!(stores.records.begin_turn(LEASE).await?.is_none(), "what it has sent may still arrive");
    stores.time.advance(LEASE + SECOND).await;
    let turn = stores.turn().await?;
    ensure!(turn.did == "did:plc:second" && stores.records.todo(&turn, 200).await?.len() == 1, "{turn:?}");
    Ok(())
}

pub async fn an_account_is_deleted_after_its_records(stores: Stores) -> Tested {
    let account = stores.sign_up("alice").await?;
    let alice = account.user.id.clone();
    stores.connect_account(&alice, "did:plc:alicesown").await?;
    stores.save(&alice, "https://a.example/").await?;
    ensure!(stores.publish().await?.len() == 1);
    ensure!(stores.accounts.delete_account(&account).await?);
    for _ in 0..20 {
        let parting = let_person_go(&*stores.store, 100).await?;
        ensure!(parting != Parting::Nobody, "the record is still there");
        stores.work_off().await?;
    }
    ensure!(stores.counted(&alice).await? == (1, 1), "it waits for its deletion");
    ensure!(stores.accounts.connected_leavers().await?.is_empty(), "its session is still needed");
    ensure!(stores.publish().await?.values().eq([&false]));
    stores.let_leave().await?;
    ensure!(stores.naming(&account).await.is_empty() && stores.time.holding("did:plc:alicesown").await.is_empty());
    Ok(())
}

pub async fn an_account_is_deleted_although_nothing_can_be_sent(stores: Stores) -> Tested {
    let account = stores.sign_up("alice").await?;
    let alice = account.user.id.clone();
    stores.records.connect(&alice, "did:plc:alicesown").await?;
    stores.save(&alice, "https://a.example/").await?;
    ensure!(stores.publish().await?.len() == 1);
    stores.records.publish_again(&alice).await?;
    let turn = stores.turn().await?;
    ensure!(stores.records.end_turn(&turn, &[], &Ending::Ended("revoked".to_owned())).await?);
    ensure!(stores.accounts.delete_account(&account).await?);
    stores.let_leave().await?;
    ensure!(stores.naming(&account).await.is_empty());
    Ok(())
}

pub async fn an_account_leaves_nothing_behind_although_its_last_event_was_discarded(stores: Stores) -> Tested {
    let account = stores.sign_up("alice").await?;
    stores.connect_account(&account.user.id, "did:plc:alicesown").await?;
    stores.save(&account.user.id, "https://a.example/").await?;
    ensure!(stores.publish().await?.len() == 1);
    ensure!(stores.accounts.delete_account(&account).await?);
    let mut discarded = 0;
    for _ in 0..PLENTY {
        match let_person_go(&*stores.store, 100).await? {
            Parting::Nobody => {
                ensure!(discarded == 1 && stores.naming(&account).await.is_empty());
                ensure!(stores.time.holding("did:plc:alicesown").await.is_empty());
                return Ok(());
            }
            Parting::Further => {}
            Parting::Waits => {
                let events = stores.deliver(Queue::Records).await?.into_iter();
                let (last, others): (Vec<RecordedEvent>, Vec<RecordedEvent>) =
                    events.partition(|event| matches!(event.event, DomainEvent::AccountDeleted { .. }));
                for event in last {
                    let failure = Failure { event_id: event.id, error: "bad".into(), verdict: Verdict::Reject };
                    stores.log.fail(Queue::Records, &[failure], &QueueSettings::of(Queue::Records)).await?;
                }
                stores.records.owe(&others, false).await?;
                stores.publish().await?;
                stores.work_off().await?;
            }
            Parting::WaitsForDead { event, .. } => {
                discarded += stores.log.discard(Queue::Records, &DeadSelection::Ids(vec![event])).await?;
            }
        }
    }
    bail!("it does not end")
}

async fn see(stores: &Stores, by: &UserId, id: CollectionId, name: &str, visibility: Visibility) -> Tested {
    let command = UpdateCollection {
        id: id.to_string(),
        name: name.to_owned(),
        description: None,
        access: AccessType::Open,
        visibility: Some(visibility),
    };
    stores.run(by, &command).await?;
    Ok(())
}
