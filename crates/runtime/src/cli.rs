//! The flags that every binary has.

use clap::{Args, Parser, Subcommand, builder::NonEmptyStringValueParser, value_parser};

/// Flags that win over the environment. [`Cli`] and [`CliWith`] hold them.
#[derive(Args, Clone, Debug, Default)]
pub struct CliSettings {
    /// Print the effective settings with secrets redacted and exit
    #[arg(long)]
    pub check_config: bool,
    /// Address to listen on (HOST)
    #[arg(long, value_name = "HOST", value_parser = NonEmptyStringValueParser::new())]
    pub host: Option<String>,
    /// Port of the web process (PORT)
    #[arg(long, value_name = "PORT", value_parser = value_parser!(u16).range(1..))]
    pub port: Option<u16>,
    /// Port of metrics and health (METRICS_PORT)
    #[arg(long, value_name = "PORT", value_parser = value_parser!(u16).range(1..))]
    pub metrics_port: Option<u16>,
    /// Database (DATABASE_URL); other users of the machine can see flags, so pass secrets in the environment
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub database_url: Option<String>,
    /// Redis (REDIS_URL)
    #[arg(long, value_name = "URL", value_parser = NonEmptyStringValueParser::new())]
    pub redis_url: Option<String>,
    /// Format of the log (LOG_FORMAT)
    #[arg(long, value_name = "FORMAT", value_parser = ["pretty", "json"])]
    pub log_format: Option<String>,
}

impl CliSettings {
    /// What each flag says about which setting.
    pub(crate) fn overrides(&self) -> [(&'static str, Option<String>); 6] {
        [
            ("HOST", self.host.clone()),
            ("PORT", self.port.map(|port| port.to_string())),
            ("METRICS_PORT", self.metrics_port.map(|port| port.to_string())),
            ("DATABASE_URL", self.database_url.clone()),
            ("REDIS_URL", self.redis_url.clone()),
            ("LOG_FORMAT", self.log_format.clone()),
        ]
    }
}

impl AsRef<CliSettings> for CliSettings {
    fn as_ref(&self) -> &CliSettings {
        self
    }
}

/// The command line of a binary without flags of its own.
#[derive(Clone, Debug, Parser)]
pub struct Cli {
    #[command(flatten)]
    pub settings: CliSettings,
}

impl AsRef<CliSettings> for Cli {
    fn as_ref(&self) -> &CliSettings {
        &self.settings
    }
}

/// The command line of a binary that can also run one of the commands `C` and exit.
#[derive(Clone, Debug, Parser)]
pub struct CliWith<C: Subcommand> {
    #[command(flatten)]
    pub settings: CliSettings,
    #[command(subcommand)]
    pub command: Option<C>,
}

impl<C: Subcommand> AsRef<CliSettings> for CliWith<C> {
    fn as_ref(&self) -> &CliSettings {
        &self.settings
    }
}
