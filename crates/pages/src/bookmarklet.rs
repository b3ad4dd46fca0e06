//! Saving from any page by a bookmark: a small window with the save page, which closes itself once the link is saved.

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::fields::Fields;
use crate::links::with_parameter;
use crate::visit::{Chrome, Section, Visit};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/saved").get(saved).register(config);
    Endpoint::at("/save-from-anywhere").get(anywhere).register(config);
}

/// The field and the parameter that say that the save page is in a small window.
const WINDOW: &str = "window";

/// What the save page keeps in its form while it is in such a window.
pub fn is_small(params: &mut Params) -> bool {
    params.text(WINDOW).as_deref() == Some("small")
}

/// Whether a form was sent from such a window.
pub fn is_sent_from_small(fields: &Fields) -> bool {
    fields.text(WINDOW) == "small"
}

/// Where a form that was sent from such a window leads once the card is saved.
pub fn after_saving(fields: &Fields, card: &str) -> Option<String> {
    is_sent_from_small(fields).then(|| with_parameter("/saved", "card", card))
}

/// Opens the save page for the page it is used on. It runs there, not here.
pub fn script(origin: &str) -> String {
    // Only what an origin consists of: this becomes a script.
    let origin: String = origin.chars().filter(|c| c.is_ascii_alphanumeric() || "-.:/[]_".contains(*c)).collect();
    format!(
        "javascript:(()=>{{const e=encodeURIComponent;window.open('{origin}/save?url='+e(location.href)+'&{WINDOW}=small&note='+\
         e(String(getSelection()).slice(0,1000)),'_blank','noopener,width=640,height=640')}})()"
    )
}

#[derive(Template)]
#[template(path = "saved.html")]
struct SavedPage {
    chrome: Chrome,
    title: String,
    card: String,
}

/// Says so, and closes the window where that is possible.
async fn saved(state: Data<AppState>, visit: Visit, mut params: Params) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let id = params.text("card").unwrap_or_default().parse()?;
    let kept = state.library.library_card(id, Some(caller.id())).await?;
    let title = kept.card.title.unwrap_or_else(|| crate::shown::without_scheme(&kept.card.url).to_owned());
    visit.page(&SavedPage { chrome: visit.chrome(Section::Library), title, card: id.to_string() })
}

#[derive(Template)]
#[template(path = "anywhere.html")]
struct AnywherePage {
    chrome: Chrome,
    bookmarklet: String,
    base: String,
}

/// This and the other ways to save from elsewhere.
async fn anywhere(visit: Visit) -> Result<HttpResponse, Problem> {
    let base = visit.base().unwrap_or_default().to_owned();
    visit.page(&AnywherePage { chrome: visit.chrome(Section::Other), bookmarklet: script(&base), base })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_cannot_write_into_the_bookmarklet() {
        let script = script("https://a.example'+alert(1)+'");
        assert!(script.contains("'https://a.examplealert1/save?url='"), "{script}");
    }
}
