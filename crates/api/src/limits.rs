//! The limits in the OpenAPI document, each taken from the constant that the check itself uses.
//!
//! `crates/api/tests/api/bounds.rs` checks that a value at each limit is accepted and one beyond it is refused.

use cardwire_domain::accounts::Handle;
use cardwire_domain::collection::{Collection, Description, Name};
use cardwire_domain::note::NoteText;
use cardwire_domain::page::Limit;
use cardwire_domain::password;
use cardwire_domain::profile::{Bio, DisplayName};
use cardwire_domain::text::MAX_REASON_CHARS;
use cardwire_domain::tokens::{MAX_DAYS, TokenName};
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::MAX_COLLECTIONS;
use cardwire_events::MAX_SHAPE_CHARS;
use cardwire_http::operations::dead_letters::MAX_FILTER_CHARS;
use cardwire_http::{idempotency, query};
use serde_json::{Map, Value, json};

use crate::admin::{dead_letters, history};
use crate::analytics;

/// Where a limit holds.
enum Place {
    /// Schema of a body and the field in it.
    Field(&'static str, &'static str),
    /// A query parameter or header, wherever it is taken.
    Parameter(&'static str),
}

enum Rule {
    /// Characters, least and most.
    Text(usize, usize),
    Pattern(&'static str),
    /// Elements of a list, least and most.
    Items(usize, usize),
    Number(u64, u64),
}

use Place::{Field, Parameter};
use Rule::{Items, Number, Pattern, Text};

const LIMITS: &[(Place, Rule)] = &[
    (Parameter("limit"), Number(1, Limit::MAX as u64)),
    (Parameter("q"), Text(0, query::MAX_WORDS_CHARS)),
    (Parameter("days"), Number(1, analytics::MAX_DAYS as u64)),
    (Parameter("minutes"), Number(1, history::MAX_MINUTES)),
    (Parameter("text"), Text(1, MAX_FILTER_CHARS)),
    (Parameter("error"), Text(1, MAX_FILTER_CHARS)),
    (Parameter("url"), Text(1, CardUrl::MAX_BYTES)),
    (Parameter(idempotency::HEADER), Text(1, idempotency::MAX_LEN)),
    (Parameter(idempotency::HEADER), Pattern(idempotency::PATTERN)),
    (Field("SaveUrl", "url"), Text(1, CardUrl::MAX_BYTES)),
    (Field("SaveUrl", "note"), Text(0, NoteText::MAX_CHARS)),
    (Field("SaveUrl", "collectionIds"), Items(0, MAX_COLLECTIONS)),
    (Field("WriteCollection", "name"), Text(1, Name::MAX_CHARS)),
    (Field("WriteCollection", "description"), Text(0, Description::MAX_CHARS)),
    (Field("Collaborators", "userIds"), Items(0, Collection::MAX_COLLABORATORS)),
    (Field("CollectCard", "collectionIds"), Items(1, MAX_COLLECTIONS)),
    (Field("Uncollect", "collectionIds"), Items(1, MAX_COLLECTIONS)),
    (Field("Associate", "note"), Text(0, NoteText::MAX_CHARS)),
    (Field("Associate", "addToCollections"), Items(0, MAX_COLLECTIONS)),
    (Field("Associate", "removeFromCollections"), Items(0, MAX_COLLECTIONS)),
    (Field("HandleAndPassword", "handle"), Text(Handle::MIN_CHARS, Handle::MAX_CHARS)),
    (Field("HandleAndPassword", "handle"), Pattern(Handle::PATTERN)),
    (Field("HandleAndPassword", "password"), Text(password::MIN_CHARS, password::MAX_CHARS)),
    (Field("SignUp", "handle"), Text(Handle::MIN_CHARS, Handle::MAX_CHARS)),
    (Field("SignUp", "handle"), Pattern(Handle::PATTERN)),
    (Field("SignUp", "password"), Text(password::MIN_CHARS, password::MAX_CHARS)),
    (Field("ChangePassword", "newPassword"), Text(password::MIN_CHARS, password::MAX_CHARS)),
    (Field("ChangeProfile", "displayName"), Text(0, DisplayName::MAX_CHARS)),
    (Field("ChangeProfile", "bio"), Text(0, Bio::MAX_CHARS)),
    (Field("CreateToken", "name"), Text(1, TokenName::MAX_CHARS)),
    (Field("CreateToken", "expiresInDays"), Number(1, MAX_DAYS as u64)),
    (Field("PauseQueue", "reason"), Text(1, MAX_REASON_CHARS)),
    (Field("HideCard", "reason"), Text(1, MAX_REASON_CHARS)),
    (Field("SelectDeadLetters", "ids"), Items(0, dead_letters::MAX_IDS)),
    (Field("SelectDeadLetters", "group"), Text(1, MAX_SHAPE_CHARS)),
    (Field("StartReplay", "type"), Text(0, MAX_FILTER_CHARS)),
    (Field("Matching", "type"), Text(1, MAX_FILTER_CHARS)),
    (Field("Matching", "text"), Text(1, MAX_FILTER_CHARS)),
    (Field("Matching", "error"), Text(1, MAX_FILTER_CHARS)),
];

/// Writes every limit into the document. Returns the places that are not in it.
pub fn write(document: &mut Value) -> Vec<String> {
    let mut lost = Vec::new();
    for (place, rule) in LIMITS {
        match place {
            Field(schema, field) => {
                match document.pointer_mut(&format!("/components/schemas/{schema}/properties/{field}")) {
                    Some(Value::Object(schema)) => rule.write(schema),
                    _ => lost.push(format!("{schema}.{field}")),
                }
            }
            Parameter(name) => {
                let mut found = 0;
                for parameter in parameters(document).filter(|parameter| parameter["name"] == *name) {
                    if let Some(schema) = parameter.get_mut("schema").and_then(Value::as_object_mut) {
                        rule.write(schema);
                        found += 1;
                    }
                }
                if found == 0 {
                    lost.push((*name).to_owned());
                }
            }
        }
    }
    lost
}

fn parameters(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths.into_iter().flat_map(Map::values_mut).filter_map(Value::as_object_mut);
    let operations = operations.flat_map(Map::values_mut);
    operations.filter_map(|operation| operation.get_mut("parameters")?.as_array_mut()).flatten()
}

impl Rule {
    fn write(&self, schema: &mut Map<String, Value>) {
        let mut set = |keyword: &str, value: Value| schema.insert(keyword.to_owned(), value);
        match *self {
            Text(least, most) => {
                if least > 0 {
                    set("minLength", json!(least));
                }
                set("maxLength", json!(most));
            }
            Pattern(pattern) => drop(set("pattern", json!(pattern))),
            Items(least, most) => {
                if least > 0 {
                    set("minItems", json!(least));
                }
                set("maxItems", json!(most));
            }
            Number(least, most) => {
                set("minimum", json!(least));
                set("maximum", json!(most));
            }
        }
    }
}
