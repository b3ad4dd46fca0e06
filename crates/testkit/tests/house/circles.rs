//! No file imports another that, directly or through others, imports it back.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::imports::{Imports, imports_of_crate};

/// Every folder with sources of ours: `src` of each crate and binary.
fn sources() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let crates = ["crates", "bins"].into_iter().flat_map(|folder| std::fs::read_dir(root.join(folder)).unwrap());
    crates.map(|entry| entry.unwrap().path().join("src")).filter(|src| src.is_dir()).collect()
}

/// Groups of two or more files in which each reaches every other.
fn circles(imports: &Imports) -> Vec<BTreeSet<PathBuf>> {
    let reachable: BTreeMap<&PathBuf, BTreeSet<&PathBuf>> =
        imports.keys().map(|file| (file, reached_from(imports, file))).collect();
    let mut found: Vec<BTreeSet<PathBuf>> = Vec::new();
    for (file, reached) in &reachable {
        let back = |other: &&&PathBuf| reachable.get(**other).is_some_and(|reached| reached.contains(file));
        let circle: BTreeSet<PathBuf> = reached.iter().filter(back).map(|other| (*other).clone()).collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

fn reached_from<'a>(imports: &'a Imports, start: &PathBuf) -> BTreeSet<&'a PathBuf> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<&PathBuf> = imports[start].keys().collect();
    while let Some(file) = next.pop() {
        if reached.insert(file) {
            next.extend(imports[file].keys());
        }
    }
    reached
}

/// The circle in words, with the names that tie it.
fn told(imports: &Imports, circle: &BTreeSet<PathBuf>) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let short = |path: &PathBuf| path.strip_prefix(&root).unwrap_or(path).display().to_string();
    let mut lines = vec![format!("{} files import each other in a circle:", circle.len())];
    for file in circle {
        for (other, names) in imports[file].iter().filter(|(other, _)| circle.contains(*other)) {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            lines.push(format!("  {} -> {}: {}", short(file), short(other), names.join(", ")));
        }
    }
    lines.join("\n")
}

#[test]
fn no_files_of_a_crate_import_each_other_in_a_circle() {
    let mut found = Vec::new();
    let mut files = 0;
    for src in sources() {
        let imports = imports_of_crate(&src);
        files += imports.len();
        found.extend(circles(&imports).iter().map(|circle| told(&imports, circle)));
    }
    assert!(files > 100, "only {files} files were read");
    assert!(found.is_empty(), "{} circles\n{}", found.len(), found.join("\n"));
}

/// Writes a crate of the given files and returns its circles, by file name.
fn circles_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let short = |path: &PathBuf| path.strip_prefix(folder.path()).unwrap().display().to_string();
    circles(&imports_of_crate(folder.path())).iter().map(|circle| circle.iter().map(short).collect()).collect()
}

#[test]
fn a_circle_is_found_however_its_imports_are_written() {
    let check = |a: &str, b: &str| {
        let files = [("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", b)];
        assert_eq!(circles_of(&files), [["a.rs", "b.rs"]], "{a} / {b}");
    };
    check("use crate::b::B; pub struct A;", "use crate::a::A; pub struct B;");
    check("use super::b; pub struct A(b::B);", "use super::a::{A as Other}; pub struct B;");
    check("pub fn a() { crate::b::b() }", "pub fn b() { super::a::a() }");
    check("use crate::b::*; pub struct A(B);", "pub fn b(a: crate::a::A) {} pub struct B;");
    check("pub fn a() -> Vec<u8> { vec![crate::b::b()] }", "pub fn b() -> u8 { crate::a::a()[0] }");
    check("pub fn a() { use super::b; b::b() }", "use crate::a; pub fn b() { a::a() }");
}

#[test]
fn names_handed_on_count_as_imports_of_their_own_file() {
    let lib = "mod a; mod b; pub use a::A; pub use b::*;";
    assert_eq!(
        circles_of(&[
            ("lib.rs", lib),
            ("a.rs", "use crate::B; pub struct A;"),
            ("b.rs", "use crate::A; pub struct B;")
        ]),
        [["a.rs", "b.rs"]]
    );
    let none: Vec<Vec<String>> = Vec::new();
    assert_eq!(
        circles_of(&[("lib.rs", lib), ("a.rs", "use crate::B; pub struct A;"), ("b.rs", "pub struct B;")]),
        none
    );
}

#[test]
fn of_several_globs_the_one_that_has_the_name_counts() {
    let files = [
        ("lib.rs", "mod a; mod b; pub use a::*; pub use b::*;"),
        ("a.rs", "pub struct A;"),
        ("b.rs", "use crate::A; pub struct B;"),
    ];
    let none: Vec<Vec<String>> = Vec::new();
    assert_eq!(circles_of(&files), none);
    let files = [("lib.rs", files[0].1), ("a.rs", "use crate::B; pub struct A;"), ("b.rs", files[2].1)];
    assert_eq!(circles_of(&files), [["a.rs", "b.rs"]]);
}

#[test]
fn a_parent_that_uses_its_child_must_not_be_used_by_it() {
    let parent = "mod child; pub fn shared() {} pub fn run() { child::run() }";
    let files =
        [("lib.rs", "mod a;"), ("a/mod.rs", parent), ("a/child.rs", "use super::shared; pub fn run() { shared() }")];
    assert_eq!(circles_of(&files), [["a/child.rs", "a/mod.rs"]]);
}

#[test]
fn what_only_tests_import_makes_no_circle() {
    let a = "pub struct A; #[cfg(test)] mod tests { use crate::b::B; }";
    let none: Vec<Vec<String>> = Vec::new();
    assert_eq!(circles_of(&[("lib.rs", "mod a; mod b;"), ("a.rs", a), ("b.rs", "use crate::a::A; struct B;")]), none);
}
