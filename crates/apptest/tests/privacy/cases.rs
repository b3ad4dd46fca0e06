//! The cases: one test for each kind of thing, with all readers and all routes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::Value;

use crate::answers::{Seen, next_page};
use crate::changes::{answers_invitation, changes, is_operators, saves_link, takes_away};
use crate::reads::{STREAM, reads};
use crate::routes;
use crate::scene::{NAME, Reader, Thing, URL, worlds};
use crate::world::{Body, World, told};

/// A list ends after so many pages.
const PAGES: usize = 40;

/// One reader of one thing.
struct Case {
    thing: Thing,
    reader: Reader,
    worlds: [World; 2],
    routes: Vec<String>,
    /// Answers that were looked at.
    looked_at: usize,
    wrong: Vec<String>,
    /// Routes that showed the thing.
    shown: BTreeSet<String>,
    /// The thing after the last change.
    kept: Option<Value>,
    /// The reader keeps the same link as the thing.
    has_saved: bool,
}

impl Case {
    async fn new(thing: Thing, reader: Reader) -> Self {
        let worlds = worlds(thing, reader).await;
        let mut routes: Vec<String> = routes::all(&worlds[0]).await.into_iter().collect();
        routes.sort_by_key(|route| takes_away(route));
        let mut case = Self {
            thing,
            reader,
            worlds,
            routes,
            looked_at: 0,
            wrong: vec![],
            shown: BTreeSet::new(),
            kept: None,
            has_saved: false,
        };
        for route in &case.routes {
            let world = &case.worlds[0];
            if reads(route, world).is_none() && changes(route, world, reader).is_none() {
                case.wrong.push(format!("{route}: nobody told this test how to call it (reads.rs, changes.rs)"));
            }
        }
        case
    }

    fn sees(&self) -> bool {
        self.thing.is_seen_by(self.reader)
    }

    fn fail(&mut self, what: &str, why: &str) {
        self.wrong.push(format!("{:?}, {:?}: {what}: {why}", self.thing, self.reader));
    }

    /// Whether this reader may get an answer here that tells of the thing, though not what is in it.
    fn may_differ(&self, route: &str) -> bool {
        let lists_invitations =
            ["GET /collections", "GET /api/users/me/invitations", "GET /api/users/me/export"].contains(&route);
        match self.reader {
            Reader::Admin => is_operators(route),
            Reader::Invited => !self.thing.is_card() && (lists_invitations || answers_invitation(route)),
            _ => false,
        }
    }

