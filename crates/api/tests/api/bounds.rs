//! Every limit in the OpenAPI document: a value at the limit is accepted, one beyond it is refused.

use std::collections::BTreeSet;

use actix_web::http::Method;
use cardwire_apptest::harness::{Api, request};
use cardwire_apptest::people::{PASSWORD, join, log_in};
use serde_json::{Value, json};

/// Not `minimum`: every count in an answer is at least 0.
const KEYWORDS: [&str; 6] = ["minLength", "maxLength", "minItems", "maxItems", "maximum", "pattern"];

fn is_bounded(schema: &Value) -> bool {
    KEYWORDS.iter().any(|keyword| schema.get(keyword).is_some())
}

/// What the requests are about.
struct Scene {
    api: Api,
    card: String,
    /// As many as a request may name, and one more.
    collections: Vec<String>,
    /// For somebody with an account, and their password.
    session: String,
    password: String,
    sent: u32,
}

impl Scene {
    async fn set() -> Self {
        let api = Api::new();
        let card = api.save("mock123", "https://example.com/kept", &[]).await;
        let mut collections = Vec::new();
        for n in 0..=cardwire_domain::use_cases::MAX_COLLECTIONS {
            collections.push(api.collection("mock123", &n.to_string()).await);
        }
        join(&api, "quinn").await;
        let session = log_in(&api, "quinn").await;
        Self { api, card, collections, session, password: PASSWORD.into(), sent: 0 }
    }

    fn path(&self, path: &str) -> String {
        let id = if path.contains("/cards/") { &self.card } else { &self.collections[0] };
        path.replace("{id}", id).replace("{queue}", "feeds")
    }

    /// A valid body for an operation, before one value in it is tested.
    fn body(&self, schema: &str) -> Value {
        let (card, collection, n) = (&self.card, &self.collections[0], self.sent);
        match schema {
            "SaveUrl" => json!({ "url": format!("https://example.com/{n}") }),
            "WriteCollection" => json!({ "name": "n" }),
            "Collaborators" => json!({ "userIds": [] }),
            "CollectCard" => json!({ "cardId": card, "collectionIds": [collection] }),
            "Uncollect" => json!({ "collectionIds": [collection] }),
            "Associate" => json!({ "cardId": card }),
            "SignUp" | "HandleAndPassword" => {
                json!({ "handle": format!("person-{n}"), "password": "correct-horse-battery" })
            }
            "PauseQueue" | "SelectDeadLetters" => json!({}),
            "HideCard" => json!({ "reason": "r" }),
            "StartReplay" => json!({ "queue": "search", "from": "2026-03-01", "until": "2026-03-02" }),
            "ChangeProfile" => json!({}),
            "ChangePassword" => json!({ "currentPassword": self.password, "newPassword": "correct-horse-battery" }),
            "CreateToken" => json!({ "name": "n", "scope": "read" }),
            other => panic!("{other}: say here what a good body is"),
        }
    }

    /// Values for a field or parameter, and whether they are valid.
    fn values(&self, name: &str, schema: &Value) -> Vec<(Value, bool)> {
        let bound = |keyword: &str| schema.get(keyword).and_then(Value::as_u64);
        let mut values = Vec::new();
        let number = |n: u64| json!(n);
        values.extend(bound("minimum").into_iter().flat_map(|n| [(number(n), true), (number(n - 1), false)]));
        values.extend(bound("maximum").into_iter().flat_map(|n| [(number(n), true), (number(n + 1), false)]));
        let text = |n: u64| json!(text(name, usize::try_from(n).unwrap()));
        // No URL is as short as one character.
        values.extend(bound("minLength").filter(|_| name != "url").map(|n| (text(n), true)));
        values.extend(bound("minLength").map(|n| (text(n - 1), false)));
        values.extend(bound("maxLength").into_iter().flat_map(|n| [(text(n), true), (text(n + 1), false)]));
        let list = |n: u64| self.list(name, usize::try_from(n).unwrap());
        values.extend(bound("minItems").into_iter().flat_map(|n| [(list(n), true), (list(n - 1), false)]));
        values.extend(bound("maxItems").into_iter().flat_map(|n| [(list(n), true), (list(n + 1), false)]));
        values.extend(schema.get("pattern").map(|_| (json!("not ok"), false)));
        values
    }

    fn list(&self, name: &str, length: usize) -> Value {
        match name {
            "userIds" => (0..length).map(|n| format!("did:plc:person{n}")).collect(),
            "ids" => (0..length).map(|_| cardwire_domain::EventId::generate().to_string()).collect(),
            _ => json!(self.collections[..length]),
        }
    }

