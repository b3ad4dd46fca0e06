//! Your profile, and what else the account's first page has.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::Visibility;
use cardwire_domain::membership::Block;
use cardwire_domain::profile::{Bio, DisplayName, Edit, Profile, ProfileChange};
use cardwire_http::caller::Caller;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::origin;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::bookmarklet;
use crate::fields::{Complaint, Fields};
use crate::form::Posted;
use crate::links::see_other;
use crate::shown::{next, part_behind};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/account").get(account).post(change).register(config);
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    chrome: Chrome,
    told: Option<&'static str>,
    handle: String,
    id: String,
    has_account: bool,
    fields: ProfileFields,
    bookmarklet: String,
    blocked: Vec<Block>,
    older: Option<String>,
    /// About the form that deletes the account; here there is none yet.
    deletion: Complaint,
}

/// What the form about a profile holds.
struct ProfileFields {
    display_name: String,
    bio: String,
    is_private: bool,
    complaint: Complaint,
}

impl ProfileFields {
    const NAMES: [&str; 2] = ["displayName", "bio"];

    fn of(profile: Profile) -> Self {
        Self {
            display_name: profile.display_name.map(|name| name.as_str().to_owned()).unwrap_or_default(),
            bio: profile.bio.map(|bio| bio.as_str().to_owned()).unwrap_or_default(),
            is_private: profile.default_visibility.is_private(),
            complaint: Complaint::default(),
        }
    }

    fn sent(fields: &Fields, complaint: Complaint) -> Self {
        Self {
            display_name: fields.text("displayName").to_owned(),
            bio: fields.text("bio").to_owned(),
            is_private: visibility(fields) == Some(Visibility::Private),
            complaint,
        }
    }
}

/// `None`: nothing was chosen.
fn visibility(fields: &Fields) -> Option<Visibility> {
    fields.text("defaultVisibility").parse().ok()
}

async fn account(
    state: Data<AppState>,
    request: HttpRequest,
    visit: Visit,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let told = (params.text("told").as_deref() == Some("saved")).then_some("Saved.");
    let cursor = params.text("cursor").unwrap_or_default();
    let fields = ProfileFields::of(state.accounts.profile(caller.id()).await?);
    let page = page(&state, &request, &visit, &cursor, fields).await?;
    visit.page(&AccountPage { told, ..page })
}

async fn page(
    state: &AppState,
    request: &HttpRequest,
    visit: &Visit,
    cursor: &str,
    fields: ProfileFields,
) -> Result<AccountPage, Problem> {
    let user = visit.caller()?.0.user;
    // Its ties are broken by DIDs.
    let list = List::by_rank(&["blocks", user.id.as_str()]);
    let blocked = state.collections.blocked_by(&user.id, &part_behind(cursor, &list)?).await?;
    Ok(AccountPage {
        chrome: visit.chrome(Section::Account),
        told: None,
        handle: user.handle,
        id: user.id.to_string(),
        has_account: visit.has_account(),
        fields,
        bookmarklet: bookmarklet::script(&origin::base(request).unwrap_or_default()),
        older: next(&blocked, &list, "/account"),
        deletion: Complaint::default(),
        blocked: blocked.items,
    })
}

async fn change(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let Err(problem) = keep(&state, &visit.caller()?, &fields).await else {
        return Ok(see_other("/account?told=saved"));
    };
    let (status, complaint) = Complaint::of(problem, &ProfileFields::NAMES)?;
    let page = page(&state, &request, &visit, "", ProfileFields::sent(&fields, complaint)).await?;
    Ok(page.fields.complaint.complete(visit.page_with(status, &page)?))
}

async fn keep(state: &AppState, caller: &Caller, fields: &Fields) -> Result<(), Problem> {
    let change = ProfileChange {
        display_name: Edit::<DisplayName>::parse(Some(fields.text("displayName")))?,
        bio: Edit::<Bio>::parse(Some(fields.text("bio")))?,
        default_visibility: visibility(fields),
    };
    state.writes.admit(caller.id())?;
    state.accounts.change_profile(caller.id(), &change).await?;
    Ok(())
}
