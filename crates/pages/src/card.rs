//! One card: what it is, and its owner's title, note and collections.

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::CardId;
use cardwire_domain::library::LibraryCard;
use cardwire_domain::metadata::{FetchState, PageKind};
use cardwire_domain::use_cases::{RemoveCardFromLibrary, UpdateUrlCardAssociations};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{CONFLICT, Problem};
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::audience::Audience;
use crate::choices::{Choices, Wanted, choices, is_search};
use crate::fields::{Complaint, Fields};
use crate::form::Posted;
use crate::links::{about_url, see_other, way_back, with_parameter};
use crate::new_collection;
use crate::sharing::Sharing;
use crate::shown::{Body, Row, removal, without_scheme};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/cards/{id}").get(show).post(edit).register(config);
    Endpoint::at("/cards/{id}/row").get(row).register(config);
    Endpoint::at("/cards/{id}/body").get(body).register(config);
    Endpoint::at("/cards/{id}/title").post(rename).register(config);
    Endpoint::at("/cards/{id}/remove").post(remove).register(config);
    Endpoint::at("/cards/{id}/retry").post(retry).register(config);
}

#[derive(Template)]
#[template(path = "card.html")]
struct CardPage {
    chrome: Chrome,
    sharing: Option<Sharing>,
    about: String,
    card: Row,
    owner: String,
    facts: Vec<(&'static str, String)>,
    /// For its owner.
    edit: Option<EditBox>,
    save_too: String,
    may_hide: bool,
}

struct EditBox {
    title: String,
    /// What it is called without a title.
    page_title: String,
    note: String,
    audience: Audience,
    choices: Choices,
    new_collection: String,
    /// Ids of the collections that the card was in when the form was drawn, separated by commas.
    was_in: String,
    complaint: Complaint,
}

/// What the form of a card's owner holds.
struct Edit {
    /// `None`: the form did not ask for it.
    title: Option<String>,
    note: String,
    audience: Audience,
    filter: String,
    new_collection: String,
    chosen: Vec<String>,
    was_in: Vec<String>,
}

impl Edit {
    fn of(kept: &LibraryCard) -> Self {
        let is_in: Vec<String> = kept.collections.iter().map(|one| one.id.to_string()).collect();
        Self {
            title: kept.own_title.clone(),
            note: kept.note.as_ref().map(|note| note.text.as_str().to_owned()).unwrap_or_default(),
            audience: Audience::drawn(kept.card.visibility),
            filter: String::new(),
            new_collection: String::new(),
            chosen: is_in.clone(),
            was_in: is_in,
        }
    }

