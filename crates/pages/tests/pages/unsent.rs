//! A session that ends while a form is open, and a store that is away when it is sent: nothing that was typed is lost.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use cardwire_apptest::browser::{Browser, HOST, post};
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::no_store::NoStore;
use cardwire_apptest::people::{PASSWORD, signed_up, with_accounts};
use cardwire_domain::accounts::Registration;
use cardwire_domain::changes::IdempotencyKey;
use cardwire_domain::membership::Invitee;
use cardwire_domain::quotas::Quota;
use cardwire_domain::store::{DeletedCollection, Leaver, OutdatedCard, Recall, UndoneImport};
use cardwire_domain::{Card, CardId, Changes, Collection, CollectionId, Result, Store, Transaction, UserId};
use cardwire_events::Queue;
use cardwire_http::{AccountSettings, Accounts, AppState, TokenAuthenticator};

const NOTE: &str = "Worth it.\n</textarea><script>alert(1)</script>\"'";

/// Longer than a session lasts.
async fn a_month_later() {
    tokio::time::advance(Duration::from_secs(31 * 86_400)).await;
}

/// Signs in on the page that is shown now.
async fn sign_in(browser: &mut Browser<'_>, handle: &str) -> u16 {
    browser.submit("/sign-in", &[("handle", handle), ("password", PASSWORD)]).await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn what_was_typed_goes_along_through_signing_in() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/library").await;
    a_month_later().await;
    let answer = alice.submit("/library", &[("url", "https://example.com/"), ("note", NOTE)]).await;
    assert_eq!((answer.status.as_u16(), answer.header("www-authenticate")), (401, "Bearer"));
    assert_eq!((alice.text("h1"), alice.text(".who a")), ("Sign in".into(), "Sign in".into()));
    assert!(alice.text(".told").contains("What you typed is kept"));
    assert_eq!(api.owed().await, [0; Queue::ALL.len()]);
    assert!(alice.all("script").iter().all(|script| script.attr("src").is_some()), "it is text");

    // A wrong password loses nothing either.
    let wrong = [("handle", "alice"), ("password", "a wrong one")];
    assert_eq!(alice.submit("/sign-in", &wrong).await.status.as_u16(), 422);
    let carried = alice.form("/sign-in");
    let names: Vec<&str> = carried.iter().map(|(name, _)| name.as_str()).collect();
    let typed = [
        "unsent.drawn-visibility",
        "unsent.visibility",
        "unsent.title",
        "unsent.new-collection",
        "unsent.url",
        "unsent.note",
    ];
    assert_eq!(names, [&["csrf", "next", "unsent-to"][..], &typed, &["handle", "password"]].concat());

    assert_eq!(sign_in(&mut alice, "alice").await, 200);
    assert_eq!((alice.text("h1"), alice.text(".who a")), ("Not sent yet".into(), "alice".into()));
    assert_eq!(alice.one("input#url").attr("value"), Some("https://example.com/"));
    assert_eq!(alice.text("textarea#note"), NOTE);
    assert!(alice.all("script").iter().all(|script| script.attr("src").is_some()), "it is text");
    assert_eq!(api.owed().await, [0; Queue::ALL.len()], "it is sent when she says so");
    alice.submit("/library", &[("note", "Better said.")]).await;
    assert_eq!(alice.path, "/library?told=saved");
    assert_eq!(alice.text(".items .note"), "Better said.");
}

#[tokio::test(start_paused = true)]
async fn a_form_from_before_signing_out_or_in_is_shown_again() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/collections").await;
    let typed = |form: &mut Vec<(String, String)>| {
        form.retain(|(name, _)| !["name", "access"].contains(&name.as_str()));
        form.extend([("name".into(), "Reading".into()), ("access".into(), "OPEN".into())]);
    };
    let mut first = alice.form("/collections");
    typed(&mut first);
    // In another tab.
    alice.open("/account").await;
    alice.submit("/sign-out", &[]).await;
    let answer = alice.send(post("/collections", &first)).await;
    assert_eq!((answer.status.as_u16(), alice.text("h1")), (401, "Sign in".into()));
    alice.open("/sign-in").await;
    assert_eq!(sign_in(&mut alice, "alice").await, 200);
    let answer = alice.send(post("/collections", &first)).await;
    assert_eq!((answer.status.as_u16(), alice.text("h1")), (403, "Not sent yet".into()));
    assert_eq!(alice.one("input#name").attr("value"), Some("Reading"));
    let made = alice.submit("/collections", &[]).await;
    assert_eq!((made.status.as_u16(), alice.text("h1")), (200, "Reading".into()));
    assert!(alice.text("main").contains("Anyone can add"), "what was chosen goes along");
}

