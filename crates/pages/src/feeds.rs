//! Atom feeds of everything that everybody sees, of a person and of a collection. They are the same for everybody, whoever asks.

use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::{CollectionId, Limit, PageRequest};
use cardwire_http::caller::Reader;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;
use jiff::Timestamp;

use crate::atom::{ENTRIES, Entry, Feed, FeedId, urn};
use crate::links;
use crate::person;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/feed.atom").get(everything).register(config);
    Endpoint::at("/@{handle}/feed.atom").get(of_person).register(config);
    Endpoint::at("/collections/{id}/feed.atom").get(of_collection).register(config);
}

fn newest() -> Result<PageRequest, Problem> {
    Ok(PageRequest { limit: Limit::new(ENTRIES)?, after: None })
}

async fn everything(state: Data<AppState>, request: HttpRequest, _: Reader) -> Result<HttpResponse, Problem> {
    let page = state.feed.feed(None, &newest()?).await?;
    let entries = page.items.into_iter().map(|item| Entry {
        collections: item.collections.into_iter().map(|collection| collection.name).collect(),
        ..Entry::of(item.id.ulid().0, item.card, item.actor, item.created_at)
    });
    let feed = Feed {
        id: FeedId::Everything,
        title: "Cardwire".to_owned(),
        subtitle: "What everyone saved".to_owned(),
        path: "/feed.atom".to_owned(),
        page: "/".to_owned(),
        author: None,
        since: Timestamp::UNIX_EPOCH,
        entries: entries.collect(),
    };
    feed.answer(&request)
}

async fn of_person(
    state: Data<AppState>,
    request: HttpRequest,
    _: Reader,
    name: Path<String>,
) -> Result<HttpResponse, Problem> {
    let person::Shown { user, bio, since, .. } = person::find(&state, &name).await?;
    let page = state.public.cards_of(&user.id, &newest()?).await?;
    let entries = page.items.into_iter().map(|saved| Entry {
        summary: saved.description,
        collections: saved.collections.into_iter().map(|collection| collection.name).collect(),
        ..Entry::of(saved.card.id.ulid().0, saved.card, saved.owner, saved.added_at)
    });
    let path = links::person(&user.handle);
    let feed = Feed {
        id: FeedId::Whole(user.id.to_string()),
        title: format!("Links that {} saved", user.handle),
        subtitle: bio.unwrap_or_default(),
        path: format!("{path}/feed.atom"),
        page: path,
        entries: entries.collect(),
        author: Some(user),
        since,
    };
    feed.answer(&request)
}

async fn of_collection(
    state: Data<AppState>,
    request: HttpRequest,
    _: Reader,
    id: Path<String>,
) -> Result<HttpResponse, Problem> {
    let id: CollectionId = id.parse()?;
    let collection = state.collections.collection(id, None).await?;
    let page = state.collections.cards_in(id, None, &newest()?).await?;
    let entries =
        page.items.into_iter().map(|one| Entry::of(one.card.id.ulid().0, one.card, one.added_by, one.added_at));
    let feed = Feed {
        id: FeedId::Whole(urn(id.ulid().0)),
        title: collection.name,
        subtitle: collection.description,
        path: format!("/collections/{id}/feed.atom"),
        page: format!("/collections/{id}"),
        author: Some(collection.author),
        since: collection.created_at,
        entries: entries.collect(),
    };
    feed.answer(&request)
}
