//! Where values come from, and which one wins: flag, environment, `.env`, default.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use config::{Config, ConfigError};
use secrecy::SecretString;

use super::error::SettingsError;
use super::names::{self, NAMES, NESTED};
use crate::cli::CliSettings;

type Result<T, E = SettingsError> = std::result::Result<T, E>;

/// The environment in which a process starts. Tests make one up.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    pub variables: BTreeMap<String, String>,
    /// The file to read in development, if it exists. It never changes the process's own environment.
    pub dotenv: Option<PathBuf>,
    /// Whether the log goes to a terminal.
    pub terminal: bool,
}

impl Environment {
    /// The environment of this process, `.env` in its directory, and whether its standard output is a terminal.
    pub fn of_process() -> Result<Self> {
        let mut variables = BTreeMap::new();
        for (name, value) in std::env::vars_os() {
            // Names that are not text are not ours.
            let Ok(name) = name.into_string() else { continue };
            if ours(&name) {
                let value = value.into_string().map_err(|_| SettingsError::value(&name, "must be UTF-8 text"))?;
                variables.insert(name, value);
            }
        }
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
        Ok(Self { variables, dotenv: Some(PathBuf::from(".env")), terminal })
    }
}

fn ours(name: &str) -> bool {
    names::find(name).is_some() || name.starts_with(NESTED)
}

/// The winning text for each setting.
pub struct Layers {
    texts: HashMap<String, String>,
}

impl Layers {
    pub fn read(cli: &CliSettings, environment: &Environment) -> Result<Self> {
        refuse_unknown(environment.variables.keys())?;
        let development = environment.variables.get("APP_ENV").is_some_and(|env| env == "development");
        let dotenv = match &environment.dotenv {
            Some(path) if development => read_dotenv(path)?,
            _ => BTreeMap::new(),
        };
        refuse_unknown(dotenv.keys())?;
        let texts = layered(cli, environment, &dotenv)
            .map_err(|error| SettingsError::contradiction(format!("the settings cannot be put together: {error}")))?;
        for name in NAMES {
            let text = texts.get(&name.name.to_lowercase()).map(String::as_str).unwrap_or_default();
            refuse_quotes(name.name, text.trim())?;
        }
        Ok(Self { texts })
    }

    pub fn text(&self, name: &'static str) -> Option<&str> {
        self.raw(name).map(str::trim)
    }

    /// The unchanged text. White space around it is refused, because nobody can tell whether it belongs to the secret.
    pub fn secret(&self, name: &'static str) -> Result<Option<SecretString>> {
        let Some(text) = self.raw(name) else { return Ok(None) };
        match text.trim() == text {
            true => Ok(Some(SecretString::from(text))),
            false => Err(SettingsError::value(name, "must not begin or end with white space")),
        }
    }

    pub fn flag(&self, name: &'static str) -> Result<bool> {
        match self.raw(name) {
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            other => {
                Err(SettingsError::value(name, format!("must be true, false, 1 or 0, not {:?}", other.unwrap_or(""))))
            }
        }
    }

    /// A whole number in `range`; `None` if there is neither a value nor a default.
    pub fn number_if_set<N>(&self, name: &'static str, range: &RangeInclusive<N>) -> Result<Option<N>>
    where
        N: FromStr + PartialOrd + Display,
    {
        let Some(text) = self.text(name) else { return Ok(None) };
        match text.parse() {
            Ok(number) if range.contains(&number) && text.bytes().all(|b| b.is_ascii_digit()) => Ok(Some(number)),
            _ => Err(out_of(name, range, text)),
        }
    }

    /// Like [`Self::number_if_set`], for a name with a default.
    pub fn number<N>(&self, name: &'static str, range: &RangeInclusive<N>) -> Result<N>
    where
        N: FromStr + PartialOrd + Display,
    {
        self.number_if_set(name, range)?.ok_or_else(|| out_of(name, range, ""))
    }

    fn raw(&self, name: &'static str) -> Option<&str> {
        debug_assert!(names::find(name).is_some(), "{name} is not in the table");
        self.texts.get(&name.to_lowercase()).map(String::as_str)
    }
}

fn out_of<N: Display>(name: &str, range: &RangeInclusive<N>, text: &str) -> SettingsError {
    let rule = format!("must be a whole number from {} to {}, not {text:?}", range.start(), range.end());
    SettingsError::value(name, rule)
}

/// A shell and `.env` remove quotes; the variable files of container engines and other tools do not.
fn refuse_quotes(name: &str, text: &str) -> Result<()> {
    let quoted = |quote: char| text.len() > 1 && text.starts_with(quote) && text.ends_with(quote);
    match quoted('"') || quoted('\'') {
        true => Err(SettingsError::value(name, "must not be in quotes: they would be part of it")),
        false => Ok(()),
    }
}

/// A misspelt name would silently keep the default.
fn refuse_unknown<'a>(found: impl Iterator<Item = &'a String>) -> Result<()> {
    for name in found {
        if name.starts_with(NESTED) && names::find(name).is_none() {
            return Err(SettingsError::value(name, "there is no such setting"));
        }
    }
    Ok(())
}

/// Empty text means not set, because compose files pass unset variables that way; but it is not a boolean.
fn says_something(name: &str, text: &str) -> bool {
    names::find(name).is_some_and(|name| !text.trim().is_empty() || name.default == Some("false"))
}

fn layered(
    cli: &CliSettings,
    environment: &Environment,
    dotenv: &BTreeMap<String, String>,
) -> Result<HashMap<String, String>, ConfigError> {
    let mut builder = Config::builder();
    for name in NAMES {
        if let Some(default) = name.default {
            builder = builder.set_default(name.name.to_lowercase(), default)?;
        }
    }
    for layer in [dotenv, &environment.variables] {
        let known = layer
            .iter()
            .filter(|(name, text)| says_something(name, text))
            .map(|(name, text)| (name.clone(), text.clone()));
        builder = builder.add_source(config::Environment::default().source(Some(known.collect())));
    }
    for (name, text) in cli.overrides() {
        builder = builder.set_override_option(name.to_lowercase(), text)?;
    }
    builder.build()?.try_deserialize()
}

fn read_dotenv(path: &Path) -> Result<BTreeMap<String, String>> {
    let entries = match dotenvy::from_path_iter(path) {
        Ok(entries) => entries,
        Err(error) if error.not_found() => return Ok(BTreeMap::new()),
        Err(error) => return Err(SettingsError::DotEnv(error.to_string())),
    };
    let mut variables = BTreeMap::new();
    for entry in entries {
        let (name, value) = entry.map_err(|error| SettingsError::DotEnv(without_value(&error)))?;
        variables.insert(name, value);
    }
    Ok(variables)
}

/// The line may hold a secret, so only the name of a setting is shown.
fn without_value(error: &dotenvy::Error) -> String {
    match error {
        dotenvy::Error::LineParse(line, _) => {
            // Text before a `=` may be the end of a secret with several lines, unless it is one of our names.
            match line.split_once('=').and_then(|(name, _)| names::find(name.trim())) {
                Some(known) => format!("the line of {:?} is not NAME=value", known.name),
                None => "a line is not NAME=value".to_owned(),
            }
        }
        other => other.to_string(),
    }
}