    /// What this reader must not find in an answer of this route.
    fn marks(&self, route: &str) -> Vec<&'static str> {
        let marks = self.thing.marks().iter().copied();
        // An invitation names the collection.
        let is_invited = |mark: &str| mark == NAME && self.reader == Reader::Invited && self.may_differ(route);
        let is_theirs = |mark: &str| self.has_saved && URL.contains(mark);
        marks.filter(|mark| !is_invited(mark) && !is_theirs(mark)).collect()
    }

    /// All pages of an answer, in the world with the thing and in the one without it.
    async fn pages(&mut self, path: &str) -> Vec<[Seen; 2]> {
        let mut pages = Vec::new();
        let mut paths = Some([path.to_owned(), self.path_without(path)]);
        while let Some([with, without]) = paths {
            let answers =
                [self.worlds[0].get(self.reader, &with).await, self.worlds[1].get(self.reader, &without).await];
            self.looked_at += 2;
            pages.push([Seen::of(&answers[0], &self.worlds[0]), Seen::of(&answers[1], &self.worlds[1])]);
            let next = next_page(&answers[0], &with).zip(next_page(&answers[1], &without));
            paths = next.map(|(with, without)| [with, without]);
            assert!(pages.len() < PAGES, "{path} does not end");
        }
        pages
    }

    /// The same path, with the ids of the world without the thing.
    fn path_without(&self, path: &str) -> String {
        let ids = self.worlds[0].names().into_iter().zip(self.worlds[1].names());
        ids.fold(path.to_owned(), |path, ((with, _), (without, _))| path.replace(with, without))
    }

    async fn read_all(&mut self) {
        for route in self.routes.clone() {
            let Some(paths) = reads(&route, &self.worlds[0]) else { continue };
            for path in paths {
                let pages = if path == STREAM { vec![self.stream().await] } else { self.pages(&path).await };
                for page in pages {
                    self.judge(&route, &path, &page);
                }
            }
        }
    }

    async fn stream(&mut self) -> [Seen; 2] {
        let mut all = Vec::new();
        for world in &self.worlds {
            let mut events = world.follow(self.reader, Some("0-00000000000000000000000000")).await;
            all.push(Seen::of_stream(told(&mut events).await, world));
            self.looked_at += 1;
        }
        let without = all.pop().unwrap();
        [all.pop().unwrap(), without]
    }

    fn judge(&mut self, route: &str, what: &str, [with, without]: &[Seen; 2]) {
        if with.status >= 500 {
            self.fail(what, &format!("was answered {}: {}", with.status, with.body));
        }
        if with.shows(self.thing.marks(), what) {
            self.shown.insert(route.to_owned());
        }
        if self.sees() {
            return;
        }
        if with.shows(&self.marks(route), what) {
            self.fail(what, &format!("shows it: {}", with.body));
        }
        if self.may_differ(route) {
            return;
        }
        if let Some(difference) = with.difference(without) {
            self.fail(what, &format!("is not as if it were not there: {difference}"));
        }
    }

    async fn change_all(&mut self, which: impl Fn(&Self, &str) -> bool) {
        for route in self.routes.clone() {
            if route.starts_with("GET ") || !which(self, &route) {
                continue;
            }
            let [with, without] = [0, 1].map(|index| changes(&route, &self.worlds[index], self.reader));
            for (one, other) in with.unwrap_or_default().into_iter().zip(without.unwrap_or_default()) {
                self.change(&route, one, other).await;
            }
        }
    }

    async fn change(&mut self, route: &str, (path, body): (String, Body), other: (String, Body)) {
        // Each has a time of its own, and with that its place in the lists.
        tokio::time::advance(Duration::from_millis(10)).await;
        let method = route.split(' ').next().unwrap();
        let before = match self.kept.take() {
            Some(kept) => kept,
            None => self.thing_as_kept().await,
        };
        let mut seen = Vec::new();
        for (world, (path, body)) in self.worlds.iter().zip([(&path, &body), (&other.0, &other.1)]) {
            let answer = world.ask(self.reader, method, path, body).await;
            seen.push(Seen::of(&answer, world));
            self.looked_at += 1;
        }
        let without = seen.pop().unwrap();
        let pair = [seen.pop().unwrap(), without];
        let what = format!("{method} {path} {body:?}");
        self.judge(route, &what, &pair);
        let after = self.thing_as_kept().await;
        let may_change = self.reader == Reader::Owner || self.may_differ(route);
        if !may_change && before != after {
            self.fail(&what, &format!("changed it from {before} to {after}"));
        }
        self.kept = Some(after);
        // Ordinary changes never reveal it to others. Only an administrator can show a hidden card again.
        if !(self.reader == Reader::Admin && is_operators(route)) {
            self.looked_at += 1;
            if self.is_seen_by_others().await {
                self.fail(&what, "shows it to others");
            }
        }
    }

    /// What nobody but its owner may change of it.
    async fn thing_as_kept(&mut self) -> Value {
        let world = &self.worlds[0];
        let (path, names): (_, &[&str]) = match self.thing.is_card() {
            true => (format!("/api/cards/{}", world.card), &["visibility", "hidden", "note", "collections"]),
            false => {
                (format!("/api/collections/{}", world.collection), &["visibility", "name", "description", "accessType"])
            }
        };
        self.looked_at += 1;
        let kept = world.get(Reader::Owner, &path).await.json();
        names.iter().map(|name| kept[*name].clone()).collect()
    }

    async fn is_seen_by_others(&self) -> bool {
        let world = &self.worlds[0];
        let other = if self.reader == Reader::Stranger { Reader::Anonymous } else { Reader::Stranger };
        let path = match self.thing.is_card() {
            true => format!("/api/cards/{}", world.card),
            false => format!("/api/collections/{}", world.collection),
        };
        world.get(other, &path).await.status.as_u16() != 404
    }

    async fn run(&mut self) {
        self.read_all().await;
        self.live().await;
        self.check_shown();
        self.change_all(|case, route| !case.may_differ(route)).await;
        for world in &self.worlds {
            world.api.deliver().await;
        }
        self.read_all().await;
        for route in self.routes.clone() {
            // A reader who already has the card would publish it by removing it first.
            for change in if self.sees() { vec![] } else { saves_link(&route) } {
                self.change(&route, change.clone(), change).await;
            }
        }
        if self.thing.is_card() && !self.sees() {
            for world in &self.worlds {
                world.api.deliver().await;
            }
            self.has_saved = true;
            self.read_all().await;
        }
        self.change_all(Self::may_differ).await;
    }

    /// What the live feed told since before the thing was there.
    async fn live(&mut self) {
        let mut seen = Vec::new();
        for world in &mut self.worlds {
            let mut events = world.live.take().unwrap();
            let told = told(&mut events).await;
            seen.push(Seen::of_stream(told, world));
            self.looked_at += 1;
        }
        let without = seen.pop().unwrap();
        self.judge(&format!("GET {STREAM}"), "the live feed", &[seen.pop().unwrap(), without]);
    }

    /// After everything was read once.
    fn check_shown(&mut self) {
        let shown = std::mem::take(&mut self.shown);
        let expected: BTreeSet<String> =
            shown_to(self.thing, self.reader).iter().map(|path| format!("GET {path}")).collect();
        let mut why = String::new();
        for route in expected.difference(&shown) {
            let _ = write!(why, "\n  not shown by {route}");
        }
        for route in shown.difference(&expected) {
            let _ = write!(why, "\n  shown by {route}");
        }
        if !why.is_empty() {
            self.fail("where it is shown", &why);
        }
    }
}

