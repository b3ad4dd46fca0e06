//! Observers see everything of the console, and change nothing: every route is tried as one.

use actix_web::http::Method;
use cardwire_apptest::browser::{Browser, post};
use cardwire_apptest::routes;

use crate::api::{acts, request};
use crate::scene::Scene;

/// With mock authentication; see `Api::new`.
const OBSERVER: &str = "observer";

/// Every route of the console and of its API, as `GET /admin`.
async fn routes_of_the_console(scene: &Scene) -> Vec<String> {
    let document = scene.api.get("/api/openapi.json").await.expect(200);
    let is_ours = |route: &String| {
        let (_, path) = route.split_once(' ').unwrap();
        path.starts_with("/api/admin/") || path == "/admin" || path.starts_with("/admin/")
    };
    let found: Vec<String> = routes::all(&document).into_iter().filter(is_ours).collect();
    assert!(found.len() > 30, "{found:?}");
    found
}

/// With something to find in each place of the path, and with the parameters that it needs.
fn filled(scene: &Scene, route: &str) -> (Method, String) {
    let (method, path) = request(scene, &route.replace("/dead/{id}", "/dead/{letter}"));
    let path = path.replace("{letter}", &scene.dead[0]).replace("{event}", &scene.dead[0]);
    match path.as_str() {
        "/api/admin/replays/count" => (method, format!("{path}?queue=search&from=2000-01-01&until=2001-01-01")),
        _ => (method, path),
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_reads_everything_and_every_act_is_refused() {
    let scene = Scene::new().await;
    let mut browser = Browser::of(&scene.api, OBSERVER);
    let acts = acts(&scene);
    let body_of = |route: &str| acts.iter().find(|act| act.route == route).and_then(|act| act.body.clone());
    browser.open("/library").await;
    let csrf: Vec<_> = browser.form("/library").into_iter().filter(|(name, _)| name == "csrf").collect();
    let (mut seen, mut refused) = (0, 0);
    for route in routes_of_the_console(&scene).await {
        let (method, path) = filled(&scene, &route);
        let is_api = path.starts_with("/api/");
        let answer = match (is_api, &method) {
            (true, &Method::GET) => scene.api.ask(OBSERVER, method.clone(), &path, None).await,
            (true, _) => scene.api.ask(OBSERVER, method.clone(), &path, body_of(&route)).await,
            (false, &Method::GET) => browser.get(&path).await,
            (false, _) => browser.send(post(&path, &csrf)).await,
        };
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        if method == Method::GET {
            assert_eq!(answer.status.as_u16(), 200, "{route}: {body}");
            if !is_api {
                assert!(browser.all("main form[method=post]").is_empty(), "{route}: {body}");
                assert!(browser.all("main button[name=action]").is_empty(), "{route}: {body}");
            }
            seen += 1;
        } else {
            assert_eq!(answer.status.as_u16(), 403, "{route}: {body}");
            assert!(body.contains("You can see everything here"), "{route}: {body}");
            refused += 1;
        }
    }
    assert!(seen > 15 && refused > 12, "{seen} seen, {refused} refused");
    assert!(scene.entries().await.is_empty(), "nothing was done");
}

#[tokio::test(start_paused = true)]
async fn an_administrator_sees_the_buttons_that_an_observer_does_not() {
    let scene = Scene::new().await;
    let mut admin = Browser::new(&scene.api);
    for path in
        ["/admin", "/admin/queues/search/dead", "/admin/queues/search/failures", "/admin/people", "/admin/cards"]
    {
        admin.open(path).await;
        assert!(!admin.all("main form[method=post]").is_empty(), "{path}");
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_are_told_that_this_is_for_administrators() {
    let scene = Scene::new().await;
    let acts = acts(&scene);
    let body_of = |route: &str| acts.iter().find(|act| act.route == route).and_then(|act| act.body.clone());
    for route in routes_of_the_console(&scene).await {
        let (method, path) = filled(&scene, &route);
        if !path.starts_with("/api/") {
            continue;
        }
        let answer = scene.api.ask("dave", method, &path, body_of(&route)).await;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        assert_eq!(answer.status.as_u16(), 403, "{route}: {body}");
        assert!(body.contains("Only administrators can do this."), "{route}: {body}");
    }
}
