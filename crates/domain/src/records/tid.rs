//! The keys of records.

use std::fmt;
use std::str::FromStr;

use ulid::Ulid;

use crate::error::{Error, Result};

const ALPHABET: &[u8; 32] = b"234567abcdefghijklmnopqrstuvwxyz";
const LEN: usize = 13;
/// The places of one millisecond: 1,000 microseconds, and 1,024 clocks in each.
const PLACES: u64 = 1_000 * 1_024;

/// A timestamp identifier of AT Protocol: 53 bits of microseconds and 10 of a clock's number, 13 characters that sort by time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tid(u64);

impl Tid {
    /// The key that an id has, always the same one: so it is fixed in the transaction that makes the id. The millisecond is the id's; the place
    /// in it follows from the 32 bits behind that, which count the rows of an import, so that those of one import all differ. Two ids of one
    /// person in one millisecond meet once in a million times: then the second takes [`Self::next`], and that is kept.
    pub fn of(id: Ulid) -> Self {
        let place = (u64::try_from(id.random() >> 48).unwrap_or_default()) % PLACES;
        let micros = (id.timestamp_ms() * 1_000 + place / 1_024) & ((1 << 53) - 1);
        Self((micros << 10) | (place % 1_024))
    }

    pub const fn next(self) -> Self {
        Self((self.0 + 1) & ((1 << 63) - 1))
    }
}

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for index in (0..LEN).rev() {
            let digit = usize::try_from((self.0 >> (5 * index)) & 31).unwrap_or_default();
            write!(f, "{}", char::from(ALPHABET[digit]))?;
        }
        Ok(())
    }
}

impl FromStr for Tid {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digit = |byte: u8| ALPHABET.iter().position(|known| *known == byte).and_then(|at| u64::try_from(at).ok());
        let value = text.bytes().try_fold(0_u64, |value, byte| Some((value << 5) | digit(byte)?));
        match value {
            Some(value) if text.len() == LEN && value < 1 << 63 => Ok(Self(value)),
            _ => Err(Error::invalid("rkey", "This is not a timestamp identifier.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::ids::{CardId, ImportId};

    #[test]
    fn keys_are_thirteen_characters_that_sort_by_time_and_can_be_read_back() {
        let early = Tid::of(Ulid::from_parts(1_700_000_000_000, 5));
        let late = Tid::of(Ulid::from_parts(1_700_000_000_001, 3));
        assert!(early.to_string() < late.to_string() && early < late);
        for tid in [early, late, early.next()] {
            let text = tid.to_string();
            assert_eq!((text.len(), text.parse::<Tid>().unwrap()), (LEN, tid));
        }
        for bad in ["", "3jzfcijpj2z2", "3jzfcijpj2z21", "zzzzzzzzzzzzz", "3JZFCIJPJ2Z2A"] {
            assert!(bad.parse::<Tid>().is_err(), "{bad}");
        }
        assert_eq!("3jzfcijpj2z2a".parse::<Tid>().unwrap().to_string(), "3jzfcijpj2z2a");
    }

    #[test]
    fn an_id_has_one_key_and_the_cards_of_an_import_have_keys_of_their_own() {
        let import = ImportId::generate();
        let ids: Vec<CardId> = (1..=200_000).map(|number| CardId::of_row(import, number)).collect();
        let keys: BTreeSet<Tid> = ids.iter().map(|id| Tid::of(id.ulid())).collect();
        assert_eq!(keys.len(), ids.len());
        assert_eq!(Tid::of(ids[7].ulid()), Tid::of(ids[7].ulid()));
    }
}
