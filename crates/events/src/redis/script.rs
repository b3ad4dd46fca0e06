//! A Lua script and the digest by which Redis knows it.

use std::sync::OnceLock;

use fred::util::sha1_hash;

/// One operation that Redis runs without interruption. Should be a `static`.
#[derive(Debug)]
pub struct Script {
    pub(super) name: &'static str,
    pub(super) lua: &'static str,
    sha1: OnceLock<String>,
}

impl Script {
    /// `name` is for messages; `lua` is the full text, usually from `include_str!`.
    pub const fn new(name: &'static str, lua: &'static str) -> Self {
        Self { name, lua, sha1: OnceLock::new() }
    }

    pub(super) fn sha1(&self) -> &str {
        self.sha1.get_or_init(|| sha1_hash(self.lua))
    }
}
