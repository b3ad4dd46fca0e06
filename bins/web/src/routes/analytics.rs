//! What is trending.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_domain::analytics::{DayCounts, TopUrl};
use jiff::civil::Date;
use serde::Serialize;
use utoipa::ToSchema;

use super::dto::PageBody;
use crate::auth::Reader;
use crate::endpoint::Endpoint;
use crate::problem::Problem;
use crate::query::Params;
use crate::state::AppState;

const MAX_DAYS: u16 = 366;
const DEFAULT_DAYS: u16 = 7;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/analytics/summary").get(summary).register(config);
    Endpoint::at("/api/analytics/top-urls").get(top_urls).register(config);
}

/// One UTC day.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = DayCounts)]
pub struct DayBody {
    #[schema(value_type = String, format = Date)]
    day: Date,
    saves: u64,
    /// Different people who saved.
    active_curators: u64,
}

impl From<DayCounts> for DayBody {
    fn from(counts: DayCounts) -> Self {
        Self { day: counts.day, saves: counts.saves, active_curators: counts.active_curators }
    }
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Summary {
    /// Oldest first, up to today, days without saves included.
    days: Vec<DayBody>,
    totals: Totals,
}

/// Over all the days. People are not added up: who is active on two days is one person.
#[derive(Debug, Serialize, ToSchema)]
pub struct Totals {
    saves: u64,
}

/// Saves and active people by UTC day.
#[utoipa::path(
    get, path = "/api/analytics/summary", tag = "analytics", security((), ("bearer" = [])),
    params(("days" = Option<u16>, Query, minimum = 1, maximum = 366, description = "7 unless told")),
    responses((status = 200, body = Summary))
)]
pub async fn summary(state: Data<AppState>, _: Reader, mut params: Params) -> Result<HttpResponse, Problem> {
    let days = days(&mut params)?;
    params.finish()?;
    let days: Vec<DayBody> = state.analytics.summary(days).await?.into_iter().map(Into::into).collect();
    let totals = Totals { saves: days.iter().map(|day| day.saves).sum() };
    Ok(HttpResponse::Ok().json(Summary { days, totals }))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopUrl)]
pub struct TopUrlBody {
    #[schema(example = "https://example.com/page")]
    url: String,
    saves: u64,
}

impl From<TopUrl> for TopUrlBody {
    fn from(top: TopUrl) -> Self {
        Self { url: top.url, saves: top.saves }
    }
}

/// The URLs that most cards were saved of; only one page.
#[utoipa::path(
    get, path = "/api/analytics/top-urls", tag = "analytics", security((), ("bearer" = [])),
    params(
        ("days" = Option<u16>, Query, minimum = 1, maximum = 366, description = "7 unless told"),
        ("limit" = Option<u8>, Query, minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = PageBody<TopUrlBody>))
)]
pub async fn top_urls(state: Data<AppState>, _: Reader, mut params: Params) -> Result<HttpResponse, Problem> {
    let days = days(&mut params)?;
    let limit = params.limit()?;
    params.finish()?;
    let items = state.analytics.top_urls(days, limit.get()).await?.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(PageBody::<TopUrlBody> { items, next_cursor: None }))
}

fn days(params: &mut Params) -> Result<u16, Problem> {
    let days = params.number("days", 1..=u64::from(MAX_DAYS))?;
    Ok(days.and_then(|days| u16::try_from(days).ok()).unwrap_or(DEFAULT_DAYS))
}
