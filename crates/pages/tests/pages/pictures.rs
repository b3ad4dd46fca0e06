//! Covers, icons and the tiles in their place; lists as rows or as a grid.

use cardwire_apptest::browser::Browser;
use cardwire_apptest::harness::Api;
use cardwire_apptest::pictures::{COVER, illustrate};

#[tokio::test(start_paused = true)]
async fn cards_have_pictures_or_a_tile_with_a_letter() {
    let api = Api::new();
    api.save("alice", "https://www.example.com/a", &[]).await;
    api.deliver().await;
    let mut alice = Browser::of(&api, "alice");
    alice.open("/library").await;
    assert!(alice.all(".items img").is_empty());
    let tile = alice.one(".items .icon.tile");
    assert_eq!((tile.attr("data-letter"), tile.attr("aria-hidden")), (Some("E"), Some("true")));
    assert!(alice.one(".items .cover.tile").attr("class").unwrap().contains(" tile-"));

    illustrate(&api).await;
    alice.open("/library").await;
    assert!(alice.all(".items .tile").is_empty());
    for (selector, width, height) in [(".items img.cover", "640", "336"), (".items img.icon", "16", "16")] {
        let image = alice.one(selector);
        assert_eq!((image.attr("width"), image.attr("height")), (Some(width), Some(height)), "{selector}");
        assert_eq!((image.attr("alt"), image.attr("loading")), (Some(""), Some("lazy")), "{selector}");
        assert!(image.attr("src").unwrap().starts_with("/pictures/"));
    }
    let src = alice.one(".items img.cover").attr("src").unwrap().to_owned();
    assert_eq!(alice.get(&src).await.body, COVER);
    alice.open("/search?q=illustrated").await;
    assert_eq!(alice.one(".items img.cover").attr("src"), Some(src.as_str()));
}

#[tokio::test(start_paused = true)]
async fn the_feed_and_the_pages_of_people_draw_pictures_as_a_library_does() {
    let api = Api::new();
    let card = api.save("alice", "https://www.example.com/a", &[]).await;
    api.deliver().await;
    let mut reader = Browser::of(&api, "bob");
    let places = [("/", "#feed"), ("/@alice", "ol.items")];
    for (path, list) in places {
        reader.open(path).await;
        assert!(reader.all(&format!("{list} img")).is_empty(), "{path}");
        assert_eq!(reader.one(&format!("{list} .icon.tile")).attr("data-letter"), Some("E"), "{path}");
    }
    illustrate(&api).await;
    for (path, list) in places {
        reader.open(path).await;
        assert!(reader.all(&format!("{list} .tile")).is_empty(), "{path}");
        assert_eq!(reader.all(&format!("{list} img.icon")).len(), 1, "{path}");
        let src = reader.one(&format!("{list} img.cover")).attr("src").unwrap().to_owned();
        assert_eq!(reader.get(&src).await.body, COVER, "{path}");
    }
    let body = reader.get(&format!("/cards/{card}/body?look=1")).await;
    assert!(
        String::from_utf8_lossy(&body.body).contains("<img class=\"cover\""),
        "the feed learns of pictures when it looks again"
    );
}

#[tokio::test(start_paused = true)]
async fn a_library_and_collections_are_drawn_as_they_were_last_chosen() {
    let api = Api::new();
    let shelf = api.collection("alice", "Shelf").await;
    api.save("alice", "https://example.com/a", &[&shelf]).await;
    let mut alice = Browser::of(&api, "alice");
    let collection = format!("/collections/{shelf}");
    alice.open("/library?q=example").await;
    assert!(alice.all(".items.grid").is_empty());
    assert_eq!(alice.text(".views a[aria-current]"), "List");
    let grid = alice.all(".views a").into_iter().find(|link| link.attr("aria-current").is_none());
    let grid = grid.and_then(|link| link.attr("href")).unwrap().to_owned();
    assert_eq!(grid, "/library?q=example&view=grid");
    alice.open(&grid).await;
    assert_eq!(alice.text(".views a[aria-current]"), "Grid");
    for path in ["/library", &collection, "/library?view=nonsense"] {
        alice.open(path).await;
        assert_eq!(alice.all(".items.grid").len(), 1, "{path}");
    }
    alice.open(&format!("{collection}?view=list")).await;
    for path in [&collection, "/library"] {
        alice.open(path).await;
        assert!(alice.all(".items.grid").is_empty(), "{path}");
    }
    // Somebody else's browser has its own.
    let mut bob = Browser::of(&api, "bob");
    bob.open(&format!("{collection}?view=grid")).await;
    assert_eq!(bob.all(".items.grid").len(), 1);
    alice.open(&collection).await;
    assert!(alice.all(".items.grid").is_empty());
    // Nothing of it gets into the page or the cookie but the two words.
    alice.open("/library?view=%3Cscript%3E").await;
    assert!(!alice.page.html().contains("<script>"), "it is a word that is not known");
    assert_eq!(alice.cookies.get("__Host-view").map(String::as_str), Some("list"));
}
