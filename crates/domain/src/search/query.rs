//! What people type into a search box.

use super::words::tokens;

/// One thing that must, or must not, occur.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Term {
    /// As it is; `open`: also the beginning of a word.
    Word { word: String, open: bool },
    /// These words in a row.
    Phrase(Vec<String>),
}

/// Words separated by white space; `"words in a row"`; `-word` and `-"words in a row"` for what must not occur.
///
/// A word is found at the beginning of longer ones, unless punctuation ends it. Punctuation between words separates them; it is never
/// syntax otherwise.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchQuery {
    /// Never empty.
    pub required: Vec<Term>,
    pub excluded: Vec<Term>,
}

impl SearchQuery {
    /// `None`: nothing is looked for, or something that is no word and so occurs nowhere.
    pub fn parse(text: &str) -> Option<Self> {
        let mut query = Self::default();
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let (excluded, after) = match rest.strip_prefix('-') {
                Some(after) if after.starts_with(|c: char| c == '"' || c.is_alphanumeric()) => (true, after),
                _ => (false, rest),
            };
            let target = if excluded { &mut query.excluded } else { &mut query.required };
            let end = if let Some(quoted) = after.strip_prefix('"') {
                let (inside, end) = match quoted.find('"') {
                    Some(at) => (&quoted[..at], &quoted[at + 1..]),
                    // Still being typed.
                    None => (quoted, ""),
                };
                let words: Vec<String> = tokens(inside).collect();
                if words.is_empty() {
                    return None;
                }
                target.push(Term::Phrase(words));
                end
            } else {
                let at = after.find(|c: char| c.is_whitespace() || c == '"').unwrap_or(after.len());
                let (chunk, end) = after.split_at(at);
                let words: Vec<String> = tokens(chunk).collect();
                let last = words.len().checked_sub(1)?;
                let open = !excluded && chunk.ends_with(char::is_alphanumeric);
                if excluded && last > 0 {
                    target.push(Term::Phrase(words));
                } else {
                    let terms = words.into_iter().enumerate();
                    target.extend(terms.map(|(at, word)| Term::Word { word, open: open && at == last }));
                }
                end
            };
            rest = end.trim_start();
        }
        (!query.required.is_empty()).then_some(query)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(text: &str) -> Option<String> {
        let term = |term: &Term| match term {
            Term::Word { word, open: true } => format!("{word}*"),
            Term::Word { word, open: false } => word.clone(),
            Term::Phrase(words) => format!("\"{}\"", words.join(" ")),
        };
        let query = SearchQuery::parse(text)?;
        let excluded = query.excluded.iter().map(|excluded| format!("-{}", term(excluded)));
        Some(query.required.iter().map(term).chain(excluded).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn every_word_is_looked_for_and_other_punctuation_is_never_syntax() {
        let check = |text: &str, expected: Option<&str>| assert_eq!(told(text).as_deref(), expected, "{text:?}");
        check("Rust", Some("rust*"));
        check("rust own", Some("rust* own*"));
        check("example.com/ru", Some("example com ru*"));
        check("rust_", Some("rust"));
        check("\"Memory  safety\" rust", Some("\"memory safety\" rust*"));
        check("rust -async", Some("rust* -async"));
        check("rust -\"no std\" well-known", Some("rust* well known* -\"no std\""));
        check("rust -a.b", Some("rust* -\"a b\""));
        check("\"being typed", Some("\"being typed\""));
        check("rust\"a b\"", Some("rust* \"a b\""));
        for nothing in ["rust &", "' | ! ( :*", "  ", "", "-rust", "\"\"", "--", "%", "\0"] {
            check(nothing, None);
        }
    }
}
