//! From the command line to the exit code, the same for every binary.

use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{CommandFactory, FromArgMatches};
use metrics_exporter_prometheus::PrometheusHandle;

use crate::cli::CliSettings;
use crate::exit::Exit;
use crate::health::HealthServer;
use crate::readiness::Readiness;
use crate::settings::{AppEnv, Environment, Role, Settings, names};
use crate::shutdown::Shutdown;
use crate::traces::Traces;
use crate::{adapters, healthcheck, telemetry};

/// What a binary's own code gets.
#[derive(Clone)]
pub struct Process {
    pub settings: Arc<Settings>,
    /// Starting; call [`Readiness::serve`] once everything is set up.
    pub readiness: Readiness,
    pub shutdown: Shutdown,
    metrics: PrometheusHandle,
}

impl Process {
    /// Serves metrics and health. A process that does one thing and exits needs neither.
    ///
    /// # Errors
    /// When METRICS_PORT cannot be listened on.
    pub fn serve_health(&self) -> anyhow::Result<HealthServer> {
        let settings = &self.settings;
        let addresses = settings.host.addresses(settings.metrics_port).context("resolving HOST")?;
        HealthServer::start(&addresses, &self.readiness, &self.metrics)
            .with_context(|| format!("listening on {}:{} (METRICS_PORT)", settings.host, settings.metrics_port))
    }
}

/// Runs a binary: parses its flags `C`, loads the settings, sets up telemetry and signals, then runs `main`
/// on a multi-threaded runtime.
///
/// `main` returns once the token of [`Process::shutdown`] is cancelled and its work in flight is finished. If that
/// takes longer than the deadline, it is dropped and the process fails. Nothing is lost then, because everything it
/// accepted is in the log.
pub fn launch<C, F, Fut>(role: Role, main: F) -> ExitCode
where
    C: CommandFactory + FromArgMatches + AsRef<CliSettings>,
    F: FnOnce(C, Process) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    let started = match parse::<C>(role, std::env::args_os()) {
        Ok(Parsed::Run(cli)) => start(role, cli, main),
        Ok(Parsed::HealthCheck(cli, path)) => return check_health(role, &cli, path),
        // Exits with 2 for unknown arguments, with 0 for --help and --version.
        Err(error) => error.exit(),
    };
    let exit = started.unwrap_or_else(|error| {
        // There is no log yet.
        eprintln!("cardwire {role}: {error:#}");
        Exit::of(&error)
    });
    exit.into()
}

