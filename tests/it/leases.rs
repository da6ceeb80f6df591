//! Two drivers and one run: by whatever path the second one opens the journal, only one of them sends.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::json;

use crate::azure::Azure;
use crate::notice;
use crate::program::{Home, Said, Watched, shipped, wait_for};

const SLOW: &str = "/scopeconnections/to-central";

const REST: &str = "\
twinspan: 1
name: rest
summary: A rest
steps:
  - id: rest
    uses: delay
    with: { for: 1h }
";

/// The program with the journal at another path.
fn through(home: &Home, journal: &Path, arguments: &[&str]) -> Said {
    let mut command = home.command(arguments);
    let output = command.env("TWINSPAN_JOURNAL", journal).output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn locks(home: &Home) -> Vec<PathBuf> {
    let folder = home.path().join("state/journal.db.drivers");
    fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect()
}

/// Starts the reference plan and returns while one of its writes is in flight for `time`.
fn driver_in_flight(time: &str) -> (Azure, Home, Watched) {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    azure.set_faults(&json!([{ "method": "PUT", "path_contains": SLOW, "fault": "slow", "before": time }]));
    let home = azure.home();
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    let driver = Watched::start(&home, "first", &["run", &plan, "--inputs", &inputs]);
    wait_for("the slow write", Duration::from_secs(60), || {
        azure.in_flight().iter().any(|request| request.path.ends_with(SLOW)).then_some(())
    });
    (azure, home, driver)
}

#[test]
fn a_live_driver_is_found_whatever_path_leads_to_its_journal() {
    let (azure, home, driver) = driver_in_flight("8s");
    let (state, journal) = (home.path().join("state"), home.journal());
    symlink(&journal, home.path().join("link.db")).unwrap();
    symlink(&state, home.path().join("other")).unwrap();
    for path in ["link.db", "other/journal.db", "state/../state/journal.db"] {
        let said = through(&home, &home.path().join(path), &["resume", "--all", "--until-blocked"]).expect(7);
        let process = format!("process {}", driver.id());
        for words in [process.as_str(), " since 20", "twinspan resume"] {
            assert!(said.err.contains(words), "{path} does not say {words:?}:\n{}", said.err);
        }
    }
    // Two names of one file would have two write-ahead logs.
    fs::hard_link(&journal, home.path().join("hard.db")).unwrap();
    assert!(through(&home, &home.path().join("hard.db"), &["resume"]).expect(74).err.contains("hard links"));
    fs::remove_file(home.path().join("hard.db")).unwrap();
    // A removed lock file proves nothing, and is written again.
    locks(&home).into_iter().for_each(|lock| fs::remove_file(lock).unwrap());
    home.run(&["resume", "--all", "--until-blocked"]).expect(7);
    home.run(&["resume", "--all", "--until-blocked", "--steal"]).expect(7);
    driver.end().expect(0);
    assert_eq!(
        azure
            .created()
            .iter()
            .filter(|(path, _)| path.ends_with(SLOW))
            .map(|(_, times)| times)
            .sum::<usize>(),
        1
    );
}

/// Runs `arguments` where this machine has another name and, if `other_kernel`, another boot id; `None` if that
/// cannot be arranged here.
fn elsewhere(home: &Home, other_kernel: bool, arguments: &[&str]) -> Option<Command> {
    let boot = home.write("boot-id", "00000000-1111-2222-3333-444444444444\n");
    let mount = format!("mount --bind {boot} /proc/sys/kernel/random/boot_id || exit 99;");
    let script =
        format!("{} hostname pod-2 || exit 99; exec \"$@\"", if other_kernel { mount.as_str() } else { "" });
    let program = home.command(&[]);
    let prepare = |what: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--uts", "--map-root-user", "sh", "-c", &script, "sh"]).args(what);
        command.current_dir(home.path()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    if !prepare(&["true"]).output().is_ok_and(|output| output.status.success()) {
        notice::skipped("no other machine can be made up here");
        return None;
    }
    let name = program.get_program().to_str().unwrap().to_owned();
    let mut command = prepare(&[&[name.as_str()], arguments].concat());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap());
    }
    Some(command)
}

