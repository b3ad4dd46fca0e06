//! Every page there is, for the tests that look at all of them.

use cardwire_testkit::process::Process;
use serde_json::json;

use crate::server::{Durable, get, post, refuse, save};
use crate::window::Window;

/// Pages that say something to somebody who has nothing yet.
pub const EMPTY: [(&str, &str); 18] = [
    ("empty feed", "/"),
    ("empty library", "/library"),
    ("empty collections", "/collections"),
    ("search", "/search"),
    ("nothing found", "/search?q=nothing-like-this"),
    ("empty trends", "/trends"),
    ("import", "/import"),
    ("account", "/account"),
    ("password", "/account/password"),
    ("sessions", "/account/sessions"),
    ("tokens", "/account/tokens"),
    ("connection", "/account/atproto"),
    ("delete account", "/account/delete"),
    ("empty person", "/@newcomer"),
    ("which link", "/url"),
    ("a link that nobody saved", "/url?u=https://example.com/nobody"),
    ("empty directory", "/collections/all"),
    ("save from anywhere", "/save-from-anywhere"),
];

/// Pages that need nobody to be signed in.
pub const SIGNED_OUT: [(&str, &str); 13] = [
    ("feed, signed out", "/"),
    ("search, signed out", "/search?q=rust"),
    ("trends, signed out", "/trends"),
    ("sign-in", "/sign-in?next=/library"),
    ("sign-in by handle", "/sign-in/atproto"),
    ("an old sign-in", "/oauth/callback?state=unknown"),
    ("sign-up", "/sign-up"),
    ("sign-up with an old invite", "/sign-up?invite=unknown"),
    ("an old reset link", "/reset-password?token=unknown"),
    ("missing, signed out", "/nothing-here"),
    ("a link, signed out", "/url?u=https://example.com/nobody"),
    ("directory, signed out", "/collections/all"),
    ("save from anywhere, signed out", "/save-from-anywhere"),
];

/// Makes something to look at. Names and paths of the pages that show it to mock123, an administrator.
pub async fn scene(web: &Process) -> Vec<(&'static str, String)> {
    let mut collections = Vec::new();
    for (name, access, visibility) in
        [("Reading list", "OPEN", "PUBLIC"), ("Typography", "CLOSED", "PUBLIC"), ("Presents", "CLOSED", "PRIVATE")]
    {
        let description = "Long articles for slow evenings.";
        let body = json!({ "name": name, "description": description, "accessType": access, "visibility": visibility });
        collections.push(post(web, "mock123", "/api/collections", body).await["id"].as_str().unwrap().to_owned());
    }
    let links = [
        ("https://www.rust-lang.org/learn/get-started", "Start here"),
        ("https://doc.rust-lang.org/book/ch04-00-understanding-ownership.html", "Ownership, read again"),
        ("https://www.postgresql.org/docs/current/transaction-iso.html", ""),
        ("https://redis.io/docs/latest/commands/brpoplpush/", ""),
        ("https://en.wikipedia.org/wiki/Eventual_consistency", "For the talk on Thursday"),
        ("https://www.w3.org/WAI/ARIA/apg/patterns/", ""),
        (
            "https://example.com/a-very-long-path-without-any-place-to-break-it-0123456789012345678901234567890123456789",
            "",
        ),
    ];
    let mut card = String::new();
    for (index, (url, note)) in links.into_iter().enumerate() {
        let visibility = if index == 4 { "PRIVATE" } else { "PUBLIC" };
        let body =
            json!({ "url": url, "note": note, "collectionIds": [collections[index % 2]], "visibility": visibility });
        card = post(web, "mock123", "/api/cards/library/urls", body).await["urlCardId"].as_str().unwrap().to_owned();
        if index % 2 == 0 {
            save(web, "alice", url).await;
        }
    }
    vec![
        ("feed", "/".into()),
        ("library", "/library".into()),
        ("collection", format!("/collections/{}", collections[0])),
        ("private-collection", format!("/collections/{}", collections[2])),
        ("search", "/search?q=rust".into()),
        ("trends", "/trends?days=7".into()),
        ("card", format!("/cards/{card}")),
        ("collections", "/collections".into()),
        ("save", "/save?url=https://example.com/x&note=n".into()),
        ("import", "/import".into()),
        ("account", "/account".into()),
        ("password", "/account/password".into()),
        ("sessions", "/account/sessions".into()),
        ("tokens", "/account/tokens".into()),
        ("people", "/admin/people".into()),
        ("hidden-cards", "/admin/cards".into()),
        ("sign-in", "/sign-in".into()),
        ("sign-up", "/sign-up".into()),
        ("missing", "/nothing-here".into()),
        ("person", "/@alice".into()),
        ("oneself", "/@mock123".into()),
        ("person-collections", "/@mock123/collections".into()),
        ("link", "/url?u=https://www.rust-lang.org/learn/get-started".into()),
        ("directory", "/collections/all".into()),
        ("save-from-anywhere", "/save-from-anywhere".into()),
    ]
}

