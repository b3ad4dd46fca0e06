//! Every script that tests or checks is run for every change, or the docs say why not.

use std::fs;
use std::path::Path;

#[test]
fn every_check_is_run_or_the_docs_say_why_not() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let run = fs::read_to_string(root.join(".ci/run")).unwrap();
    let commands = fs::read_to_string(root.join("docs/develop/COMMANDS.md")).unwrap();
    let (_, not_run) = commands.split_once("These are not run for every change").unwrap();
    let mut checked = 0;
    for entry in fs::read_dir(root.join("scripts")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("test") || name.starts_with("check") {
            let is_run = run.lines().any(|line| line == format!("scripts/{name}"));
            let is_explained = not_run.lines().any(|line| line.starts_with(&format!("| `scripts/{name}` |")));
            assert!(is_run != is_explained, "scripts/{name}: run {is_run}, explained {is_explained}");
            checked += 1;
        }
    }
    assert!(checked >= 5, "{checked}");
}