fn said(mut command: Command) -> Said {
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// The reason of each takeover of the only run.
fn taken_over(home: &Home) -> Vec<String> {
    let events = home.events().into_iter().filter(|event| event.name == "driver-took");
    events.filter_map(|event| event.fields["over"]["because"].as_str().map(str::to_owned)).collect()
}

#[test]
fn a_killed_driver_is_taken_over_in_another_container_at_once() {
    let home = Home::new();
    let plan = home.write("plan.yaml", REST.replace("1h", "3s"));
    let driver = Watched::start(&home, "first", &["run", &plan]);
    wait_for("the driver", Duration::from_secs(60), || {
        home.journal().exists().then(|| locks(&home).pop())?
    });
    wait_for("its lease", Duration::from_secs(60), || {
        home.run(&["list"]).out.contains("process").then_some(())
    });
    driver.signal("KILL");
    driver.end();
    let Some(command) = elsewhere(&home, false, &["resume", "--all", "--until-blocked"]) else { return };
    said(command).expect(0);
    assert_eq!(taken_over(&home), ["dead"]);
}

#[test]
fn a_driver_of_another_machine_is_taken_over_when_its_heartbeat_stands_still() {
    let home = Home::new();
    let plan = home.write("plan.yaml", REST);
    home.write("twinspan.toml", "journal = { lease = \"3s\" }\n");
    let Some(mut first) = elsewhere(&home, true, &["run", &plan]) else { return };
    let mut first = crate::program::Ended(first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_for("its lease", Duration::from_secs(60), || {
        home.run(&["list"]).out.contains("on pod-2").then_some(())
    });
    // The driver is alive: its heartbeat moves while it is watched.
    let held = home.run(&["resume", "--all", "--until-blocked"]).expect(7);
    for words in ["waiting up to 3 s for its heartbeat", "on pod-2", "its heartbeat is current", "--steal"] {
        assert!(held.err.contains(words), "does not say {words:?}:\n{}", held.err);
    }
    assert_eq!(taken_over(&home), Vec::<String>::new());
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    let show = home.run(&["show"]).expect(0);
    for words in ["driven by process", "has stood still for 3 s", "--steal"] {
        assert!(show.out.contains(words), "does not say {words:?}:\n{}", show.out);
    }
    // The driver is dead, and only its heartbeat shows that.
    let next = Watched::start(&home, "next", &["resume", "--all"]);
    let process = format!("process {} on ", next.id());
    wait_for("the lease to expire", Duration::from_secs(60), || {
        home.run(&["list"]).out.contains(&process).then_some(())
    });
    assert_eq!(taken_over(&home), ["expired"]);
    next.signal("INT");
    next.end().expect(130);
}

#[test]
fn an_order_takes_a_lease_of_another_machine_at_once() {
    let home = Home::new();
    let plan = home.write("plan.yaml", REST);
    let Some(mut first) = elsewhere(&home, true, &["run", &plan]) else { return };
    let mut first = crate::program::Ended(first.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait_for("its lease", Duration::from_secs(60), || {
        home.run(&["list"]).out.contains("on pod-2").then_some(())
    });
    let next = Watched::start(&home, "next", &["resume", "--steal"]);
    // The first driver notices that its lease is lost, and ends.
    let ended = wait_for("the first driver to end", Duration::from_secs(60), || first.0.try_wait().unwrap());
    assert_eq!(ended.code(), Some(7));
    assert_eq!(taken_over(&home), ["ordered"]);
    next.signal("INT");
    next.end().expect(130);
}

#[test]
fn of_several_runs_those_that_can_be_driven_are() {
    let home = Home::new();
    let (rest, moment) = (home.write("rest.yaml", REST), home.write("moment.yaml", REST.replace("1h", "0s")));
    let driver = Watched::start(&home, "first", &["run", &rest]);
    wait_for("its lease", Duration::from_secs(60), || {
        home.journal().exists().then(|| home.run(&["list"]))?.out.contains("process").then_some(())
    });
    home.run(&["run", &moment, "--paused"]).expect(0);
    let said = home.run(&["resume", "--all", "--until-blocked"]).expect(7);
    assert!(said.err.contains(&format!("process {}", driver.id())), "{}", said.err);
    let list = home.run(&["list", "--open", "--output", "json"]).expect(0).json();
    assert_eq!(list["runs"].as_array().unwrap().len(), 1, "{list:#}");
    driver.signal("INT");
    driver.end().expect(130);
    // Not running, and nothing open: two different states.
    home.run(&["cancel"]).expect(0);
    home.run(&["resume", "--all"]).expect(3);
}

#[test]
fn locks_and_what_is_kept_beside_the_journal_are_private() {
    let (_azure, home, driver) = driver_in_flight("1s");
    for entry in fs::read_dir(home.path().join("state"))
        .unwrap()
        .chain(fs::read_dir(home.path().join("state/journal.db.drivers")).unwrap())
    {
        let path = entry.unwrap().path();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o077, 0, "{}", path.display());
    }
    driver.end().expect(0);
    assert!(locks(&home).is_empty(), "a driver that ended leaves no lock");
}
