//! What happened to an event on its way.

use jiff::Timestamp;

/// Something that does not happen to healthy events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    pub at: Timestamp,
    pub kind: StepKind,
    /// An error, or empty.
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// An attempt failed; `detail` is the error.
    Failed,
    /// Its worker was lost, so an attempt was counted before it was made.
    RunAfterLoss,
    /// It is a dead letter from now on.
    Died,
    /// Somebody put it back into its queue.
    Redriven,
}

impl StepKind {
    pub const ALL: [Self; 4] = [Self::Failed, Self::RunAfterLoss, Self::Died, Self::Redriven];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::RunAfterLoss => "run-after-loss",
            Self::Died => "died",
            Self::Redriven => "redriven",
        }
    }
}
