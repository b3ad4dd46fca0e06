//! Search over everybody's cards.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::metadata::PageKind;
use cardwire_domain::search::{SearchHit, SearchRequest};
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::query::words;
use cardwire_http::state::AppState;

use crate::fields::Complaint;
use crate::highlight::{Marker, Piece, has_hit};
use crate::links::with_parameter;
use crate::shown::{next, part, without_scheme};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/search").get(search).register(config);
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    chrome: Chrome,
    q: String,
    kinds: [&'static str; 8],
    kind: &'static str,
    mine: bool,
    hits: Vec<Hit>,
    more: Option<String>,
    is_refused: bool,
    complaint: Complaint,
}

struct Hit {
    url: String,
    is_private: bool,
    title: Vec<Piece>,
    address: Vec<Piece>,
    description: Vec<Piece>,
    kind: Option<&'static str>,
    card: Option<String>,
    kept_by: String,
}

impl Hit {
    fn of(hit: SearchHit, marker: &Marker) -> Self {
        let address = without_scheme(&hit.url).to_owned();
        let title = hit.title.unwrap_or_else(|| address.clone());
        let description = hit.description.unwrap_or_default();
        let near = marker.with_near();
        let found = [&title, &address, &description].iter().any(|text| has_hit(&marker.pieces(text)));
        let marker = if found { marker } else { &near };
        let kept_by = match hit.card_ids.len() {
            1 => "one person".to_owned(),
            many => format!("{many} people"),
        };
        Self {
            title: marker.pieces(&title),
            address: marker.pieces(&address),
            description: marker.pieces(&description),
            is_private: hit.visibility.is_private(),
            kind: hit.kind.map(PageKind::name),
            card: hit.card_ids.first().map(ToString::to_string),
            kept_by,
            url: hit.url,
        }
    }
}

async fn search(
    state: Data<AppState>,
    request: HttpRequest,
    visit: Visit,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let typed = params.text("q").unwrap_or_default();
    // "any" is empty.
    let kind = params.text("type").filter(|kind| !kind.is_empty()).map(|kind| kind.parse::<PageKind>()).transpose();
    let (kind, unknown) = match kind {
        Ok(kind) => (kind, None),
        Err(error) => (None, Some(error.into())),
    };
    let reader = visit.viewer().map(|viewer| viewer.user.id.clone());
    let mine = params.flag("mine")? && reader.is_some();
    let mut page = SearchPage {
        chrome: visit.chrome(Section::Search),
        q: typed.clone(),
        kinds: PageKind::ALL.map(PageKind::name),
        kind: kind.map_or("", PageKind::name),
        mine,
        hits: Vec::new(),
        more: None,
        is_refused: false,
        complaint: Complaint::default(),
    };
    let text = match unknown.map_or_else(|| words(&typed), Err) {
        Ok(text) => text,
        Err(problem) => {
            let (status, complaint) = Complaint::of(problem, &["q", "type"])?;
            page.is_refused = true;
            page.complaint = complaint;
            return visit.page_with(status, &page);
        }
    };
    if !text.is_empty() {
        let scope = reader.as_ref().map_or("", |id| id.as_str());
        let whose = if mine { "mine" } else { "all" };
        let list = List::by_rank(&["search", scope, &text, page.kind, whose]);
        let portion = part(&mut params, &list)?;
        let asked = SearchRequest { text: text.clone(), reader, kind, mine };
        let found = state.find(&request, &asked, &portion).await?;
        let mut path = with_parameter("/search", "q", &text);
        if kind.is_some() {
            path = with_parameter(&path, "type", page.kind);
        }
        if mine {
            path = with_parameter(&path, "mine", "true");
        }
        page.more = next(&found, &list, &path);
        let marker = Marker::of(&text);
        page.hits = found.items.into_iter().map(|hit| Hit::of(hit, &marker)).collect();
    }
    visit.page_with(StatusCode::OK, &page)
}
