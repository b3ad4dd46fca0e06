//! The AT Protocol network, according to the settings.

use std::sync::Arc;

use anyhow::Context as _;
use cardwire_atproto::{Agents, AtprotoSettings, DnsNames, Keys};
use cardwire_domain::account_store::AccountStore;
use cardwire_guard::{AddressPolicy, system_lookup};

use crate::settings::{Settings, SettingsError};

/// `None` without a secret key.
pub(crate) fn agents(settings: &Settings, accounts: Arc<dyn AccountStore>) -> anyhow::Result<Option<Agents>> {
    let network = &settings.network;
    let Some(key) = &network.secret_key else { return Ok(None) };
    let keys = Keys::parse(key).map_err(|error| SettingsError::value("APP__SECRET_KEY", error.to_string()))?;
    let policy = AddressPolicy { allow_private: network.allow_private_hosts, ..AddressPolicy::default() };
    let settings = AtprotoSettings {
        keys,
        site: settings.network_site(),
        plc: network.plc.clone(),
        prefix: network.prefix.clone(),
        allow_app_passwords: network.allow_app_passwords,
        policy,
        development: network.allow_private_hosts,
        lookup: system_lookup(),
        names: Arc::new(DnsNames::of_system().context("reading how this machine asks DNS")?),
        well_known: None,
    };
    let agents = Agents::new(settings, accounts).context("setting up the AT Protocol network")?;
    Ok(Some(agents))
}
