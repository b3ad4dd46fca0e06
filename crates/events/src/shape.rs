//! The shape of an error: its words without the parts that differ from event to event.

/// The maximum length of a shape, in characters.
pub const MAX_SHAPE_CHARS: usize = 200;

/// Stands for an id, a number, an address or a quoted value.
const SOMETHING: &str = "#";

/// The error without ids, numbers, addresses and quoted values, so that errors with the same cause look the same. Names
/// of event types stay.
pub fn error_shape(error: &str) -> String {
    let unquoted = without_quoted(error);
    let mut shape = String::new();
    for word in unquoted.split_whitespace() {
        let word = of_word(word);
        // A list of ids counts as one id.
        if word == SOMETHING && shape.ends_with(SOMETHING) {
            continue;
        }
        if !shape.is_empty() {
            shape.push(' ');
        }
        shape.push_str(&word);
    }
    if shape.is_empty() {
        return "(no message)".to_owned();
    }
    shape.chars().take(MAX_SHAPE_CHARS).collect()
}

/// A quoted value is one thing. An apostrophe within a word is not a quote.
fn without_quoted(error: &str) -> String {
    let mut kept = String::with_capacity(error.len());
    let mut rest = error;
    while let Some(opening) = rest.chars().next() {
        let behind = &rest[opening.len_utf8()..];
        let may_open = !kept.ends_with(|c: char| c.is_alphanumeric());
        let closing = match opening {
            '"' | '`' => Some(opening),
            '\'' if may_open => Some('\''),
            '“' => Some('”'),
            '‘' => Some('’'),
            _ => None,
        };
        match closing.and_then(|closing| behind.split_once(closing)) {
            Some((_, after)) => {
                kept.push_str(SOMETHING);
                rest = after;
            }
            None => {
                kept.push(opening);
                rest = behind;
            }
        }
    }
    kept
}

fn of_word(word: &str) -> String {
    let is_edge =
        |c: char| matches!(c, ',' | ';' | ':' | '.' | '!' | '?' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>');
    let bare = word.trim_matches(is_edge);
    if bare.is_empty() || !differs(bare) {
        return word.to_owned();
    }
    // A list continues after its comma; a colon after an id says what was wrong with it.
    match word.ends_with(':') {
        true => format!("{SOMETHING}:"),
        false => SOMETHING.to_owned(),
    }
}

/// Whether it probably differs from event to event.
fn differs(word: &str) -> bool {
    if is_event_type(word) {
        return false;
    }
    let is_address = word.contains("://") || word.contains('@') || word.starts_with('/') || word.starts_with("did:");
    is_address
        || word.contains(SOMETHING)
        || word.bytes().any(|b| b.is_ascii_digit())
        || is_host(word)
        || word.chars().count() > 40
}

/// Such as `CardAddedToLibrary.v2`.
fn is_event_type(word: &str) -> bool {
    word.rsplit_once(".v").is_some_and(|(name, version)| {
        let is_number = !version.is_empty() && version.bytes().all(|b| b.is_ascii_digit());
        is_number && name.starts_with(|c: char| c.is_ascii_uppercase()) && name.bytes().all(|b| b.is_ascii_alphabetic())
    })
}

/// Such as `links.example`, optionally followed by a port or a path.
fn is_host(word: &str) -> bool {
    let host = word.split(['/', ':']).next().unwrap_or_default();
    let mut labels = host.split('.');
    let is_label = |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    host.contains('.') && labels.all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{NO_ATTEMPT_LEFT, WORKER_LOST};

    #[test]
    fn errors_of_one_cause_have_one_shape() {
        let check = |errors: &[&str], shape: &str| {
            for error in errors {
                assert_eq!(error_shape(error), shape, "{error:?}");
            }
        };
        check(
            &[
                "card 01JD4A3W5T8Q2V9X7Y6Z1B0C3D cannot be indexed",
                "card 01JD4A3W5T8Q2V9X7Y6Z1B0C3E  cannot be indexed",
                "card 'a b' cannot be indexed",
            ],
            "card # cannot be indexed",
        );
        check(
            &[
                "no answer from https://pds.example/xrpc within 10s",
                "no answer from pds.example:443 within 250ms",
                "no answer from did:plc:alice within 3",
                "no answer from 127.0.0.1 within “a while”",
            ],
            "no answer from # within #",
        );
        check(&["1, 2 and 3 are missing", "1, 2, 5 and 12 are missing"], "# and # are missing");
        check(&["8f14e45f-ceea-467f-a1d4-91b5e3f0b1a2: gone", "alice@mail.example: gone"], "#: gone");
        check(&["it doesn't fit, isn't it?"], "it doesn't fit, isn't it?");
        check(&["an open \"quote"], "an open \"quote");
        check(&["", "  \n"], "(no message)");
    }

    #[test]
    fn types_of_events_tell_errors_apart() {
        for kind in crate::envelope::KNOWN_TYPES {
            assert!(error_shape(&format!("unknown event type {kind}")).ends_with(kind));
        }
        assert_eq!(error_shape("unknown event type nonsense.v2"), "unknown event type #");
    }

    #[test]
    fn a_shape_is_its_own_shape_and_bounded() {
        for error in [WORKER_LOST, NO_ATTEMPT_LEFT, "(no message)", "card # cannot be indexed", "a #: b"] {
            assert_eq!(error_shape(error), error);
        }
        let long = "long words ".repeat(100);
        assert_eq!(error_shape(&long).chars().count(), MAX_SHAPE_CHARS);
    }
}
