//! Collections that are named in a form that is about something else: those of the person, or new ones.

use actix_web::HttpRequest;
use cardwire_domain::collection::AccessType;
use cardwire_domain::feed::CollectionName;
use cardwire_domain::use_cases::CreateCollection;
use cardwire_domain::{Limit, PageRequest, Visibility};
use cardwire_http::caller::Caller;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

use crate::fields::Fields;

/// The field with the name.
pub const FIELD: &str = "new-collection";
/// So many of a person's collections are looked through for one of the same name.
const LOOKED_THROUGH: usize = 5_000;

/// The person's own collection of this name, in any case.
pub async fn namesake(state: &AppState, caller: &Caller, name: &str) -> Result<Option<CollectionName>, Problem> {
    let wanted = name.trim().to_lowercase();
    let mut request = PageRequest { limit: Limit::new(u64::from(Limit::MAX))?, after: None };
    let mut looked = 0;
    loop {
        let page = state.collections.collections_of(caller.id(), &request).await?;
        looked += page.items.len();
        for one in page.items {
            // Their own come before those of others.
            if one.author.id != *caller.id() {
                return Ok(None);
            }
            if one.name.to_lowercase() == wanted {
                return Ok(Some(CollectionName { id: one.id, name: one.name, visibility: one.visibility }));
            }
        }
        request.after = page.next;
        if request.after.is_none() || looked >= LOOKED_THROUGH {
            return Ok(None);
        }
    }
}

/// The collections that a form has chosen, with the one that it names. That one is created unless the person has one of this name, so sending the
/// form again creates no second one.
pub async fn chosen(
    state: &AppState,
    request: &HttpRequest,
    caller: &Caller,
    fields: &Fields,
    visibility: Visibility,
) -> Result<Vec<String>, Problem> {
    let mut chosen = fields.all("collection");
    chosen.retain(|id| !id.is_empty());
    let Some(name) = fields.given(FIELD) else { return Ok(chosen) };
    let id = match namesake(state, caller, name).await? {
        Some(known) => known.id.to_string(),
        None => {
            let (name, access) = (name.to_owned(), AccessType::Closed);
            let command = CreateCollection { name, description: None, access, visibility };
            state.execute(request, caller, None, &command).await?.id.to_string()
        }
    };
    if !chosen.contains(&id) {
        chosen.push(id);
    }
    Ok(chosen)
}

/// What is wrong with the name, beside its field. Anything else is given back.
pub fn complaint(problem: Problem) -> Problem {
    let rule = problem.broken_rule().filter(|(field, _)| *field == "name").map(|(_, rule)| rule);
    rule.map_or(problem, |rule| Problem::invalid(FIELD, rule))
}
