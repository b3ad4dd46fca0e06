//! Which passwords may be chosen, and the form in which they are compared.

use unicode_normalization::UnicodeNormalization;

use crate::error::{Error, Result};

/// The 10,000 most common passwords that are long enough, in lower case, one a line. See `password/LICENSE` for its source.
const COMMON: &str = include_str!("password/common.txt");

/// The form that is hashed: NFC. Keyboards differ in whether `é` is one character or two, and people cannot see which they typed.
pub fn normalise(password: &str) -> String {
    password.nfc().collect()
}

pub const MIN_CHARS: usize = 8;
pub const MAX_CHARS: usize = 256;

/// Checks a new password: 8 to 256 characters, no NUL, none of the most common ones in any case.
pub fn check(password: &str) -> Result<()> {
    let password = normalise(password);
    if password.contains('\0') {
        return Err(Error::invalid("password", "Remove the NUL character."));
    }
    if !(MIN_CHARS..=MAX_CHARS).contains(&password.chars().count()) {
        return Err(Error::invalid("password", "Passwords are 8 to 256 characters long."));
    }
    // Reading the whole list takes a small part of the time that hashing does.
    let lower = password.to_lowercase();
    if COMMON.lines().any(|common| common == lower) {
        return Err(Error::invalid(
            "password",
            "This is one of the most common passwords. Choose one that is harder to guess.",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_long_enough() {
        assert!(check("1f8q4z7e").is_ok());
        assert!(check("1f8q4z7").is_err());
        assert!(check(&"x".repeat(257)).is_err());
        assert!(check("1f8q4z7\0").is_err());
        assert!(check(&"e\u{301}".repeat(7)).is_err(), "seven letters, however they are written");
        assert!(check(&"e\u{301}".repeat(256)).is_ok());
    }

    #[test]
    fn the_most_common_passwords_are_refused_in_any_case() {
        for common in ["password", "12345678", "PassWord1", "iloveyou", "TRUSTNO1", "qwertyuiop", "1qaz2wsx"] {
            assert!(check(common).unwrap_err().to_string().contains("most common"), "{common}");
        }
        assert!(check("password and more").is_ok());
    }

    #[test]
    fn the_list_holds_10_000_passwords_that_nothing_else_refuses() {
        let common: std::collections::BTreeSet<&str> = COMMON.lines().collect();
        assert_eq!(common.len(), 10_000);
        for password in common {
            assert!(
                (8..=256).contains(&password.len()) && password == normalise(password).to_lowercase(),
                "{password}"
            );
        }
    }
}
