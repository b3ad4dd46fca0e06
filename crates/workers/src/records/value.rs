//! Records in the network's format.

use cardwire_domain::records::{CardContent, CollectionContent, RecordKind, RemovalContent, StrongRef};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cid::{cid, digest};

/// A record to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) value: Value,
    pub(super) cid: String,
    /// Only of the parts that justify another write: not the time of the change, nor the version of the card or
    /// collection that a link names.
    pub(super) digest: Vec<u8>,
}

impl Record {
    fn of(value: Value) -> Self {
        let mut essence = value.clone();
        if let Value::Object(fields) = &mut essence {
            fields.remove("updatedAt");
            for name in ["card", "collection", "removedLink"] {
                if let Some(Value::Object(reference)) = fields.get_mut(name) {
                    reference.remove("cid");
                }
            }
        }
        Self { cid: cid(&value), digest: digest(&essence), value }
    }
}

/// The prefix of the names of the network's collections.
#[derive(Clone, Debug)]
pub(super) struct Names {
    pub(super) prefix: String,
}

impl Names {
    pub(super) fn nsid(&self, kind: RecordKind) -> String {
        format!("{}.{}", self.prefix, kind.name())
    }

    pub(super) fn card(&self, card: &CardContent) -> Record {
        let nsid = self.nsid(RecordKind::Card);
        let mut metadata = Map::new();
        let fields = [
            ("title", &card.title),
            ("description", &card.description),
            ("author", &card.author),
            ("siteName", &card.site_name),
            ("imageUrl", &card.image),
            ("type", &card.kind),
        ];
        for (name, text) in fields {
            if let Some(text) = text {
                metadata.insert(name.to_owned(), json!(text));
            }
        }
        let mut content = json!({"$type": format!("{nsid}#urlContent"), "url": card.url});
        if !metadata.is_empty() {
            metadata.insert("$type".to_owned(), json!(format!("{nsid}#urlMetadata")));
            content["metadata"] = Value::Object(metadata);
        }
        Record::of(json!({
            "$type": nsid, "type": "URL", "url": card.url, "content": content, "createdAt": at(card.created_at),
        }))
    }

    pub(super) fn collection(&self, collection: &CollectionContent) -> Record {
        let mut value = json!({
            "$type": self.nsid(RecordKind::Collection), "name": collection.name, "accessType": collection.access.name(),
            "createdAt": at(collection.created_at), "updatedAt": at(collection.updated_at),
        });
        if !collection.description.is_empty() {
            value["description"] = json!(collection.description);
        }
        // The network does not know people whose only account is here.
        let is_known = |did: &&String| !did.starts_with("did:cardwire:");
        let mut collaborators: Vec<&String> = collection.collaborators.iter().filter(is_known).collect();
        collaborators.sort_unstable();
        if !collaborators.is_empty() {
            value["collaborators"] = json!(collaborators);
        }
        Record::of(value)
    }

    pub(super) fn link(&self, did: &str, card: &StrongRef, collection: &StrongRef, added_at: Timestamp) -> Record {
        Record::of(json!({
            "$type": self.nsid(RecordKind::Link), "card": reference(card), "collection": reference(collection),
            "addedBy": did, "addedAt": at(added_at), "createdAt": at(added_at),
        }))
    }

    pub(super) fn removal(&self, removal: &RemovalContent, collection: &StrongRef) -> Record {
        Record::of(json!({
            "$type": self.nsid(RecordKind::Removal), "collection": reference(collection),
            "removedLink": reference(&removal.link_at), "removedAt": at(removal.removed_at),
        }))
    }
}

fn reference(to: &StrongRef) -> Value {
    json!({"uri": to.uri, "cid": to.cid})
}

/// To the millisecond, as the network does.
fn at(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use cardwire_domain::AccessType;

    use super::*;

    #[test]
    fn a_card_has_what_is_known_of_its_page_and_nothing_else() {
        let names = Names { prefix: "network.cosmik".to_owned() };
        let mut card = CardContent { url: "https://a.example/".to_owned(), ..CardContent::default() };
        let bare = names.card(&card);
        assert_eq!(
            bare.value,
            json!({
                "$type": "network.cosmik.card", "type": "URL", "url": "https://a.example/",
                "content": {"$type": "network.cosmik.card#urlContent", "url": "https://a.example/"},
                "createdAt": "1970-01-01T00:00:00.000Z",
            })
        );
        card.title = Some("A".to_owned());
        let named = names.card(&card);
        assert_eq!(named.value["content"]["metadata"]["title"], "A");
        assert!(named.cid != bare.cid && named.digest != bare.digest);
    }

    #[test]
    fn a_link_is_not_written_again_because_its_collection_was_renamed() {
        let names = Names { prefix: "network.cosmik".to_owned() };
        let place = |cid: &str| StrongRef { uri: "at://did:plc:a/c/1".to_owned(), cid: cid.to_owned() };
        let link = |cid: &str| names.link("did:plc:a", &place("card"), &place(cid), Timestamp::UNIX_EPOCH);
        assert_eq!(link("one").digest, link("two").digest);
        assert_ne!(link("one").cid, link("two").cid);
    }

    #[test]
    fn people_whom_the_network_does_not_know_are_not_named() {
        let names = Names { prefix: "network.cosmik".to_owned() };
        let content = CollectionContent {
            name: "Reading".to_owned(),
            description: String::new(),
            access: AccessType::Open,
            collaborators: ["did:plc:b", "did:cardwire:c", "did:plc:a"].map(str::to_owned).to_vec(),
            created_at: Timestamp::UNIX_EPOCH,
            updated_at: Timestamp::UNIX_EPOCH,
        };
        let record = names.collection(&content);
        assert_eq!(record.value["collaborators"], json!(["did:plc:a", "did:plc:b"]));
        let later = CollectionContent { updated_at: Timestamp::MAX, ..content };
        assert_eq!(names.collection(&later).digest, record.digest);
    }
}
