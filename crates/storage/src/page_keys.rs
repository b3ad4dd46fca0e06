//! Which page a card shows, for both stores.
//!
//! Cards that everybody sees share the page of their URL; its key is the URL's digest. A card that others do not see
//! has its own page, whose key is the digest followed by the owner's id. So saving a link never reveals that somebody
//! else keeps it privately.

use cardwire_domain::UserId;
use sha2::{Digest, Sha256};

/// The key of the page that a job is about. `url`: normalised. `keeper`: whose page it is, if it is not everybody's.
pub(crate) fn key_of(url: &str, keeper: Option<&UserId>) -> Vec<u8> {
    page_key(&Sha256::digest(url.as_bytes()), keeper.map(UserId::as_str))
}

/// `keeper`: the card's owner, if others do not see it.
pub(crate) fn page_key(url_digest: &[u8], keeper: Option<&str>) -> Vec<u8> {
    [url_digest, keeper.unwrap_or_default().as_bytes()].concat()
}

/// The digest of the URL, if it is everybody's page.
pub(crate) fn everybodys(key: &[u8]) -> Option<[u8; 32]> {
    key.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybodys_page_and_those_of_people_have_keys_of_their_own() {
        let digest = [7; 32];
        let keys = [None, Some("did:plc:a"), Some("did:plc:b")].map(|keeper| page_key(&digest, keeper));
        assert_eq!(keys.each_ref().map(|key| everybodys(key)), [Some(digest), None, None]);
        assert!(keys[1] != keys[2] && keys.iter().all(|key| key.starts_with(&digest)));
    }
}
