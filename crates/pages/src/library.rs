//! One's own cards: saving, searching, filtering.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::library::LibraryFilter;
use cardwire_domain::search::SearchRequest;
use cardwire_domain::use_cases::AddUrlToLibrary;
use cardwire_domain::{CardId, Limit, PageRequest};
use cardwire_http::caller::Caller;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::{Params, first_words};
use cardwire_http::state::AppState;

use crate::audience::Audience;
use crate::bookmarklet;
use crate::choices::is_search;
use crate::fields::Complaint;
use crate::form::Posted;
use crate::links::{see_other, with_parameter};
use crate::save::{SaveBox, again};
use crate::shown::{Corrected, Row, next, part};
use crate::view::View;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/library").get(library).post(save).register(config);
}

#[derive(Template)]
#[template(path = "library.html")]
struct LibraryPage {
    chrome: Chrome,
    save: SaveBox,
    told: Option<&'static str>,
    q: String,
    uncollected: bool,
    cards: Vec<Row>,
    view: View,
    /// What would find something.
    meant: Option<Corrected>,
    older: Option<String>,
}

async fn library(
    state: Data<AppState>,
    http: HttpRequest,
    visit: Visit,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let q = first_words(&params.text("q").unwrap_or_default())?;
    let uncollected = params.flag("uncollected")?;
    let told = match params.text("told").as_deref() {
        Some("saved") => Some("Saved."),
        Some("saved-privately") => Some("Saved. Only you can see it."),
        Some("again") => Some("You already had this link. It has been updated."),
        Some("again-privately") => Some("You already had this link. It has been updated. Only you can see it."),
        Some("removed") => Some("Removed."),
        _ => None,
    };
    let kind = if uncollected { "uncollected" } else { "all" };
    let list = List::by_time(&["library", caller.id().as_str(), &q, kind]);
    let request = part(&mut params, &list)?;
    let filter = LibraryFilter { text: Some(q.clone()).filter(|q| !q.is_empty()), uncollected };
    let page = state.find_kept(&http, caller.id(), &filter, &request).await?;
    let is_vain = page.items.is_empty() && request.after.is_none() && !uncollected && !q.is_empty();
    let meant = if is_vain { meant(&state, &http, &caller, &q).await } else { None };
    let mut path = with_parameter("/library", "q", &q);
    if uncollected {
        path = with_parameter(&path, "uncollected", "true");
    }
    let now = state.operations.clock.now();
    let drawn = LibraryPage {
        chrome: visit.chrome(Section::Library),
        save: SaveBox::empty(&state, &caller).await?,
        told,
        meant,
        older: next(&page, &list, &path),
        cards: page.items.into_iter().map(|kept| Row::of(kept, Some(caller.id()), 0, now)).collect(),
        view: View::of(&visit, &mut params, &path),
        q,
        uncollected,
    };
    let page = visit.page(&drawn)?;
    Ok(drawn.view.remember(page))
}

/// The text with misspelt words corrected, if that finds something. Only an offer, so the page is drawn without it while searches fail.
async fn meant(state: &AppState, request: &HttpRequest, caller: &Caller, text: &str) -> Option<Corrected> {
    let asked = SearchRequest {
        text: text.to_owned(),
        reader: Some(caller.id().clone()),
        mine: true,
        ..SearchRequest::default()
    };
    let one = PageRequest { limit: Limit::new(1).ok()?, after: None };
    let found = state.find(request, &asked, &one).await.ok()?;
    found.corrected.map(|text| Corrected::of("/library", text))
}

async fn save(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let caller = visit.caller()?;
    if is_search(&fields) {
        return again(&state, &visit, &caller, &fields, (StatusCode::OK, Complaint::default())).await;
    }
    let audience = Audience::sent(&fields, caller.0.default_visibility)?;
    // An empty box asks for nothing: it does not drop the title or note of a link that was saved before.
    let command = AddUrlToLibrary {
        url: fields.text("url").to_owned(),
        title: fields.given("title").map(str::to_owned),
        note: fields.given("note").map(str::to_owned),
        collection_ids: fields.all("collection"),
        via_card_id: None,
        visibility: audience.asked(),
        // What the form said.
        default_visibility: audience.chosen,
    };
    match state.execute(&request, &caller, None, &command).await {
        Ok(saved) => {
            if let Some(way) = bookmarklet::after_saving(&fields, &saved.url_card_id.to_string()) {
                return Ok(see_other(&way));
            }
            let told = if saved.created { "saved" } else { "again" };
            let suffix = if is_private(&state, &caller, saved.url_card_id).await { "-privately" } else { "" };
            Ok(see_other(&format!("/library?told={told}{suffix}")))
        }
        Err(problem) => {
            let complaint = Complaint::of(problem, &["url", "title", "note", "collectionIds"])?;
            again(&state, &visit, &caller, &fields, complaint).await
        }
    }
}

/// As the card is now. It is saved, so a store that does not answer is nothing to complain of.
async fn is_private(state: &AppState, caller: &Caller, id: CardId) -> bool {
    let kept = state.library.library_card(id, Some(caller.id())).await;
    kept.is_ok_and(|kept| kept.card.visibility.is_private())
}
