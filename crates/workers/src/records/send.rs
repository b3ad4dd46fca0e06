//! One call to a repository's server, and the meaning of its answer.

use std::time::Duration;

use cardwire_atproto::{CallError, Repos};
use cardwire_domain::records::{Ending, Outcome, Turn, record_uri};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::plan::{Change, Write};

/// Pauses after failures double, from the first to the last.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(3_600));
/// Used if waiting for the server is not expected to help soon.
const LONG_PAUSE: Duration = Duration::from_secs(3_600);
/// Used if a server asks us to wait without saying for how long.
const ASKED_PAUSE: Duration = Duration::from_secs(300);
const ASKED_AT_MOST: Duration = Duration::from_secs(86_400);
/// At most this much of a server's answer is shown to the person.
const REASON_CHARS: usize = 300;

/// People's servers, and the time-out for one call.
#[derive(Clone, Copy)]
pub(super) struct Servers<'a> {
    pub(super) repos: &'a dyn Repos,
    pub(super) patience: Duration,
}

/// Why something was not sent.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The server refuses this record; it may accept others.
    Content(String),
    /// Nothing can be sent now.
    Turn(Ending),
}

/// One record, by calls that may be repeated.
pub(super) async fn one(servers: Servers<'_>, turn: &Turn, write: &Write) -> Result<Outcome, Refusal> {
    let (nsid, rkey) = (&write.attempt.nsid, &write.attempt.rkey);
    match &write.change {
        Change::Delete => {
            let body = json!({"repo": turn.did, "collection": nsid, "rkey": rkey});
            call(servers, turn, "com.atproto.repo.deleteRecord", body).await?;
            Ok(Outcome::Deleted)
        }
        Change::Create(record) | Change::Update(record) => {
            let body = json!({"repo": turn.did, "collection": nsid, "rkey": rkey, "record": record.value});
            let answer = call(servers, turn, "com.atproto.repo.putRecord", body).await?;
            outcome(turn, write, &answer)
        }
    }
}

/// Several records in one commit of the repository. It cannot be repeated, because a record that exists cannot be
/// created again.
pub(super) async fn several(servers: Servers<'_>, turn: &Turn, writes: &[Write]) -> Result<Vec<Outcome>, Refusal> {
    let operation = |write: &Write| {
        let (name, value) = match &write.change {
            Change::Create(record) => ("create", Some(&record.value)),
            Change::Update(record) => ("update", Some(&record.value)),
            Change::Delete => ("delete", None),
        };
        let (nsid, rkey) = (&write.attempt.nsid, &write.attempt.rkey);
        let mut operation =
            json!({"$type": format!("com.atproto.repo.applyWrites#{name}"), "collection": nsid, "rkey": rkey});
        if let Some(value) = value {
            operation["value"] = value.clone();
        }
        operation
    };
    let operations: Vec<Value> = writes.iter().map(operation).collect();
    let body = json!({"repo": turn.did, "writes": operations});
    let answer = call(servers, turn, "com.atproto.repo.applyWrites", body).await?;
    let results = answer.get("results").and_then(Value::as_array);
    if results.is_some_and(|results| results.len() != writes.len()) {
        return Err(lying(turn, "it answered with another number of results"));
    }
    let mut outcomes = Vec::with_capacity(writes.len());
    for (index, write) in writes.iter().enumerate() {
        let result = results.and_then(|results| results.get(index)).unwrap_or(&Value::Null);
        outcomes.push(outcome(turn, write, result)?);
    }
    Ok(outcomes)
}

/// If the answer describes a record, the description must be right; older servers leave it out.
fn outcome(turn: &Turn, write: &Write, answer: &Value) -> Result<Outcome, Refusal> {
    let record = match &write.change {
        Change::Delete => return Ok(Outcome::Deleted),
        Change::Create(record) | Change::Update(record) => record,
    };
    let uri = record_uri(&turn.did, &write.attempt.nsid, &write.attempt.rkey);
    for (name, expected) in [("uri", &uri), ("cid", &record.cid)] {
        match answer.get(name).map(Value::as_str) {
            None => {}
            Some(Some(said)) if said == expected => {}
            Some(_) => return Err(lying(turn, &format!("it answered with another {name} than that of what was sent"))),
        }
    }
    Ok(Outcome::Published { cid: record.cid.clone(), digest: record.digest.clone() })
}

async fn call(servers: Servers<'_>, turn: &Turn, nsid: &str, body: Value) -> Result<Value, Refusal> {
    match timeout(servers.patience, servers.repos.procedure(&turn.person, nsid, body)).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(refusal(turn, error)),
        Err(_) => Err(refusal(turn, CallError::Away(format!("no answer within {} s", servers.patience.as_secs())))),
    }
}

