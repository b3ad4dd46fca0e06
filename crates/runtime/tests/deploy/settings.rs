//! The settings in docs/operate/SETTINGS.md.

use std::collections::BTreeSet;

use cardwire_runtime::settings::names::{self, NAMES, Name};

use crate::tree::{check_setting, read};

const PAGE: &str = "docs/operate/SETTINGS.md";

/// The settings in the page's tables, each with its default.
fn rows(page: &str) -> Vec<(&str, &str)> {
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        (cells[1].trim_matches('`'), cells[2])
    })
    .collect()
}

/// How the page shows the default. One that depends on other settings ends what `--help` says about the setting.
fn shown(setting: &Name) -> String {
    if let Some(default) = setting.default {
        return format!("`{default}`");
    }
    let depends = setting.about.split_once("efault ").or_else(|| setting.about.split_once("efault: "));
    depends.map_or("–", |(_, default)| default).to_owned()
}

/// What looks like the name of a setting. `APP__` alone is none.
fn named(page: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
    let words = page.split(|c: char| !is_part(c));
    words.map(|word| word.trim_matches('_')).filter(|word| word.contains('_')).collect()
}

#[test]
fn the_docs_tell_every_setting_with_its_default_and_no_other() {
    let page = read(PAGE);
    let rows = rows(&page);
    for (name, _) in &rows {
        check_setting(name, PAGE);
    }
    for name in named(&page) {
        check_setting(name, PAGE);
    }
    let mut wrong = Vec::new();
    for setting in NAMES {
        let told: Vec<&str> =
            rows.iter().filter(|(name, _)| *name == setting.name).map(|(_, default)| *default).collect();
        let default = shown(setting);
        if told != [default.as_str()] {
            wrong.push(format!("{}: the default is {default}, the page says {told:?}", setting.name));
        }
    }
    assert!(wrong.is_empty(), "{PAGE}: {}", wrong.join("\n"));
}

#[test]
fn rows_defaults_and_names_are_found() {
    let page =
        "| setting | default | what it does |\n|---|---|---|\n| `PORT` | `8080` | needs USE_X, not `APP__` or a_b |\n";
    assert_eq!(rows(page), [("PORT", "`8080`")]);
    assert_eq!(named(page), BTreeSet::from(["USE_X"]));
    let check = |name: &str, default: &str| assert_eq!(shown(names::find(name).unwrap()), default, "{name}");
    check("PORT", "`8080`");
    check("HOST", "127.0.0.1 in development, otherwise [::]");
    check("APP__PUBLIC_URL", "the Host header");
    check("REDIS_URL", "–");
}
