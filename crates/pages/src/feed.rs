//! The front page: who saved what, live; to those who are not signed in, what this is as well.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_domain::feed::FeedItem;
use cardwire_domain::{Limit, PageRequest, Position, UserId};
use cardwire_http::accounts::Welcome;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::feed_groups::{Group, PER_PAGE, cut, groups, place};
use crate::links::with_parameter;
use crate::person;
use crate::save::SaveBox;
use crate::shown::{Activity, Body, Link, part};
use crate::sign_in::needs_password;
use crate::visit::{Chrome, Section, Visit};

/// A filter looks through so many portions of the feed for one page.
const PORTIONS: usize = 10;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/").get(feed).register(config);
}

#[derive(Template)]
#[template(path = "feed.html")]
struct FeedPage {
    chrome: Chrome,
    heading: &'static str,
    /// For those who are not signed in.
    welcome: Option<FirstRun>,
    save: Option<SaveBox>,
    shown: Show,
    groups: Vec<Group>,
    older: Option<String>,
    /// Where the live feed goes on behind this page.
    live_from: Option<String>,
    /// What the script fills in for each new activity.
    blank: Group,
}

impl FeedPage {
    /// Nothing is saved at all.
    fn is_bare(&self) -> bool {
        self.groups.is_empty() && self.shown == Show::Everyone && self.older.is_none()
    }
}

/// What somebody is told who comes for the first time.
struct FirstRun {
    /// There is no account yet.
    is_first: bool,
    offers_sign_up: bool,
    needs_invite: bool,
}

impl FirstRun {
    async fn of(state: &AppState) -> Result<Self, Problem> {
        if !needs_password(state) {
            return Ok(Self { is_first: false, offers_sign_up: false, needs_invite: false });
        }
        let welcome = state.accounts.welcome(None).await?;
        Ok(Self {
            is_first: matches!(welcome, Welcome::First),
            offers_sign_up: welcome.may_sign_up() || matches!(welcome, Welcome::InviteNeeded),
            needs_invite: matches!(welcome, Welcome::InviteNeeded),
        })
    }
}

/// Which saves the feed shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Show {
    Everyone,
    /// Other people's.
    Others,
    /// Those that went into a collection.
    Collections,
}

impl Show {
    const ALL: [Self; 3] = [Self::Everyone, Self::Others, Self::Collections];

    const fn name(self) -> &'static str {
        match self {
            Self::Everyone => "",
            Self::Others => "people",
            Self::Collections => "collections",
        }
    }

    const fn label(self) -> &'static str {
        match self {
            Self::Everyone => "Everyone",
            Self::Others => "Other people",
            Self::Collections => "In collections",
        }
    }

    fn path(self) -> String {
        if self == Self::Everyone { "/".to_owned() } else { with_parameter("/", "show", self.name()) }
    }

    fn of(params: &mut Params) -> Result<Self, Problem> {
        let name = params.text("show").unwrap_or_default();
        let known = Self::ALL.into_iter().find(|show| show.name() == name);
        known.ok_or_else(|| Problem::parameter("show", "Use people or collections."))
    }

    fn has(self, item: &FeedItem, viewer: Option<&UserId>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Others => viewer != Some(&item.actor.id),
            Self::Collections => !item.collections.is_empty(),
        }
    }
}

/// Everybody's feed. Links to one person's, with `actor`, lead to their page.
async fn feed(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    if let Some(actor) = params.text("actor") {
        let actor = UserId::parse(&actor);
        let actor = actor.map_err(|_| Problem::parameter("actor", "Use a DID such as did:plc:alice."))?;
        return person::moved(&state, &actor).await;
    }
    let show = Show::of(&mut params)?;
    let viewer = visit.viewer().map(|viewer| viewer.user.id.clone());
    let list = match show {
        Show::Everyone => List::by_time(&["feed"]),
        Show::Others | Show::Collections => List::by_time(&["feed", show.name()]),
    };
    let after = part(&mut params, &list)?.after;
    let is_front = after.is_none();
    // Asked first: what comes in between is on the page and in the stream, and the script shows it once.
    let is_live = is_front && show == Show::Everyone;
    let live_from = if is_live { Some(state.feed.stream_end().await?.to_string()) } else { None };
    let (items, more) = read(&state, (show, viewer.as_ref()), after).await?;
    let (items, next) = cut(items, more);
    let save = match visit.viewer() {
        Some(_) if is_front => Some(SaveBox::empty(&state, &visit.caller()?).await?),
        _ => None,
    };
    let welcome = if is_front && viewer.is_none() { Some(FirstRun::of(&state).await?) } else { None };
    let heading = if welcome.is_some() { "Save links, and find them again" } else { "Feed" };
    let blank = Activity {
        body: Body { link: Link { url: "#".into(), ..Link::default() }, ..Body::default() },
        ..Activity::default()
    };
    visit.page(&FeedPage {
        chrome: visit.chrome(Section::Feed),
        heading,
        welcome,
        save,
        shown: show,
        older: next.map(|position| with_parameter(&show.path(), "cursor", &list.encode(&position))),
        groups: groups(items, state.operations.clock.now()),
        live_from,
        blank: Group { href: "#".into(), shown: vec![blank], ..Group::default() },
    })
}

/// One item more than a page has, if there are so many, and where reading goes on.
async fn read(
    state: &AppState,
    (show, viewer): (Show, Option<&UserId>),
    mut after: Option<Position>,
) -> Result<(Vec<FeedItem>, Option<Position>), Problem> {
    let wanted = PER_PAGE + 1;
    let at_once = if show == Show::Everyone { wanted } else { usize::from(Limit::MAX) };
    let limit = Limit::new(at_once as u64)?;
    let mut found: Vec<FeedItem> = Vec::new();
    for _ in 0..PORTIONS {
        let page = state.feed.feed(None, &PageRequest { limit, after: after.take() }).await?;
        after = page.next;
        found.extend(page.items.into_iter().filter(|item| show.has(item, viewer)));
        if found.len() >= wanted || after.is_none() {
            break;
        }
    }
    if found.len() > wanted {
        found.truncate(wanted);
        after = found.last().map(place);
    }
    Ok((found, after))
}
