//! One's own cards: saving, searching, filtering, sorting.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::library::{LibraryFilter, LibraryOrder};
use cardwire_domain::search::SearchRequest;
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{AddUrlToLibrary, UrlAdded};
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
use crate::fields::{Complaint, Fields};
use crate::form::Posted;
use crate::links::{see_other, with_parameter};
use crate::new_collection;
use crate::save::{SaveBox, again};
use crate::shown::{Corrected, Row, next, part_behind};
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
    told: Option<String>,
    /// About what was done with the cards that were selected.
    complaint: Complaint,
    listing: Listing,
    orders: [(LibraryOrder, &'static str); 4],
    /// How many links there are in all.
    size: u64,
    cards: Vec<Row>,
    view: View,
    new_is_private: bool,
    /// What would find something.
    meant: Option<Corrected>,
    older: Option<String>,
}

/// Which part of the library a page shows.
#[derive(Debug)]
pub struct Listing {
    q: String,
    uncollected: bool,
    order: LibraryOrder,
    cursor: String,
}

impl Listing {
    fn asked(params: &mut Params) -> Result<Self, Problem> {
        let sort = params.text("sort").filter(|sort| !sort.is_empty());
        Ok(Self {
            q: first_words(&params.text("q").unwrap_or_default())?,
            uncollected: params.flag("uncollected")?,
            order: sort.map(|sort| sort.parse()).transpose()?.unwrap_or_default(),
            cursor: params.text("cursor").unwrap_or_default(),
        })
    }

    /// As the page that a form was on was asked for.
    pub fn sent(fields: &Fields) -> Result<Self, Problem> {
        Ok(Self {
            q: first_words(fields.text("q"))?,
            uncollected: fields.given("uncollected").is_some(),
            order: fields.given("sort").map(str::parse).transpose()?.unwrap_or_default(),
            cursor: fields.text("cursor").to_owned(),
        })
    }

    fn is_everything(&self) -> bool {
        self.q.is_empty() && !self.uncollected
    }

    fn list(&self, caller: &Caller) -> List {
        let kind = if self.uncollected { "uncollected" } else { "all" };
        let scope = ["library", caller.id().as_str(), &self.q, kind, self.order.name()];
        if self.order.is_by_time() { List::by_time(&scope) } else { List::by_rank(&scope) }
    }

    /// The way to its first page.
    fn path(&self) -> String {
        let mut path = "/library".to_owned();
        if !self.q.is_empty() {
            path = with_parameter(&path, "q", &self.q);
        }
        if self.uncollected {
            path = with_parameter(&path, "uncollected", "true");
        }
        if self.order != LibraryOrder::Newest {
            path = with_parameter(&path, "sort", self.order.name());
        }
        path
    }

    /// It is drawn as it was the last time.
    pub fn last_drawn(self, visit: &Visit) -> (Self, View) {
        let view = View::last_drawn(visit, &self.path());
        (self, view)
    }

    /// The way to this very page.
    pub fn way(&self) -> String {
        let path = self.path();
        if self.cursor.is_empty() { path } else { with_parameter(&path, "cursor", &self.cursor) }
    }
}

async fn library(
    state: Data<AppState>,
    http: HttpRequest,
    visit: Visit,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let listing = Listing::asked(&mut params)?;
    let done = params.number("done", 0..=1_000)?.unwrap_or(0);
    let told = told(&params.text("told").unwrap_or_default(), done);
    let view = View::of(&visit, &mut params, &listing.path());
    draw(&state, &http, &visit, (listing, view), told, (StatusCode::OK, Complaint::default())).await
}

/// What happened before the page was drawn.
fn told(what: &str, done: u64) -> Option<String> {
    let links = if done == 1 { "1 link".to_owned() } else { format!("{done} links") };
    let are = if done == 1 { "is" } else { "are" };
    Some(match what {
        "saved" => "Saved.".to_owned(),
        "saved-privately" => "Saved. Only you can see it.".to_owned(),
        "again" => "You already had this link. It has been updated.".to_owned(),
        "again-privately" => "You already had this link. It has been updated. Only you can see it.".to_owned(),
        "renamed" => "Title saved.".to_owned(),
        "removed" if done == 0 => "Removed.".to_owned(),
        "removed" => format!("{links} removed."),
        "added" => format!("{links} added to the collection."),
        "private" => format!("{links} {are} now private."),
        "public" => format!("{links} {are} now public."),
        _ => return None,
    })
}

pub async fn draw(
    state: &AppState,
    http: &HttpRequest,
    visit: &Visit,
    (listing, view): (Listing, View),
    told: Option<String>,
    (status, complaint): (StatusCode, Complaint),
) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let list = listing.list(&caller);
    let request = part_behind(&listing.cursor, &list)?;
    let filter = LibraryFilter {
        text: Some(listing.q.clone()).filter(|q| !q.is_empty()),
        uncollected: listing.uncollected,
        order: listing.order,
    };
    let page = state.find_kept(http, caller.id(), &filter, &request).await?;
    let is_vain = page.items.is_empty() && request.after.is_none() && !listing.uncollected && !listing.q.is_empty();
    let meant = if is_vain { meant(state, http, &caller, &listing.q).await } else { None };
    let now = state.operations.clock.now();
    let drawn = LibraryPage {
        chrome: visit.chrome(Section::Library),
        save: SaveBox::empty(state, &caller).await?,
        told,
        complaint,
        orders: [
            (LibraryOrder::Newest, "Newest first"),
            (LibraryOrder::Oldest, "Oldest first"),
            (LibraryOrder::Title, "Title"),
            (LibraryOrder::Site, "Site"),
        ],
        size: state.library.library_size(caller.id()).await?,
        meant,
        older: next(&page, &list, &listing.path()),
        cards: page.items.into_iter().map(|kept| Row::of(kept, Some(caller.id()), 0, now)).collect(),
        view,
        new_is_private: caller.0.default_visibility.is_private(),
        listing,
    };
    let page = drawn.complaint.complete(visit.page_with(status, &drawn)?);
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
    match keep(&state, &request, &caller, &fields, audience).await {
        Ok(saved) => {
            if let Some(way) = bookmarklet::after_saving(&fields, &saved.url_card_id.to_string()) {
                return Ok(see_other(&way));
            }
            let told = if saved.created { "saved" } else { "again" };
            let suffix = if is_private(&state, &caller, saved.url_card_id).await { "-privately" } else { "" };
            Ok(see_other(&format!("/library?told={told}{suffix}")))
        }
        Err(problem) => {
            let names = ["url", "title", "note", "collectionIds", new_collection::FIELD];
            let complaint = Complaint::of(problem, &names)?;
            again(&state, &visit, &caller, &fields, complaint).await
        }
    }
}

async fn keep(
    state: &AppState,
    request: &HttpRequest,
    caller: &Caller,
    fields: &Fields,
    audience: Audience,
) -> Result<UrlAdded, Problem> {
    // No collection is created for a link that is none.
    CardUrl::parse(fields.text("url"))?;
    let chosen = new_collection::chosen(state, request, caller, fields, audience.chosen).await;
    // An empty box asks for nothing: it does not drop the title or note of a link that was saved before.
    let command = AddUrlToLibrary {
        url: fields.text("url").to_owned(),
        title: fields.given("title").map(str::to_owned),
        note: fields.given("note").map(str::to_owned),
        collection_ids: chosen.map_err(new_collection::complaint)?,
        via_card_id: None,
        visibility: audience.asked(),
        // What the form said.
        default_visibility: audience.chosen,
    };
    state.execute(request, caller, None, &command).await
}

/// As the card is now. It is saved, so a store that does not answer is nothing to complain of.
async fn is_private(state: &AppState, caller: &Caller, id: CardId) -> bool {
    let kept = state.library.library_card(id, Some(caller.id())).await;
    kept.is_ok_and(|kept| kept.card.visibility.is_private())
}
