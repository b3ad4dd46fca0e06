//! What administrators do to cards: hide them from everyone but their owners, and show them again.

use actix_web::HttpRequest;
use cardwire_domain::text::reason;
use cardwire_domain::use_cases::{CardHiding, HideCard, Request, ShowCard, UseCase, execute};
use cardwire_domain::{CardId, UserId};
use cardwire_events::operations::NewEntry;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::state::AppState;
use crate::trace::TraceContext;

impl AppState {
    /// Hides a card; the reason is written down. Returns 1 if that changed anything, else 0.
    pub async fn hide_card(&self, request: &HttpRequest, by: &UserId, command: &HideCard) -> Result<u64, Problem> {
        let parameters = json!({ "reason": reason(&command.reason)? });
        self.set_hidden(request, by, (&command.card_id, "card.hide", parameters), command).await
    }

    /// Shows a hidden card again. Returns 1 if that changed anything, else 0.
    pub async fn show_card(&self, request: &HttpRequest, by: &UserId, command: &ShowCard) -> Result<u64, Problem> {
        self.set_hidden(request, by, (&command.card_id, "card.show", json!({})), command).await
    }

    async fn set_hidden<C: UseCase<Answer = CardHiding>>(
        &self,
        request: &HttpRequest,
        by: &UserId,
        (card, action, parameters): (&str, &'static str, Value),
        command: &C,
    ) -> Result<u64, Problem> {
        let card: CardId = card.parse()?;
        let entry = NewEntry { action, queue: None, target: Some(card.to_string()), parameters };
        let traceparent = TraceContext::of(request).map(|trace| trace.traceparent());
        let asked = Request { traceparent, ..Request::by(by.clone()) };
        let act = execute(&*self.store, &asked, command);
        let hiding = self.operations.written_down(by, &entry, act, |hiding| u64::from(hiding.changed)).await?;
        Ok(u64::from(hiding.changed))
    }
}
