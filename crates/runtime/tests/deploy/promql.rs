//! Enough of PromQL to find the metrics and labels in an expression.

use std::collections::BTreeSet;

/// Metrics, each with the labels it is matched or grouped by.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Named {
    pub metrics: BTreeSet<String>,
    pub labels: BTreeSet<String>,
}

const KEYWORDS: [&str; 12] =
    ["and", "or", "unless", "bool", "offset", "ignoring", "on", "group_left", "group_right", "inf", "nan", "start"];

/// # Panics
/// If brackets or quotes are unbalanced.
pub fn named(expression: &str) -> Named {
    let mut named = Named::default();
    let mut rest = expression;
    // Whether the next list in brackets contains labels.
    let mut grouping = false;
    while let Some(first) = rest.chars().next() {
        match first {
            '{' => {
                let (inside, behind) = rest[1..].split_once('}').expect("a closed selector");
                for matcher in inside.split(',').filter(|matcher| !matcher.trim().is_empty()) {
                    let label = matcher.split(['=', '!', '~']).next().unwrap().trim();
                    named.labels.insert(label.to_owned());
                }
                rest = behind;
            }
            '[' => rest = rest.split_once(']').expect("a closed range").1,
            '"' => rest = rest[1..].split_once('"').expect("a closed string").1,
            '(' if grouping => {
                let (inside, behind) = rest[1..].split_once(')').expect("a closed list");
                named.labels.extend(inside.split(',').map(|label| label.trim().to_owned()));
                (grouping, rest) = (false, behind);
            }
            c if c.is_ascii_alphabetic() || c == '_' || c == ':' => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':').unwrap_or(rest.len());
                let (word, behind) = rest.split_at(end);
                if ["by", "without", "on", "ignoring"].contains(&word) {
                    grouping = true;
                } else if !behind.trim_start().starts_with('(')
                    && !KEYWORDS.contains(&word.to_lowercase().as_str())
                    && !is_grouped(behind)
                {
                    named.metrics.insert(word.to_owned());
                }
                rest = behind;
            }
            c if c.is_ascii_digit() => {
                let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '.').unwrap_or(rest.len());
                rest = &rest[end..];
            }
            c => rest = &rest[c.len_utf8()..],
        }
    }
    named
}

/// An aggregation whose labels come before what it aggregates: `sum by (queue) (…)`.
fn is_grouped(behind: &str) -> bool {
    let behind = behind.trim_start();
    ["by ", "by(", "without ", "without("].iter().any(|word| behind.starts_with(word))
}

#[test]
fn metrics_and_labels_are_found() {
    let check = |expression: &str, metrics: &[&str], labels: &[&str]| {
        let set = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        assert_eq!(named(expression), Named { metrics: set(metrics), labels: set(labels) }, "{expression}");
    };
    check("up == 0", &["up"], &[]);
    check(r#"sum by (queue) (rate(a_total{job=~"x|(y", b!="z"}[5m])) > 0.1"#, &["a_total"], &["queue", "job", "b"]);
    check("histogram_quantile(0.99, sum by (le, route) (rate(a_bucket[5m])))", &["a_bucket"], &["le", "route"]);
    check("absent(a) or increase(b[5m]) > 3", &["a", "b"], &[]);
    check("a / (b > 0) > 1e3 unless on (x) c", &["a", "b", "c"], &["x"]);
}
