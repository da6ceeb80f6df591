//! Hand-over: an identity without a credential on this machine, the page that its owner gets, and how the run
//! continues after it.

use std::process::Command;

use crate::azure::Azure;
use crate::azure_cli::{self, AzureCli};
use crate::program::{Home, Said, shipped};

const PLAN: &str = "cross-tenant-connection.yaml";
const GUEST: &str = "nina.network@contoso.example";
const CENTRAL: &str = "11111111-0000-0000-0000-00000000000c";
const TARGET: &str = "22222222-0000-0000-0000-00000000000f";

/// A run that waits for the target tenant's own administrator, whose credential is not here.
fn waiting() -> (Azure, Home, Said) {
    let azure = Azure::start(&[]);
    let home = azure.home_without("target-admin");
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs, "--until-blocked", "--output", "json"]);
    let said = said.expect(5);
    (azure, home, said)
}

fn hand_over(home: &Home, run: &str, identity: &str, format: &str) -> String {
    home.run(&["hand-over", run, "--as", identity, "--format", format]).expect(0).out
}

/// The text without values that differ from run to run.
fn stable(text: &str, run: &str) -> String {
    text.replace(run, "[RUN]").replace(env!("CARGO_PKG_VERSION"), "[VERSION]")
}

#[test]
fn an_identity_without_a_credential_gets_a_page_and_scripts_without_secrets() {
    let (azure, home, said) = waiting();
    let run = said.json();
    let short = run["short"].as_str().unwrap();
    let wait = &run["waiting"][0];
    assert_eq!(wait["kind"], "credential", "{wait:#}");
    let action = wait["action"].as_str().unwrap();
    assert_eq!(action, format!("twinspan hand-over {} --as target-admin", run["run"].as_str().unwrap()));
    let secrets: Vec<&str> = azure.ready["identities"]
        .as_object()
        .unwrap()
        .values()
        .map(|identity| identity["client_secret"].as_str().unwrap())
        .collect();
    for format in ["text", "az", "powershell", "html"] {
        let page = hand_over(&home, short, "target-admin", format);
        for secret in &secrets {
            assert!(!page.contains(secret), "{format} holds a secret:\n{page}");
        }
        insta::assert_snapshot!(format!("hand_over_{format}"), stable(&page, short));
    }
    let data = home.run(&["hand-over", short, "--as", "target-admin", "--output", "json"]).expect(0).json();
    assert_eq!((&data["schema"], &data["pages"][0]["tenant"]), (&1.into(), &TARGET.into()), "{data:#}");
    let steps: Vec<&str> = data["pages"][0]["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|task| task["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["guest", "role"]);
}

#[test]
fn scripts_are_read_by_a_shell_and_pages_load_nothing() {
    let (_azure, home, said) = waiting();
    let run = said.json();
    let short = run["short"].as_str().unwrap();
    for identity in ["target-admin", "target", "central"] {
        let script = home.write("script.sh", hand_over(&home, short, identity, "az"));
        let read = Command::new("sh").args(["-n", &script]).output().unwrap();
        assert!(read.status.success(), "{identity}: {}", String::from_utf8_lossy(&read.stderr));
        let page = hand_over(&home, short, identity, "html");
        for word in ["<script", "src=", "@import", "url(", "<link"] {
            assert!(!page.contains(word), "{identity}: {word}");
        }
    }
}

