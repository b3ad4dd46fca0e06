//! A list of cards as rows, or as a grid of pictures: as the reader last chose, which their browser remembers.

use actix_web::HttpResponse;
use actix_web::cookie::Cookie;
use cardwire_http::query::Params;
use cardwire_http::session::Jar;

use crate::links::with_parameter;
use crate::visit::Visit;

const GRID: &str = "grid";
const LIST: &str = "list";

/// How a list is drawn.
#[derive(Debug, Default)]
pub struct View {
    pub is_grid: bool,
    /// Where it is drawn the one way and the other.
    pub list: String,
    pub grid: String,
    chosen: Option<Cookie<'static>>,
}

impl View {
    /// As the parameter `view` says, or else as it was the last time. `path` is that of the list, with its other parameters.
    pub fn of(visit: &Visit, params: &mut Params, path: &str) -> Self {
        let asked = params.text("view").filter(|asked| asked == GRID || asked == LIST);
        let before = Self::last_drawn(visit, path);
        let Some(asked) = asked else { return before };
        let chosen = Some(Jar::View.write_at(visit.is_local(), &asked));
        Self { is_grid: asked == GRID, chosen, ..before }
    }

    /// As it was the last time.
    pub fn last_drawn(visit: &Visit, path: &str) -> Self {
        Self {
            is_grid: visit.last_view() == GRID,
            list: with_parameter(path, "view", LIST),
            grid: with_parameter(path, "view", GRID),
            chosen: None,
        }
    }

    /// The page that shows the list, which has the browser remember what was chosen.
    pub fn remember(self, mut page: HttpResponse) -> HttpResponse {
        if let Some(cookie) = self.chosen
            && page.add_cookie(&cookie).is_err()
        {
            tracing::warn!("a cookie could not be written");
        }
        page
    }
}
