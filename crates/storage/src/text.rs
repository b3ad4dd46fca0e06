//! Text as it is stored, for both stores.

/// This many characters of it at most, and none that PostgreSQL's text cannot contain: somebody may move there.
pub(crate) fn storable(text: &str, chars: usize) -> String {
    text.chars().take(chars).map(|c| if c == '\0' { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nul_is_replaced_and_the_rest_cut_by_characters() {
        assert_eq!(storable("a\0ü", 3), "a\u{fffd}ü");
        assert_eq!(storable("üüü", 2), "üü");
    }
}
