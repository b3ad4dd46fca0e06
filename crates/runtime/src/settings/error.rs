//! Why a process cannot run as it is configured.

/// One clear line. A process that gets one exits with [`crate::exit::Exit::Configuration`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// One value breaks its own rule. The value of a secret is never shown.
    #[error("{name}: {rule}")]
    Value { name: String, rule: String },
    /// Values contradict each other, or something found on the machine.
    #[error("{0}")]
    Contradiction(String),
    #[error(".env: {0}")]
    DotEnv(String),
}

impl SettingsError {
    pub fn value(name: &str, rule: impl Into<String>) -> Self {
        Self::Value { name: name.to_owned(), rule: rule.into() }
    }

    pub fn contradiction(line: impl Into<String>) -> Self {
        Self::Contradiction(line.into())
    }
}
