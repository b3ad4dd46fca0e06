//! How an event is written down: CloudEvents 1.0 in the log, a compact line in a queue.
//!
//! Decoding takes two steps. An envelope that cannot be read at all is rejected. Data of an unknown type or version, or
//! data that does not fit its type, is an event that this build does not understand: it becomes a dead letter with that
//! reason.

use cardwire_domain::{DomainEvent, EventId, RecordedEvent, Visibility};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A CloudEvents 1.0 structured JSON envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Envelope {
    pub specversion: String,
    pub id: EventId,
    pub source: String,
    /// Name and version, such as `CardAddedToLibrary.v2`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The id of the card; if there is no card, of the collection; if there is neither, of the person.
    pub subject: String,
    pub time: Timestamp,
    pub datacontenttype: String,
    pub data: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// `{subject}-{actorId}`: events with the same key concern the same activity.
    pub partitionkey: String,
}

impl Envelope {
    pub fn wrap(recorded: &RecordedEvent, traceparent: Option<String>) -> Self {
        // A derived serializer of strings and ids cannot fail, and always writes both members.
        let mut tagged = serde_json::to_value(&recorded.event).unwrap_or_default();
        let kind = tagged["type"].as_str().unwrap_or_default().to_owned();
        Self {
            specversion: "1.0".into(),
            id: recorded.id,
            source: "/cardwire".into(),
            kind,
            subject: recorded.event.subject(),
            time: recorded.occurred_at,
            datacontenttype: "application/json".into(),
            data: tagged["data"].take(),
            traceparent,
            partitionkey: recorded.event.partition_key(),
        }
    }

    /// The event, as it was accepted.
    pub fn decode(&self) -> Result<RecordedEvent, Incomprehensible> {
        Ok(RecordedEvent { id: self.id, occurred_at: self.time, event: event_of(&self.kind, self.data.clone())? })
    }

    /// The line that travels in a queue: `id|type|microseconds|traceparent|data`.
    pub fn to_entry(&self) -> String {
        format!(
            "{}|{}|{}|{}|{}",
            self.id,
            self.kind,
            self.time.as_microsecond(),
            self.traceparent.as_deref().unwrap_or_default(),
            self.data
        )
    }
}

/// An entry of a queue whose envelope could be read.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub id: EventId,
    pub kind: String,
    pub occurred_at: Timestamp,
    pub traceparent: Option<String>,
    data: String,
}

/// An entry that is not an envelope at all.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an event: {0}")]
pub struct Malformed(&'static str);

/// An event that this build does not understand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Incomprehensible {
    #[error("unknown event type {0}")]
    Type(String),
    #[error("unknown version of event type {0}")]
    Version(String),
    #[error("data does not fit event type {kind}: {reason}")]
    Data { kind: String, reason: String },
}

impl Message {
    pub fn parse(entry: &str) -> Result<Self, Malformed> {
        let mut parts = entry.splitn(5, '|');
        let mut next = |what| parts.next().ok_or(Malformed(what));
        let id = next("no id")?.parse().map_err(|_| Malformed("its id is no ULID"))?;
        let kind = next("no type")?;
        if kind.is_empty() {
            return Err(Malformed("no type"));
        }
        let micros = next("no time")?.parse().map_err(|_| Malformed("its time is no number"))?;
        let occurred_at = Timestamp::from_microsecond(micros).map_err(|_| Malformed("its time is out of range"))?;
        let traceparent = next("no traceparent")?;
        let data = next("no data")?;
        Ok(Self {
            id,
            kind: kind.to_owned(),
            occurred_at,
            traceparent: (!traceparent.is_empty()).then(|| traceparent.to_owned()),
            data: data.to_owned(),
        })
    }

    pub fn decode(&self) -> Result<RecordedEvent, Incomprehensible> {
        let event = decode(&self.kind, &self.data, UPCASTS)?;
        Ok(RecordedEvent { id: self.id, occurred_at: self.occurred_at, event })
    }
}

