//! Rules of language and structure: words that the glossary rejects, and import cycles between modules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

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

/// Modules that import each other in a cycle and are not separated yet. A crate that is not named has none.
const CYCLES: [(&str, &[&[&str]]); 2] = [
    // A simulated world is one object whose services act on each other.
    ("steps/sim/src", &[&["world"]]),
    ("src", &[&["commands"]]),
];

const CRATES: [&str; 6] =
    ["plans/encode/src", "plans/src", "engine/src", "steps/src", "steps/sim/src", "src"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Files below `folder` with one of these extensions, relative to the root.
fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![root().join(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let skipped = ["target", "node_modules", "snapshots"].iter().any(|name| path.ends_with(name));
            if path.is_dir() && !skipped {
                folders.push(path);
            } else if path.extension().is_some_and(|own| extensions.iter().any(|wanted| own == *wanted)) {
                found.push(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

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
        if file.ends_with("docs/concepts/glossary.md") || file.ends_with("tests/it/house_structure.rs") {
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

/// The text without comments and without test modules.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    let text = text.split("\nmod tests {").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// Names of the top-level modules that `text` names by a path from the crate's root.
fn named<'m>(text: &str, modules: &'m BTreeSet<String>) -> BTreeSet<&'m str> {
    let mut found = BTreeSet::new();
    for (at, start) in text.match_indices("crate::") {
        if text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &text[at + start.len()..];
        let group = match rest.strip_prefix('{') {
            // Each name of the group begins a path.
            Some(group) => group.split(';').next().unwrap_or_default(),
            None => rest.split(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default(),
        };
        let words = group.split(|c: char| !(c.is_alphanumeric() || c == '_'));
        found.extend(words.filter_map(|word| modules.get(word).map(String::as_str)));
    }
    found
}

/// Sets of modules that reach each other.
fn cycles(imports: &BTreeMap<String, BTreeSet<String>>) -> Vec<BTreeSet<String>> {
    let reaches = |from: &String| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
        while let Some(module) = open.pop() {
            for next in imports.get(module).into_iter().flatten() {
                if seen.insert(next.clone()) {
                    open.push(next);
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, BTreeSet<String>> =
        imports.keys().map(|module| (module, reaches(module))).collect();
    let mut found: Vec<BTreeSet<String>> = Vec::new();
    for (module, seen) in &reached {
        if !seen.contains(*module) || found.iter().any(|cycle| cycle.contains(*module)) {
            continue;
        }
        let both = |other: &&String| reached.get(*other).is_some_and(|back| back.contains(*module));
        found.push(seen.iter().filter(both).cloned().collect());
    }
    found
}

#[test]
fn modules_import_each_other_in_one_direction() {
    for folder in CRATES {
        let all = files(folder, &["rs"]);
        let top = |file: &Path| {
            let first = file.strip_prefix(folder).unwrap().components().next().unwrap().as_os_str();
            first.to_str().unwrap().trim_end_matches(".rs").to_owned()
        };
        let modules: BTreeSet<String> = all.iter().map(|file| top(file)).collect();
        let mut imports: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for file in &all {
            let (module, name) = (top(file), file.to_str().unwrap());
            let is_test = name.contains("tests") || name.ends_with("_test.rs") || name.contains("_test/");
            // `driver/trial.rs` is a fixture of tests.
            if is_test || name.ends_with("trial.rs") || ["lib", "main"].contains(&module.as_str()) {
                continue;
            }
            let text = code(&fs::read_to_string(root().join(file)).unwrap());
            let named = named(&text, &modules).into_iter().filter(|other| *other != module);
            imports.entry(module.clone()).or_default().extend(named.map(str::to_owned));
        }
        let known = CYCLES.iter().find(|(name, _)| *name == folder).map_or(&[][..], |(_, known)| known);
        for cycle in cycles(&imports) {
            let is_known = known.iter().any(|known| known.iter().all(|module| cycle.contains(*module)));
            assert!(is_known, "{folder}: {cycle:?} import each other; move what both use below them");
        }
        assert!(cycles(&imports).len() <= known.len(), "{folder}: a new cycle beside the known ones");
    }
}

#[test]
fn a_cycle_and_a_rejected_word_are_found() {
    let imports = [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["b"]), ("d", vec!["a"])];
    let imports = imports
        .into_iter()
        .map(|(from, to)| (from.to_owned(), to.into_iter().map(str::to_owned).collect()))
        .collect();
    assert_eq!(cycles(&imports), [BTreeSet::from(["b".to_owned(), "c".to_owned()])]);
    assert!(holds("that rival, too", "rival") && !holds("the arrival", "rival"));
    let modules = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    let text = code("use crate::{a::X, b};\n// crate::c\nuse crate::b::Y;");
    assert_eq!(named(&text, &modules), BTreeSet::from(["a", "b"]));
}
