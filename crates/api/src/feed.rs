//! The global feed: who collected what.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_domain::feed::FeedItem;
use cardwire_domain::{ActivityId, UserId};
use cardwire_http::caller::Reader;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::dto::{CardBody, CollectionNameBody, PageBody, UserBody};
use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(global))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/feeds/global").get(global).register(config);
}

/// Somebody collected a card.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = FeedItem)]
pub struct FeedItemBody {
    #[schema(value_type = String)]
    id: ActivityId,
    #[schema(example = "CARD_COLLECTED")]
    r#type: &'static str,
    actor: UserBody,
    card: CardBody,
    /// The public collections that the card is still in.
    collections: Vec<CollectionNameBody>,
    /// Never changes.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

impl From<FeedItem> for FeedItemBody {
    fn from(item: FeedItem) -> Self {
        Self {
            id: item.id,
            r#type: "CARD_COLLECTED",
            actor: item.actor.into(),
            card: item.card.into(),
            collections: item.collections.into_iter().map(Into::into).collect(),
            created_at: item.created_at,
        }
    }
}

/// An activity as the live feed sends it.
pub fn to_json(item: FeedItem) -> serde_json::Result<String> {
    serde_json::to_string(&FeedItemBody::from(item))
}

/// What everybody, or one person, collected; newest first.
#[utoipa::path(
    operation_id = "getGlobalFeed",
    get, path = "/api/feeds/global", tag = "feed", security((), ("bearer" = [])),
    params(
        ("actorId" = Option<String>, Query, description = "Only what this person collected", example = "did:plc:alice"),
        ("limit" = Option<u8>, Query), ("cursor" = Option<String>, Query),
    ),
    responses((status = 200, body = PageBody<FeedItemBody>))
)]
pub async fn global(state: Data<AppState>, _: Reader, mut params: Params) -> Result<HttpResponse, Problem> {
    let actor = params
        .text("actorId")
        .map(|id| UserId::parse(&id).map_err(|_| Problem::invalid("actorId", "Use a DID such as did:plc:alice.")));
    let actor = actor.transpose()?;
    let list = List::by_time(&["feed", actor.as_ref().map_or("", UserId::as_str)]);
    let page = params.page(&list)?;
    let page = state.feed.feed(actor.as_ref(), &page).await?;
    Ok(HttpResponse::Ok().json(PageBody::<FeedItemBody>::of(page, &list)))
}
