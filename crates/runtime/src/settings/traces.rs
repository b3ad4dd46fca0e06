//! Where traces go.

use secrecy::SecretString;
use url::Url;

use super::error::SettingsError;
use super::layers::Layers;

type Result<T, E = SettingsError> = std::result::Result<T, E>;

/// By OTLP over HTTP, to `<endpoint>/v1/traces`.
#[derive(Clone, Debug)]
pub struct TraceSettings {
    /// `None`: no traces.
    pub endpoint: Option<Url>,
    /// Sent along, such as a token.
    pub headers: Vec<(String, SecretString)>,
    /// The share of traces begun here that are kept, 0 to 1. What a caller began follows the caller's choice.
    pub ratio: f64,
}

impl TraceSettings {
    pub(super) fn read(layers: &Layers) -> Result<Self> {
        Ok(Self {
            endpoint: layers.text("OTEL_EXPORTER_OTLP_ENDPOINT").map(endpoint).transpose()?,
            headers: headers(layers.text("OTEL_EXPORTER_OTLP_HEADERS").unwrap_or_default())?,
            ratio: ratio(layers.text("OTEL_TRACES_SAMPLER_ARG").unwrap_or_default())?,
        })
    }
}

fn endpoint(text: &str) -> Result<Url> {
    let wrong = |rule: &str| SettingsError::value("OTEL_EXPORTER_OTLP_ENDPOINT", rule);
    let url = Url::parse(text).map_err(|error| wrong(&format!("is no URL: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must be an address alone; a token belongs into OTEL_EXPORTER_OTLP_HEADERS"));
    }
    Ok(url)
}

/// `name=value,name=value`, values percent-encoded.
fn headers(text: &str) -> Result<Vec<(String, SecretString)>> {
    let wrong = || SettingsError::value("OTEL_EXPORTER_OTLP_HEADERS", "must be name=value, comma separated");
    let header = |pair: &str| {
        let (name, value) = pair.split_once('=')?;
        let value = percent_encoding::percent_decode_str(value.trim()).decode_utf8().ok()?;
        let name = name.trim();
        let known = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b));
        let sendable = value.bytes().all(|b| (b' '..0x7f).contains(&b));
        (known && sendable).then(|| (name.to_owned(), SecretString::from(value.as_ref())))
    };
    let pairs = text.split(',').filter(|pair| !pair.trim().is_empty());
    pairs.map(|pair| header(pair).ok_or_else(wrong)).collect()
}

fn ratio(text: &str) -> Result<f64> {
    let ratio = text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio));
    ratio.ok_or_else(|| {
        SettingsError::value("OTEL_TRACES_SAMPLER_ARG", format!("must be a number from 0 to 1, not {text:?}"))
    })
}
