//! Decides what a turn has to write by comparing what is wanted with what is published, without asking anybody.

use std::collections::BTreeMap;
use std::time::Duration;

use cardwire_domain::records::budget::{CREATE_POINTS, DELETE_POINTS, Left, UPDATE_POINTS};
use cardwire_domain::records::{
    Attempt, Done, LinkContent, Outcome, RecordKind, RemovalContent, StrongRef, Subject, Todo, Turn, Wanted, record_uri,
};
use cardwire_domain::{CardId, CollectionId};

use super::value::{Names, Record};

/// How long a link waits for its collection's record, which somebody else has to publish.
const WAIT_FOR_COLLECTION: Duration = Duration::from_secs(30);
/// How long the records of a suspended person wait.
const WAIT_WHILE_SUSPENDED: Duration = Duration::from_secs(600);

#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) attempt: Attempt,
    pub(super) stamp: i64,
    pub(super) change: Change,
    /// Something was sent before, with an unknown result.
    pub(super) is_doubtful: bool,
}

#[derive(Clone, Debug)]
pub(super) enum Change {
    Create(Record),
    Update(Record),
    Delete,
}

impl Write {
    pub(super) const fn points(&self) -> u32 {
        match self.change {
            Change::Create(_) => CREATE_POINTS,
            Change::Update(_) => UPDATE_POINTS,
            Change::Delete => DELETE_POINTS,
        }
    }

    pub(super) fn done(&self, outcome: Outcome) -> Done {
        Done { subject: self.attempt.subject, stamp: self.stamp, outcome }
    }
}

#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Changes for which nothing has to be sent.
    pub(super) done: Vec<Done>,
    /// In an order in which they can be sent: each refers only to earlier ones.
    pub(super) writes: Vec<Write>,
    /// Something had to be left out.
    pub(super) is_out_of_budget: bool,
}

pub(super) struct Planner<'a> {
    pub(super) turn: &'a Turn,
    pub(super) names: &'a Names,
    /// Of what is not published yet.
    pub(super) keys: &'a BTreeMap<Subject, String>,
    pub(super) left: Left,
}

impl Planner<'_> {
    pub(super) fn plan(self, todo: Vec<Todo>) -> Plan {
        let mut draft = Draft { plan: Plan::default(), places: BTreeMap::new(), planner: self, spent: 0 };
        let (kept, gone): (Vec<Todo>, Vec<Todo>) = todo.into_iter().partition(|item| item.wanted.is_some());
        for item in gone {
            draft.delete(item);
        }
        for kind in RecordKind::ALL {
            for item in kept.iter().filter(|item| item.subject.kind == kind) {
                draft.put(item);
            }
        }
        draft.plan
    }
}

struct Draft<'a> {
    planner: Planner<'a>,
    plan: Plan,
    /// Where the records of cards and collections will be once this is sent.
    places: BTreeMap<Subject, StrongRef>,
    spent: u32,
}

impl Draft<'_> {
    fn done(&mut self, item: &Todo, outcome: Outcome) {
        self.plan.done.push(Done { subject: item.subject, stamp: item.stamp, outcome });
    }

    fn add(&mut self, write: Write) -> bool {
        let left = match write.change {
            Change::Delete => self.planner.left.deletes,
            Change::Create(_) | Change::Update(_) => self.planner.left.puts,
        };
        let spent = self.spent + write.points();
        if spent > left {
            self.plan.is_out_of_budget = true;
            return false;
        }
        self.spent = spent;
        self.plan.writes.push(write);
        true
    }

    fn delete(&mut self, item: Todo) {
        match &item.kept {
            None => self.done(&item, Outcome::Unchanged),
            Some(kept) => {
                let (nsid, rkey) = (kept.nsid.clone(), kept.rkey.clone());
                let attempt = Attempt { subject: item.subject, nsid, rkey, link: None };
                let is_doubtful = kept.is_in_doubt;
                self.add(Write { attempt, stamp: item.stamp, change: Change::Delete, is_doubtful });
            }
        }
    }

    fn put(&mut self, item: &Todo) {
        let (record, link) = match self.record(item) {
            Ok(found) => found,
            Err(outcome) => return self.done(item, outcome),
        };
        if let Some(kept) = &item.kept
            && kept.cid.is_some()
            && !kept.is_in_doubt
            && kept.digest.as_ref() == Some(&record.digest)
        {
            return self.done(item, Outcome::Unchanged);
        }
        if !self.planner.turn.may_add {
            return self.done(item, Outcome::Later(WAIT_WHILE_SUSPENDED));
        }
        let (nsid, rkey) = match &item.kept {
            Some(kept) => (kept.nsid.clone(), kept.rkey.clone()),
            None => match self.planner.keys.get(&item.subject) {
                Some(rkey) => (self.planner.names.nsid(item.subject.kind), rkey.clone()),
                None => return,
            },
        };
        let place = StrongRef { uri: record_uri(&self.planner.turn.did, &nsid, &rkey), cid: record.cid.clone() };
        let is_there = item.kept.as_ref().is_some_and(|kept| kept.cid.is_some());
        let write = Write {
            attempt: Attempt { subject: item.subject, nsid, rkey, link },
            stamp: item.stamp,
            change: if is_there { Change::Update(record) } else { Change::Create(record) },
            is_doubtful: item.kept.as_ref().is_some_and(|kept| kept.is_in_doubt),
        };
        if self.add(write) {
            self.places.insert(item.subject, place);
        }
    }

    /// `Err`: what to do with it without a record.
    fn record(&self, item: &Todo) -> Result<(Record, Option<(CardId, CollectionId)>), Outcome> {
        let names = self.planner.names;
        match &item.wanted {
            None => Err(Outcome::Unchanged),
            Some(Wanted::Card(card)) => Ok((names.card(card), None)),
            Some(Wanted::Collection(collection)) => Ok((names.collection(collection), None)),
            Some(Wanted::Link(link)) => Ok((self.link(link)?, Some((link.card, link.collection)))),
            Some(Wanted::Removal(removal)) => Ok((self.removal(removal)?, None)),
        }
    }

    fn link(&self, link: &LinkContent) -> Result<Record, Outcome> {
        let card = self.places.get(&Subject::card(link.card)).or(link.card_at.as_ref());
        let collection = self.places.get(&Subject::collection(link.collection)).or(link.collection_at.as_ref());
        match (card, collection) {
            (Some(card), Some(collection)) => {
                Ok(self.planner.names.link(&self.planner.turn.did, card, collection, link.added_at))
            }
            // It is owed again when its card is published.
            (None, _) => Err(Outcome::Unchanged),
            (_, None) if link.is_author_connected => Err(Outcome::Later(WAIT_FOR_COLLECTION)),
            // It is owed again when its collection is published, if that happens.
            (_, None) => Err(Outcome::Unchanged),
        }
    }

    fn removal(&self, removal: &RemovalContent) -> Result<Record, Outcome> {
        match &removal.collection_at {
            Some(collection) => Ok(self.planner.names.removal(removal, collection)),
            // If nobody can see it, it needs no removal.
            None => Err(Outcome::Unchanged),
        }
    }
}
