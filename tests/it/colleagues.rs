//! Two colleagues on one machine: a group reads the journal, and a colleague's signal is a file whose owner proves
//! who sent it. Only root can change accounts; without root these tests report that they are skipped.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::notice;
use crate::program::{Home, Said, Watched, wait_for};

/// Accounts that every system has, and a group for the journal: `daemon` is both.
const COLLEAGUE: u32 = 2;
const OTHER: u32 = 3;
const GROUP: u32 = 1;
const NO_GROUP: u32 = 65_534;

const GATED: &str = "\
twinspan: 1
name: gated
summary: A second person approves
steps:
  - { id: go, uses: approval, with: { show: the list, not: starter } }
  - { id: rest, uses: delay, with: { for: 1ms } }
";

/// The operator's folder, with a journal that the group may read.
struct Team {
    home: Home,
    plan: String,
    program: PathBuf,
}

/// `None`, with a notice: accounts cannot be changed here.
fn team() -> Option<Team> {
    if !rustix::process::geteuid().is_root() {
        notice::skipped("only root can act as two accounts");
        return None;
    }
    let name = |uid: u32| {
        let accounts = fs::read_to_string("/etc/passwd").unwrap_or_default();
        let number = uid.to_string();
        accounts.lines().any(|line| line.split(':').nth(2) == Some(&*number))
    };
    if !name(COLLEAGUE) || !name(OTHER) {
        notice::skipped("this system has no accounts 2 and 3");
        return None;
    }
    let home = Home::new();
    open_to_all(home.path(), 0o755);
    home.write("twinspan.toml", format!("[journal]\ngroup = \"{GROUP}\"\n"));
    let plan = home.write("plan.yaml", GATED);
    // Other accounts may have no access to the build folder.
    let program = home.path().join("twinspan");
    let built = env!("CARGO_BIN_EXE_twinspan");
    fs::hard_link(built, &program).or_else(|_| fs::copy(built, &program).map(drop)).unwrap();
    for (account, folder) in [(COLLEAGUE, "colleague"), (OTHER, "other")] {
        let folder = home.path().join(folder);
        fs::create_dir(&folder).unwrap();
        chown(&folder, Some(account), Some(account)).unwrap();
    }
    Some(Team { home, plan, program })
}

fn open_to_all(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap_or_else(|error| panic!("{}: {error}", path.display())).mode() & 0o7777
}

impl Team {
    /// Starts the run, which waits for its approval.
    fn start(&self) -> String {
        self.home.run(&["run", &self.plan, "--until-blocked"]).expect(5);
        self.status()["short"].as_str().unwrap().to_owned()
    }

    /// The run as its owner sees it.
    fn status(&self) -> Value {
        self.home.run(&["show", "--output", "json"]).expect(0).json()
    }

    fn command(&self, account: u32, group: u32, folder: &str, arguments: &[&str]) -> Command {
        let folder = self.home.path().join(folder);
        let mut command = Command::new(&self.program);
        command
            .args(arguments)
            .env_clear()
            .env("HOME", &folder)
            // A copy that is left behind would be here.
            .env("TMPDIR", &folder)
            // The account decides who acts, whatever this variable says.
            .env("USER", "root")
            .env("PATH", "/usr/bin:/bin")
            .env("TWINSPAN_JOURNAL", self.home.journal())
            .current_dir(folder)
            .uid(account)
            .gid(group);
        command
    }

