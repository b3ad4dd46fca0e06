//! The published documents about events, `docs/schemas` and `docs/asyncapi.yaml`, agree with the code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cardwire_domain::{CardId, CollectionId, DomainEvent, EventId, LinkId, RecordedEvent, UserId, Visibility};
use cardwire_events::envelope::{KNOWN_TYPES, understood};
use cardwire_events::redis::keys;
use cardwire_events::relay::RelaySettings;
use cardwire_events::{Envelope, Message, Queue, QueueSettings, log, routes, worker};
use cardwire_testkit::schemas::{self, EventSchemas};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

const TRACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

/// One of each kind. `the_types_are_the_same_everywhere` fails if one is missing.
fn one_of_each() -> Vec<DomainEvent> {
    let actor_id = UserId::parse("did:web:example.com:people-1_a").unwrap();
    let (card_id, collection_id, link_id) = (CardId::generate(), CollectionId::generate(), LinkId::generate());
    let visibility = Visibility::Private;
    vec![
        DomainEvent::CardAddedToLibrary { card_id, actor_id: actor_id.clone(), link_id, visibility },
        DomainEvent::CardAddedToCollection { card_id, actor_id: actor_id.clone(), collection_id, link_id, visibility },
        DomainEvent::CardRemovedFromLibrary { card_id, actor_id: actor_id.clone(), link_id },
        DomainEvent::CardRemovedFromCollection { card_id, actor_id: actor_id.clone(), collection_id, link_id },
        DomainEvent::CardNoteChanged { card_id, actor_id: actor_id.clone() },
        DomainEvent::CardUrlChanged { card_id, actor_id: actor_id.clone() },
        DomainEvent::CollectionCreated { collection_id, actor_id: actor_id.clone() },
        DomainEvent::AccountDeleted { actor_id },
    ]
}

fn wrap(event: DomainEvent, time: Timestamp, traceparent: Option<&str>) -> Envelope {
    let recorded = RecordedEvent { id: EventId::generate(), occurred_at: time, event };
    Envelope::wrap(&recorded, traceparent.map(str::to_owned))
}

/// One envelope of each kind, with its type and all optional parts.
fn envelopes() -> Vec<(String, Value)> {
    let time = Timestamp::from_microsecond(1_800_000_000_123_456).unwrap();
    let envelopes = one_of_each().into_iter().map(|event| wrap(event, time, Some(TRACE)));
    envelopes.map(|envelope| (envelope.kind.clone(), serde_json::to_value(envelope).unwrap())).collect()
}

/// Of a type and version.
fn name_of(kind: &str) -> &str {
    kind.rsplit_once(".v").unwrap_or_else(|| panic!("{kind} has no version")).0
}

/// Its subject is neither a card nor a collection.
fn is_about_a_person(kind: &str) -> bool {
    name_of(kind) == "AccountDeleted"
}

/// The types that the derived decoder of [`DomainEvent`] knows: its error for an unknown type lists them all.
fn decodable() -> BTreeSet<String> {
    let refused = serde_json::from_value::<DomainEvent>(json!({ "type": "?", "data": {} })).unwrap_err().to_string();
    refused.split('`').skip(1).step_by(2).filter(|name| *name != "?").map(str::to_owned).collect()
}

fn read(path: &Path) -> Value {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    match path.extension().is_some_and(|extension| extension == "yaml") {
        true => serde_yaml_ng::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
        false => serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display())),
    }
}

fn json_files(folder: &Path) -> Vec<PathBuf> {
    let paths = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|extension| extension == "json")).collect()
}

fn asyncapi_path() -> PathBuf {
    schemas::folder().join("../asyncapi.yaml")
}

fn members(value: &Value) -> BTreeSet<String> {
    value.as_object().unwrap_or_else(|| panic!("{value} is no object")).keys().cloned().collect()
}

fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    names.into_iter().map(str::to_owned).collect()
}

#[test]
fn the_types_are_the_same_everywhere() {
    let known = names(KNOWN_TYPES);
    assert_eq!(decodable(), known, "KNOWN_TYPES and the variants of DomainEvent");
    let sampled = one_of_each().into_iter().map(|event| wrap(event, Timestamp::UNIX_EPOCH, None).kind);
    assert_eq!(sampled.collect::<BTreeSet<_>>(), known, "one_of_each() of this test");
    let schemas = EventSchemas::load().unwrap();
    assert_eq!(
        names(schemas.types()),
        names(understood()),
        "docs/schemas: one for each type and version, and no other"
    );
}

