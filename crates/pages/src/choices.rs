//! Choosing collections: a form offers the first of them, and finds the others by name.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::{Data, ServiceConfig};
use askama::Template;
use cardwire_domain::collection::{CollectionView, Name};
use cardwire_domain::feed::CollectionName;
use cardwire_domain::use_cases::MAX_COLLECTIONS;
use cardwire_domain::{CollectionId, Error, Limit, PageRequest};
use cardwire_http::caller::Caller;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;

use crate::fields::Fields;
use crate::form::Posted;

/// So many are offered, besides those that are chosen.
const OFFERED: usize = 100;
/// With more than these, a form lets people filter by name.
const EASY_TO_SCAN: usize = 10;
/// A filter looks through so many of a person's collections at most.
const LOOKED_THROUGH: usize = 5_000;

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/collections/choices").post(part).register(config);
}

/// A collection that can be chosen.
#[derive(Debug)]
pub struct Choice {
    pub id: CollectionId,
    pub name: String,
    pub is_private: bool,
    pub is_chosen: bool,
}

/// The collections that a form offers.
#[derive(Debug)]
pub struct Choices {
    pub filter: String,
    pub can_filter: bool,
    /// Nothing has a name like that.
    pub is_nothing_found: bool,
    /// There are more of that name.
    pub has_more: bool,
    pub offered: Vec<Choice>,
}

/// What a form wants to offer.
#[derive(Debug, Default)]
pub struct Wanted<'a> {
    /// Words that occur in the names, in any case.
    pub filter: &'a str,
    pub chosen: &'a [String],
    /// These are offered regardless of the filter.
    pub known: &'a [CollectionName],
}

/// Whether a form was sent only to find collections by name, without a script.
pub fn is_search(fields: &Fields) -> bool {
    fields.given("find").is_some()
}

/// The caller's own collections come first, then those they collaborate in; the newest of each first. Behind them come those that are chosen
/// or known and were not found.
pub async fn choices(state: &AppState, caller: &Caller, wanted: &Wanted<'_>) -> Result<Choices, Problem> {
    let filter: String = wanted.filter.trim().chars().take(Name::MAX_CHARS).collect();
    let chosen: BTreeSet<CollectionId> = wanted.chosen.iter().filter_map(|id| id.parse().ok()).collect();
    let Found { collections, has_more, is_many } = find(state, caller, &filter).await?;
    let mut names: Vec<CollectionName> = collections.into_iter().map(named).collect();
    let is_nothing_found = names.is_empty() && !filter.is_empty();
    let mut listed: BTreeSet<CollectionId> = names.iter().map(|one| one.id).collect();
    names.extend(wanted.known.iter().filter(|one| listed.insert(one.id)).cloned());
    for id in chosen.iter().filter(|id| !listed.contains(*id)).take(MAX_COLLECTIONS) {
        match state.collections.collection(*id, Some(caller.id())).await {
            Ok(collection) => names.push(named(collection)),
            // That is said when the form is sent.
            Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let choice = |CollectionName { id, name, visibility }| Choice {
        is_chosen: chosen.contains(&id),
        is_private: visibility.is_private(),
        id,
        name,
    };
    let offered = names.into_iter().map(choice).collect();
    Ok(Choices { can_filter: is_many || !filter.is_empty(), filter, is_nothing_found, has_more, offered })
}

fn named(collection: CollectionView) -> CollectionName {
    CollectionName { id: collection.id, name: collection.name, visibility: collection.visibility }
}

struct Found {
    collections: Vec<CollectionView>,
    has_more: bool,
    /// The person has many collections, regardless of how many were found.
    is_many: bool,
}

async fn find(state: &AppState, caller: &Caller, filter: &str) -> Result<Found, Problem> {
    let words: Vec<String> = filter.split_whitespace().map(str::to_lowercase).collect();
    let is_wanted = |one: &CollectionView| {
        let name = one.name.to_lowercase();
        words.iter().all(|word| name.contains(word))
    };
    let mut request = PageRequest { limit: Limit::new(u64::from(Limit::MAX))?, after: None };
    let (mut collections, mut looked) = (Vec::new(), 0);
    loop {
        let page = state.collections.collections_of(caller.id(), &request).await?;
        looked += page.items.len();
        collections.extend(page.items.into_iter().filter(is_wanted));
        request.after = page.next;
        if request.after.is_none() || collections.len() >= OFFERED || looked >= LOOKED_THROUGH {
            break;
        }
    }
    let has_more = request.after.is_some() || collections.len() > OFFERED;
    collections.truncate(OFFERED);
    Ok(Found { collections, has_more, is_many: looked > EASY_TO_SCAN })
}

#[derive(Template)]
#[template(path = "choices.html")]
struct ChoicesPart {
    choices: Choices,
}

/// The list alone, for the script that filters it as one types.
async fn part(state: Data<AppState>, posted: Posted) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let chosen = fields.all("collection");
    let wanted = Wanted { filter: fields.text("filter"), chosen: &chosen, known: &[] };
    visit.page(&ChoicesPart { choices: choices(&state, &visit.caller()?, &wanted).await? })
}