#[tokio::test(start_paused = true)]
async fn a_sign_in_page_that_came_too_late_still_carries_what_was_typed() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/library").await;
    a_month_later().await;
    alice.submit("/library", &[("url", "https://example.com/"), ("note", NOTE)]).await;
    let mut late = alice.form("/sign-in");
    late.retain(|(name, _)| !["handle", "password"].contains(&name.as_str()));
    late.extend([("handle".into(), "alice".into()), ("password".into(), PASSWORD.into())]);
    // In another tab she signs in meanwhile.
    alice.open("/sign-in").await;
    sign_in(&mut alice, "alice").await;
    let answer = alice.send(post("/sign-in", &late)).await;
    assert_eq!((answer.status.as_u16(), alice.text("h1")), (403, "Not sent yet".into()));
    assert_eq!(alice.text("textarea#note"), NOTE);
    assert!(alice.all("[name='unsent.password'], [name=password]").is_empty(), "no password is carried");
    alice.submit("/library", &[]).await;
    assert_eq!(alice.path, "/library?told=saved");
}

#[tokio::test(start_paused = true)]
async fn a_form_of_more_fields_than_any_page_has_is_refused() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/library").await;
    let mut fields = alice.form("/library");
    fields.push(("note".into(), "typed".into()));
    fields.extend((0..1_200).map(|n| (format!("x{n}"), String::new())));
    let answer = alice.send(post("/library", &fields)).await;
    assert_eq!(answer.status.as_u16(), 400);
    assert!(alice.text("main").contains("The form has more than 1,200 fields."), "{}", alice.text("main"));
    assert_eq!(api.owed().await, [0; Queue::ALL.len()]);
}

#[tokio::test(start_paused = true)]
async fn a_page_that_holds_nothing_typed_is_come_back_to() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    alice.open("/library").await;
    let form = alice.form("/library").into_iter().filter(|(name, _)| name == "csrf").collect::<Vec<_>>();
    a_month_later().await;
    for (from, next) in [
        (format!("https://{HOST}/library?q=a%20b#x"), "/sign-in?next=%2Flibrary%3Fq%3Da%2520b"),
        ("nonsense".into(), "/sign-in?next=%2F"),
    ] {
        let remove = post("/cards/01JD4A3W5T8Q2V9X7Y6Z1B0C3D/remove", &form).insert_header(("referer", from));
        let answer = api.send(alice.request(remove)).await;
        assert_eq!((answer.status.as_u16(), answer.header("location")), (303, next));
    }
}

#[tokio::test(start_paused = true)]
async fn only_forms_of_this_site_are_carried_and_only_to_it() {
    let api = with_accounts();
    signed_up(&api, "alice").await;
    let mut browser = Browser::new(&api);
    browser.open("/sign-in").await;
    let fields = vec![("url".to_owned(), "https://example.com/".to_owned())];
    let elsewhere = post("/library", &fields).insert_header(("origin", "https://evil.example"));
    assert_eq!(browser.send(elsewhere).await.status.as_u16(), 403);
    assert_eq!(browser.text("h1"), "Not allowed");
    for to in ["//evil.example/", "https://evil.example/", "javascript:alert(1)", "/\\evil.example"] {
        browser.open("/sign-in?unsent-to=/library&unsent.url=x").await;
        let mut form = browser.form("/sign-in");
        assert!(form.iter().all(|(name, _)| !name.starts_with("unsent")), "a link carries nothing");
        form.retain(|(name, _)| name == "csrf");
        let more = [("handle", "alice"), ("password", PASSWORD), ("unsent-to", to), ("unsent.url", "x")];
        form.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
        assert_eq!(browser.send(post("/sign-in", &form)).await.status.as_u16(), 200);
        assert_eq!(browser.one("main form").attr("action"), Some("/"), "{to}");
    }
}

