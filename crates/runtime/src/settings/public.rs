//! How browsers reach this site, and which other sites' scripts may use its API.

use url::Url;

use super::error::SettingsError;
use super::layers::Layers;

type Result<T, E = SettingsError> = std::result::Result<T, E>;

const PUBLIC_URL: &str = "APP__PUBLIC_URL";
const CORS_ORIGINS: &str = "APP__WEB__CORS_ORIGINS";

#[derive(Clone, Debug, Default)]
pub struct PublicSettings {
    /// `None`: the host in each request, with HTTPS unless it is this machine.
    pub url: Option<Url>,
    /// As browsers send them in `Origin`.
    pub cors_origins: Vec<String>,
}

impl PublicSettings {
    pub(super) fn read(layers: &Layers) -> Result<Self> {
        let origins = layers.text(CORS_ORIGINS).unwrap_or_default();
        let origins = origins.split(',').map(str::trim).filter(|text| !text.is_empty());
        let origin = |text: &str| Ok(address(CORS_ORIGINS, text)?.origin().ascii_serialization());
        Ok(Self {
            url: layers.text(PUBLIC_URL).map(|text| address(PUBLIC_URL, text)).transpose()?,
            cors_origins: origins.map(origin).collect::<Result<_>>()?,
        })
    }
}

/// Scheme, host and port, nothing else. The error does not repeat the input, since it may contain a password.
pub(super) fn address(name: &'static str, text: &str) -> Result<Url> {
    let wrong = |rule: &str| SettingsError::value(name, rule);
    let url = Url::parse(text).map_err(|_| wrong("must be an address such as https://links.example"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(wrong("must start with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must be an address such as https://links.example, without a user, query or fragment"));
    }
    if url.path() != "/" {
        return Err(wrong(
            "must not have a path: a sub-path is not supported, so give Cardwire a host name of its own",
        ));
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_host_and_port_alone() {
        for good in
            ["https://links.example", "https://links.example/", "http://localhost:8080", "https://[2001:db8::1]"]
        {
            assert!(address(PUBLIC_URL, good).is_ok(), "{good}");
        }
        for bad in [
            "links.example",
            "ftp://links.example",
            "https://",
            "https://alice@links.example",
            "https://alice:hunter2@links.example",
            "https://links.example/?a",
            "https://links.example/#a",
            "https://links.example/cardwire",
        ] {
            let error = address(PUBLIC_URL, bad).unwrap_err().to_string();
            assert!(error.contains(PUBLIC_URL) && !error.contains("hunter2"), "{bad}: {error}");
        }
        let error = address(PUBLIC_URL, "https://links.example/cardwire").unwrap_err().to_string();
        assert!(error.contains("sub-path is not supported"), "{error}");
    }
}
