//! People with accounts: invited, suspended, restored, and let in again when a password is lost.

use actix_web::http::StatusCode;
use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::UserId;
use cardwire_domain::accounts::{Person, Registration};
use cardwire_http::accounts::sign_up_path;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::origin;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use secrecy::ExposeSecret;

use crate::fields::Complaint;
use crate::form::Posted;
use crate::links::{see_other, with_parameter};
use crate::shown::When;
use crate::visit::{Chrome, Section, Visit};

/// People on one page.
const PER_PAGE: usize = 50;
const PAGE: &str = "/admin/people";

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at(PAGE).get(list).post(act).register(config);
    Endpoint::at("/admin/people/invite").post(invite).register(config);
}

#[derive(Template)]
#[template(path = "admin_people.html")]
struct PeoplePage {
    chrome: Chrome,
    told: Option<&'static str>,
    registration: &'static str,
    can_invite: bool,
    people: Vec<PersonShown>,
    older: Option<String>,
    /// What was typed to name somebody.
    who: String,
    complaint: Complaint,
}

struct PersonShown {
    id: String,
    handle: String,
    since: When,
    is_admin: bool,
    suspended: Option<When>,
    is_viewer: bool,
}

impl PersonShown {
    fn of(person: Person, viewer: &UserId, now: Timestamp) -> Self {
        Self {
            is_viewer: person.user.id == *viewer,
            id: person.user.id.to_string(),
            handle: person.user.handle,
            since: When::day(person.created_at),
            is_admin: person.is_admin,
            suspended: person.suspended_at.map(|at| When::of(at, now)),
        }
    }
}

/// A link that is shown once.
#[derive(Template)]
#[template(path = "admin_link.html")]
struct LinkPage<'a> {
    chrome: Chrome,
    title: String,
    about: &'a str,
    url: String,
    expires: When,
}

async fn list(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    visit.observer()?;
    let told = match params.text("told").as_deref() {
        Some("suspend") => Some("The account is suspended."),
        Some("restore") => Some("The account is restored."),
        _ => None,
    };
    let after = params.text("after").unwrap_or_default();
    let page = page(&state, &visit, &after, "", Complaint::default()).await?;
    visit.page(&PeoplePage { told, ..page })
}

async fn page(
    state: &AppState,
    visit: &Visit,
    after: &str,
    who: &str,
    complaint: Complaint,
) -> Result<PeoplePage, Problem> {
    let viewer = visit.observer()?;
    let now = state.operations.clock.now();
    let mut people = state.people(Some(after).filter(|after| !after.is_empty()), PER_PAGE + 1).await?;
    let has_more = people.len() > PER_PAGE;
    people.truncate(PER_PAGE);
    let last = people.last().filter(|_| has_more);
    let older = last.map(|person| with_parameter(PAGE, "after", &person.user.handle));
    let registration = state.accounts.registration();
    Ok(PeoplePage {
        chrome: visit.chrome(Section::Operations),
        told: None,
        registration: match registration {
            Registration::Open => "Anyone can sign up without an invite.",
            Registration::Invite => "People need an invite to sign up. An invite works once, within seven days.",
            Registration::Closed => "Registration is closed. Nobody can sign up, not even with an invite.",
        },
        can_invite: registration != Registration::Closed,
        people: people.into_iter().map(|person| PersonShown::of(person, viewer.id(), now)).collect(),
        older,
        who: who.to_owned(),
        complaint,
    })
}

async fn invite(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let admin = posted.visit.admin()?;
    let invite = state.create_invite(admin.id()).await?;
    let url = origin::base(&request).unwrap_or_default() + &sign_up_path(invite.code.expose_secret());
    let about = "Send this link to the person you want to invite. It works for one sign-up.";
    show_once(&posted.visit, ("Invite".to_owned(), about), url, invite.expires_at)
}

fn show_once(
    visit: &Visit,
    (title, about): (String, &str),
    url: String,
    expires_at: Timestamp,
) -> Result<HttpResponse, Problem> {
    let chrome = visit.chrome(Section::Operations);
    visit.page_with(StatusCode::CREATED, &LinkPage { chrome, title, about, url, expires: When::day(expires_at) })
}

/// What an administrator can do about somebody's account.
#[derive(Clone, Copy, Debug)]
enum Act {
    Suspend,
    Restore,
    ResetPassword,
}

impl Act {
    fn named(name: &str) -> Result<Self, Problem> {
        match name {
            "suspend" => Ok(Self::Suspend),
            "restore" => Ok(Self::Restore),
            "reset-password" => Ok(Self::ResetPassword),
            _ => Err(Problem::invalid("action", "Choose suspend, restore or reset-password.")),
        }
    }

    /// What is asked about somebody of this name, and what will happen.
    fn question(self, name: &str) -> (String, &'static str) {
        match self {
            Self::Suspend => (
                format!("Suspend {name}"),
                "They are signed out everywhere at once, their API tokens are revoked, and they cannot sign in until you restore the \
                 account. What they published stays.",
            ),
            Self::Restore => (format!("Restore {name}"), "They can sign in again with the same password."),
            Self::ResetPassword => (
                format!("Create a reset link for {name}"),
                "With the link they choose a new password. It works once, within 24 hours; an earlier link stops working. Once it is \
                 used, they are signed out everywhere and their API tokens are revoked.",
            ),
        }
    }
}

async fn act(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    posted.visit.admin()?;
    let act = Act::named(posted.fields.text("action"))?;
    let who = posted.fields.text("who").trim();
    let done = match find(&state, who).await {
        Ok(_) if !posted.is_sure() => {
            let (title, about) = act.question(who);
            return posted.ask(&request, (&title, about), PAGE);
        }
        Ok(person) => carry_out(&state, &request, &posted.visit, act, (&person, who)).await,
        Err(problem) => Err(problem),
    };
    let problem = match done {
        Err(problem) => problem,
        done => return done,
    };
    let (status, complaint) = Complaint::of(problem, &["who"])?;
    let page = page(&state, &posted.visit, "", who, complaint.or_about("who")).await?;
    Ok(page.complaint.complete(posted.visit.page_with(status, &page)?))
}

/// Whose account is meant, by handle or id.
async fn find(state: &AppState, who: &str) -> Result<UserId, Problem> {
    if who.is_empty() {
        return Err(Problem::invalid("who", "Enter a handle or an id."));
    }
    let person = state.accounts.person(who).await?;
    let person = person.ok_or_else(|| Problem::invalid("who", format!("No account has the handle {who}.")))?;
    match state.accounts.unknown(std::slice::from_ref(&person)).await?.is_empty() {
        true => Ok(person),
        false => Err(Problem::invalid("who", format!("No account has the id {person}."))),
    }
}

async fn carry_out(
    state: &AppState,
    request: &HttpRequest,
    visit: &Visit,
    act: Act,
    (person, name): (&UserId, &str),
) -> Result<HttpResponse, Problem> {
    let admin = visit.admin()?;
    match act {
        Act::Suspend => state.suspend(admin.id(), person).await?,
        Act::Restore => state.restore(admin.id(), person).await?,
        Act::ResetPassword => {
            let link = state.reset_link(admin.id(), person).await?;
            let url = origin::base(request).unwrap_or_default() + &link.path();
            let about = "Send this link to the owner of the account. Anyone who has it can choose a new password once.";
            return show_once(visit, (format!("Reset link for {name}"), about), url, link.expires_at);
        }
    }
    let told = if matches!(act, Act::Suspend) { "suspend" } else { "restore" };
    Ok(see_other(&with_parameter(PAGE, "told", told)))
}
