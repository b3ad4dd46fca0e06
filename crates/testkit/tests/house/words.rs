//! What people are told when something is wrong is a sentence: it begins with a capital letter and ends with a full stop.

use std::path::{Path, PathBuf};

/// What is followed by such a text.
const CALLS: [&str; 8] = [
    "Error::invalid(",
    "Problem::invalid(",
    "Problem::parameter(",
    "Problem::new(",
    "Complaint::about(",
    "Error::Forbidden(",
    "Error::Conflict(",
    "Error::refused(",
];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The literals among the arguments that `text` begins with.
fn literals(text: &str) -> Vec<String> {
    let (mut depth, mut found, mut chars) = (0_i32, Vec::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => break,
            ')' => depth -= 1,
            '"' => {
                let mut literal = String::new();
                while let Some(c) = chars.next().filter(|c| *c != '"') {
                    match c {
                        // A line that goes on, or the character behind it.
                        '\\' => literal.extend(chars.next().filter(|next| *next != '\n')),
                        _ => literal.push(c),
                    }
                }
                found.push(literal);
            }
            _ => {}
        }
    }
    found
}

/// Texts of a source file that are no sentences.
fn fragments(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let calls = CALLS.iter().flat_map(|call| source.split(call).skip(1));
    let texts = calls.flat_map(literals).filter(|text| text.contains(' '));
    let is_sentence = |text: &String| {
        text.starts_with(|c: char| c.is_uppercase() || "{`“".contains(c)) && text.ends_with(['.', '}', '?'])
    };
    texts.filter(|text| !is_sentence(text)).collect()
}

#[test]
fn what_people_are_told_is_a_sentence() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap();
    let mut files = Vec::new();
    for name in ["domain", "http", "api", "pages", "imports", "storage"] {
        sources(&crates.join(name).join("src"), &mut files);
    }
    assert!(files.len() > 150, "{}", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        for text in fragments(&std::fs::read_to_string(file).unwrap()) {
            wrong.push(format!("{}: {text}", file.strip_prefix(&crates).unwrap().display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn fragments_are_found() {
    let source = "Err(Problem::invalid(\"file\", \"must be a (small) file\"))\n\
                  Error::Conflict(format!(\"{name} is taken; choose \\\n another\").into())\n\
                  Problem::new(&NOT_FOUND, \"There is no such file.\")";
    assert_eq!(fragments(source), ["must be a (small) file", "{name} is taken; choose  another"]);
}
