//! One request for a page: who asks, and how the answer is dressed.

use actix_web::cookie::Cookie;
use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder};
use askama::Template;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use cardwire_http::auth::{Credential, Identity, Proof};
use cardwire_http::caller::{Caller, InPerson, identify};
use cardwire_http::origin;
use cardwire_http::problem::{Problem, UNAUTHENTICATED};
use cardwire_http::session::Jar;
use cardwire_http::state::AppState;
use futures_util::future::LocalBoxFuture;
use sha2::{Digest, Sha256};

/// Scripts, styles and forms are ours alone; pictures as well: a page does not tell others who reads it.
pub const CSP: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                       connect-src 'self'; manifest-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The referrer policy tells other sites nothing, but leaves `Origin` in our own forms, which `no-referrer` would take.
pub(super) const PAGE_HEADERS: [(HeaderName, &str); 4] = [
    (header::CONTENT_SECURITY_POLICY, CSP),
    (header::REFERRER_POLICY, "same-origin"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    (HeaderName::from_static("permissions-policy"), "camera=(), geolocation=(), microphone=()"),
];

/// Where in the navigation a page belongs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Section {
    Feed,
    Library,
    Collections,
    Search,
    Trends,
    Account,
    Operations,
    #[default]
    Other,
}

/// What every page shows around its own content.
#[derive(Clone, Debug, Default)]
pub struct Chrome {
    pub section: Section,
    pub viewer: Option<Identity>,
    /// Goes into every form.
    pub csrf: String,
    /// False where it is not known who looks, as on a page about an error.
    pub knows_viewer: bool,
}

impl Chrome {
    /// Whether buttons that do what operators do are for whoever looks.
    pub fn may_act(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.admin)
    }

    /// For `aria-current` in the navigation.
    pub fn is(&self, section: &str) -> bool {
        format!("{:?}", self.section).eq_ignore_ascii_case(section)
    }
}

/// Left with a request, for the page about a problem.
#[derive(Debug)]
pub(super) struct Known(pub(super) Chrome);

/// Somebody, signed in or not, looks at a page.
#[derive(Debug)]
pub struct Visit {
    viewer: Option<Identity>,
    /// What this browser is known by.
    visitor: String,
    csrf: String,
    new_visitor: Option<Cookie<'static>>,
    is_local: bool,
    /// As the browser remembers it; empty if it does not.
    last_view: String,
    base: Option<String>,
}

impl Visit {
    pub async fn of(request: &HttpRequest) -> Result<Self, Problem> {
        let viewer = identify(request).await?;
        let visit = Self { viewer, ..Self::of_somebody(request) };
        request.extensions_mut().insert(Known(visit.chrome(Section::Other)));
        Ok(visit)
    }

    /// Without asking who it is.
    pub(super) fn of_somebody(request: &HttpRequest) -> Self {
        let (visitor, new_visitor) = match Jar::Visitor.read(request) {
            Some(visitor) => (visitor.to_owned(), None),
            None => {
                let visitor = BASE64_URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
                let cookie = Jar::Visitor.write(request, &visitor);
                (visitor, Some(cookie))
            }
        };
        let csrf = form_token(&visitor, Jar::Session.read(request).unwrap_or_default());
        let last_view = Jar::View.read(request).unwrap_or_default().to_owned();
        let (is_local, base) = (origin::is_plain(request), origin::base(request));
        Self { viewer: None, visitor, csrf, new_visitor, is_local, last_view, base }
    }

    /// The same visit, once a session of this token has begun.
    pub(super) async fn signed_in(self, state: &AppState, token: &str) -> Result<Self, Problem> {
        let viewer = state.authenticator.authenticate(Some(Credential::Session(token))).await;
        let viewer = viewer.map_err(|error| Problem::unavailable(error.to_string()))?;
        let csrf = form_token(&self.visitor, token);
        Ok(Self { viewer, csrf, ..self })
    }

    pub fn viewer(&self) -> Option<&Identity> {
        self.viewer.as_ref()
    }

    /// Without TLS.
    pub fn is_local(&self) -> bool {
        self.is_local
    }

    /// How this browser last had lists drawn.
    pub fn last_view(&self) -> &str {
        &self.last_view
    }

    /// What this browser is known by, which nobody else knows.
    pub fn browser(&self) -> &str {
        &self.visitor
    }

    /// What links to this site from elsewhere begin with. `None`: the request names no host.
    pub fn base(&self) -> Option<&str> {
        self.base.as_deref()
    }

    /// Who is signed in, or the problem that leads to the sign-in page.
    pub fn caller(&self) -> Result<Caller, Problem> {
        let viewer = self.viewer.clone();
        viewer.map(Caller).ok_or_else(|| Problem::new(&UNAUTHENTICATED, "Sign in first."))
    }

    /// Who is signed in, and not with an API token.
    pub fn in_person(&self) -> Result<InPerson, Problem> {
        InPerson::of(self.caller()?)
    }

    /// False with mock authentication, where a name is enough: then there is neither a password nor a session.
    pub fn has_account(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.proof != Proof::Mock)
    }

    /// Who is signed in, and not with an API token, if they are an operator.
    pub fn admin(&self) -> Result<Caller, Problem> {
        let InPerson(caller) = self.in_person()?;
        if caller.0.admin { Ok(caller) } else { Err(caller.0.cannot_act()) }
    }

    /// Who is signed in, and not with an API token, if they may look at what operators see.
    pub fn observer(&self) -> Result<Caller, Problem> {
        let InPerson(caller) = self.in_person()?;
        if caller.0.sees_console() { Ok(caller) } else { Err(caller.0.cannot_act()) }
    }

    pub fn chrome(&self, section: Section) -> Chrome {
        Chrome { section, viewer: self.viewer.clone(), csrf: self.csrf.clone(), knows_viewer: true }
    }

    pub fn page(&self, template: &impl Template) -> Result<HttpResponse, Problem> {
        self.page_with(StatusCode::OK, template)
    }

    pub fn page_with(&self, status: StatusCode, template: &impl Template) -> Result<HttpResponse, Problem> {
        let mut response = html(status);
        if !self.is_local {
            response.insert_header((header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"));
        }
        if let Some(cookie) = &self.new_visitor {
            response.cookie(cookie.clone());
        }
        let body = template.render().map_err(|error| Problem::internal(format!("drawing a page: {error}")))?;
        Ok(response.body(body))
    }

    pub(super) fn may_send(&self, token: &str) -> bool {
        // Both are digests of secrets, of one length: how long the comparison takes tells nothing of use.
        self.new_visitor.is_none() && Sha256::digest(token) == Sha256::digest(&self.csrf)
    }
}

/// An HTML answer with the headers of a page.
pub(super) fn html(status: StatusCode) -> HttpResponseBuilder {
    let mut response = HttpResponse::build(status);
    response.content_type("text/html; charset=utf-8");
    for header in PAGE_HEADERS {
        response.insert_header(header);
    }
    response
}

/// Tied to the browser and to the session, so that neither another person's token nor one from before signing in will do. It needs no
/// secret of the server: both cookies are random and out of reach of scripts.
fn form_token(visitor: &str, session: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(format!("form token\n{visitor}\n{session}")))
}

impl FromRequest for Visit {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move { Self::of(&request).await })
    }
}
