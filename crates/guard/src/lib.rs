//! Asking servers whose addresses strangers chose, without being led astray.
//!
//! Guarantees: nothing is sent to an address that is not public, whether it stands in the URL, a name resolves to it, or a redirect leads
//! there (`address::tests`, `client::tests::each_hop_is_checked`); no answer takes more memory or time than [`FetchLimits`] allows
//! (`client::tests::answers_are_bounded`).
//!
//! Not guaranteed: that an answer is true.

mod address;
mod client;
mod lookup;

pub use address::{AddressPolicy, Refusal, is_public};
pub use client::{Answer, Asked, Client, Error};
pub use lookup::{FetchLimits, Lookup, client, refusal_of, root_of, system_lookup};
