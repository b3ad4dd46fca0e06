//! fly.toml.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::tree::{binaries, check_command, check_setting, read};

fn fly() -> Table {
    read("fly.toml").parse().unwrap()
}

fn words(value: &Value) -> Vec<String> {
    value.as_str().unwrap().split_whitespace().map(str::to_owned).collect()
}

fn names(value: &Value) -> BTreeSet<String> {
    let list = value.as_array().unwrap_or_else(|| panic!("{value:?} names no groups"));
    list.iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn groups(fly: &Table) -> BTreeSet<String> {
    fly["processes"].as_table().unwrap().keys().cloned().collect()
}

#[test]
fn groups_and_releases_run_what_there_is() {
    let fly = fly();
    assert_eq!(groups(&fly), binaries().iter().cloned().collect());
    for (group, command) in fly["processes"].as_table().unwrap() {
        check_command(&words(command), group);
        assert_eq!(words(command)[0], *group);
    }
    let release = words(&fly["deploy"]["release_command"]);
    assert_eq!(release, ["web", "migrate"]);
    check_command(&release, "release_command");
    assert_eq!(fly["deploy"]["release_command_timeout"].as_str(), Some("15m"), "five minutes are too few for an index");
    assert_eq!(fly["build"]["dockerfile"].as_str(), Some("docker/Dockerfile"));
}

#[test]
fn settings_are_known_and_fit_together() {
    let fly = fly();
    let environment = fly["env"].as_table().unwrap();
    for name in environment.keys() {
        check_setting(name, "fly.toml");
    }
    let environment = environment.iter().map(|(name, value)| (name.as_str(), value.as_str().unwrap()));
    // Provided as secrets.
    let secrets = [("DATABASE_URL", "postgres://db/cardwire"), ("REDIS_URL", "redis://cache")];
    let environment: Vec<_> = environment.chain(secrets).collect();
    for binary in binaries() {
        let program = cardwire_testkit::process::binary(binary);
        let mut command = std::process::Command::new(program);
        let checked = checked_output(command.arg("--check-config").env_clear().envs(environment.clone()));
        assert!(checked.contains("HOST=[::]\n"), "{binary}: {checked}");
    }
}

fn checked_output(command: &mut std::process::Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Sections without group names apply to one group only.
#[test]
fn every_group_is_sized_checked_measured_and_restarted() {
    let fly = fly();
    let all = groups(&fly);
    let list = |name: &str| fly[name].as_array().unwrap_or_else(|| panic!("[[{name}]] is a list")).clone();
    for section in ["metrics", "restart", "vm"] {
        let mut reached = BTreeSet::new();
        for entry in list(section) {
            for group in names(&entry["processes"]) {
                assert!(all.contains(&group), "[[{section}]]: there is no {group}");
                assert!(reached.insert(group.clone()), "[[{section}]]: {group} twice");
            }
        }
        assert_eq!(reached, all, "[[{section}]]");
    }
    let metrics_port: i64 = fly["env"]["METRICS_PORT"].as_str().unwrap().parse().unwrap();
    for entry in list("metrics") {
        assert_eq!((entry["port"].as_integer(), entry["path"].as_str()), (Some(metrics_port), Some("/metrics")));
    }
    for entry in list("vm") {
        assert!(entry["size"].is_str() && entry["memory"].is_str(), "{entry:?}");
    }
    let mut checked = BTreeSet::new();
    for (name, check) in fly["checks"].as_table().unwrap() {
        checked.extend(names(&check["processes"]));
        assert_eq!(
            (check["port"].as_integer(), check["path"].as_str()),
            (Some(metrics_port), Some("/readyz")),
            "{name}"
        );
    }
    assert_eq!(checked, all, "[checks]");
}

#[test]
fn processes_are_told_to_stop_and_given_time() {
    let fly = fly();
    assert_eq!(fly["kill_signal"].as_str(), Some("SIGTERM"));
    let web = &fly["http_service"];
    assert_eq!(names(&web["processes"]), BTreeSet::from(["web".to_owned()]));
    assert_eq!(web["internal_port"].as_integer().unwrap().to_string(), fly["env"]["PORT"].as_str().unwrap());
    assert_eq!(web["auto_stop_machines"].as_str(), Some("off"), "the relay of a stopped machine relays nothing");
    let deadline_s: i64 =
        cardwire_runtime::settings::names::find("APP__SHUTDOWN__DEADLINE_S").unwrap().default.unwrap().parse().unwrap();
    assert!(fly["kill_timeout"].as_integer().unwrap() >= deadline_s + 10, "a drain and the last traces");
}
