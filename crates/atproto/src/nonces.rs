//! Nonces of servers, without which they refuse a proof.

use std::collections::HashMap;

use cardwire_guard::Answer;
use parking_lot::Mutex;

/// The header of a proof.
pub(crate) const DPOP: &str = "dpop";
const DPOP_NONCE: &str = "dpop-nonce";
/// Servers whose nonces are remembered.
const SERVERS: usize = 1_000;

/// The last one of each server.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<HashMap<String, String>>);

impl Nonces {
    pub(crate) fn of(&self, server: &str) -> Option<String> {
        self.0.lock().get(server).cloned()
    }

    pub(crate) fn learn(&self, server: &str, answer: &Answer) {
        let Some(nonce) = answer.header(DPOP_NONCE).filter(|nonce| nonce.len() <= 1_000) else { return };
        let mut nonces = self.0.lock();
        // Forgetting them costs one more request each.
        if nonces.len() >= SERVERS && !nonces.contains_key(server) {
            nonces.clear();
        }
        nonces.insert(server.to_owned(), nonce.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

    use super::*;

    fn answer(nonce: Option<&str>) -> Answer {
        let header = |nonce| (HeaderName::from_static(DPOP_NONCE), HeaderValue::from_str(nonce).unwrap());
        Answer { status: 200, headers: HeaderMap::from_iter(nonce.map(header)), body: Vec::new() }
    }

    #[test]
    fn nonces_are_kept_for_each_server_and_bounded() {
        let nonces = Nonces::default();
        nonces.learn("https://a", &answer(Some("1")));
        nonces.learn("https://a", &answer(None));
        nonces.learn("https://b", &answer(Some("2")));
        assert_eq!((nonces.of("https://a").as_deref(), nonces.of("https://b").as_deref()), (Some("1"), Some("2")));
        for server in 0..2 * SERVERS {
            nonces.learn(&server.to_string(), &answer(Some("3")));
        }
        assert!(nonces.0.lock().len() <= SERVERS);
    }
}
