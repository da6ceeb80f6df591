//! Text from others with everything on which a terminal, a shell or a browser would act, through every output of
//! every command.

use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use twinspan_encode::characters::is_active;

use crate::azure::Azure;
use crate::program::{Home, Said};
use crate::terminal::Terminal;

/// Escape sequences in C0 and C1, a title, the clipboard, overwriting, erasing, reordering, hiding, and a line that
/// imitates ours.
const HOSTILE: &str = "\u{1b}[35mQ\u{1b}]0;PWNED\u{7}\u{1b}]52;c;UFdORUQ=\u{7}\u{1b}[2J\u{9b}31m\u{85}\rOVER\u{8}\u{8}\u{7f}\u{202e}\u{2066}\
                       \u{61c}\u{200b}\u{2028}\u{feff}\u{fdd0}$(touch PWNED)`touch PWNED`'\"<b>\u{2019}; touch PWNED\nFORGED    everything";

/// The only sequences in `text` are styles, nothing else in it is active, and no line is the forged one.
#[track_caller]
fn harmless(what: &str, text: &str) {
    let plain = without_styles(text);
    for (number, line) in plain.split('\n').enumerate() {
        let found = line.find(|c| is_active(c) && c != '\t');
        assert_eq!(found, None, "{what}: line {}: {line:?}", number + 1);
        assert!(!line.starts_with("FORGED"), "{what}: foreign text imitates one of our lines:\n{plain}");
    }
    assert!(!text.contains("\u{1b}[35m"), "{what}: a style that is not ours: {text:?}");
}

/// The text without our styles; the style in the hostile text is not one of ours.
fn without_styles(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';');
        match end.filter(|end| part[*end..].starts_with('m')) {
            Some(end) => plain.push_str(&part[end + 1..]),
            None => plain.extend(["\u{1b}[", part]),
        }
    }
    plain
}

/// JSON output has not even styles, and is valid JSON.
#[track_caller]
fn harmless_json(what: &str, text: &str) {
    assert!(!text.contains(|c| is_active(c) && c != '\n'), "{what}: {text:?}");
    for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
        assert!(value.is_ok(), "{what}: {value:?}: {text}");
    }
}

/// A hostile Azure Resource Manager: subscriptions with that name, and refusals with that code and message.
fn hostile_azure() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || listener.incoming().flatten().for_each(|stream| drop(answer(stream))));
    address
}

fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = Vec::new();
    let mut part = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut part)? {
            0 => return Ok(()),
            count => request.extend_from_slice(&part[..count]),
        }
    }
    let request = String::from_utf8_lossy(&request).to_lowercase();
    let path = request.split(' ').nth(1).unwrap_or_default().split('?').next().unwrap_or_default();
    let (status, body) = if path == "/subscriptions/cccccccc-0000-0000-0000-000000000001" {
        let tenant = "11111111-0000-0000-0000-00000000000c";
        let found = json!({ "id": path, "subscriptionId": "cccccccc-0000-0000-0000-000000000001", "tenantId": tenant, "displayName": HOSTILE,
                            "state": "Enabled" });
        ("200 OK", found)
    } else {
        (
            "400 Bad Request",
            json!({ "error": { "code": format!("Bad{HOSTILE}"), "message": format!("no {HOSTILE}") } }),
        )
    };
    let body = body.to_string();
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\nx-ms-request-id: \u{9b}31m\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A text as a YAML string.
fn yaml(text: &str) -> String {
    // JSON's strings are YAML's.
    twinspan_encode::json::encoded(&Value::from(text).to_string()).into_owned()
}