    async fn check(&mut self, asked: actix_web::test::TestRequest, good: bool, what: &str) {
        let status = self.api.send(asked).await.status.as_u16();
        self.sent += 1;
        // Nobody has the handles and passwords tried here, and no window is open, but either could exist.
        let is_accepted = match status {
            401 => good && what.contains("/api/users/login"),
            404 => what.contains("/flush") || what.contains("/cancel"),
            // An earlier one is unfinished.
            409 => good && what.contains("/api/admin/replays"),
            _ => (200..300).contains(&status),
        };
        assert_eq!(is_accepted, good, "{what}: {status}");
        assert!(good || matches!(status, 400 | 401 | 422), "{what}: {status}");
    }
}

fn text(name: &str, length: usize) -> String {
    let start = if name == "url" { "https://example.com/" } else { "" };
    start.chars().chain("correct-horse-battery-staple-".chars().cycle()).take(length).collect()
}

fn short(value: &Value) -> String {
    value.to_string().chars().take(40).collect()
}

#[tokio::test(start_paused = true)]
async fn what_lies_on_a_limit_is_accepted_and_what_lies_beyond_is_refused() {
    let mut scene = Scene::set().await;
    let document = scene.api.get("/api/openapi.json").await.expect(200);
    let schemas = &document["components"]["schemas"];
    let (mut tried, mut keys) = (BTreeSet::new(), 0_u8);
    for (path, item) in document["paths"].as_object().unwrap() {
        for (name, operation) in item.as_object().unwrap() {
            let method = Method::from_bytes(name.to_uppercase().as_bytes()).unwrap();
            let reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
            let schema = reference.map(|reference| reference.rsplit('/').next().unwrap());
            let good_body = |scene: &Scene| match schema {
                Some("SelectDeadLetters") => Some(json!({ "ids": [] })),
                schema => schema.map(|schema| scene.body(schema)),
            };
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                let (field, place) = (parameter["name"].as_str().unwrap(), parameter["in"].as_str().unwrap());
                for (value, good) in scene.values(field, &parameter["schema"]) {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    let what = format!("{name} {path} {field}={}", &value[..value.len().min(40)]);
                    let url = scene.path(path);
                    let asked = match place {
                        // A key works for one request only, so its first character is changed for each.
                        "header" if good => {
                            keys += 1;
                            let key = format!("{}{}", char::from(b'!' + keys), &value[1..]);
                            request("mock123", method.clone(), &url, good_body(&scene)).insert_header((field, key))
                        }
                        "header" => request("mock123", method.clone(), &url, good_body(&scene))
                            .insert_header((field, value.as_str())),
                        _ => {
                            let joint = if path == "/api/search" && field != "q" { "?q=a&" } else { "?" };
                            let value = value.replace(' ', "+");
                            request("mock123", method.clone(), &format!("{url}{joint}{field}={value}"), None)
                        }
                    };
                    scene.check(asked, good, &what).await;
                }
            }
            let Some(schema) = schema else { continue };
            let direct = schemas[schema]["properties"].as_object().unwrap().iter();
            let nested = schemas["Matching"]["properties"].as_object().unwrap().iter();
            let nested =
                nested.filter(|_| schema == "SelectDeadLetters").map(|(field, rule)| ("Matching", field, rule));
            for (owner, field, rule) in direct.map(|(field, rule)| (schema, field, rule)).chain(nested) {
                for (value, good) in scene.values(field, rule) {
                    let what = format!("{name} {path} {owner}.{field}={}", short(&value));
                    let mut body = scene.body(schema);
                    match owner == schema {
                        true => body[field] = value,
                        false => body["matching"] = json!({ field: value }),
                    }
                    let new_password = body["newPassword"].as_str().filter(|_| good).map(str::to_owned);
                    let asked = request("mock123", method.clone(), &scene.path(path), Some(body));
                    let asked = match schema {
                        "ChangePassword" | "CreateToken" => {
                            asked.insert_header(("authorization", format!("Bearer {}", scene.session)))
                        }
                        _ => asked,
                    };
                    scene.check(asked, good, &what).await;
                    scene.password = new_password.unwrap_or(scene.password);
                    tried.insert(format!("{owner}.{field}"));
                }
            }
        }
    }
    let bounded = schemas.as_object().unwrap().iter().flat_map(|(name, schema)| {
        let fields = schema["properties"].as_object().into_iter().flatten();
        fields.filter(|(_, rule)| is_bounded(rule)).map(move |(field, _)| format!("{name}.{field}"))
    });
    assert_eq!(tried, bounded.collect::<BTreeSet<_>>(), "each limit was tried");
    assert!(tried.len() > 15 && scene.sent > 100, "{} fields, {} requests", tried.len(), scene.sent);
}
