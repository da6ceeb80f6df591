//! The journal's file: its permissions, its format, and a disk that fills while a run is driven.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::azure::Azure;
use crate::notice;
use crate::program::{Home, Said, shipped};

const PLAN: &str = "\
twinspan: 1
name: rest
summary: A moment
steps:
  - id: rest
    uses: delay
    with: { for: 1s }
";

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

/// Each command that opens a foreign or newer file reports that with `words`, and leaves the file as it is.
fn refused(home: &Home, plan: &str, words: &[&str]) {
    let before = fs::read(home.journal()).unwrap();
    fs::set_permissions(home.journal(), fs::Permissions::from_mode(0o644)).unwrap();
    let commands: [&[&str]; 7] =
        [&["run", plan], &["resume"], &["list"], &["events"], &["pause"], &["undo", "--yes"], &["show"]];
    for command in commands {
        let said = home.run(command).expect(74);
        for word in words {
            assert!(said.err.contains(word), "{command:?} does not say {word:?}:\n{}", said.err);
        }
        assert_eq!(fs::read(home.journal()).unwrap(), before, "{command:?} changed it");
        assert_eq!(mode(&home.journal()), 0o644, "{command:?} changed its permissions");
    }
}

#[test]
fn the_journal_is_for_its_owner_alone_whatever_the_mask_is() {
    let home = Home::new();
    let plan = home.write("plan.yaml", PLAN);
    let mut run = Command::new("sh");
    let program = home.command(&[]);
    run.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(program.get_program()).args(["run", &plan]);
    for (name, value) in program.get_envs() {
        run.env(name, value.unwrap());
    }
    let output = run.current_dir(home.path()).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let state = home.path().join("state");
    assert_eq!(mode(&state), 0o700);
    assert_eq!(mode(&home.journal()), 0o600);
    assert_eq!(mode(&state.join("journal.db.drivers")), 0o700);
    for entry in fs::read_dir(&state).unwrap() {
        let path = entry.unwrap().path();
        assert_eq!(mode(&path) & 0o077, 0, "{}", path.display());
    }
    // Permissions that were widened by hand are narrowed again.
    fs::set_permissions(home.journal(), fs::Permissions::from_mode(0o644)).unwrap();
    home.run(&["run", &plan]).expect(0);
    assert_eq!(mode(&home.journal()), 0o600);
}

#[test]
fn foreign_and_newer_files_are_refused_with_what_to_do() {
    let home = Home::new();
    let plan = home.write("plan.yaml", PLAN);
    fs::create_dir(home.path().join("state")).unwrap();
    fs::write(home.journal(), "notes of another program, which must not change\n".repeat(100)).unwrap();
    refused(&home, &plan, &["is not a journal of twinspan", "--journal"]);

    let home = Home::new();
    let plan = home.write("plan.yaml", PLAN);
    home.run(&["run", &plan]).expect(0);
    // Bytes 60 to 63 of an SQLite file are its user's version number.
    let mut newer = fs::read(home.journal()).unwrap();
    newer[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(home.journal(), newer).unwrap();
    let writer = concat!("was written by twinspan ", env!("CARGO_PKG_VERSION"));
    refused(&home, &plan, &[writer, "newer than this program", "or later"]);
}

#[test]
fn an_empty_file_is_a_new_journal() {
    let home = Home::new();
    let plan = home.write("plan.yaml", PLAN);
    fs::create_dir(home.path().join("state")).unwrap();
    fs::write(home.journal(), "").unwrap();
    for command in ["list", "events", "show"] {
        let said = home.run(&[command]).expect(3);
        assert!(said.err.contains("no run was started there"), "{command}: {}", said.err);
    }
    home.run(&["run", &plan]).expect(0);
    let list = home.run(&["list"]).expect(0);
    assert!(list.out.contains("done"), "{list:#?}");
}

/// The arguments of a run of the reference plan.
fn reference() -> Vec<String> {
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    ["run", &plan, "--inputs", &inputs].map(str::to_owned).into()
}

/// The failure was reported, and the run continues once there is room.
fn go_on(azure: &Azure, home: &Home, said: &Said) {
    assert!(said.err.contains("the journal cannot be written"), "{}", said.err);
    assert!(said.err.contains("free some space"), "{}", said.err);
    let sent = azure.ledger().len();
    let resumed = home.run(&["resume"]);
    if resumed.code != Some(0) {
        // Full before the run was accepted.
        assert_eq!(sent, 0, "{resumed:#?}");
        let arguments = reference();
        home.run(&arguments.iter().map(String::as_str).collect::<Vec<_>>()).expect(0);
    }
    expect_made_once(azure);
}

#[track_caller]
fn expect_made_once(azure: &Azure) {
    let created = azure.created();
    assert!(created.keys().any(|path| path.ends_with("/scopeconnections/to-central")), "{created:#?}");
    let repeated: Vec<_> = created.iter().filter(|(_, times)| **times != 1).collect();
    assert!(repeated.is_empty(), "created more than once: {repeated:?}");
}

/// Runs the reference plan where no file may be longer than `blocks` of 512 bytes: to SQLite the disk is full.
/// Returns how many writes were sent before that; `None` if the space was enough.
fn run_within(blocks: u32) -> Option<usize> {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let home = azure.home();
    let program = home.command(&[]);
    let limit = format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$@\"");
    let mut command = Command::new("sh");
    command.args(["-c", &limit, "sh"]).arg(program.get_program()).args(reference());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap());
    }
    let output = command.current_dir(home.path()).stdin(Stdio::null()).output().unwrap();
    let said = Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    if said.code == Some(0) {
        return None;
    }
    let said = said.expect(74);
    let sent = azure.ledger().len();
    if sent > 0 {
        // A write after the last commit would have no intent.
        let intents = home.events().iter().filter(|event| event.name == "intended").count();
        assert!(sent <= intents, "{sent} writes, {intents} intents");
    }
    go_on(&azure, &home, &said);
    Some(sent)
}

