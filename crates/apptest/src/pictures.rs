//! Pages with pictures, as if they had been fetched.

use std::time::Duration;

use cardwire_domain::fetch_room::FetchRoom;
use cardwire_domain::metadata::{FetchPolicy, Metadata, PageRepository as _};
use cardwire_domain::pictures::{Fetched, Picture, PictureKind, PictureRepository as _, PicturesFetched};

use crate::harness::Api;

/// What every cover is.
pub const COVER: &[u8] = b"a cover";
pub const ICON: &[u8] = b"an icon";

/// Every page that is due is read, and gets a cover and an icon.
pub async fn illustrate(api: &Api) {
    let policy = FetchPolicy::default();
    let room = FetchRoom { per_host: 100, ..FetchRoom::idle(100) };
    for job in api.store.lease_fetches(&room, &policy).await.unwrap() {
        let read = Metadata {
            title: Some("Illustrated".into()),
            image: Some("https://cdn.example/cover.jpg".into()),
            icon: Some("https://cdn.example/icon.png".into()),
            ..Metadata::default()
        };
        assert!(api.store.finish_fetch(&job, &Ok(read), &policy).await.unwrap());
    }
    let room = FetchRoom { per_host: 100, ..FetchRoom::idle(100) };
    let jobs = api.store.lease_pictures(&room, Duration::from_secs(60)).await.unwrap();
    assert!(!jobs.is_empty());
    for job in jobs {
        let picture = |kind, (width, height), bytes: &[u8]| {
            Fetched::Picture(Picture { kind, width, height, bytes: bytes.to_vec() })
        };
        let outcome = PicturesFetched {
            cover: picture(PictureKind::Jpeg, (640, 336), COVER),
            icon: picture(PictureKind::Png, (32, 32), ICON),
            again: None,
        };
        assert!(api.store.finish_pictures(&job, &outcome).await.unwrap());
    }
}
