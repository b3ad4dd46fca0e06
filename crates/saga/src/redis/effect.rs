//! How the part an event plays is written into its field: `1|microseconds|linkId|collectionId`, the last one empty for
//! an addition to the library. The leading number is the version of this form.

use cardwire_domain::{EventId, Member};
use jiff::Timestamp;

const VERSION: &str = "1";

pub fn write(member: &Member) -> String {
    let collection_id = member.collection_id.map(|id| id.to_string()).unwrap_or_default();
    format!("{VERSION}|{}|{}|{collection_id}", member.occurred_at.as_microsecond(), member.link_id)
}

/// `None`: not written by [`write`]. A name that is not in its one canonical form is none of ours either.
pub fn read(event_id: &[u8], effect: &[u8]) -> Option<Member> {
    let name = std::str::from_utf8(event_id).ok()?;
    let event_id: EventId = name.parse().ok()?;
    if event_id.to_string() != name {
        return None;
    }
    let mut parts = std::str::from_utf8(effect).ok()?.split('|');
    if parts.next()? != VERSION {
        return None;
    }
    let occurred_at = Timestamp::from_microsecond(parts.next()?.parse().ok()?).ok()?;
    let link_id = parts.next()?.parse().ok()?;
    let collection_id = match parts.next()? {
        "" => None,
        id => Some(id.parse().ok()?),
    };
    parts.next().is_none().then_some(Member { occurred_at, event_id, link_id, collection_id })
}

#[cfg(test)]
mod tests {
    use cardwire_domain::{CollectionId, LinkId};

    use super::*;

    #[test]
    fn an_effect_is_read_as_it_is_written() {
        for collection_id in [None, Some(CollectionId::generate())] {
            let member = Member {
                occurred_at: Timestamp::from_microsecond(1_800_000_000_123_456).unwrap(),
                event_id: EventId::generate(),
                link_id: LinkId::generate(),
                collection_id,
            };
            let name = member.event_id.to_string();
            assert_eq!(read(name.as_bytes(), write(&member).as_bytes()), Some(member));
        }
    }

    /// What is in Redis while a new build starts must stay readable.
    #[test]
    fn the_form_stays() {
        let id = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
        let library = format!("1|1800000000000001|{id}|");
        let collection = format!("1|1800000000000001|{id}|{id}");
        for text in [&library, &collection] {
            assert_eq!(write(&read(id.as_bytes(), text.as_bytes()).unwrap()), *text);
        }
        let check = |name: &[u8], text: &[u8]| assert_eq!(read(name, text), None, "{name:?} {text:?}");
        check(id.to_lowercase().as_bytes(), library.as_bytes());
        check(b"failures", b"1");
        check(b"\xff", library.as_bytes());
        for text in ["", "1", "2|1800000000000001|x|", "1|x|01ARZ3NDEKTSV4RRFFQ69G5FAV|", "1|1|1|"] {
            check(id.as_bytes(), text.as_bytes());
        }
        check(id.as_bytes(), format!("{collection}|").as_bytes());
        check(id.as_bytes(), b"\xff");
    }
}