#[test]
fn golden_envelopes_fit_their_schemas() {
    let schemas = EventSchemas::load().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden");
    let files = json_files(&folder);
    assert!(files.len() >= KNOWN_TYPES.len());
    for file in files {
        let envelope = read(&file);
        assert_eq!(file.file_stem().unwrap().to_str(), envelope["type"].as_str());
        schemas.check(envelope["type"].as_str().unwrap(), &envelope).unwrap();
    }
}

#[test]
fn every_event_is_written_as_its_schema_says() {
    let schemas = EventSchemas::load().unwrap();
    for event in one_of_each() {
        for micros in [0, 1_800_000_000_000_000, 1_800_000_000_120_000, 1_800_000_000_123_456] {
            for trace in [None, Some(TRACE)] {
                let time = Timestamp::from_microsecond(micros).unwrap();
                let envelope = serde_json::to_value(wrap(event.clone(), time, trace)).unwrap();
                let kind = envelope["type"].as_str().unwrap();
                schemas.check(kind, &envelope).unwrap();
                // Rules that the schemas state in words.
                let data = &envelope["data"];
                let subject = ["cardId", "collectionId", "actorId"].into_iter().find_map(|name| data.get(name));
                assert_eq!(Some(&envelope["subject"]), subject);
                let key = format!("{}-{}", envelope["subject"].as_str().unwrap(), data["actorId"].as_str().unwrap());
                assert_eq!(envelope["partitionkey"], key);
            }
        }
    }
}

#[test]
fn every_schema_shows_an_event_of_its_type_and_names_all_of_its_members() {
    let schemas = EventSchemas::load().unwrap();
    for (kind, written) in envelopes() {
        let schema = read(&schemas::folder().join(format!("{kind}.json")));
        let examples = schema["examples"].as_array().unwrap_or_else(|| panic!("{kind} has no example"));
        assert!(!examples.is_empty(), "{kind} has no example");
        for example in examples {
            schemas.check(&kind, example).unwrap();
            let envelope: Envelope = serde_json::from_value(example.clone()).unwrap();
            let event = Message::parse(&envelope.to_entry()).unwrap().decode().unwrap();
            assert_eq!(serde_json::to_value(Envelope::wrap(&event, envelope.traceparent)).unwrap(), *example);
        }
        let data = &schema["properties"]["data"];
        assert_eq!(members(&data["properties"]), members(&written["data"]), "{kind}");
        for (name, member) in data["properties"].as_object().unwrap() {
            assert_eq!(member["$ref"], format!("envelope.json#/$defs/{name}"), "{kind}");
            assert!(member["description"].is_string(), "{kind}: {name} has no description");
        }
        assert!(schema["title"].is_string() && schema["description"].is_string(), "{kind}");
    }
    let envelope = read(&schemas::folder().join("envelope.json"));
    for (_, written) in envelopes() {
        assert_eq!(members(&envelope["properties"]), members(&written));
    }
}

