//! A real server of repositories, installed by `scripts/test-atproto.sh`: by passwords, by its sign-in pages, and as a site of ours sees it.

mod browser;
mod passwords;
mod server;
mod site;

pub use browser::{Browser, brought};
pub use passwords::{PASSWORD, Passwords};
pub use server::RealPds;
pub use site::{KnownNames, settings};
