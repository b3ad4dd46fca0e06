//! Who can see what: chosen in the forms, shown by a lock, and kept from everyone else.

use std::time::Duration;

use actix_web::http::Method;
use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::harness::Api;
use cardwire_apptest::operators::ADMIN;
use cardwire_apptest::people::{signed_up, with_accounts};
use serde_json::{Value, json};

const URL: &str = "https://secret.example/page";

async fn save(api: &Api, person: &str, url: &str, visibility: &str, collections: &[&str]) -> String {
    let body = json!({ "url": url, "visibility": visibility, "collectionIds": collections });
    let saved = api.post(person, "/api/cards/library/urls", body).await.expect(201);
    saved["urlCardId"].as_str().unwrap().to_owned()
}

async fn collection(api: &Api, person: &str, name: &str, visibility: &str) -> String {
    let body = json!({ "name": name, "accessType": "OPEN", "visibility": visibility });
    api.post(person, "/api/collections", body).await.expect(201)["id"].as_str().unwrap().to_owned()
}

async fn card(api: &Api, person: &str, id: &str) -> Value {
    api.ask(person, Method::GET, &format!("/api/cards/{id}"), None).await.expect(200)
}

/// The value of the visibility that is chosen on the page.
fn chosen(browser: &Browser<'_>) -> String {
    browser.one("input[name=visibility][checked]").attr("value").unwrap().to_owned()
}

fn locks(browser: &Browser<'_>, within: &str) -> usize {
    let locks = browser.all(&format!("{within} .lock"));
    assert!(locks.iter().all(|lock| lock.text().collect::<String>() == "Private"), "it is told in words as well");
    locks.len()
}

