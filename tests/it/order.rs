//! Barriers, limits of `for_each` and inputs, as an operator meets them.

use serde_json::Value;

use crate::program::{Home, shipped};

const GATED: &str = "twinspan: 1\nname: gate\nsteps:\n  - { id: ask, uses: approval, with: { show: Change it?, by: maria } }\n  \
     - { id: change, uses: command, with: { program: /bin/echo, args: [ x ] } }\n";

#[test]
fn nothing_behind_an_approval_begins_before_it_is_given() {
    let home = Home::new();
    let plan = home.write("gate.yaml", GATED);
    let said = home.run(&["validate", &plan]).expect(0);
    assert!(said.out.contains("2  change  command; after the barrier ask"), "{}", said.out);
    home.write("twinspan.toml", "[command]\nallow = [\"/bin/echo\"]\n");
    let said = home.run(&["run", &plan, "--until-blocked", "--output", "json"]).expect(5).json();
    assert_eq!(said["steps"][1]["state"], "pending", "{said:#}");
    assert_eq!(said["steps"][1]["waits_for"], serde_json::json!(["ask"]));
    let run = said["short"].as_str().unwrap();
    // Step names are case-insensitive if only one step matches.
    home.run(&["approve", run, "ASK", "--as", "maria"]).expect(0);
    let said = home.run(&["resume", "--until-blocked", "--output", "json"]).expect(0).json();
    assert_eq!(said["steps"][1]["state"], "done", "{said:#}");
}

