//! Collections: one's own, and each with its cards, its collaborators, who can see it and who can add to it.

use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::web::{Data, Path, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::collection::{AccessType, CollectionView};
use cardwire_domain::feed::CollectionName;
use cardwire_domain::use_cases::{
    CreateCollection, DeleteCollection, RemoveCardFromCollections, SetCollaborators, UpdateCollection,
};
use cardwire_domain::user::User;
use cardwire_domain::{CollectionId, UserId, Visibility};
use cardwire_http::cursor::List;
use cardwire_http::endpoint::Endpoint;
use cardwire_http::problem::Problem;
use cardwire_http::query::Params;
use cardwire_http::state::AppState;

use crate::audience::Audience;
use crate::fields::{Complaint, Fields};
use crate::form::Posted;
use crate::links::{see_other, way_back};
use crate::membership::{Invited, invitations, leaving};
use crate::new_collection::namesake;
use crate::once;
use crate::sharing::Sharing;
use crate::shown::{Link, When, next, part, quoted};
use crate::view::View;
use crate::visit::{Chrome, Section, Visit};

/// The field with all who collaborate or are invited: anybody else is neither any more.
const PEOPLE: &str = "people";
/// The field with the people to invite besides.
const HANDLES: &str = "handles";

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/collections").get(mine).post(create).register(config);
    Endpoint::at("/collections/{id}").get(show).post(update).register(config);
    Endpoint::at("/collections/{id}/collaborators").post(collaborators).register(config);
    Endpoint::at("/collections/{id}/invite").post(invite).register(config);
    Endpoint::at("/collections/{id}/remove-link").post(remove_link).register(config);
    Endpoint::at("/collections/{id}/delete").post(delete).register(config);
}

#[derive(Template)]
#[template(path = "collections.html")]
struct CollectionsPage {
    chrome: Chrome,
    invitations: Vec<Invited>,
    collections: Vec<Shown>,
    older: Option<String>,
    fields: CollectionFields,
    /// One of the name that was typed.
    namesake: Option<CollectionName>,
    /// Makes that the form, sent twice, makes one collection.
    once: String,
}

#[derive(Template)]
#[template(path = "collection.html")]
struct CollectionPage {
    chrome: Chrome,
    sharing: Option<Sharing>,
    collection: Shown,
    may_add: bool,
    is_author: bool,
    is_collaborator: bool,
    cards: Vec<Collected>,
    view: View,
    older: Option<String>,
    fields: CollectionFields,
    people: People,
    invite: People,
    /// A form of theirs was sent and refused.
    is_settings_open: bool,
}

/// The forms of a collection's page as they were sent.
#[derive(Default)]
struct Forms {
    fields: Option<CollectionFields>,
    people: Option<People>,
    invite: Option<People>,
}

struct Shown {
    id: String,
    name: String,
    description: String,
    is_private: bool,
    who_sees: String,
    who_adds: String,
    author: String,
    collaborators: Vec<User>,
    /// Only for the author.
    invited: Vec<User>,
    card_count: u64,
}

impl Shown {
    fn of(view: CollectionView, viewer: Option<&UserId>) -> Self {
        let author = if viewer == Some(&view.author.id) { "you" } else { view.author.handle.as_str() };
        Self {
            id: view.id.to_string(),
            name: view.name,
            description: view.description,
            is_private: view.visibility.is_private(),
            who_sees: match view.visibility {
                Visibility::Public => "Everyone can see it".to_owned(),
                Visibility::Private => format!("Only {author} and collaborators can see it"),
            },
            who_adds: match view.access {
                AccessType::Open => "Anyone can add".to_owned(),
                AccessType::Closed => format!("Only {author} and collaborators can add"),
            },
            author: view.author.handle,
            collaborators: view.collaborators,
            invited: view.invited.unwrap_or_default(),
            card_count: view.card_count,
        }
    }

    fn deletion(&self) -> String {
        deletion(&self.name)
    }

    fn leaving(&self) -> String {
        leaving(&self.name)
    }
}

/// What deleting the collection does: said with scripts and without.
fn deletion(name: &str) -> String {
    let name = quoted(name);
    format!("{name} is deleted for everyone. The links stay in the libraries of the people who saved them.")
}

fn link_removal(title: &str) -> String {
    format!("{} stays in the library of the person who saved it.", quoted(title))
}