fn names(browser: &Browser<'_>) -> Vec<String> {
    browser.all("#choices .choice").iter().map(|choice| choice.text().collect::<String>().trim().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn the_save_box_says_who_will_see_a_link_and_keeps_to_it() {
    let api = Api::new();
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    let box_ = alice.text("form.save fieldset.audience");
    assert!(box_.contains("Public Everyone can see it") && box_.contains("Private Only you can see it"), "{box_}");
    assert_eq!(chosen(&alice), "PUBLIC");
    alice.submit("/library", &[("url", URL), ("visibility", "PRIVATE")]).await;
    assert_eq!(alice.text(".told"), "Saved. Only you can see it.");
    assert_eq!(locks(&alice, ".items"), 1);

    // Saved again from a box that was drawn as public, it stays private.
    assert_eq!(chosen(&alice), "PUBLIC");
    alice.submit("/library", &[("url", URL), ("note", "again")]).await;
    assert_eq!(alice.text(".told"), "You already had this link. It has been updated. Only you can see it.");
    assert_eq!(locks(&alice, ".items"), 1);
    alice.open(&format!("/save?url={URL}")).await;
    assert_eq!(chosen(&alice), "PRIVATE", "as it is");
    alice.submit("/library", &[("visibility", "PUBLIC")]).await;
    assert_eq!(alice.text(".told"), "You already had this link. It has been updated.");
    assert_eq!(locks(&alice, ".items"), 0);
    alice.submit("/library", &[("url", URL), ("visibility", "PRIVATE")]).await;
    assert_eq!(locks(&alice, ".items"), 1, "private is always meant");

    let refused = alice.submit("/library", &[("url", "nonsense"), ("visibility", "PRIVATE")]).await;
    assert_eq!((refused.status.as_u16(), chosen(&alice)), (422, "PRIVATE".into()), "what was chosen stays");
    let unknown = alice.submit("/library", &[("url", "https://example.com/"), ("visibility", "SECRET")]).await;
    assert_eq!(unknown.status.as_u16(), 422);
}

#[tokio::test(start_paused = true)]
async fn forms_start_with_what_the_account_says() {
    let api = Api::new();
    let usual = Some(json!({ "defaultVisibility": "PRIVATE" }));
    api.ask("alice", Method::PUT, "/api/users/me", usual).await.expect(200);
    let mut alice = Browser::of(&api, "alice");
    for page in ["/", "/library", "/save", "/collections", "/import"] {
        alice.open(page).await;
        assert_eq!(chosen(&alice), "PRIVATE", "{page}");
    }
    alice.open("/library").await;
    alice.submit("/library", &[("url", URL)]).await;
    assert_eq!(locks(&alice, ".items"), 1);
    let mut bob = Browser::of(&api, "bob");
    for (page, expected) in [("/library", "PUBLIC"), ("/collections", "PUBLIC"), ("/import", "PRIVATE")] {
        bob.open(page).await;
        assert_eq!(chosen(&bob), expected, "{page}: bookmarks are not published unless one says so");
    }
}

#[tokio::test(start_paused = true)]
async fn the_page_of_a_card_lets_its_owner_change_who_can_see_it() {
    let api = Api::new();
    let id = save(&api, "alice", URL, "PUBLIC", &[]).await;
    let path = format!("/cards/{id}");
    let mut alice = Browser::of(&api, "alice");
    let mut bob = Browser::of(&api, "bob");
    bob.open(&path).await;
    assert!(bob.all("input[name=visibility]").is_empty());
    alice.open(&path).await;
    assert_eq!((chosen(&alice), locks(&alice, "main")), ("PUBLIC".into(), 0));
    let stale = alice.form(&path);
    alice.submit(&path, &[("visibility", "PRIVATE")]).await;
    assert_eq!((chosen(&alice), locks(&alice, "h1"), locks(&alice, ".items")), ("PRIVATE".into(), 1, 1));
    assert_eq!(bob.get(&path).await.status.as_u16(), 404);
    // A page that was drawn before publishes nothing.
    alice.send(post(&path, &stale)).await;
    assert_eq!(card(&api, "alice", &id).await["visibility"], "PRIVATE");
    alice.open(&path).await;
    alice.submit(&path, &[("visibility", "PUBLIC")]).await;
    bob.open(&path).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_private_carries_a_lock_wherever_it_is_listed_and_is_nowhere_for_others() {
    let api = Api::new();
    let secret = collection(&api, "alice", "Secret plans", "PRIVATE").await;
    let shelf = collection(&api, "alice", "Shelf", "PUBLIC").await;
    let id = save(&api, "alice", URL, "PRIVATE", &[&secret, &shelf]).await;
    api.deliver().await;
    let shelf = format!("/collections/{shelf}");
    let of_secret = format!("/collections/{secret}");
    let of_card = format!("/cards/{id}");
    let mut alice = Browser::of(&api, "alice");
    for (path, within, expected) in [
        // The link, and one of its collections.
        ("/library", ".items", 2),
        (of_card.as_str(), ".items", 2),
        (shelf.as_str(), ".items", 1),
        (of_secret.as_str(), "h1", 1),
        ("/collections", ".items", 1),
        ("/search?q=secret", "#hits", 1),
        ("/save", "#choices", 1),
        (of_card.as_str(), "#choices", 1),
    ] {
        alice.open(path).await;
        assert_eq!(locks(&alice, within), expected, "{path}");
    }
    alice.open(&of_secret).await;
    assert!(alice.text("main").contains("Only you and collaborators can see it · Anyone can add"));
    alice.open("/import").await;
    assert!(alice.text("select").contains("Secret plans (private)"));

    for person in ["bob", ADMIN] {
        let mut other = Browser::of(&api, person);
        for path in ["/", "/?actor=did:plc:alice", "/search?q=secret", "/trends", "/collections", &shelf] {
            other.open(path).await;
            let page = other.page.html().replace("value=\"secret\"", "").replace("q=secret", "");
            assert!(!page.contains("secret.example") && !page.contains("Secret plans"), "{person} {path}: {page}");
        }
        for path in [&of_secret, &of_card, &format!("{of_card}/row")] {
            assert_eq!(other.get(path).await.status.as_u16(), 404, "{person} {path}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_collection_is_private_and_open_to_those_who_are_chosen() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut bob = signed_up(&api, "bob").await;
    alice.open("/collections").await;
    let form = alice.text("form[action='/collections']");
    for part in ["Everyone can see it", "Only you and collaborators can add", "Anyone can add"] {
        assert!(form.contains(part), "{part}: {form}");
    }
    assert!(!form.contains("CLOSED") && !form.contains("OPEN"), "{form}");
    alice.submit("/collections", &[("name", "Secret plans"), ("visibility", "PRIVATE")]).await;
    let path = alice.path.clone();
    assert!(alice.text("main").contains("Only you and collaborators can see it · Only you and collaborators can add"));
    alice.submit(&format!("{path}/collaborators"), &[("people", "bob")]).await;

    // Until he accepts, he sees nothing but the invitation.
    bob.open("/collections").await;
    assert_eq!((bob.text(".items .title"), locks(&bob, ".items")), ("Secret plans".into(), 1));
    assert!(bob.all(&format!("a[href='{path}']")).is_empty(), "the page is not there for him");
    assert_eq!(bob.get(&path).await.status.as_u16(), 404);
    bob.open("/collections").await;
    bob.submit(&format!("{path}/accept"), &[]).await;
    assert_eq!(bob.text("h1"), "Secret plans Private");
    assert!(bob.text("main").contains("Only alice and collaborators can see it"));
    bob.open("/collections").await;
    assert_eq!(locks(&bob, ".items"), 1);

    alice.open(&path).await;
    alice.submit(&path, &[("name", "Plans")]).await;
    assert_eq!((alice.text("h1"), chosen(&alice)), ("Plans Private".into(), "PRIVATE".into()));
    alice.submit(&path, &[("visibility", "PUBLIC")]).await;
    assert_eq!(alice.text("h1"), "Plans");
    bob.open(&path).await;
    bob.submit(&format!("{path}/leave"), &[]).await;
    assert_eq!(bob.text("h1"), "Leave this collection?");
}

#[tokio::test(start_paused = true)]
async fn any_of_a_thousand_collections_is_found_by_its_name() {
    let api = Api::new();
    for n in 0..1_000 {
        api.collection("alice", &format!("Shelf {n:04}")).await;
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    assert_eq!(names(&alice).len(), 100);
    assert!(alice.text("#choices").contains("There are more. Filter by name to find them."));
    let owed = api.owed().await;
    let typed = [("url", URL), ("note", "kept"), ("visibility", "PRIVATE"), ("filter", "shelf 0007"), ("find", "true")];
    assert_eq!(alice.submit("/library", &typed).await.status.as_u16(), 200);
    assert_eq!(names(&alice), ["Shelf 0007"], "the oldest are found as well");
    assert_eq!(alice.one("#url").attr("value"), Some(URL));
    assert_eq!((alice.text("#note"), chosen(&alice)), ("kept".into(), "PRIVATE".into()), "what was typed stays");
    assert_eq!(api.owed().await, owed, "nothing is saved yet");

    let oldest = alice.one("#choices input").attr("value").unwrap().to_owned();
    alice.submit("/library", &[("collection", &oldest), ("filter", "0999"), ("find", "true")]).await;
    assert_eq!(names(&alice), ["Shelf 0999", "Shelf 0007"], "what is ticked stays, too");
    assert_eq!(alice.all("#choices input[checked]").len(), 1);
    alice.submit("/library", &[("filter", "nonsense"), ("find", "true")]).await;
    assert!(alice.text("#choices").contains("No results for “nonsense”."));
    alice.submit("/library", &[]).await;
    assert_eq!(alice.path, "/library?told=saved-privately");
    assert!(alice.text(".items .about").contains("in Shelf 0007"));

    // A script gets the list alone.
    let mut form = alice.form("/library");
    form.retain(|(name, _)| name == "csrf");
    form.extend([("filter".into(), "SHELF 099".into()), ("collection".into(), oldest.clone())]);
    let answer = alice.send(post("/collections/choices", &form)).await;
    assert_eq!(answer.status.as_u16(), 200);
    assert_eq!(
        (names(&alice).len(), alice.all("h1").len()),
        (12, 0),
        "eleven were found, Shelf 0099 too, and one is ticked"
    );
    assert_eq!(names(&alice)[0], "Shelf 0999", "the newest first");

    // A collection that the list does not show is kept, and one that was ticked can be unticked.
    alice.open("/library").await;
    let edit = alice.one(".items a[href^='/cards/']").attr("href").unwrap().to_owned();
    alice.open(&edit).await;
    assert!(names(&alice).contains(&"Shelf 0007".to_owned()));
    alice.submit(&edit, &[("filter", "0500"), ("find", "true")]).await;
    assert_eq!(names(&alice), ["Shelf 0500", "Shelf 0007"]);
    let other = alice.all("#choices input")[0].attr("value").unwrap().to_owned();
    alice.submit(&edit, &[("collection", &other)]).await;
    let now = card(&api, "alice", edit.trim_start_matches("/cards/")).await;
    let in_collections: Vec<&str> =
        now["collections"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(in_collections, ["Shelf 0500"]);

    alice.open("/import?filter=0123").await;
    assert_eq!(alice.text("select option:last-child"), "Shelf 0123");
}

#[tokio::test(start_paused = true)]
async fn few_collections_need_no_filter_and_own_ones_come_first() {
    let api = Api::new();
    let theirs = api.collection("bob", "Theirs").await;
    api.share("bob", &theirs, "alice").await;
    api.collection("alice", "Mine").await;
    let mut alice = Browser::of(&api, "alice");
    alice.open("/save").await;
    assert_eq!(names(&alice), ["Mine", "Theirs"]);
    assert!(alice.all("#filter, [name=find]").is_empty());
    let foreign = collection(&api, "carol", "Secret plans", "PRIVATE").await;
    alice.open(&format!("/save?url={URL}&collection={foreign}")).await;
    assert_eq!(names(&alice), ["Mine", "Theirs"], "it is not there for her");
}

#[tokio::test(start_paused = true)]
async fn administrators_hide_cards_by_their_ids_and_see_no_more_of_them() {
    let api = Api::new();
    let id = save(&api, "alice", URL, "PUBLIC", &[]).await;
    api.deliver().await;
    let mut admin = Browser::new(&api);
    admin.open(&format!("/cards/{id}")).await;
    let hide = admin.one("main a[href^='/admin/cards']").attr("href").unwrap().to_owned();
    admin.open(&hide).await;
    assert_eq!(admin.one("#card").attr("value"), Some(id.as_str()));
    admin.submit("/admin/confirm", &[("action", "hide")]).await;
    assert_eq!(admin.text("h1"), "Hide a link?");
    assert!(admin.one("#reason").attr("required").is_some());
    assert_eq!(admin.submit("/admin/act", &[]).await.status.as_u16(), 422, "a reason is needed");
    admin.open(&hide).await;
    admin.submit("/admin/confirm", &[("action", "hide")]).await;
    admin.submit("/admin/act", &[("reason", "spam")]).await;
    assert_eq!(admin.text(".told"), "The link is hidden.");
    let listed = admin.text("tbody");
    assert!(listed.contains("card.hide") && listed.contains(&id) && listed.contains("spam"), "{listed}");
    assert!(!listed.contains("secret.example"), "{listed}");
    assert_eq!(admin.get(&format!("/cards/{id}")).await.status.as_u16(), 404);

    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    assert!(alice.text(".items").contains("hidden by an administrator"));
    alice.open(&format!("/cards/{id}")).await;
    assert!(alice.text("main").contains("only you can see it, no matter what you choose"));
    assert!(alice.all("main a[href^='/admin']").is_empty());

    admin.open("/admin/cards").await;
    admin.submit("/admin/confirm", &[("card", &id), ("action", "show")]).await;
    admin.submit("/admin/act", &[]).await;
    assert_eq!(admin.text(".told"), "The link is no longer hidden.");
    admin.open(&format!("/cards/{id}")).await;
    assert_eq!(alice.get("/admin/cards").await.status.as_u16(), 403);
}

#[tokio::test(start_paused = true)]
async fn what_is_private_is_exported_as_private() {
    let api = Api::new();
    save(&api, "alice", URL, "PRIVATE", &[]).await;
    save(&api, "alice", "https://example.com/", "PUBLIC", &[]).await;
    let mut alice = Browser::of(&api, "alice");
    let bookmarks = String::from_utf8(alice.get("/export/bookmarks.html").await.body).unwrap();
    let private: Vec<&str> = bookmarks.lines().filter(|line| line.contains(" PRIVATE=\"1\"")).collect();
    assert!(private.len() == 1 && private[0].contains(URL), "{bookmarks}");
    let table = String::from_utf8(alice.get("/export/cards.csv").await.body).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[0].ends_with(",visibility"), "{table}");
    let told = |url: &str| lines.iter().find(|line| line.contains(url)).and_then(|line| line.rsplit(',').next());
    assert_eq!((told(URL), told("https://example.com/")), (Some("\"PRIVATE\""), Some("\"PUBLIC\"")));
}
