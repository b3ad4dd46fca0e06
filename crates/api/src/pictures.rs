//! Covers and icons of pages, for people who can see a card of the page.

use actix_web::http::header::{self, EntityTag, Header as _, IfNoneMatch};
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use cardwire_domain::pictures::PictureHash;
use cardwire_http::caller::{admit, recognise};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::{NOT_FOUND, Problem};
use cardwire_http::query::NoParams;
use cardwire_http::state::AppState;
use utoipa::OpenApi;

use crate::resource::Resource;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

/// A picture never changes, but a shared cache must not keep it: its card can be made private.
const CACHED: &str = "private, max-age=31536000, immutable";

#[derive(OpenApi)]
#[openapi(paths(picture))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/pictures/{hash}").get(picture).register(config);
}

/// A cover or an icon, at the address that a card's `cover.url` or `icon.url` gives: a JPEG or PNG of at most 60 KiB.
/// 404 unless you can see a card of its page.
#[utoipa::path(
    operation_id = "getPicture",
    get, path = "/pictures/{hash}", tag = "library", params(("hash" = String, Path)), security((), ("bearer" = [])),
    responses(
        (status = 200, description = "The picture", body = Vec<u8>, content_type = "image/*"),
        (status = 304, description = "You have it"),
    )
)]
pub async fn picture(
    state: Data<AppState>,
    request: HttpRequest,
    _: NoParams,
    hash: Path<String>,
) -> Result<HttpResponse, Problem> {
    let reader = recognise(&request).await?;
    let found = match hash.parse::<PictureHash>() {
        Ok(hash) => state.pictures.picture(hash, reader.as_ref().map(|reader| &reader.user.id)).await?,
        Err(_) => None,
    };
    let Some(picture) = found else {
        // A page's many pictures do not count as reads. Trying many addresses does.
        if reader.is_none() {
            admit(&request)?;
        }
        return Err(Problem::new(&NOT_FOUND, "There is no such picture, or you cannot see its page."));
    };
    let tag = EntityTag::new_strong(hash.into_inner());
    let has_it = match IfNoneMatch::parse(&request) {
        Ok(IfNoneMatch::Any) => true,
        Ok(IfNoneMatch::Items(tags)) => tags.iter().any(|known| known.weak_eq(&tag)),
        Err(_) => false,
    };
    let mut response = if has_it { HttpResponse::NotModified() } else { HttpResponse::Ok() };
    response.insert_header((header::CACHE_CONTROL, CACHED)).insert_header(header::ETag(tag));
    if has_it {
        return Ok(response.finish());
    }
    Ok(response.content_type(picture.kind.content_type()).body(picture.bytes))
}
