//! What came of an action, on the page to which it leads back.

use cardwire_http::query::Params;

use crate::links::with_parameter;

/// The page to go back to, which tells it.
pub fn with_outcome(back: &str, action: &str, affected: u64) -> String {
    with_parameter(&with_parameter(back, "told", action), "changed", &affected.to_string())
}

/// From the parameters `told`, the name of an action, and `changed`, how much it changed.
pub fn told(params: &mut Params) -> Option<String> {
    let (action, changed) = (params.text("told")?, params.text("changed"));
    let changed: Option<u64> = changed.and_then(|changed| changed.parse().ok());
    let events = match changed {
        None => "The events are".to_owned(),
        Some(1) => "1 event is".to_owned(),
        Some(count) => format!("{count} events are"),
    };
    Some(match action.as_str() {
        "pause" => "The queue is paused.".to_owned(),
        "resume" => "The queue is resumed.".to_owned(),
        "redeliver" => "What is owed to the queue is delivered again.".to_owned(),
        "redrive" => format!("{events} retried."),
        "discard" => format!("{events} discarded."),
        "flush" => "The window is being written.".to_owned(),
        "hide" => "The link is hidden.".to_owned(),
        "show" => "The link is no longer hidden.".to_owned(),
        "rebuild" => "The rebuild of the search index starts within seconds.".to_owned(),
        "replay" => "The replay starts within seconds.".to_owned(),
        "cancel-replay" => "The replay is cancelled.".to_owned(),
        _ => return None,
    })
}
