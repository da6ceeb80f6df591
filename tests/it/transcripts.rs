//! Whole sessions with the program: command, stdout, stderr, exit code.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// A folder of its own, and nothing of this machine's environment.
struct Folder {
    dir: TempDir,
    environment: Vec<(&'static str, String)>,
}

impl Folder {
    fn new() -> Folder {
        Folder { dir: tempfile::tempdir().unwrap(), environment: Vec::new() }
    }

    fn with(mut self, name: &'static str, value: &str) -> Folder {
        self.environment.push((name, value.to_owned()));
        self
    }

    fn file(self, name: &str, text: impl AsRef<[u8]>) -> Folder {
        fs::write(self.dir.path().join(name), text).unwrap();
        self
    }

    fn command(&self, line: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twinspan"));
        command
            .args(line.split_whitespace())
            .current_dir(self.dir.path())
            .env_clear()
            .env("HOME", self.dir.path())
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null());
        command
    }

    /// Runs each line and returns the whole session.
    fn says(&self, lines: &[&str]) -> String {
        let mut text = String::new();
        for line in lines {
            let output = self.command(line).output().unwrap();
            writeln!(text, "$ twinspan {line}").unwrap();
            text.push_str(&self.shown(&output.stdout));
            if !output.stderr.is_empty() {
                text.push_str("------- stderr -------\n");
                text.push_str(&self.shown(&output.stderr));
            }
            let code = output.status.code().map_or("none: killed".to_owned(), |code| code.to_string());
            writeln!(text, "------- exit {code}").unwrap();
        }
        text
    }

    /// Replaces what differs between machines and days.
    fn shown(&self, bytes: &[u8]) -> String {
        let text = String::from_utf8_lossy(bytes);
        let real = fs::canonicalize(self.dir.path()).unwrap();
        text.replace(real.to_str().unwrap(), "[HOME]")
            .replace(self.dir.path().to_str().unwrap(), "[HOME]")
            .replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
    }
}

/// A plan with one step that waits.
const SMALL: &str = "\
twinspan: 1
name: small
summary: A timer
steps:
  - id: rest
    uses: delay
    with: { for: 1s }
";

/// `SMALL` with other steps.
fn plan(steps: &str) -> String {
    format!("twinspan: 1\nname: bad\nsummary: s\nsteps:\n{steps}")
}

fn library(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/library").join(name).to_str().unwrap().to_owned()
}

#[test]
fn help() {
    insta::assert_snapshot!(Folder::new().says(&["-h", "--version", "rehearse -h"]));
}

#[test]
fn a_command_line_that_is_wrong() {
    let lines =
        ["", "runn plan.yaml", "run --output json", "resume --all 1a2b3c4d", "validate p --color pink"];
    insta::assert_snapshot!(Folder::new().says(&lines));
}

#[test]
fn a_good_plan() {
    let folder = Folder::new().file("plan.yaml", SMALL);
    let lines =
        ["validate plan.yaml", "validate plan.yaml --output json", "validate plan.yaml --input nothing=1"];
    insta::assert_snapshot!(folder.says(&lines));
}

#[test]
fn files_that_are_not_there() {
    let lines = [
        "validate plan.yaml",
        "run plan.yaml --output json",
        "rehearse plan.yaml --world w.json",
        "--config c.toml run plan.yaml",
    ];
    insta::assert_snapshot!(Folder::new().says(&lines));
}

