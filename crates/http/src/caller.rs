//! Who is asking. Handlers take a [`Caller`] where somebody must be signed in, [`InPerson`] where an API token is not enough, an [`Admin`]
//! where it must be an administrator, an [`Observer`] where somebody who only looks will do, and a [`Reader`] where nobody need be.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use cardwire_domain::UserId;
use cardwire_domain::tokens::Scope;
use futures_util::future::LocalBoxFuture;

pub use crate::auth::{Caller, InPerson};
use crate::auth::{Credential, Error, Identity, credential};
use crate::problem::{FORBIDDEN, Problem, UNAUTHENTICATED};
use crate::session::is_safe;
use crate::state::AppState;

/// Somebody or nobody. A credential that is no good is 401 even so.
#[derive(Clone, Debug)]
pub struct Reader(pub Option<Identity>);

impl Reader {
    pub fn id(&self) -> Option<&UserId> {
        self.0.as_ref().map(|identity| &identity.user.id)
    }
}

impl FromRequest for Caller {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let identity = identify(&request).await?;
            identity.map(Self).ok_or_else(|| Problem::new(&UNAUTHENTICATED, "Sign in first."))
        })
    }
}

impl FromRequest for Reader {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Ok(Self(identify(&request).await?)) })
    }
}

impl FromRequest for InPerson {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move { Self::of(caller.await?) })
    }
}

/// An administrator who is signed in, and not with an API token. Without a sign-in the request is 401, for anyone else 403.
#[derive(Clone, Debug)]
pub struct Admin(InPerson);

impl Admin {
    pub fn id(&self) -> &UserId {
        self.0.id()
    }
}

impl FromRequest for Admin {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let caller = caller.await?;
            let caller = InPerson::of(caller)?;
            match caller.0.0.admin {
                true => Ok(Self(caller)),
                false => Err(caller.0.0.cannot_act()),
            }
        })
    }
}

/// An administrator, or somebody who may look at what administrators see, signed in and not with an API token. For what changes nothing.
#[derive(Clone, Debug)]
pub struct Observer;

impl FromRequest for Observer {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let caller = Caller::from_request(request, payload);
        Box::pin(async move {
            let caller = InPerson::of(caller.await?)?;
            match caller.0.0.sees_console() {
                true => Ok(Self),
                false => Err(caller.0.0.cannot_act()),
            }
        })
    }
}

/// The person the request's credential names. An expired session counts as none: browsers go on sending its cookie. The only way for a
/// request to be somebody's, so that a credential which may only read is refused here for every change.
pub async fn identify(request: &HttpRequest) -> Result<Option<Identity>, Problem> {
    let found = recognise(request).await?;
    if found.is_none() {
        admit(request)?;
    }
    Ok(found)
}

/// Counts a read by somebody who is not signed in.
pub fn admit(request: &HttpRequest) -> Result<(), Problem> {
    let state = state(request)?;
    state.reads.admit(state.accounts.client_address(request))
}

/// As [`identify`], but nothing is counted. For what a page has many of; who finds nothing there is to be counted by [`admit`].
pub async fn recognise(request: &HttpRequest) -> Result<Option<Identity>, Problem> {
    let state = state(request)?;
    let credential = credential(request)?;
    let found = match (credential, state.authenticator.authenticate(credential).await) {
        (Some(Credential::Session(_)), Err(Error::Refused(_))) => state.authenticator.authenticate(None).await,
        (_, found) => found,
    };
    let found = found.map_err(|error| match error {
        Error::Refused(why) => Problem::new(&UNAUTHENTICATED, why),
        Error::Unavailable(_) => Problem::unavailable(error.to_string()),
    })?;
    let may_do_this = |identity: &Identity| identity.scope == Scope::Write || is_safe(request.method());
    if found.as_ref().is_some_and(|identity| !may_do_this(identity)) {
        let why = "This API token can only read. Use one with the scope \"write\".";
        return Err(Problem::new(&FORBIDDEN, why));
    }
    Ok(found)
}

fn state(request: &HttpRequest) -> Result<&web::Data<AppState>, Problem> {
    request.app_data::<web::Data<AppState>>().ok_or_else(|| Problem::internal("no AppState in the app"))
}