struct Collected {
    link: Link,
    added_by: String,
    when: When,
    may_remove: bool,
}

impl Collected {
    fn removal(&self) -> String {
        link_removal(&self.link.title)
    }
}

/// What a form about a collection holds.
struct CollectionFields {
    name: String,
    description: String,
    audience: Audience,
    is_open: bool,
    complaint: Complaint,
}

impl CollectionFields {
    const NAMES: [&str; 2] = ["name", "description"];

    fn empty(audience: Audience) -> Self {
        Self {
            name: String::new(),
            description: String::new(),
            audience,
            is_open: false,
            complaint: Complaint::default(),
        }
    }

    fn sent(fields: &Fields, audience: Audience, complaint: Complaint) -> Self {
        Self {
            name: fields.text("name").to_owned(),
            description: fields.text("description").to_owned(),
            audience,
            is_open: access(fields) == AccessType::Open,
            complaint,
        }
    }
}

/// CLOSED unless OPEN was chosen.
fn access(fields: &Fields) -> AccessType {
    fields.text("access").parse().unwrap_or_default()
}

#[derive(Default)]
struct People {
    text: String,
    complaint: Complaint,
}

async fn mine(state: Data<AppState>, visit: Visit, params: Params) -> Result<HttpResponse, Problem> {
    let usual = visit.caller()?.0.default_visibility;
    list(&state, &visit, params, (CollectionFields::empty(Audience::drawn(usual)), None), StatusCode::OK).await
}

async fn list(
    state: &AppState,
    visit: &Visit,
    mut params: Params,
    (fields, namesake): (CollectionFields, Option<CollectionName>),
    status: StatusCode,
) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let list = List::by_rank(&["collections", caller.id().as_str()]);
    let page = state.collections.collections_of(caller.id(), &part(&mut params, &list)?).await?;
    let drawn = CollectionsPage {
        chrome: visit.chrome(Section::Collections),
        invitations: invitations(state, &caller, state.operations.clock.now()).await?,
        older: next(&page, &list, "/collections"),
        collections: page.items.into_iter().map(|view| Shown::of(view, Some(caller.id()))).collect(),
        fields,
        namesake,
        once: once::token(),
    };
    Ok(drawn.fields.complaint.complete(visit.page_with(status, &drawn)?))
}

async fn create(
    state: Data<AppState>,
    request: HttpRequest,
    params: Params,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let caller = visit.caller()?;
    let audience = Audience::sent(&fields, caller.0.default_visibility)?;
    let command = CreateCollection {
        name: fields.text("name").to_owned(),
        description: Some(fields.text("description").to_owned()),
        access: access(&fields),
        visibility: audience.chosen,
    };
    let asked = once::asked(&fields, &command)?;
    // The same form once more is answered as before.
    let is_repeated = state.store.begin().await?.recall(caller.id(), &asked.key).await?.is_some();
    if !is_repeated && fields.given("anyway").is_none() {
        let namesake = namesake(&state, &caller, &command.name).await?;
        if namesake.is_some() {
            let sent = CollectionFields::sent(&fields, audience, Complaint::default());
            return list(&state, &visit, params, (sent, namesake), StatusCode::CONFLICT).await;
        }
    }
    match state.execute(&request, &caller, Some(asked), &command).await {
        Ok(made) => Ok(see_other(&format!("/collections/{}", made.id))),
        Err(problem) => {
            let (status, complaint) = Complaint::of(problem, &CollectionFields::NAMES)?;
            list(&state, &visit, params, (CollectionFields::sent(&fields, audience, complaint), None), status).await
        }
    }
}

async fn show(state: Data<AppState>, visit: Visit, id: Path<String>, params: Params) -> Result<HttpResponse, Problem> {
    draw(&state, &visit, &id, params, Forms::default(), StatusCode::OK).await
}

