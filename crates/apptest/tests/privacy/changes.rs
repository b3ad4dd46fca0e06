//! What each route that changes something is asked to do. None of it publishes anything of the owner's.

use serde_json::{Value, json};

use crate::scene::{Reader, URL};
use crate::world::{Body, World};

/// A path and what is sent to it.
pub type Change = (String, Body);

/// So that a thing is there as long as possible.
pub fn takes_away(route: &str) -> bool {
    route.starts_with("DELETE")
        || ["/delete", "/remove", "/leave", "/remove-link"].iter().any(|end| route.ends_with(end))
}

/// For operators: about ids, and not about what is behind them.
pub fn is_operators(route: &str) -> bool {
    route.contains(" /api/admin/") || route.ends_with(" /admin") || route.contains(" /admin/")
}

/// An answer to one's own invitation, or a block of the person who sent it.
pub fn answers_invitation(route: &str) -> bool {
    let ends =
        ["/membership", "/accept", "/decline", "/leave", "/blocks/{userId}", "/account/block", "/account/unblock"];
    ends.iter().any(|end| route.ends_with(end))
}

/// `None`: a route that is not known here.
pub fn changes(route: &str, world: &World, reader: Reader) -> Option<Vec<Change>> {
    let (_, path) = route.split_once(' ')?;
    of_cards(route, path, world, reader)
        .or_else(|| of_collections(route, path, world, reader))
        .or_else(|| of_accounts(route, path))
        .or_else(|| of_operators(path, world))
}

/// Saves the secret card's link for the reader, who then sees their own card as if nobody had kept the link before.
pub fn saves_link(route: &str) -> Vec<Change> {
    match route {
        "POST /api/cards/library/urls" => vec![(route[5..].to_owned(), Body::Json(json!({ "url": URL })))],
        "POST /library" => vec![form(&route[5..], vec![("url", URL.into()), ("note", "x".into())], vec![])],
        _ => vec![],
    }
}

fn of_cards(route: &str, path: &str, world: &World, reader: Reader) -> Option<Vec<Change>> {
    let World { card, collection, shelf, own, import, .. } = world;
    let to = |bodies: Vec<Value>| bodies.into_iter().map(|body| (path.to_owned(), Body::Json(body))).collect();
    let of_card = |id: &str| path.replace("{id}", id);
    let tags = |ids: &[&String]| ids.iter().map(|id| ("collection", (*id).clone())).collect::<Vec<_>>();
    let is_owner = reader == Reader::Owner;
    Some(match route {
        "POST /api/cards/library/urls" => to(vec![
            json!({ "url": "https://public.example/1", "viaCardId": card }),
            json!({ "url": "https://public.example/2", "collectionIds": [collection] }),
            json!({ "url": "https://public.example/3", "collectionIds": [shelf], "note": "x" }),
        ]),
        "PUT /api/cards/url/associations" => {
            let mut bodies = vec![
                json!({ "cardId": card, "note": "changed" }),
                json!({ "cardId": card, "title": "changed" }),
                json!({ "cardId": card, "addToCollections": [shelf] }),
                json!({ "cardId": card, "removeFromCollections": [collection] }),
                json!({ "cardId": own, "addToCollections": [collection] }),
                json!({ "cardId": own, "removeFromCollections": [collection] }),
            ];
            if !is_owner {
                bodies.push(json!({ "cardId": card, "visibility": "PUBLIC" }));
            }
            to(bodies)
        }
        "POST /api/cards/collections" => to(vec![
            json!({ "cardId": own, "collectionIds": [collection] }),
            json!({ "cardId": card, "collectionIds": [shelf] }),
            json!({ "cardId": card, "collectionIds": [collection] }),
        ]),
        "DELETE /api/cards/{id}/collections" => [(card, collection), (card, shelf), (own, collection)]
            .map(|(card, from)| (of_card(card), Body::Json(json!({ "collectionIds": [from] }))))
            .into(),
        "DELETE /api/cards/{id}/library" => vec![(of_card(card), Body::None)],
        "POST /api/cards/{id}/metadata/retry" => vec![(of_card(card), Body::None)],
        "POST /library" => vec![
            form(path, vec![("url", "https://public.example/4".into())], tags(&[collection])),
            form(path, vec![("url", "https://public.example/5".into()), ("find", "true".into())], tags(&[collection])),
        ],
        "POST /cards/{id}" => {
            let mut sent = vec![("note", "x".to_owned()), ("was-in", shelf.clone())];
            if !is_owner {
                sent.push(("visibility", "PUBLIC".into()));
                sent.push(("drawn-visibility", "PRIVATE".into()));
            }
            vec![
                form(&of_card(card), sent.clone(), tags(&[collection])),
                form(&of_card(card), sent, vec![("find", "true".into())]),
                form(&of_card(own), vec![("was-in", shelf.clone())], tags(&[collection, shelf])),
            ]
        }
        "POST /cards/{id}/title" => vec![form(&of_card(card), vec![("title", "changed".into())], vec![])],
        "POST /library/selected" => {
            let with = |what: &str| {
                form(path, vec![("do", what.to_owned())], vec![("card", card.clone()), ("card", own.clone())])
            };
            let into = |id: &String| vec![("do", "add".to_owned()), ("collection", id.clone())];
            let mut sent = vec![with("private"), with("export")];
            sent.push(form(path, into(shelf), vec![("card", card.clone())]));
            sent.push(form(path, into(collection), vec![("card", own.clone())]));
            if !is_owner {
                sent.push(with("public"));
                sent.extend(sure(path, &[("do", "remove".into()), ("card", card.clone())]));
            }
            sent
        }
        "POST /cards/{id}/remove" => sure(&of_card(card), &[]),
        "POST /cards/{id}/retry" => vec![form(&of_card(card), vec![], vec![])],
        "POST /import" => {
            [collection.clone(), String::new()].map(|collection| (path.to_owned(), Body::File(collection))).into()
        }
        "POST /imports/{id}/import" => vec![form(&path.replace("{id}", import), vec![], vec![])],
        "POST /imports/{id}/undo" => sure(&path.replace("{id}", import), &[]),
        _ => return None,
    })
}

