//! The two steps of an action.

use actix_web::web::{Data, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse};
use askama::Template;
use cardwire_domain::text::reason;
use cardwire_domain::use_cases::{HideCard, ShowCard};
use cardwire_domain::{CardId, UserId};
use cardwire_events::operations::ReplayOf;
use cardwire_events::{Action, DeadSelection};
use cardwire_http::endpoint::Endpoint;
use cardwire_http::operations::act::{named, window_named};
use cardwire_http::operations::failures::group;
use cardwire_http::operations::{dead_letters, queue_named, replays};
use cardwire_http::problem::Problem;
use cardwire_http::state::AppState;
use cardwire_saga::SagaKey;

use super::outcome::with_outcome;
use super::{dead, replays as replays_page};
use crate::fields::{Complaint, Fields};
use crate::form::Posted;
use crate::links::{own_path, see_other, with_parameter};
use crate::once;
use crate::visit::{Chrome, Section};

pub fn configure(config: &mut ServiceConfig) {
    Endpoint::at("/admin/confirm").post(confirm).register(config);
    Endpoint::at("/admin/act").post(act).register(config);
}

/// Of the fields of a form, those that say what is to be done.
const FIELDS: [&str; 17] = [
    "action", "queue", TICKED, "all", "group", "type", "text", "error", "reason", "key", "card", "from", "until",
    "cardId", "actorId", "replay", "back",
];
/// Dead letters that were chosen one by one.
const TICKED: &str = "id";

