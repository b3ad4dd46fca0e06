//! What each route that changes nothing is asked for.

use crate::scene::{NAME, SHARED, URL};
use crate::world::World;

/// The live feed, which does not end.
pub const STREAM: &str = "/api/feeds/global/stream";

/// Words that find the things, as they are written and nearly so.
const WORDS: [&str; 13] = [
    "unmistakable",
    "unmistakabel",
    "secret.example",
    "sesame",
    "marmalade",
    "saffron",
    "safrfon",
    "saffron%20page",
    "wheelbarrows",
    "velvet",
    "walnut",
    "page",
    "example",
];

/// Paths with everything that might show the thing. `None`: a route that is not known here.
pub fn reads(route: &str, world: &World) -> Option<Vec<String>> {
    let World { card, collection, shelf, own, import, dead, .. } = world;
    let path = route.strip_prefix("GET ")?;
    let with = |queries: &[&str]| -> Vec<String> { queries.iter().map(|query| format!("{path}{query}")).collect() };
    let of_queues = |suffixes: &[String]| -> Vec<String> {
        let queues = ["feeds", "search", "analytics", "records"].iter();
        queues.flat_map(|queue| suffixes.iter().map(|end| path.replace("{queue}", queue) + end)).collect()
    };
    Some(match path {
        "/" => with(&[
            "",
            "?actor=did:plc:owner",
            "?actor=did:plc:collaborator",
            "?actor=owner",
            "?show=people",
            "?show=collections",
        ]),
        // Nothing of anybody's.
        "/healthz" | "/readyz" | "/api/openapi.json" | "/api/docs" | "/favicon.ico" => with(&[""]),
        "/manifest.webmanifest" | "/opensearch.xml" | "/save-from-anywhere" => with(&[""]),
        "/api/docs/{file:.*}" => vec!["/api/docs/index.css".into()],
        "/static/{file:.*}" => vec!["/static/app.css".into()],
        "/problems/{slug}" => vec!["/problems/not-found".into()],
        "/oauth/client-metadata.json" | "/oauth/jwks.json" => with(&[""]),
        "/oauth/callback" => with(&["", "?state=x&code=y&iss=https://pds.example"]),
        "/sign-in/atproto" => with(&["", "?next=/library&invite=x"]),
        "/sign-in" => with(&["", "?next=/library"]),
        "/sign-up" => with(&["", "?invite=nonsense"]),
        "/reset-password" => with(&["?token=nonsense"]),

        // Of nothing: who sees which is shown by `store_suite::pictures` and `api::pictures`.
        "/pictures/{hash}" => vec![format!("/pictures/{}", "0".repeat(64))],
        "/@{handle}" | "/@{handle}/collections" | "/@{handle}/feed.atom" => {
            ["owner", "collaborator", "did:plc:owner"].iter().map(|name| path.replace("{handle}", name)).collect()
        }
        "/url" => with(&["", &format!("?u={URL}"), &format!("?u={SHARED}"), "?u=https://public.example/in-it"]),
        "/collections/all" | "/feed.atom" => with(&[""]),
        "/collections/{id}/feed.atom" => {
            [collection, shelf].iter().map(|id| format!("/collections/{id}/feed.atom")).collect()
        }
        "/oembed" => {
            let cards = [card, own].into_iter().map(|id| format!("?url=/cards/{id}"));
            let collections = [collection, shelf].into_iter().map(|id| format!("?url=/collections/{id}"));
            cards.chain(collections).map(|query| format!("{path}{query}")).collect()
        }
        "/saved" => [card, own].iter().map(|id| format!("/saved?card={id}")).collect(),

        "/api/cards/{id}" => [card, own].iter().map(|id| format!("/api/cards/{id}")).collect(),
        "/cards/{id}" => [card, own].iter().map(|id| format!("/cards/{id}")).collect(),
        "/cards/{id}/row" => [card, own].iter().map(|id| format!("/cards/{id}/row?look=2")).collect(),
        "/cards/{id}/body" => [card, own].iter().map(|id| format!("/cards/{id}/body?look=2")).collect(),
        "/api/cards/library/status" => with(&[&format!("?url={URL}"), &format!("?url={SHARED}")]),
        "/api/cards/my" => with(&["?limit=1", "", "?q=unmistakable", "?q=sesame", "?q=saffron", "?uncollected=true"]),
        "/library" => with(&[
            "",
            "?q=unmistakable",
            "?q=saffron",
            "?q=marmalade",
            "?uncollected=true",
            "?sort=title",
            "?sort=site&q=example",
        ]),
        "/save" => {
            with(&["", &format!("?url={URL}"), &format!("?url={SHARED}&note=x"), &format!("?collection={collection}")])
        }
        "/import" => with(&["", "?filter=velvet"]),
        "/imports/{id}" => {
            ["", "?refused=true", "?cut=true"].iter().map(|query| format!("/imports/{import}{query}")).collect()
        }
        "/export/bookmarks.html" | "/export/cards.csv" | "/export/cards.json" | "/api/users/me/export" => with(&[""]),

        "/api/collections" => with(&["?limit=1", ""]),
        "/collections" => with(&["", "?told=x"]),
        "/api/collections/{id}" => {
            let ids = [collection, shelf].into_iter();
            ids.flat_map(|id| ["?limit=1", ""].map(|query| format!("/api/collections/{id}{query}"))).collect()
        }
        "/collections/{id}" => [collection, shelf].iter().map(|id| format!("/collections/{id}")).collect(),

        "/api/feeds/global" => {
            with(&["?limit=1", "?limit=100", "?limit=1&actorId=did:plc:owner", "?limit=1&actorId=did:plc:collaborator"])
        }
        STREAM => with(&[""]),
        "/api/search" | "/search" => {
            let queries = WORDS.iter().flat_map(|word| [format!("?q={word}"), format!("?q={word}&mine=true")]);
            let parts = ["?q=mistakab", "?q=ffron", "?q=page&type=article", "?q=example&limit=1"];
            let pasted = [format!("?q={URL}"), format!("?q={URL}&mine=true")];
            let more = parts.iter().map(ToString::to_string).chain(pasted);
            let pages = |query: &String| path == "/api/search" || !query.contains("limit");
            queries.chain(more).filter(pages).map(|query| format!("{path}{query}")).collect()
        }
        "/api/search/people" | "/api/search/collections" => {
            WORDS.iter().chain(["owner", "shelf"].iter()).map(|word| format!("{path}?q={word}")).collect()
        }
        "/api/analytics/summary" | "/trends" => with(&["", "?days=1", "?days=366"]),
        "/api/analytics/top-urls" | "/api/analytics/top-domains" => with(&["", "?days=366&limit=100", "?limit=1"]),

        "/api/users/me/invitations" | "/api/users/me/blocks" => with(&["?limit=1", ""]),
        "/api/users/me" | "/api/users/me/sessions" | "/api/users/me/tokens" => with(&[""]),
        "/account" | "/account/password" | "/account/sessions" | "/account/tokens" | "/account/delete" => with(&[""]),
        "/account/atproto" | "/api/users/me/atproto" => with(&[""]),

        "/api/admin/queues" | "/admin" | "/admin/people" => with(&[""]),
        "/api/admin/search/rebuild" => with(&[""]),
        "/api/admin/sagas" | "/api/admin/audit" => with(&["?limit=1", ""]),
        "/admin/windows" | "/admin/actions" => with(&[""]),
        "/admin/workers" => with(&[""]),
        "/admin/records" => with(&["", "?state=ended"]),
        "/admin/find" => with(&[
            "",
            &format!("?q={URL}"),
            &format!("?q={SHARED}"),
            "?q=did:plc:owner",
            "?q=owner",
            &format!("?q={card}"),
            &format!("?q={collection}"),
            &format!("?q={dead}"),
        ]),
        "/admin/saves/{event}" => vec![format!("/admin/saves/{dead}")],
        "/admin/cards" => with(&["", &format!("?card={card}")]),
        "/api/admin/queues/{queue}/history" | "/admin/queues/{queue}" => of_queues(&["".into(), "?minutes=60".into()]),
        "/api/admin/queues/{queue}/failures" | "/admin/queues/{queue}/failures" => of_queues(&["".into()]),
        "/api/admin/queues/{queue}/rejected" => of_queues(&["?limit=1".into()]),
        "/admin/rejected" | "/admin/replays" | "/api/admin/replays" => with(&[""]),
        "/api/admin/replays/count" => with(&["?queue=feeds&from=2026-01-01&until=2027-01-01"]),
        "/api/admin/queues/{queue}/dead" => {
            of_queues(&["?limit=1".into(), format!("?text={card}"), format!("?text={}", NAME.to_lowercase())])
        }
        "/api/admin/queues/{queue}/dead/count" | "/admin/queues/{queue}/dead" => {
            of_queues(&["".into(), format!("?text={card}"), "?text=unmistakable".into()])
        }
        "/api/admin/queues/{queue}/dead/{id}" | "/admin/queues/{queue}/dead/{id}" => {
            of_queues(&["".into()]).into_iter().map(|path| path.replace("{id}", dead)).collect()
        }
        _ => return None,
    })
}
