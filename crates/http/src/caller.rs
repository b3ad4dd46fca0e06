//! Who is asking. Handlers take a [`Caller`] where somebody must be signed in, an [`Admin`] where it must be an administrator, and a
//! [`Reader`] where nobody need be.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use cardwire_domain::UserId;
use futures_util::future::LocalBoxFuture;

use crate::auth::{Credential, Error, Identity, credential};
use crate::problem::{FORBIDDEN, Problem, UNAUTHENTICATED};
use crate::state::AppState;

/// Somebody who is signed in; without one, the request is 401.
#[derive(Clone, Debug)]
pub struct Caller(pub Identity);

impl Caller {
    pub fn id(&self) -> &UserId {
        &self.0.user.id
    }
}

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
            identity.map(Self).ok_or_else(|| Problem::new(&UNAUTHENTICATED, "sign in first"))
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

/// A signed-in administrator. Without a sign-in the request is 401, for anyone else 403.
#[derive(Clone, Debug)]
pub struct Admin(Caller);

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
            match caller.0.admin {
                true => Ok(Self(caller)),
                false => Err(Problem::new(&FORBIDDEN, "this is for administrators")),
            }
        })
    }
}

/// The person the request's credential names. An expired session counts as none: browsers go on sending its cookie.
pub async fn identify(request: &HttpRequest) -> Result<Option<Identity>, Problem> {
    let state = request.app_data::<web::Data<AppState>>().ok_or_else(|| Problem::internal("no AppState in the app"))?;
    let credential = credential(request)?;
    let found = match (credential, state.authenticator.authenticate(credential).await) {
        (Some(Credential::Session(_)), Err(Error::Refused(_))) => state.authenticator.authenticate(None).await,
        (_, found) => found,
    };
    let found = found.map_err(|error| match error {
        Error::Refused(why) => Problem::new(&UNAUTHENTICATED, why),
        Error::Unavailable(_) => Problem::unavailable(error.to_string()),
    })?;
    if found.is_none() {
        state.reads.admit(state.accounts.client_address(request))?;
    }
    Ok(found)
}
