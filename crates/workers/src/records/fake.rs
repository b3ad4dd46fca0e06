use std::collections::BTreeMap;

use async_trait::async_trait;
use cardwire_atproto::{CallError, Repos};
use cardwire_domain::UserId;
use cardwire_domain::records::record_uri;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::cid::cid;

/// Stands in for people's repositories in development: keeps their newest records in memory, and answers as a server
/// would.
#[derive(Debug, Default)]
pub struct FakeRecordPublisher {
    records: Mutex<BTreeMap<String, Value>>,
}

impl FakeRecordPublisher {
    /// Only this many records are kept, the last by URI.
    const KEEP: usize = 10_000;

    pub fn record(&self, uri: &str) -> Option<Value> {
        self.records.lock().get(uri).cloned()
    }

    fn put(&self, uri: &str, record: &Value) -> Value {
        let mut records = self.records.lock();
        records.insert(uri.to_owned(), record.clone());
        if records.len() > Self::KEEP {
            records.pop_first();
        }
        json!({"uri": uri, "cid": cid(record)})
    }

    fn write(&self, repo: &str, write: &Value) -> Result<Value, CallError> {
        let uri = record_uri(repo, text(write, "collection")?, text(write, "rkey")?);
        match write.get("value") {
            Some(record) => Ok(self.put(&uri, record)),
            None => {
                self.records.lock().remove(&uri);
                Ok(json!({}))
            }
        }
    }
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, CallError> {
    body.get(name).and_then(Value::as_str).ok_or_else(|| CallError::Refused {
        status: 400,
        error: "InvalidRequest".to_owned(),
        message: format!("{name} is missing"),
    })
}

#[async_trait]
impl Repos for FakeRecordPublisher {
    async fn procedure(&self, _person: &UserId, nsid: &str, body: Value) -> Result<Value, CallError> {
        let repo = text(&body, "repo")?;
        match nsid {
            "com.atproto.repo.putRecord" => {
                let uri = record_uri(repo, text(&body, "collection")?, text(&body, "rkey")?);
                Ok(self.put(&uri, &body["record"]))
            }
            "com.atproto.repo.deleteRecord" => self.write(repo, &body),
            "com.atproto.repo.applyWrites" => {
                let writes = body["writes"].as_array().map(Vec::as_slice).unwrap_or_default();
                let results = writes.iter().map(|write| self.write(repo, write)).collect::<Result<Vec<_>, _>>()?;
                Ok(json!({ "results": results }))
            }
            _ => Err(unknown(nsid)),
        }
    }

    async fn query(&self, _person: &UserId, nsid: &str, parameters: &[(&str, &str)]) -> Result<Value, CallError> {
        if nsid != "com.atproto.repo.listRecords" {
            return Err(unknown(nsid));
        }
        let parameter = |name: &str| parameters.iter().find(|(key, _)| *key == name).map_or("", |(_, value)| *value);
        let start = record_uri(parameter("repo"), parameter("collection"), "");
        let records = self.records.lock();
        let found = records.range(start.clone()..).take_while(|(uri, _)| uri.starts_with(&start));
        let found: Vec<Value> =
            found.map(|(uri, value)| json!({"uri": uri, "cid": cid(value), "value": value})).collect();
        Ok(json!({ "records": found }))
    }
}

fn unknown(nsid: &str) -> CallError {
    CallError::Refused { status: 501, error: "MethodNotImplemented".to_owned(), message: nsid.to_owned() }
}
