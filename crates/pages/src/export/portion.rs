//! Reading what is exported, so much at once.

use cardwire_domain::exports::ExportedCard;
use cardwire_domain::{CollectionId, Limit, Page, PageRequest, Position, UserId};
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

/// Cards behind this position: all, or those in these collections.
pub(super) async fn portion(
    state: &AppState,
    owner: &UserId,
    collections: Option<&[CollectionId]>,
    after: Option<Position>,
) -> Result<Page<ExportedCard>, Problem> {
    let request = PageRequest { limit: Limit::new(u64::from(Limit::MAX))?, after };
    Ok(state.library.exported(owner, collections, &request).await?)
}
