//! The save box, and the page that holds nothing else: what the bookmarklet opens.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_http::caller::Caller;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::fields::{Complaint, Fields};
use crate::shown::{Choice, choices};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/save").get(page).register(config);
}

/// A form for a link, a note and collections.
#[derive(Debug)]
pub struct SaveBox {
    pub url: String,
    pub note: String,
    pub choices: Vec<Choice>,
    pub is_open: bool,
    pub complaint: Complaint,
}

impl SaveBox {
    pub async fn empty(state: &AppState, caller: &Caller) -> Result<Self, Problem> {
        Self::filled(state, caller, "", "", &[], Complaint::default()).await
    }

    /// As it was sent, with what is wrong in it.
    pub async fn again(
        state: &AppState,
        caller: &Caller,
        fields: &Fields,
        complaint: Complaint,
    ) -> Result<Self, Problem> {
        let (url, note) = (fields.text("url"), fields.text("note"));
        Self::filled(state, caller, url, note, &fields.all("collection"), complaint).await
    }

    async fn filled(
        state: &AppState,
        caller: &Caller,
        url: &str,
        note: &str,
        chosen: &[String],
        complaint: Complaint,
    ) -> Result<Self, Problem> {
        // A collection of somebody else's that is open may be chosen, too; one that is not there is complained of when it is sent.
        let mut others = Vec::new();
        for id in chosen.iter().take(10).filter_map(|id| id.parse().ok()) {
            if let Ok(collection) = state.collections.collection(id, None).await {
                others.push(cardwire_domain::feed::CollectionName { id, name: collection.name });
            }
        }
        let choices = choices(state, caller, chosen, &others).await?;
        let is_open = !note.is_empty() || !chosen.is_empty();
        Ok(Self { url: url.to_owned(), note: note.to_owned(), choices, is_open, complaint })
    }
}

#[derive(Template)]
#[template(path = "save.html")]
struct SavePage {
    chrome: Chrome,
    save: SaveBox,
}

/// Filled with `url`, `note` and `collection`.
async fn page(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let mut text = |name: &str| params.text(name).unwrap_or_default();
    let (url, note, collection) = (text("url"), text("note"), text("collection"));
    let chosen: Vec<String> = (!collection.is_empty()).then_some(collection).into_iter().collect();
    let save = SaveBox::filled(&state, &caller, &url, &note, &chosen, Complaint::default()).await?;
    visit.page(&SavePage { chrome: visit.chrome(Section::Library), save })
}

/// The page again, with what is wrong.
pub async fn refuse(
    state: &AppState,
    visit: &Visit,
    caller: &Caller,
    fields: &Fields,
    (status, complaint): (StatusCode, Complaint),
) -> Result<HttpResponse, Problem> {
    let save = SaveBox::again(state, caller, fields, complaint).await?;
    let page = SavePage { chrome: visit.chrome(Section::Library), save };
    Ok(page.save.complaint.complete(visit.page_with(status, &page)?))
}
