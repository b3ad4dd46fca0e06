//! What people come for, in few clicks, and all of it by keyboard. Elements are found by what they say, as people find them.

use cardwire_testkit::process::Process;
use fantoccini::key::Key;
use serde_json::{Value, json};

use crate::server::{in_memory, post, save};
use crate::window::{Driver, Window};

/// Clicks and loaded pages that each journey may take; typing is not counted, confirming is.
const FIRST_SAVE: (usize, usize) = (2, 2);
const FIND_AGAIN: (usize, usize) = (3, 2);
const NEW_COLLECTION: (usize, usize) = (5, 6);
const REMOVE_TEN: (usize, usize) = (20, 20);
const INVITE: (usize, usize) = (6, 5);

const PASSWORD: &str = "correct horse battery staple";
const MARK: &str = "[data-journey]";

/// Marks the first visible element of `selector` whose text or label begins with one of these, in any case. False if there is none.
async fn mark(window: &Window, selector: &str, texts: &[&str]) -> bool {
    let texts = json!(texts);
    let selector = json!(selector);
    let script = format!(
        "(() => {{
            document.querySelectorAll('{MARK}').forEach((old) => old.removeAttribute('data-journey'));
            const all = Array.from(document.querySelectorAll({selector})).filter((one) => one.checkVisibility() && !one.disabled);
            const says = (one) => [one.textContent, one.getAttribute('aria-label'), ...Array.from(one.labels ?? [], (label) => label.textContent)];
            const wanted = (one, text) => says(one).some((said) => (said ?? '').trim().toLowerCase().startsWith(text.toLowerCase()));
            for (const text of {texts}) {{
                const found = all.find((one) => wanted(one, text));
                if (found) {{ found.setAttribute('data-journey', ''); return true; }}
            }}
            return false;
        }})()"
    );
    window.evaluate(&script).await == json!(true)
}

/// Somebody with a mouse, who is counted.
struct Person<'w> {
    window: &'w Window,
    clicks: usize,
}

impl<'w> Person<'w> {
    /// Begins on the page that is shown.
    async fn begin(window: &'w Window) -> Self {
        window.loads().await;
        Self { window, clicks: 0 }
    }

    async fn click_marked(&mut self) {
        self.window.wait(MARK).await.click().await.unwrap();
        self.clicks += 1;
    }

    async fn may_click(&mut self, selector: &str, texts: &[&str]) -> bool {
        let found = mark(self.window, selector, texts).await;
        if found {
            self.click_marked().await;
        }
        found
    }

    async fn click(&mut self, selector: &str, texts: &[&str]) {
        let page = self.window.client.current_url().await.unwrap();
        assert!(self.may_click(selector, texts).await, "{page} has no {selector} that says {texts:?}");
    }

    /// Types into a field, once it can be seen: what hides it is opened by a click.
    async fn fill(&mut self, field: &str, text: &str) {
        let closed = hider(self.window, field).await;
        if closed {
            self.click_marked().await;
        }
        self.window.wait(field).await.send_keys(text).await.unwrap();
    }

    /// Presses the button that sends the form of this field.
    async fn send(&mut self, field: &str) {
        let button = format!(
            "document.querySelectorAll('{MARK}').forEach((old) => old.removeAttribute('data-journey')), \
             Array.from(document.querySelector({}).form.elements).find((one) => one.matches('button:not([type=button])') && \
             one.checkVisibility() && one.tabIndex >= 0 && !one.hasAttribute('formaction') && one.name !== 'find').setAttribute('data-journey', '')",
            json!(field)
        );
        self.window.evaluate(&button).await;
        self.click_marked().await;
    }

    /// Says yes, in the page's own question or the browser's.
    async fn confirm(&mut self) {
        if self.window.client.accept_alert().await.is_ok() {
            self.clicks += 1;
        } else {
            self.may_click("dialog[open] button, main form button.danger", &["Remove", "Yes"]).await;
        }
    }

    /// Checks the counts, and tells them.
    async fn ends(self, journey: &str, (clicks, loads): (usize, usize)) -> String {
        let loaded = self.window.loads().await;
        assert!(self.clicks <= clicks, "{journey}: {} clicks, {clicks} at most", self.clicks);
        assert!(loaded <= loads, "{journey}: {loaded} pages loaded, {loads} at most");
        format!("{journey}: {} clicks, {loaded} pages loaded", self.clicks)
    }
}

