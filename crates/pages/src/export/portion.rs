//! Reading what is exported, so much at once.

use cardwire_domain::exports::ExportedCard;
use cardwire_domain::{Limit, Page, PageRequest, Position, UserId};
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

/// Cards behind this position: all, or those in a collection of this name.
pub(super) async fn portion(
    state: &AppState,
    owner: &UserId,
    collection: Option<&str>,
    after: Option<Position>,
) -> Result<Page<ExportedCard>, Problem> {
    let request = PageRequest { limit: Limit::new(u64::from(Limit::MAX))?, after };
    Ok(state.library.exported(owner, collection, &request).await?)
}
