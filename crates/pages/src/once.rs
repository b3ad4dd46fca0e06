//! Forms that, sent again, are answered the same. Sent twice at the same moment, an operator's may act twice (`AppState::once`); a command
//! does not.

use std::fmt::Debug;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cardwire_domain::changes::{Idempotency, IdempotencyKey};
use cardwire_http::problem::Problem;
use sha2::{Digest, Sha256};

use crate::fields::Fields;

/// The hidden field with the token.
const FIELD: &str = "once";

/// For a form, new each time it is drawn.
pub fn token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 16]>())
}

/// What is asked by a form that was drawn with a token: the same again is answered the same, something else is new.
pub fn asked(fields: &Fields, what: &impl Debug) -> Result<Idempotency, Problem> {
    let token = fields
        .given(FIELD)
        .ok_or_else(|| Problem::invalid(FIELD, "This form is incomplete. Reload the page and try again."))?;
    // Of one length, whatever was sent.
    let fingerprint = BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{token} {what:?}")));
    Ok(Idempotency { key: IdempotencyKey::of_form(&fingerprint), fingerprint })
}
