//! Search over everybody's cards, people, and public collections.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::metadata::PageKind;
use cardwire_domain::search::{CollectionFound, PersonFound, SearchHit, SearchRequest};
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::query::first_words;
use cardwire_http::state::AppState;

use crate::fields::Complaint;
use crate::highlight::{Marker, Piece, has_hit};
use crate::links::{person, with_parameter};
use crate::pictures::Pictures;
use crate::shown::{Corrected, next, part, without_scheme};
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
    /// What was found instead of what was typed.
    corrected: Option<Corrected>,
    people: Vec<Named>,
    collections: Vec<Named>,
    more: Option<String>,
    is_refused: bool,
    complaint: Complaint,
}

impl SearchPage {
    fn is_vain(&self) -> bool {
        let has_nothing = self.hits.is_empty() && self.people.is_empty() && self.collections.is_empty();
        has_nothing && !self.q.is_empty() && !self.is_refused
    }
}

/// Somebody, or a collection.
struct Named {
    href: String,
    name: Vec<Piece>,
    /// A handle. Empty where it is the name.
    by: Vec<Piece>,
    about: Vec<Piece>,
    /// How many a collection has.
    cards: String,
}

impl Named {
    fn person(found: PersonFound, marker: &Marker) -> Self {
        let handle = marker.pieces(&found.user.handle);
        let (name, by) = match found.display_name {
            Some(name) => (marker.pieces(&name), handle),
            None => (handle, Vec::new()),
        };
        Self { href: person(&found.user.handle), name, by, about: Vec::new(), cards: String::new() }
    }

    fn collection(found: CollectionFound, marker: &Marker) -> Self {
        let cards = match found.card_count {
            1 => "1 link".to_owned(),
            many => format!("{many} links"),
        };
        Self {
            href: format!("/collections/{}", found.id),
            name: marker.pieces(&found.name),
            by: Marker::default().pieces(&found.author.handle),
            about: marker.pieces(&found.description),
            cards,
        }
    }
}

struct Hit {
    url: String,
    is_private: bool,
    title: Vec<Piece>,
    address: Vec<Piece>,
    description: Vec<Piece>,
    kind: Option<&'static str>,
    pictures: Pictures,
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
            pictures: Pictures::of(hit.pictures, &hit.url),
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
        corrected: None,
        people: Vec::new(),
        collections: Vec::new(),
        more: None,
        is_refused: false,
        complaint: Complaint::default(),
    };
    let text = match unknown.map_or_else(|| first_words(&typed), Err) {
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
        let marker = Marker::of(&text);
        // Only what everybody keeps has sections besides, and only its first page.
        if portion.after.is_none() && kind.is_none() && !mine {
            let people = state.find_people(&request, reader.as_ref(), &text).await?;
            page.people = people.into_iter().map(|found| Named::person(found, &marker)).collect();
            let collections = state.find_collections(&request, reader.as_ref(), &text).await?;
            page.collections = collections.into_iter().map(|found| Named::collection(found, &marker)).collect();
        }
        let asked = SearchRequest { text: text.clone(), reader, kind, mine };
        let mut found = state.find(&request, &asked, &portion).await?;
        page.corrected = found.corrected.take().map(|text| Corrected::of("/search", text));
        let found = found.page();
        let mut path = with_parameter("/search", "q", &text);
        if kind.is_some() {
            path = with_parameter(&path, "type", page.kind);
        }
        if mine {
            path = with_parameter(&path, "mine", "true");
        }
        page.more = next(&found, &list, &path);
        page.hits = found.items.into_iter().map(|hit| Hit::of(hit, &marker)).collect();
    }
    visit.page_with(StatusCode::OK, &page)
}