#[test]
fn a_disk_that_is_full_while_a_run_is_driven_loses_nothing() {
    // From before the first table to after the last write.
    let limits: Vec<u32> = (1..=10).map(|step| step * 160).collect();
    let sent: Vec<Option<usize>> = std::thread::scope(|scope| {
        let runs: Vec<_> = limits.iter().map(|blocks| scope.spawn(move || run_within(*blocks))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    println!("writes sent before the disk was full, by its size: {sent:?}");
    assert_eq!(sent[0], Some(0), "80 KiB are not enough for the tables");
    let in_the_middle = sent.iter().flatten().filter(|sent| **sent > 0).count();
    assert!(in_the_middle >= 2, "{sent:?}");
}

/// A small file system that is really full, if this user may mount one.
#[test]
fn a_full_file_system_is_survived_too() {
    let azure = Azure::start(&["--ready-world"]);
    azure.without_lags();
    let home = azure.home();
    let state = home.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, fs::Permissions::from_mode(0o700)).unwrap();
    // The journal exists in a name space that ends with this script, so all its commands run in the script.
    let script = "
        mount -t tmpfs -o size=400k,mode=700 tmpfs state || exit 99
        program=$1; shift
        \"$program\" \"$@\" >full.out 2>full.err; echo $? >full.code
        \"$program\" events --output json >full.events
        mount -o remount,size=64m state || exit 99
        \"$program\" resume >resumed.out 2>resumed.err; echo $? >resumed.code
    ";
    let program = home.command(&[]);
    let mut command = Command::new("unshare");
    command.args(["--mount", "--map-root-user", "sh", "-c", script, "sh"]);
    command.arg(program.get_program()).args(reference());
    for (name, value) in program.get_envs() {
        command.env(name, value.unwrap());
    }
    let mounted = command.current_dir(home.path()).stdin(Stdio::null()).output();
    if !mounted.is_ok_and(|output| output.status.success()) {
        notice::skipped("no file system can be mounted here");
        return;
    }
    let text = |name: &str| fs::read_to_string(home.path().join(name)).unwrap();
    assert_eq!(text("full.code").trim(), "74", "{}", text("full.err"));
    assert!(text("full.err").contains("disk is full"), "{}", text("full.err"));
    assert!(text("full.err").contains("free some space"), "{}", text("full.err"));
    assert!(text("full.events").contains("\"intended\""), "nothing was begun: {}", text("full.events"));
    assert_eq!(text("resumed.code").trim(), "0", "{}", text("resumed.err"));
    expect_made_once(&azure);
}
