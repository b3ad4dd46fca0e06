//! The save box, and the page that holds nothing else: what the bookmarklet opens.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_domain::url::CardUrl;
use cardwire_http::caller::Caller;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::audience::Audience;
use crate::bookmarklet;
use crate::choices::{Choices, Wanted, choices};
use crate::fields::{Complaint, Fields};
use crate::new_collection;
use crate::shared::Shared;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/save").get(page).register(config);
}

/// A form for a link, who can see it, a title, a note and collections.
#[derive(Debug)]
pub struct SaveBox {
    pub url: String,
    pub title: String,
    pub note: String,
    pub audience: Audience,
    pub choices: Choices,
    /// The name of a collection to be created.
    pub new_collection: String,
    pub is_open: bool,
    /// In the window that the bookmarklet opened.
    pub is_small: bool,
    pub complaint: Complaint,
}

impl SaveBox {
    pub async fn empty(state: &AppState, caller: &Caller) -> Result<Self, Problem> {
        let audience = Audience::drawn(caller.0.default_visibility);
        Self::filled(state, caller, ("", "", ""), audience, &Wanted::default()).await
    }

    /// As it was sent, with what is wrong in it.
    async fn again(state: &AppState, caller: &Caller, fields: &Fields, complaint: Complaint) -> Result<Self, Problem> {
        let audience = Audience::sent(fields, caller.0.default_visibility)?;
        let chosen = fields.all("collection");
        let wanted = Wanted { filter: fields.text("filter"), chosen: &chosen, known: &[] };
        let texts = (fields.text("url"), fields.text("title"), fields.text("note"));
        let is_small = bookmarklet::is_sent_from_small(fields);
        let filled = Self::filled(state, caller, texts, audience, &wanted).await?;
        let new_collection = fields.text(new_collection::FIELD).to_owned();
        let is_open = filled.is_open || !new_collection.is_empty();
        Ok(Self { complaint, new_collection, is_open, is_small, ..filled })
    }

    async fn filled(
        state: &AppState,
        caller: &Caller,
        (url, title, note): (&str, &str, &str),
        audience: Audience,
        wanted: &Wanted<'_>,
    ) -> Result<Self, Problem> {
        Ok(Self {
            url: url.to_owned(),
            title: title.to_owned(),
            note: note.to_owned(),
            audience,
            choices: choices(state, caller, wanted).await?,
            new_collection: String::new(),
            is_open: !title.is_empty() || !note.is_empty() || !wanted.chosen.is_empty() || !wanted.filter.is_empty(),
            is_small: false,
            complaint: Complaint::default(),
        })
    }
}

#[derive(Template)]
#[template(path = "save.html")]
struct SavePage {
    chrome: Chrome,
    save: SaveBox,
}

/// Filled with `url`, `title`, `note` and `collection`, or with what a phone shares. Who can see a link that is in the library already is drawn as it is.
async fn page(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let is_small = bookmarklet::is_small(&mut params);
    let mut text = |name: &str| params.text(name).unwrap_or_default();
    let (url, title, note, collection) = (text("url"), text("title"), text("note"), text("collection"));
    let shared = Shared::of(&url, &text("text"), &title);
    let (url, note) = (shared.url, if note.is_empty() { shared.note } else { note });
    let chosen: Vec<String> = (!collection.is_empty()).then_some(collection).into_iter().collect();
    let kept = match CardUrl::parse(&url) {
        Ok(url) => state.library.library_card_by_url(caller.id(), &url).await?,
        Err(_) => None,
    };
    let usual = kept.map_or(caller.0.default_visibility, |kept| kept.card.visibility);
    let wanted = Wanted { chosen: &chosen, ..Wanted::default() };
    let save = SaveBox::filled(&state, &caller, (&url, &title, &note), Audience::drawn(usual), &wanted).await?;
    let save = SaveBox { is_small, ..save };
    visit.page(&SavePage { chrome: visit.chrome(Section::Library), save })
}

/// The page again, with the collections that were looked for, or with what is wrong.
pub async fn again(
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
