//! From an empty site to its third person by invitation, clicking from its front page.

use cardwire_testkit::process::Process;
use serde_json::json;

use crate::server::in_memory;
use crate::window::{Driver, Window};

const PASSWORD: &str = "correct horse battery staple";
/// The form to sign up with.
const FORM: &str = "main form[method=post][action='/sign-up']";

async fn click(window: &Window, selector: &str) {
    window.wait(selector).await.click().await.unwrap();
}

/// Opens the front page and clicks until the page to sign up is there.
async fn come_to_sign_up(window: &Window, web: &Process) {
    window.open(&web.url("/")).await;
    click(window, ".who a[href='/sign-in']").await;
    click(window, "main a[href='/sign-up']").await;
    is_told(window, "Sign up", "").await;
}

/// Checks the heading of the page, and that it says this.
async fn is_told(window: &Window, heading: &str, told: &str) {
    window.until(&format!("document.querySelector('h1').textContent === '{heading}'")).await;
    let page = window.evaluate("document.querySelector('main').textContent").await;
    assert!(page.as_str().is_some_and(|page| page.contains(told)), "{told}: {page}");
}

async fn has(window: &Window, selector: &str) -> bool {
    window.evaluate(&format!("document.querySelector(\"{selector}\") !== null")).await == json!(true)
}

async fn sign_up(window: &Window, handle: &str) {
    window.wait("#handle").await.send_keys(handle).await.unwrap();
    window.wait("#password").await.send_keys(PASSWORD).await.unwrap();
    click(window, &format!("{FORM} button")).await;
    window.until(&format!("document.querySelector('.who a')?.textContent === '{handle}'")).await;
}

/// From wherever an administrator is. Tells the link.
async fn invite(window: &Window) -> String {
    click(window, "header a[href='/admin']").await;
    click(window, "nav.tabs a[href='/admin/people']").await;
    click(window, "form[action='/admin/people/invite'] button").await;
    window.wait("#link").await;
    window.evaluate("document.querySelector('#link').value").await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn from_an_empty_site_to_its_third_person_by_clicking() {
    let web = in_memory(&[("USE_MOCK_AUTH", "false")]).await;
    let driver = Driver::start().await;
    let alice = driver.window(1000, false).await;
    come_to_sign_up(&alice, &web).await;
    is_told(&alice, "Sign up", "The first person to sign up becomes the administrator").await;
    sign_up(&alice, "alice").await;

    for handle in ["bob", "carol"] {
        let link = invite(&alice).await;
        assert!(link.starts_with(&web.url("/sign-up?invite=")), "{link}");
        // Each window is a browser of its own, which knows nobody yet.
        let window = driver.window(1000, false).await;
        come_to_sign_up(&window, &web).await;
        is_told(&window, "Sign up", "You need an invite").await;
        assert!(!has(&window, FORM).await, "there is no form to fill in vain");
        window.open(&link).await;
        is_told(&window, "Sign up", "You have been invited").await;
        sign_up(&window, handle).await;
        assert!(!has(&window, "a[href='/admin']").await, "{handle} is no administrator");
        assert_eq!(window.complaints().await, Vec::<String>::new());
        window.close().await;

        let late = driver.window(1000, false).await;
        late.open(&link).await;
        is_told(&late, "Sign up", "has been used or has expired").await;
        assert!(!has(&late, FORM).await);
        late.close().await;
    }

    click(&alice, "header a[href='/admin']").await;
    click(&alice, "nav.tabs a[href='/admin/people']").await;
    for handle in ["bob", "carol"] {
        is_told(&alice, "Operations: people", handle).await;
    }
    click(&alice, "nav.tabs a[href='/admin/actions']").await;
    is_told(&alice, "Operations: actions", "user.invite").await;
    assert_eq!(alice.complaints().await, Vec::<String>::new());
    alice.close().await;
}