#[test]
fn what_the_central_tenant_still_has_to_do_is_foreseen_before_its_turn() {
    let (_azure, home, said) = waiting();
    let run = said.json();
    let short = run["short"].as_str().unwrap();
    let data = home.run(&["hand-over", short, "--as", "central", "--output", "json"]).expect(0).json();
    let tasks = data["pages"][0]["tasks"].as_array().unwrap();
    let of = |step: &str| {
        tasks.iter().find(|task| task["step"] == step).unwrap_or_else(|| panic!("{step}: {data:#}"))
    };
    let write = |step: &str| {
        let acts = of(step)["acts"].as_array().unwrap();
        acts.iter().find_map(|act| act.get("create")).unwrap()["write"].clone()
    };
    let connection = write("scope-connection");
    // The body contains no marker: a marked resource without an intent in the journal would prove that the journal
    // lost entries.
    assert!(!data.to_string().contains("[twinspan:"), "{data:#}");
    assert_eq!(connection["body"]["properties"]["tenantId"], TARGET);
    let member = write("members[vnet-app-735df4f4]");
    assert_eq!(member["auxiliary"], TARGET, "{member:#}");
    let after = &of("members[vnet-app-735df4f4]")["after"];
    assert!(after.as_array().is_some_and(|after| after.contains(&"connected".into())), "{data:#}");
    assert!(member["path"].as_str().unwrap().ends_with("/staticMembers/vnet-app-735df4f4"), "{member:#}");
    // Completed steps are not handed over.
    assert!(tasks.iter().all(|task| task["step"] != "registered-central"), "{data:#}");
    let page = hand_over(&home, short, "target", "text");
    assert!(page.contains("(network-manager-connection)"), "{page}");
    // Another person's step comes first, and only its output identifies the guest.
    assert!(
        page.contains("it takes `id` of step guest, which is known only when that step is done"),
        "{page}"
    );
}

#[test]
fn a_link_that_is_sensitive_is_shown_and_never_written_into_a_file() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs, "--until-blocked", "--output", "json"]);
    let run = said.expect(5).json();
    let short = run["short"].as_str().unwrap();
    let wait = run["waiting"].as_array().unwrap().iter().find(|wait| wait["step"] == "accepted").unwrap();
    let link = wait["link"].as_str().unwrap();
    assert!(hand_over(&home, short, "target", "text").contains(link));
    for arguments in
        [&["--format", "az"][..], &["--format", "powershell"], &["--format", "html"], &["--output", "json"]]
    {
        let mut all = vec!["hand-over", short, "--as", "target"];
        all.extend(arguments);
        let said = home.run(&all).expect(0);
        assert!(!said.out.contains("redeem?") && !said.out.contains(link), "{arguments:?}:\n{}", said.out);
    }
    let nothing = hand_over(&home, short, "target-admin", "text");
    assert!(nothing.contains("There is nothing left to do for target-admin."), "{nothing}");
}

#[test]
fn a_wrong_name_says_what_was_meant() {
    let (_azure, home, said) = waiting();
    let run = said.json();
    let short = run["short"].as_str().unwrap();
    let said = home.run(&["hand-over", short, "--as", "target-admn"]).expect(3);
    assert!(said.err.contains("did you mean target-admin?"), "{said:#?}");
    home.run(&["hand-over", "00000000", "--as", "target-admin"]).expect(3);
    home.run(&["hand-over", short, "--as", "target-admin", "--format", "word"]).expect(64);
}

#[test]
fn a_claim_is_checked_recorded_and_stays_a_claim() {
    let (_azure, home, said) = waiting();
    let run = said.json();
    let short = run["short"].as_str().unwrap();
    let object = "ffffffff-9999-0000-0000-000000000001";
    for (stated, code, words) in [
        ("guest.object_id", 64, "write STEP.OUTPUT=VALUE"),
        ("gest.object_id=x", 3, "did you mean guest?"),
        ("guest.objectid=x", 3, "did you mean object_id?"),
        ("guest.object_id=nina", 64, "does not fit guest.object_id"),
        ("network-manager.location=mars", 64, "its outputs were read"),
    ] {
        let said = home.run(&["provide", short, stated]).expect(code);
        assert!(said.err.contains(words), "{stated}: {said:#?}");
    }
    let stated = format!("guest.object_id={object}");
    home.run(&["provide", short, &stated, "--actor", "nina", "--reason", "told by phone"]).expect(0);
    let words = format!("object_id = {object}, claimed by nina, not proven yet");
    let shown = home.run(&["show", short]).expect(0);
    assert!(shown.out.contains(&words), "{shown:#?}");
    let why = home.run(&["why", short, "guest"]).expect(0);
    assert!(why.out.contains(&words) && why.out.contains("told by phone"), "{why:#?}");
    let claims = home.run(&["show", short, "--output", "json"]).expect(0).json();
    let guest = claims["steps"].as_array().unwrap().iter().find(|step| step["step"] == "guest").unwrap();
    assert_eq!(guest["claimed"][0]["value"], object, "{guest:#}");
    assert_eq!(guest["state"], "waiting", "a claim proves nothing");
    // The next hand-over uses the claim.
    assert!(hand_over(&home, short, "target-admin", "text").contains(object));
}

