//! What administrators do about other people's accounts, on the pages.

use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::harness::{Answer, Api};
use cardwire_apptest::people::{PASSWORD, join, signed_up, with_accounts};

const PEOPLE: &str = "/admin/people";

/// Asks for something about somebody, as a form of the page does.
async fn ask(browser: &mut Browser<'_>, action: &str, who: &str) -> Answer {
    browser.open(PEOPLE).await;
    let csrf = browser.form("/admin/people/invite")[0].clone();
    browser.send(post(PEOPLE, &[csrf, ("action".into(), action.into()), ("who".into(), who.into())])).await
}

fn listed(browser: &Browser<'_>) -> Vec<String> {
    let lines = browser.all("[aria-labelledby=people] .line");
    lines.iter().map(|line| line.text().collect::<String>().trim().to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_account_is_suspended_and_restored_in_two_steps() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    let mut bob = signed_up(&api, "bob").await;
    alice.open(PEOPLE).await;
    assert_eq!(listed(&alice), ["alice Administrator", "bob"]);

    ask(&mut alice, "suspend", "@Bob").await;
    assert_eq!(alice.text("h1"), "Suspend @Bob?");
    bob.open("/library").await;
    assert_eq!(bob.text("h1"), "Library", "asking does nothing");
    ask(&mut alice, "suspend", "bob").await;
    alice.submit(PEOPLE, &[]).await;
    assert_eq!(alice.text(".told"), "The account is suspended.");
    assert_eq!(listed(&alice), ["alice Administrator", "bob Suspended"]);
    bob.open("/library").await;
    assert_eq!(bob.text("h1"), "Sign in");
    let answer = bob.submit("/sign-in", &[("handle", "bob"), ("password", PASSWORD)]).await;
    assert_eq!(answer.status.as_u16(), 403);
    assert!(bob.text("form .wrong").contains("suspended"), "{}", bob.text("form .wrong"));

    ask(&mut alice, "restore", "bob").await;
    alice.submit(PEOPLE, &[]).await;
    assert_eq!(alice.text(".told"), "The account is restored.");
    bob.submit("/sign-in", &[("handle", "bob"), ("password", PASSWORD)]).await;
    assert_eq!(bob.text(".who a"), "bob");
    alice.open("/admin/actions").await;
    let actions = alice.text("main");
    assert!(actions.contains("suspend") && actions.contains("restore"), "{actions}");
}

#[tokio::test(start_paused = true)]
async fn somebody_who_is_not_here_is_told_beside_the_field() {
    let api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    for (who, told) in [
        ("", "Enter a handle or an id."),
        ("nobody-like-that", "No account has the handle nobody-like-that."),
        ("did:plc:nobody", "No account has the id did:plc:nobody."),
    ] {
        assert_eq!(ask(&mut alice, "suspend", who).await.status.as_u16(), 422);
        assert_eq!(alice.text("#who-wrong"), told);
        assert_eq!(alice.one("#who").attr("value"), Some(who));
    }
    ask(&mut alice, "suspend", "alice").await;
    let csrf = alice.form(PEOPLE);
    assert_eq!(alice.send(post(PEOPLE, &csrf)).await.status.as_u16(), 403);
    assert!(alice.text("#who-wrong").contains("your own account"));
    assert_eq!(ask(&mut alice, "nonsense", "alice").await.status.as_u16(), 422);
}

#[tokio::test(start_paused = true)]
async fn many_people_are_listed_in_parts() {
    let api: Api = with_accounts();
    let mut alice = signed_up(&api, "alice").await;
    for number in 0..55 {
        join(&api, &format!("person-{number:02}")).await;
    }
    alice.open(PEOPLE).await;
    let mut all = listed(&alice);
    assert_eq!(all.len(), 50);
    let next = alice.one("a[rel=next]").attr("href").unwrap().to_owned();
    alice.open(&next).await;
    all.extend(listed(&alice));
    assert_eq!((all.len(), all.first().unwrap().as_str()), (56, "alice Administrator"));
    assert!(all.windows(2).all(|pair| pair[0] < pair[1]) && alice.all("a[rel=next]").is_empty());
}

#[tokio::test(start_paused = true)]
async fn nobody_else_sees_or_does_anything() {
    let api = with_accounts();
    signed_up(&api, "alice").await;
    let mut bob = signed_up(&api, "bob").await;
    assert_eq!(bob.get(PEOPLE).await.status.as_u16(), 403);
    bob.open("/account").await;
    let csrf = bob.form("/sign-out")[0].clone();
    let suspend = [
        csrf.clone(),
        ("action".into(), "suspend".into()),
        ("who".into(), "alice".into()),
        ("sure".into(), "true".into()),
    ];
    assert_eq!(bob.send(post(PEOPLE, &suspend)).await.status.as_u16(), 403);
    assert_eq!(bob.send(post("/admin/people/invite", &[csrf])).await.status.as_u16(), 403);
    let mut alice = Browser::new(&api);
    alice.open("/sign-in").await;
    alice.submit("/sign-in", &[("handle", "alice"), ("password", PASSWORD)]).await;
    assert_eq!(alice.text(".who a"), "alice");
}
