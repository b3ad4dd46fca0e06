//! Everybody's public collections.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::saved::Listed;
use crate::shown::{next, part};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/collections/all").get(directory).register(config);
}

#[derive(Template)]
#[template(path = "directory.html")]
struct DirectoryPage {
    chrome: Chrome,
    collections: Vec<Listed>,
    older: Option<String>,
}

/// Those that were added to last come first.
async fn directory(
    state: Data<AppState>,
    request: HttpRequest,
    visit: Visit,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let list = List::by_time(&["directory"]);
    let asked = part(&mut params, &list)?;
    let reader = visit.viewer().map(|viewer| &viewer.user.id);
    let page = state.browse_collections(&request, reader, &asked).await?;
    let now = state.operations.clock.now();
    visit.page(&DirectoryPage {
        chrome: visit.chrome(Section::Collections),
        older: next(&page, &list, "/collections/all"),
        collections: page.items.into_iter().map(|listed| Listed::of(listed, now)).collect(),
    })
}
