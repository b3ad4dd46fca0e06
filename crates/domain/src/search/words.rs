//! What a word is, and which words are near each other.

/// A longer word is cut: nobody looks for it, and an index entry holds 2,046 bytes.
const WORD_CHARS: usize = 200;

/// Runs of letters and digits, in lower case.
pub fn tokens(text: &str) -> impl Iterator<Item = String> {
    text.split(|c: char| !c.is_alphanumeric())
        .filter(|token| !token.is_empty())
        .map(|token| {
            token.chars().take(WORD_CHARS).flat_map(char::to_lowercase).filter(|c| c.is_alphanumeric()).collect()
        })
        .filter(|token: &String| !token.is_empty())
}

/// Whether a typing error makes one of the other: one letter wrong, missing, too many, or two swapped; two such errors in words of
/// eight letters and more. Words of less than four letters, and those with digits, are near nothing.
pub fn is_near(word: &str, other: &str) -> Option<usize> {
    let (word, other): (Vec<char>, Vec<char>) = (word.chars().collect(), other.chars().collect());
    let allowed = match word.len() {
        0..4 => return None,
        _ if word.iter().any(|c| c.is_numeric()) => return None,
        4..8 => 1,
        _ => 2,
    };
    if word.len().abs_diff(other.len()) > allowed {
        return None;
    }
    let distance = distance(&word, &other);
    (distance <= allowed).then_some(distance)
}

/// Optimal string alignment.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let changed = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = changed.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(before[j - 2] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_runs_of_letters_and_digits() {
        let words: Vec<_> = tokens("https://Example.com/Über-uns?a=1_2").collect();
        assert_eq!(words, ["https", "example", "com", "über", "uns", "a", "1", "2"]);
        assert_eq!(tokens("İ").collect::<Vec<_>>(), ["i"]);
    }

    #[test]
    fn one_slip_is_near_two_only_in_long_words() {
        let check = |word: &str, other: &str, expected: Option<usize>| {
            assert_eq!(is_near(word, other), expected, "{word} {other}");
        };
        check("rust", "rust", Some(0));
        check("rsut", "rust", Some(1));
        check("ruts", "rust", Some(1));
        check("rus", "rust", None);
        check("rusty", "rust", Some(1));
        check("rxst", "rust", Some(1));
        check("dust", "lost", None);
        check("ownershpi", "ownership", Some(1));
        check("onwershpi", "ownership", Some(2));
        check("onwershxx", "ownership", None);
        check("2025", "2026", None);
    }
}
