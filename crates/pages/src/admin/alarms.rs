//! What is the matter, in words, each with the page that shows the cause.

use cardwire_domain::records::FailingTotals;
use cardwire_http::operations::alarms::Alarm;

use super::figures::lasting;

pub struct Matter {
    pub text: String,
    pub href: String,
    pub link: &'static str,
    /// Somebody must do something. Otherwise it mends itself.
    pub needs_a_person: bool,
}

impl Matter {
    pub fn of(alarm: &Alarm) -> Self {
        let (text, href, link) = match alarm {
            Alarm::StoreSlow { ms } => (
                format!("The database is slow: a small query takes {ms} ms."),
                "/admin/workers".to_owned(),
                "See how fast workers are",
            ),
            Alarm::QueuesAway => (
                "Redis does not answer. Events wait in the database; nothing is lost.".to_owned(),
                "/admin/workers".to_owned(),
                "See which workers were last seen",
            ),
            Alarm::NoWorker { queue } => (
                format!("No worker of {queue} is running. Its events wait; nothing is lost."),
                format!("/admin/workers#{queue}"),
                "See its workers",
            ),
            Alarm::Paused { pause } => {
                let reason = pause.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
                let queue = pause.queue;
                (format!("{queue} is paused{reason}."), format!("/admin/queues/{queue}"), "Open the queue")
            }
            Alarm::Dead { queue, events } => (
                format!("{} of {queue} failed for good.", counted(*events)),
                format!("/admin/queues/{queue}/failures"),
                "See why",
            ),
            Alarm::Late { queue, age_s } => (
                format!("{queue} is late: its oldest event has waited {}.", lasting(*age_s)),
                format!("/admin/queues/{queue}"),
                "Open the queue",
            ),
            Alarm::Silent { queue, host, pid } => (
                format!(
                    "A worker of {queue} on {host} (process {pid}) has stopped answering. Others take its events over."
                ),
                format!("/admin/workers#{queue}"),
                "See its workers",
            ),
            Alarm::Resent { queue, events } => (
                format!("{} of {queue} got lost on the way and had to be sent again.", counted(*events)),
                format!("/admin/queues/{queue}"),
                "Open the queue",
            ),
            Alarm::PublishingFails(FailingTotals { people, waiting }) => (
                format!(
                    "Publishing fails for {}. {} and will be tried again. Nothing is lost.",
                    if *people == 1 { "1 person".to_owned() } else { format!("{people} people") },
                    if *waiting == 1 { "1 change waits".to_owned() } else { format!("{waiting} changes wait") },
                ),
                "/admin/records".to_owned(),
                "See whose server and why",
            ),
        };
        Self { text, href, link, needs_a_person: alarm.needs_a_person() }
    }
}

fn counted(events: u64) -> String {
    if events == 1 { "1 event".to_owned() } else { format!("{events} events") }
}
