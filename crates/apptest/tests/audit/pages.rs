//! The acts of the pages. Most are asked for with one form and done with the next.

use std::collections::BTreeSet;
use std::fs;

use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::routes;
use serde_json::{Value, json};

use crate::scene::Scene;

const ASK: &str = "/admin/confirm";
const ACT: &str = "/admin/act";
const PEOPLE: &str = "/admin/people";
const INVITE: &str = "/admin/people/invite";

struct Act<'a> {
    /// Where the form is sent that does it.
    to: &'static str,
    action: &'static str,
    fields: Vec<(&'static str, &'a str)>,
    /// See [`Scene::has_written`].
    told: Value,
}

/// In an order in which each changes something.
fn acts(scene: &Scene) -> Vec<Act<'_>> {
    let Scene { card, dead, window, bob, .. } = scene;
    let queue = ("queue", "search");
    let who = || vec![("who", "bob")];
    let act = |to, action, fields, told| Act { to, action, fields, told };
    vec![
        act(
            ACT,
            "pause",
            vec![queue, ("reason", " a bad build ")],
            json!(["queue.pause", "search", null, { "reason": "a bad build" }, 1]),
        ),
        act(ACT, "resume", vec![queue], json!(["queue.resume", "search", null, {}, 1])),
        act(ACT, "redeliver", vec![queue], json!(["queue.redeliver", "search", null, {}, 0])),
        act(
            ACT,
            "redrive",
            vec![queue, ("id", dead[0].as_str())],
            json!(["dead-letters.redrive", "search", null, { "ids": [dead[0]] }, 1]),
        ),
        act(
            ACT,
            "discard",
            vec![queue, ("all", "true")],
            json!(["dead-letters.discard", "search", null, { "all": true }, dead.len() - 1]),
        ),
        act(ACT, "flush", vec![("key", window.as_str())], json!(["saga.flush", null, window, {}, 1])),
        act(
            ACT,
            "replay",
            vec![queue, ("from", "2000-01-01T00:00"), ("until", "2001-01-01T00:00"), ("actorId", bob.as_str())],
            json!([
                "replay.start",
                "search",
                null,
                { "from": "2000-01-01T00:00:00Z", "until": "2001-01-01T00:00:00Z", "actorId": bob },
                1
            ]),
        ),
        act(ACT, "cancel-replay", vec![("replay", "1")], json!(["replay.cancel", "search", "1", {}, 1])),
        act(ACT, "rebuild", vec![], json!(["search.rebuild", null, null, {}, 1])),
        act(
            ACT,
            "hide",
            vec![("card", card.as_str()), ("reason", " spam ")],
            json!(["card.hide", null, card, { "reason": "spam" }, 1]),
        ),
        act(ACT, "show", vec![("card", card.as_str())], json!(["card.show", null, card, {}, 1])),
        act(PEOPLE, "suspend", who(), json!(["user.suspend", null, bob, {}, 1])),
        act(PEOPLE, "restore", who(), json!(["user.restore", null, bob, {}, 1])),
        act(PEOPLE, "reset-password", who(), json!(["user.reset-password", null, bob, {}, 1])),
        act(INVITE, "", vec![], json!(["user.invite", null, null, {}, 1])),
    ]
}

/// The names that the handlers of the operators' forms compare the field `action` with.
fn actions() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in routes::sources("pages/src/admin") {
        let text = fs::read_to_string(&file).unwrap();
        if !text.contains("text(\"action\")") {
            continue;
        }
        let before = found.len();
        for line in text.lines().map(str::trim).filter(|line| line.starts_with('"')) {
            if let Some((names, _)) = line.split_once(" =>") {
                found.extend(names.split('|').map(|name| name.trim().trim_matches('"').to_owned()));
            }
        }
        assert!(found.len() > before, "{} tells no action that is understood here", file.display());
    }
    found
}

/// Asks for the act, if it has to be asked for, which does nothing.
async fn ask(browser: &mut Browser<'_>, scene: &Scene, act: &Act<'_>) {
    browser.open(PEOPLE).await;
    if act.to == INVITE {
        return;
    }
    let before = scene.entries().await.len();
    let csrf = browser.form(INVITE).into_iter().filter(|(name, _)| name == "csrf");
    let fields = [("action", act.action)].into_iter().chain(act.fields.iter().copied());
    let fields: Vec<_> = csrf.chain(fields.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect();
    let to = if act.to == ACT { ASK } else { act.to };
    let answer = browser.send(post(to, &fields)).await;
    assert_eq!(answer.status.as_u16(), 200, "{}: {}", act.action, String::from_utf8_lossy(&answer.body));
    assert_eq!(scene.entries().await.len(), before, "{}: asking is no act", act.action);
}

#[tokio::test(start_paused = true)]
async fn every_act_of_the_pages_is_written_down_once() {
    let scene = Scene::new().await;
    let acts = acts(&scene);
    let known: BTreeSet<String> = acts.iter().map(|act| act.to).chain([ASK]).map(|to| format!("POST {to}")).collect();
    let there = scene.changes_below("/admin").await;
    assert_eq!(known, there, "the table must say of each form what it writes down");
    let known: BTreeSet<String> =
        acts.iter().map(|act| act.action.to_owned()).filter(|name| !name.is_empty()).collect();
    assert_eq!(known, actions(), "the table must say of each action what it writes down");
    let mut browser = Browser::new(&scene.api);
    for (before, act) in acts.iter().enumerate() {
        ask(&mut browser, &scene, act).await;
        let reason: Vec<_> = act.fields.iter().copied().filter(|(name, _)| *name == "reason").collect();
        let answer = browser.submit(act.to, &reason).await;
        assert!(answer.status.is_success(), "{}: {}", act.action, String::from_utf8_lossy(&answer.body));
        scene.has_written(before, "did:plc:mock123", &act.told).await;
    }
    scene.tells_no_content().await;
}
