//! Opaque cursors. One that another list gave out, or that nobody did, is refused before it reaches a store.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cardwire_domain::Position;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use ulid::Ulid;

use crate::problem::{INVALID_CURSOR, Problem};

const VERSION: u8 = 1;
const KEY_BYTES: usize = 8;
const CHECKSUM_BYTES: usize = 8;
const HEADER_BYTES: usize = 1 + KEY_BYTES + CHECKSUM_BYTES;

/// A list with all that decides what is in it and in which order.
#[derive(Clone, Debug)]
pub struct List {
    scope: String,
    order: Order,
}

#[derive(Clone, Copy, Debug)]
enum Order {
    /// Microseconds since 1970, then a ULID.
    Time,
    /// A rank, then any text.
    Rank,
}

impl List {
    /// `parts`: the list's name, then its filters.
    pub fn by_time(parts: &[&str]) -> Self {
        Self { scope: scope(parts), order: Order::Time }
    }

    pub fn by_rank(parts: &[&str]) -> Self {
        Self { scope: scope(parts), order: Order::Rank }
    }

    pub fn encode(&self, position: &Position) -> String {
        let mut bytes = vec![VERSION];
        bytes.extend(position.key.to_be_bytes());
        bytes.extend(self.checksum(position.key, &position.id));
        bytes.extend(position.id.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(bytes)
    }

    pub fn decode(&self, cursor: &str) -> Result<Position, Problem> {
        self.read(cursor).ok_or_else(|| {
            Problem::new(&INVALID_CURSOR, "This cursor does not belong to this list. Start again without one.")
                .field("cursor")
        })
    }

    fn read(&self, cursor: &str) -> Option<Position> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let (header, id) = bytes.split_at_checked(HEADER_BYTES)?;
        let (version, header) = header.split_first()?;
        let (key, checksum) = header.split_at_checked(KEY_BYTES)?;
        let key = i64::from_be_bytes(key.try_into().ok()?);
        let id = std::str::from_utf8(id).ok()?;
        // The checksum is no secret, so even a cursor that carries the right one must be harmless.
        let sound = match self.order {
            Order::Time => Timestamp::from_microsecond(key).is_ok() && Ulid::from_string(id).is_ok(),
            Order::Rank => !id.contains('\0'),
        };
        let valid = *version == VERSION && *checksum == self.checksum(key, id) && sound;
        valid.then(|| Position { key, id: id.to_owned() })
    }

    fn checksum(&self, key: i64, id: &str) -> [u8; CHECKSUM_BYTES] {
        let mut digest = Sha256::new();
        digest.update(self.scope.as_bytes());
        digest.update(key.to_be_bytes());
        digest.update(id.as_bytes());
        let digest = digest.finalize();
        std::array::from_fn(|index| digest[index])
    }
}

/// Lengths keep ("ab", "c") and ("a", "bc") apart.
fn scope(parts: &[&str]) -> String {
    parts.iter().map(|part| format!("{}:{part};", part.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position() -> Position {
        Position { key: 1_800_000_000_000_000, id: "01ARZ3NDEKTSV4RRFFQ69G5FAV".into() }
    }

    #[test]
    fn a_cursor_survives_the_wire() {
        let list = List::by_time(&["feed", ""]);
        assert_eq!(list.decode(&list.encode(&position())).unwrap(), position());
        let list = List::by_rank(&["search", "ü"]);
        let hit = Position { key: -3, id: "https://example.com/?q=ü".into() };
        assert_eq!(list.decode(&list.encode(&hit)).unwrap(), hit);
    }

    #[test]
    fn a_cursor_of_another_list_or_of_nobody_is_refused() {
        let list = List::by_time(&["feed", "did:plc:a"]);
        let own = list.encode(&position());
        for other in [List::by_time(&["feed", ""]), List::by_time(&["fee", "ddid:plc:a"]), List::by_rank(&["search"])] {
            assert!(list.decode(&other.encode(&position())).is_err());
        }
        for index in 0..own.len() {
            let mut forged = own.clone().into_bytes();
            forged[index] = if forged[index] == b'A' { b'B' } else { b'A' };
            assert!(list.decode(&String::from_utf8(forged).unwrap()).is_err(), "byte {index}");
        }
        for bad in ["", "x", "AA==", "!!!!", &own[..own.len() - 4], &"A".repeat(5_000)] {
            assert!(list.decode(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_right_checksum_does_not_carry_nonsense_into_a_store() {
        let list = List::by_time(&["feed", ""]);
        for bad in [Position { key: i64::MAX, ..position() }, Position { id: "nonsense".into(), ..position() }] {
            assert!(list.decode(&list.encode(&bad)).is_err(), "{bad:?}");
        }
        let list = List::by_rank(&["search", "a"]);
        assert!(list.decode(&list.encode(&Position { key: 0, id: "a\0".into() })).is_err());
    }
}
