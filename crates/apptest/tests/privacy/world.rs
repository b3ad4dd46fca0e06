//! One application with its people, and requests to it.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::body::to_bytes;
use actix_web::http::Method;
use actix_web::test::{self, TestRequest};
use async_trait::async_trait;
use cardwire_apptest::browser::post;
use cardwire_apptest::harness::{Answer, Api, Events, HOST, resources};
use cardwire_domain::CardId;
use cardwire_http::auth::{self, Authenticator, Credential, Identity};
use cardwire_http::{AppState, app};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

use crate::scene::Reader;

/// A cookie that every browser of the test has, so that its forms have the same token in both worlds.
const VISITOR: &str = "dGhlIHNhbWUgYnJvd3NlciBpbiBib3RoIHdvcmxkcyE";

pub type Serve = Box<dyn Fn(TestRequest) -> LocalBoxFuture<'static, Answer>>;

/// An application, and what requests to it can name. Where the thing was never made, its ids are those of nothing.
pub struct World {
    pub api: Api,
    serve: Serve,
    /// Of the reader's forms. It stays the same.
    form_token: OnceCell<String>,
    /// Read by the reader since before the thing was there.
    pub live: Option<Events>,
    /// The thing, or a card in it.
    pub card: String,
    /// The thing, or a collection that it is in.
    pub collection: String,
    /// A public collection of the owner in which everybody has a card.
    pub shelf: String,
    /// The reader's own card in it.
    pub own: String,
    /// The collaborator's.
    pub theirs: String,
    /// An import of the owner's.
    pub import: String,
    /// A dead letter of search about the card.
    pub dead: String,
}

/// What a request sends.
#[derive(Clone, Debug)]
pub enum Body {
    None,
    Json(Value),
    Form(Vec<(&'static str, String)>),
    /// A file of bookmarks with one link, into this collection.
    File(String),
}

/// Mock authentication, but a request without credentials is anonymous.
struct NobodyByDefault(Arc<dyn Authenticator>);

#[async_trait]
impl Authenticator for NobodyByDefault {
    async fn authenticate(&self, credential: Option<Credential<'_>>) -> Result<Option<Identity>, auth::Error> {
        match credential {
            None => Ok(None),
            Some(_) => self.0.authenticate(credential).await,
        }
    }

    fn token_without_account(&self, name: &str) -> Option<String> {
        self.0.token_without_account(name)
    }

    fn knows_everybody(&self) -> bool {
        true
    }
}

async fn serve(state: AppState) -> Serve {
    let service = Rc::new(test::init_service(app(state, resources)).await);
    Box::new(move |request| {
        let service = Rc::clone(&service);
        Box::pin(async move {
            let response = test::call_service(&*service, request.to_request()).await;
            let (status, headers) = (response.status(), response.headers().clone());
            let body = to_bytes(response.into_body()).await.ok().unwrap().to_vec();
            Answer { status, headers, body }
        })
    })
}

impl World {
    pub async fn new() -> Self {
        let mut api = Api::new();
        api.state.authenticator = Arc::new(NobodyByDefault(api.state.authenticator.clone()));
        let nothing = || CardId::generate().to_string();
        Self {
            serve: serve(api.state.clone()).await,
            form_token: OnceCell::new(),
            live: None,
            card: nothing(),
            collection: nothing(),
            shelf: nothing(),
            own: nothing(),
            theirs: nothing(),
            import: nothing(),
            dead: nothing(),
            api,
        }
    }

    /// What stands for each id in an answer.
    pub fn names(&self) -> [(&str, &'static str); 6] {
        [
            (&self.card, "[card]"),
            (&self.collection, "[collection]"),
            (&self.shelf, "[shelf]"),
            (&self.own, "[own]"),
            (&self.import, "[import]"),
            (&self.dead, "[dead]"),
        ]
    }

    /// As this reader's browser asks.
    pub async fn ask(&self, reader: Reader, method: &str, path: &str, body: &Body) -> Answer {
        let request = match body {
            Body::None => TestRequest::default(),
            Body::Json(value) => TestRequest::default().set_json(value),
            Body::Form(fields) => {
                let token = self.form_token(reader).await;
                let token = std::iter::once(("csrf".to_owned(), token));
                let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
                post(path, &token.chain(fields).collect::<Vec<_>>())
            }
            Body::File(collection) => bookmarks(&self.form_token(reader).await, collection),
        };
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        (self.serve)(as_browser(request, reader).method(method).uri(path)).await
    }

    pub async fn get(&self, reader: Reader, path: &str) -> Answer {
        self.ask(reader, "GET", path, &Body::None).await
    }

    /// Each world has forms of one reader alone.
    async fn form_token(&self, reader: Reader) -> String {
        if let Some(token) = self.form_token.get() {
            return token.clone();
        }
        let page = (self.serve)(as_browser(TestRequest::get().uri("/sign-in"), reader)).await;
        let page = String::from_utf8(page.body).unwrap();
        let token = page.split_once("name=\"csrf\" value=\"").expect("the page has a form").1;
        self.form_token.get_or_init(|| token.split_once('"').unwrap().0.to_owned()).clone()
    }

    /// Opens the live feed at this event, or at its end.
    pub async fn follow(&self, reader: Reader, after: Option<&str>) -> Events {
        let request = as_browser(TestRequest::get().uri("/api/feeds/global/stream"), reader);
        let request = match after {
            Some(after) => request.insert_header(("last-event-id", after)),
            None => request,
        };
        self.api.open(request).await
    }
}

fn as_browser(request: TestRequest, reader: Reader) -> TestRequest {
    let session = reader.did().map(|did| format!("; __Host-session={did}")).unwrap_or_default();
    request
        .insert_header(("host", HOST))
        .insert_header(("origin", format!("https://{HOST}")))
        .insert_header(("cookie", format!("__Host-visitor={VISITOR}{session}")))
}

fn bookmarks(token: &str, collection: &str) -> TestRequest {
    let boundary = "between-the-parts";
    let mut body = String::new();
    for (name, value) in [("csrf", token), ("collection", collection)] {
        body += &format!("--{boundary}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
    }
    let file = "<DT><A HREF=\"https://imported.example/\">Imported</A>";
    body += &format!(
        "--{boundary}\r\ncontent-disposition: form-data; name=\"file\"; filename=\"b.html\"\r\n\r\n{file}\r\n--{boundary}--\r\n"
    );
    TestRequest::post()
        .insert_header(("content-type", format!("multipart/form-data; boundary={boundary}")))
        .set_payload(body)
}

/// What a live feed tells until there is no more: its third heartbeat in a row.
pub async fn told(events: &mut Events) -> String {
    let (mut told, mut heartbeats) = (String::new(), 0);
    while heartbeats < 3 {
        let chunk = events.chunk().await.expect("the stream goes on");
        if chunk.starts_with(": heartbeat") {
            heartbeats += 1;
        } else {
            told += &chunk;
            heartbeats = 0;
        }
    }
    told
}
