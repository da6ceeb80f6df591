//! The journal: its file, its settings, and the record of every run in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use jiff::Timestamp;
use twinspan_encode::sh::word;
use twinspan_engine::{
    Backend, BackendError, Examination, Filter, Opening, RunSummary, Sharing, SqliteBackend, examine_journal,
};

use super::{Check, machine};
use crate::cli::failures;
use crate::host::app::{App, is_there};
use crate::host::step_kinds;
use crate::report::view::{counted, ended};

/// Facts of the journal that other checks use.
#[derive(Debug, Default)]
pub(crate) struct CheckResult {
    /// Whether there is no journal.
    pub(super) missing: bool,
    /// Time of the newest event of all runs.
    pub(super) newest: Option<Timestamp>,
    /// Identities in the plans of open runs.
    pub(super) identities: BTreeSet<String>,
}

/// Checks the journal.
pub(super) async fn check(app: &App, path: &Path, checks: &mut Vec<Check>) -> CheckResult {
    let there = is_there(path);
    if let Err(error) = &there {
        checks.push(Check::failed("journal", error));
        return CheckResult::default();
    }
    if !there.unwrap_or(false) {
        checks.push(Check::note("journal", format!("there is none at {}: `run` creates it", path.display())));
        return CheckResult { missing: true, ..CheckResult::default() };
    }
    let sharing = match app.sharing(path) {
        Ok(sharing) => sharing,
        Err(error) => {
            checks.push(Check::failed("permissions", &error));
            return CheckResult::default();
        }
    };
    let examined = match examine_journal(path, &sharing) {
        Ok(examined) => examined,
        Err(error) => {
            checks.push(Check::failed("journal", &failures::backend(error)));
            return CheckResult::default();
        }
    };
    checks.push(Check::ok(
        "journal",
        format!(
            "{}, {}, format {}, SQLite {}",
            path.display(),
            machine::size(examined.bytes),
            examined.version,
            examined.sqlite
        ),
    ));
    check_file(path, &examined, &sharing, checks);
    let open = || -> Result<SqliteBackend, BackendError> {
        let registry = step_kinds::described().map_err(|error| BackendError::Damaged(error.message))?;
        // The check changes nothing, permissions included.
        SqliteBackend::open(path, Opening::reading(registry).sharing(Sharing::AsItIs))
    };
    match open() {
        Ok(backend) => check_records(&backend, checks).await,
        Err(error) => {
            checks.push(Check::failed("record", &failures::backend(error)));
            CheckResult::default()
        }
    }
}

fn check_file(path: &Path, examined: &Examination, sharing: &Sharing, checks: &mut Vec<Check>) {
    let settings: Vec<String> =
        examined.settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    checks.push(match &examined.read_only_of {
        None => Check::ok("settings", format!("as required: {}", settings.join(", "))),
        Some(owner) => Check::note(
            "settings",
            format!("{owner} writes the journal and sets them; this account reads a private copy of it"),
        ),
    });
    checks.push(if examined.problems.is_empty() {
        Check::ok("integrity", "SQLite finds nothing wrong with the file")
    } else {
        Check::wrong("integrity", examined.problems.join("; "), KEEP_A_COPY)
    });
    check_permissions(path, examined, sharing, checks);
    checks.extend(examined.free.map(machine::check_space));
}

