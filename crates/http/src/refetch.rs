//! Having the page behind one's own card fetched again.

use cardwire_domain::metadata::FetchAgain;
use cardwire_domain::{CardId, Error};

use crate::caller::Caller;
use crate::limit::whole_seconds;
use crate::problem::{CONFLICT, Problem, TOO_MANY_REQUESTS};
use crate::state::AppState;

impl AppState {
    /// 404 for everyone but the card's owner, 409 while the page already waits for its fetch, 429 shortly after one. If the future is dropped, the page is
    /// fetched again or not.
    pub async fn fetch_again(&self, caller: &Caller, card: &str) -> Result<CardId, Problem> {
        self.writes.admit(caller.id())?;
        let id: CardId = card.parse()?;
        let kept = self.library.library_card(id, Some(caller.id())).await?;
        if kept.owner.id != *caller.id() {
            return Err(Error::not_found("card", id).into());
        }
        match self.pages.fetch_again(id).await? {
            FetchAgain::Taken => Ok(id),
            FetchAgain::Waiting => Err(Problem::new(&CONFLICT, "This page is already waiting to be read.")),
            FetchAgain::TooSoon(wait) => {
                let why = if wait > FetchAgain::GAP {
                    "The server of this page asks for a pause."
                } else {
                    "This page was read a moment ago."
                };
                Err(Problem::new(&TOO_MANY_REQUESTS, why).retry_after(whole_seconds(wait)))
            }
        }
    }
}
