//! Modules of a crate import each other in one direction.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::house::{files, root};

/// Modules that import each other in a cycle and are not separated yet. A crate that is not named has none.
const CYCLES: [(&str, &[&[&str]]); 1] = [
    // A simulated world is one object whose services act on each other.
    ("steps/sim/src", &[&["world"]]),
];

const CRATES: [&str; 6] =
    ["plans/encode/src", "plans/src", "engine/src", "steps/src", "steps/sim/src", "src"];

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
fn a_cycle_is_found_and_comments_are_not_read() {
    let imports = [("a", vec!["b"]), ("b", vec!["c"]), ("c", vec!["b"]), ("d", vec!["a"])];
    let imports = imports
        .into_iter()
        .map(|(from, to)| (from.to_owned(), to.into_iter().map(str::to_owned).collect()))
        .collect();
    assert_eq!(cycles(&imports), [BTreeSet::from(["b".to_owned(), "c".to_owned()])]);
    let modules = BTreeSet::from(["a".to_owned(), "b".to_owned()]);
    let text = code("use crate::{a::X, b};\n// crate::c\nuse crate::b::Y;");
    assert_eq!(named(&text, &modules), BTreeSet::from(["a", "b"]));
}
