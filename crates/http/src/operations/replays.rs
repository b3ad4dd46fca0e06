//! Events of the log that go to a queue again.

use cardwire_domain::{CardId, Error, UserId};
use cardwire_events::Queue;
use cardwire_events::operations::{MAX_REPLAYS, Replay, ReplayId, ReplayOf};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

use super::Operations;
use super::dead_letters::MAX_FILTER_CHARS;
use crate::problem::{NOT_FOUND, Problem};

/// What a dry run finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DryRun {
    /// Not counted beyond a million.
    pub events: u64,
    /// How many days. Analytics only: it counts whole days again.
    pub days: Option<u64>,
}

impl Operations {
    /// How much it would be. Changes nothing.
    pub async fn dry_run(&self, of: &ReplayOf) -> Result<DryRun, Problem> {
        let events = self.replays.count(of).await?;
        let days = match of.queue {
            Queue::Analytics => Some(self.days_of(of).await?),
            _ => None,
        };
        Ok(DryRun { events, days })
    }

    /// Has events go to their queue again. 409 while another replay of the queue is not finished.
    pub async fn replay(&self, by: &UserId, of: &ReplayOf) -> Result<Replay, Problem> {
        let DryRun { events, days } = self.dry_run(of).await?;
        let (replay, new) = self.replays.request_replay(by, of, days.unwrap_or(events)).await?;
        if !new {
            let why = format!("A replay to {} has not finished yet. Wait for it, or cancel it.", of.queue);
            return Err(Error::Conflict(why).into());
        }
        tracing::info!(%by, replay = %replay.id, ?of, "an administrator asked for a replay");
        Ok(replay)
    }

    /// The last ones, newest first.
    pub async fn replays(&self) -> Result<Vec<Replay>, Problem> {
        Ok(self.replays.replays(MAX_REPLAYS).await?)
    }

    /// Stops one that is not finished. Returns how many that were, which is one.
    pub async fn cancel_replay(&self, by: &UserId, id: &str) -> Result<u64, Problem> {
        let nothing = || Problem::new(&NOT_FOUND, "No replay with this ID is running. It may have finished.");
        let id: ReplayId = id.parse().map_err(|_| nothing())?;
        match self.replays.cancel_replay(by, id).await? {
            true => Ok(1),
            false => Err(nothing()),
        }
    }

    async fn days_of(&self, of: &ReplayOf) -> Result<u64, Problem> {
        let days = self.analytics.whole_days().await?;
        Ok(days.into_iter().filter(|day| of.touches(*day)).count() as u64)
    }
}

/// What is asked for by the fields `queue`, `from`, `until`, `type`, `cardId` and `actorId`; `refuse` says which of them breaks which rule.
pub fn asked(
    mut part: impl FnMut(&str) -> Option<String>,
    refuse: impl Fn(&str, &str) -> Problem,
) -> Result<ReplayOf, Problem> {
    let mut given = |name: &str| part(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let queue = given("queue").ok_or_else(|| refuse("queue", "is required"))?;
    let queue: Queue = queue.parse().map_err(|why: String| refuse("queue", &why))?;
    let mut moment = |name: &str| match given(name).as_deref().map(time) {
        Some(Some(at)) => Ok(at),
        Some(None) => Err(refuse(name, "must be a time such as 2026-03-01T12:00:00Z, or a day, which begins in UTC")),
        None => Err(refuse(name, "is required")),
    };
    let (from, until) = (moment("from")?, moment("until")?);
    if from >= until {
        return Err(refuse("until", "must be after from"));
    }
    let kind = given("type");
    if kind.as_ref().is_some_and(|kind| kind.chars().count() > MAX_FILTER_CHARS || kind.contains('\0')) {
        return Err(refuse("type", "must be 1 to 200 characters, none of them NUL"));
    }
    let card_id = given("cardId").map(|id| id.parse::<CardId>()).transpose();
    let card_id = card_id.map_err(|_| refuse("cardId", "must be the id of a card"))?;
    let person = given("actorId").map(|id| UserId::parse(&id)).transpose();
    let person = person.map_err(|_| refuse("actorId", "must be the id of a person, such as did:plc:alice"))?;
    let of = ReplayOf { queue, from, until, kind, card_id, person };
    if queue == Queue::Analytics && !of.is_everything() {
        let why = "cannot be analytics together with a type, card or person: it counts whole days again";
        return Err(refuse("queue", why));
    }
    Ok(of)
}

/// A moment, or the beginning of a day in UTC. As browsers send it, a moment may lack its zone, which is UTC then.
fn time(text: &str) -> Option<Timestamp> {
    let in_utc = |at: jiff::civil::DateTime| at.to_zoned(TimeZone::UTC).ok().map(|at| at.timestamp());
    let earliest = Timestamp::UNIX_EPOCH;
    let found = text
        .parse::<Timestamp>()
        .ok()
        .or_else(|| text.parse::<jiff::civil::DateTime>().ok().and_then(in_utc))
        .or_else(|| text.parse::<Date>().ok().and_then(|day| in_utc(day.at(0, 0, 0, 0))));
    // Later ones are beyond what some stores know.
    found.filter(|at| *at >= earliest && at.to_zoned(TimeZone::UTC).year() < 9_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_or_days_in_utc() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(time(text), expected.map(|at| at.parse().unwrap()), "{text}");
        };
        check("2026-03-01T12:00:00Z", Some("2026-03-01T12:00:00Z"));
        check("2026-03-01T12:00:00+02:00", Some("2026-03-01T10:00:00Z"));
        check("2026-03-01T12:30", Some("2026-03-01T12:30:00Z"));
        check("2026-03-01", Some("2026-03-01T00:00:00Z"));
        for nothing in ["", "yesterday", "1960-01-01", "9998-01-01", "12:00"] {
            check(nothing, None);
        }
    }

    #[test]
    fn what_cannot_be_replayed_is_refused_by_its_field() {
        let refused = |fields: &[(&str, &str)]| {
            let part = |name: &str| {
                let found = fields.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
                found.or_else(|| match name {
                    "from" => Some("2026-03-01".into()),
                    "until" => Some("2026-03-02".into()),
                    "queue" => Some("search".into()),
                    _ => None,
                })
            };
            let problem = asked(part, |name, rule| Problem::invalid(name, rule)).err();
            problem.and_then(|problem| problem.broken_rule().map(|(field, _)| field.to_owned()))
        };
        assert_eq!(refused(&[]), None);
        assert_eq!(refused(&[("until", "2026-03-01")]).as_deref(), Some("until"));
        assert_eq!(refused(&[("from", "soon")]).as_deref(), Some("from"));
        assert_eq!(refused(&[("from", " ")]).as_deref(), Some("from"));
        assert_eq!(refused(&[("cardId", "x")]).as_deref(), Some("cardId"));
        assert_eq!(refused(&[("actorId", "alice")]).as_deref(), Some("actorId"));
        assert_eq!(refused(&[("queue", "analytics")]), None);
        assert_eq!(refused(&[("queue", "analytics"), ("actorId", "did:plc:a")]).as_deref(), Some("queue"));
    }
}
