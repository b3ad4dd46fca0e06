//! Every relative link in the README and the docs leads to a file that exists, and to a heading it has.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn pages(path: &Path, found: &mut Vec<PathBuf>) {
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            pages(&entry.unwrap().path(), found);
        }
    } else if path.extension().is_some_and(|extension| extension == "md") {
        found.push(path.to_owned());
    }
}

/// The lines that are not in a code block, without what stands in backticks.
fn prose(text: &str) -> String {
    let mut is_code = false;
    let lines = text.lines().filter(|line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    });
    lines.flat_map(|line| line.split('`').step_by(2).chain(["\n"])).collect()
}

fn links(prose: &str) -> impl Iterator<Item = &str> {
    let targets = prose.split("](").skip(1).filter_map(|rest| rest.split_once(')'));
    targets.map(|(target, _)| target).filter(|target| !target.contains("://"))
}

/// The names that headings have in links, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let name = |heading: &str| -> String {
        let kept = heading.trim_start_matches('#').trim().chars();
        let kept = kept.filter(|c| c.is_alphanumeric() || " -_".contains(*c));
        kept.flat_map(char::to_lowercase).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(name).collect()
}

/// Why the link leads nowhere.
fn wrong(page: &Path, target: &str) -> Option<&'static str> {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = if path.is_empty() { page.to_owned() } else { page.parent().unwrap().join(path) };
    if !path.exists() {
        return Some("there is no such file");
    }
    let is_known = anchor.is_empty() || anchors(&fs::read_to_string(path).unwrap()).contains(anchor);
    (!is_known).then_some("the page has no such heading")
}

#[test]
fn links_in_the_docs_lead_somewhere() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let mut found = vec![root.join("README.md"), root.join("clients/extension/README.md")];
    pages(&root.join("docs"), &mut found);
    assert!(found.len() > 50, "{}", found.len());
    let mut complaints = Vec::new();
    for page in &found {
        let prose = prose(&fs::read_to_string(page).unwrap());
        for target in links(&prose) {
            if let Some(why) = wrong(page, target) {
                complaints.push(format!("{}: {target}: {why}", page.strip_prefix(&root).unwrap().display()));
            }
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn links_and_headings_are_found() {
    let text = "# One, `two` & three\n[a](b.md#c) and `[no](code)`\n```\n# not this [no](block)\n```\n[x](https://example.com) ![y](z.png)";
    assert_eq!(links(&prose(text)).collect::<Vec<_>>(), ["b.md#c", "z.png"]);
    assert!(anchors(text).contains("one-two--three"), "{:?}", anchors(text));
}
