//! Hiding cards and showing them again, by their ids. Nothing else of a card is on this page: an operator sees no more of what is private or
//! hidden than anybody.

use actix_web::HttpResponse;
use actix_web::web::ServiceConfig;
use askama::Template;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;

use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/cards").get(page).register(config);
}

#[derive(Template)]
#[template(path = "admin_cards.html")]
struct CardsPage {
    chrome: Chrome,
    card: String,
}

/// Filled with `card`.
async fn page(visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let card = params.text("card").unwrap_or_default();
    visit.page(&CardsPage { chrome: visit.chrome(Section::Operations), card })
}
