//! What administrators see and do. Every action has two steps: a form leads to a page that says what will happen, and only that page's
//! form does it. What came of it shows on the page from which it was asked for, or in the list of actions. Creating an invite takes nothing from anybody, so it has one step.

mod act;
mod actions;
mod alarms;
mod cards;
mod dead;
mod failures;
mod figures;
mod find;
mod names;
mod outcome;
mod overview;
mod people;
mod queue;
mod records;
mod rejected;
mod replays;
mod save;
mod spark;
mod windows;
mod workers;

use actix_web::web::ServiceConfig;

/// Path and label of each page that is not about one queue.
pub(crate) const TABS: [(&str, &str); 10] = [
    ("/admin", "Queues"),
    ("/admin/find", "Find"),
    ("/admin/workers", "Workers"),
    ("/admin/windows", "Windows"),
    ("/admin/rejected", "Rejected"),
    ("/admin/replays", "Replay"),
    ("/admin/records", "Publishing"),
    ("/admin/people", "People"),
    ("/admin/cards", "Links"),
    ("/admin/actions", "Actions"),
];

pub fn configure(config: &mut ServiceConfig) {
    overview::configure(config);
    queue::configure(config);
    find::configure(config);
    save::configure(config);
    workers::configure(config);
    dead::configure(config);
    failures::configure(config);
    rejected::configure(config);
    replays::configure(config);
    windows::configure(config);
    records::configure(config);
    cards::configure(config);
    people::configure(config);
    actions::configure(config);
    act::configure(config);
}
