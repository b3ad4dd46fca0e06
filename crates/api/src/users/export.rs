//! All your data in one file.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_domain::library::LibraryFilter;
use cardwire_domain::{Limit, Page, PageRequest, Position};
use cardwire_http::auth::Proof;
use cardwire_http::caller::Caller;
use cardwire_http::download;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::collections::CollectionBody;
use crate::library::LibraryCardBody;
use crate::membership::{BlockedBody, InvitationBody};
use crate::resource::Resource;
use crate::users::atproto::ConnectionBody;
use crate::users::me::Me;
use crate::users::sessions::SessionBody;
use crate::users::tokens::TokenBody;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(export))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/users/me/export").get(export).register(config);
}

/// All your data, in the same shapes as elsewhere in the API. It is streamed list by list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Export {
    #[schema(value_type = String, format = DateTime)]
    pub exported_at: Timestamp,
    pub account: Me,
    /// Your connection to the AT Protocol network, without its tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub atproto: Option<ConnectionBody>,
    /// Your library, private cards included.
    pub cards: Vec<LibraryCardBody>,
    /// Your own collections, then those of others in which you collaborate.
    pub collections: Vec<CollectionBody>,
    /// Open invitations to collections.
    pub invitations: Vec<InvitationBody>,
    /// People you have blocked.
    pub blocks: Vec<BlockedBody>,
    pub sessions: Vec<SessionBody>,
    /// Without their secrets.
    pub tokens: Vec<TokenBody>,
}

/// The lists of the file.
#[derive(Clone, Copy, Debug)]
enum List {
    Cards,
    Collections,
    Invitations,
    Blocks,
    Sessions,
    Tokens,
}

impl List {
    fn name(self) -> &'static str {
        match self {
            Self::Cards => "cards",
            Self::Collections => "collections",
            Self::Invitations => "invitations",
            Self::Blocks => "blocks",
            Self::Sessions => "sessions",
            Self::Tokens => "tokens",
        }
    }

    fn next(self) -> Step {
        match self {
            Self::Cards => Step::List(Self::Collections, None),
            Self::Collections => Step::List(Self::Invitations, None),
            Self::Invitations => Step::List(Self::Blocks, None),
            Self::Blocks => Step::List(Self::Sessions, None),
            Self::Sessions => Step::List(Self::Tokens, None),
            Self::Tokens => Step::Tail,
        }
    }
}

enum Step {
    Head,
    /// Continue from this position.
    List(List, Option<Position>),
    Tail,
    End,
}

/// Downloads all your data as one JSON file. Passwords and token secrets are not included. With an API token, the lists
/// of sessions and tokens are empty. One download at a time: a second one gets 503 with Retry-After.
#[utoipa::path(
    operation_id = "exportMyData",
    get, path = "/api/users/me/export", tag = "users", security(("bearer" = [])),
    responses((status = 200, description = "A file, `cardwire.json`", body = Export))
)]
pub async fn export(state: Data<AppState>, caller: Caller, _: NoParams) -> Result<HttpResponse, Problem> {
    let place = state.begin_download(caller.id())?;
    let state = AppState::clone(&state);
    let write = move |step| part(state.clone(), caller.clone(), step);
    Ok(download::file(("application/json", "cardwire.json"), place, Step::Head, write))
}

/// The text at this step, and the next step.
async fn part(state: AppState, caller: Caller, step: Step) -> Result<Option<(String, Step)>, Problem> {
    Ok(Some(match step {
        Step::Head => {
            let profile = state.accounts.profile(caller.id()).await?;
            let connected = state.connected(caller.id()).await?;
            let (at, account) = (json(&state.operations.clock.now())?, json(&Me::of(caller.0, profile))?);
            let mut text = format!("{{\"exportedAt\":{at},\n\"account\":{account}");
            if let Some(connected) = connected {
                text.push_str(&format!(",\n\"atproto\":{}", json(&ConnectionBody::from(connected))?));
            }
            (text, Step::List(List::Cards, None))
        }
        Step::List(list, after) => {
            let is_first = after.is_none();
            let (items, next) = portion(&state, &caller, list, after).await?;
            let mut text = if is_first { format!(",\n\"{}\":[\n", list.name()) } else { ",\n".to_owned() };
            text.push_str(&items.join(",\n"));
            match next {
                Some(position) => (text, Step::List(list, Some(position))),
                None => (text + "]", list.next()),
            }
        }
        Step::Tail => ("}\n".to_owned(), Step::End),
        Step::End => return Ok(None),
    }))
}

type Portion = (Vec<String>, Option<Position>);

/// Some items of a list, and where the next ones begin.
async fn portion(state: &AppState, caller: &Caller, list: List, after: Option<Position>) -> Result<Portion, Problem> {
    let (id, accounts, collections) = (caller.id(), &state.accounts, &state.collections);
    let page = PageRequest { limit: Limit::new(u64::from(Limit::MAX))?, after };
    match list {
        List::Cards => {
            written::<LibraryCardBody, _>(state.library.library(id, &LibraryFilter::default(), &page).await?)
        }
        List::Collections => written::<CollectionBody, _>(collections.collections_of(id, &page).await?),
        List::Invitations => written::<InvitationBody, _>(collections.invitations_of(id, &page).await?),
        List::Blocks => written::<BlockedBody, _>(collections.blocked_by(id, &page).await?),
        // A leaked token must not reveal other ways in.
        List::Sessions | List::Tokens if matches!(caller.0.proof, Proof::Token(_)) => Ok((Vec::new(), None)),
        List::Sessions => {
            let current = caller.0.proof.session();
            let sessions = accounts.sessions(id).await?.into_iter();
            let items = sessions.map(|session| SessionBody::of(session, current)).collect();
            written::<SessionBody, _>(Page { items, next: None })
        }
        List::Tokens => written::<TokenBody, _>(Page { items: accounts.tokens(id).await?, next: None }),
    }
}

fn written<B: Serialize, T: Into<B>>(page: Page<T>) -> Result<Portion, Problem> {
    let items = page.items.into_iter().map(|item| json::<B>(&item.into())).collect::<Result<_, _>>()?;
    Ok((items, page.next))
}

fn json<T: Serialize>(value: &T) -> Result<String, Problem> {
    serde_json::to_string(value).map_err(|error| Problem::internal(error.to_string()))
}
