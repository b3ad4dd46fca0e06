//! The page about a link: who saved it, where, and what else they saved.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::url::CardUrl;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::fields::Complaint;
use crate::links::about_url;
use crate::saved::Saved;
use crate::shown::{Link, address, next, part};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/url").get(show).register(config);
}

/// So many related links are shown.
const RELATED: usize = 8;

#[derive(Template)]
#[template(path = "url.html")]
struct UrlPage {
    chrome: Chrome,
    link: Link,
    description: Option<String>,
    /// The card of whoever looks.
    own: Option<String>,
    saved: Vec<Saved>,
    older: Option<String>,
    related: Vec<Related>,
}

/// Asks which link it is to be about.
#[derive(Template)]
#[template(path = "url_which.html")]
struct WhichPage {
    chrome: Chrome,
    typed: String,
    complaint: Complaint,
}

struct Related {
    link: Link,
    about: String,
}

async fn show(
    state: Data<AppState>,
    request: HttpRequest,
    visit: Visit,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let typed = params.text("u").unwrap_or_default();
    if typed.trim().is_empty() {
        return which(&visit, &typed, (StatusCode::OK, Complaint::default()));
    }
    let url = match CardUrl::parse(&typed) {
        Ok(url) => url,
        Err(error) => {
            let (status, complaint) = Complaint::of(error.into(), &["url"])?;
            return which(&visit, &typed, (status, complaint));
        }
    };
    let reader = visit.viewer().map(|viewer| &viewer.user.id);
    let list = List::by_time(&["url", url.normalised(), reader.map_or("", |reader| reader.as_str())]);
    let asked = part(&mut params, &list)?;
    let page = state.public.saved_by(&url, reader, &asked).await?;
    let own = match reader {
        Some(reader) => state.library.library_card_by_url(reader, &url).await?.map(|kept| kept.card.id.to_string()),
        None => None,
    };
    let related = match asked.after {
        // Of a link that nobody saved, nothing is known.
        None if !page.items.is_empty() => state.find_related(&request, reader, &url, RELATED).await?,
        _ => Vec::new(),
    };
    let related = related
        .into_iter()
        .map(|related| Related { about: about_url(&related.url), link: Link::to(related.url, related.title) });
    let now = state.operations.clock.now();
    let title = page.items.iter().find_map(|saved| saved.page_title.clone());
    visit.page(&UrlPage {
        chrome: visit.chrome(Section::Other),
        link: Link::to(url.given().to_owned(), title),
        description: page.items.iter().find_map(|saved| saved.description.clone()),
        own,
        older: next(&page, &list, &about_url(url.given())),
        saved: page.items.into_iter().map(|saved| Saved::of(saved, now)).collect(),
        related: related.collect(),
    })
}

fn which(visit: &Visit, typed: &str, (status, complaint): (StatusCode, Complaint)) -> Result<HttpResponse, Problem> {
    let page = WhichPage { chrome: visit.chrome(Section::Other), typed: address(typed), complaint };
    Ok(page.complaint.complete(visit.page_with(status, &page)?))
}
