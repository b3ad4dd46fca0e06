//! Logs and metrics of a process.

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal as _;
use std::panic::PanicHookInfo;

use anyhow::Context as _;
use cardwire_events::latency::bounds_s;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing::Subscriber;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer, fmt};

use crate::settings::{LogFormat, Settings};
use crate::traces::{Traces, without_spans};

/// Seconds; from a fast script in Redis to a handler's time-out.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// Sets up the log, the metrics and the panic hook, once for the process.
///
/// # Errors
/// When it was done before.
pub fn init(settings: &Settings, traces: Option<&Traces>) -> anyhow::Result<PrometheusHandle> {
    let mut filter = EnvFilter::builder().parse(&settings.log_filter).context("RUST_LOG")?;
    // The Redis client's own log lines repeat ours, once for each connection. The HTTP server logs as errors what are
    // mostly requests that are not HTTP, which anybody can send. A filter that names them shows them.
    for noisy in ["fred", "actix_http"] {
        if !settings.log_filter.contains(noisy) {
            filter = filter.add_directive(format!("{noisy}=off").parse().context("a directive of ours")?);
        }
    }
    let filter = without_spans(filter);
    // One filter for the registry is cheaper than one for each layer.
    match traces {
        None => tracing_subscriber::registry().with(filter).with(lines(settings)).try_init(),
        Some(traces) => {
            tracing_subscriber::registry().with(traces.layer()).with(lines(settings).with_filter(filter)).try_init()
        }
    }
    .context("setting up the log")?;
    std::panic::set_hook(Box::new(log_panic));

    let recorder = recorder().context("setting up metrics")?;
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).context("setting up metrics")?;
    crate::metrics::describe();
    metrics::gauge!("cardwire_build_info", "version" => crate::version::VERSION, "role" => settings.role.name())
        .set(1.0);
    Ok(handle)
}

fn lines<S>(settings: &Settings) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    match settings.log_format {
        LogFormat::Pretty if std::io::stdout().is_terminal() => fmt::layer().boxed(),
        // Colours are noise in a file.
        LogFormat::Pretty => fmt::layer().with_ansi(false).boxed(),
        LogFormat::Json => fmt::layer().json().flatten_event(true).boxed(),
    }
}

/// Collects metrics in buckets. Somebody must run the handle's upkeep, as the health server does.
pub(crate) fn recorder() -> Result<PrometheusRecorder, BuildError> {
    let effect = Matcher::Full("cardwire_event_effect_seconds".to_owned());
    let builder = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), SECONDS)?
        .set_buckets_for_metric(effect, &bounds_s())?;
    Ok(builder.build_recorder())
}

/// A panic is one line of the log like any other event, instead of loose text on standard error.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload_as_str().unwrap_or("no message");
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let thread = std::thread::current().name().unwrap_or("unnamed").to_owned();
    // Taken only with RUST_BACKTRACE.
    let backtrace = Backtrace::capture();
    let backtrace = (backtrace.status() == BacktraceStatus::Captured).then(|| tracing::field::display(backtrace));
    tracing::error!(panic = message, location, thread, backtrace, "a thread panicked");
}