fn of_collections(route: &str, path: &str, world: &World, reader: Reader) -> Option<Vec<Change>> {
    let World { card, collection, .. } = world;
    let there = path.replace("{id}", collection);
    let owner = ("person", "did:plc:owner".to_owned());
    let me = reader.did().unwrap_or_default();
    Some(match route {
        "POST /api/collections" => vec![(there, Body::Json(json!({ "name": "Another" })))],
        "PUT /api/collections/{id}" => vec![(there, Body::Json(json!({ "name": "Renamed", "accessType": "OPEN" })))],
        "DELETE /api/collections/{id}" => vec![(there, Body::None)],
        "PUT /api/collections/{id}/collaborators" => {
            let people = json!(["did:plc:collaborator", "did:plc:invited", me]);
            vec![(there, Body::Json(json!({ "userIds": people })))]
        }
        "POST /api/collections/{id}/membership" | "DELETE /api/collections/{id}/membership" => {
            vec![(there, Body::None)]
        }
        "POST /collections" => vec![form(&there, vec![("name", "One more".into()), ("once", "x".into())], vec![])],
        "POST /collections/choices" => {
            let chosen = vec![("collection", collection.clone())];
            vec![form(&there, vec![("filter", "v".into())], chosen), form(&there, vec![], vec![])]
        }
        "POST /collections/{id}" => vec![
            form(&there, vec![("name", "Renamed".into()), ("access", "OPEN".into())], vec![]),
            form(&there, vec![("name", String::new())], vec![]),
        ],
        "POST /collections/{id}/collaborators" => {
            let both = format!("did:plc:collaborator\ndid:plc:invited\n{me}");
            vec![form(&there, vec![("people", both)], vec![]), form(&there, vec![("people", "nobody!".into())], vec![])]
        }
        "POST /collections/{id}/invite" => ["did:plc:collaborator did:plc:invited", "nobody!"]
            .map(|handles| form(&there, vec![("handles", handles.into())], vec![]))
            .into(),
        "POST /collections/{id}/remove-link" => sure(&there, &[("card", card.clone())]),
        "POST /collections/{id}/delete" | "POST /collections/{id}/leave" => sure(&there, &[]),
        "POST /collections/{id}/accept" | "POST /collections/{id}/decline" => vec![form(&there, vec![], vec![])],
        "PUT /api/users/me/blocks/{userId}" | "DELETE /api/users/me/blocks/{userId}" => {
            vec![(path.replace("{userId}", "did:plc:owner"), Body::None)]
        }
        "POST /account/block" | "POST /account/unblock" => sure(path, &[owner]),
        _ => return None,
    })
}

