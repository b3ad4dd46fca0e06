//! Folders and tags as names of collections.

use std::collections::BTreeSet;

use cardwire_domain::Visibility;
use cardwire_domain::collection::Name;
use cardwire_domain::text::{is_visible, turns_direction};

/// Between the names of nested folders.
const BETWEEN: &str = " / ";
/// In place of what was left out.
const LEFT_OUT: &str = "…";

/// A collection's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub name: String,
    /// Something was left out of it to make it short enough.
    pub is_cut: bool,
    /// The file says that it is its owner's alone.
    pub is_private: bool,
}

/// Without what no name may hold; `None` if nothing is left to see.
pub(crate) fn named(text: &str) -> Option<Named> {
    let text: String = text.chars().filter(|c| *c != '\0' && !turns_direction(*c)).collect();
    let text = text.trim();
    if !is_visible(text) {
        return None;
    }
    let is_cut = text.chars().count() > Name::MAX_CHARS;
    let name = if is_cut { shortened(text) } else { text.to_owned() };
    Some(Named { name, is_cut, is_private: false })
}

fn shortened(text: &str) -> String {
    let kept: String = text.chars().take(Name::MAX_CHARS - 1).collect();
    format!("{}{LEFT_OUT}", kept.trim_end())
}

/// The name for a folder inside others. Of a long one, the outermost are left out. As each name has something to see, only the innermost
/// thirty or so are looked at.
pub(crate) fn nested<'n>(innermost_first: impl IntoIterator<Item = &'n Named>) -> Option<Named> {
    let mut folders = innermost_first.into_iter();
    let mut whole = folders.next()?.clone();
    for folder in folders {
        let room = Name::MAX_CHARS.saturating_sub(whole.name.chars().count() + BETWEEN.chars().count());
        if folder.name.chars().count() > room {
            whole.is_cut = true;
            if room >= LEFT_OUT.chars().count() {
                whole.name = format!("{LEFT_OUT}{BETWEEN}{}", whole.name);
            }
            break;
        }
        whole.name = format!("{}{BETWEEN}{}", folder.name, whole.name);
        whole.is_cut |= folder.is_cut;
    }
    Some(whole)
}

/// Tags in one text: a list as JSON or Python writes it, or with whatever stands between them. One that stands alone may have blanks in it.
pub(crate) fn tags(text: &str) -> Vec<String> {
    let text = text.trim();
    if let Some(inner) = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')) {
        return listed(text).unwrap_or_else(|| between(inner, ','));
    }
    let separator = ['|', ',', ';'].into_iter().find(|separator| text.contains(*separator));
    between(text, separator.unwrap_or(','))
}

/// Our own lists of collections: JSON, or between semicolons. Of a list that was cut, the names that are whole.
pub(crate) fn collections(text: &str) -> Vec<String> {
    let text = text.trim();
    listed(text).or_else(|| listed_before_cut(text)).unwrap_or_else(|| between(text, ';'))
}

fn listed_before_cut(text: &str) -> Option<Vec<String>> {
    let whole = text.strip_prefix("[\"").filter(|_| !text.ends_with(']'))?.rsplit_once("\",")?.0;
    listed(&format!("[\"{whole}\"]"))
}

/// Who can see these collections, if it is told which of them are private.
pub(crate) fn visibilities(names: &[String], private: Option<Vec<String>>) -> Vec<(String, Visibility)> {
    let Some(private) = private else { return Vec::new() };
    let private: BTreeSet<String> = private.into_iter().collect();
    names.iter().map(|name| (name.clone(), Visibility::of(private.contains(name)))).collect()
}

fn listed(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

/// Names with this between them; quotation marks around one, as in Python's lists, are dropped.
pub(crate) fn between(text: &str, separator: char) -> Vec<String> {
    let bare = |name: &str| {
        let name = name.trim();
        let inner = ['\'', '"'].into_iter().find_map(|quote| name.strip_prefix(quote)?.strip_suffix(quote));
        inner.unwrap_or(name).to_owned()
    };
    text.split(separator).map(bare).filter(|name| !name.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_inside_folders_share_a_name() {
        let name = |folders: &[&str]| {
            let folders: Vec<Named> = folders.iter().rev().filter_map(|folder| named(folder)).collect();
            nested(&folders).map(|named| (named.name, named.is_cut))
        };
        assert_eq!(name(&["Kitchen", "Bread"]), Some(("Kitchen / Bread".into(), false)));
        assert_eq!(name(&["", " Bread ", "\u{200b}"]), Some(("Bread".into(), false)));
        assert_eq!(name(&[" ", ""]), None);
        assert_eq!(name(&["a\u{202e}b\0"]), Some(("ab".into(), false)));
        let long = "x".repeat(60);
        assert_eq!(name(&["Outer", &long, "Inner"]), Some((format!("Outer / {long} / Inner"), false)));
        assert_eq!(name(&[&long, &long]), Some((format!("… / {long}"), true)));
        let longest = "é".repeat(100);
        assert_eq!(name(&[&longest]), Some((longest.clone(), false)));
        assert_eq!(name(&["Outer", &longest]), Some((longest.clone(), true)), "there is no room to say so");
        assert_eq!(name(&[&format!("{longest}é")]), Some((format!("{}…", "é".repeat(99)), true)));
    }

    #[test]
    fn tags_are_read_as_every_service_writes_them() {
        let check = |text: &str, expected: &[&str]| assert_eq!(tags(text), expected, "{text}");
        check("baking|slow food", &["baking", "slow food"]);
        check("leaf, hot", &["leaf", "hot"]);
        check("slow food", &["slow food"]);
        check("a;b; c", &["a", "b", "c"]);
        check("[\"a, b\", \"c\"]", &["a, b", "c"]);
        check("['a', 'b']", &["a", "b"]);
        check("[]", &[]);
        check(" , ,", &[]);
        check("\"quoted\"", &["quoted"]);
        assert_eq!(collections("Bread, slowly; Tea"), ["Bread, slowly", "Tea"]);
        assert_eq!(collections("[\"a; b\",\"c\"]"), ["a; b", "c"]);
        assert_eq!(collections("[\"a; b\",\"c\",\"d and mo"), ["a; b", "c"]);
    }
}
