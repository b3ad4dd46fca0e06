//! The `Idempotency-Key` header of POST requests.

use actix_web::HttpRequest;
use cardwire_domain::changes::{Idempotency, IdempotencyKey};

use crate::problem::{INVALID_IDEMPOTENCY_KEY, Problem};

pub const HEADER: &str = "Idempotency-Key";
/// The longest key.
pub const MAX_LEN: usize = 255;
/// Visible ASCII.
pub const PATTERN: &str = "^[!-~]+$";

/// The key of this request, if it has one, with the digest of what is asked.
pub fn idempotency(request: &HttpRequest, fingerprint: String) -> Result<Option<Idempotency>, Problem> {
    let refuse = || Problem::new(&INVALID_IDEMPOTENCY_KEY, INVALID_IDEMPOTENCY_KEY.about).field(HEADER);
    let mut values = request.headers().get_all(HEADER);
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(refuse());
    }
    let text = value.to_str().map_err(|_| refuse())?;
    let key = IdempotencyKey::of_client(text).map_err(|_| refuse())?;
    Ok(Some(Idempotency { key, fingerprint }))
}

/// What a POST without a body is known by under its key.
pub fn bodiless(request: &HttpRequest) -> String {
    format!("{} {}", request.method(), request.path())
}