/// Checks who besides its owner may use the journal.
fn check_permissions(path: &Path, examined: &Examination, sharing: &Sharing, checks: &mut Vec<Check>) {
    if let Some(owner) = &examined.read_only_of {
        let signals = if examined.takes_signals {
            format!("signals of its group go to {owner} as files")
        } else {
            format!("{owner} accepts no signals of other accounts")
        };
        checks.push(Check::note(
            "permissions",
            format!(
                "the journal belongs to the account {owner}, which allows this account to read it; {signals}"
            ),
        ));
        return;
    }
    if !examined.wider.is_empty() {
        let open: Vec<String> = examined
            .wider
            .iter()
            .map(|wider| {
                format!("{} has mode {:04o} and not {:04o}", wider.path.display(), wider.mode, wider.wanted)
            })
            .collect();
        // One command for all paths that get the same mode.
        let mut modes: BTreeMap<u32, Vec<String>> = BTreeMap::new();
        for wider in &examined.wider {
            modes.entry(wider.wanted).or_default().push(word(&wider.path.display().to_string()).to_string());
        }
        let repair: Vec<String> =
            modes.iter().map(|(mode, paths)| format!("chmod {mode:o} {}", paths.join(" "))).collect();
        let who = match sharing.group() {
            Some(group) => {
                format!("others than its owner and the group {} may use the journal", group.name())
            }
            None => "others on this machine may read the journal".to_owned(),
        };
        checks.push(Check::wrong("permissions", format!("{who}: {}", open.join("; ")), repair.join(" && ")));
        return;
    }
    checks.push(match sharing.group() {
        None => Check::ok("permissions", "only its owner may read the journal"),
        Some(group) => Check::ok(
            "permissions",
            format!(
                "the owner and the group {} may read the journal, and the group may send signals",
                group.name()
            ),
        ),
    });
    if let Some(folder) =
        sharing.group().and_then(|group| path.parent().and_then(|folder| group.is_kept_from(folder)))
    {
        checks.push(Check::note(
            "permissions",
            format!(
                "the group cannot reach the journal: it may not enter {}; put a shared journal outside a home folder, \
                 for example in /srv",
                folder.display()
            ),
        ));
    }
}

/// Advice for a damaged record.
const KEEP_A_COPY: &str =
    "keep a copy of the file and its -wal; restore the last good backup, or report this";

/// What can be done where the journal is older than Azure.
const RESTORE: &str =
    "restore the newer copy of the journal; where there is none, decide each of these steps";

/// Checks the record of every run: hash chain, numbering, and that the tables agree with the events.
async fn check_records(backend: &SqliteBackend, checks: &mut Vec<Check>) -> CheckResult {
    let runs = match backend.list(Filter::default()).await {
        Ok(runs) => runs,
        Err(error) => {
            checks.push(Check::failed("record", &failures::backend(error)));
            return CheckResult::default();
        }
    };
    let mut found =
        CheckResult { newest: runs.iter().map(|run| run.changed).max(), ..CheckResult::default() };
    let (mut commits, mut events, mut wrong) = (0, 0, 0);
    for summary in &runs {
        let problems = match backend.verify_journal(summary.run) {
            Ok(report) => {
                commits += report.commits;
                events += report.events;
                report.problems
            }
            Err(error) => vec![error.to_string()],
        };
        if !problems.is_empty() {
            wrong += 1;
            let seen = format!("run {} {}: {}", summary.run.short(), summary.name, problems.join("; "));
            checks.push(Check::wrong("record", seen, KEEP_A_COPY));
        }
        check_open_run(backend, summary, &mut found.identities, checks).await;
    }
    if wrong == 0 {
        checks.push(Check::ok(
            "record",
            format!(
                "{} with {events} events in {commits} commits: every hash is correct, the tables agree with the events",
                counted(runs.len(), "run")
            ),
        ));
    }
    found
}

/// Collects the identities of an open run, and checks whether a command found that the journal lost its tail.
async fn check_open_run(
    backend: &SqliteBackend,
    run: &RunSummary,
    identities: &mut BTreeSet<String>,
    checks: &mut Vec<Check>,
) {
    if ended(&run.status) {
        return;
    }
    let Ok(state) = backend.load(run.run).await else { return };
    identities.extend(state.plan().identities.iter().map(|identity| identity.name.clone()));
    let lost: Vec<&str> = state.lost().map(|step| &*step.0).collect();
    if !lost.is_empty() {
        let seen = format!(
            "run {} {}: the journal lost its tail: resources carry this run's marker, and the journal has no intent of {}",
            run.run.short(),
            run.name,
            lost.join(", ")
        );
        checks.push(Check::wrong("record", seen, RESTORE));
    }
}