const OF_CARDS: [&str; 18] = [
    "/api/cards/my",
    "/api/cards/{id}",
    "/api/collections/{id}",
    "/api/search",
    "/api/users/me/export",
    "/cards/{id}",
    "/cards/{id}/body",
    "/cards/{id}/row",
    "/collections/{id}",
    "/export/bookmarks.html",
    "/export/cards.csv",
    "/export/cards.json",
    "/import",
    "/imports/{id}",
    "/library",
    "/saved",
    "/search",
    "/url",
];
/// The save box is on several pages, and offers collections.
const OF_COLLECTIONS: [&str; 17] = [
    "/",
    "/api/cards/my",
    "/api/cards/{id}",
    "/api/collections",
    "/api/collections/{id}",
    "/api/users/me/export",
    "/cards/{id}",
    "/cards/{id}/row",
    "/collections",
    "/collections/{id}",
    "/export/bookmarks.html",
    "/export/cards.csv",
    "/export/cards.json",
    "/import",
    "/library",
    "/save",
    "/url",
];
/// The name alone.
const OF_INVITATIONS: [&str; 3] = ["/api/users/me/export", "/api/users/me/invitations", "/collections"];
/// Where others would see a public card.
const OF_PUBLIC_CARDS: [&str; 15] = [
    "/",
    "/@{handle}",
    "/@{handle}/feed.atom",
    "/api/analytics/summary",
    "/api/analytics/top-domains",
    "/api/analytics/top-urls",
    "/api/cards/{id}",
    "/api/collections/{id}",
    "/api/feeds/global",
    STREAM,
    "/api/search",
    "/collections/{id}/feed.atom",
    "/feed.atom",
    "/oembed",
    "/trends",
];

/// Where the reader sees the thing.
fn shown_to(thing: Thing, reader: Reader) -> &'static [&'static str] {
    match (thing.is_card(), reader) {
        (true, Reader::Owner) => &OF_CARDS,
        (false, Reader::Owner | Reader::Collaborator) => &OF_COLLECTIONS,
        (false, Reader::Invited) => &OF_INVITATIONS,
        _ => &[],
    }
}

async fn check(thing: Thing) {
    let (mut looked_at, mut wrong, mut routes) = (0, Vec::new(), 0);
    for reader in Reader::ALL {
        let mut case = Case::new(thing, reader).await;
        case.run().await;
        looked_at += case.looked_at;
        routes = case.routes.len();
        wrong.append(&mut case.wrong);
    }
    println!("{thing:?}: {routes} routes x {} readers, in two worlds: {looked_at} answers", Reader::ALL.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_private_card() {
    check(Thing::PrivateCard).await;
}

#[tokio::test(start_paused = true)]
async fn a_card_that_was_made_private() {
    check(Thing::CardMadePrivate).await;
}

#[tokio::test(start_paused = true)]
async fn a_hidden_card() {
    check(Thing::HiddenCard).await;
}

#[tokio::test(start_paused = true)]
async fn a_private_collection() {
    check(Thing::PrivateCollection).await;
}

#[tokio::test(start_paused = true)]
async fn that_a_public_card_is_in_a_private_collection() {
    check(Thing::CardInPrivateCollection).await;
}

/// What nobody may see would be found, if they saw it.
#[tokio::test(start_paused = true)]
async fn a_public_card_is_found_out_everywhere() {
    let mut case = Case::new(Thing::PrivateCard, Reader::Stranger).await;
    let body = Body::Json(serde_json::json!({ "cardId": case.worlds[0].card, "visibility": "PUBLIC" }));
    let changed = case.worlds[0].ask(Reader::Owner, "PUT", "/api/cards/url/associations", &body).await;
    assert_eq!(changed.status.as_u16(), 200);
    case.worlds[0].api.deliver().await;
    case.read_all().await;
    for path in OF_PUBLIC_CARDS {
        assert!(case.shown.contains(&format!("GET {path}")), "{path} does not show it: {:?}", case.shown);
    }
    let wrong = case.wrong.join("\n");
    assert!(wrong.contains("shows it") && wrong.contains("is not as if it were not there"), "{wrong}");
    assert!(case.is_seen_by_others().await);
}
