//! The image, as far as it can be checked without an engine.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value as Json;

use crate::tree::{binaries, check_command, read, root};

/// Instructions, with continued lines joined.
fn instructions() -> Vec<(String, String)> {
    let text = read("docker/Dockerfile").replace("\\\n", " ");
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line}"));
            (name.to_uppercase(), rest.trim().to_owned())
        })
        .collect()
}

fn last<'a>(instructions: &'a [(String, String)], name: &str) -> &'a str {
    let found = instructions.iter().rev().find(|(other, _)| other == name);
    &found.unwrap_or_else(|| panic!("no {name}")).1
}

fn words(list: &str) -> Vec<String> {
    serde_json::from_str(list).unwrap_or_else(|error| panic!("{list}: {error}"))
}

#[test]
fn it_holds_every_binary_and_runs_without_rights_or_entry_point() {
    let instructions = instructions();
    let begin = instructions.iter().rposition(|(name, _)| name == "FROM").unwrap();
    let last_stage = &instructions[begin..];
    // Where a volume is mounted for the file of one process.
    let folder = ("COPY".to_owned(), "--from=build --chown=65532:65532 /data /data".to_owned());
    assert!(last_stage.contains(&folder));
    let copied: BTreeSet<_> = last_stage
        .iter()
        .filter(|instruction| instruction.0 == "COPY" && **instruction != folder)
        .map(|(_, rest)| {
            let [from, source, to] = rest.split(' ').collect::<Vec<_>>()[..] else { panic!("{rest}") };
            assert_eq!(from, "--from=build", "only what was built");
            let binary = source.strip_prefix("/source/target/release/").unwrap_or_else(|| panic!("{rest}"));
            assert_eq!(to, format!("/usr/local/bin/{binary}"));
            binary.to_owned()
        })
        .collect();
    assert_eq!(copied, binaries().iter().cloned().collect());
    assert!(last_stage.iter().all(|(name, _)| name != "RUN"), "the last stage has no shell");

    let user = last(last_stage, "USER").split(':').next().unwrap();
    assert!(user.parse::<u32>().is_ok_and(|id| id > 0), "{user} may be root");
    assert!(instructions.iter().all(|(name, _)| name != "ENTRYPOINT"), "it would stay before every command");
    check_command(&words(last(last_stage, "CMD")), "CMD");
    assert_eq!(last(last_stage, "STOPSIGNAL"), "SIGTERM");
    let (_, check) = last(last_stage, "HEALTHCHECK").split_once("CMD ").unwrap();
    check_command(&words(check), "HEALTHCHECK");
}

#[test]
fn dependencies_are_a_layer_of_their_own() {
    let instructions = instructions();
    let at = |wanted: &str| {
        let found =
            instructions.iter().enumerate().filter(|(_, (name, rest))| format!("{name} {rest}").contains(wanted));
        found.map(|(at, _)| at).collect::<Vec<_>>()
    };
    let (manifests, builds) = (at("COPY --from=manifests"), at("$BUILD"));
    let [manifests] = manifests[..] else { panic!("{manifests:?}") };
    assert_eq!(builds[0], manifests + 1, "before any source");
    let [command] = at("cargo build")[..] else { panic!("one command, otherwise the second would compile them again") };
    for binary in binaries() {
        assert!(instructions[command].1.contains(&format!("-p cardwire-{binary}")), "{binary}");
    }
    // Then the crates, each built before the next one's sources are copied; a crate comes after everything that it
    // needs.
    let mut copied: Vec<&str> = Vec::new();
    for pair in instructions[builds[0] + 1..].chunks(2) {
        let [(copy, sources), (run, build)] = pair else { break };
        let Some((folder, _)) = sources.split_once(' ').filter(|_| copy == "COPY" && run == "RUN") else { break };
        assert_eq!(*build, format!("find {folder} -type f -exec touch {{}} + && $BUILD"));
        copied.push(folder);
        let manifest = folder.strip_prefix("crates/").map(|_| read(&format!("{folder}/Cargo.toml")));
        let manifest = manifest.unwrap_or_default();
        let needed = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for line in needed.lines().filter_map(|line| line.strip_prefix("cardwire-")) {
            let name = line.split(['.', ' ']).next().unwrap_or_default();
            assert!(copied.contains(&format!("crates/{name}").as_str()), "{folder} needs {name}, which comes later");
        }
    }
    assert_eq!(copied.last(), Some(&"bins"));
    assert!(copied.len() > 5, "{copied:?}");
}

/// Runs the image's first step, and checks whether Cargo could build from that: all manifests, with the unchanged lock
/// file.
#[test]
fn the_layer_of_dependencies_is_a_whole_workspace() {
    let folder = tempfile::tempdir().unwrap();
    let ran = Command::new(root().join("docker/manifests.sh")).arg(folder.path()).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let metadata = |folder: &std::path::Path| -> Json {
        let cargo = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version=1", "--offline", "--locked", "--all-features"])
            .current_dir(folder)
            .output()
            .unwrap();
        assert!(cargo.status.success(), "{}", String::from_utf8_lossy(&cargo.stderr));
        serde_json::from_slice(&cargo.stdout).unwrap()
    };
    let (stubs, real) = (metadata(folder.path()), metadata(&root()));
    let resolved = |metadata: &Json| -> BTreeSet<String> {
        let nodes = metadata["packages"].as_array().unwrap().iter();
        nodes.map(|package| format!("{} {}", package["name"], package["version"])).collect()
    };
    assert_eq!(resolved(&stubs), resolved(&real), "the same dependencies");
    let targets = |metadata: &Json| -> BTreeSet<String> {
        let packages = metadata["packages"].as_array().unwrap().iter().filter(|package| package["source"].is_null());
        let targets = packages.flat_map(|package| package["targets"].as_array().unwrap());
        let built =
            targets.filter(|target| ["lib", "bin", "custom-build"].contains(&target["kind"][0].as_str().unwrap()));
        built.map(|target| format!("{} {}", target["kind"][0], target["name"])).collect()
    };
    assert_eq!(targets(&stubs), targets(&real), "the same libraries and binaries");
}

#[test]
fn what_the_build_reads_is_sent_to_the_engine_and_secrets_are_not() {
    let ignored = read(".dockerignore");
    let lines: Vec<_> = ignored.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines[0], "*", "all but what is named");
    for needed in ["Cargo.toml", "Cargo.lock", "bins", "crates", "docker/manifests.sh"] {
        assert!(lines.contains(&format!("!{needed}").as_str()), "{needed}");
    }
    assert!(!lines.iter().any(|line| line.starts_with("!.")), "no .env, no .git");
}
