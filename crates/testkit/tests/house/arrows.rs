//! The allowed arrows between the crates, and who may use which library. Everything else is a mistake.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// What a crate may depend on among the crates of this workspace.
const ALLOWED: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("events", &["domain"]),
    ("saga", &["domain", "events"]),
    ("storage", &["domain", "events"]),
    ("guard", &[]),
    ("atproto", &["domain", "guard"]),
    ("pictures", &["domain"]),
    ("workers", &["domain", "events", "saga", "guard", "atproto", "pictures"]),
    ("runtime", &["domain", "events", "saga", "storage", "guard", "atproto", "workers"]),
    ("testkit", &["domain", "events", "saga", "storage", "guard", "atproto"]),
    ("http", &["domain", "events", "saga", "atproto"]),
    ("api", &["domain", "events", "saga", "http"]),
    ("imports", &["domain"]),
    ("pages", &["domain", "events", "saga", "atproto", "http", "imports"]),
    // For tests only.
    ("apptest", &["domain", "events", "saga", "storage", "testkit", "http", "api", "pages"]),
    // Measures all of it; nothing depends on it.
    ("bench", &["domain", "events", "storage", "testkit"]),
];
/// Binaries may use every crate but the test support.
const BINARIES: &[&str] = &[
    "domain", "events", "saga", "storage", "guard", "atproto", "pictures", "workers", "runtime", "http", "api",
    "imports", "pages",
];

/// Libraries that only some crates may use (binaries by package name).
const ONLY_IN: &[(&str, &[&str])] = &[
    ("sqlx", &["storage", "testkit", "bench"]),
    ("rusqlite", &["storage", "testkit", "bench"]),
    ("fred", &["events"]),
    ("actix-web", &["http", "api", "pages", "apptest", "web", "runtime"]),
    ("askama", &["pages"]),
    ("utoipa", &["http", "api"]),
    ("zip", &["imports"]),
    ("image", &["pictures"]),
    ("reqwest", &["guard", "atproto", "workers", "runtime", "testkit", "bench"]),
    ("p256", &["atproto"]),
    ("chacha20poly1305", &["atproto"]),
    ("hickory-resolver", &["atproto"]),
];
/// Libraries that a crate must not use.
const NEVER_IN: &[(&str, &[&str])] = &[("domain", &["tokio", "sqlx", "fred", "actix-web", "reqwest"])];

/// Package (without prefix) -> its normal and build dependencies (without prefix).
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |name: &Value| name.as_str().unwrap().trim_start_matches("cardwire-").to_owned();
    let packages = metadata["packages"].as_array().unwrap();
    let used = |package: &Value| {
        let normal = |d: &&Value| d["kind"].is_null() || d["kind"] == "build";
        package["dependencies"].as_array().unwrap().iter().filter(normal).map(|d| short(&d["name"])).collect()
    };
    packages.iter().map(|package| (short(&package["name"]), used(package))).collect()
}

#[test]
fn crates_depend_only_along_the_allowed_arrows() {
    let dependencies = dependencies();
    let ours: BTreeSet<&String> = dependencies.keys().collect();
    assert!(ours.len() >= ALLOWED.len(), "{ours:?}");
    for (package, used) in &dependencies {
        let allowed = ALLOWED.iter().find(|(name, _)| name == package).map_or(BINARIES, |(_, allowed)| *allowed);
        for arrow in used.iter().filter(|name| ours.contains(name)) {
            assert!(allowed.contains(&arrow.as_str()), "{package} must not depend on {arrow}");
        }
    }
}

#[test]
fn libraries_stay_behind_their_ports() {
    let dependencies = dependencies();
    for (package, used) in &dependencies {
        for (library, places) in ONLY_IN {
            let misplaced = used.contains(*library) && !places.contains(&package.as_str());
            assert!(!misplaced, "{package} must not use {library}: only {places:?} may");
        }
        for (_, libraries) in NEVER_IN.iter().filter(|(name, _)| name == package) {
            let found = libraries.iter().find(|library| used.contains(**library));
            assert_eq!(found, None, "{package} must not use it");
        }
    }
}