/// Marks what opens the closed part that a field is in; tells whether it is in one.
async fn hider(window: &Window, field: &str) -> bool {
    let script = format!(
        "(() => {{
            document.querySelectorAll('{MARK}').forEach((old) => old.removeAttribute('data-journey'));
            const closed = document.querySelector({})?.closest('details:not([open])');
            closed?.querySelector('summary').setAttribute('data-journey', '');
            return closed != null;
        }})()",
        json!(field)
    );
    window.evaluate(&script).await == json!(true)
}

/// A window of somebody who has signed in and is on the front page.
async fn at_home(driver: &Driver, web: &Process, person: &str) -> Window {
    let window = driver.window(1280, false).await;
    window.sign_in(&web.url("/sign-in"), person).await;
    window.open(&web.url("/")).await;
    window
}

/// In the library, the links that are listed.
async fn listed(window: &Window) -> Value {
    window.evaluate("document.querySelectorAll('#cards .items > li').length").await
}

#[tokio::test]
async fn the_first_link_is_saved_and_found_again_in_few_clicks() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    let window = at_home(&driver, &web, "alice").await;
    let mut alice = Person::begin(&window).await;
    alice.fill("input[name=url]", "https://example.com/first").await;
    alice.send("input[name=url]").await;
    window.wait(".told, [role=status]").await;
    window.until("document.querySelector('main').textContent.includes('example.com/first')").await;
    println!("{}", alice.ends("first save", FIRST_SAVE).await);

    for n in 0..5 {
        save(&web, "alice", &format!("https://example.com/{n}")).await;
    }
    window.open(&web.url("/")).await;
    let mut alice = Person::begin(&window).await;
    alice.click("header a", &["Library"]).await;
    window.until("location.pathname === '/library'").await;
    alice.fill("input[name=q]", "first").await;
    window.until("document.querySelectorAll('#cards .items > li').length === 1").await;
    println!("{}", alice.ends("find again", FIND_AGAIN).await);
    window.close().await;
}

#[tokio::test]
async fn a_link_is_put_into_a_new_collection_in_few_clicks() {
    const NAME: &str = "input[name=newCollection], input[name='new-collection'], input[name=newCollections]";
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    save(&web, "alice", "https://example.com/a").await;
    let window = at_home(&driver, &web, "alice").await;
    window.open(&web.url("/library")).await;
    let mut alice = Person::begin(&window).await;
    alice.click("main .items a", &["Edit"]).await;
    window.until("location.pathname.startsWith('/cards/')").await;
    if window.evaluate(&format!("document.querySelector({}) !== null", json!(NAME))).await == json!(true) {
        alice.fill(NAME, "Reading").await;
        alice.send(NAME).await;
    } else {
        alice.click("header a", &["Collections"]).await;
        alice.fill("#name", "Reading").await;
        alice.send("#name").await;
        window.until("document.querySelector('h1').textContent.includes('Reading')").await;
        window.client.back().await.unwrap();
        window.client.back().await.unwrap();
        window.client.refresh().await.unwrap();
        alice.click("main label", &["Reading"]).await;
        alice.send("input[name=title]").await;
    }
    window.until("document.querySelector(\"main a[href^='/collections/']\")?.textContent === 'Reading'").await;
    println!("{}", alice.ends("put into a new collection", NEW_COLLECTION).await);
    window.close().await;
}

#[tokio::test]
async fn ten_links_are_removed_in_few_clicks() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    for n in 0..10 {
        save(&web, "alice", &format!("https://example.com/{n}")).await;
    }
    let window = at_home(&driver, &web, "alice").await;
    window.open(&web.url("/library")).await;
    let mut alice = Person::begin(&window).await;
    if window.evaluate("document.querySelector('#cards li input[type=checkbox]') !== null").await == json!(true) {
        if !alice.may_click("main input[type=checkbox], main button, main label", &["Select all"]).await {
            for n in 0..10 {
                let boxes =
                    window.client.find_all(fantoccini::Locator::Css("#cards li input[type=checkbox]")).await.unwrap();
                boxes[n].click().await.unwrap();
                alice.clicks += 1;
            }
        }
        alice.click("main button:not(.items button)", &["Remove", "Delete"]).await;
        alice.confirm().await;
    } else {
        for left in (0..10).rev() {
            alice.click("main .items button", &["Remove"]).await;
            alice.confirm().await;
            window.until(&format!("document.querySelectorAll('#cards .items > li').length === {left}")).await;
        }
    }
    window.until("document.querySelectorAll('#cards .items > li').length === 0").await;
    assert_eq!(listed(&window).await, json!(0));
    println!("{}", alice.ends("remove ten links", REMOVE_TEN).await);
    window.close().await;
}

