//! Signing up with an invite, and choosing a new password with a link.

use std::time::Duration;

use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::harness::Api;
use cardwire_apptest::people::{PASSWORD, set_registration, signed_up, with_registration};
use cardwire_domain::accounts::Registration;

const NEW: &str = "a new horse and a new staple";
const PEOPLE: &str = "/admin/people";

/// The path of the link that an administrator's page shows once.
fn link(browser: &Browser<'_>) -> String {
    let url = browser.one("#link").attr("value").unwrap().to_owned();
    url.strip_prefix("https://cardwire.example").unwrap().to_owned()
}

async fn invite(admin: &mut Browser<'_>) -> String {
    admin.open(PEOPLE).await;
    admin.submit("/admin/people/invite", &[]).await;
    assert_eq!(admin.text("h1"), "Invite");
    link(admin)
}

/// Signs up on the page that is shown now.
async fn sign_up(browser: &mut Browser<'_>, handle: &str) -> u16 {
    browser.submit("/sign-up", &[("handle", handle), ("password", PASSWORD)]).await.status.as_u16()
}

#[tokio::test(start_paused = true)]
async fn from_a_new_site_to_its_third_person_by_invite() {
    let api = with_registration(Registration::Invite);
    let mut alice = Browser::new(&api);
    alice.open("/sign-up").await;
    assert!(alice.text(".told").contains("administrator"), "{}", alice.text(".told"));
    sign_up(&mut alice, "alice").await;
    assert_eq!((alice.path.as_str(), alice.text(".who a").as_str()), ("/", "alice"));
    assert!(alice.text("header").contains("Operations"), "the first account is an administrator's");

    for handle in ["bob", "carol"] {
        let path = invite(&mut alice).await;
        let mut new = Browser::new(&api);
        new.open("/sign-up").await;
        assert!(new.text(".told").contains("You need an invite"), "{}", new.text(".told"));
        assert!(new.all("form[action='/sign-up'][method=post]").is_empty(), "there is no form to fill in vain");
        new.open(&path).await;
        assert!(new.text(".told").contains("You have been invited"));
        assert_eq!(sign_up(&mut new, "x").await, 422, "a wrong handle does not use up the invite");
        assert_eq!(sign_up(&mut new, handle).await, 200);
        assert_eq!(new.text(".who a"), handle);
        assert!(!new.text("header").contains("Operations"));

        let mut late = Browser::new(&api);
        late.open(&path).await;
        assert!(late.text(".told").contains("has been used or has expired"), "{}", late.text(".told"));
        assert!(late.all("form[action='/sign-up'][method=post]").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn a_form_whose_invite_was_used_meanwhile_says_so() {
    let api = with_registration(Registration::Invite);
    let mut alice = signed_up(&api, "alice").await;
    let path = invite(&mut alice).await;
    let [mut bob, mut carol] = [Browser::new(&api), Browser::new(&api)];
    bob.open(&path).await;
    carol.open(&path).await;
    assert_eq!(sign_up(&mut bob, "bob").await, 200);
    assert_eq!(sign_up(&mut carol, "carol").await, 403);
    assert!(carol.text(".told").contains("has been used or has expired"), "{}", carol.text(".told"));
}

fn offers_sign_up(browser: &Browser<'_>) -> bool {
    !browser.all("main a[href='/sign-up']").is_empty()
}

#[tokio::test(start_paused = true)]
async fn a_closed_site_says_so_and_offers_neither_invites_nor_accounts() {
    let api = with_registration(Registration::Closed);
    let mut bob = Browser::new(&api);
    bob.open("/sign-in").await;
    assert!(offers_sign_up(&bob), "the first person may sign up");
    let mut alice = signed_up(&api, "alice").await;
    alice.open(PEOPLE).await;
    let told = alice.text("main");
    assert!(told.contains("Registration is closed") && !told.contains("Invite"), "{told}");
    assert!(alice.all("form[action='/admin/people/invite']").is_empty());
    let csrf = alice.all("input[name=csrf]")[0].attr("value").unwrap().to_owned();
    let answer = alice.send(post("/admin/people/invite", &[("csrf".to_owned(), csrf)])).await;
    assert_eq!(answer.status.as_u16(), 409);
    assert!(alice.text("main").contains("Registration is closed"), "{}", alice.text("main"));

    bob.open("/sign-up").await;
    assert!(bob.text(".told").contains("Registration is closed"));
    assert!(bob.all("main form").is_empty());
    bob.open("/sign-in").await;
    assert!(!offers_sign_up(&bob));
    let wrong = [("handle", "bob"), ("password", PASSWORD)];
    assert_eq!(bob.submit("/sign-in", &wrong).await.status.as_u16(), 422);
    assert!(!offers_sign_up(&bob));
}

#[tokio::test(start_paused = true)]
async fn an_invite_leads_nowhere_while_registration_is_closed() {
    let mut api = with_registration(Registration::Invite);
    let path = invite(&mut signed_up(&api, "alice").await).await;
    for (registration, told, forms) in [
        (Registration::Closed, "Registration is closed", 0),
        (Registration::Invite, "You have been invited", 1),
        (Registration::Closed, "Registration is closed", 0),
    ] {
        set_registration(&mut api, registration);
        let mut bob = Browser::new(&api);
        bob.open(&path).await;
        assert!(bob.text(".told").contains(told), "{}", bob.text(".told"));
        assert_eq!(bob.all("main form").len(), forms);
        bob.open("/sign-in").await;
        assert_eq!(offers_sign_up(&bob), forms > 0);
    }
}

#[tokio::test(start_paused = true)]
async fn a_sign_up_form_that_was_open_while_registration_was_closed_makes_no_account() {
    let mut api = with_registration(Registration::Open);
    signed_up(&api, "alice").await;
    let (form, cookies) = {
        let mut bob = Browser::new(&api);
        bob.open("/sign-up").await;
        (bob.form("/sign-up"), bob.cookies.clone())
    };
    set_registration(&mut api, Registration::Closed);
    let mut bob = Browser::new(&api);
    bob.cookies = cookies;
    let typed = [("handle", "bob"), ("password", PASSWORD)].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let sent: Vec<_> = form.into_iter().filter(|(name, _)| name == "csrf").chain(typed).collect();
    assert_eq!(bob.send(post("/sign-up", &sent)).await.status.as_u16(), 403);
    assert!(bob.text(".told").contains("Registration is closed"));
    assert!(bob.all("main form").is_empty());
}

/// A link with which bob chooses a new password.
async fn reset_link(api: &Api) -> String {
    let mut alice = signed_up(api, "alice").await;
    signed_up(api, "bob").await;
    alice.open(PEOPLE).await;
    let csrf = alice.form("/admin/people/invite")[0].clone();
    let asked = [csrf, ("who".into(), "bob".into()), ("action".into(), "reset-password".into())];
    alice.send(post(PEOPLE, &asked)).await;
    assert_eq!(alice.text("h1"), "Create a reset link for bob?");
    alice.submit(PEOPLE, &[]).await;
    assert_eq!(alice.text("h1"), "Reset link for bob");
    link(&alice)
}

#[tokio::test(start_paused = true)]
async fn a_reset_link_sets_a_new_password_once() {
    let api = with_registration(Registration::Open);
    let path = reset_link(&api).await;
    let mut bob = Browser::new(&api);
    bob.open(&path).await;
    assert_eq!(bob.submit("/reset-password", &[("newPassword", "short")]).await.status.as_u16(), 422);
    assert!(!bob.text("#newPassword-wrong").is_empty());
    bob.submit("/reset-password", &[("newPassword", NEW)]).await;
    assert_eq!(bob.path, "/sign-in?told=password");
    assert!(bob.text(".told").contains("Your password has been changed"));
    assert_eq!(bob.submit("/sign-in", &[("handle", "bob"), ("password", PASSWORD)]).await.status.as_u16(), 422);
    bob.submit("/sign-in", &[("handle", "bob"), ("password", NEW)]).await;
    assert_eq!(bob.text(".who a"), "bob");

    let mut late = Browser::new(&api);
    assert_eq!(late.get(&path).await.status.as_u16(), 404);
    assert_eq!(late.text("h1"), "This link does not work");
}

#[tokio::test(start_paused = true)]
async fn a_reset_link_that_expired_while_its_page_was_open_changes_nothing() {
    let api = with_registration(Registration::Open);
    let path = reset_link(&api).await;
    let mut bob = Browser::new(&api);
    bob.open(&path).await;
    tokio::time::advance(Duration::from_secs(86_400)).await;
    assert_eq!(bob.submit("/reset-password", &[("newPassword", NEW)]).await.status.as_u16(), 404);
    assert_eq!(bob.text("h1"), "This link does not work");
    for nothing in ["/reset-password", "/reset-password?token=nonsense"] {
        assert_eq!(bob.get(nothing).await.status.as_u16(), 404, "{nothing}");
    }
    bob.open("/sign-in").await;
    bob.submit("/sign-in", &[("handle", "bob"), ("password", PASSWORD)]).await;
    assert_eq!(bob.text(".who a"), "bob");
}