#[test]
fn a_gate_that_needs_a_later_step_is_an_error_with_what_to_do() {
    let home = Home::new();
    let plan = home.write("gate.yaml", GATED.replace("uses: approval,", "uses: approval, needs: [change],"));
    let said = home.run(&["validate", &plan]).expect(65);
    for words in ["TS0314", "barrier: false", "gate.yaml:4:"] {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    let explained = home.run(&["explain", "TS0314"]).expect(0);
    assert!(explained.out.contains("barrier: false"), "{}", explained.out);
}

#[test]
fn a_broken_first_target_is_the_only_one_that_is_written() {
    let home = Home::new();
    // The first target's virtual network does not exist: this is noticed when it is added, long after its connection
    // was written.
    let network = |number: u32, name: &str| {
        format!(
            "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-{}/providers/Microsoft.Network/virtualNetworks/{name}",
            if number == 2 { "data" } else { "app" }
        )
    };
    let plan = home.write(
        "fleet.yaml",
        "twinspan: 1\nname: fleet\ninputs:\n  manager: { type: resource-id, of: Microsoft.Network/networkManagers }\n  central: { type: tenant-id }\n  target: { type: tenant-id }\n  \
         targets:\n    type: map\n    of:\n      network: { type: resource-id, of: Microsoft.Network/virtualNetworks }\n\
         identities:\n  central: { tenant: \"${{ inputs.central }}\" }\n  target: { tenant: \"${{ inputs.target }}\" }\nsteps:\n  \
         - { id: group, uses: avnm.network-group, as: central, with: { network_manager: \"${{ inputs.manager }}\", name: ng-fleet } }\n  \
         - id: add\n    for_each: ${{ inputs.targets }}\n    parallel: 1\n    halt_after: 1\n    steps:\n      \
         - { id: own, uses: avnm.network-group, as: central, with: { network_manager: \"${{ inputs.manager }}\", name: \"ng-${{ each.key }}\" } }\n      \
         - { id: member, uses: avnm.static-member, as: central, auxiliary: target, with: { group: \"${{ steps.own.id }}\", virtual_network: \"${{ each.value.network }}\" } }\n",
    );
    let table = format!(
        "key;network\na;{}\nb;{}\nc;{}\n",
        network(1, "vnet-typo"),
        network(1, "vnet-app"),
        network(2, "vnet-data")
    );
    home.write("targets.csv", table);
    home.write(
        "fleet.inputs.yaml",
        "manager: /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group\n\
         central: 11111111-0000-0000-0000-00000000000c\ntarget: 22222222-0000-0000-0000-00000000000f\ntargets: { file: targets.csv }\n",
    );
    let said = home.run(&["rehearse", &plan, "--world", "ready", "--output", "json"]).expect(6);
    assert!(said.err.contains("fleet.inputs.yaml (found beside the plan)"), "{}", said.err);
    let run = said.json()["run"].clone();
    let made: Vec<&str> =
        run["changes"].as_array().unwrap().iter().map(|thing| thing["step"].as_str().unwrap()).collect();
    assert_eq!(made, ["group", "add[a].own"], "{run:#}");
    assert_eq!(run["halted_blocks"][0]["not_begun"], 2, "{run:#}");
    let text = home.run(&["rehearse", &plan, "--world", "ready"]).expect(6).out;
    assert!(
        text.contains("add: 1 instance failed or needs a decision (halt_after: 1); 2 have not begun"),
        "{text}"
    );
}

#[test]
fn inputs_come_from_beside_the_plan_from_variables_and_from_the_command_line() {
    let home = Home::new();
    let plan = home.write(
        "p.yaml",
        "twinspan: 1\nname: p\ninputs:\n  first-word: { type: string }\n  second: { type: string, default: two }\n  third: { type: int }\nsteps:\n  \
         - { id: say, uses: command, with: { program: /bin/echo, args: [\"${{ inputs.first-word }} ${{ inputs.second }} ${{ inputs.third }}\"] } }\n",
    );
    home.write("p.inputs.yaml", "first-word: file\nsecond: file\nthird: 1\n");
    home.write("twinspan.toml", "[command]\nallow = [\"/bin/echo\"]\n");
    let mut command = home.command(&[
        "run",
        &plan,
        "--input-env",
        "TS_",
        "--input",
        "third=3",
        "--output",
        "json",
        "--until-blocked",
    ]);
    command.env("TS_FIRST_WORD", "variable").env("TS_THIRD", "2").env("TS_SECNOD", "typo");
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(err.contains("p.inputs.yaml (found beside the plan)"), "{err}");
    assert!(err.contains("TS_SECNOD; did you mean TS_SECOND?"), "{err}");
    let run: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(run["steps"][0]["output"]["stdout"], "variable file 3\n", "{run:#}");
    for command in ["validate", "preview"] {
        let said = home.run(&[command, &plan]);
        assert!(said.err.contains("found beside the plan"), "{command}: {said:#?}");
    }
    // A file that is given with --inputs is used instead.
    let other = home.write("other.yaml", "first-word: x\n");
    let said = home.run(&["validate", &plan, "--inputs", &other]).expect(65);
    assert!(said.err.contains("`third` is missing") && !said.err.contains("beside the plan"), "{}", said.err);
}

#[test]
fn a_graph_is_drawn_in_each_format() {
    let home = Home::new();
    let plan = shipped("connect-many.yaml");
    for (format, begins) in
        [("mermaid", "flowchart TD\n"), ("dot", "digraph "), ("svg", "<svg "), ("text", "order")]
    {
        let said = home.run(&["graph", &plan, "--format", format]).expect(0);
        assert!(said.out.starts_with(begins), "{format}: {}", said.out);
    }
    let json = home.run(&["graph", &plan, "--format", "svg", "--output", "json"]).expect(0).json();
    assert!(json["picture"].as_str().unwrap().starts_with("<svg "));
    let go = json["order"].as_array().unwrap().iter().find(|step| step["step"] == "members[].add").unwrap();
    assert!(go["after"].as_array().unwrap().iter().any(|after| after["step"] == "members[].go"), "{go:#}");
}

#[test]
fn plans_in_any_language_are_told_their_mistakes() {
    let home = Home::new();
    for (text, code, place) in [
        (
            "twinspan: 1\nname: x\nsummary: Für alle →\nsteps:\n  - id: a\n    uses delay\n    with: { for: 1s }\n",
            "TS0004",
            ":6:",
        ),
        (
            "twinspan: 1\nname: x\nsummary: 日本語\nsteps:\n  - { id: a, uses: delay, with: { for: ${{ inputs.p }} } }\n",
            "TS0008",
            ":5:",
        ),
        (
            "twinspan: 1\nname: x\ninputs: { p: { type: string, about: \u{1f600}: x } }\nsteps: []\n",
            "TS0004",
            ":3:",
        ),
    ] {
        let plan = home.write("p.yaml", text);
        let said = home.run(&["validate", &plan]).expect(65);
        assert!(
            said.err.contains(code) && said.err.contains(&format!("p.yaml{place}")),
            "{text}: {}",
            said.err
        );
        assert!(!said.err.contains("twinspan has a mistake"), "{}", said.err);
    }
}

#[test]
fn a_secret_that_the_environment_does_not_have_is_said_at_once() {
    let home = Home::new();
    let plan = home.write(
        "p.yaml",
        "twinspan: 1\nname: p\nidentities:\n  central: { tenant: 11111111-0000-0000-0000-00000000000c }\nsteps:\n  - { id: in, uses: azure.sign-in, as: central }\n",
    );
    home.write(
        "twinspan.toml",
        "[identities.central]\ncredential = \"client-secret\"\nclient_id = \"33333333-0000-0000-0000-00000000000a\"\n\
         client_secret = { env = \"NO_SUCH_SECRET\" }\n",
    );
    let said = home.run(&["run", &plan, "--until-blocked"]).expect(64);
    for words in
        ["NO_SUCH_SECRET is not set", "client secret of the identity `central`", "export NO_SUCH_SECRET"]
    {
        assert!(said.err.contains(words), "{words}: {}", said.err);
    }
    assert!(!home.journal().exists(), "no run was begun");
}

/// Waiting does not provide a secret: `resume --all` reports the missing variable, and drives the other runs.
#[test]
fn a_run_whose_secret_is_not_set_is_refused_and_keeps_no_other_from_moving() {
    let home = Home::new();
    let gate = "  - { id: ask, uses: approval, with: { show: Change it?, by: maria } }\n";
    let with_secret = home.write(
        "secret.yaml",
        format!(
            "twinspan: 1\nname: secret\ninputs:\n  key: {{ type: string, secret: true }}\nidentities:\n  \
             central: {{ tenant: 11111111-0000-0000-0000-00000000000c }}\nsteps:\n{gate}  - id: change\n    \
             uses: arm.resource\n    as: central\n    with:\n      id: /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/\
             resourceGroups/rg-network/providers/Microsoft.Network/connections/c1\n      api_version: '2024-10-01'\n      \
             body: {{ location: westeurope, properties: {{ sharedKey: '${{{{ inputs.key }}}}' }} }}\n"
        ),
    );
    let without = home.write("plain.yaml", format!("twinspan: 1\nname: plain\nsteps:\n{gate}"));
    let inputs = home.write("inputs.yaml", "key: { env: NO_SUCH_KEY }\n");
    let begun = home
        .command(&["run", &with_secret, "--inputs", &inputs, "--until-blocked"])
        .env("NO_SUCH_KEY", "s3cret")
        .output()
        .unwrap();
    assert_eq!(begun.status.code(), Some(5), "{begun:?}");
    home.run(&["run", &without, "--until-blocked"]).expect(5);
    let said = home.run(&["resume", "--all", "--until-blocked"]).expect(64);
    assert!(said.err.contains("NO_SUCH_KEY is not set"), "{}", said.err);
    assert!(said.out.contains("maria: approval"), "the other run was driven: {}", said.out);
    let one = home.run(&["list", "--output", "json"]).expect(0).json();
    assert_eq!(one["runs"].as_array().unwrap().len(), 2, "{one:#}");
}

/// A program that needs only the result uses `--quiet`; warnings and errors are written all the same.
#[test]
fn a_quiet_command_writes_its_result_and_errors_alone() {
    let home = Home::new();
    let plan = home.write("gate.yaml", GATED);
    let loud = home.run(&["run", &plan, "--until-blocked"]).expect(5);
    assert!(loud.err.contains("waiting"), "{}", loud.err);
    let quiet = home.run(&["run", &plan, "--until-blocked", "--quiet"]).expect(5);
    assert!(quiet.out.contains("approve"), "{}", quiet.out);
    // The first run of the key is still open.
    let lines: Vec<&str> = quiet.err.lines().collect();
    assert!(
        matches!(lines[..], [one] if one.starts_with("warning") && one.contains("is open too")),
        "{lines:?}"
    );
    let wrong = home.run(&["-q", "validate", "no-such-plan.yaml"]).expect(3);
    assert!(wrong.err.contains("Error: ") && wrong.err.contains("no-such-plan.yaml"), "{}", wrong.err);
    home.run(&["-q", "-v", "list"]).expect(64);
    let by_environment =
        home.command(&["resume", "--all", "--until-blocked"]).env("TWINSPAN_QUIET", "1").output();
    assert_eq!(String::from_utf8(by_environment.unwrap().stderr).unwrap(), "");
}