/// What a command line asks for.
enum Parsed<C> {
    Run(C),
    /// With the path to ask.
    HealthCheck(CliSettings, &'static str),
}

/// Exits 0 or 1, the two codes that container engines know.
fn check_health(role: Role, cli: &CliSettings, path: &str) -> ExitCode {
    let environment = Environment::of_process();
    let settings = environment.and_then(|environment| Settings::load(role, cli, &environment));
    match settings.map_err(anyhow::Error::from).and_then(|settings| healthcheck::ask(&settings, path)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cardwire {role}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Parses flags; the help names every environment variable.
fn parse<C: CommandFactory + FromArgMatches>(
    role: Role,
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
) -> Result<Parsed<C>, clap::Error> {
    let command = C::command().name(role.name()).about(role.about()).version(crate::version::VERSION);
    let mut command = command.after_help(names::help()).subcommand(healthcheck::command());
    let mut matches = command.try_get_matches_from_mut(arguments)?;
    let parsed = match matches.subcommand() {
        Some((healthcheck::NAME, check)) => {
            let path = healthcheck::path(check);
            CliSettings::from_arg_matches(&matches).map(|cli| Parsed::HealthCheck(cli, path))
        }
        _ => C::from_arg_matches_mut(&mut matches).map(Parsed::Run),
    };
    parsed.map_err(|error| error.format(&mut command))
}

/// Errors from before there is a log are returned; later ones are logged and become exit codes.
fn start<C, F, Fut>(role: Role, cli: C, main: F) -> anyhow::Result<Exit>
where
    C: AsRef<CliSettings>,
    F: FnOnce(C, Process) -> Fut,
    Fut: Future<Output = anyhow::Result<()>>,
{
    rustls::crypto::ring::default_provider()
        .install_default()
        .map_err(|_| anyhow::anyhow!("another TLS provider was installed first"))?;
    let settings = Settings::load(role, cli.as_ref(), &Environment::of_process()?)?;
    adapters::check(&settings)?;
    if cli.as_ref().check_config {
        std::io::stdout().write_all(settings.effective_lines().as_bytes()).context("printing the settings")?;
        return Ok(Exit::Drained);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("starting the runtime")?;
    let traces = Traces::to_collector(&settings, runtime.handle())?;
    let metrics = telemetry::init(&settings, traces.as_ref())?;
    announce(&settings);
    let result = runtime.block_on(Box::pin(run(Arc::new(settings), metrics, |process| main(cli, process))));
    if let Some(traces) = traces {
        traces.flush();
    }
    // Nobody waits for the result of blocking work that is still running.
    runtime.shutdown_background();
    Ok(match result {
        Ok(()) => {
            tracing::info!("drained");
            Exit::Drained
        }
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "stopped");
            Exit::of(&error)
        }
    })
}

async fn run<Fut>(
    settings: Arc<Settings>,
    metrics: PrometheusHandle,
    main: impl FnOnce(Process) -> Fut,
) -> anyhow::Result<()>
where
    Fut: Future<Output = anyhow::Result<()>>,
{
    let readiness = Readiness::default();
    let shutdown = Shutdown::new(readiness.clone(), settings.shutdown_deadline);
    shutdown.listen().context("listening for signals")?;
    let process = Process { settings, readiness, shutdown: shutdown.clone(), metrics };
    until_done(Box::pin(main(process)), &shutdown).await
}

async fn until_done(main: impl Future<Output = anyhow::Result<()>>, shutdown: &Shutdown) -> anyhow::Result<()> {
    let result = tokio::select! {
        result = main => result,
        () = shutdown.overdue() => Err(anyhow::anyhow!("what was in flight was not finished in time")),
    };
    shutdown.begin();
    result
}

fn announce(settings: &Settings) {
    tracing::info!(
        version = crate::version::VERSION,
        role = settings.role.name(),
        context = %settings.context(),
        topology = settings.topology(),
        publishing = settings.publishing(),
        traces = if settings.traces.endpoint.is_some() { settings.traces.shown_endpoint() } else { "off".to_owned() },
        host = %settings.host,
        metrics_port = settings.metrics_port,
        "starting"
    );
    if settings.use_mock_repos && settings.app_env == AppEnv::Production {
        tracing::warn!(
            "USE_MOCK_REPOS with APP_ENV=production: what people save is in memory alone, and gone when this process ends"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::error::ErrorKind;

    use super::*;
    use crate::cli::Cli;

    #[test]
    fn flags_are_parsed_and_others_are_a_usage_error() {
        let parsed = |arguments: &[&str]| parse::<Cli>(Role::Web, ["web"].iter().chain(arguments).map(Into::into));
        let parse = |arguments: &[&str]| {
            parsed(arguments).map(|parsed| match parsed {
                Parsed::Run(cli) => cli,
                Parsed::HealthCheck(_, path) => panic!("{arguments:?} asks {path}"),
            })
        };
        let asked = |arguments: &[&str]| match parsed(arguments).unwrap() {
            Parsed::HealthCheck(settings, path) => (settings.metrics_port, path),
            Parsed::Run(cli) => panic!("{arguments:?} runs {cli:?}"),
        };
        assert_eq!(asked(&["healthcheck"]), (None, "/readyz"));
        assert_eq!(asked(&["--metrics-port", "9", "healthcheck", "--live"]), (Some(9), "/healthz"));
        let cli = parse(&["--check-config", "--port", "9000", "--log-format", "json"]).unwrap();
        assert!(cli.settings.check_config);
        assert_eq!((cli.settings.port, cli.settings.log_format.as_deref()), (Some(9000), Some("json")));

        let check = |arguments: &[&str], kind| {
            let error = parse(arguments).unwrap_err();
            assert_eq!((error.kind(), error.exit_code()), (kind, Exit::Usage as i32), "{arguments:?}");
        };
        check(&["--nonsense"], ErrorKind::UnknownArgument);
        check(&["extra"], ErrorKind::InvalidSubcommand);
        check(&["--port", "0"], ErrorKind::ValueValidation);
        check(&["--port", "70000"], ErrorKind::ValueValidation);
        check(&["--log-format", "xml"], ErrorKind::InvalidValue);
    }

    #[test]
    fn help_names_every_environment_variable() {
        let help = parse::<Cli>(Role::Web, ["web", "--help"].map(Into::into)).err().unwrap();
        assert_eq!(help.exit_code(), 0);
        let text = help.to_string();
        for name in names::NAMES {
            assert!(text.contains(name.name), "{} is not in --help", name.name);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn work_that_outlasts_the_deadline_fails_the_process() {
        let shutdown = || Shutdown::new(Readiness::default(), Duration::from_secs(25));

        let drains = shutdown();
        let token = drains.token().clone();
        drains.begin();
        let main = async move {
            token.cancelled().await;
            tokio::time::sleep(Duration::from_secs(20)).await;
            Ok(())
        };
        until_done(main, &drains).await.unwrap();

        let hangs = shutdown();
        hangs.begin();
        let error = until_done(std::future::pending(), &hangs).await.unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Runtime);
    }

    #[tokio::test]
    async fn a_failure_of_its_own_ends_the_process_and_its_readiness() {
        let readiness = Readiness::default();
        readiness.serve();
        let shutdown = Shutdown::new(readiness.clone(), Duration::from_secs(25));
        let error = until_done(async { anyhow::bail!("gone") }, &shutdown).await.unwrap_err();
        assert_eq!(Exit::of(&error), Exit::Runtime);
        assert!(!readiness.report().await.is_ready());
    }
}