    fn as_account(&self, account: u32, group: u32, folder: &str, arguments: &[&str]) -> Said {
        let output = self.command(account, group, folder, arguments).output().unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// As the colleague, who is in the group.
    fn colleague(&self, arguments: &[&str]) -> Said {
        self.as_account(COLLEAGUE, GROUP, "colleague", arguments)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.home.path().join(format!("state/journal.db{suffix}"))
    }

    fn in_folder(&self, suffix: &str) -> Vec<String> {
        let Ok(entries) = fs::read_dir(self.beside(suffix)) else { return Vec::new() };
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Who approved `go`.
    fn approver(&self) -> Option<String> {
        let approved = self.home.events().into_iter().find(|event| event.name == "approved")?;
        Some(approved.fields["by"].as_str().unwrap().to_owned())
    }
}

/// Name of an account.
fn name_of(account: u32) -> String {
    let accounts = fs::read_to_string("/etc/passwd").unwrap();
    let found = accounts.lines().map(|line| line.split(':').collect::<Vec<_>>());
    found.into_iter().find(|fields| fields.get(2) == Some(&&*account.to_string())).unwrap()[0].to_owned()
}

#[test]
fn a_colleague_reads_and_approves_and_the_operator_may_not() {
    let Some(team) = team() else { return };
    let run = team.start();
    for command in [
        &["list"][..],
        &["show", &run],
        &["why", &run, "go"],
        &["events", &run],
        &["completions", "bash"],
        &["wait", &run, "--for", "blocked", "--timeout", "5s"],
        &["doctor"],
    ] {
        let said = team.colleague(command);
        assert!(matches!(said.code, Some(0 | 5)), "{command:?}: {said:#?}");
        assert!(!said.out.is_empty(), "{command:?}: {said:#?}");
    }
    let doctor = team.colleague(&["doctor", "--output", "json"]).expect(0).json();
    let record = doctor["checks"].as_array().unwrap().iter().find(|check| check["check"] == "record");
    assert!(record.unwrap()["seen"].as_str().unwrap().contains("every hash is correct"), "{doctor:#}");
    team.colleague(&["backup", "copy.db"]).expect(0);
    assert_eq!(mode(&team.home.path().join("colleague/copy.db")), 0o600);
    // Write permissions that were added by hand do not make the journal another account's.
    let journal = team.home.journal();
    for (path, wider, right) in [(&journal, 0o666, 0o640), (&team.home.path().join("state"), 0o777, 0o750)] {
        open_to_all(path, wider);
        team.colleague(&["list"]).expect(0);
        team.colleague(&["resume", &run]).expect(74);
        open_to_all(path, right);
    }
    // Only the owner may drive a run; the message names the owner.
    for command in [&["resume", &run][..], &["undo", &run, "--yes"], &["verify", &run]] {
        let said = team.colleague(command).expect(74);
        assert!(said.err.contains("belongs to the account root"), "{said:#?}");
    }
    let said = team.home.run(&["approve", &run, "go"]).expect(64);
    assert!(said.err.contains("root, who started the run"), "{said:#?}");
    let said = team.colleague(&["--actor", "root", "approve", &run, "go"]).expect(64);
    assert!(said.err.contains("recorded as those of"), "{said:#?}");
    let said = team.colleague(&["approve", &run, "go", "--reason", "seen"]).expect(0);
    assert!(said.out.contains("put into the inbox") && said.out.contains("is not running"), "{said:#?}");
    assert!(said.err.contains(&format!("root runs `twinspan resume {run}`")), "{said:#?}");
    let laid = team.in_folder(".inbox");
    assert_eq!(laid.len(), 1, "{laid:?}");
    let file = team.beside(".inbox").join(&laid[0]);
    assert_eq!((mode(&file), fs::metadata(&file).unwrap().gid()), (0o640, GROUP));
    let letter = fs::read(&file).unwrap();
    let said = team.home.run(&["resume", &run]).expect(0);
    assert!(!said.err.contains("warning"), "{said:#?}");
    assert_eq!(team.approver(), Some(name_of(COLLEAGUE)));
    assert_eq!(team.in_folder(".inbox"), [""; 0]);
    // As after a crash between recording the signal and removing its file: the signal is known, and only its file is
    // removed.
    fs::write(&file, letter).unwrap();
    chown(&file, Some(COLLEAGUE), Some(GROUP)).unwrap();
    open_to_all(&file, 0o640);
    team.home.run(&["run", &team.plan, "--until-blocked"]).expect(5);
    assert_eq!(team.in_folder(".inbox"), [""; 0]);
    let events = team.home.run(&["events", &run, "--output", "json"]).expect(0).out;
    assert_eq!(events.matches("\"signal-taken\"").count(), 1, "{events}");
    // Temporary copies were deleted.
    let left: Vec<_> = fs::read_dir(team.home.path().join("colleague"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name.to_string_lossy().starts_with("twinspan-"))
        .collect();
    assert_eq!(left, Vec::<std::ffi::OsString>::new());
}

#[test]
fn a_live_driver_takes_a_colleagues_signal_in_at_once() {
    let Some(team) = team() else { return };
    let driver = Watched::start(&team.home, "driver", &["run", &team.plan]);
    let waits = || {
        let list = team.colleague(&["list"]);
        (list.code == Some(0) && list.out.contains("approval")).then_some(())
    };
    wait_for("the colleague to see the approval", Duration::from_secs(60), waits);
    let run = team.status()["short"].as_str().unwrap().to_owned();
    // The write-ahead log exists, and its index belongs to the driver.
    assert!(team.beside("-wal").exists() && team.beside("-shm").exists());
    // A following reader sees later commits.
    let mut following =
        team.command(COLLEAGUE, GROUP, "colleague", &["wait", &run, "--for", "done", "--timeout", "60s"]);
    let following = following.spawn().unwrap();
    let said = team.colleague(&["--output", "json", "approve", &run, "go"]).expect(0).json();
    assert_eq!((&said["taken"], &said["actor"]), (&json!("driver"), &json!(name_of(COLLEAGUE))), "{said:#}");
    let ended = driver.end();
    assert_eq!(ended.code, Some(0), "{ended:#?}");
    assert!(following.wait_with_output().unwrap().status.success());
    assert_eq!(team.approver(), Some(name_of(COLLEAGUE)));
}

#[test]
fn what_is_no_signal_of_its_owner_is_refused_and_set_aside() {
    let Some(team) = team() else { return };
    let run = team.start();
    // A valid signal, as the pattern for the others.
    team.colleague(&["approve", &run, "go"]).expect(0);
    let inbox = team.beside(".inbox");
    let [name] = &team.in_folder(".inbox")[..] else { panic!("not one signal") };
    let text = fs::read_to_string(inbox.join(name)).unwrap();
    fs::remove_file(inbox.join(name)).unwrap();
    let letter: Value = serde_json::from_str(&text).unwrap();
    let mut number = 0;
    let mut lay = |owner: u32, group: u32, mode: u32, change: &dyn Fn(&mut Value)| {
        number += 1;
        let id = format!("01936f6e-0000-7000-8000-00000000{number:04x}");
        let mut letter = letter.clone();
        letter["id"] = json!(id);
        change(&mut letter);
        let file = inbox.join(format!("{id}.signal"));
        fs::write(&file, letter.to_string()).unwrap();
        chown(&file, Some(owner), Some(group)).unwrap();
        open_to_all(&file, mode);
        file
    };
    lay(COLLEAGUE, GROUP, 0o640, &|letter| letter["actor"] = json!(name_of(OTHER)));
    lay(0, GROUP, 0o640, &|_| {});
    lay(COLLEAGUE, GROUP, 0o660, &|_| {});
    lay(COLLEAGUE, GROUP, 0o646, &|_| {});
    lay(COLLEAGUE, NO_GROUP, 0o640, &|_| {});
    lay(COLLEAGUE, GROUP, 0o640, &|letter| letter["signal"] = json!("undo"));
    lay(COLLEAGUE, GROUP, 0o640, &|letter| letter["format"] = json!(2));
    lay(COLLEAGUE, GROUP, 0o640, &|letter| letter["reason"] = json!("x".repeat(70_000)));
    lay(COLLEAGUE, GROUP, 0o640, &|letter| letter["run"] = json!("01936f6e-0000-7000-8000-0000000000ff"));
    let twice = lay(COLLEAGUE, GROUP, 0o640, &|_| {});
    fs::hard_link(&twice, team.home.path().join("colleague/other-name")).unwrap();
    // A link to a file elsewhere that would be a valid signal of another account.
    let elsewhere = team.home.path().join("elsewhere");
    fs::write(&elsewhere, &text).unwrap();
    chown(&elsewhere, Some(COLLEAGUE), Some(GROUP)).unwrap();
    open_to_all(&elsewhere, 0o640);
    symlink(&elsewhere, inbox.join(name)).unwrap();
    fs::create_dir(inbox.join("folder.signal")).unwrap();
    let pipe = inbox.join("pipe.signal");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let laid = team.in_folder(".inbox");
    // An account outside the group can neither reach the folder nor read the journal.
    let said = team.as_account(OTHER, OTHER, "other", &["approve", &run, "go"]).expect(74);
    assert!(said.err.contains(&format!("{} may not read the journal", name_of(OTHER))), "{said:#?}");
    assert!(said.err.contains("group = "), "{said:#?}");
    team.as_account(OTHER, OTHER, "other", &["list"]).expect(74);
    assert_eq!(team.in_folder(".inbox"), laid);

    let said = team.home.run(&["resume", &run, "--until-blocked"]).expect(5);
    assert_eq!(said.err.matches("is refused: ").count(), laid.len(), "{said:#?}");
    for why in [
        "says to be from",
        "belongs to the owner of the journal",
        "others than its owner may write to it",
        "belongs to group 65534",
        "only the owner of the journal may ask for this",
        "its format 2 is not known",
        "longer than",
        "there is no run",
        "a hard link",
        "not a regular file",
    ] {
        assert!(said.err.contains(why), "{why:?} is not said: {said:#?}");
    }
    assert_eq!(team.in_folder(".inbox"), [""; 0]);
    assert_eq!(team.in_folder(".refused"), laid);
    assert_eq!(mode(&team.beside(".refused")), 0o700);
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), text);
    assert_eq!(team.approver(), None);
    // A valid signal is still taken in.
    team.colleague(&["approve", &run, "go"]).expect(0);
    team.home.run(&["resume", &run]).expect(0);
    assert_eq!(team.approver(), Some(name_of(COLLEAGUE)));
}

#[test]
fn the_files_are_for_the_group_after_every_command_and_doctor_says_what_is_wider() {
    let Some(team) = team() else { return };
    let run = team.start();
    let expect_modes = |when: &str| {
        let folder = team.home.path().join("state");
        assert_eq!((mode(&folder), fs::metadata(&folder).unwrap().gid()), (0o750, GROUP), "{when}");
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            let wanted = match &*name {
                "journal.db.inbox" => 0o3770,
                "journal.db.drivers" => 0o750,
                "journal.db" | "journal.db-wal" | "journal.db-shm" | "journal.db.record"
                | "journal.db.lock" | "backup.db" => 0o640,
                other => panic!("{other} is not expected {when}"),
            };
            assert_eq!((mode(&path), fs::metadata(&path).unwrap().gid()), (wanted, GROUP), "{name} {when}");
        }
    };
    expect_modes("after run");
    let backup = team.home.path().join("state/backup.db");
    team.home.run(&["list"]).expect(0);
    expect_modes("after list");
    team.home.run(&["backup", backup.to_str().unwrap()]).expect(0);
    expect_modes("after backup");
    let doctor = |code: i32| team.home.run(&["doctor", "--output", "json"]).expect(code).json();
    let permissions = |view: &Value| {
        let checks = view["checks"].as_array().unwrap().iter();
        checks.filter(|check| check["check"] == "permissions").cloned().collect::<Vec<_>>()
    };
    let view = doctor(0);
    assert!(permissions(&view)[0]["seen"].as_str().unwrap().contains("may send signals"), "{view:#}");
    for (path, wider, right) in [
        (team.home.journal(), 0o644, 0o640),
        (team.beside(".record"), 0o660, 0o640),
        (team.beside(".inbox"), 0o3777, 0o3770),
        (team.home.path().join("state"), 0o755, 0o750),
    ] {
        open_to_all(&path, wider);
        let view = doctor(1);
        let check = &permissions(&view)[0];
        assert_eq!(check["state"], "wrong", "{view:#}");
        let remedy = check["do"].as_str().unwrap();
        assert!(remedy.contains(&format!("chmod {right:o} {}", path.display())), "{remedy}");
        assert!(Command::new("sh").args(["-c", remedy]).status().unwrap().success());
        doctor(0);
    }
    // Killed, so that the log stays; then its tail is lost and the loss is accepted.
    let driver = Watched::start(&team.home, "driver", &["resume", &run]);
    wait_for("the driver", Duration::from_secs(60), || team.status()["driver"].is_string().then_some(()));
    driver.signal("KILL");
    driver.end();
    expect_modes("after a kill");
    fs::copy(&backup, team.home.journal()).unwrap();
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(team.beside(suffix)).ok();
    }
    team.home.run(&["recover", "--accept-loss"]).expect(0);
    for entry in fs::read_dir(team.home.path().join("state")).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().contains(".lost-") {
            fs::remove_file(path).unwrap();
        }
    }
    expect_modes("after recover");
    // Without the group all files are private again, and no signal is taken in.
    team.home.write("twinspan.toml", "");
    team.home.run(&["pause", &run]).expect(0);
    for suffix in ["", "-wal", "-shm", ".record", ".lock"] {
        let path = team.beside(suffix);
        assert!(!path.exists() || mode(&path) == 0o600, "{suffix}");
    }
    assert_eq!((mode(&team.beside(".inbox")), mode(&team.home.path().join("state"))), (0o700, 0o700));
    team.colleague(&["list"]).expect(74);
}

