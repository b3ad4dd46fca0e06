//! Compose files: docker/compose.yaml and those in deploy/.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde_yaml_ng::Value as Yaml;

use crate::tree::{binaries, check_command, check_setting, files, pairs, read, root, words, yaml};

fn compose_files() -> Vec<PathBuf> {
    let is_compose = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        name.starts_with("compose") && (name.ends_with(".yaml") || name.ends_with(".yml"))
    };
    files("docker").into_iter().chain(files("deploy")).filter(is_compose).collect()
}

fn load(path: &PathBuf) -> Yaml {
    yaml(&std::fs::read_to_string(path).unwrap(), &path.display().to_string())
}

/// Whether a service runs our image.
fn ours(service: &Yaml) -> bool {
    let built = service["build"]["dockerfile"].as_str().is_some_and(|file| file.ends_with("docker/Dockerfile"));
    built || service["image"].as_str().is_some_and(|image| image == "cardwire" || image.starts_with("cardwire:"))
}

#[test]
fn services_start_what_there_is_with_settings_that_are_known() {
    let files = compose_files();
    assert!(files.contains(&root().join("docker/compose.yaml")), "{files:?}");
    for path in files {
        let file = load(&path);
        let services = file["services"].as_mapping().unwrap_or_else(|| panic!("{}: no services", path.display()));
        for (name, service) in services {
            let place = format!("{}: {}", path.display(), name.as_str().unwrap());
            let dependencies = match &service["depends_on"] {
                Yaml::Mapping(map) => map.keys().map(|name| name.as_str().unwrap().to_owned()).collect(),
                other => words(other),
            };
            for dependency in dependencies {
                assert!(services.contains_key(dependency.as_str()), "{place}: there is no {dependency}");
            }
            if !ours(service) {
                continue;
            }
            assert!(service["entrypoint"].is_null(), "{place}: the image has none either");
            if !service["command"].is_null() {
                check_command(&words(&service["command"]), &place);
            }
            for (setting, _) in pairs(&service["environment"]).into_iter().filter(|(name, _)| name != "TMPDIR") {
                check_setting(&setting, &place);
            }
            let check = words(&service["healthcheck"]["test"]);
            if let Some((first, command)) = check.split_first() {
                assert_eq!(first, "CMD", "{place}: the image has no shell");
                check_command(command, &place);
            }
        }
    }
}

#[test]
fn the_whole_product_runs_with_one_file() {
    let file = load(&root().join("docker/compose.yaml"));
    let services = &file["services"];
    let started: BTreeMap<String, &Yaml> = services
        .as_mapping()
        .unwrap()
        .iter()
        .filter(|(_, service)| ours(service))
        .map(|(name, service)| (name.as_str().unwrap().to_owned(), service))
        .collect();
    for binary in binaries() {
        let service = started.get(binary).unwrap_or_else(|| panic!("no service {binary}"));
        assert_eq!(words(&service["command"]), [binary.as_str()]);
        assert_eq!(service["depends_on"]["migrate"]["condition"], "service_completed_successfully", "{binary}");
        assert_eq!(service["depends_on"]["redis"]["condition"], "service_healthy", "{binary}");
        assert_eq!(words(&service["healthcheck"]["test"]), ["CMD", "web", "healthcheck"], "{binary}");
        assert_eq!(service["stop_grace_period"], "60s", "{binary}: longer than a drain");
        assert!(service["profiles"].is_null(), "{binary} starts without asking");
    }
    assert_eq!(services["feed-worker"]["deploy"]["replicas"], 2);
    let migrate = &services["migrate"];
    assert_eq!(words(&migrate["command"]), ["web", "migrate"]);
    assert_eq!(migrate["restart"], "no", "it runs once");
    assert_eq!(migrate["healthcheck"]["disable"], true);
    assert_eq!(migrate["depends_on"]["postgres"]["condition"], "service_healthy");
    let built = services.as_mapping().unwrap().values().filter(|service| !service["build"].is_null());
    assert_eq!(built.count(), 1, "of several that build and tag one image, current Compose refuses all");
    let ready = words(&services["postgres"]["healthcheck"]["test"]).join(" ");
    assert!(ready.contains("pg_isready -h 127.0.0.1"), "{ready}: the socket answers while the image initialises");
    let redis = words(&services["redis"]["command"]).join(" ");
    assert!(redis.contains("--maxmemory-policy noeviction") && redis.contains("--appendonly yes"), "{redis}");
    for watching in ["prometheus", "grafana", "redis-exporter", "jaeger"] {
        assert_eq!(words(&services[watching]["profiles"]), ["observe"], "{watching}");
    }
}