/// A page to look at.
pub struct Stop {
    pub name: &'static str,
    pub path: String,
    pub then: Then,
}

/// What to do on a page before it is looked at.
pub enum Then {
    Look,
    /// Leads to the page that is meant.
    Click(&'static str),
    /// Saves something and waits for this to show.
    Save(&'static str),
}

impl Then {
    pub async fn arrive(&self, web: &Process, window: &Window, path: &str) {
        window.open(&web.url(path)).await;
        match self {
            Self::Look => {}
            Self::Click(selector) => {
                window.wait(selector).await.click().await.unwrap();
                window.until(&format!("location.pathname !== '{path}'")).await;
            }
            Self::Save(selector) => {
                let deadline = tokio::time::Instant::now() + crate::window::PATIENCE;
                let shows = format!("document.querySelector('{selector}') !== null");
                for n in 0.. {
                    save(web, "alice", &format!("https://example.com/{}/{n}", ulid::Ulid::generate())).await;
                    window.open(&web.url(path)).await;
                    if window.evaluate(&shows).await == json!(true) {
                        return;
                    }
                    assert!(tokio::time::Instant::now() < deadline, "{path} never shows {selector}");
                }
            }
        }
    }
}

/// Letters whose types and errors hold script and have no place to break.
pub async fn operators_scene(server: &Durable) -> Vec<Stop> {
    let why = format!("<script>alert(1)</script>{}", "0123456789".repeat(12));
    refuse(&server.database, "search_documents", "NEW.owner_id = 'did:plc:mallory'", &why).await;
    let web = &server.web;
    for n in 0..3 {
        save(web, "mallory", &format!("https://example.com/{n}")).await;
    }
    let reason = json!({ "reason": format!("<script>alert(1)</script>{}", "x".repeat(200)) });
    post(web, "mock123", "/api/admin/queues/analytics/pause", reason).await;
    post(web, "mock123", "/api/admin/search/rebuild", json!({})).await;
    let dead = "/api/admin/queues/search/dead";
    let deadline = tokio::time::Instant::now() + crate::window::PATIENCE;
    let letters = loop {
        let letters = get(web, "mock123", dead).await["items"].as_array().unwrap().clone();
        if letters.len() == 3 {
            break letters;
        }
        assert!(tokio::time::Instant::now() < deadline, "they do not die: {letters:?}");
    };
    let planted = "UPDATE events SET type = '<script>alert(1)</script>' || repeat('y', 120)";
    server.database.run(planted).await.unwrap();
    let letter = format!("/admin/queues/search/dead/{}", letters[0]["id"].as_str().unwrap());
    let stop = |name, path: &str, then| Stop { name, path: path.to_owned(), then };
    vec![
        stop("overview", "/admin", Then::Look),
        stop("queue", "/admin/queues/search", Then::Look),
        stop("queue without figures", "/admin/queues/feeds?minutes=1440", Then::Look),
        stop("dead letters", "/admin/queues/search/dead", Then::Look),
        stop("nothing found", "/admin/queues/search/dead?text=nothing", Then::Look),
        stop("letter", &letter, Then::Look),
        stop("redrive", &letter, Then::Click("button[value=redrive]")),
        stop("discard", &letter, Then::Click("button[value=discard]")),
        stop("pause", "/admin/queues/feeds", Then::Click("main form button")),
        stop("windows", "/admin/windows", Then::Save(".items details")),
        stop("actions", "/admin/actions", Then::Look),
        stop("workers", "/admin/workers", Then::Look),
        stop("publishing", "/admin/records", Then::Look),
        stop("who has to connect again", "/admin/records?state=ended", Then::Look),
        stop("find", "/admin/find?q=did:plc:mallory", Then::Look),
        stop("save", &format!("/admin/saves/{}", letters[0]["id"].as_str().unwrap()), Then::Look),
        stop("gone", "/admin/queues/feeds/dead/01JD4A3W5T8Q2V9X7Y6Z1B0C3D", Then::Look),
    ]
}
