//! Looking after accounts from the command line.

use std::io::Write as _;

use anyhow::Context as _;
use cardwire_domain::UserId;
use cardwire_domain::accounts::{Handle, Person};
use cardwire_http::operations::command_line::CommandLine;
use cardwire_http::problem::Problem;
use cardwire_http::{AccountSettings, Accounts};
use cardwire_runtime::Settings;
use cardwire_runtime::adapters::{self, ForAccounts};
use cardwire_runtime::settings::Host;
use clap::Subcommand;

#[derive(Clone, Debug, Subcommand)]
pub enum Command {
    /// List accounts
    List,
    /// Print a link for choosing a new password; it works once, within 24 hours
    ResetPassword {
        /// Handle of the person
        handle: String,
    },
    /// Make somebody an administrator
    MakeAdmin {
        /// Handle of the person
        handle: String,
    },
}

/// People listed together.
const PORTION: usize = 1_000;

pub async fn run(settings: &Settings, command: Command) -> anyhow::Result<()> {
    let ForAccounts { accounts, operator } = adapters::for_accounts(settings).await?;
    let accounts = Accounts::new(accounts, AccountSettings::of(settings.registration))?;
    let command_line = CommandLine::new(accounts.clone(), operator);
    let mut out = Vec::new();
    match command {
        Command::List => list(&accounts, &mut out).await?,
        Command::ResetPassword { handle } => {
            let link = command_line.reset_link(&named(&accounts, &handle).await?).await.map_err(told)?;
            writeln!(out, "{}{}", site(settings), link.path())?;
            writeln!(out, "It works once, until {}.", link.expires_at.strftime("%Y-%m-%d %H:%M UTC"))?;
        }
        Command::MakeAdmin { handle } => {
            match command_line.make_admin(&named(&accounts, &handle).await?).await.map_err(told)? {
                true => writeln!(out, "{handle} is now an administrator.")?,
                false => writeln!(out, "{handle} is already an administrator.")?,
            };
        }
    }
    std::io::stdout().lock().write_all(&out).context("printing the answer")
}

async fn list(accounts: &Accounts, out: &mut Vec<u8>) -> anyhow::Result<()> {
    let mut after: Option<Handle> = None;
    loop {
        let people = accounts.people(after.as_ref(), PORTION).await?;
        for person in &people {
            writeln!(out, "{}", line(person))?;
        }
        let Some(last) = people.last().filter(|_| people.len() == PORTION) else { return Ok(()) };
        after = Some(Handle::parse(&last.user.handle).context("reading a handle that is stored")?);
    }
}

/// Handle, id, when the account was made, and what is out of the ordinary.
fn line(person: &Person) -> String {
    let mut line =
        format!("{:<30}  {}  {}", person.user.handle, person.user.id, person.created_at.strftime("%Y-%m-%d"));
    if person.is_admin {
        line.push_str("  administrator");
    }
    if let Some(since) = person.suspended_at {
        line.push_str(&format!("  suspended since {}", since.strftime("%Y-%m-%d")));
    }
    line
}

async fn named(accounts: &Accounts, handle: &str) -> anyhow::Result<UserId> {
    let found = accounts.person(handle).await?;
    found.with_context(|| format!("no account has the handle {handle}"))
}

/// Why something was not done, in words for a terminal.
fn told(problem: Problem) -> anyhow::Error {
    anyhow::Error::msg(problem.cause().map_or_else(|| problem.detail(), str::to_owned))
}

/// What links to this site begin with.
fn site(settings: &Settings) -> String {
    match (&settings.public.url, &settings.host) {
        (Some(url), _) => url.as_str().trim_end_matches('/').to_owned(),
        (None, Host::Ip(ip)) if ip.is_unspecified() => format!("http://localhost:{}", settings.port),
        (None, host) => format!("http://{host}:{}", settings.port),
    }
}