fn of_accounts(route: &str, path: &str) -> Option<Vec<Change>> {
    let sent = |body: Value| vec![(path.to_owned(), Body::Json(body))];
    let id = "01JD4A3W5T8Q2V9X7Y6Z1B0C3D".to_owned();
    let password = || "correct horse battery staple".to_owned();
    Some(match route {
        "PUT /api/users/me" => sent(json!({ "bio": "x" })),
        "DELETE /api/users/me" => sent(json!({ "password": "wrong password" })),
        "PUT /api/users/me/password" => sent(json!({ "currentPassword": password(), "newPassword": password() })),
        "DELETE /api/users/me/sessions" => vec![(path.to_owned(), Body::None)],
        "DELETE /api/users/me/sessions/{id}" | "DELETE /api/users/me/tokens/{id}" => {
            vec![(path.replace("{id}", &id), Body::None)]
        }
        "POST /api/users/me/tokens" => sent(json!({ "name": "t", "scope": "read" })),
        // A short one is refused before anything is worked out.
        "POST /api/users" | "POST /api/users/login" => sent(json!({ "handle": "somebody", "password": "short" })),
        "POST /api/users/oauth/refresh" => sent(json!({ "refreshToken": "nonsense" })),
        "POST /api/users/logout" => vec![(path.to_owned(), Body::None)],
        "POST /account" => vec![form(path, vec![("bio", "y".into())], vec![])],
        "POST /account/delete" => sure(path, &[("password", "wrong password".into())]),
        "POST /account/password" => {
            vec![form(path, vec![("currentPassword", password()), ("newPassword", password())], vec![])]
        }
        "POST /account/sessions/end" | "POST /account/tokens/revoke" => vec![form(path, vec![("id", id)], vec![])],
        "POST /account/sessions/end-others" | "POST /sign-out" => vec![form(path, vec![], vec![])],
        "POST /api/users/me/atproto" => {
            sent(json!({ "service": "http://localhost", "identifier": "alice.test", "appPassword": password() }))
        }
        "DELETE /api/users/me/atproto" => vec![(path.to_owned(), Body::None)],
        "POST /sign-in/atproto" | "POST /account/atproto/connect" => {
            vec![form(path, vec![("identifier", "alice.example.com".into())], vec![])]
        }
        "POST /account/atproto/app-password" => {
            vec![form(path, vec![("account", "alice.test".into()), ("appPassword", password())], vec![])]
        }
        "POST /account/atproto/disconnect" => vec![form(path, vec![], vec![])],
        "POST /account/atproto/retry" => vec![form(path, vec![], vec![])],
        "POST /account/tokens" => vec![form(path, vec![("name", "t".into()), ("scope", "read".into())], vec![])],
        "POST /sign-in" | "POST /sign-up" => {
            vec![form(path, vec![("handle", "some body!".into()), ("password", "short".into())], vec![])]
        }
        "POST /reset-password" => {
            vec![form(path, vec![("token", "nonsense".into()), ("newPassword", password())], vec![])]
        }
        _ => return None,
    })
}

fn of_operators(path: &str, world: &World) -> Option<Vec<Change>> {
    let World { card, dead, .. } = world;
    let id = path.replace("{id}", card);
    let all = || json!({ "all": true });
    let of_queues = |body: &Body| -> Vec<Change> {
        ["feeds", "search", "analytics", "records"]
            .iter()
            .map(|queue| (path.replace("{queue}", queue), body.clone()))
            .collect()
    };
    let acts = |once: &'static str| -> Vec<Change> {
        let window = format!("{card}-did:plc:owner");
        let of_queue = |action: &str| {
            let ids = vec![("queue", "search".to_owned()), ("id", dead.clone()), ("once", once.to_owned())];
            form(path, ids, vec![("action", action.to_owned())])
        };
        let mut acts: Vec<Change> = ["pause", "resume", "redeliver", "redrive", "discard"].map(of_queue).into();
        acts.push(form(path, vec![("action", "rebuild".into()), ("once", once.into())], vec![]));
        acts.push(form(path, vec![("action", "flush".into()), ("key", window), ("once", once.into())], vec![]));
        for action in ["show", "hide"] {
            let about = vec![("card", card.clone()), ("once", once.into()), ("reason", "a reason".into())];
            acts.push(form(path, about, vec![("action", action.into())]));
        }
        acts
    };
    Some(match path {
        "/api/admin/queues/{queue}/pause" => of_queues(&Body::Json(json!({}))),
        "/api/admin/queues/{queue}/resume" | "/api/admin/queues/{queue}/redeliver" => of_queues(&Body::None),
        "/api/admin/queues/{queue}/dead" | "/api/admin/queues/{queue}/dead/redrive" => of_queues(&Body::Json(all())),
        "/api/admin/sagas/{key}/flush" => vec![(path.replace("{key}", &format!("{card}-did:plc:owner")), Body::None)],
        "/api/admin/search/rebuild" => vec![(id, Body::None)],
        "/api/admin/replays" => {
            vec![(id, Body::Json(json!({ "queue": "feeds", "from": "2026-01-01", "until": "2027-01-01" })))]
        }
        "/api/admin/replays/{id}/cancel" => vec![(path.replace("{id}", "1"), Body::None)],
        "/api/admin/cards/{id}/show" => vec![(id, Body::None)],
        "/api/admin/cards/{id}/hide" => vec![(id, Body::Json(json!({ "reason": "a reason" })))],
        "/api/admin/invites" => vec![(id, Body::None)],
        "/api/admin/users/{id}/suspend" | "/api/admin/users/{id}/restore" | "/api/admin/users/{id}/reset-password" => {
            vec![(path.replace("{id}", "did:plc:owner"), Body::None)]
        }
        "/admin/confirm" | "/admin/act" => acts("a-token"),
        "/admin/people" => ["suspend", "restore", "reset-password"]
            .iter()
            .flat_map(|action| sure(path, &[("action", (*action).to_owned()), ("who", "did:plc:owner".into())]))
            .collect(),
        "/admin/people/invite" => vec![form(path, vec![], vec![])],
        _ => return None,
    })
}

fn form(path: &str, fields: Vec<(&'static str, String)>, more: Vec<(&'static str, String)>) -> Change {
    (path.to_owned(), Body::Form(fields.into_iter().chain(more).collect()))
}

/// Once as somebody who is to be asked first, and once as somebody who was.
fn sure(path: &str, fields: &[(&'static str, String)]) -> Vec<Change> {
    vec![form(path, fields.to_vec(), vec![]), form(path, fields.to_vec(), vec![("sure", "true".into())])]
}
