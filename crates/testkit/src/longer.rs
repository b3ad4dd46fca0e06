//! Settings with which the same tests run longer.

/// A number from the environment.
///
/// # Panics
/// When it is something else.
pub fn told(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {text}")))
}
