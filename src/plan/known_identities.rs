//! Detects configured identities that no plan names: a mistyped table of `twinspan.toml` would never be used.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use twinspan_plans::{Catalog, Plan, nearest};

use crate::cli::error::CommandError;

/// Identities of the shipped plans.
const SHIPPED: [&str; 5] = ["central", "target", "target-admin", "application-central", "application-target"];

/// Identities of `sim --configure` that no shipped plan names.
const SIMULATED: [&str; 1] = ["tailspin-admin"];

/// The table for every identity without a table of its own.
const DEFAULT: &str = "default";

/// Refuses a configured identity that is named neither by the plan, nor by a plan beside it or in the working folder,
/// nor by a
/// shipped plan. Without a plan only a probably mistyped name is refused, because its plan may be in any folder.
pub(crate) fn check<'a>(
    configured: impl Iterator<Item = &'a str>,
    plan: Option<&Plan>,
    folders: &[&Path],
    catalog: &Catalog,
) -> Result<(), CommandError> {
    let mut known: BTreeSet<String> = SHIPPED.into_iter().chain(SIMULATED).map(str::to_owned).collect();
    known.extend(plan.into_iter().flat_map(names));
    for folder in folders {
        known.extend(names_in(folder, catalog));
    }
    let wrong = configured.filter(|name| *name != DEFAULT && !known.contains(*name));
    let candidates = || known.iter().map(String::as_str);
    let mut unknown: Vec<(&str, Option<&str>)> =
        wrong.map(|name| (name, nearest(name, candidates()))).collect();
    if plan.is_none() {
        unknown.retain(|(_, near)| near.is_some());
    }
    let Some((first, _)) = unknown.first() else { return Ok(()) };
    let mut error = CommandError::usage(match unknown.len() {
        1 => format!("identity {first} is configured, but no plan names it: its table is never used"),
        count => {
            format!("{count} identities are configured but no plan names them: their tables are never used")
        }
    });
    for (name, near) in &unknown {
        error = error.hint(match near {
            Some(near) => format!("[identities.{name}]: did you mean [identities.{near}]?"),
            None => format!("[identities.{name}]: rename or remove the table"),
        });
    }
    Err(error)
}

fn names(plan: &Plan) -> impl Iterator<Item = String> + '_ {
    plan.identities.iter().map(|identity| identity.name.clone())
}

/// The identities of every valid plan in a folder.
fn names_in(folder: &Path, catalog: &Catalog) -> BTreeSet<String> {
    /// Maximum number of files that are read, and their maximum size.
    const FILES: usize = 200;
    const BYTES: u64 = 1 << 20;
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let yaml = entries.map(|entry| entry.path()).filter(|path| {
        path.extension().is_some_and(|ending| ending == "yaml" || ending == "yml")
            && fs::metadata(path).is_ok_and(|about| about.is_file() && about.len() <= BYTES)
    });
    let mut found = BTreeSet::new();
    for path in yaml.take(FILES) {
        let Ok(bytes) = fs::read(&path) else { continue };
        let Ok(document) = twinspan_plans::parse(&path.display().to_string(), &bytes) else { continue };
        if let Ok(compiled) = twinspan_plans::compile(&document, catalog) {
            found.extend(names(&compiled.plan));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::host::step_kinds;

    fn library() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/library")
    }

    #[test]
    fn the_shipped_plans_have_these_identities() {
        let described = step_kinds::described().unwrap();
        let found = names_in(&library(), described.catalog());
        assert_eq!(found, SHIPPED.map(str::to_owned).into());
    }

    #[test]
    fn what_the_simulator_configures_is_known() {
        let world = twinspan_sim::World::shipped().unwrap().introduction("ca.pem");
        let names: BTreeSet<&str> =
            world["identities"].as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(names, SHIPPED.into_iter().chain(SIMULATED).collect());
    }

    #[test]
    fn a_mistyped_name_is_refused_and_a_plan_elsewhere_is_not() {
        let described = step_kinds::described().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let check = |names: &[&str], folders: &[&Path]| {
            check(names.iter().copied(), None, folders, described.catalog())
        };
        let error = check(&["cental", "target"], &[]).unwrap_err();
        assert!(error.hints[0].contains("did you mean [identities.central]?"), "{error:?}");
        check(&["default", "central", "something-of-its-own"], &[]).unwrap();
        let own = "twinspan: 1\nname: p\nsummary: s\nidentities:\n  cental: { tenant: 22222222-0000-0000-0000-00000000000f }\n\
                   steps:\n  - { id: si, uses: azure.sign-in, as: cental, with: {} }\n";
        fs::write(folder.path().join("own.yaml"), own).unwrap();
        check(&["cental"], &[folder.path()]).unwrap();
    }
}
