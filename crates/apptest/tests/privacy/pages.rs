//! What is fetched for a private card is nobody else's page.

use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchPolicy, Metadata, PageRepository as _};
use serde_json::json;

use crate::scene::{Reader, URL};
use crate::world::{Body, World};

/// What the page says, where it is fetched.
const TITLE: &str = "Marmalade";

#[tokio::test(start_paused = true)]
async fn saving_a_link_does_not_reveal_that_somebody_keeps_it_privately() {
    let mut told = Vec::new();
    for is_kept in [true, false] {
        let world = World::new().await;
        let save = |visibility: &str| Body::Json(json!({ "url": URL, "visibility": visibility }));
        if is_kept {
            world.ask(Reader::Owner, "POST", "/api/cards/library/urls", &save("PRIVATE")).await.json();
            world.api.deliver().await;
            let jobs = world.api.store.lease_fetches(&FetchRoom::idle(1), &FetchPolicy::default()).await.unwrap();
            let page = Metadata { title: Some(TITLE.to_owned()), ..Metadata::default() };
            assert!(world.api.store.finish_fetch(&jobs[0], &Ok(page), &FetchPolicy::default()).await.unwrap());
        }
        world.ask(Reader::Stranger, "POST", "/api/cards/library/urls", &save("PUBLIC")).await.json();
        world.api.deliver().await;
        let cards = world.get(Reader::Stranger, "/api/cards/my").await.json();
        let found = world.get(Reader::Stranger, &format!("/api/search?q={TITLE}")).await.json();
        told.push((cards["items"][0]["title"].clone(), cards["items"][0]["metadata"].clone(), found["items"].clone()));
    }
    assert_eq!(told[0], told[1], "the page is known already, so somebody keeps the link");
}
