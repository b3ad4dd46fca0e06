//! Every key that a script touches is declared, so that servers which insist on that can run it. The exceptions are named here and in
//! docs/operate/REDIS.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// They find the keys in `due`: the caller would have to ask for them first, which costs a second round trip.
const FIND_THEIR_KEYS: &[&str] = &["claim_due.lua", "open.lua"];
const KEYLESS: &[&str] = &["TIME"];

fn crates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The paths of all scripts below `folder`.
fn scripts(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(scripts(&path));
        } else if path.extension().is_some_and(|extension| extension == "lua") {
            found.push(path);
        }
    }
    found
}

/// The name of the table or value that an expression is or indexes, `KEYS` for `unpack(KEYS, 2)` as for `KEYS[2]`. Nothing when a name is
/// put together.
fn root(expression: &str) -> &str {
    let expression = expression.trim();
    let inner = ["unpack(", "ipairs("].into_iter().find_map(|call| expression.strip_prefix(call)).unwrap_or(expression);
    let end = inner.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(inner.len());
    let (name, behind) = inner.split_at(end);
    let behind = match behind.strip_prefix('[').and_then(|index| index.split_once(']')) {
        Some((_, behind)) => behind,
        None => behind,
    };
    if behind.trim_start().starts_with("..") { "" } else { name }
}

/// What is assigned to names, as (name, root of the expression): `local a = b[1]`, `a[#a + 1] = b[1]`, `for _, a in ipairs(b) do`.
fn assignments(script: &str) -> Vec<(&str, &str)> {
    let mut found = Vec::new();
    for line in script.lines().map(str::trim) {
        if let Some((names, list)) = line.strip_prefix("for ").and_then(|line| line.split_once(" in ")) {
            let value = names.rsplit(',').next().unwrap_or_default();
            found.push((value.trim(), root(list)));
        } else if let Some((name, value)) = line.split_once(" = ") {
            // An empty table holds no key yet.
            if !value.starts_with("{}") {
                found.push((root(name.trim_start_matches("local ")), root(value)));
            }
        }
    }
    found
}

/// Names that hold nothing but declared keys.
fn declared(script: &str) -> BTreeSet<&str> {
    let assigned = assignments(script);
    let mut declared: BTreeSet<&str> = BTreeSet::from(["KEYS"]);
    loop {
        let all_from_declared = |name: &str| assigned.iter().all(|(to, from)| *to != name || declared.contains(from));
        let more: Vec<&str> = assigned.iter().map(|(name, _)| *name).filter(|name| all_from_declared(name)).collect();
        let before = declared.len();
        declared.extend(more);
        if declared.len() == before {
            return declared;
        }
    }
}

/// The calls whose key is not declared.
fn undeclared(script: &str) -> Vec<&str> {
    let code: Vec<&str> = script.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
    let declared = declared(script);
    let mut found = Vec::new();
    for line in code {
        for call in line.split("redis.").skip(1).filter(|call| call.starts_with("call(") || call.starts_with("pcall("))
        {
            let arguments = call.split_once('(').map_or("", |(_, arguments)| arguments);
            let (command, key) = arguments.split_once(',').unwrap_or((arguments, ""));
            let command = command.trim_matches(|c: char| !c.is_alphanumeric());
            if !KEYLESS.contains(&command) && !declared.contains(root(key)) {
                found.push(line.trim());
            }
        }
    }
    found
}

#[test]
fn scripts_touch_only_the_keys_that_they_are_given() {
    let scripts: Vec<PathBuf> =
        scripts(&crates()).into_iter().filter(|path| path.components().any(|part| part.as_os_str() == "src")).collect();
    assert!(scripts.len() >= 19, "{scripts:?}");
    let manual = fs::read_to_string(crates().join("../docs/operate/REDIS.md")).unwrap();
    let mut exceptions = BTreeSet::new();
    for path in &scripts {
        let name = path.file_name().unwrap().to_str().unwrap();
        let script = fs::read_to_string(path).unwrap();
        assert!(script.contains("redis.call("), "{name} calls nothing that was understood");
        let found = undeclared(&script);
        if FIND_THEIR_KEYS.contains(&name) {
            assert!(!found.is_empty(), "{name} is an exception no more");
            assert!(manual.contains(name), "docs/operate/REDIS.md does not name {name}");
            exceptions.insert(name);
        } else {
            assert_eq!(found, [""; 0], "{name} touches keys that are not declared");
        }
    }
    assert_eq!(exceptions, BTreeSet::from_iter(FIND_THEIR_KEYS.iter().copied()));
}

#[test]
fn an_undeclared_key_is_found() {
    let check = |script: &str, expected: usize| assert_eq!(undeclared(script).len(), expected, "{script}");
    check("redis.call('GET', KEYS[1])\nredis.call('TIME')", 0);
    check("for index, key in ipairs(KEYS) do\nredis.call('GET', key)", 0);
    check("local keys = {}\nkeys[#keys + 1] = KEYS[2]\nredis.call('DEL', unpack(keys, 1, 2))", 0);
    check("redis.call('GET', ARGV[1])", 1);
    check("redis.call('GET', 'a name')", 1);
    check("redis.call('GET', ARGV[1] .. KEYS[1])", 1);
    check("local key = ARGV[1] .. 'x'\nredis.pcall('GET', key)", 1);
    check("local key = KEYS[1]\nkey = ARGV[1]\nredis.call('GET', key)", 1);
    check("local keys = {}\nkeys[1] = KEYS[1]\nkeys[2] = ARGV[1]\nredis.call('DEL', unpack(keys))", 1);
    check("if redis.call('GET', KEYS[1]) == redis.call('GET', ARGV[1]) then", 1);
    check("local key = KEYS[1] .. ARGV[1]\nredis.call('GET', key)", 1);
}