#[test]
fn each_class_of_bad_plan_has_a_place_and_exit_65() {
    let deep = format!("{}1{}", "[".repeat(20_000), "]".repeat(20_000));
    let bomb: String = std::iter::once("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n".to_owned())
        .chain((1..12).map(|n| format!("a{n}: &a{n} [{}]\n", vec![format!("*a{}", n - 1); 10].join(","))))
        .collect();
    let huge = format!("{SMALL}# {}\n", "x".repeat(50 << 20));
    let mut not_utf8 = SMALL.as_bytes().to_vec();
    not_utf8.extend(b"# \xff\xfe\n");
    let conditional = [
        "  - { id: a, uses: command, when: \"${{ run.id == 'x' }}\", with: { program: /bin/true } }\n",
        "  - { id: b, uses: approval, with: { show: \"${{ steps.a.stdout }}\" } }\n",
    ]
    .concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("unknown-key", plan("  - { id: a, uses: delay, with: { fro: 1s } }\n").into()),
        ("wrong-type", plan("  - { id: a, uses: delay, with: { for: [] } }\n").into()),
        (
            "cycle",
            plan("  - { id: a, uses: delay, needs: [b], with: { for: 1s } }\n  - { id: b, uses: delay, needs: [a], with: { for: 1s } }\n").into(),
        ),
        ("unknown-reference", plan("  - { id: a, uses: approval, with: { show: \"${{ steps.x.id }}\" } }\n").into()),
        ("conditional-output", plan(&conditional).into()),
        (
            "duplicate-id",
            plan("  - { id: a, uses: delay, with: { for: 1s } }\n  - { id: a, uses: delay, with: { for: 1s } }\n").into(),
        ),
        ("duplicate-key", SMALL.replace("summary", "name").into()),
        ("tab", SMALL.replace("    uses", "\tuses").into()),
        ("anchor-bomb", bomb.into()),
        ("too-deep", deep.into()),
        ("too-large", huge.into()),
        ("not-utf-8", not_utf8),
        ("empty", Vec::new()),
        ("unquoted-reference", plan("  - { id: a, uses: approval, with: { show: ${{ run.id }} } }\n").into()),
        ("unknown-kind", plan("  - { id: a, uses: dealy, with: { for: 1s } }\n").into()),
        ("not-yet", format!("{SMALL}change: {{ required: true }}\n").into()),
    ];
    let count = cases.len();
    for (name, text) in cases {
        let folder = Folder::new().file("plan.yaml", text);
        let said = folder.says(&["validate plan.yaml"]);
        assert!(said.ends_with("------- exit 65\n"), "{name}: {said}");
        insta::assert_snapshot!(format!("bad_plan_{name}"), said);
        let json = folder.command("validate plan.yaml --output json").output().unwrap();
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        let first = &json["error"]["diagnostics"][0];
        assert!(first["code"].as_str().unwrap().starts_with("TS"), "{name}: {json:#}");
        assert_eq!(json["error"]["exit"], 65, "{name}");
    }
    println!("{count} classes of bad plans");
}

#[test]
fn explanations() {
    let lines = ["explain TS9999", "explain exit-codes", "explain exit-codes --output json"];
    insta::assert_snapshot!(Folder::new().says(&lines));
    let output = Folder::new().command("explain").output().unwrap();
    let codes = String::from_utf8(output.stdout).unwrap();
    assert!(codes.lines().count() > 10, "{codes}");
    for code in codes.lines().filter_map(|line| line.split_whitespace().next()) {
        let output = Folder::new().command(&format!("explain {code}")).output().unwrap();
        assert!(output.status.success() && output.stdout.len() > 20, "{code}");
    }
}

#[test]
fn step_kinds() {
    insta::assert_snapshot!(Folder::new().says(&[
        "steps",
        "steps delay",
        "steps delay --output json",
        "steps nothing"
    ]));
}

#[test]
fn configuration_errors_have_places_and_repeat_no_secret() {
    let text = "\
[identities.target]
credential = \"client-secret\"
client_secret = \"canary-5f3a\"
[cloud]
name = \"mars\"
[commands]
";
    let folder = Folder::new().file("twinspan.toml", text).file("plan.yaml", SMALL);
    let said = folder.says(&["run plan.yaml", "run plan.yaml --output json"]);
    assert!(!said.contains("canary"), "{said}");
    insta::assert_snapshot!(said);
}

