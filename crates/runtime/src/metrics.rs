//! Every metric of Cardwire. Code that emits one spells out its name; operators find its meaning here.

use metrics::{describe_counter, describe_gauge, describe_histogram};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}
use Kind::{Counter, Gauge, Histogram};

impl Kind {
    /// As Prometheus calls it.
    pub const fn name(self) -> &'static str {
        match self {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        }
    }
}

/// Name, kind, meaning with its labels.
pub const METRICS: &[(&str, Kind, &str)] = &[
    ("cardwire_build_info", Gauge, "1, labelled by version and role"),
    ("cardwire_http_requests_total", Counter, "Requests answered, by method, route template and status"),
    ("cardwire_http_request_duration_seconds", Histogram, "Time to the answer, by method and route template"),
    (
        "cardwire_owed_events",
        Gauge,
        "Events without effect yet, dead letters aside, by queue; web measures it every 15 s",
    ),
    (
        "cardwire_unpublished_events",
        Gauge,
        "Of the owed events, those known not to be in the queue, by queue; measured by web",
    ),
    (
        "cardwire_oldest_owed_seconds",
        Gauge,
        "Age of the oldest event without effect, 0 without any, by queue; measured by web",
    ),
    ("cardwire_dead_letters", Gauge, "Dead letters now, by queue; measured by web"),
    (
        "cardwire_queue_entries",
        Gauge,
        "Entries in the queue, by queue and state: waiting, suspect (their worker was lost), in_flight; measured by web",
    ),
    (
        "cardwire_workers_alive",
        Gauge,
        "Worker processes seen in the last 30 s, by queue; measured by web where Redis carries events",
    ),
    ("cardwire_saga_windows_open", Gauge, "Windows that gather events; measured by web"),
    (
        "cardwire_measurements_failed_total",
        Counter,
        "Times web could not measure, by source: log, queue, workers, saga; the gauges are NaN then",
    ),
    ("cardwire_trace_exports_total", Counter, "Batches of spans sent to the collector, by outcome: sent, failed"),
    ("cardwire_events_published_total", Counter, "Events that the relay put into queues, copies included, by queue"),
    (
        "cardwire_events_swept_total",
        Counter,
        "Published events that had no effect in time and are published again, by queue",
    ),
    ("cardwire_relay_publish_seconds", Histogram, "One publish of the relay"),
    (
        "cardwire_event_age_seconds",
        Histogram,
        "From an event's acceptance to its handler, by the worker's clock, by queue",
    ),
    (
        "cardwire_event_effect_seconds",
        Histogram,
        "From an event's acceptance to its effect, the window of the feed included, by the worker's clock, by queue",
    ),
    ("cardwire_events_processed_total", Counter, "Events that a handler was done with, by queue"),
    ("cardwire_events_failed_total", Counter, "Attempts at an event that failed, by queue"),
    ("cardwire_dead_letters_total", Counter, "Events that became dead letters, by queue"),
    ("cardwire_entries_rejected_total", Counter, "Queue entries that are no event at all, by queue"),
    ("cardwire_worker_rests_total", Counter, "Pauses because the store or the queue was away, by queue"),
    ("cardwire_queue_paused", Gauge, "1 while an administrator has paused the queue, by queue"),
    ("cardwire_redis_timeouts_total", Counter, "Commands without an answer in time"),
    ("cardwire_redis_forced_reconnections_total", Counter, "Connections thrown away because they hung"),
    ("cardwire_sse_connections", Gauge, "Live readers of the feed"),
    ("cardwire_page_fetches_total", Counter, "Pages asked what they say about themselves, by outcome"),
    (
        "cardwire_picture_fetches_total",
        Counter,
        "Covers and icons fetched, by form, outcome (stored, refused, failed) and reason",
    ),
    ("cardwire_searches_refused_total", Counter, "Searches refused because too many others ran"),
    ("cardwire_import_rows_total", Counter, "Rows of imports and checks that were worked off, by outcome"),
    (
        "cardwire_records_total",
        Counter,
        "Records of people's own repositories that were sent, by outcome: published, deleted, refused",
    ),
    (
        "cardwire_records_waiting",
        Gauge,
        "Records that have to be looked at, paused people's included; measured by record-workers",
    ),
    ("cardwire_record_people", Gauge, "People who have connected a repository; measured by record-workers"),
    (
        "cardwire_record_people_failing",
        Gauge,
        "Of them, those for whom publishing fails and is tried again; measured by record-workers",
    ),
    ("cardwire_saga_windows_flushed_total", Counter, "Windows written as activities"),
    ("cardwire_saga_flush_lateness_seconds", Histogram, "How long after its due time a window was flushed"),
    ("cardwire_saga_lock_contended_total", Counter, "Windows that were due while another worker flushed them"),
    ("cardwire_saga_flush_failures_total", Counter, "Windows that failed to be flushed alone"),
    ("cardwire_saga_dead_windows_total", Counter, "Windows given up, their events dead letters"),
    (
        "cardwire_saga_bypassed_events_total",
        Counter,
        "Events written without a window because the saga store refused them",
    ),
];

/// As listed in `docs/operate/METRICS.md`.
pub fn table() -> String {
    let rows = METRICS.iter().map(|(name, kind, meaning)| format!("| `{name}` | {} | {meaning} |\n", kind.name()));
    ["| name | kind | meaning, labels |\n|---|---|---|\n".to_owned()].into_iter().chain(rows).collect()
}

/// Registers the descriptions, so that `/metrics` includes them.
pub(crate) fn describe() {
    for (name, kind, meaning) in METRICS {
        match kind {
            Counter => describe_counter!(*name, *meaning),
            Gauge => describe_gauge!(*name, *meaning),
            Histogram => describe_histogram!(*name, *meaning),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    fn sources(folder: &Path, found: &mut String) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("target") {
                sources(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push_str(&std::fs::read_to_string(path).unwrap());
            }
        }
    }

    #[test]
    fn what_is_emitted_is_described_and_nothing_else() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."));
        let mut text = String::new();
        for folder in ["crates", "bins"] {
            sources(&root.join(folder), &mut text);
        }
        text.retain(|c| !c.is_whitespace());
        let emitted: BTreeSet<&str> = ["counter!(\"", "gauge!(\"", "histogram!(\""]
            .into_iter()
            .flat_map(|start| text.split(start).skip(1))
            .filter_map(|rest| rest.split('"').next())
            .filter(|name| name.starts_with("cardwire_"))
            .collect();
        let described: BTreeSet<&str> = METRICS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(emitted, described);
    }
}
