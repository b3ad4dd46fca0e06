//! The repository's files, and the names of Cardwire that they may use.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use cardwire_runtime::settings::names;
use serde_json::Value as Json;
use serde_yaml_ng::Value as Yaml;

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// With merge keys applied, including nested ones.
pub fn yaml(text: &str, name: &str) -> Yaml {
    let mut value: Yaml = serde_yaml_ng::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    for _depth in 0..2 {
        value.apply_merge().unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    value
}

/// All files in a folder, which may be missing.
pub fn files(folder: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![root().join(folder)];
    while let Some(folder) = open.pop() {
        let Ok(entries) = std::fs::read_dir(&folder) else { continue };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() { open.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The names of the binaries, from Cargo.
pub fn binaries() -> &'static [String] {
    static BINARIES: OnceLock<Vec<String>> = OnceLock::new();
    BINARIES.get_or_init(|| {
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--no-deps", "--offline"])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Json = serde_json::from_slice(&output.stdout).unwrap();
        let packages = metadata["packages"].as_array().unwrap().iter();
        let ours = packages.filter(|package| package["manifest_path"].as_str().unwrap().contains("/bins/"));
        let targets = ours.flat_map(|package| package["targets"].as_array().unwrap());
        let binaries = targets.filter(|target| target["kind"][0] == "bin");
        let mut names: Vec<_> = binaries.map(|target| target["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    })
}

/// Checks that this starts one of our binaries with arguments that it accepts.
pub fn check_command(command: &[String], place: &str) {
    let (binary, arguments) = command.split_first().unwrap_or_else(|| panic!("{place}: an empty command"));
    assert!(binaries().contains(binary), "{place}: {binary} is no binary of ours");
    let program = cardwire_testkit::process::binary(binary);
    let help = Command::new(program).args(arguments).arg("--help").env_clear().output().unwrap();
    assert!(help.status.success(), "{place}: {command:?}: {}", String::from_utf8_lossy(&help.stderr));
}

/// Checks that this is a setting.
pub fn check_setting(name: &str, place: &str) {
    assert!(names::find(name).is_some(), "{place}: {name} is no setting");
}

/// `KEY: value` or `KEY=value`, as compose files write environments.
pub fn pairs(value: &Yaml) -> Vec<(String, String)> {
    let text = |value: &Yaml| match value {
        Yaml::String(text) => text.clone(),
        other => serde_yaml_ng::to_string(other).unwrap().trim().to_owned(),
    };
    match value {
        Yaml::Mapping(map) => map.iter().map(|(name, value)| (text(name), text(value))).collect(),
        Yaml::Sequence(list) => list
            .iter()
            .map(|pair| {
                let pair = text(pair);
                let (name, value) = pair.split_once('=').unwrap_or((&pair, ""));
                (name.to_owned(), value.to_owned())
            })
            .collect(),
        _ => Vec::new(),
    }
}

/// A command as a list, or as a line without quotes.
pub fn words(value: &Yaml) -> Vec<String> {
    match value {
        Yaml::Sequence(list) => list.iter().map(|word| word.as_str().unwrap().to_owned()).collect(),
        Yaml::String(line) => line.split_whitespace().map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn a_wrong_name_would_be_found() {
    assert!(std::panic::catch_unwind(|| check_setting("REDIS_HOSTS", "x")).is_err());
    assert!(std::panic::catch_unwind(|| check_command(&["worker".to_owned()], "x")).is_err());
    assert!(std::panic::catch_unwind(|| check_command(&["web".to_owned(), "migrat".to_owned()], "x")).is_err());
    check_command(&["web".to_owned(), "migrate".to_owned()], "x");
}