#[test]
fn colour_only_where_it_is_wanted() {
    let coloured = |folder: Folder, line: &str| {
        let output = folder.file("plan.yaml", SMALL).command(line).output().unwrap();
        output.stdout.contains(&0x1b)
    };
    assert!(!coloured(Folder::new(), "validate plan.yaml"), "a pipe");
    assert!(coloured(Folder::new(), "validate plan.yaml --color always"));
    assert!(coloured(Folder::new().with("CLICOLOR_FORCE", "1"), "validate plan.yaml"));
    assert!(!coloured(Folder::new().with("CLICOLOR_FORCE", "1").with("NO_COLOR", "1"), "validate plan.yaml"));
    assert!(
        coloured(Folder::new().with("NO_COLOR", "1"), "validate plan.yaml --color always"),
        "a flag wins"
    );
    assert!(!coloured(Folder::new().with("CLICOLOR_FORCE", "1"), "validate plan.yaml --color never"));
}

#[test]
fn a_closed_pipe_is_no_failure() {
    let folder = Folder::new();
    for line in ["steps", "schema", "--help", "explain", "completions bash", "man"] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = folder.command(line).stdout(writer).stderr(Stdio::piped()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{line}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{line}");
    }
}

#[test]
fn without_a_journal() {
    let lines = ["list", "list --output json", "show", "resume", "events 1a2b3c4d", "pause", "undo"];
    insta::assert_snapshot!(Folder::new().says(&lines));
}

#[test]
fn a_rehearsal() {
    let said = Folder::new().says(&[&format!("rehearse {}", library("hello-durable.yaml"))]);
    let library = library("");
    insta::assert_snapshot!(said.replace(library.trim_end_matches('/'), "[LIBRARY]"));
}

#[test]
fn the_same_seed_gives_the_same_rehearsal() {
    let line = format!("rehearse {} --output json", library("cross-tenant-connection.yaml"));
    let folder = Folder::new();
    let first = folder.says(&[&line]);
    assert!(first.ends_with("------- exit 0\n"), "{first}");
    assert_eq!(first, folder.says(&[&line]));
    assert_ne!(first, folder.says(&[&format!("{line} --seed 2")]));
}

#[test]
fn starters_are_written_once() {
    let folder = Folder::new();
    insta::assert_snapshot!(folder.says(&["init", "init --output json"]));
    let said = folder.says(&["rehearse cross-tenant-connection.yaml"]);
    assert!(said.ends_with("------- exit 0\n"), "{said}");
}

#[test]
fn a_run_from_start_to_end_by_hand() {
    let gated =
        SMALL.replace("steps:\n", "steps:\n  - { id: go, uses: approval, with: { show: the list } }\n");
    let gated = gated.replace("    uses: delay\n", "    uses: delay\n    needs: [go]\n");
    let folder = Folder::new().with("USER", "nina").file("plan.yaml", gated);
    let code = |line: &str| {
        let output = folder.command(line).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (exit, out, err) = code("run plan.yaml --until-blocked --output json");
    assert_eq!(exit, Some(5), "{err}");
    let run: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&run["schema"], &run["waiting"][0]["kind"]), (&1.into(), &"approval".into()), "{run:#}");
    assert!(err.contains(run["run"].as_str().unwrap()), "the run's id on stderr: {err}");
    let short = run["short"].as_str().unwrap();
    assert_eq!(run["next"][0], format!("twinspan approve {short} go"));

    assert_eq!(code(&format!("approve {short} rest")).0, Some(64), "it does not wait for approval");
    assert_eq!(code(&format!("approve {short} nothing")).0, Some(3));
    assert_eq!(code(&format!("approve {short} go --reason fine")).0, Some(0));
    let (exit, out, err) = code("resume");
    assert_eq!(exit, Some(0), "{out}{err}");
    assert!(out.contains("2 of 2 steps"), "{out}");
    assert_eq!(code("resume").0, Some(3), "no open run");

    let (exit, out, _) = code(&format!("why {short} go"));
    assert_eq!(exit, Some(0));
    assert!(out.contains("approve go by nina: fine"), "{out}");
    let (_, out, _) = code("events --output jsonl");
    let events: Vec<serde_json::Value> =
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(events.iter().enumerate().all(|(position, event)| event["seq"] == position + 1), "{out}");
    assert!(events.last().unwrap()["words"].as_str().unwrap().contains("done"));
}

