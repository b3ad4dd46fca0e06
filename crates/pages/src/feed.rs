//! The front page: who collected what, live.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_domain::UserId;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::person;
use crate::save::SaveBox;
use crate::shown::{Activity, Link, next, part};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/").get(feed).register(config);
}

#[derive(Template)]
#[template(path = "feed.html")]
struct FeedPage {
    chrome: Chrome,
    heading: String,
    save: Option<SaveBox>,
    items: Vec<Activity>,
    older: Option<String>,
    /// Where the live feed goes on behind this page.
    live_from: Option<String>,
    /// What the script fills in for each new activity.
    blank: Activity,
}

/// Everybody's feed. Links to one person's, with `actor`, lead to their page.
async fn feed(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    if let Some(actor) = params.text("actor") {
        let actor = UserId::parse(&actor);
        let actor = actor.map_err(|_| Problem::parameter("actor", "Use a DID such as did:plc:alice."))?;
        return person::moved(&state, &actor).await;
    }
    let list = List::by_time(&["feed"]);
    let request = part(&mut params, &list)?;
    let is_live = request.after.is_none();
    // Asked first: what comes in between is on the page and in the stream, and the script shows it once.
    let live_from = if is_live { Some(state.feed.stream_end().await?.to_string()) } else { None };
    let page = state.feed.feed(None, &request).await?;
    let save = match visit.viewer() {
        Some(_) if is_live => Some(SaveBox::empty(&state, &visit.caller()?).await?),
        _ => None,
    };
    let now = state.operations.clock.now();
    visit.page(&FeedPage {
        chrome: visit.chrome(Section::Feed),
        heading: "Just collected".to_owned(),
        save,
        older: next(&page, &list, "/"),
        items: page.items.into_iter().map(|item| Activity::of(item, now)).collect(),
        live_from,
        blank: Activity { card: Link { url: "#".into(), ..Link::default() }, ..Activity::default() },
    })
}
