/// The version of all crates and binaries; they are released together.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