/// With the forms as they were sent, or as the collection is.
async fn draw(
    state: &AppState,
    visit: &Visit,
    id: &str,
    mut params: Params,
    Forms { fields, people, invite }: Forms,
    status: StatusCode,
) -> Result<HttpResponse, Problem> {
    let id: CollectionId = id.parse()?;
    let list = List::by_time(&["collection", &id.to_string()]);
    let request = part(&mut params, &list)?;
    let viewer: Option<&UserId> = visit.viewer().map(|viewer| &viewer.user.id);
    let collection = state.collections.collection(id, viewer).await?;
    let page = state.collections.cards_in(id, viewer, &request).await?;
    let is_author = viewer == Some(&collection.author.id);
    let is_collaborator = collection.collaborators.iter().any(|person| viewer == Some(&person.id));
    let may_add = viewer.is_some() && (is_author || is_collaborator || collection.access == AccessType::Open);
    let is_settings_open = fields.is_some() || people.is_some();
    let fields = fields.unwrap_or_else(|| CollectionFields {
        name: collection.name.clone(),
        description: collection.description.clone(),
        audience: Audience::drawn(collection.visibility),
        is_open: collection.access == AccessType::Open,
        complaint: Complaint::default(),
    });
    let people = people.unwrap_or_else(|| People {
        text: collection
            .collaborators
            .iter()
            .chain(collection.invited.iter().flatten())
            .map(|person| format!("{}\n", name(person)))
            .collect(),
        complaint: Complaint::default(),
    });
    let now = state.operations.clock.now();
    let older = next(&page, &list, &format!("/collections/{id}"));
    let cards = page.items.into_iter().map(|one| Collected {
        may_remove: is_author || viewer == Some(&one.added_by.id),
        link: Link::of(one.card),
        added_by: one.added_by.handle,
        when: When::of(one.added_at, now),
    });
    let drawn = CollectionPage {
        chrome: visit.chrome(Section::Collections),
        sharing: Sharing::of_collection(visit, &collection),
        may_add,
        is_author,
        is_collaborator,
        cards: cards.collect(),
        view: View::of(visit, &mut params, &format!("/collections/{id}")),
        older,
        fields,
        people,
        invite: invite.unwrap_or_default(),
        is_settings_open,
        collection: Shown::of(collection, viewer),
    };
    let page = drawn.fields.complaint.complete(visit.page_with(status, &drawn)?);
    let page = drawn.people.complaint.complete(page);
    let page = drawn.invite.complaint.complete(page);
    Ok(drawn.view.remember(page))
}

/// A handle, or the DID of somebody who has none here.
fn name(person: &User) -> &str {
    if person.handle == person.id.fallback_handle() { person.id.as_str() } else { &person.handle }
}

async fn update(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    params: Params,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let Posted { visit, fields } = posted;
    let caller = visit.caller()?;
    let audience = Audience::sent(&fields, Visibility::Public)?;
    let command = UpdateCollection {
        id: id.to_string(),
        name: fields.text("name").to_owned(),
        description: Some(fields.text("description").to_owned()),
        access: access(&fields),
        visibility: audience.asked(),
    };
    // The name that it has is no new one, even if another collection has the same.
    let before = state.collections.collection(id.parse()?, Some(caller.id())).await?.name;
    let is_renamed = before.to_lowercase() != command.name.trim().to_lowercase();
    if is_renamed && namesake(&state, &caller, &command.name).await?.is_some() {
        let complaint = Complaint::about("name", "You already have a collection with this name. Choose another one.");
        let sent = Forms { fields: Some(CollectionFields::sent(&fields, audience, complaint)), ..Forms::default() };
        return draw(&state, &visit, &id, params, sent, StatusCode::CONFLICT).await;
    }
    match state.execute(&request, &caller, None, &command).await {
        Ok(changed) => Ok(see_other(&format!("/collections/{}", changed.id))),
        Err(problem) => {
            let (status, complaint) = Complaint::of(problem, &CollectionFields::NAMES)?;
            let sent = CollectionFields::sent(&fields, audience, complaint);
            draw(&state, &visit, &id, params, Forms { fields: Some(sent), ..Forms::default() }, status).await
        }
    }
}

async fn collaborators(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    params: Params,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    set_people(&state, &request, &id, params, &posted, PEOPLE).await
}

async fn invite(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    params: Params,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    set_people(&state, &request, &id, params, &posted, HANDLES).await
}

