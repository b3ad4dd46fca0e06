//! Who uses the application: people with accounts, or nobody.

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::test::TestRequest;
use async_trait::async_trait;
use cardwire_domain::accounts::Registration;
use cardwire_http::auth::{self, Credential, Identity};
use cardwire_http::{AccountSettings, Accounts, Authenticator, TokenAuthenticator};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::harness::{Answer, Api};

pub const PASSWORD: &str = "correct horse battery staple";

/// Without mock authentication. Everybody can sign up.
pub fn with_accounts() -> Api {
    let mut api = Api::new();
    api.state.authenticator = Arc::new(TokenAuthenticator::new(Arc::new(api.store.clone()), BTreeSet::new()));
    api
}

/// Without mock authentication, and with this rule for signing up.
pub fn with_registration(registration: Registration) -> Api {
    let mut api = with_accounts();
    set_registration(&mut api, registration);
    api
}

/// As if it were started again with this rule for signing up.
pub fn set_registration(api: &mut Api, registration: Registration) {
    let settings = AccountSettings::of(registration);
    api.state.accounts = Accounts::new(Arc::new(api.store.clone()), settings).unwrap();
}

pub async fn signed_up<'a>(api: &'a Api, handle: &str) -> Browser<'a> {
    let mut browser = Browser::new(api);
    browser.open("/sign-up").await;
    browser.submit("/sign-up", &[("handle", handle), ("password", PASSWORD)]).await;
    assert_eq!(browser.text(".who a"), handle);
    browser
}

/// Makes an account through the API and tells its id.
pub async fn join(api: &Api, handle: &str) -> String {
    let body = json!({ "handle": handle, "password": PASSWORD });
    let made = api.send(TestRequest::post().uri("/api/users").set_json(body)).await.expect(201);
    made["id"].as_str().unwrap().to_owned()
}

/// Opens a session with this password.
pub async fn log_in_with(api: &Api, handle: &str, password: &str) -> Answer {
    let body = json!({ "handle": handle, "password": password });
    api.send(TestRequest::post().uri("/api/users/login").set_json(body)).await
}

/// The access token of a new session.
pub async fn log_in(api: &Api, handle: &str) -> String {
    let session = log_in_with(api, handle, PASSWORD).await.expect(200);
    session["accessToken"].as_str().unwrap().to_owned()
}

/// Asks with this access token or API token.
pub async fn ask_with(api: &Api, token: &str, method: Method, path: &str, body: Option<Value>) -> Answer {
    let request = TestRequest::default().method(method).uri(path);
    let request = request.insert_header(("authorization", format!("Bearer {token}")));
    let request = match body {
        Some(body) => request.set_json(body),
        None => request,
    };
    api.send(request).await
}

/// How a question about oneself is answered: 200, or 401 once the token opens nothing any more.
pub async fn status(api: &Api, token: &str) -> u16 {
    ask_with(api, token, Method::GET, "/api/users/me", None).await.status.as_u16()
}

/// An application without mock authentication where Alice, who is an administrator, has a session.
pub async fn alice() -> (Api, String) {
    let api = with_accounts();
    join(&api, "alice").await;
    let session = log_in(&api, "alice").await;
    (api, session)
}

/// Makes an API token with the session's token and tells its secret.
pub async fn new_token(api: &Api, session: &str, scope: &str) -> String {
    let body = json!({ "name": format!("to {scope}"), "scope": scope });
    let made = ask_with(api, session, Method::POST, "/api/users/me/tokens", Some(body)).await.expect(201);
    made["token"].as_str().unwrap().to_owned()
}

/// What authentication is without mock: nobody, unless a token is shown.
pub struct NobodyWithoutToken;

#[async_trait]
impl Authenticator for NobodyWithoutToken {
    async fn authenticate(&self, credential: Option<Credential<'_>>) -> Result<Option<Identity>, auth::Error> {
        match credential {
            None => Ok(None),
            Some(_) => Err(auth::Error::Refused("no such token")),
        }
    }
}
