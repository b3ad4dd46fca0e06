//! A repository's server whose troubles are on demand, before one that has none. It counts commits and points.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_atproto::{CallError, Repos};
use cardwire_domain::UserId;
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// What goes wrong for one person, until it is taken back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    Away,
    /// It does as it is told, and answers after so long.
    Slow(Duration),
    /// It does as it is told, and its answer is lost.
    AnswersLost,
    NoRoom,
    RateLimited(Option<Duration>),
    /// It says that it keeps something else than it was sent.
    OtherCid,
    OtherUri,
    /// HTML instead of JSON, or a body without end.
    Nonsense,
    /// It refuses records in which this text stands.
    Refuses(String),
    Revoked,
    NotConnected,
}

#[derive(Debug, Default)]
struct Account {
    records: BTreeMap<String, Value>,
    commits: u64,
    /// Each write and what it cost, in the last day.
    spent: Vec<(Instant, u32)>,
    writes: BTreeMap<String, u64>,
}

/// Budgets as a real one has them, for each account.
const AN_HOUR: (Duration, u32) = (Duration::from_secs(3_600), 5_000);
const A_DAY: (Duration, u32) = (Duration::from_secs(86_400), 35_000);

pub struct ScriptedPds {
    inner: Arc<dyn Repos>,
    troubles: Mutex<BTreeMap<UserId, Trouble>>,
    accounts: Mutex<BTreeMap<String, Account>>,
    calls: Mutex<BTreeMap<UserId, u64>>,
    refused_by_budget: Mutex<BTreeSet<UserId>>,
}

impl ScriptedPds {
    pub fn before(inner: Arc<dyn Repos>) -> Self {
        Self {
            inner,
            troubles: Mutex::default(),
            accounts: Mutex::default(),
            calls: Mutex::default(),
            refused_by_budget: Mutex::default(),
        }
    }

    /// `None`: nothing goes wrong any more.
    pub fn trouble(&self, person: &UserId, trouble: Option<Trouble>) {
        let mut troubles = self.troubles.lock();
        match trouble {
            Some(trouble) => troubles.insert(person.clone(), trouble),
            None => troubles.remove(person),
        };
    }

    /// Of the repository, so far. Writing what is there already makes none.
    pub fn commits(&self, did: &str) -> u64 {
        self.accounts.lock().get(did).map_or(0, |account| account.commits)
    }

    /// How often each record was written with something new, or deleted.
    pub fn writes(&self, did: &str) -> BTreeMap<String, u64> {
        self.accounts.lock().get(did).map(|account| account.writes.clone()).unwrap_or_default()
    }

    /// What is in the repository, by URI.
    pub fn records(&self, did: &str) -> BTreeMap<String, Value> {
        self.accounts.lock().get(did).map(|account| account.records.clone()).unwrap_or_default()
    }

    /// Calls in this person's name.
    pub fn calls(&self, person: &UserId) -> u64 {
        self.calls.lock().get(person).copied().unwrap_or_default()
    }

    /// Those whose budget was ever overdrawn.
    pub fn overdrawn(&self) -> BTreeSet<UserId> {
        self.refused_by_budget.lock().clone()
    }

