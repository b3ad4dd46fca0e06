//! Sends traces to a collector, by OTLP over HTTP. None of this is set up without OTEL_EXPORTER_OTLP_ENDPOINT.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use cardwire_events::trace::TARGET;
use futures_util::future::BoxFuture;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, SpanExporter as Exporter};
use secrecy::ExposeSecret as _;
use tokio::runtime::Handle;
use tracing::{Level, Subscriber};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{EnvFilter, Layer};

use crate::settings::Settings;

/// How long the collector may take for one batch, and for the last ones when the process ends.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keeps finished spans and sends them every few seconds. Spans that the collector does not accept in time are dropped:
/// traces never hold up an event.
#[derive(Clone, Debug)]
pub struct Traces(SdkTracerProvider);

impl Traces {
    /// To the collector in the settings; `None`: there is none. Needs the process's TLS provider.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn to_collector(settings: &Settings, runtime: &Handle) -> anyhow::Result<Option<Self>> {
        let Some(endpoint) = &settings.traces.endpoint else { return Ok(None) };
        let headers = settings.traces.headers.iter();
        let headers: HashMap<_, _> =
            headers.map(|(name, value)| (name.clone(), value.expose_secret().to_owned())).collect();
        let client = reqwest::Client::builder().no_proxy().timeout(PATIENCE).build().context("setting up OTLP")?;
        let client = Client { client, runtime: runtime.clone(), failing: AtomicBool::new(false) };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(client)
            .with_protocol(Protocol::HttpBinary)
            .with_endpoint(format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/')))
            .with_headers(headers)
            .with_timeout(PATIENCE)
            .build()
            .context("setting up OTLP")?;
        Ok(Some(Self::to(exporter, settings)))
    }

    /// To any exporter.
    pub fn to(exporter: impl Exporter + 'static, settings: &Settings) -> Self {
        let resource = Resource::builder_empty().with_attributes([
            KeyValue::new("service.namespace", "cardwire"),
            KeyValue::new("service.name", settings.role.name()),
            KeyValue::new("service.version", crate::version::VERSION),
        ]);
        let ratio = Sampler::TraceIdRatioBased(settings.traces.ratio);
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_sampler(Sampler::ParentBased(Box::new(ratio)))
            .with_resource(resource.build());
        Self(provider.build())
    }

    /// Takes the spans of [`TARGET`], and nothing else.
    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'span> LookupSpan<'span>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("cardwire"))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false)
            .with_filter(Targets::new().with_target(TARGET, Level::INFO))
    }

    /// Sends the remaining spans. Blocks for some seconds at most; call it outside of the runtime.
    pub fn flush(&self) {
        if let Err(error) = self.0.shutdown_with_timeout(PATIENCE) {
            tracing::warn!(%error, "the last traces could not be sent");
        }
    }
}

/// The log does not show the spans of traces. If nobody else wants them, they are not even created.
pub fn without_spans(filter: EnvFilter) -> EnvFilter {
    let off = format!("{TARGET}=off").parse().expect("a target is a valid directive");
    filter.add_directive(off)
}

/// The HTTP client that the process already has. It lives on the process's runtime, the exporter in its own thread.
struct Client {
    client: reqwest::Client,
    runtime: Handle,
    failing: AtomicBool,
}

impl Client {
    async fn send(client: reqwest::Client, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let answer = client.execute(request.try_into()?).await?;
        let status = answer.status();
        let mut response = Response::new(answer.bytes().await?);
        *response.status_mut() = status;
        Ok(response)
    }

    /// Logs once that traces are lost, and once that they no longer are.
    fn note(&self, result: &Result<Response<Bytes>, HttpError>) {
        let why = match result {
            Ok(response) if response.status().is_success() => None,
            Ok(response) => Some(format!("it answered {}", response.status())),
            Err(error) => Some(chain(error.as_ref())),
        };
        let outcome = if why.is_none() { "sent" } else { "failed" };
        metrics::counter!("cardwire_trace_exports_total", "outcome" => outcome).increment(1);
        let before = self.failing.swap(why.is_some(), Ordering::Relaxed);
        match why {
            Some(error) if !before => tracing::warn!(error, "the collector does not take traces; they are dropped"),
            None if before => tracing::info!("the collector takes traces again"),
            _ => {}
        }
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

impl HttpClient for Client {
    fn send_bytes<'a, 't>(&'a self, request: Request<Bytes>) -> BoxFuture<'t, Result<Response<Bytes>, HttpError>>
    where
        'a: 't,
        Self: 't,
    {
        Box::pin(async move {
            let result = match self.runtime.spawn(Self::send(self.client.clone(), request)).await {
                Ok(result) => result,
                Err(error) => Err(error.into()),
            };
            self.note(&result);
            result
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Client")
    }
}
