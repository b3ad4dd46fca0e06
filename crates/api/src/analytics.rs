//! What is trending.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use cardwire_domain::analytics::{DayCounts, TopDomain, TopUrl, WeekCounts};
use cardwire_domain::metadata::PageKind;
use cardwire_http::caller::Reader;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;
use jiff::civil::Date;
use serde::Serialize;
use utoipa::{OpenApi, ToSchema};

use crate::dto::PageBody;
use crate::resource::Resource;

pub const MAX_DAYS: u16 = 366;
const DEFAULT_DAYS: u16 = 7;
const SHOWN_WEEKS: u16 = 4;
const SHOWN_DOMAINS: usize = 10;

pub const RESOURCE: Resource = Resource { configure, document: Document::openapi };

#[derive(OpenApi)]
#[openapi(paths(summary, top_urls, top_domains))]
struct Document;

fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/api/analytics/summary").get(summary).register(config);
    Endpoint::at("/api/analytics/top-urls").get(top_urls).register(config);
    Endpoint::at("/api/analytics/top-domains").get(top_domains).register(config);
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
    /// Cards that were saved for the first time.
    new_cards: u64,
}

impl From<DayCounts> for DayBody {
    fn from(counts: DayCounts) -> Self {
        let DayCounts { day, saves, active_curators, new_cards } = counts;
        Self { day, saves, active_curators, new_cards }
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Oldest first, up to today, days without saves included.
    days: Vec<DayBody>,
    totals: Totals,
    /// Saves of the same days by page type, as known now; most saved first.
    by_type: Vec<TypeBody>,
    /// Up to ten for the same days; most saved first.
    by_domain: Vec<TopDomainBody>,
    trend: Trend,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct TypeBody {
    /// Null: not known (yet).
    #[schema(value_type = Option<String>, example = "article")]
    r#type: Option<&'static str>,
    saves: u64,
}

/// Seven UTC days in a row.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct WeekBody {
    #[schema(value_type = String, format = Date)]
    first_day: Date,
    saves: u64,
    /// Different people who saved on any of the days.
    active_curators: u64,
    new_cards: u64,
}

impl From<WeekCounts> for WeekBody {
    fn from(counts: WeekCounts) -> Self {
        let WeekCounts { first_day, saves, active_curators, new_cards } = counts;
        Self { first_day, saves, active_curators, new_cards }
    }
}

/// The seven days up to today compared with the seven before.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Trend {
    /// The last four periods of seven days, oldest first.
    weeks: Vec<WeekBody>,
    /// 0.5: 50% more. Null if there was nothing before.
    saves_change: Option<f64>,
    active_curators_change: Option<f64>,
}

impl Trend {
    fn of(weeks: Vec<WeekCounts>) -> Self {
        let change = |count: fn(&WeekCounts) -> u64| match weeks.as_slice() {
            [.., before, now] if count(before) > 0 => Some(count(now) as f64 / count(before) as f64 - 1.0),
            _ => None,
        };
        let (saves_change, active_curators_change) = (change(|w| w.saves), change(|w| w.active_curators));
        Self { weeks: weeks.into_iter().map(Into::into).collect(), saves_change, active_curators_change }
    }
}

/// Over all the days. Somebody who is active on two days counts once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Totals {
    saves: u64,
    new_cards: u64,
}

/// Saves and active people by UTC day.
#[utoipa::path(
    operation_id = "getAnalyticsSummary",
    get, path = "/api/analytics/summary", tag = "analytics", security((), ("bearer" = [])),
    params(("days" = Option<u16>, Query, description = "7 by default")),
    responses((status = 200, body = Summary))
)]
pub async fn summary(state: Data<AppState>, _: Reader, mut params: Params) -> Result<HttpResponse, Problem> {
    let days = days(&mut params)?;
    params.finish()?;
    let by_kind = state.analytics.by_kind(days).await?;
    let by_type =
        by_kind.into_iter().map(|c| TypeBody { r#type: c.kind.map(PageKind::name), saves: c.saves }).collect();
    let by_domain = state.analytics.top_domains(days, SHOWN_DOMAINS).await?.into_iter().map(Into::into).collect();
    let trend = Trend::of(state.analytics.weeks(SHOWN_WEEKS).await?);
    let days: Vec<DayBody> = state.analytics.summary(days).await?.into_iter().map(Into::into).collect();
    let totals =
        Totals { saves: days.iter().map(|day| day.saves).sum(), new_cards: days.iter().map(|day| day.new_cards).sum() };
    Ok(HttpResponse::Ok().json(Summary { days, totals, by_type, by_domain, trend }))
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopUrl)]
pub struct TopUrlBody {
    #[schema(example = "https://example.com/page")]
    url: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
    saves: u64,
}

impl From<TopUrl> for TopUrlBody {
    fn from(top: TopUrl) -> Self {
        Self { url: top.url, title: top.title, saves: top.saves }
    }
}

/// The most saved URLs; only one page.
#[utoipa::path(
    operation_id = "listTopUrls",
    get, path = "/api/analytics/top-urls", tag = "analytics", security((), ("bearer" = [])),
    params(
        ("days" = Option<u16>, Query, description = "7 by default"),
        ("limit" = Option<u8>, Query),
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

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TopDomain)]
pub struct TopDomainBody {
    #[schema(example = "example.com")]
    domain: String,
    saves: u64,
}

impl From<TopDomain> for TopDomainBody {
    fn from(top: TopDomain) -> Self {
        Self { domain: top.domain, saves: top.saves }
    }
}

/// The most saved domains; only one page.
#[utoipa::path(
    operation_id = "listTopDomains",
    get, path = "/api/analytics/top-domains", tag = "analytics", security((), ("bearer" = [])),
    params(
        ("days" = Option<u16>, Query, description = "7 by default"),
        ("limit" = Option<u8>, Query),
    ),
    responses((status = 200, body = PageBody<TopDomainBody>))
)]
pub async fn top_domains(state: Data<AppState>, _: Reader, mut params: Params) -> Result<HttpResponse, Problem> {
    let days = days(&mut params)?;
    let limit = params.limit()?;
    params.finish()?;
    let items = state.analytics.top_domains(days, limit.get()).await?.into_iter().map(Into::into).collect();
    Ok(HttpResponse::Ok().json(PageBody::<TopDomainBody> { items, next_cursor: None }))
}

fn days(params: &mut Params) -> Result<u16, Problem> {
    let days = params.number("days", 1..=u64::from(MAX_DAYS))?;
    Ok(days.and_then(|days| u16::try_from(days).ok()).unwrap_or(DEFAULT_DAYS))
}