#[tokio::test]
async fn somebody_is_invited_in_few_clicks() {
    let web = in_memory(&[]).await;
    let driver = Driver::start().await;
    save(&web, "bob", "https://example.com/of-bob").await;
    post(&web, "alice", "/api/collections", json!({ "name": "Ours" })).await;
    let window = at_home(&driver, &web, "alice").await;
    let mut alice = Person::begin(&window).await;
    alice.click("header a", &["Collections"]).await;
    window.until("location.pathname === '/collections'").await;
    alice.click("main .items a", &["Ours"]).await;
    window.until("location.pathname.startsWith('/collections/')").await;
    alice.fill("[name=people]", "did:plc:bob").await;
    alice.send("[name=people]").await;
    window.until("/invited[^.]*bob/i.test(document.querySelector('main').textContent)").await;
    println!("{}", alice.ends("invite somebody", INVITE).await);
    window.close().await;
}

async fn press(window: &Window, selector: &str) {
    window.tab_to(selector).await;
    window.keys("\n").await;
}

/// By keyboard, as all that follows.
async fn sign_up(driver: &Driver, web: &Process, handle: &str) -> Window {
    let window = driver.window(1000, false).await;
    window.open(&web.url("/sign-up")).await;
    window.tab_to("#handle").await;
    window.keys(handle).await;
    window.tab_to("#password").await;
    window.keys(PASSWORD).await;
    window.keys("\n").await;
    window.until(&format!("document.querySelector('.who a')?.textContent.trim() === '{handle}'")).await;
    window
}

#[tokio::test]
async fn from_sign_up_to_a_shared_private_collection_by_keyboard_alone() {
    let web = in_memory(&[("USE_MOCK_AUTH", "false"), ("APP__REGISTRATION", "open")]).await;
    let driver = Driver::start().await;
    let alice = sign_up(&driver, &web, "alice").await;
    let bob = sign_up(&driver, &web, "bob").await;

    press(&alice, "header a[href='/collections']").await;
    alice.until("location.pathname === '/collections'").await;
    if hider(&alice, "#name").await {
        press(&alice, MARK).await;
    }
    alice.tab_to("#name").await;
    alice.keys("Presents").await;
    alice.tab_to("input[name=visibility]").await;
    alice.keys(&String::from(char::from(Key::Down))).await;
    alice.until("document.activeElement.value === 'PRIVATE' && document.activeElement.checked").await;
    press(&alice, "form[action='/collections'] button").await;
    alice.until("document.querySelector('h1').textContent.includes('Presents')").await;
    alice.until("document.querySelector('h1').textContent.includes('Private')").await;

    if hider(&alice, "[name=people]").await {
        press(&alice, MARK).await;
    }
    alice.tab_to("[name=people]").await;
    alice.keys("bob").await;
    press(&alice, "form[action$='/collaborators'] button").await;
    alice.until("/invited[^.]*bob/i.test(document.querySelector('main').textContent)").await;

    press(&bob, "header a[href='/collections']").await;
    bob.until("location.pathname === '/collections'").await;
    press(&bob, "form[action$='/accept'] button").await;
    bob.until("document.querySelector('form[action$=\"/accept\"]') === null").await;
    if bob.evaluate("location.pathname === '/collections'").await == json!(true) {
        press(&bob, "main a[href^='/collections/']").await;
    }
    bob.until("document.querySelector('h1').textContent.includes('Presents')").await;

    press(&alice, "header a[href='/library']").await;
    alice.until("location.pathname === '/library'").await;
    alice.tab_to("input[name=url]").await;
    alice.keys("https://example.com/present").await;
    if hider(&alice, "input[name=collection]").await {
        press(&alice, MARK).await;
    }
    alice.tab_to("input[name=collection]").await;
    alice.keys(" ").await;
    alice.until("document.activeElement.checked").await;
    press(&alice, "form.save details > button").await;
    alice.until("document.querySelector('main').textContent.includes('example.com/present')").await;

    bob.client.refresh().await.unwrap();
    bob.until("document.querySelector('main').textContent.includes('example.com/present')").await;
    for window in [alice, bob] {
        assert_eq!(window.complaints().await, Vec::<String>::new());
        window.close().await;
    }
}