#[test]
fn containers_have_no_more_rights_than_they_need() {
    for path in compose_files() {
        let file = load(&path);
        for (name, service) in file["services"].as_mapping().unwrap() {
            let place = format!("{}: {}", path.display(), name.as_str().unwrap());
            assert_eq!(service["read_only"], true, "{place}");
            assert_eq!(words(&service["cap_drop"]), ["ALL"], "{place}");
            assert_eq!(words(&service["security_opt"]), ["no-new-privileges:true"], "{place}");
            let command = words(&service["command"]).join(" ");
            let is_redis = service["image"].as_str().is_some_and(|image| image.starts_with("redis:"));
            let has_password = command.contains("--requirepass") || command.starts_with("sh /etc/cardwire/");
            assert!(!is_redis || has_password, "{place}: Redis without a password");
        }
    }
}

/// Its settings, as written in the file, are consistent.
#[test]
fn the_settings_of_every_service_are_accepted() {
    let file = load(&root().join("docker/compose.yaml"));
    for binary in binaries() {
        let environment = pairs(&file["services"][binary.as_str()]["environment"]);
        let plain = environment.into_iter().map(|(name, value)| match value.starts_with("${") {
            true => (name, String::new()),
            false => (name, value.replace("${REDIS_PASSWORD:-cardwire}", "cardwire")),
        });
        let program = cardwire_testkit::process::binary(binary);
        let checked = std::process::Command::new(program).arg("--check-config").env_clear().envs(plain).output();
        let checked = checked.unwrap();
        assert!(checked.status.success(), "{binary}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn both_files_offer_the_same_settings_and_every_limit() {
    let [many, one] = ["docker/compose.yaml", "docker/compose.single.yaml"].map(|path| {
        let file = load(&root().join(path));
        let web = &file["services"]["web"];
        assert_eq!(words(&web["ports"]), ["127.0.0.1:${PORT:-8080}:8080"], "{path}");
        let environment = pairs(&web["environment"]).into_iter();
        let offered = environment.filter(|(name, value)| *value == format!("${{{name}:-}}"));
        offered.map(|(name, _)| name).collect::<BTreeSet<_>>()
    });
    assert_eq!(many, one);
    let limits = read("docs/operate/LIMITS.md");
    let limits: BTreeSet<_> = limits.split('`').filter(|text| text.starts_with("APP__")).collect();
    assert!(limits.len() > 5, "{limits:?}");
    let missing: Vec<_> = limits.into_iter().filter(|name| !many.contains(*name)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn files_to_import_arrive_on_a_volume_and_not_in_memory() {
    for path in ["docker/compose.yaml", "docker/compose.single.yaml"] {
        let file = load(&root().join(path));
        let web = &file["services"]["web"];
        let environment: BTreeMap<String, String> = pairs(&web["environment"]).into_iter().collect();
        assert!(environment.contains_key("DATABASE_URL"), "{path}: the others are there as well");
        let folder = &environment["TMPDIR"];
        let volumes = words(&web["volumes"]);
        assert!(volumes.iter().any(|volume| volume.ends_with(&format!(":{folder}"))), "{path}: {volumes:?}");
        assert!(!words(&web["tmpfs"]).contains(folder), "{path}");
    }
}

#[test]
fn what_is_mounted_is_there() {
    let file = load(&root().join("docker/compose.yaml"));
    let mut mounted = 0;
    for (name, service) in file["services"].as_mapping().unwrap() {
        for volume in words(&service["volumes"]) {
            let (from, _) = volume.split_once(':').unwrap();
            if from.starts_with('.') {
                assert!(root().join("docker").join(from).exists(), "{}: {from}", name.as_str().unwrap());
                mounted += 1;
            } else {
                assert!(file["volumes"].as_mapping().unwrap().contains_key(from), "{from} is no volume");
            }
        }
    }
    assert_eq!(mounted, 3, "Prometheus' and Grafana's folders");
}
