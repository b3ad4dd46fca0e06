//! What the servers of the network know.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::sync::Semaphore;

use super::message::Asked;

/// A sign-in that was announced.
#[derive(Clone, Debug)]
pub(super) struct Pushed {
    pub(super) state: String,
    pub(super) challenge: String,
    pub(super) redirect: String,
}

/// What a token is good for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Granted {
    pub did: String,
    /// The public key that it is bound to, as JSON. Empty: to none.
    pub key: String,
}

#[derive(Default)]
pub struct World {
    pub(super) pds: String,
    pub(super) issuer: String,
    /// By DID.
    pub documents: BTreeMap<String, Value>,
    /// DIDs by handle.
    pub handles: BTreeMap<String, String>,
    /// Answers to paths, whatever else would be said.
    pub(super) overrides: BTreeMap<String, (u16, Value)>,
    pub log: Vec<Asked>,
    /// Where paths lead elsewhere.
    pub redirects: BTreeMap<String, String>,
    /// Answers of this path wait until it is opened.
    pub gate_at: Option<(String, Arc<Semaphore>)>,
    /// Proofs without the current one are refused.
    pub nonce: u32,
    pub(super) pushed: BTreeMap<String, Pushed>,
    pub(super) codes: BTreeMap<String, (Pushed, String)>,
    pub access: BTreeMap<String, Granted>,
    pub refresh: BTreeMap<String, Granted>,
    pub revoked: BTreeSet<String>,
    /// What a refresh answers as `sub`, instead of the truth.
    pub sub: Option<String>,
    /// How long an access token is good, in seconds.
    pub expires_in: Option<i64>,
    numbers: u32,
}

impl World {
    /// A word that is given out once.
    pub(super) fn new_word(&mut self, kind: &str) -> String {
        self.numbers += 1;
        format!("{kind}-{}", self.numbers)
    }

    /// Everything is answered as it should be again.
    pub fn forget_answers(&mut self) {
        self.overrides.clear();
    }

    pub(super) fn nonce_text(&self) -> String {
        format!("nonce-{}", self.nonce)
    }

    pub(super) fn authorize(&mut self, request: &str, did: &str) -> Option<(String, String, String)> {
        let pushed = self.pushed.remove(request)?;
        let code = self.new_word("code");
        let state = pushed.state.clone();
        self.codes.insert(code.clone(), (pushed, did.to_owned()));
        Some((state, self.issuer.clone(), code))
    }

    /// Both tokens of a new session.
    pub(super) fn grant(&mut self, granted: &Granted) -> (String, String) {
        let (access, refresh) = (self.new_word("access-token"), self.new_word("refresh-token"));
        self.access.insert(access.clone(), granted.clone());
        self.refresh.insert(refresh.clone(), granted.clone());
        (access, refresh)
    }
}

/// The claims and the key of a proof that names this request. `None`: it is none.
pub(super) fn proof(asked: &Asked, url: &str) -> Option<(Value, String)> {
    let mut parts = asked.header("dpop").split('.');
    let mut part =
        || -> Option<Value> { serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(parts.next()?).ok()?).ok() };
    let (header, claims) = (part()?, part()?);
    let is_for_this = claims["htm"] == asked.method.as_str() && claims["htu"] == url;
    (header["typ"] == "dpop+jwt" && is_for_this).then(|| (claims, header["jwk"].to_string()))
}

pub(super) fn challenge(verifier: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(verifier))
}