    fn keep(&self, person: &UserId, nsid: &str, body: &Value) -> Result<(), CallError> {
        let text = |from: &Value, name: &str| from[name].as_str().unwrap_or_default().to_owned();
        let repo = text(body, "repo");
        let mut accounts = self.accounts.lock();
        let account = accounts.entry(repo.clone()).or_default();
        let place = |from: &Value| format!("at://{repo}/{}/{}", text(from, "collection"), text(from, "rkey"));
        let refused = |message: &str| CallError::Refused {
            status: 400,
            error: "InvalidRequest".to_owned(),
            message: message.to_owned(),
        };
        let mut writes: Vec<(String, Option<Value>, u32)> = Vec::new();
        match nsid {
            "com.atproto.repo.putRecord" => writes.push((place(body), Some(body["record"].clone()), 2)),
            "com.atproto.repo.deleteRecord" => writes.push((place(body), None, 1)),
            _ => {
                let listed = body["writes"].as_array().map(Vec::as_slice).unwrap_or_default();
                if listed.len() > 200 {
                    return Err(refused("too many writes"));
                }
                for write in listed {
                    let (uri, kind) = (place(write), text(write, "$type"));
                    let is_there = account.records.contains_key(&uri);
                    match kind.rsplit('#').next() {
                        Some("create") if !is_there => writes.push((uri, Some(write["value"].clone()), 3)),
                        Some("update") if is_there => writes.push((uri, Some(write["value"].clone()), 2)),
                        Some("delete") if is_there => writes.push((uri, None, 1)),
                        _ => return Err(refused("the record is there already, or is not there")),
                    }
                }
            }
        }
        let now = Instant::now();
        let points: u32 = writes.iter().map(|(_, _, points)| points).sum();
        account.spent.retain(|(at, _)| now.duration_since(*at) < A_DAY.0);
        for (period, most) in [AN_HOUR, A_DAY] {
            let spent: u32 =
                account.spent.iter().filter(|(at, _)| now.duration_since(*at) < period).map(|(_, points)| points).sum();
            if spent + points > most {
                self.refused_by_budget.lock().insert(person.clone());
                return Err(CallError::RateLimited { retry_after: Some(period) });
            }
        }
        account.spent.push((now, points));
        let mut changes = false;
        for (uri, value, _) in writes {
            if account.records.get(&uri) == value.as_ref() {
                continue;
            }
            changes = true;
            *account.writes.entry(uri.clone()).or_default() += 1;
            match value {
                Some(value) => account.records.insert(uri, value),
                None => account.records.remove(&uri),
            };
        }
        account.commits += u64::from(changes);
        Ok(())
    }
}

#[async_trait]
impl Repos for ScriptedPds {
    async fn procedure(&self, person: &UserId, nsid: &str, body: Value) -> Result<Value, CallError> {
        *self.calls.lock().entry(person.clone()).or_default() += 1;
        let trouble = self.troubles.lock().get(person).cloned();
        match &trouble {
            Some(Trouble::Away) => return Err(CallError::Away("connection refused".to_owned())),
            Some(Trouble::NoRoom) => {
                let (error, message) = ("InsufficientStorage".to_owned(), "no room left".to_owned());
                return Err(CallError::Refused { status: 507, error, message });
            }
            Some(Trouble::RateLimited(retry_after)) => {
                return Err(CallError::RateLimited { retry_after: *retry_after });
            }
            Some(Trouble::Nonsense) => return Err(CallError::Invalid("<html>".to_owned())),
            Some(Trouble::Revoked) => return Err(CallError::SessionEnded("it was revoked".to_owned())),
            Some(Trouble::NotConnected) => return Err(CallError::NotConnected),
            Some(Trouble::Refuses(text)) if body.to_string().contains(text) => {
                let (error, message) = ("InvalidRecord".to_owned(), "such a record is not taken".to_owned());
                return Err(CallError::Refused { status: 400, error, message });
            }
            _ => {}
        }
        self.keep(person, nsid, &body)?;
        let mut answer = self.inner.procedure(person, nsid, body).await?;
        match trouble {
            Some(Trouble::Slow(wait)) => sleep(wait).await,
            Some(Trouble::AnswersLost) => return Err(CallError::Away("the connection was closed".to_owned())),
            Some(Trouble::OtherCid) => lie(&mut answer, "cid"),
            Some(Trouble::OtherUri) => lie(&mut answer, "uri"),
            _ => {}
        }
        Ok(answer)
    }

    async fn query(&self, person: &UserId, nsid: &str, parameters: &[(&str, &str)]) -> Result<Value, CallError> {
        self.inner.query(person, nsid, parameters).await
    }
}

fn lie(answer: &mut Value, name: &str) {
    if let Some(results) = answer.get_mut("results").and_then(Value::as_array_mut) {
        results.iter_mut().for_each(|result| lie(result, name));
    } else if answer.get(name).is_some() {
        answer[name] = json!("something else");
    }
}
