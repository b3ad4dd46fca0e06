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

use crate::links::with_parameter;
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

/// Everybody's feed, or with `actor` one person's.
async fn feed(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let actor = params
        .text("actor")
        .map(|id| UserId::parse(&id).map_err(|_| Problem::parameter("actor", "Use a DID such as did:plc:alice.")));
    let actor = actor.transpose()?;
    let list = List::by_time(&["feed", actor.as_ref().map_or("", UserId::as_str)]);
    let request = part(&mut params, &list)?;
    let is_live = actor.is_none() && request.after.is_none();
    // Asked first: what comes in between is on the page and in the stream, and the script shows it once.
    let live_from = if is_live { Some(state.feed.stream_end().await?.to_string()) } else { None };
    let page = state.feed.feed(actor.as_ref(), &request).await?;
    let save = match visit.viewer() {
        Some(_) if is_live => Some(SaveBox::empty(&state, &visit.caller()?).await?),
        _ => None,
    };
    let now = state.operations.clock.now();
    let (path, heading) = match &actor {
        Some(actor) => {
            let known = page.items.first().map(|item| item.actor.handle.clone());
            let name = known.unwrap_or_else(|| actor.fallback_handle().to_owned());
            (with_parameter("/", "actor", actor.as_str()), format!("What {name} collected"))
        }
        None => ("/".to_owned(), "Just collected".to_owned()),
    };
    visit.page(&FeedPage {
        chrome: visit.chrome(Section::Feed),
        heading,
        save,
        older: next(&page, &list, &path),
        items: page.items.into_iter().map(|item| Activity::of(item, now)).collect(),
        live_from,
        blank: Activity { card: Link { url: "#".into(), ..Link::default() }, ..Activity::default() },
    })
}