    fn sent(fields: &Fields, kept: &LibraryCard) -> Result<Self, Problem> {
        Ok(Self {
            title: fields.all("title").into_iter().next(),
            note: fields.text("note").to_owned(),
            audience: Audience::sent(fields, kept.card.visibility)?,
            filter: fields.text("filter").to_owned(),
            new_collection: fields.text(new_collection::FIELD).to_owned(),
            chosen: fields.all("collection"),
            was_in: fields.text("was-in").split(',').map(str::to_owned).collect(),
        })
    }
}

#[derive(Template)]
#[template(path = "body.html")]
struct BodyPart {
    body: Body,
}

#[derive(Template)]
#[template(path = "row.html")]
struct RowPart {
    chrome: Chrome,
    card: Row,
}

async fn show(state: Data<AppState>, visit: Visit, id: Path<String>) -> Result<HttpResponse, Problem> {
    let kept = load(&state, &visit, &id).await?;
    let edit = Edit::of(&kept);
    draw(&state, &visit, kept, edit, (StatusCode::OK, Complaint::default())).await
}

/// The card as a row of a list, for the script that waits for its page to be fetched.
async fn row(
    state: Data<AppState>,
    visit: Visit,
    id: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let is_whole = params.flag("whole")?;
    draw_row(&state, &visit, &id, looks(&mut params)?, is_whole).await
}

/// The card as the feed shows it, for the script that waits for its page to be fetched.
async fn body(
    state: Data<AppState>,
    visit: Visit,
    id: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let look = looks(&mut params)?;
    visit.page(&BodyPart { body: Body::of(load(&state, &visit, &id).await?, look) })
}

/// How often the script has looked.
fn looks(params: &mut Params) -> Result<u32, Problem> {
    let look = params.number("look", 1..=1_000)?.unwrap_or(1);
    Ok(u32::try_from(look).unwrap_or(u32::MAX))
}

/// Gives the card another title, or with none its page's. A script puts the answer in the row's place.
async fn rename(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let caller = visit.caller()?;
    let title = fields.text("title").to_owned();
    let command = UpdateUrlCardAssociations {
        card_id: id.to_string(),
        title: Some(title.clone()),
        ..UpdateUrlCardAssociations::default()
    };
    match state.execute(&request, &caller, None, &command).await {
        Ok(_) if request.headers().contains_key("hx-request") => draw_row(&state, &visit, &id, 0, false).await,
        Ok(_) => Ok(see_other(&with_parameter(&way_back(&request, &fields, "/library"), "told", "renamed"))),
        Err(problem) => {
            let refused = Complaint::of(problem, &["title"])?;
            let kept = load(&state, &visit, &id).await?;
            let edit = Edit { title: Some(title), ..Edit::of(&kept) };
            draw(&state, &visit, kept, edit, refused).await
        }
    }
}

/// Has the page behind the card fetched again. A script puts the answer in the row's place; without one, the card's page shows how it goes.
async fn retry(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    mut params: Params,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.caller()?;
    let is_whole = params.flag("whole")?;
    match state.fetch_again(&caller, &id).await {
        Ok(_) => {}
        // That is what was asked for.
        Err(problem) if problem.kind() == &CONFLICT => {}
        Err(problem) => return Err(problem),
    }
    if request.headers().contains_key("hx-request") {
        return draw_row(&state, &posted.visit, &id, 0, is_whole).await;
    }
    Ok(see_other(&format!("/cards/{id}")))
}

async fn draw_row(
    state: &AppState,
    visit: &Visit,
    id: &str,
    look: u32,
    is_whole: bool,
) -> Result<HttpResponse, Problem> {
    let kept = load(state, visit, id).await?;
    let reader = visit.viewer().map(|viewer| &viewer.user.id);
    let card = Row { is_whole, ..Row::of(kept, reader, look, state.operations.clock.now()) };
    visit.page(&RowPart { chrome: visit.chrome(Section::Library), card })
}

/// The card becomes what the form says. It leaves a collection only if it was in it when the form was drawn, and is no longer ticked.
async fn edit(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let caller = visit.caller()?;
    let kept = load(&state, &visit, &id).await?;
    let sent = Edit::sent(&fields, &kept)?;
    if is_search(&fields) {
        return draw(&state, &visit, kept, sent, (StatusCode::OK, Complaint::default())).await;
    }
    let is_in: Vec<String> = kept.collections.iter().map(|one| one.id.to_string()).collect();
    let chosen = new_collection::chosen(&state, &request, &caller, &fields, sent.audience.chosen).await;
    let chosen = match chosen.map_err(new_collection::complaint) {
        Ok(chosen) => chosen,
        Err(problem) => {
            let refused = Complaint::of(problem, &[new_collection::FIELD])?;
            return draw(&state, &visit, kept, sent, refused).await;
        }
    };
    let command = UpdateUrlCardAssociations {
        card_id: id.to_string(),
        title: sent.title.clone(),
        note: Some(sent.note.clone()),
        visibility: sent.audience.asked(),
        add_to_collections: chosen.iter().filter(|id| !is_in.contains(id)).cloned().collect(),
        remove_from_collections: is_in
            .iter()
            .filter(|id| sent.was_in.contains(id) && !chosen.contains(id))
            .cloned()
            .collect(),
    };
    match state.execute(&request, &caller, None, &command).await {
        Ok(_) => Ok(see_other(&format!("/cards/{}", command.card_id))),
        Err(problem) => {
            let refused = Complaint::of(problem, &["title", "note"])?;
            draw(&state, &visit, kept, sent, refused).await
        }
    }
}

async fn remove(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.caller()?;
    if !posted.is_sure() {
        let card = load(&state, &posted.visit, &id).await?.card;
        let about = removal(card.title.as_deref().unwrap_or_else(|| without_scheme(&card.url)));
        return posted.ask(&request, ("Remove this link", &about), &format!("/cards/{id}"));
    }
    let command = RemoveCardFromLibrary { card_id: id.into_inner() };
    state.execute(&request, &caller, None, &command).await?;
    Ok(see_other(&with_parameter(&way_back(&request, &posted.fields, "/library"), "told", "removed")))
}

async fn load(state: &AppState, visit: &Visit, id: &str) -> Result<LibraryCard, Problem> {
    let id: CardId = id.parse()?;
    Ok(state.library.library_card(id, visit.viewer().map(|viewer| &viewer.user.id)).await?)
}

async fn draw(
    state: &AppState,
    visit: &Visit,
    kept: LibraryCard,
    edit: Edit,
    (status, complaint): (StatusCode, Complaint),
) -> Result<HttpResponse, Problem> {
    let reader = visit.viewer().map(|viewer| &viewer.user.id);
    let is_own = reader == Some(&kept.owner.id);
    let edit = if is_own {
        let Edit { title, note, audience, filter, new_collection, chosen, was_in } = edit;
        let page_title = kept.page.metadata.title.clone();
        let wanted = Wanted { filter: &filter, chosen: &chosen, known: &kept.collections };
        let choices = choices(state, &visit.caller()?, &wanted).await?;
        Some(EditBox {
            title: title.unwrap_or_default(),
            page_title: page_title.unwrap_or_else(|| without_scheme(&kept.card.url).to_owned()),
            note,
            audience,
            choices,
            new_collection,
            was_in: was_in.join(","),
            complaint,
        })
    } else {
        None
    };
    let metadata = &kept.page.metadata;
    let failed = match &kept.page.state {
        FetchState::Failed { reason, .. } => Some(reason.clone()),
        FetchState::Pending | FetchState::Ready => None,
    };
    let facts = [
        ("Not read", failed),
        ("Page title", kept.own_title.as_ref().and(metadata.title.clone())),
        ("Site", metadata.site_name.clone()),
        ("By", metadata.author.clone()),
        ("Kind", metadata.kind.map(PageKind::name).map(str::to_owned)),
        ("Language", metadata.language.clone()),
    ];
    let page = CardPage {
        chrome: visit.chrome(Section::Library),
        sharing: Sharing::of_card(visit, &kept),
        about: about_url(&kept.card.url),
        facts: facts.into_iter().filter_map(|(name, value)| Some((name, value?))).collect(),
        owner: kept.owner.handle.clone(),
        save_too: with_parameter("/save", "url", &kept.card.url),
        may_hide: !is_own && visit.viewer().is_some_and(|viewer| viewer.admin),
        edit,
        card: Row::of(kept, reader, 0, state.operations.clock.now()).whole(),
    };
    let drawn = visit.page_with(status, &page)?;
    Ok(page.edit.iter().fold(drawn, |drawn, edit| edit.complaint.complete(drawn)))
}