/// The same application while commands cannot be carried out.
fn without_store(api: &Api) -> Api {
    let state = AppState { store: Arc::new(NoStore), ..api.state.clone() };
    Api { state, store: api.store.clone(), queues: api.queues.clone(), shutdown: api.shutdown.clone() }
}

/// The same application while nobody can be told from anybody either.
fn without_accounts(api: &Api) -> Api {
    let mut away = without_store(api);
    away.state.accounts = Accounts::new(Arc::new(NoStore), AccountSettings::of(Registration::Open)).unwrap();
    away.state.authenticator = Arc::new(TokenAuthenticator::new(Arc::new(NoStore), BTreeSet::new()));
    away
}

/// The browser goes on with the other application, on the page that it shows.
fn over_to<'a>(api: &'a Api, browser: &Browser<'_>) -> Browser<'a> {
    let mut other = Browser::new(api);
    other.cookies = browser.cookies.clone();
    other.page = browser.page.clone();
    other
}

#[track_caller]
fn is_kept(browser: &Browser<'_>, answer: &Answer) {
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (503, "1"));
    assert!(answer.header("content-security-policy").contains("script-src 'self'"));
    let told = browser.text("main");
    assert!(told.contains("kept on this page") && told.contains("503 · trace "), "{told}");
    assert!(!browser.page.html().contains("db.internal") && !browser.page.html().contains(PASSWORD), "{told}");
    assert_eq!(browser.text("main form button"), "Send again");
}

#[tokio::test(start_paused = true)]
async fn what_was_typed_while_postgresql_was_away_is_sent_again() {
    let api = with_accounts();
    let alice = &mut signed_up(&api, "alice").await;
    for away in [without_store(&api), without_accounts(&api)] {
        alice.open("/library").await;
        let mut stuck = over_to(&away, alice);
        let answer = stuck.submit("/library", &[("url", "https://example.com/"), ("note", NOTE)]).await;
        is_kept(&stuck, &answer);
        assert_eq!(stuck.one("input#url").attr("value"), Some("https://example.com/"));
        assert_eq!(stuck.text("textarea#note"), NOTE);
        assert!(stuck.all("script").iter().all(|script| script.attr("src").is_some()), "it is text");
        let answer = stuck.submit("/library", &[]).await;
        is_kept(&stuck, &answer);
        let mut alice = over_to(&api, &stuck);
        alice.submit("/library", &[]).await;
        assert!(alice.path.starts_with("/library?told="), "{}", alice.path);
        assert_eq!(alice.text(".items .note"), NOTE.trim());
    }

    alice.open("/collections").await;
    let away = without_store(&api);
    let mut stuck = over_to(&away, alice);
    let answer = stuck.submit("/collections", &[("name", "Reading"), ("access", "OPEN")]).await;
    is_kept(&stuck, &answer);
    let mut alice = over_to(&api, &stuck);
    alice.submit("/collections", &[]).await;
    assert_eq!(alice.text("h1"), "Reading");
    assert!(alice.text("main").contains("Anyone can add"), "what was chosen is kept as well");

    let form = alice.form(&format!("{}/collaborators", alice.path));
    let elsewhere = post("/library", &form).insert_header(("origin", "https://evil.example"));
    let mut stuck = over_to(&away, &alice);
    assert_eq!(stuck.send(elsewhere).await.status.as_u16(), 403);
    assert!(stuck.all("main form").is_empty(), "only forms of this site are kept");
}

/// Commits, and says that it was away.
struct Mute(Arc<dyn Store>);

#[async_trait]
impl Store for Mute {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(MuteTransaction(self.0.begin().await?)))
    }
    async fn ping(&self) -> Result<()> {
        self.0.ping().await
    }
}

struct MuteTransaction(Box<dyn Transaction>);

