//! Words that `docs/concepts/glossary.md` rejects occur nowhere.

use std::fs;
use std::path::PathBuf;

use crate::house::{files, root};

/// Words of `docs/concepts/glossary.md` that have no other meaning in this project.
const REJECTED: [&str; 12] = [
    "nobody",
    "somebody",
    "whoever",
    "anybody",
    "taken back",
    "take back",
    "takes back",
    "the other side",
    "looks again",
    "look again",
    "rival",
    "mends",
];

/// Whether `word` stands in `line` as whole words, in either case.
fn holds(line: &str, word: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(inside) && !line[at + word.len()..].starts_with(inside))
}

#[test]
fn rejected_words_are_not_used() {
    let mut wrong = Vec::new();
    let folders = ["engine", "plans", "steps", "src", "tests", "docs"];
    let mut all: Vec<PathBuf> =
        folders.iter().flat_map(|folder| files(folder, &["rs", "md", "yaml", "py", "mjs", "toml"])).collect();
    all.extend(["README.md", "CHANGELOG.md", "CONTRIBUTING.md"].map(PathBuf::from));
    assert!(all.len() > 400, "only {} files found: the search is broken", all.len());
    for file in all {
        if file.ends_with("docs/concepts/glossary.md") || file.ends_with("tests/it/house_words.rs") {
            continue;
        }
        let text = fs::read_to_string(root().join(&file)).unwrap().to_lowercase();
        for (number, line) in text.lines().enumerate() {
            for word in REJECTED.iter().filter(|word| holds(line, word)) {
                wrong.push(format!("{}:{}: {word:?}", file.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "say it as docs/concepts/glossary.md does:\n{}", wrong.join("\n"));
}

#[test]
fn a_rejected_word_is_found_as_a_whole_word() {
    assert!(holds("that rival, too", "rival") && !holds("the arrival", "rival"));
}
