//! `config`: each setting in force with its source, and no secret.

use serde_json::{Value, json};

use crate::program::Home;

const PROJECT: &str = "\
[identities.central]
credential = \"azure-cli\"
[identities.target]
credential = \"client-secret\"
client_id = \"33333333-0000-0000-0000-00000000000a\"
client_secret = { command = [\"/bin/vault\", \"canary-77aa\"] }
[identities.target.\"22222222-0000-0000-0000-00000000000f\"]
client_secret = { env = \"TARGET_SECRET\" }
[command]
allow = [\"/bin/true\"]
";

fn home() -> Home {
    let home = Home::new();
    home.write("twinspan.toml", PROJECT);
    std::fs::create_dir_all(home.path().join(".config/twinspan")).unwrap();
    home.write(
        ".config/twinspan/twinspan.toml",
        "[identities.central]\ncredential = \"none\"\n[cloud]\nname = \"us-government\"\n",
    );
    home
}

/// The value of a setting, and the layer that set it.
fn setting(view: &Value, key: &str) -> (Value, Value) {
    let settings = view["settings"].as_array().unwrap();
    let found = settings.iter().find(|setting| setting["key"] == key);
    let found = found.unwrap_or_else(|| panic!("no {key} in {view:#}"));
    (found["value"].clone(), found["from"]["layer"].clone())
}

#[test]
fn flag_over_environment_over_project_over_user_over_default() {
    let home = home();
    let view = home.run(&["config", "--output", "json"]).expect(0).json();
    assert_eq!(view["schema"], 1);
    for (key, value, layer) in [
        ("journal", json!(home.journal()), "environment"),
        ("identities.central.credential", json!("azure-cli"), "project"),
        ("cloud.name", json!("us-government"), "user"),
        ("command.allow", json!(["/bin/true"]), "project"),
        ("output", json!("json"), "flag"),
        ("color", json!("auto"), "default"),
    ] {
        assert_eq!(setting(&view, key), (value, json!(layer)), "{key}");
    }
    let over = home
        .command(&["config", "--output", "json", "--journal", "flag.db"])
        .env("TWINSPAN_IDENTITIES_CENTRAL_CREDENTIAL", "managed-identity")
        .env("TWINSPAN_CLOUD_NAME", "china")
        .output()
        .unwrap();
    let view: Value = serde_json::from_slice(&over.stdout).unwrap();
    assert_eq!(setting(&view, "journal"), (json!("flag.db"), json!("flag")));
    assert_eq!(
        setting(&view, "identities.central.credential"),
        (json!("managed-identity"), json!("environment"))
    );
    assert_eq!(setting(&view, "cloud.name"), (json!("china"), json!("environment")));
    let view = Home::new().run(&["config", "--output", "json"]).expect(0).json();
    assert_eq!(setting(&view, "cloud.name"), (json!("public"), json!("default")));
    assert_eq!(setting(&view, "command.allow"), (json!([]), json!("default")));
}

#[test]
fn of_a_secret_only_its_place_is_shown() {
    let home = home();
    for output in ["text", "json", "jsonl"] {
        let said = home
            .command(&["config", "--output", output])
            .env("TARGET_SECRET", "canary-9c2e")
            .output()
            .unwrap();
        let said = String::from_utf8(said.stdout).unwrap();
        assert!(!said.contains("canary"), "{said}");
        assert!(said.contains("TARGET_SECRET") && said.contains("/bin/vault"), "{said}");
    }
    let text = home.run(&["config", "--actor", "nina"]).expect(0).out;
    let real = std::fs::canonicalize(home.path()).unwrap();
    let text =
        text.replace(real.to_str().unwrap(), "[HOME]").replace(home.path().to_str().unwrap(), "[HOME]");
    // The length of the test folder's path changes the width of a column.
    insta::with_settings!({ filters => [("  +", "  ")] }, { insta::assert_snapshot!("config_text", text) });
}

#[test]
fn a_mistake_is_told_with_its_place() {
    let home = Home::new();
    home.write("twinspan.toml", "[cloud]\nname = \"mars\"\n");
    let said = home.run(&["config"]).expect(64);
    assert!(said.err.contains("twinspan.toml:2:8"), "{}", said.err);
}

#[test]
fn a_cloud_that_is_not_public_is_named_with_its_hosts_before_anything_else() {
    let home = home();
    let plan = "twinspan: 1\nname: p\nsummary: s\nsteps:\n  - { id: a, uses: delay, with: { for: 1s } }\n";
    let plan = home.write("plan.yaml", plan);
    let said = home.run(&["run", &plan]).expect(0);
    let first = said.err.lines().next().unwrap();
    let wanted = "cloud us-government, not the public one: Azure Resource Manager https://management.usgovcloudapi.net, sign-in \
                  https://login.microsoftonline.us, Microsoft Graph https://graph.microsoft.us (user ";
    assert!(first.starts_with(wanted), "{first}");
    // A command that only reads the journal does not print this.
    assert_eq!(home.run(&["list"]).expect(0).err, "");
}

#[cfg(unix)]
#[test]
fn a_file_that_others_may_change_or_that_came_with_a_checkout_is_not_obeyed() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home();
    let checkout = home.path().join("checkout");
    std::fs::create_dir(&checkout).unwrap();
    let file = checkout.join("twinspan.toml");
    let run = |arguments: &[&str]| {
        let output = home.command(arguments).current_dir(&checkout).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let plan = format!(
        "twinspan: 1\nname: p\nsummary: s\nsteps:\n  - {{ id: a, uses: command, with: {{ program: /bin/touch, args: [{}] }} }}\n",
        home.path().join("RAN").display()
    );
    let plan = home.write("plan.yaml", plan);
    std::fs::write(&file, "[command]\nallow = [\"/bin/touch\"]\n").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (code, said) = run(&["run", &plan, "--until-blocked"]);
    assert_ne!(code, Some(0), "{said}");
    assert!(
        said.starts_with("warning: ") && said.contains("[command] allow is read only from your own"),
        "{said}"
    );
    assert!(!home.path().join("RAN").exists());
    let (code, said) = run(&["run", &plan, "--until-blocked", "--config", "twinspan.toml"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(home.path().join("RAN").exists());
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o666)).unwrap();
    let (code, said) = run(&["list"]);
    assert_eq!(code, Some(64), "{said}");
    for words in ["twinspan.toml may be changed by others", "mode 0666", "chmod go-w ", "--config FILE"] {
        assert!(said.contains(words), "{words:?}: {said}");
    }
}