#[async_trait]
impl Transaction for MuteTransaction {
    async fn recall(&mut self, person: &UserId, key: &IdempotencyKey) -> Result<Option<Recall>> {
        self.0.recall(person, key).await
    }
    async fn card(&mut self, id: CardId) -> Result<Option<Card>> {
        self.0.card(id).await
    }
    async fn card_by_url(&mut self, owner: &UserId, normalised_url: &str) -> Result<Option<Card>> {
        self.0.card_by_url(owner, normalised_url).await
    }
    async fn collections(&mut self, ids: &[CollectionId]) -> Result<Vec<Collection>> {
        self.0.collections(ids).await
    }
    async fn collections_named(&mut self, author: &UserId, names: &[String]) -> Result<Vec<Collection>> {
        self.0.collections_named(author, names).await
    }
    async fn invitees(&mut self, people: &[UserId], author: &UserId) -> Result<Vec<Invitee>> {
        self.0.invitees(people, author).await
    }
    async fn invitations(&mut self, person: &UserId, author: &UserId) -> Result<Vec<Collection>> {
        self.0.invitations(person, author).await
    }
    async fn collaborations(&mut self, person: &UserId) -> Result<usize> {
        self.0.collaborations(person).await
    }
    async fn deleted_collection(&mut self, limit: usize) -> Result<Option<DeletedCollection>> {
        self.0.deleted_collection(limit).await
    }
    async fn leaver(&mut self, limit: usize) -> Result<Option<Leaver>> {
        self.0.leaver(limit).await
    }
    async fn outdated_cards(&mut self, after: Option<CardId>, limit: usize) -> Result<Vec<OutdatedCard>> {
        self.0.outdated_cards(after, limit).await
    }
    async fn undone_import(&mut self, limit: usize) -> Result<Option<UndoneImport>> {
        self.0.undone_import(limit).await
    }
    async fn used_up(&mut self, quota: Quota, person: &UserId, most: NonZeroU32) -> Result<Option<Duration>> {
        self.0.used_up(quota, person, most).await
    }
    async fn commit(self: Box<Self>, changes: Changes) -> Result<()> {
        self.0.commit(changes).await?;
        NoStore::fail()
    }
}

#[tokio::test(start_paused = true)]
async fn what_came_through_without_an_answer_is_not_done_again() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let state = AppState { store: Arc::new(Mute(api.state.store.clone())), ..api.state.clone() };
    let mute = Api { state, store: api.store.clone(), queues: api.queues.clone(), shutdown: api.shutdown.clone() };
    for (page, to, fields, row) in [
        ("/library", "/library", &[("url", "https://example.com/"), ("note", NOTE)][..], ".items .note"),
        ("/collections", "/collections", &[("name", "Reading")], ".items a.title"),
    ] {
        alice.open(page).await;
        let mut stuck = over_to(&mute, &alice);
        let answer = stuck.submit(to, fields).await;
        is_kept(&stuck, &answer);
        let owed = api.owed().await;
        alice = over_to(&api, &stuck);
        alice.submit(to, &[]).await;
        assert_eq!(api.owed().await, owed, "{to}: no event is raised again");
        alice.open(page).await;
        assert_eq!(alice.all(row).len(), 1, "{to}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_password_is_typed_again_and_everything_else_is_kept() {
    let api = with_accounts();
    let away = without_accounts(&api);
    for (page, completes, then) in
        [("/sign-up", "new-password", "/"), ("/sign-in?next=/collections", "current-password", "/collections")]
    {
        let mut alice = Browser::new(&api);
        alice.open(page).await;
        let path = page.split('?').next().unwrap();
        let mut stuck = over_to(&away, &alice);
        let answer = stuck.submit(path, &[("handle", "alice"), ("password", PASSWORD)]).await;
        is_kept(&stuck, &answer);
        assert_eq!(stuck.one("input#handle").attr("value"), Some("alice"));
        let password = stuck.one("input#password[type=password]");
        assert_eq!((password.attr("value"), password.attr("autocomplete")), (None, Some(completes)));
        assert!(stuck.text("#password-hint").contains("Enter it again"));
        let mut alice = over_to(&api, &stuck);
        alice.submit(path, &[("password", PASSWORD)]).await;
        assert_eq!((alice.text(".who a"), alice.path.as_str()), ("alice".into(), then));
    }
}