#[test]
fn a_gate_opens_for_whom_the_plan_names_and_not_for_who_started() {
    let gated = "twinspan: 1\nname: gated\nsteps:\n  - id: go\n    uses: approval\n    with: { by: boss, not: starter }\n";
    let folder = Folder::new().file("plan.yaml", gated);
    let said = |line: &str| {
        let output = folder.command(line).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (exit, err) = said("run plan.yaml --actor nina --until-blocked");
    assert_eq!(exit, 5, "{err}");
    assert!(err.contains("boss (not the one who started the run)"), "{err}");
    let runs = folder.command("list --output json").output().unwrap();
    let runs: serde_json::Value = serde_json::from_slice(&runs.stdout).unwrap();
    let run = runs["runs"][0]["short"].as_str().unwrap().to_owned();
    for (who, words) in [
        ("--actor nina --as boss", "nina, who started the run"),
        ("--actor guest", "is to be approved by boss; guest cannot"),
        ("--actor guest --as intern", "guest cannot for intern"),
    ] {
        let (exit, err) = said(&format!("approve {run} go {who}"));
        assert_eq!(exit, 64, "{who}: {err}");
        assert!(err.contains(words), "{who}: {err}");
    }
    assert_eq!(said(&format!("approve {run} go --actor guest --as boss")).0, 0);
    let (exit, err) = said("resume");
    assert_eq!(exit, 0, "{err}");
    let why = folder.command(&format!("why {run} go")).output().unwrap();
    let why = String::from_utf8(why.stdout).unwrap();
    assert!(why.contains("by guest for boss"), "{why}");
    let (exit, err) = said(&format!("skip {run} go"));
    assert!(exit == 64 && err.contains("the run is done"), "a signal that does not fit: {err}");
}

#[test]
fn a_role_too_low_for_the_connection_is_warned_about() {
    let plan = library("cross-tenant-connection.yaml");
    let inputs = library("cross-tenant-connection.inputs.yaml");
    let folder = Folder::new();
    let network = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/\
                   virtualNetworks/vnet-app";
    for (role_scope, warned) in [("", false), (network, true)] {
        let given = if warned { format!("--input role_scope={role_scope}") } else { String::new() };
        let line = format!("validate {plan} --inputs {inputs} --output json {given}");
        let output = folder.command(&line).output().unwrap();
        let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        let advice = view["advice"].as_array().unwrap();
        assert_eq!(advice.len(), usize::from(warned), "{view:#}");
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(
            err.contains("the step `network-manager-connection`, which needs the role"),
            warned,
            "{err}"
        );
    }
}

#[test]
fn a_signal_parks_the_run_and_resume_goes_on() {
    for (signal, exit) in [("-INT", 130), ("-TERM", 143)] {
        let folder = Folder::new().file("plan.yaml", SMALL.replace("1s", "1h"));
        let mut child = folder
            .command("run plan.yaml --output jsonl")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // The first event is written when the run is driven, and then its driver listens for signals.
        let mut lines = std::io::BufRead::lines(std::io::BufReader::new(child.stdout.take().unwrap()));
        let waits = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("waiting")));
        assert!(waits.is_some());
        let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let last = lines.last().unwrap().unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(exit), "{signal}: {last}");
        let last: serde_json::Value = serde_json::from_str(&last).unwrap();
        assert_eq!((&last["type"], &last["status"]), (&"run".into(), &"waiting".into()), "{last:#}");
        let listed = folder.command("list --output json").output().unwrap();
        let listed: serde_json::Value = serde_json::from_slice(&listed.stdout).unwrap();
        assert_eq!(listed["runs"][0]["status"], "waiting", "{listed:#}");
    }
}