/// Sets who collaborates or is invited to what one of the two forms says: `field` is its field.
async fn set_people(
    state: &AppState,
    request: &HttpRequest,
    id: &str,
    params: Params,
    Posted { visit, fields }: &Posted,
    field: &str,
) -> Result<HttpResponse, Problem> {
    let caller = visit.caller()?;
    let is_invitation = field == HANDLES;
    let text = fields.text(field);
    let lines = if is_invitation { text.replace([',', ' '], "\n") } else { text.to_owned() };
    let outcome = match people(state, &lines).await? {
        Ok(people) if is_invitation && people.is_empty() => {
            Err(Ok((StatusCode::UNPROCESSABLE_ENTITY, Complaint::about(HANDLES, "Enter at least one handle."))))
        }
        Ok(people) => {
            let mut user_ids: BTreeSet<String> = people.iter().map(|(id, _)| id.clone()).collect();
            if is_invitation {
                let now = state.collections.collection(id.parse()?, Some(caller.id())).await?;
                let known = now.collaborators.iter().chain(now.invited.iter().flatten());
                user_ids.extend(known.map(|user| user.id.to_string()));
            }
            let command = SetCollaborators { id: id.to_owned(), user_ids: user_ids.into_iter().collect() };
            let set = async {
                cardwire_http::people::require(state, PEOPLE, &command.people()?).await?;
                state.execute(request, &caller, None, &command).await
            };
            set.await.map_err(|problem| Complaint::of(as_typed(problem, &people), &[PEOPLE]))
        }
        Err(complaint) => Err(Ok((StatusCode::UNPROCESSABLE_ENTITY, complaint))),
    };
    match outcome {
        Ok(changed) => Ok(see_other(&format!("/collections/{}", changed.id))),
        Err(refused) => {
            let (status, complaint) = refused?;
            let sent = Some(People { text: text.to_owned(), complaint: complaint.of_field(PEOPLE, field) });
            let forms = match is_invitation {
                true => Forms { invite: sent, ..Forms::default() },
                false => Forms { people: sent, ..Forms::default() },
            };
            draw(state, visit, id, params, forms, status).await
        }
    }
}

/// Whom the lines name, each with its line, or what is wrong with the first that names nobody.
async fn people<'a>(state: &AppState, text: &'a str) -> Result<Result<Vec<(String, &'a str)>, Complaint>, Problem> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.len() > cardwire_domain::Collection::MAX_COLLABORATORS {
        return Ok(Err(Complaint::about(PEOPLE, "Name at most 100 people.")));
    }
    let mut ids = Vec::new();
    for line in lines {
        match state.accounts.person(line).await.map_err(Problem::from)? {
            Some(id) => ids.push((id.to_string(), line)),
            None => {
                let named: String = line.chars().take(60).collect();
                return Ok(Err(Complaint::about(PEOPLE, format!("No account has the handle {named}."))));
            }
        }
    }
    Ok(Ok(ids))
}

/// A rule that is broken by one of these people, about the form's field and with the name that was typed.
fn as_typed(problem: Problem, people: &[(String, &str)]) -> Problem {
    let Some(("userIds", rule)) = problem.broken_rule() else { return problem };
    let named =
        people.iter().find_map(|(id, line)| Some(format!("{line} {}", rule.strip_prefix(id)?.strip_prefix(' ')?)));
    Problem::invalid(PEOPLE, named.unwrap_or(rule))
}

async fn remove_link(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.caller()?;
    let id: CollectionId = id.parse()?;
    let card_id = posted.fields.text("card").to_owned();
    if !posted.is_sure() {
        let card = state.library.library_card(card_id.parse()?, Some(caller.id())).await?;
        let about = link_removal(&Link::of(card.card).title);
        let question = "Remove this link from the collection";
        return posted.ask(&request, (question, &about), &format!("/collections/{id}"));
    }
    let command = RemoveCardFromCollections { card_id, collection_ids: vec![id.to_string()] };
    state.execute(&request, &caller, None, &command).await?;
    Ok(see_other(&way_back(&request, &posted.fields, &format!("/collections/{id}"))))
}

async fn delete(
    state: Data<AppState>,
    request: HttpRequest,
    id: Path<String>,
    posted: Posted,
) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.caller()?;
    if !posted.is_sure() {
        let about = deletion(&state.collections.collection(id.parse()?, Some(caller.id())).await?.name);
        return posted.ask(&request, ("Delete this collection", &about), &format!("/collections/{id}"));
    }
    state.execute(&request, &caller, None, &DeleteCollection { id: id.into_inner() }).await?;
    Ok(see_other("/collections"))
}
