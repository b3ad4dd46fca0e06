//! Signing up: with an invite, without one, or not at all.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::accounts::Handle;
use cardwire_domain::password;
use cardwire_http::accounts::{self, SignUp, Welcome};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use secrecy::ExposeSecret;

use crate::fields::Complaint;
use crate::form::Posted;
use crate::links::{own_path, see_other, with_next};
use crate::sign_in::{begin_session, end_session, needs_password, network_path};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/sign-up").get(show).post(sign_up).register(config);
}

#[derive(Template)]
#[template(path = "sign_up.html")]
struct SignUpPage<'a> {
    chrome: Chrome,
    /// Who is let in, in words. Empty where everybody is.
    about: &'static str,
    may_sign_up: bool,
    /// A code would let somebody in.
    asks_invite: bool,
    /// Where people sign up with AT Protocol, if they can.
    network: Option<String>,
    typed: Typed<'a>,
    /// The page for somebody who has an account, which leads to the same place.
    sign_in: String,
    complaint: Complaint,
}

/// What was typed into the form, or came with the link.
#[derive(Clone, Copy)]
struct Typed<'a> {
    handle: &'a str,
    invite: &'a str,
    /// Where to go then.
    next: &'a str,
}

impl<'a> Typed<'a> {
    fn invite(self) -> Option<&'a str> {
        Some(self.invite.trim()).filter(|code| !code.is_empty())
    }

    async fn draw(
        self,
        state: &AppState,
        visit: &Visit,
        (status, complaint): (StatusCode, Complaint),
    ) -> Result<HttpResponse, Problem> {
        let welcome = state.accounts.welcome(self.invite()).await?;
        let page = SignUpPage {
            chrome: visit.chrome(Section::Account),
            about: told(&welcome),
            may_sign_up: welcome.may_sign_up(),
            asks_invite: matches!(welcome, Welcome::InviteNeeded | Welcome::InviteVoid),
            network: network_path(state, ("invite", self.invite)),
            typed: self,
            sign_in: with_next("/sign-in", self.next),
            complaint,
        };
        Ok(page.complaint.complete(visit.page_with(status, &page)?))
    }
}

fn told(welcome: &Welcome) -> &'static str {
    match welcome {
        Welcome::First => {
            "There are no accounts yet. The first person to sign up becomes the administrator, so sign up now if this is your site."
        }
        Welcome::Open => "",
        Welcome::Invited => "You have been invited. Choose a handle and a password.",
        Welcome::InviteNeeded => {
            "You need an invite to sign up here. Ask an administrator of this site for one, then open the link you get."
        }
        Welcome::InviteVoid => {
            "This invite has been used or has expired. Ask an administrator of this site for a new one."
        }
        Welcome::Closed => "Registration is closed. Nobody can sign up here at the moment.",
    }
}

async fn show(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let next = params.text("next").unwrap_or_default();
    let next = own_path(&next);
    if !needs_password(&state) {
        return Ok(see_other(&with_next("/sign-in", next)));
    }
    let invite = params.text("invite").unwrap_or_default();
    Typed { handle: "", invite: &invite, next }.draw(&state, &visit, (StatusCode::OK, Complaint::default())).await
}

/// Creates an account and signs its owner in; anybody who was signed in before is signed out.
async fn sign_up(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let next = own_path(posted.fields.text("next"));
    let typed = Typed { handle: posted.fields.text("handle"), invite: posted.fields.text("invite"), next };
    let password = posted.fields.text("password").into();
    let new = SignUp { handle: typed.handle, password, invite: typed.invite() };
    let client = state.accounts.client(&request);
    match state.accounts.sign_up_browser(new, &client).await {
        Ok(token) => {
            end_session(&state, &request).await?;
            Ok(begin_session(&request, token.expose_secret(), next))
        }
        Err(error) => {
            let is_taken = matches!(&error, accounts::Error::Domain(cardwire_domain::Error::Conflict(_)));
            let (status, mut complaint) = Complaint::of(error.into(), &["handle", "password"])?;
            if is_taken {
                complaint = Complaint::about("handle", "This handle is taken. Choose another one.");
            }
            // All that is wrong is told at once.
            if complaint.on("handle").is_some() || complaint.on("password").is_some() {
                let handle = Handle::parse(typed.handle).err().map(Problem::from);
                let password = password::check(posted.fields.text("password")).err().map(Problem::from);
                complaint = complaint.and(handle.as_ref()).and(password.as_ref());
            }
            typed.draw(&state, &posted.visit, (status, complaint)).await
        }
    }
}
