//! Limits and quotas.

use super::*;

#[test]
fn changes_of_one_person_are_limited_unless_anybody_may_be_that_person() {
    let check = |text: &str, expected: u32| assert_eq!(valid(text).writes_per_second, expected, "{text}");
    check("", 200);
    check("USE_MOCK_AUTH=true APP_ENV=development", 0);
    check("USE_MOCK_AUTH=true APP_ENV=development APP__WEB__WRITES_PER_SECOND=5", 5);
    check("APP__WEB__WRITES_PER_SECOND=0", 0);
    assert!(load(&format!("DATABASE_URL={DATABASE} APP__WEB__WRITES_PER_SECOND=-1")).is_err());
}

#[test]
fn what_one_person_adds_within_a_day_is_limited_unless_anybody_may_be_that_person() {
    let names = ["APP__QUOTAS__CARDS_A_DAY", "APP__QUOTAS__COLLECTIONS_A_DAY", "APP__QUOTAS__IMPORTS_A_DAY"];
    let check = |text: &str, expected: [&str; 3]| {
        let settings = valid(text);
        assert_eq!(names.map(|name| shown(&settings, name)), expected, "{text}");
    };
    check("", ["5000", "100", "20"]);
    check("USE_MOCK_AUTH=true APP_ENV=development", ["0", "0", "0"]);
    check("USE_MOCK_AUTH=true APP_ENV=development APP__QUOTAS__IMPORTS_A_DAY=2", ["0", "0", "2"]);
    check("APP__QUOTAS__CARDS_A_DAY=0 APP__QUOTAS__COLLECTIONS_A_DAY=7", ["0", "7", "20"]);
    for name in names {
        assert!(load(&format!("DATABASE_URL={DATABASE} {name}=-1")).is_err());
    }
}

#[test]
fn the_help_names_the_defaults() {
    let [cards, collections, imports] = QUOTAS;
    let defaults = [
        ("APP__QUOTAS__CARDS_A_DAY", cards),
        ("APP__QUOTAS__COLLECTIONS_A_DAY", collections),
        ("APP__QUOTAS__IMPORTS_A_DAY", imports),
        ("APP__WEB__WRITES_PER_SECOND", WRITES_PER_SECOND),
    ];
    for (name, default) in defaults {
        let about = names::find(name).unwrap().about;
        assert!(about.ends_with(&format!(" Default {default}, with mock authentication 0")), "{name}: {about}");
    }
}

#[test]
fn reads_without_signing_in_are_limited_by_address() {
    let check = |text: &str, expected: u32| assert_eq!(valid(text).anonymous_reads_per_second, expected, "{text}");
    check("", 50);
    check("APP__WEB__ANONYMOUS_READS_PER_SECOND=0", 0);
}
