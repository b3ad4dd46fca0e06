//! How a process ends.

use std::process::ExitCode;

use crate::settings::SettingsError;

/// Exit codes that supervisors and scripts rely on. Clap ends a process itself with [`Exit::Usage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Told to stop, and everything in flight was finished.
    Drained = 0,
    /// It failed, or did not finish in time after being told to stop. Starting it again may help.
    Runtime = 1,
    Usage = 2,
    /// Starting it again helps only after its settings have been changed (`EX_CONFIG` of sysexits).
    Configuration = 78,
}

impl Exit {
    /// A configuration problem is a [`SettingsError`] anywhere in the chain, or a Redis that is not configured as this
    /// process needs, which only shows after the start.
    pub fn of(error: &anyhow::Error) -> Self {
        let misconfigured = error.chain().any(|cause| {
            cause.is::<SettingsError>()
                || matches!(cause.downcast_ref(), Some(cardwire_events::Error::Misconfigured(..)))
        });
        if misconfigured { Self::Configuration } else { Self::Runtime }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn errors_become_exit_codes() {
        let check = |error: anyhow::Error, expected| assert_eq!(Exit::of(&error), expected, "{error:#}");
        check(SettingsError::contradiction("2 partitions here, 1 in Redis").into(), Exit::Configuration);
        let wrapped = Err::<(), _>(SettingsError::value("PORT", "no")).context("starting").unwrap_err();
        check(wrapped, Exit::Configuration);
        let misconfigured = cardwire_events::Error::Misconfigured("Redis", "it may evict queues".to_owned());
        check(anyhow::Error::from(misconfigured).context("starting"), Exit::Configuration);
        check(cardwire_events::Error::Unavailable("Redis", "refused".to_owned()).into(), Exit::Runtime);
        check(std::io::Error::other("the port is taken").into(), Exit::Runtime);
    }
}