fn refusal(turn: &Turn, error: CallError) -> Refusal {
    let reason = shortened(&error.to_string());
    match error {
        CallError::NotConnected => Refusal::Turn(Ending::NotConnected),
        CallError::SessionEnded(_) => Refusal::Turn(Ending::Ended(reason)),
        CallError::RateLimited { retry_after } => {
            let pause = retry_after.unwrap_or(ASKED_PAUSE).clamp(Duration::from_secs(1), ASKED_AT_MOST);
            Refusal::Turn(Ending::Paused { pause, reason, is_asked: true })
        }
        CallError::Away(_) | CallError::Invalid(_) => failing(turn, reason),
        CallError::Refused { status, error, .. } => match status {
            // The problem is the owner's account there, or our permissions.
            401 | 403 => pause(LONG_PAUSE, reason),
            // No room left.
            507 => pause(LONG_PAUSE, reason),
            400..=499 if is_about_repository(&error) => pause(LONG_PAUSE, reason),
            400..=499 => Refusal::Content(reason),
            _ => failing(turn, reason),
        },
    }
}

fn is_about_repository(error: &str) -> bool {
    ["Account", "Repo", "Auth", "Scope", "Session", "Token"].iter().any(|about| error.contains(about))
}

fn lying(turn: &Turn, what: &str) -> Refusal {
    failing(turn, format!("the server answered what it must not: {what}"))
}

fn failing(turn: &Turn, reason: String) -> Refusal {
    let (first, last) = PAUSES;
    let longest = first.saturating_mul(1 << turn.failures.min(16)).min(last);
    // After all calls to a server failed together, they do not retry all at once.
    pause(longest.mul_f64(0.5 + rand::random::<f64>() / 2.0), reason)
}

fn pause(pause: Duration, reason: String) -> Refusal {
    Refusal::Turn(Ending::Paused { pause, reason, is_asked: false })
}

fn shortened(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(REASON_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use cardwire_domain::UserId;
    use cardwire_domain::records::Spent;
    use jiff::Timestamp;
    use ulid::Ulid;

    use super::*;

    fn turn(failures: u32) -> Turn {
        Turn {
            person: UserId::parse("did:plc:a").unwrap(),
            did: "did:plc:a".to_owned(),
            lease: Ulid::generate(),
            now: Timestamp::UNIX_EPOCH,
            is_new: false,
            may_add: true,
            spent: Spent::default(),
            failures,
        }
    }

    fn refused(status: u16, error: &str) -> CallError {
        CallError::Refused { status, error: error.to_owned(), message: "no".to_owned() }
    }

    #[test]
    fn what_a_server_answers_pauses_one_person_or_concerns_one_record() {
        let paused = |error: CallError, least: u64, most: u64, asked: bool| match refusal(&turn(0), error.clone()) {
            Refusal::Turn(Ending::Paused { pause, is_asked, .. }) => {
                assert!(
                    pause.as_secs_f64() >= least as f64 && pause <= Duration::from_secs(most),
                    "{error}: {pause:?}"
                );
                assert_eq!(is_asked, asked, "{error}");
            }
            other => panic!("{error}: {other:?}"),
        };
        paused(CallError::RateLimited { retry_after: Some(Duration::from_secs(77)) }, 77, 77, true);
        paused(CallError::RateLimited { retry_after: None }, 300, 300, true);
        paused(CallError::RateLimited { retry_after: Some(Duration::MAX) }, 86_400, 86_400, true);
        paused(CallError::Away("refused".to_owned()), 2, 5, false);
        paused(CallError::Invalid("HTML".to_owned()), 2, 5, false);
        paused(refused(500, "InternalServerError"), 2, 5, false);
        paused(refused(507, "InsufficientStorage"), 3_600, 3_600, false);
        paused(refused(400, "AccountDeactivated"), 3_600, 3_600, false);
        paused(refused(400, "RepoNotFound"), 3_600, 3_600, false);
        paused(refused(400, "InvalidToken"), 3_600, 3_600, false);
        paused(refused(403, "ScopeMissingError"), 3_600, 3_600, false);
        for error in [refused(400, "InvalidRecord"), refused(413, "PayloadTooLarge")] {
            assert!(matches!(refusal(&turn(0), error), Refusal::Content(_)));
        }
        assert_eq!(refusal(&turn(0), CallError::NotConnected), Refusal::Turn(Ending::NotConnected));
        let ended = refusal(&turn(0), CallError::SessionEnded("revoked".to_owned()));
        assert!(matches!(ended, Refusal::Turn(Ending::Ended(reason)) if reason.contains("revoked")));
    }

    #[test]
    fn pauses_grow_up_to_an_hour() {
        let pause_after = |failures| match failing(&turn(failures), String::new()) {
            Refusal::Turn(Ending::Paused { pause, .. }) => pause,
            other => panic!("{other:?}"),
        };
        for (failures, longest_s) in [(0, 5), (1, 10), (5, 160), (10, 3_600), (1_000, 3_600)] {
            let longest = Duration::from_secs(longest_s);
            assert!((longest / 2..=longest).contains(&pause_after(failures)), "{failures}");
        }
    }
}