/// Every type this build understands, newest versions only.
pub const KNOWN_TYPES: [&str; 8] = [
    "CardAddedToLibrary.v2",
    "CardAddedToCollection.v2",
    "CardRemovedFromLibrary.v1",
    "CardRemovedFromCollection.v1",
    "CardNoteChanged.v1",
    "CardUrlChanged.v1",
    "CollectionCreated.v1",
    "AccountDeleted.v1",
];

/// Turns data of one type and version into that of another: `(from, to, how)`.
type Upcast = (&'static str, &'static str, fn(Value) -> Value);

/// Old versions still in logs and queues.
const UPCASTS: &[Upcast] = &[
    ("CardAddedToLibrary.v1", "CardAddedToLibrary.v2", seen_by_all),
    ("CardAddedToCollection.v1", "CardAddedToCollection.v2", seen_by_all),
];

/// As everything was before there were private cards.
fn seen_by_all(mut data: Value) -> Value {
    if let Some(members) = data.as_object_mut() {
        members.insert("visibility".into(), json!(Visibility::Public));
    }
    data
}

/// Every type and version that can be read: the current ones and those that are upcast.
pub fn understood() -> impl Iterator<Item = &'static str> {
    KNOWN_TYPES.into_iter().chain(UPCASTS.iter().map(|(from, ..)| *from))
}

/// The event for this type and data.
pub fn event_of(kind: &str, data: Value) -> Result<DomainEvent, Incomprehensible> {
    understand(kind, data, UPCASTS)
}

fn decode(kind: &str, data: &str, upcasts: &[Upcast]) -> Result<DomainEvent, Incomprehensible> {
    let misfit = |error: serde_json::Error| Incomprehensible::Data { kind: kind.into(), reason: error.to_string() };
    understand(kind, serde_json::from_str(data).map_err(misfit)?, upcasts)
}

fn understand(kind: &str, mut data: Value, upcasts: &[Upcast]) -> Result<DomainEvent, Incomprehensible> {
    let mut current = kind;
    while let Some((_, to, upcast)) = upcasts.iter().find(|(from, ..)| *from == current) {
        data = upcast(data);
        current = to;
    }
    if !KNOWN_TYPES.contains(&current) {
        let name = |kind: &str| kind.rsplit_once(".v").map(|(name, _)| name.to_owned());
        let known_name = KNOWN_TYPES.iter().any(|known| name(known) == name(current));
        return Err(match known_name {
            true => Incomprehensible::Version(kind.to_owned()),
            false => Incomprehensible::Type(kind.to_owned()),
        });
    }
    serde_json::from_value(json!({ "type": current, "data": data }))
        .map_err(|error| Incomprehensible::Data { kind: kind.into(), reason: error.to_string() })
}

#[cfg(test)]
mod tests {
    use cardwire_domain::{CardId, LinkId, UserId};
    use ulid::Ulid;

    use super::*;

    fn recorded() -> RecordedEvent {
        RecordedEvent {
            id: EventId::from_ulid(Ulid::from(1u128 << 100)),
            occurred_at: Timestamp::from_microsecond(1_800_000_000_123_456).unwrap(),
            event: DomainEvent::CardAddedToLibrary {
                card_id: CardId::from_ulid(Ulid::from(2u128 << 100)),
                actor_id: UserId::parse("did:plc:a|b".replace('|', "-").as_str()).unwrap(),
                link_id: LinkId::from_ulid(Ulid::from(3u128 << 100)),
                visibility: Visibility::Private,
            },
        }
    }

    #[test]
    fn an_event_survives_the_queue() {
        for traceparent in [None, Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".to_owned())] {
            let envelope = Envelope::wrap(&recorded(), traceparent.clone());
            let message = Message::parse(&envelope.to_entry()).unwrap();
            assert_eq!(message.traceparent, traceparent);
            assert_eq!(message.decode().unwrap(), recorded());
        }
    }

