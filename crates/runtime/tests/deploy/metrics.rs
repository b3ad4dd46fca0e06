//! The metrics in alerts, dashboards and docs.

use std::collections::BTreeSet;

use cardwire_runtime::metrics::{Kind, METRICS, table};
use serde_json::Value as Json;
use serde_yaml_ng::Value as Yaml;

use crate::promql::named;
use crate::tree::{files, read, root, yaml};

/// Metrics of Prometheus itself and of redis_exporter, with their labels.
const FOREIGN: &[&str] = &["up", "redis_memory_used_bytes", "redis_memory_max_bytes", "redis_evicted_keys_total"];
/// Labels that Prometheus adds to everything it scrapes, or that quantiles need.
const GIVEN: &[&str] = &["job", "instance", "le"];

/// The metric of a series: a histogram has three.
fn check_series(series: &str, place: &str) -> Option<&'static str> {
    if FOREIGN.contains(&series) {
        return None;
    }
    let found = METRICS.iter().find(|(name, kind, _)| match kind {
        Kind::Histogram => series.strip_prefix(name).is_some_and(|end| ["_bucket", "_sum", "_count"].contains(&end)),
        _ => *name == series,
    });
    Some(found.unwrap_or_else(|| panic!("{place}: there is no metric {series}")).2)
}

fn check_expression(expression: &str, place: &str) -> BTreeSet<String> {
    let named = named(expression);
    assert!(!named.metrics.is_empty(), "{place}: {expression} names no metric");
    let meanings: Vec<_> = named.metrics.iter().filter_map(|series| check_series(series, place)).collect();
    for label in named.labels.iter().filter(|label| !GIVEN.contains(&label.as_str())) {
        // A metric's description names its labels.
        assert!(
            meanings.iter().any(|meaning| meaning.contains(label.as_str())),
            "{place}: {expression} has no {label}"
        );
    }
    named.metrics
}

#[test]
fn alerts_name_metrics_that_there_are() {
    let alerts = yaml(&read("deploy/prometheus/alerts.yaml"), "alerts.yaml");
    let mut seen = BTreeSet::new();
    let mut names = BTreeSet::new();
    for group in alerts["groups"].as_sequence().unwrap() {
        for rule in group["rules"].as_sequence().unwrap() {
            let name = rule["alert"].as_str().unwrap();
            assert!(names.insert(name.to_owned()), "{name} twice");
            seen.extend(check_expression(rule["expr"].as_str().unwrap(), name));
            assert!(["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
            assert!(rule["annotations"]["summary"].is_string(), "{name} says what is the matter");
            if let Some(wait) = rule["for"].as_str() {
                assert!(wait.ends_with('m') && wait.trim_end_matches('m').parse::<u8>().is_ok(), "{name}: {wait}");
            }
        }
    }
    for needed in
        ["cardwire_oldest_owed_seconds", "cardwire_dead_letters", "cardwire_workers_alive", "redis_memory_used_bytes"]
    {
        assert!(seen.contains(needed), "no alert on {needed}");
    }
}

#[test]
fn dashboards_name_metrics_that_there_are() {
    let mut seen = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for path in files("deploy/grafana/dashboards") {
        let dashboard: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let place = dashboard["title"].as_str().unwrap().to_owned();
        assert!(ids.insert(dashboard["uid"].as_str().unwrap().to_owned()), "{place}: its uid is another's");
        let mut panels = BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            assert!(panels.insert(panel["id"].as_u64().unwrap()), "{place}: a panel's id twice");
            assert_eq!(panel["datasource"]["uid"], "prometheus", "{place}");
            for target in panel["targets"].as_array().unwrap() {
                let place = format!("{place}: {}", panel["title"]);
                seen.extend(check_expression(target["expr"].as_str().unwrap(), &place));
            }
        }
        let spots: BTreeSet<_> =
            dashboard["panels"].as_array().unwrap().iter().map(|panel| panel["gridPos"].to_string()).collect();
        assert_eq!(spots.len(), panels.len(), "{place}: two panels in one place");
    }
    assert_eq!(ids.len(), 2, "{ids:?}");
    // All our metrics are included.
    for (name, kind, _) in METRICS {
        let series = if *kind == Kind::Histogram { format!("{name}_bucket") } else { (*name).to_owned() };
        assert!(seen.contains(&series), "no dashboard shows {name}");
    }
}

#[test]
fn grafana_and_prometheus_find_their_files() {
    let source = yaml(&read("deploy/grafana/provisioning/datasources/prometheus.yaml"), "datasources");
    assert_eq!(source["datasources"][0]["uid"], "prometheus");
    let provider = yaml(&read("deploy/grafana/provisioning/dashboards/cardwire.yaml"), "dashboards");
    let compose = yaml(&read("docker/compose.yaml"), "compose.yaml");
    let mounts = |service: &str| format!("{:?}", compose["services"][service]["volumes"]);
    let path = provider["providers"][0]["options"]["path"].as_str().unwrap();
    assert!(mounts("grafana").contains(&format!("../deploy/grafana/dashboards:{path}:ro")));

    let prometheus = yaml(&read("deploy/prometheus/prometheus.yaml"), "prometheus.yaml");
    for file in prometheus["rule_files"].as_sequence().unwrap() {
        assert!(root().join("deploy/prometheus").join(file.as_str().unwrap()).is_file(), "{file:?}");
    }
    let port = cardwire_runtime::settings::names::find("METRICS_PORT").unwrap().default.unwrap();
    let mut scraped = BTreeSet::new();
    for job in prometheus["scrape_configs"].as_sequence().unwrap() {
        let name = job["job_name"].as_str().unwrap();
        match &job["dns_sd_configs"][0] {
            Yaml::Null => assert_eq!(job["static_configs"][0]["targets"][0], "redis-exporter:9121"),
            found => {
                assert_eq!(found["names"][0], name);
                assert_eq!(found["port"].as_u64().unwrap().to_string(), port);
                assert!(compose["services"].as_mapping().unwrap().contains_key(name), "{name} is no service");
                scraped.insert(name.to_owned());
            }
        }
    }
    assert_eq!(scraped, crate::tree::binaries().iter().cloned().collect());
}

#[test]
fn the_docs_tell_every_metric() {
    let docs = read("docs/operate/METRICS.md");
    assert!(docs.contains(&table()), "docs/operate/METRICS.md must hold this table:\n\n{}", table());
}
