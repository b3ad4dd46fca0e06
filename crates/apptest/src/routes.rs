//! Every route there is: those of the OpenAPI document, and those that the source adds. As "GET /api/cards/{id}".

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

/// # Panics
/// When hardly anything is found, so that a test which asks about all routes asks about something.
pub fn all(document: &Value) -> BTreeSet<String> {
    let mut routes = of_document(document);
    let documented = routes.len();
    assert!(documented > 50, "the document has {documented} operations");
    routes.extend(of_source());
    assert!(routes.len() > documented + 30, "the source has hardly more than the document: {}", routes.len());
    routes
}

fn of_document(document: &Value) -> BTreeSet<String> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    operations.collect()
}

/// What the files say between `Endpoint::at(` and `.register(`.
fn of_source() -> BTreeSet<String> {
    let mut routes = BTreeSet::new();
    for file in ["api", "pages", "http"].iter().flat_map(|name| sources(&format!("{name}/src"))) {
        let text = fs::read_to_string(&file).unwrap();
        // Not what is made with another name, and not the type itself.
        for endpoint in text.split("Endpoint::at(").skip(1) {
            let (path, rest) = endpoint.split_once(')').unwrap();
            let (methods, _) = rest.split_once(".register(").unwrap_or_else(|| panic!("{}: {path}", file.display()));
            let path = literal(path, &text).unwrap_or_else(|| panic!("{}: {path}", file.display()));
            let before = routes.len();
            for (call, method) in [(".get(", "GET"), (".post(", "POST"), (".put(", "PUT"), (".delete(", "DELETE")] {
                if methods.contains(call) {
                    routes.insert(format!("{method} {path}"));
                }
            }
            assert!(routes.len() > before, "{}: {path} has no method that is known here", file.display());
        }
    }
    routes
}

/// The text of a literal, or of the file's constant of this name.
fn literal(path: &str, file: &str) -> Option<String> {
    let path = path.trim().trim_end_matches(',');
    let quoted = match path.starts_with('"') {
        true => path,
        false => file.split_once(&format!("const {path}: &str = "))?.1,
    };
    Some(quoted.split('"').nth(1)?.to_owned())
}

/// The Rust files below a folder of `crates`.
pub fn sources(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    found
}
