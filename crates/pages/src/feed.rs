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
    heading: String,
    /// For those who are not signed in.
    welcome: Option<FirstRun>,
    save: Option<SaveBox>,
    /// `None` on the feed of one person.
    shown: Option<Show>,
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
        self.groups.is_empty() && self.shown == Some(Show::Everyone) && self.older.is_none()
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
        known.ok_or_else(|| Problem::parameter("show", "must be people or collections"))
    }

    fn has(self, item: &FeedItem, viewer: Option<&UserId>) -> bool {
        match self {
            Self::Everyone => true,
            Self::Others => viewer != Some(&item.actor.id),
            Self::Collections => !item.collections.is_empty(),
        }
    }
}

/// Everybody's feed, or with `actor` one person's.
async fn feed(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let actor = params
        .text("actor")
        .map(|id| UserId::parse(&id).map_err(|_| Problem::parameter("actor", "must be a DID such as did:plc:alice")));
    let actor = actor.transpose()?;
    let show = Show::of(&mut params)?;
    let viewer = visit.viewer().map(|viewer| viewer.user.id.clone());
    let of = actor.as_ref().map_or("", UserId::as_str);
    let list = match show {
        Show::Everyone => List::by_time(&["feed", of]),
        Show::Others | Show::Collections => List::by_time(&["feed", of, show.name()]),
    };
    let after = part(&mut params, &list)?.after;
    let is_front = actor.is_none() && after.is_none();
    // Asked first: what comes in between is on the page and in the stream, and the script shows it once.
    let is_live = is_front && show == Show::Everyone;
    let live_from = if is_live { Some(state.feed.stream_end().await?.to_string()) } else { None };
    let (items, more) = read(&state, actor.as_ref(), (show, viewer.as_ref()), after).await?;
    let (items, next) = cut(items, more);
    let save = match visit.viewer() {
        Some(_) if is_front => Some(SaveBox::empty(&state, &visit.caller()?).await?),
        _ => None,
    };
    let welcome = if is_front && viewer.is_none() { Some(FirstRun::of(&state).await?) } else { None };
    let (path, heading) = match &actor {
        Some(actor) => {
            let known = items.first().map(|item| item.actor.handle.clone());
            let name = known.unwrap_or_else(|| actor.fallback_handle().to_owned());
            (with_parameter("/", "actor", actor.as_str()), format!("Saved by {name}"))
        }
        None if welcome.is_some() => (show.path(), "Save links, and find them again".to_owned()),
        None => (show.path(), "Feed".to_owned()),
    };
    let blank = Activity {
        body: Body { link: Link { url: "#".into(), ..Link::default() }, ..Body::default() },
        ..Activity::default()
    };
    visit.page(&FeedPage {
        chrome: visit.chrome(Section::Feed),
        heading,
        welcome,
        save,
        shown: actor.is_none().then_some(show),
        older: next.map(|position| with_parameter(&path, "cursor", &list.encode(&position))),
        groups: groups(items, state.operations.clock.now()),
        live_from,
        blank: Group { href: "#".into(), shown: vec![blank], ..Group::default() },
    })
}

/// One item more than a page has, if there are so many, and where reading goes on.
async fn read(
    state: &AppState,
    actor: Option<&UserId>,
    (show, viewer): (Show, Option<&UserId>),
    mut after: Option<Position>,
) -> Result<(Vec<FeedItem>, Option<Position>), Problem> {
    let wanted = PER_PAGE + 1;
    let at_once = if show == Show::Everyone { wanted } else { usize::from(Limit::MAX) };
    let limit = Limit::new(at_once as u64)?;
    let mut found: Vec<FeedItem> = Vec::new();
    for _ in 0..PORTIONS {
        let page = state.feed.feed(actor, &PageRequest { limit, after: after.take() }).await?;
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