fn plan() -> String {
    let hostile = yaml(HOSTILE);
    // A type whose names no rule of ours knows: with any other type the plan's check would refuse it.
    let id = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg/providers/Contoso.Things/things/nm$(touch${IFS}PWNED)`touch${IFS}PWNED`";
    let mut text = format!(
        "twinspan: 1\nname: evil\nsummary: {hostile}\ndocument: {hostile}\ninputs:\n  word: {{ type: string, about: {hostile} }}\n\
         identities:\n  central: {{ tenant: 11111111-0000-0000-0000-00000000000c, about: {hostile}, contact: nina@contoso.example }}\n\
         \x20 owner: {{ tenant: 11111111-0000-0000-0000-00000000000c, about: {hostile}, contact: nina@contoso.example }}\nsteps:\n"
    );
    let step = |id: &str, rest: &str| {
        format!("  - id: {id}\n    title: {hostile}\n    note: {hostile}\n    {rest}\n")
    };
    let _ = write!(
        text,
        "{}{}{}{}{}",
        step(
            "refused",
            "uses: azure.resource-provider\n    as: central\n    with: { scope: /subscriptions/dddddddd-0000-0000-0000-000000000001, namespace: Microsoft.Network }"
        ),
        step(
            "named",
            "uses: azure.scope\n    as: central\n    with: { scope: /subscriptions/cccccccc-0000-0000-0000-000000000001, expect_name: \"${{ inputs.word }}\" }"
        ),
        step(
            "handed",
            &format!(
                "uses: arm.resource\n    as: owner\n    with: {{ id: {}, api_version: 2024-10-01, body: {{ location: westeurope, tags: {{ a: {hostile} }} }} }}",
                yaml(id)
            )
        ),
        step("go", &format!("uses: approval\n    with: {{ show: {hostile} }}")),
        step("spare", "uses: delay\n    needs: [go]\n    with: { for: 1s }"),
    );
    text
}

/// A folder with that plan, configured for the hostile Azure; the simulator handles sign-in.
struct Stage {
    azure: Azure,
    arm: String,
    home: Home,
}

impl Stage {
    fn new() -> Stage {
        let azure = Azure::start(&["--ready-world"]);
        let home = azure.home();
        let mut configuration = fs::read_to_string(home.path().join("twinspan.toml")).unwrap();
        configuration.push_str("\n[identities.owner]\ncredential = \"none\"\n");
        home.write("twinspan.toml", configuration);
        home.write("plan.yaml", plan());
        Stage { azure, arm: hostile_azure(), home }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.home.command(arguments);
        command
            .env("TWINSPAN_CLOUD_ARM", &self.arm)
            .env("TWINSPAN_CLOUD_NAME", "custom")
            .env("USER", HOSTILE);
        for (name, key) in [("LOGIN", "login"), ("GRAPH", "graph"), ("ROOT_CERTIFICATE", "ca_file")] {
            command.env(format!("TWINSPAN_CLOUD_{name}"), self.azure.ready[key].as_str().unwrap());
        }
        command
    }

    fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Said { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Runs a command with every output format and checks each; in colour, as on a terminal.
    #[track_caller]
    fn every_form(&self, arguments: &[&str]) {
        for output in ["text", "json", "jsonl"] {
            let mut all = vec!["--color", "always", "--output", output, "-v"];
            all.extend(arguments);
            let said = self.run(&all);
            let what = format!("{all:?} (exit {:?})", said.code);
            assert!(said.code.is_some_and(|code| code < 70), "{what}: {said:#?}");
            harmless(&format!("{what} stderr"), &said.err);
            match output {
                "text" => harmless(&what, &said.out),
                _ if !["az", "powershell", "html", "bash", "zsh", "man", "schema"]
                    .iter()
                    .any(|word| arguments.contains(word)) =>
                {
                    harmless_json(&what, &said.out);
                }
                _ => harmless(&what, &said.out),
            }
        }
    }
}

#[test]
fn nothing_that_others_wrote_acts_in_any_output_of_any_command() {
    let stage = Stage::new();
    let word = format!("word={HOSTILE}");
    let reason = ["--reason", HOSTILE];
    stage.every_form(&["validate", "plan.yaml", "--input", &word]);
    stage.every_form(&["preview", "plan.yaml", "--input", &word]);
    stage.every_form(&["rehearse", "plan.yaml", "--input", &word]);
    let started = stage.run(&["run", "plan.yaml", "--input", &word, "--until-blocked", "--output", "json"]);
    let run = started.json()["short"].as_str().unwrap().to_owned();
    harmless("run stderr", &started.err);
    harmless_json("run", &started.out);
    stage.every_form(&["run", "plan.yaml", "--input", &word, "--until-blocked"]);
    for arguments in [
        &["graph", "plan.yaml"][..],
        &["graph", "plan.yaml", "--format", "mermaid"],
        &["graph", "plan.yaml", "--format", "dot"],
        &["graph", "plan.yaml", "--format", "svg"],
        &["pause", &run, reason[0], reason[1]],
        &["--actor", HOSTILE, "resume", &run, "--until-blocked"],
        &["--actor", HOSTILE, "retry", &run, "refused", reason[0], reason[1]],
        &["resume", &run, "--until-blocked"],
        &["resume", "--all", "--until-blocked"],
        &["list"],
        &["show", &run],
        &["events", &run],
        &["why", &run, "refused"],
        &["why", &run, "named"],
        &["why", &run, "handed"],
        &["why", &run, "go"],
        &["verify", &run],
        &["hand-over", &run, "--as", "owner"],
        &["hand-over", &run, "--as", "owner", "--format", "az"],
        &["hand-over", &run, "--as", "owner", "--format", "powershell"],
        &["hand-over", &run, "--as", "owner", "--format", "html"],
        &["hand-over", &run, "--as", HOSTILE],
        &["decide", &run, "named", "abort", reason[0], reason[1]],
        &["provide", &run, &format!("handed.id={HOSTILE}"), reason[0], reason[1]],
        &["skip", &run, "spare", reason[0], reason[1]],
        &["--actor", HOSTILE, "approve", &run, "go", reason[0], reason[1]],
        &["reject", &run, "go", reason[0], reason[1]],
        &["repair", &run, "refused", "--yes"],
        &["wait", &run, "--for", "blocked", "--timeout", "1s"],
        &["wait", &run, "--for", HOSTILE],
        &["undo", &run, "--preview"],
        &["undo", &run, "--yes", reason[0], reason[1]],
        &["cancel", &run, reason[0], reason[1]],
        &["show", HOSTILE],
        &["why", &run, HOSTILE],
        &["list"],
        &["show", &run],
        &["events", &run],
        &["explain", HOSTILE],
        &["steps", HOSTILE],
        &["config"],
        &["config", "--check", "plan.yaml", "--input", &word],
        &["config", "--check", "--tenant", HOSTILE],
        &["doctor"],
        &["validate", HOSTILE],
        &["validate", "plan.yaml", "--inputs", HOSTILE],
        &["validate", "plan.yaml", "--input", HOSTILE],
        &["validate", "plan.yaml", "--input", &format!("{HOSTILE}=x")],
        &["completions", HOSTILE],
        &["completions", "bash"],
        &["completions", "zsh"],
        &["man"],
        &["schema"],
        &["init", HOSTILE.replace('\n', " ").as_str()],
        &["--journal", HOSTILE, "list"],
        &["--config", HOSTILE, "list"],
        &[HOSTILE],
        &["list", HOSTILE],
    ] {
        stage.every_form(arguments);
    }
    let loud = stage.run(&["-vvv", "--color", "always", "preview", "plan.yaml", "--input", &word]);
    harmless("the log", &loud.err);
    assert!(loud.err.lines().count() > 20, "{}", loud.err);
}

/// Plans with errors, in folders with such names.
#[test]
fn nothing_that_others_wrote_acts_in_a_diagnostic() {
    let stage = Stage::new();
    let folder = stage.home.path().join(HOSTILE.replace('/', "_"));
    fs::create_dir(&folder).unwrap();
    let hostile = yaml(HOSTILE);
    let raw = HOSTILE.replace(|c: char| c.is_control() && c != '\u{85}' && c < '\u{80}', "");
    let good =
        "twinspan: 1\nname: p\nsummary: s\nsteps:\n  - id: a\n    uses: delay\n    with: { for: 1s }\n";
    for (name, text) in [
        ("kind", good.replace("uses: delay", &format!("uses: {hostile}"))),
        ("key", format!("{good}{hostile}: 1\n")),
        ("raw", format!("{good}# {raw}\nx: \"{raw}\"\n")),
        ("id", good.replace("id: a", &format!("id: {hostile}"))),
        ("reference", good.replace("for: 1s", &format!("for: \"${{{{ inputs.{raw} }}}}\""))),
        ("escape", format!("{good}\u{1b}]0;x\u{7}")),
        ("needs", good.replace("    uses", &format!("    needs: [{hostile}]\n    uses"))),
        ("inputs", good.replace("steps:", &format!("inputs:\n  a: {{ type: {hostile} }}\nsteps:"))),
    ] {
        let path = folder.join(format!("{name}.yaml"));
        fs::write(&path, text).unwrap();
        let path = path.to_str().unwrap();
        let said = stage.run(&["validate", path]);
        assert!(matches!(said.code, Some(64 | 65)), "{name}: {said:#?}");
        stage.every_form(&["validate", path]);
        stage.every_form(&["run", path]);
    }
    let table = folder.join("table.csv");
    fs::write(&table, format!("key,{HOSTILE}\na,b\n\"{hostile}\",c,d\n")).unwrap();
    fs::write(folder.join("in.yaml"), format!("word: {{ file: {hostile} }}\n{hostile}: 1\n")).unwrap();
    stage.every_form(&["validate", "plan.yaml", "--inputs", &format!("word={}", table.display())]);
    stage.every_form(&["validate", "plan.yaml", "--inputs", folder.join("in.yaml").to_str().unwrap()]);
    let configuration = folder.join("twinspan.toml");
    fs::write(&configuration, format!("{hostile} = 1\n[identities.a]\ncredential = {hostile}\n")).unwrap();
    stage.every_form(&["--config", configuration.to_str().unwrap(), "config"]);
    stage.every_form(&["--config", configuration.to_str().unwrap(), "doctor"]);
}

/// What a run prints on a terminal, live lines too.
#[test]
fn nothing_that_others_wrote_acts_on_a_terminal() {
    let stage = Stage::new();
    let word = format!("word={HOSTILE}");
    let command = stage.command(&["run", "plan.yaml", "--input", &word]);
    let mut terminal = Terminal::start(command, 120);
    terminal.until(&["go (", "\\u{1b}]52;c;"]);
    let run =
        stage.run(&["list", "--output", "json"]).json()["runs"][0]["short"].as_str().unwrap().to_owned();
    stage.run(&["pause", &run, "--reason", HOSTILE]);
    terminal.end();
    let shown = terminal.shown();
    for sequence in
        ["\u{1b}]", "\u{1b}[35m", "\u{9b}", "\u{8}", "\u{7}", "\u{202e}", "\u{2028}", "\rOVER", "\nFORGED"]
    {
        assert!(!shown.contains(sequence), "{sequence:?} is on the terminal: {shown:?}");
    }
}

/// The script of a hand-over executes no text of the plan.
#[test]
fn a_script_runs_nothing_that_stands_in_a_plan() {
    let stage = Stage::new();
    let word = format!("word={HOSTILE}");
    let said = stage.run(&["run", "plan.yaml", "--input", &word, "--until-blocked", "--output", "json"]);
    let run = said.json()["short"].as_str().unwrap().to_owned();
    let script = stage.run(&["hand-over", &run, "--as", "owner", "--format", "az"]).expect(0).out;
    assert!(script.contains("things/nm$(touch"), "the plan's id is in it:\n{script}");
    let folder = stage.home.path().join("there");
    fs::create_dir_all(folder.join("bin")).unwrap();
    fs::write(folder.join("script.sh"), &script).unwrap();
    let az = "#!/bin/sh\nprintf '%s\\n' \"$*\" >>calls\ncase \"$*\" in\n*tenantId*) echo 11111111-0000-0000-0000-00000000000c;;\n\
              *resourceManager*) echo https://arm.example;;\n*microsoftGraph*) echo https://graph.example;;\n*) echo None;;\nesac\n";
    fs::write(folder.join("bin/az"), az).unwrap();
    assert!(Command::new("chmod").arg("+x").arg(folder.join("bin/az")).status().unwrap().success());
    for shell in ["sh", "bash"] {
        let path = format!("{}:/usr/bin:/bin", folder.join("bin").display());
        let output = Command::new(shell)
            .arg("script.sh")
            .current_dir(&folder)
            .env("PATH", path)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{shell}: {out}\n{err}");
        assert!(!folder.join("PWNED").exists(), "{shell} ran what stands in the plan:\n{script}");
        let removal = out.lines().find(|line| line.starts_with("az rest --method delete")).unwrap();
        harmless(shell, &out);
        harmless(shell, &err);
        // The command line to be pasted is safe, too.
        let output = Command::new(shell)
            .args(["-c", removal])
            .current_dir(&folder)
            .env("PATH", format!("{}:/usr/bin:/bin", folder.join("bin").display()))
            .output()
            .unwrap();
        assert!(output.status.success(), "{removal}");
        assert!(!folder.join("PWNED").exists(), "{removal}");
    }
    let calls = fs::read_to_string(folder.join("calls")).unwrap();
    assert!(calls.contains("--method put") && calls.contains("nm$(touch"), "{calls}");
}