#[derive(Template)]
#[template(path = "admin_confirm.html")]
struct ConfirmPage {
    chrome: Chrome,
    title: &'static str,
    /// What will happen.
    about: String,
    asks_reason: bool,
    needs_reason: bool,
    loses: bool,
    /// Sent again as they came.
    fields: Vec<(&'static str, String)>,
    /// Makes that the form, sent twice, acts once.
    once: String,
    back: String,
}

/// What a form asks for.
#[derive(Debug)]
enum Errand {
    Act(Action),
    Flush(SagaKey),
    Rebuild,
    Replay(ReplayOf),
    /// By its id.
    CancelReplay(String),
    Hide(HideCard),
    Show(ShowCard),
}

impl Errand {
    fn of(fields: &Fields) -> Result<Self, Problem> {
        let queue = || queue_named(fields.text("queue"));
        let card_id = || fields.text("card").trim().parse::<CardId>().map(|id| id.to_string());
        Ok(match fields.text("action") {
            "pause" => {
                let reason = fields.given("reason").map(reason).transpose()?.map(str::to_owned);
                Self::Act(Action::Pause { queue: queue()?, reason })
            }
            "resume" => Self::Act(Action::Resume { queue: queue()? }),
            "redeliver" => Self::Act(Action::Redeliver { queue: queue()? }),
            "redrive" => Self::Act(Action::Redrive { queue: queue()?, which: selection(fields)? }),
            "discard" => Self::Act(Action::Discard { queue: queue()?, which: selection(fields)? }),
            "flush" => Self::Flush(window_named(fields.text("key"))?),
            "rebuild" => Self::Rebuild,
            "replay" => Self::Replay(replayed(fields)?),
            "cancel-replay" => Self::CancelReplay(fields.text("replay").to_owned()),
            "hide" => Self::Hide(HideCard { card_id: card_id()?, reason: fields.text("reason").to_owned() }),
            "show" => Self::Show(ShowCard { card_id: card_id()? }),
            _ => return Err(Problem::invalid("action", "There is no such action.")),
        })
    }
}

/// `all` means all that match the filter; without it, the letters that were ticked.
fn selection(fields: &Fields) -> Result<DeadSelection, Problem> {
    if let Some(shape) = fields.given("group") {
        return group(shape);
    }
    if fields.text("all") != "true" {
        let ids = fields.all(TICKED);
        return match ids.is_empty() {
            true => Err(Problem::invalid(TICKED, "Select at least one dead letter first.")),
            false => Ok(named(&ids)),
        };
    }
    let part = |name: &str| Some(fields.text(name).to_owned()).filter(|text| !text.is_empty());
    let filter = dead_letters::filter(part, |name, rule| Problem::invalid(name, rule))?;
    Ok(if filter.is_empty() { DeadSelection::All } else { DeadSelection::Matching(filter) })
}

fn replayed(fields: &Fields) -> Result<ReplayOf, Problem> {
    replays::asked(|name| Some(fields.text(name).to_owned()), |name, rule| Problem::invalid(name, rule))
}

/// Where it was asked for, if that is a page of the console.
fn came_from(fields: &Fields) -> Option<&str> {
    fields.given("back").filter(|back| own_path(back).starts_with("/admin"))
}

async fn confirm(state: Data<AppState>, posted: Posted) -> Result<HttpResponse, Problem> {
    posted.visit.admin()?;
    let errand = match Errand::of(&posted.fields) {
        Err(problem) if problem.broken_rule().is_some_and(|(field, _)| field == TICKED) => {
            return dead::again(&state, &posted, Complaint::of(problem, &[TICKED])?).await;
        }
        errand => errand?,
    };
    let (title, about) = told(&state, &errand).await?;
    let sent = FIELDS.iter().flat_map(|name| posted.fields.all(name).into_iter().map(|value| (*name, value)));
    let needs_reason = matches!(errand, Errand::Hide(_));
    let asks_reason = needs_reason || matches!(errand, Errand::Act(Action::Pause { .. }));
    let default = match &errand {
        Errand::Act(Action::Redrive { queue, .. } | Action::Discard { queue, .. }) => {
            format!("/admin/queues/{queue}/dead")
        }
        Errand::Act(_) | Errand::Rebuild => "/admin".to_owned(),
        Errand::Replay(_) | Errand::CancelReplay(_) => "/admin/replays".to_owned(),
        Errand::Flush(_) => "/admin/windows".to_owned(),
        Errand::Hide(_) | Errand::Show(_) => "/admin/cards".to_owned(),
    };
    posted.visit.page(&ConfirmPage {
        chrome: posted.visit.chrome(Section::Operations),
        title,
        about,
        asks_reason,
        needs_reason,
        loses: matches!(errand, Errand::Act(Action::Discard { .. }) | Errand::Hide(_)),
        fields: sent.filter(|(name, _)| !(asks_reason && *name == "reason")).collect(),
        once: once::token(),
        back: came_from(&posted.fields).map_or(default, str::to_owned),
    })
}

async fn told(state: &AppState, errand: &Errand) -> Result<(&'static str, String), Problem> {
    Ok(match errand {
        Errand::Act(Action::Pause { queue, .. }) => (
            "Pause a queue",
            format!(
                "Within two seconds no worker claims from {queue}, and nothing is published to it, until somebody resumes it. \
                 New events are still accepted, and wait."
            ),
        ),
        Errand::Act(Action::Resume { queue }) => {
            ("Resume a queue", format!("Workers continue with {queue} within two seconds."))
        }
        Errand::Act(Action::Redeliver { queue }) => (
            "Deliver again",
            format!("Events that {queue} has not handled yet are published again now. Extra copies are harmless."),
        ),
        Errand::Act(Action::Redrive { queue, which }) => {
            let count = state.operations.count_selected(*queue, which).await?;
            let about = match count {
                1 => format!("1 event of {queue} will be retried, with a full set of attempts."),
                _ => format!("{count} events of {queue} will be retried, with a full set of attempts."),
            };
            ("Retry", about)
        }
        Errand::Act(Action::Discard { queue, which }) => {
            let count = state.operations.count_selected(*queue, which).await?;
            let about = match count {
                1 => format!("1 event will never take effect in {queue}. This cannot be undone."),
                _ => format!("{count} events will never take effect in {queue}. This cannot be undone."),
            };
            ("Discard", about)
        }
        Errand::Flush(key) => ("Write a window now", format!("A worker writes the window {key} to the feed now.")),
        Errand::Hide(HideCard { card_id, .. }) => (
            "Hide a link",
            format!(
                "Only its owner can see link {card_id} until an administrator shows it again. The owner sees that it is hidden, but not why."
            ),
        ),
        Errand::Show(ShowCard { card_id }) => {
            ("Show a link again", format!("Its owner decides again who can see link {card_id}."))
        }
        Errand::Replay(of) => {
            let found = state.operations.dry_run(of).await?;
            ("Start replay", replays_page::counted(of.queue, found))
        }
        Errand::CancelReplay(_) => {
            ("Cancel replay", "It goes no further. What has gone to the queue again stays there.".to_owned())
        }
        Errand::Rebuild => (
            "Rebuild the search index",
            "A search-worker indexes every link again, while searches and indexing go on.".to_owned(),
        ),
    })
}

async fn act(state: Data<AppState>, request: HttpRequest, posted: Posted) -> Result<HttpResponse, Problem> {
    let caller = posted.visit.admin()?;
    let errand = Errand::of(&posted.fields)?;
    let asked = once::asked(&posted.fields, &errand)?;
    let changed =
        state.once(caller.id(), Some(asked), async || carry_out(&state, &request, caller.id(), &errand).await).await?;
    let action = posted.fields.text("action");
    Ok(see_other(&match came_from(&posted.fields) {
        Some(back) => with_outcome(back, action, changed),
        None => with_parameter("/admin/actions", "told", action),
    }))
}

/// How much it changed.
async fn carry_out(state: &AppState, request: &HttpRequest, by: &UserId, errand: &Errand) -> Result<u64, Problem> {
    match errand {
        Errand::Act(action) => state.operations.act(by, action).await,
        Errand::Flush(key) => state.operations.flush_now(by, key).await.map(|()| 1),
        Errand::Rebuild => state.operations.rebuild(by).await.map(|(_, new)| u64::from(new)),
        Errand::Replay(of) => state.operations.replay(by, of).await.map(|_| 1),
        Errand::CancelReplay(id) => state.operations.cancel_replay(by, id).await,
        Errand::Hide(command) => state.hide_card(request, by, command).await,
        Errand::Show(command) => state.show_card(request, by, command).await,
    }
}