    #[test]
    fn what_is_no_envelope_is_malformed() {
        for entry in
            ["", "x", "|||||", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "01ARZ3NDEKTSV4RRFFQ69G5FAV|a|b||{}", "{\"id\":1}"]
        {
            assert!(Message::parse(entry).is_err(), "{entry:?}");
        }
    }

    #[test]
    fn unknown_types_versions_and_data_say_what_they_are() {
        let check = |kind: &str, data: &str, expected: &str| {
            assert_eq!(decode(kind, data, &[]).unwrap_err().to_string(), expected);
        };
        check("Nonsense.v1", "{}", "unknown event type Nonsense.v1");
        check("CardAddedToLibrary.v9", "{}", "unknown version of event type CardAddedToLibrary.v9");
        check("CardNoteChanged.v1", "{}", "data does not fit event type CardNoteChanged.v1: missing field `cardId`");
        assert!(matches!(decode("CardNoteChanged.v1", "{", &[]), Err(Incomprehensible::Data { .. })));
    }

    #[test]
    fn old_versions_are_upcast_step_by_step() {
        const STEPS: &[Upcast] = &[
            ("CardNoteChanged.v-1", "CardNoteChanged.v0", |data| json!({ "card": data["c"], "actor": data["a"] })),
            (
                "CardNoteChanged.v0",
                "CardNoteChanged.v1",
                |data| json!({ "cardId": data["card"], "actorId": data["actor"] }),
            ),
        ];
        let oldest = r#"{"c":"01ARZ3NDEKTSV4RRFFQ69G5FAV","a":"did:plc:a"}"#;
        let event = decode("CardNoteChanged.v-1", oldest, STEPS).unwrap();
        assert_eq!(event.subject(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    }

    #[test]
    fn what_was_added_before_it_could_be_private_is_public() {
        let ids =
            r#""cardId":"01ARZ3NDEKTSV4RRFFQ69G5FAV","actorId":"did:plc:a","linkId":"01ARZ3NDEKTSV4RRFFQ69G5FAV""#;
        let collected = format!(r#"{ids},"collectionId":"01ARZ3NDEKTSV4RRFFQ69G5FAV""#);
        for (name, members) in [("CardAddedToLibrary", ids), ("CardAddedToCollection", collected.as_str())] {
            let visibility_of = |version: &str, more: &str| {
                let event = decode(&format!("{name}.{version}"), &format!("{{{members}{more}}}"), UPCASTS);
                event.map(|event| match event {
                    DomainEvent::CardAddedToLibrary { visibility, .. }
                    | DomainEvent::CardAddedToCollection { visibility, .. } => visibility,
                    other => panic!("{other:?}"),
                })
            };
            assert_eq!(visibility_of("v1", ""), Ok(Visibility::Public));
            assert_eq!(
                visibility_of("v1", r#","visibility":"PRIVATE""#),
                Ok(Visibility::Public),
                "v1 has no such member"
            );
            assert_eq!(visibility_of("v2", r#","visibility":"PRIVATE""#), Ok(Visibility::Private));
            assert!(visibility_of("v2", "").is_err(), "v2 must say it");
        }
    }

    /// One golden file per type and version: what is in logs and queues stays readable.
    #[test]
    fn golden_envelopes_are_read_and_written_as_ever() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/golden");
        let mut seen = Vec::new();
        for file in std::fs::read_dir(folder).unwrap() {
            let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
            let envelope: Envelope = serde_json::from_str(&text).unwrap();
            let event = Message::parse(&envelope.to_entry()).unwrap().decode().unwrap();
            let again = Envelope::wrap(&event, envelope.traceparent.clone());
            if KNOWN_TYPES.contains(&envelope.kind.as_str()) {
                assert_eq!(serde_json::to_value(&again).unwrap(), serde_json::from_str::<Value>(&text).unwrap());
            }
            seen.push(envelope.kind);
        }
        for kind in understood() {
            assert!(seen.iter().any(|seen| seen == kind), "{kind} has no golden file");
        }
    }
}
