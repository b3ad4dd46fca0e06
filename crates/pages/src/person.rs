//! Somebody's page: who they are, their public collections and what they saved for everybody to see.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path, ServiceConfig};
use askama::Template;
use cardwire_domain::public::Named;
use cardwire_domain::user::User;
use cardwire_domain::{Error, Limit, PageRequest, UserId};
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{NOT_FOUND, Problem};
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use crate::links::{person, see_other};
use crate::saved::{Listed, Saved};
use crate::sharing::Sharing;
use crate::shown::{next, part};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/@{handle}").get(show).register(config);
    Endpoint::at("/@{handle}/collections").get(collections).register(config);
}

/// So many collections are on the page itself.
const COLLECTIONS: u64 = 10;

/// No handle and no DID is longer.
const MAX_BYTES: usize = 2_048;

/// Somebody whose page is shown.
pub struct Shown {
    pub user: User,
    pub display_name: Option<String>,
    pub bio: Option<String>,
    pub since: Timestamp,
}

#[derive(Template)]
#[template(path = "person.html")]
struct PersonPage {
    chrome: Chrome,
    sharing: Option<Sharing>,
    handle: String,
    name: String,
    bio: Option<String>,
    is_self: bool,
    is_blocked: bool,
    /// Only on the first page.
    is_first: bool,
    collections: Vec<Listed>,
    has_more_collections: bool,
    cards: Vec<Saved>,
    older: Option<String>,
}

#[derive(Template)]
#[template(path = "person_collections.html")]
struct CollectionsPage {
    chrome: Chrome,
    handle: String,
    path: String,
    collections: Vec<Listed>,
    older: Option<String>,
}

/// The person with this handle or this DID. With mock authentication everybody is somebody.
pub async fn find(state: &AppState, name: &str) -> Result<Shown, Problem> {
    let missing = || Problem::from(Error::not_found("person", format!("@{name}")));
    if name.len() > MAX_BYTES || name.contains('\0') {
        return Err(missing());
    }
    let id = UserId::parse(name).ok();
    if let Some(found) = state.public.person(id.as_ref().map_or(Named::Handle(name), Named::Id)).await? {
        return match found.is_suspended {
            true => Err(Problem::new(&NOT_FOUND, "This account is suspended.")),
            false => {
                let (display_name, bio) = (found.display_name, found.bio);
                Ok(Shown { user: found.user, display_name, bio, since: found.created_at })
            }
        };
    }
    let id = id.or_else(|| UserId::parse(&state.authenticator.token_without_account(name)?).ok());
    let Some(id) = id.filter(|_| state.authenticator.knows_everybody()) else { return Err(missing()) };
    let profile = state.accounts.profile(&id).await?;
    Ok(Shown {
        user: User::unregistered(id),
        display_name: profile.display_name.map(|name| name.as_str().to_owned()),
        bio: profile.bio.map(|bio| bio.as_str().to_owned()),
        since: profile.created_at.unwrap_or(Timestamp::UNIX_EPOCH),
    })
}

/// Where old links to somebody lead.
pub async fn moved(state: &AppState, id: &UserId) -> Result<HttpResponse, Problem> {
    let known = state.public.person(Named::Id(id)).await?;
    Ok(see_other(&person(known.as_ref().map_or(id.as_str(), |known| &known.user.handle))))
}

/// Somebody, or the way to where their page is.
async fn named(state: &AppState, name: &str, rest: &str) -> Result<Result<Shown, HttpResponse>, Problem> {
    let shown = find(state, name).await?;
    if shown.user.handle == name {
        return Ok(Ok(shown));
    }
    // As it was asked for, if the handle alone would name somebody else.
    let is_same = find(state, &shown.user.handle).await.is_ok_and(|other| other.user == shown.user);
    Ok(if is_same { Err(see_other(&format!("{}{rest}", person(&shown.user.handle)))) } else { Ok(shown) })
}

async fn show(
    state: Data<AppState>,
    visit: Visit,
    name: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let Shown { user, display_name, bio, .. } = match named(&state, &name, "").await? {
        Ok(shown) => shown,
        Err(way) => return Ok(way),
    };
    let list = List::by_time(&["person", user.id.as_str()]);
    let request = part(&mut params, &list)?;
    let is_first = request.after.is_none();
    let now = state.operations.clock.now();
    let page = state.public.cards_of(&user.id, &request).await?;
    let mut collections = Vec::new();
    let mut has_more_collections = false;
    if is_first {
        let some = PageRequest { limit: Limit::new(COLLECTIONS)?, after: None };
        let listed = state.public.public_collections(Some(&user.id), &some).await?;
        has_more_collections = listed.next.is_some();
        collections = listed.items.into_iter().map(|listed| Listed::of(listed, now)).collect();
    }
    let name = display_name.unwrap_or_else(|| user.handle.clone());
    visit.page(&PersonPage {
        chrome: visit.chrome(Section::Other),
        sharing: Sharing::of_person(&visit, &user.handle, &name, bio.as_deref()),
        is_self: visit.viewer().is_some_and(|viewer| viewer.user.id == user.id),
        is_blocked: is_blocked(&state, &visit, &user.id).await?,
        is_first,
        collections,
        has_more_collections,
        older: next(&page, &list, &person(&user.handle)),
        cards: page.items.into_iter().map(|saved| Saved::of(saved, now)).collect(),
        handle: user.handle,
        name,
        bio,
    })
}

async fn collections(
    state: Data<AppState>,
    visit: Visit,
    name: Path<String>,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let Shown { user, .. } = match named(&state, &name, "/collections").await? {
        Ok(shown) => shown,
        Err(way) => return Ok(way),
    };
    let path = person(&user.handle);
    let list = List::by_time(&["person's collections", user.id.as_str()]);
    let page = state.public.public_collections(Some(&user.id), &part(&mut params, &list)?).await?;
    let now = state.operations.clock.now();
    visit.page(&CollectionsPage {
        chrome: visit.chrome(Section::Other),
        handle: user.handle,
        older: next(&page, &list, &format!("{path}/collections")),
        collections: page.items.into_iter().map(|listed| Listed::of(listed, now)).collect(),
        path,
    })
}

/// Whether whoever looks has blocked them.
async fn is_blocked(state: &AppState, visit: &Visit, person: &UserId) -> Result<bool, Problem> {
    let Some(viewer) = visit.viewer() else { return Ok(false) };
    let mut request = PageRequest { limit: Limit::new(u64::from(Limit::MAX))?, after: None };
    loop {
        let page = state.collections.blocked_by(&viewer.user.id, &request).await?;
        if page.items.iter().any(|block| block.person.id == *person) {
            return Ok(true);
        }
        match page.next {
            Some(next) => request.after = Some(next),
            None => return Ok(false),
        }
    }
}
