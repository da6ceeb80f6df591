//! Rules of the project that crate boundaries alone do not enforce: which crate uses which, where a library occurs,
//! how large a file may be. The rules are explained in `docs/concepts/architecture.md`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Normal (not dev) dependencies of each workspace package, by name.
fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut all = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let names = package["dependencies"].as_array().unwrap().iter();
        let names = names.filter(|dependency| dependency["kind"].is_null());
        let names = names.map(|dependency| dependency["name"].as_str().unwrap().to_owned()).collect();
        all.insert(package["name"].as_str().unwrap().to_owned(), names);
    }
    all
}

/// Files below `folder` with one of these extensions, relative to the root.
pub(crate) fn files(folder: &str, extensions: &[&str]) -> Vec<PathBuf> {
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

/// Rust files that git tracks or would track, relative to the root.
fn rust_files() -> Vec<PathBuf> {
    let folders = ["engine", "plans", "steps", "src", "tests"];
    let mut found: Vec<PathBuf> = folders.iter().flat_map(|folder| files(folder, &["rs"])).collect();
    found.sort();
    assert!(found.len() > 20, "only {} files found: the search is broken", found.len());
    found
}

#[test]
fn crates_use_each_other_in_one_direction() {
    let dependencies = dependencies();
    let ours: BTreeSet<&str> = dependencies.keys().map(String::as_str).collect();
    let allowed: BTreeMap<&str, &[&str]> = BTreeMap::from([
        ("twinspan-encode", &[][..]),
        ("twinspan-plans", &["twinspan-encode"]),
        ("twinspan-engine", &["twinspan-encode", "twinspan-plans"]),
        ("twinspan-steps", &["twinspan-encode", "twinspan-plans", "twinspan-engine"]),
        ("twinspan-sim", &[]),
        (
            "twinspan",
            &["twinspan-encode", "twinspan-plans", "twinspan-engine", "twinspan-steps", "twinspan-sim"],
        ),
    ]);
    assert_eq!(ours, allowed.keys().copied().collect(), "a crate was added: say here what it may use");
    for (name, may) in allowed {
        let uses: BTreeSet<&str> = dependencies[name]
            .iter()
            .map(String::as_str)
            .filter(|dependency| ours.contains(dependency))
            .collect();
        let may: BTreeSet<&str> = may.iter().copied().collect();
        assert!(uses.is_subset(&may), "{name} may use {may:?}, and uses {uses:?}");
    }
}

#[test]
fn each_outside_library_stays_in_its_room() {
    // Library, the only crates that may depend on it, and the only places where its name may occur in code.
    let rooms: [(&str, &[&str], &[&str]); 7] = [
        ("rusqlite", &["twinspan-engine"], &["engine/src/journal.rs", "engine/src/journal/"]),
        ("reqwest", &["twinspan-steps"], &["steps/src/azure/", "steps/src/azure.rs", "tests/it/azure.rs"]),
        ("azure_identity", &["twinspan-steps"], &["steps/src/azure/tokens.rs"]),
        ("backoff", &["twinspan-engine"], &["engine/src/schedule.rs"]),
        ("serde-saphyr", &["twinspan-plans"], &["plans/src/yaml.rs"]),
        ("clap", &["twinspan"], &["src/"]),
        (
            "rcgen",
            &["twinspan-sim"],
            &["steps/sim/src/listener.rs", "steps/sim/src/listener/", "steps/sim/src/entra/certificates.rs"],
        ),
    ];
    let dependencies = dependencies();
    for (library, crates, places) in rooms {
        for (name, uses) in &dependencies {
            assert!(
                !uses.contains(library) || crates.contains(&name.as_str()),
                "{name} may not use {library}"
            );
        }
        let path = format!("{}::", library.replace('-', "_"));
        for file in rust_files() {
            let file = file.to_str().unwrap();
            if places.iter().any(|place| file.starts_with(place)) || file == "tests/it/house.rs" {
                continue;
            }
            let text = fs::read_to_string(root().join(file)).unwrap();
            let line = text.lines().position(|line| {
                let code = line.split("//").next().unwrap_or_default();
                code.match_indices(&path).any(|(at, _)| {
                    // `steps::azure_identity::` or `my_backoff::` are other names.
                    !code[..at]
                        .ends_with(|before: char| before.is_alphanumeric() || before == '_' || before == ':')
                })
            });
            assert_eq!(line, None, "{library} is used at {file}:{}", line.unwrap_or_default() + 1);
        }
    }
}

#[test]
fn the_engine_does_not_know_azure() {
    for file in rust_files() {
        let name = file.to_str().unwrap();
        if !name.starts_with("engine/src/") {
            continue;
        }
        let text = fs::read_to_string(root().join(&file)).unwrap().to_lowercase();
        for word in ["azure", "tenant", "entra", "avnm", "http"] {
            let line = text.lines().position(|line| line.contains(word));
            assert_eq!(line, None, "{name}:{} says {word:?}", line.unwrap_or_default() + 1);
        }
    }
}

#[test]
fn files_have_one_job() {
    let mut wrong = Vec::new();
    for file in rust_files() {
        let name = file.to_str().unwrap();
        if file.ends_with("mod.rs") {
            wrong.push(format!("{name}: modules are foo.rs and foo/"));
        }
        if let Some(stem @ ("utils" | "util" | "common" | "types" | "helpers" | "misc")) =
            file.file_stem().and_then(|stem| stem.to_str())
        {
            wrong.push(format!("{name}: {stem:?} says nothing; name what it holds"));
        }
        let text = fs::read_to_string(root().join(&file)).unwrap();
        let lines = text.lines().count();
        let without_tests = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default().lines().count();
        if lines > 900 || (without_tests > 520 && !name.contains("tests")) {
            wrong.push(format!(
                "{name}: {without_tests} lines without tests, {lines} with them; split it by noun"
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_test_file_is_forgotten() {
    let main = fs::read_to_string(root().join("tests/it/main.rs")).unwrap();
    for entry in fs::read_dir(root().join("tests/it")).unwrap() {
        let path = entry.unwrap().path();
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if path.extension().is_some_and(|extension| extension == "rs") && stem != "main" {
            assert!(main.contains(&format!("mod {stem};")), "tests/it/{stem}.rs is not named in main.rs");
        }
    }
}

#[test]
fn every_dependency_says_what_it_is_for() {
    for manifest in [
        "Cargo.toml",
        "plans/encode/Cargo.toml",
        "plans/Cargo.toml",
        "engine/Cargo.toml",
        "steps/Cargo.toml",
        "steps/sim/Cargo.toml",
    ] {
        let text = fs::read_to_string(root().join(manifest)).unwrap();
        let mut inside = false;
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            if line.starts_with('[') {
                inside = line.contains("dependencies");
            } else if inside
                && line.contains('=')
                && !line.starts_with('#')
                && !line.contains("workspace = true")
            {
                let own = line.starts_with("twinspan-");
                assert!(
                    own || before.starts_with('#'),
                    "{manifest}:{}: say in a comment what it is for",
                    number + 1
                );
            }
            before = line;
        }
    }
}