#[test]
fn a_group_that_cannot_be_is_refused_with_its_place_before_anything_is_written() {
    let Some(team) = team() else { return };
    team.home.write("twinspan.toml", "# who may read\n[journal]\ngroup = \"no-such-group\"\n");
    let said = team.home.run(&["run", &team.plan, "--until-blocked"]).expect(64);
    assert!(
        said.err.contains("twinspan.toml:3:1: journal.group: there is no group no-such-group"),
        "{said:#?}"
    );
    assert!(said.err.contains("groupadd no-such-group"), "{said:#?}");
    assert!(!team.home.journal().exists() && !team.home.path().join("state").exists());
    // An account that is not in the group.
    let own = team.home.path().join("colleague");
    fs::write(own.join("twinspan.toml"), format!("[journal]\ngroup = \"{GROUP}\"\n")).unwrap();
    chown(own.join("twinspan.toml"), Some(COLLEAGUE), Some(COLLEAGUE)).unwrap();
    let journal = own.join("state/journal.db");
    let journal = journal.to_str().unwrap();
    let arguments = ["--journal", journal, "run", &team.plan, "--until-blocked"];
    let said = team.as_account(COLLEAGUE, COLLEAGUE, "colleague", &arguments).expect(64);
    let who = name_of(COLLEAGUE);
    assert!(said.err.contains(&format!("{who} is not a member of the group {GROUP}")), "{said:#?}");
    assert!(said.err.contains("usermod -aG"), "{said:#?}");
    assert!(!Path::new(journal).exists());
    // A member of the group: the journal belongs to that account and the group.
    team.as_account(COLLEAGUE, GROUP, "colleague", &arguments).expect(5);
    let metadata = fs::metadata(journal).unwrap();
    assert_eq!((metadata.uid(), metadata.gid(), mode(Path::new(journal))), (COLLEAGUE, GROUP, 0o640));
    // Neither the home folder itself nor a folder that all accounts share.
    for (journal, why) in
        [("j.db", "home folder"), ("/tmp/no-journal-of-a-group.db", "open to every account")]
    {
        let arguments = ["--journal", journal, "run", &team.plan, "--until-blocked"];
        let said = team.as_account(COLLEAGUE, GROUP, "colleague", &arguments);
        assert!(said.code != Some(0) && said.err.contains(why), "{said:#?}");
        assert!(!own.join(journal).exists());
    }
    // A file that came with a checkout cannot set the group.
    let checkout = team.home.path().join("checkout");
    fs::create_dir(&checkout).unwrap();
    fs::write(checkout.join("twinspan.toml"), format!("[journal]\ngroup = \"{GROUP}\"\n")).unwrap();
    fs::remove_file(team.home.path().join("twinspan.toml")).unwrap();
    let output =
        team.home.command(&["run", &team.plan, "--until-blocked"]).current_dir(&checkout).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("journal.group is read only from"), "{err}");
    assert_eq!(mode(&team.home.journal()), 0o600);
}