#[test]
fn a_broken_envelope_fits_no_schema() {
    let schemas = EventSchemas::load().unwrap();
    let mut refused = 0;
    for (kind, good) in envelopes() {
        schemas.check(&kind, &good).unwrap();
        let mut check = |what: &str, change: &dyn Fn(&mut Map<String, Value>)| {
            let mut broken = good.clone();
            change(broken.as_object_mut().unwrap());
            assert_ne!(broken, good, "{kind}: {what} changes nothing");
            assert!(schemas.check(&kind, &broken).is_err(), "{kind} with {what} is let through: {broken}");
            refused += 1;
        };
        for name in members(&good) {
            if name != "traceparent" {
                check(&format!("no {name}"), &|envelope| drop(envelope.remove(&name)));
            }
            for wrong in [Value::Null, json!(7), json!(""), json!("nonsense"), json!(["x"]), json!({})] {
                check(&format!("{name} = {wrong}"), &|envelope| envelope[&name] = wrong.clone());
            }
        }
        for name in members(&good["data"]) {
            let data = |envelope: &mut Map<String, Value>, change: &dyn Fn(&mut Map<String, Value>)| {
                change(envelope["data"].as_object_mut().unwrap());
            };
            check(&format!("no data.{name}"), &|envelope| data(envelope, &|data| drop(data.remove(&name))));
            for wrong in [Value::Null, json!(7), json!(""), json!("nonsense"), json!(["x"]), json!({})] {
                check(&format!("data.{name} = {wrong}"), &|envelope| {
                    data(envelope, &|data| data[&name] = wrong.clone());
                });
            }
        }
        check("a member more", &|envelope| drop(envelope.insert("note".into(), json!("text"))));
        check("a member more in data", &|envelope| envelope["data"]["note"] = json!("text"));
        check("a member named otherwise", &|envelope| envelope["data"]["card_id"] = json!(CardId::generate()));
        let wrong = [
            ("specversion", "0.3"),
            ("source", "/elsewhere"),
            ("datacontenttype", "text/plain"),
            ("time", "2026-11-22T10:15:30"),
            ("time", "2026-11-22T10:15:30+01:00"),
            ("time", "2026-11-22 10:15:30Z"),
            ("time", "2026-02-30T10:15:30Z"),
            ("time", "2026-11-22T10:15:30.123456789Z"),
            ("id", "01KAM3W8E0EVENT0000000000"),
            ("id", "01KAM3W8E0EVENT0000000000DD"),
            ("id", "01kam3w8e0event0000000000d"),
            ("id", "01KAM3W8E0EVENU0000000000D"),
            ("id", "81KAM3W8E0EVENT0000000000D"),
            ("subject", if is_about_a_person(&kind) { "01KAM3W8E0CARD0000000000AA" } else { "did:plc:alice" }),
            ("partitionkey", "01KAM3W8E0CARD0000000000AA"),
            ("partitionkey", "01KAM3W8E0CARD0000000000AA-alice"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331"),
            ("traceparent", "00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01"),
        ];
        for (name, value) in wrong {
            check(&format!("{name} = {value}"), &|envelope| envelope[name] = json!(value));
        }
        for actor in ["did:plc", "did:PLC:a", "did:plc:a b", &format!("did:plc:{}", "a".repeat(128))] {
            check(&format!("actor {actor}"), &|envelope| envelope["data"]["actorId"] = json!(actor));
        }
        for other in KNOWN_TYPES.into_iter().filter(|other| *other != kind) {
            check(&format!("type {other}"), &|envelope| envelope["type"] = json!(other));
        }
        check("a version that is none", &|envelope| envelope["type"] = json!(format!("{}.v0", name_of(&kind))));
    }
    assert!(refused > 100 * KNOWN_TYPES.len(), "{refused}");
}

/// The schemas are strict about what is written; readers are not.
#[test]
fn members_that_a_reader_does_not_know_are_ignored() {
    let schemas = EventSchemas::load().unwrap();
    for (kind, written) in envelopes() {
        let mut more = written.clone();
        more["tracestate"] = json!("a=b");
        more["data"]["more"] = json!({ "of": "it" });
        assert!(schemas.check(&kind, &more).is_err());
        let decode = |envelope: Value| {
            let envelope: Envelope = serde_json::from_value(envelope).unwrap();
            Message::parse(&envelope.to_entry()).unwrap().decode().unwrap()
        };
        assert_eq!(decode(more), decode(written));
    }
}

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(object) => {
            found.extend(object.get("$ref").map(|to| to.as_str().expect("a $ref is text").to_owned()));
            object.values().for_each(|value| references(value, found));
        }
        Value::Array(items) => items.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// What a `$ref` in a file refers to.
fn follow(file: &Path, reference: &str) -> Value {
    let (path, pointer) = reference.split_once('#').unwrap_or((reference, ""));
    let target = if path.is_empty() { file.to_owned() } else { file.parent().unwrap().join(path) };
    let found = read(&target).pointer(pointer).cloned();
    found.unwrap_or_else(|| panic!("{}: {reference} refers to nothing", file.display()))
}

#[test]
fn every_reference_leads_somewhere() {
    let files = json_files(&schemas::folder());
    assert!(files.len() > KNOWN_TYPES.len());
    for file in files.into_iter().chain([asyncapi_path()]) {
        let mut found = Vec::new();
        references(&read(&file), &mut found);
        assert!(!found.is_empty(), "{} refers to nothing", file.display());
        found.iter().for_each(|reference| drop(follow(&file, reference)));
    }
}

#[test]
fn each_channel_has_the_messages_that_are_routed_to_its_queue() {
    let document = read(&asyncapi_path());
    assert_eq!(document["asyncapi"], "3.0.0");
    assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
    let channels = &document["channels"];
    assert_eq!(members(channels), names(Queue::ALL.map(Queue::name)));
    for queue in Queue::ALL {
        let channel = &channels[queue.name()];
        assert_eq!(channel["address"], queue.name());
        let routed = one_of_each().into_iter().filter(|event| routes(event).contains(&queue));
        let routed: BTreeSet<_> = routed.map(|event| wrap(event, Timestamp::UNIX_EPOCH, None).kind).collect();
        // Older versions may still be in queues.
        let travels = |kind: &&str| routed.iter().any(|routed| name_of(routed) == name_of(kind));
        assert_eq!(members(&channel["messages"]), names(understood().filter(travels)), "{queue}");
        for (kind, message) in channel["messages"].as_object().unwrap() {
            assert_eq!(message["$ref"], format!("#/components/messages/{kind}"));
        }
    }
    let messages = &document["components"]["messages"];
    assert_eq!(members(messages), names(understood()));
    for (kind, message) in messages.as_object().unwrap() {
        assert_eq!(message["name"], *kind);
        assert_eq!(message["payload"], json!({ "$ref": format!("schemas/{kind}.json") }));
    }
}

#[test]
fn each_queue_is_sent_to_by_the_relay_and_received_from_by_its_worker() {
    let document = read(&asyncapi_path());
    let operations = document["operations"].as_object().unwrap();
    assert_eq!(operations.len(), 2 * Queue::ALL.len());
    for queue in Queue::ALL {
        let name = queue.name();
        let capital = format!("{}{}", name[..1].to_uppercase(), &name[1..]);
        for (operation, action) in [(format!("relayTo{capital}"), "send"), (format!("work{capital}"), "receive")] {
            let told = operations.get(&operation).unwrap_or_else(|| panic!("no operation {operation}"));
            assert_eq!(told["action"], action, "{operation}");
            assert_eq!(told["channel"]["$ref"], format!("#/channels/{name}"), "{operation}");
        }
    }
}

#[test]
fn settings_times_and_keys_are_told_as_they_are() {
    let document = read(&asyncapi_path());
    for queue in Queue::ALL {
        let channel = &document["channels"][queue.name()];
        let settings: QueueSettings = serde_json::from_value(channel["x-queue-settings"].clone()).unwrap();
        assert_eq!(settings, QueueSettings::of(queue), "{queue}");
        let told = json!({
            "wait": keys::wait(queue, 0),
            "suspect": keys::suspect(queue, 0),
            "claim": String::from_utf8(keys::claim(queue, 0, b"<batch>")).unwrap(),
            "leases": keys::leases(queue, 0),
            "bell": keys::bell(queue, 0),
            "partitions": keys::partitions(queue),
        });
        assert_eq!(channel["x-redis-keys"], told, "{queue}");
    }
    let ms = |duration: Duration| u64::try_from(duration.as_millis()).unwrap();
    let delivery = json!({
        "batch": worker::BATCH,
        "lease_ms": ms(worker::LEASE),
        "renew_every_ms": ms(worker::RENEW_EVERY),
        "handler_timeout_ms": ms(worker::HANDLER_TIMEOUT),
        "reclaim_every_ms": ms(worker::RECLAIM_EVERY),
        "first_look_after_ms": ms(log::FIRST_LOOK_AFTER),
        "look_again_after_ms": ms(log::LOOK_AGAIN_AFTER),
        "look_again_at_most_ms": ms(log::LOOK_AGAIN_AT_MOST),
        "at_work_ms": ms(log::AT_WORK),
        "max_depth": RelaySettings::default().max_depth,
    });
    assert_eq!(document["x-delivery"], delivery);
}

#[test]
fn an_entry_of_a_queue_is_the_line_that_is_told() {
    let document = read(&asyncapi_path());
    let told = &document["x-queue-entry"];
    let mut compiler = boon::Compiler::new();
    let schema = json!({ "type": "string", "pattern": told["pattern"] });
    compiler.add_resource("mem:///entry.json", schema).unwrap();
    let mut compiled = boon::Schemas::new();
    let schema = compiler.compile("mem:///entry.json", &mut compiled).unwrap();
    let fits = |entry: &str| compiled.validate(&json!(entry), schema).is_ok();
    for event in one_of_each() {
        for trace in [None, Some(TRACE)] {
            let time = Timestamp::from_microsecond(1_800_000_000_123_456).unwrap();
            let entry = wrap(event.clone(), time, trace).to_entry();
            assert!(fits(&entry), "{entry}");
            assert!(!fits(&entry.replacen('|', "", 1)) && !fits(&entry[1..]) && !fits(&format!("{entry}x")), "{entry}");
        }
    }
    // The same event in the log, whose other members follow from it.
    let example = told["example"].as_str().unwrap();
    let message = Message::parse(example).unwrap();
    let envelope = Envelope::wrap(&message.decode().unwrap(), message.traceparent);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/CardNoteChanged.v1.json");
    assert_eq!(serde_json::to_value(&envelope).unwrap(), read(&golden));
    assert_eq!(envelope.to_entry(), example);
}