#[test]
fn an_identity_of_several_tenants_gets_a_page_and_a_section_for_each() {
    let home = Home::new();
    let plan = "\
twinspan: 1
name: fleet
summary: Two targets
inputs:
  targets: { type: map, of: { tenant: { type: tenant-id }, subscription: { type: scope } } }
steps:
  - id: connect
    for_each: ${{ inputs.targets }}
    identities:
      admin: { tenant: \"${{ each.value.tenant }}\" }
    steps:
      - id: app
        uses: entra.service-principal
        as: admin
        with: { app_id: 33333333-0000-0000-0000-00000000000a }
      - id: role
        uses: azure.role-assignment
        as: admin
        with: { scope: \"${{ each.value.subscription }}\", role: Reader, principal: \"${{ steps.app.object_id }}\" }
";
    let inputs = "\
targets:
  one: { tenant: 22222222-0000-0000-0000-00000000000f, subscription: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001 }
  two: { tenant: 44444444-0000-0000-0000-00000000000e, subscription: /subscriptions/cccccccc-0000-0000-0000-000000000001 }
";
    let (plan, inputs) = (home.write("fleet.yaml", plan), home.write("inputs.yaml", inputs));
    let run = home.run(&["run", &plan, "--inputs", &inputs, "--paused", "--output", "json"]).expect(0).json();
    let short = run["short"].as_str().unwrap();
    let data = home.run(&["hand-over", short, "--as", "admin", "--output", "json"]).expect(0).json();
    let pages = data["pages"].as_array().unwrap();
    let tenants: Vec<&str> = pages.iter().map(|page| page["tenant"].as_str().unwrap()).collect();
    assert_eq!(tenants, [TARGET, "44444444-0000-0000-0000-00000000000e"], "{data:#}");
    assert!(pages.iter().all(|page| page["tasks"].as_array().unwrap().len() == 2), "{data:#}");
    let script = hand_over(&home, short, "admin", "az");
    assert_eq!(
        script.matches("skipped, because the CLI is signed in to another tenant").count(),
        2,
        "{script}"
    );
    let path = home.write("script.sh", &script);
    assert!(Command::new("sh").args(["-n", &path]).status().unwrap().success(), "{script}");
    // Each section has its own variables, for the same steps in two elements.
    assert!(script.contains("connect_one__app_") && script.contains("connect_two__app_"), "{script}");
}

#[test]
fn the_script_run_with_the_azure_cli_does_it_once_and_the_run_goes_on_by_itself() {
    let Some(program) = azure_cli::program() else { return };
    let (azure, home, said) = waiting();
    let run = said.json();
    let short = run["short"].as_str().unwrap();
    let script = home.write("target-admin.sh", hand_over(&home, short, "target-admin", "az"));
    let cli = AzureCli::new(program, &azure, &home);
    let refused = cli.command("sh").arg(&script).output().unwrap();
    let refused = (refused.status.code(), String::from_utf8_lossy(&refused.stderr).into_owned());
    assert_eq!(refused.0, Some(1));
    assert!(refused.1.contains(&format!("sign in first: az login --tenant {TARGET}")), "{}", refused.1);

    cli.sign_in("target-admin", TARGET);
    let first = cli.run("sh", &[&script]);
    assert!(first.contains(&format!("pass this link on to {GUEST}: https://")), "{first}");
    let created = azure.created();
    let roles: Vec<&String> = created.keys().filter(|path| path.contains("/roleassignments/")).collect();
    assert_eq!((created.get("/v1.0/invitations"), roles.len()), (Some(&1), 1), "{created:#?}");

    // Running it twice is harmless: it does not even send a write.
    let before = azure.ledger().len();
    let second = cli.run("sh", &[&script]);
    assert_eq!(second.matches("it exists: ").count(), 2, "{second}");
    assert_eq!(azure.ledger().len(), before, "{:#?}", azure.ledger());

    azure.redeem(GUEST);
    azure.advance("11m");
    let said = home.run(&["resume", "--until-blocked", "--output", "json"]).expect(0);
    let ended = said.json();
    let of = |step: &str| {
        ended["steps"].as_array().unwrap().iter().find(|known| known["step"] == step).unwrap().clone()
    };
    for step in ["guest", "role"] {
        assert_eq!(of(step)["state"], "unchanged", "{:#}", of(step));
    }
    // The script chose the name that the step reads.
    let read = of("role")["evidence"]["path"].as_str().unwrap().to_lowercase();
    assert!(read.starts_with(roles[0].as_str()), "{read} is not {}", roles[0]);
    let repeated: Vec<_> = azure.created().into_iter().filter(|(_, times)| *times != 1).collect();
    assert!(repeated.is_empty(), "created more than once: {repeated:?}");
    // Undo keeps what the run did not create.
    home.run(&["undo", "--yes"]).expect(0);
    let removed = azure.ledger().into_iter().filter(|effect| effect.change == "deleted");
    assert!(
        removed
            .map(|effect| effect.path.to_lowercase())
            .all(|path| !path.contains("/users/") && path != *roles[0])
    );
}

/// The run creates the invitation and the role assignment; scripts create everything after it, in both tenants.
#[test]
fn both_tenants_parts_by_script_are_found_unchanged() {
    let Some(program) = azure_cli::program() else { return };
    let azure = Azure::start(&[]);
    let home = azure.home();
    let everybody = std::fs::read_to_string(home.path().join("twinspan.toml")).unwrap();
    let without = ["central", "target"].iter().fold(everybody.clone(), |text, name| {
        let table = format!("[identities.{name}]\ncredential = ");
        text.replace(&format!("{table}\"client-secret\""), &format!("{table}\"none\""))
    });
    home.write("twinspan.toml", without);
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs, "--until-blocked", "--output", "json"]);
    let run = said.expect(5).json();
    let short = run["short"].as_str().unwrap();
    let script =
        |identity: &str| home.write(&format!("{identity}.sh"), hand_over(&home, short, identity, "az"));
    azure.redeem(GUEST);
    azure.advance("11m");
    let cli = AzureCli::new(program, &azure, &home);

    // The central tenant's part; its members have to wait for the other tenant's.
    cli.sign_in("central", CENTRAL);
    let central = script("central");
    let early = cli.command("sh").arg(&central).output().unwrap();
    let words = String::from_utf8_lossy(&early.stderr).into_owned();
    assert_eq!(early.status.code(), Some(1), "{words}");
    assert!(words.contains("is not connected to the network manager yet"), "{words}");
    assert_eq!(azure.created().keys().filter(|path| path.contains("/staticmembers/")).count(), 0);

    cli.sign_in("target", TARGET);
    cli.run("sh", &[&script("target")]);
    cli.sign_in("central", CENTRAL);
    azure.advance("1m");
    let done = cli.run("sh", &[&central]);
    assert!(done.contains("To undo it, in this order:"), "{done}");
    azure.advance("1m");
    assert_eq!(azure.created().keys().filter(|path| path.contains("/staticmembers/")).count(), 3);

    let before = azure.ledger().len();
    home.write("twinspan.toml", everybody);
    let said = home.run(&["resume", "--until-blocked", "--output", "json"]).expect(0);
    assert_eq!(azure.ledger().len(), before, "the run wrote nothing of what was there:\n{}", said.err);
    let steps = said.json()["steps"].clone();
    for step in
        steps.as_array().unwrap().iter().filter(|step| step["kind"].as_str().unwrap().starts_with("avnm."))
    {
        assert!(["done", "unchanged"].contains(&step["state"].as_str().unwrap()), "{step:#}");
        assert_ne!(step["origin"], "created", "{step:#}");
    }
}
