//! Where traces go.

use std::fmt;

use cardwire_events::server_url::is_percent_encoded;
use cardwire_events::{InvalidUrl, ServerUrl};
use secrecy::SecretString;
use url::Url;

use super::error::SettingsError;
use super::layers::Layers;

type Result<T, E = SettingsError> = std::result::Result<T, E>;

/// By OTLP over HTTP, to `<endpoint>/v1/traces`.
#[derive(Clone)]
pub struct TraceSettings {
    /// `None`: no traces. Some collectors have a token in the path.
    pub endpoint: Option<Url>,
    /// Sent along, such as a token.
    pub headers: Vec<(String, SecretString)>,
    /// The share of traces started here that are kept, 0 to 1. For traces started by a caller, the caller decides.
    pub ratio: f64,
    /// Where operators look up a trace; `{traceId}` stands for its id.
    pub shown_at: Option<String>,
}

impl TraceSettings {
    /// Without its path.
    pub fn shown_endpoint(&self) -> String {
        let Some(url) = &self.endpoint else { return String::new() };
        let path = if url.path() == "/" { "" } else { "***" };
        format!("{}/{path}", url.origin().ascii_serialization())
    }

    pub(super) fn read(layers: &Layers) -> Result<Self> {
        Ok(Self {
            endpoint: layers.text("OTEL_EXPORTER_OTLP_ENDPOINT").map(endpoint).transpose()?,
            headers: headers(layers.text("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default())?,
            ratio: ratio(layers.text("OTEL_TRACES_SAMPLER_ARG").unwrap_or_default())?,
            shown_at: layers.text("APP__TRACE_URL").map(shown_at).transpose()?,
        })
    }
}

impl fmt::Debug for TraceSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("TraceSettings");
        shown
            .field("endpoint", &self.shown_endpoint())
            .field("headers", &self.headers)
            .field("ratio", &self.ratio)
            .field("shown_at", &self.shown_at)
            .finish()
    }
}

fn endpoint(text: &str) -> Result<Url> {
    let wrong = |rule: &str| SettingsError::value("OTEL_EXPORTER_OTLP_ENDPOINT", rule);
    let url = ServerUrl::parse(text, &["http", "https"]).map_err(|error| wrong(&error.to_string()))?;
    if url.username.is_some() || url.password.is_some() || !url.parameters.is_empty() {
        return Err(wrong("must be an address alone; put a token into OTEL_EXPORTER_OTLP_HEADERS"));
    }
    Url::parse(text).map_err(|_| wrong(&InvalidUrl::Host.to_string()))
}

/// `name=value,name=value`, values percent-encoded.
fn headers(text: &str) -> Result<Vec<(String, SecretString)>> {
    let wrong = || {
        SettingsError::value(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "must be name=value, comma separated, values percent-encoded (%25 for %)",
        )
    };
    let header = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        if !is_percent_encoded(value) {
            return None;
        }
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = name.trim();
        let known = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let sendable = value.bytes().all(|b| (b' '..0x7f).contains(&b));
        (known && sendable).then(|| (name.to_owned(), SecretString::from(value.as_ref())))
    };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs.map(|pair| header(pair).ok_or_else(wrong)).collect()
}

fn shown_at(text: &str) -> Result<String> {
    let url = Url::parse(text).ok().filter(|url| ["http", "https"].contains(&url.scheme()) && url.has_host());
    match url {
        Some(_) if text.contains("{traceId}") => Ok(text.to_owned()),
        _ => Err(SettingsError::value(
            "APP__TRACE_URL",
            "must be an http or https URL with {traceId} in it, such as https://traces.example/trace/{traceId}",
        )),
    }
}

fn ratio(text: &str) -> Result<f64> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| {
        SettingsError::value("OTEL_TRACES_SAMPLER_ARG", format!("must be a number from 0 to 1, not {text:?}"))
    })
}
