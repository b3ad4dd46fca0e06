//! Your profile, and deleting your account.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::UserId;
use cardwire_domain::profile::{Bio, DisplayName, Edit, Profile, ProfileChange};
use cardwire_domain::user::User;
use cardwire_http::auth::Identity;
use cardwire_http::body::JsonBody;
use cardwire_http::caller::{Caller, InPerson};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use utoipa::{OpenApi, ToSchema};

use crate::dto::{VisibilityBody, sent};
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(me, change, delete))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/users/me").get(me).put(change).delete(delete).register(config);
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Me {
    #[schema(value_type = String, example = "did:plc:alice")]
    id: UserId,
    #[schema(example = "alice")]
    handle: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Alice")]
    display_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bio: Option<String>,
    /// The visibility of cards that are saved without one.
    default_visibility: VisibilityBody,
    /// When the account was created. Left out for people without an account.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Timestamp>,
    admin: bool,
}

impl Me {
    pub(super) fn of(identity: Identity, profile: Profile) -> Self {
        let User { id, handle } = identity.user;
        Self {
            id,
            handle,
            display_name: profile.display_name.map(|name| name.as_str().to_owned()),
            bio: profile.bio.map(|bio| bio.as_str().to_owned()),
            default_visibility: profile.default_visibility.into(),
            created_at: profile.created_at,
            admin: identity.admin,
        }
    }
}

/// Who you are, and your profile.
#[utoipa::path(
    operation_id = "getMe",
    get, path = "/api/users/me", tag = "users", security(("bearer" = [])), responses((status = 200, body = Me))
)]
pub async fn me(state: Data<AppState>, caller: Caller, _: NoParams) -> Result<HttpResponse, Problem> {
    let profile = state.accounts.profile(caller.id()).await?;
    Ok(HttpResponse::Ok().json(Me::of(caller.0, profile)))
}

/// Fields that are left out stay as they are. You can send back everything you read: `id`, `handle`, `createdAt` and
/// `admin` are accepted unchanged.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ChangeProfile {
    /// Cannot be changed. Send it as you read it, or leave it out.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>, example = "did:plc:alice")]
    id: Option<Option<String>>,
    /// Cannot be changed. Send it as you read it, or leave it out.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>, example = "alice")]
    handle: Option<Option<String>>,
    /// Cannot be changed. Send it as you read it, or leave it out.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>, format = DateTime)]
    created_at: Option<Option<String>>,
    /// Cannot be changed. Send it as you read it, or leave it out.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<bool>)]
    admin: Option<Option<bool>>,
    /// At most 64 characters. Null or empty: none.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>, example = "Alice")]
    display_name: Option<Option<String>>,
    /// At most 500 characters. Null or empty: none.
    #[serde(default, deserialize_with = "sent")]
    #[schema(value_type = Option<String>)]
    bio: Option<Option<String>>,
    #[serde(default)]
    default_visibility: Option<VisibilityBody>,
}

/// Refuses a value that was sent and differs from the current one.
fn keep<T: PartialEq>(field: &str, sent: Option<Option<T>>, there: Option<T>) -> Result<(), Problem> {
    match sent {
        Some(value) if value != there => {
            Err(Problem::invalid(field, "This cannot be changed. Send it as you read it, or leave it out."))
        }
        _ => Ok(()),
    }
}

impl ChangeProfile {
    /// Refuses a different value for fields that cannot be changed.
    async fn keep_the_rest(&self, state: &AppState, caller: &Caller) -> Result<(), Problem> {
        let Identity { user, admin, .. } = &caller.0;
        keep("id", self.id.clone(), Some(user.id.to_string()))?;
        keep("handle", self.handle.clone(), Some(user.handle.clone()))?;
        keep("admin", self.admin, Some(*admin))?;
        if let Some(sent) = &self.created_at {
            let there = state.accounts.profile(caller.id()).await?.created_at;
            // A time can be written in many ways. Text that is not a time counts as a different one.
            let sent = sent.as_ref().map(|text| text.parse::<Timestamp>().ok());
            keep("createdAt", Some(sent), there.map(Some))?;
        }
        Ok(())
    }

    fn change(&self) -> Result<ProfileChange, Problem> {
        let display_name = match &self.display_name {
            Some(text) => Edit::<DisplayName>::parse(text.as_deref())?,
            None => Edit::Keep,
        };
        let bio = match &self.bio {
            Some(text) => Edit::<Bio>::parse(text.as_deref())?,
            None => Edit::Keep,
        };
        Ok(ProfileChange { display_name, bio, default_visibility: self.default_visibility.map(Into::into) })
    }
}

/// Changes your profile. A new default visibility applies to cards that you save from now on. You can send back what `GET` answers with some of
/// it changed. `id`, `handle`, `createdAt` and `admin` cannot be changed: another value is 422 and changes nothing.
#[utoipa::path(
    operation_id = "updateMe",
    put, path = "/api/users/me", tag = "users", security(("bearer" = [])),
    request_body = ChangeProfile, responses((status = 200, body = Me))
)]
pub async fn change(
    state: Data<AppState>,
    caller: Caller,
    _: NoParams,
    body: JsonBody<ChangeProfile>,
) -> Result<HttpResponse, Problem> {
    state.writes.admit(caller.id())?;
    let change = body.value.change()?;
    body.value.keep_the_rest(&state, &caller).await?;
    let profile = state.accounts.change_profile(caller.id(), &change).await?;
    Ok(HttpResponse::Ok().json(Me::of(caller.0, profile)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DeleteAccount {
    #[schema(value_type = String, format = Password)]
    password: SecretString,
}

/// Deletes your account and everything you kept: links, notes, collections, activities and your profile. This cannot be undone. You are
/// signed out everywhere at once; the rest is gone shortly after, and the handle is free then. After ten wrong passwords in one session, one is
/// checked every ten minutes; see Retry-After. Not with an API token. 403 if you have no account.
#[utoipa::path(
    operation_id = "deleteMe",
    delete, path = "/api/users/me", tag = "users", security(("bearer" = [])),
    request_body = DeleteAccount, responses((status = 202, description = "The account is being deleted"))
)]
pub async fn delete(
    state: Data<AppState>,
    request: HttpRequest,
    caller: InPerson,
    _: NoParams,
    body: JsonBody<DeleteAccount>,
) -> Result<HttpResponse, Problem> {
    let client = state.accounts.client(&request);
    state.accounts.delete_me(&caller, body.value.password, &client).await?;
    Ok(HttpResponse::Accepted().finish())
}
