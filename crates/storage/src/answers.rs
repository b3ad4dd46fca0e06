//! Stored answers for idempotency keys, for both stores.

use std::time::Duration;

/// How long an answer is kept, in hours.
pub(crate) const KEEP_ANSWERS_HOURS: i32 = 24;

pub(crate) const KEEP_ANSWERS: Duration = Duration::from_secs(KEEP_ANSWERS_HOURS.unsigned_abs() as u64 * 3_600);
