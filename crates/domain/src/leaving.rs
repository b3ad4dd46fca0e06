//! Accounts that are being deleted: how far each has come.

/// How far the deletion of an account has come. Whatever stops it, it goes on from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Cards leave the library and collections are deleted, with their events.
    Parting,
    /// Nothing is left to part with; what that raised still takes effect.
    Settling,
    /// [`crate::DomainEvent::AccountDeleted`] is raised, and still takes effect.
    Told,
    /// Everybody knows. The log is looked through for what names the person.
    Forgetting,
    /// The log does not name them any more; what is kept elsewhere goes, and the account last.
    Clearing,
}

impl Stage {
    pub const ALL: [Self; 5] = [Self::Parting, Self::Settling, Self::Told, Self::Forgetting, Self::Clearing];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Parting => "parting",
            Self::Settling => "settling",
            Self::Told => "told",
            Self::Forgetting => "forgetting",
            Self::Clearing => "clearing",
        }
    }
}
