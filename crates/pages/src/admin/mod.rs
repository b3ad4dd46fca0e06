//! What administrators see and do. Every action has two steps: a form leads to a page that says what will happen, and only that page's
//! form does it. What came of it shows in the list of actions.

mod act;
mod dead;
mod done;
mod figures;
mod overview;
mod queue;
mod windows;

use actix_web::web::ServiceConfig;

pub fn configure(config: &mut ServiceConfig) {
    overview::configure(config);
    queue::configure(config);
    dead::configure(config);
    windows::configure(config);
    done::configure(config);
    act::configure(config);
}
