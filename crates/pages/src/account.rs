//! One's own page.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::membership::Block;
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::origin;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::shown::{next, part};
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/account").get(account).register(config);
}

#[derive(Template)]
#[template(path = "account.html")]
struct AccountPage {
    chrome: Chrome,
    handle: String,
    id: String,
    bookmarklet: String,
    blocked: Vec<Block>,
    older: Option<String>,
}

async fn account(
    state: Data<AppState>,
    request: HttpRequest,
    visit: Visit,
    mut params: Params,
) -> Result<HttpResponse, Problem> {
    let user = visit.caller()?.0.user;
    // Its ties are broken by DIDs.
    let list = List::by_rank(&["blocks", user.id.as_str()]);
    let blocked = state.collections.blocked_by(&user.id, &part(&mut params, &list)?).await?;
    let origin = origin::base(&request).unwrap_or_default();
    visit.page(&AccountPage {
        chrome: visit.chrome(Section::Account),
        handle: user.handle,
        id: user.id.to_string(),
        bookmarklet: bookmarklet(&origin),
        older: next(&blocked, &list, "/account"),
        blocked: blocked.items,
    })
}

/// Opens the save box for the page it is used on. It runs there, not here.
fn bookmarklet(origin: &str) -> String {
    // Only what an origin consists of: this becomes a script.
    let origin: String = origin.chars().filter(|c| c.is_ascii_alphanumeric() || "-.:/[]_".contains(*c)).collect();
    format!(
        "javascript:(()=>{{const e=encodeURIComponent;window.open('{origin}/save?url='+e(location.href)+'&note='+\
         e(String(getSelection()).slice(0,1000)),'_blank','noopener,width=640,height=640')}})()"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_cannot_write_into_the_bookmarklet() {
        let script = bookmarklet("https://a.example'+alert(1)+'");
        assert!(script.contains("'https://a.examplealert1/save?url='"), "{script}");
    }
}
