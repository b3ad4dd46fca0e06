//! The rules of the settings of the AT Protocol network.

use std::collections::BTreeMap;

use cardwire_atproto::ClientSite;
use url::Url;

use super::*;

const SECRET_KEY: &str = "APP__SECRET_KEY";
const PLC_URL: &str = "APP__ATPROTO__PLC_URL";
const PREFIX: &str = "APP__ATPROTO__COLLECTION_PREFIX";
const APP_PASSWORDS: &str = "APP__ATPROTO__ALLOW_APP_PASSWORDS";
const PRIVATE_HOSTS: &str = "APP__ATPROTO__ALLOW_PRIVATE_HOSTS";
const KEY: &str = "APP__SECRET_KEY=0123456789abcdef0123456789abcdef";

fn load(text: &str) -> Result<Settings> {
    load_as(Role::Web, "sqlite:x.db", text)
}

fn load_as(role: Role, database: &str, text: &str) -> Result<Settings> {
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').expect("NAME=value");
        (name.to_owned(), value.to_owned())
    };
    let mut variables: BTreeMap<String, String> = text.split_whitespace().map(pair).collect();
    variables.insert("DATABASE_URL".into(), database.into());
    let environment = Environment { variables, dotenv: None, terminal: false };
    Settings::load(role, &CliSettings::default(), &environment)
}

fn site(text: &str) -> Option<ClientSite> {
    let settings = load(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    settings.network_site()
}

#[test]
fn the_site_is_public_or_on_this_machine_in_development() {
    assert_eq!(site(""), None);
    let public = ClientSite::Public(Url::parse("https://links.example").unwrap());
    assert_eq!(site(&format!("{KEY} APP__PUBLIC_URL=https://links.example")), Some(public));
    let local = |port| Some(ClientSite::Loopback { port });
    assert_eq!(site(&format!("{KEY} APP_ENV=development")), local(8080));
    assert_eq!(site(&format!("{KEY} APP_ENV=development APP__PUBLIC_URL=http://127.0.0.1:9000")), local(9000));
    assert_eq!(site(&format!("{KEY} APP_ENV=development USE_MOCK_AUTH=true")), None);
}

#[test]
fn what_makes_no_sense_is_refused_in_one_line_that_names_the_setting() {
    for (text, name) in [
        (KEY.to_owned(), SECRET_KEY),
        (format!("{KEY} APP__PUBLIC_URL=http://links.example"), SECRET_KEY),
        (format!("{KEY} APP_ENV=development APP__PUBLIC_URL=http://links.example"), SECRET_KEY),
        ("APP__SECRET_KEY=hunter2".to_owned(), SECRET_KEY),
        ("APP__ATPROTO__ALLOW_APP_PASSWORDS=true".to_owned(), APP_PASSWORDS),
        ("APP__ATPROTO__ALLOW_APP_PASSWORDS=true APP_ENV=development".to_owned(), APP_PASSWORDS),
        ("APP__ATPROTO__ALLOW_PRIVATE_HOSTS=true".to_owned(), PRIVATE_HOSTS),
        ("APP__ATPROTO__PLC_URL=http://localhost:2582 APP_ENV=development".to_owned(), PLC_URL),
        ("APP__ATPROTO__PLC_URL=plc.directory".to_owned(), PLC_URL),
        ("APP__ATPROTO__COLLECTION_PREFIX=cosmik".to_owned(), PREFIX),
        ("APP__ATPROTO__COLLECTION_PREFIX=a.b/c".to_owned(), PREFIX),
    ] {
        let error = load(&text).map(|_| ()).expect_err(&text).to_string();
        assert!(error.starts_with(name) && !error.contains('\n') && !error.contains("hunter2"), "{text}: {error}");
    }
}

#[test]
fn a_worker_that_publishes_is_told_the_same_as_web() {
    let load = |text: &str| load_as(Role::RecordWorker, "postgres://cardwire@localhost/cardwire", text);
    let error = load(KEY).map(|_| ()).expect_err("sessions cannot be refreshed without it").to_string();
    assert!(error.starts_with(SECRET_KEY) && error.contains("APP__PUBLIC_URL"), "{error}");
    let settings = load(&format!("{KEY} APP__PUBLIC_URL=https://links.example")).unwrap();
    assert_eq!(settings.network_site(), site(&format!("{KEY} APP__PUBLIC_URL=https://links.example")));
    assert!(settings.publishing().contains("repositories"), "{}", settings.publishing());
    assert!(load("").unwrap().publishing().contains(SECRET_KEY));
}

#[test]
fn the_key_is_shown_to_nobody() {
    let settings = load(&format!("{KEY} APP_ENV=development")).unwrap();
    assert!(!settings.effective_lines().contains("0123456789"));
    assert!(!format!("{settings:?}").contains("0123456789"));
}
