//! What is done with several cards of the library at once: one command for each, so that what cannot be done with one of them does not stop the
//! others.

use std::collections::BTreeMap;

use actix_web::http::{StatusCode, header};
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::exports::ExportedCard;
use cardwire_domain::library::LibraryCard;
use cardwire_domain::url::CardUrl;
use cardwire_domain::use_cases::{RemoveCardFromLibrary, UpdateUrlCardAssociations};
use cardwire_domain::{Error, Visibility};
use cardwire_http::caller::Caller;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

use crate::export::bookmark_file;
use crate::fields::{Complaint, Fields, with_wait};
use crate::form::Posted;
use crate::library::{Listing, draw};
use crate::links::{see_other, with_parameter};
use crate::new_collection;
use crate::shown::REMOVAL_OF_SELECTED;
use crate::visit::PAGE_HEADERS;

/// So many at once: more than a page lists.
const MOST: usize = 100;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/library/selected").post(act).register(config);
}

/// What can be done.
enum Action {
    Add(Vec<String>),
    See(Visibility),
    Remove,
}

impl Action {
    /// What the library says of it then.
    const fn told(&self) -> &'static str {
        match self {
            Self::Add(_) => "added",
            Self::See(Visibility::Private) => "private",
            Self::See(Visibility::Public) => "public",
            Self::Remove => "removed",
        }
    }

    async fn with(
        &self,
        state: &AppState,
        request: &HttpRequest,
        caller: &Caller,
        card_id: String,
    ) -> Result<(), Problem> {
        let change = UpdateUrlCardAssociations { card_id: card_id.clone(), ..UpdateUrlCardAssociations::default() };
        let change = match self {
            Self::Remove => {
                state.execute(request, caller, None, &RemoveCardFromLibrary { card_id }).await?;
                return Ok(());
            }
            Self::Add(collections) => UpdateUrlCardAssociations { add_to_collections: collections.clone(), ..change },
            Self::See(visibility) => UpdateUrlCardAssociations { visibility: Some(*visibility), ..change },
        };
        state.execute(request, caller, None, &change).await?;
        Ok(())
    }
}

async fn act(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.caller()?;
    let listing = Listing::sent(&posted.fields)?;
    let cards = ids(&posted.fields);
    let refuse = StatusCode::UNPROCESSABLE_ENTITY;
    let refused = match cards.len() {
        0 => Some("Select the links first."),
        1..=MOST => None,
        _ => Some("Select at most 100 links."),
    };
    if let Some(why) = refused {
        let complaint = Complaint::whole_form(why);
        return draw(&state, &request, &posted.visit, listing.last_drawn(&posted.visit), None, (refuse, complaint))
            .await;
    }
    let action = match posted.fields.text("do") {
        "export" => return export(&state, &caller, &cards).await,
        "private" => Action::See(Visibility::Private),
        "public" => Action::See(Visibility::Public),
        "remove" if !posted.is_sure() => {
            let links = if cards.len() == 1 { "1 link".to_owned() } else { format!("{} links", cards.len()) };
            return posted.ask(&request, (&format!("Remove {links}"), REMOVAL_OF_SELECTED), &listing.way());
        }
        "remove" => Action::Remove,
        "add" => match into(&state, &request, &caller, &posted.fields).await {
            Ok(collections) => Action::Add(collections),
            Err(problem) => {
                let refused = Complaint::of(problem, &[new_collection::FIELD])?;
                return draw(&state, &request, &posted.visit, listing.last_drawn(&posted.visit), None, refused).await;
            }
        },
        _ => return Err(Problem::invalid("do", "Use add, private, public, remove or export.")),
    };
    let (mut done, mut failed, mut why) = (0, 0, String::new());
    for id in cards {
        match action.with(&state, &request, &caller, id).await {
            Ok(()) => done += 1,
            Err(problem) => {
                failed += 1;
                // The first reason will do: mostly it is the same for all.
                if why.is_empty() {
                    why = with_wait(&problem);
                }
            }
        }
    }
    let way = with_parameter(&listing.way(), "told", action.told());
    if failed == 0 {
        return Ok(see_other(&with_parameter(&way, "done", &done.to_string())));
    }
    let links = if failed == 1 { "1 link".to_owned() } else { format!("{failed} links") };
    let complaint = Complaint::whole_form(format!("{done} done, {links} could not be changed: {why}"));
    draw(&state, &request, &posted.visit, listing.last_drawn(&posted.visit), None, (refuse, complaint)).await
}

/// Each once.
fn ids(fields: &Fields) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for id in fields.all("card") {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    ids
}

async fn into(
    state: &AppState,
    request: &HttpRequest,
    caller: &Caller,
    fields: &Fields,
) -> Result<Vec<String>, Problem> {
    let usual = caller.0.default_visibility;
    let chosen = new_collection::chosen(state, request, caller, fields, usual).await;
    let chosen = chosen.map_err(new_collection::complaint)?;
    if chosen.is_empty() {
        return Err(Problem::invalid(new_collection::FIELD, "Choose a collection, or type the name of a new one."));
    }
    Ok(chosen)
}

/// A bookmark file with these cards; those that are gone or somebody else's are left out.
async fn export(state: &AppState, caller: &Caller, cards: &[String]) -> Result<HttpResponse, Problem> {
    let mut exported = Vec::new();
    for id in cards {
        let Ok(id) = id.parse() else { continue };
        match state.library.library_card(id, Some(caller.id())).await {
            Ok(kept) if kept.owner.id == *caller.id() => exported.push(as_exported(kept)?),
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let mut response = HttpResponse::Ok();
    response.content_type("text/html; charset=utf-8");
    for header in PAGE_HEADERS {
        response.insert_header(header);
    }
    let name = "attachment; filename=\"cardwire-selected.html\"";
    Ok(response.insert_header((header::CONTENT_DISPOSITION, name)).body(bookmark_file(&exported)?))
}

fn as_exported(kept: LibraryCard) -> Result<ExportedCard, Problem> {
    let mut collections: BTreeMap<String, Visibility> = BTreeMap::new();
    for one in kept.collections {
        let visibility = collections.entry(one.name).or_insert(one.visibility);
        if one.visibility.is_private() {
            *visibility = one.visibility;
        }
    }
    Ok(ExportedCard {
        id: kept.card.id,
        url: CardUrl::parse(&kept.card.url)?,
        title: kept.card.title,
        note: kept.note.map(|note| note.text),
        collections,
        visibility: kept.card.visibility,
        added_at: kept.added_at,
    })
}
