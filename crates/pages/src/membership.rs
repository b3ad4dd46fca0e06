//! Answers to invitations, and whom one has blocked.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::use_cases::{AcceptInvitation, BlockPerson, LeaveCollection, UnblockPerson};
use cardwire_domain::{CollectionId, Limit, PageRequest};
use cardwire_http::caller::Caller;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::people;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use crate::form::Posted;
use crate::links::see_other;
use crate::shown::{When, quoted};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/collections/{id}/accept").post(accept).register(config);
    Endpoint::at("/collections/{id}/decline").post(decline).register(config);
    Endpoint::at("/collections/{id}/leave").post(leave).register(config);
    Endpoint::at("/account/block").post(block).register(config);
    Endpoint::at("/account/unblock").post(unblock).register(config);
}

/// An open invitation.
pub struct Invited {
    pub id: String,
    pub name: String,
    /// People invited to a private collection see it once they have accepted.
    pub is_private: bool,
    pub author_id: String,
    pub author: String,
    pub when: When,
}

impl Invited {
    pub fn blocking(&self) -> &'static str {
        BLOCKING
    }
}

/// What blocking somebody does: said with scripts and without.
const BLOCKING: &str = "Their open invitations are withdrawn, and they can no longer invite you. Collections that you both work on stay as \
                        they are. You can unblock them on your account page.";

/// What leaving the collection does.
pub fn leaving(name: &str) -> String {
    format!("The links you added stay in {}.", quoted(name))
}

/// The newest open invitations of the caller, as many as they can have.
pub async fn invitations(state: &AppState, caller: &Caller, now: Timestamp) -> Result<Vec<Invited>, Problem> {
    let request = PageRequest { limit: Limit::new(u64::from(Limit::MAX))?, after: None };
    let open = state.collections.invitations_of(caller.id(), &request).await?;
    let shown = open.items.into_iter().map(|invitation| Invited {
        id: invitation.collection.id.to_string(),
        name: invitation.collection.name,
        is_private: invitation.collection.visibility.is_private(),
        author_id: invitation.author.id.to_string(),
        author: invitation.author.handle,
        when: When::of(invitation.invited_at, now),
    });
    Ok(shown.collect())
}

async fn accept(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let command = AcceptInvitation { id: id.into_inner() };
    let accepted = state.execute(&request, &posted.visit.caller()?, None, &command).await?;
    Ok(see_other(&format!("/collections/{}", accepted.id)))
}

async fn decline(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let command = LeaveCollection { id: id.into_inner() };
    state.execute(&request, &posted.visit.caller()?, None, &command).await?;
    Ok(see_other("/collections"))
}

async fn leave(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.caller()?;
    let id: CollectionId = id.parse()?;
    if !posted.is_sure() {
        let about = leaving(&state.collections.collection(id, Some(caller.id())).await?.name);
        return posted.ask(&request, ("Leave this collection", &about), &format!("/collections/{id}"));
    }
    state.execute(&request, &caller, None, &LeaveCollection { id: id.to_string() }).await?;
    Ok(see_other("/collections"))
}

async fn block(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.caller()?;
    let person = people::find(&state, posted.fields.text("person")).await?;
    if !posted.is_sure() {
        let open = invitations(&state, &caller, state.operations.clock.now()).await?;
        let inviting = open.into_iter().find(|invited| invited.author_id == person.as_str());
        let name = inviting.map_or_else(|| person.to_string(), |invited| invited.author);
        return posted.ask(&request, (&format!("Block {name}"), BLOCKING), "/collections");
    }
    state.execute(&request, &caller, None, &BlockPerson { person }).await?;
    Ok(see_other("/collections"))
}

async fn unblock(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let person = people::named(posted.fields.text("person"))?;
    state.execute(&request, &posted.visit.caller()?, None, &UnblockPerson { person }).await?;
    Ok(see_other("/account"))
}
