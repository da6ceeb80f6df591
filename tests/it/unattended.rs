//! The plan for pipelines: one application, and no person.

use crate::azure::Azure;
use crate::program::{Home, shipped};

const PLAN: &str = "unattended-service-principal.yaml";

/// A folder whose only credential is the application's.
pub(crate) fn home(azure: &Azure) -> Home {
    let home = Home::new();
    let ready = &azure.ready;
    let text = |name: &str| toml::Value::String(ready[name].as_str().unwrap().to_owned()).to_string();
    home.write("application.secret", ready["client_secret"].as_str().unwrap());
    home.write(
        "twinspan.toml",
        format!(
            "[cloud]\nname = \"custom\"\narm = {}\nlogin = {}\ngraph = {}\nroot_certificate = {}\n[identities.default]\n\
             credential = \"client-secret\"\nclient_id = {}\nclient_secret = {{ file = \"application.secret\" }}\n",
            text("arm"),
            text("login"),
            text("graph"),
            text("ca_file"),
            text("client_id"),
        ),
    );
    home
}

fn inputs() -> String {
    shipped("unattended-service-principal.inputs.yaml")
}

#[test]
fn the_application_alone_does_all_of_it() {
    let azure = Azure::start(&["--ready-world"]);
    let home = home(&azure);
    home.run(&["run", &shipped(PLAN), "--inputs", &inputs(), "--until-blocked"]).expect(0);
    let created = azure.created();
    assert_eq!(created.keys().filter(|path| path.contains("/staticmembers/")).count(), 3, "{created:#?}");
    assert_eq!(created.len(), 6, "members, the group and both sides: {created:#?}");
    // The next job's first command: no run is open.
    home.run(&["resume", "--all", "--until-blocked"]).expect(3);
}

#[test]
fn where_the_targets_administrator_has_not_acted_it_says_so_and_writes_nothing() {
    let azure = Azure::start(&[]);
    let home = home(&azure);
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs(), "--until-blocked"]).expect(5);
    for words in [
        "an Entra administrator of tenant 22222222-0000-0000-0000-00000000000f",
        "the application has no service principal in the tenant (AADSTS700016)",
        "az ad sp create --id 33333333-0000-0000-0000-00000000000a",
    ] {
        assert!(said.out.contains(words), "does not say {words:?}:\n{}", said.out);
    }
    assert!(azure.ledger().is_empty(), "{:#?}", azure.ledger());
    home.run(&["resume", "--all", "--until-blocked"]).expect(5);
}

#[test]
fn a_person_who_is_signed_in_does_not_carry_it_out() {
    let azure = Azure::start(&["--ready-world"]);
    let home = home(&azure);
    let nina = &azure.ready["identities"]["central"];
    home.write("application.secret", nina["client_secret"].as_str().unwrap());
    let config = std::fs::read_to_string(home.path().join("twinspan.toml")).unwrap();
    let application = azure.ready["client_id"].as_str().unwrap();
    home.write("twinspan.toml", config.replace(application, nina["client_id"].as_str().unwrap()));
    let said = home.run(&["run", &shipped(PLAN), "--inputs", &inputs(), "--until-blocked"]).expect(5);
    assert!(said.out.contains(&format!("the plan needs application {application}")), "{}", said.out);
    assert!(azure.ledger().is_empty(), "{:#?}", azure.ledger());
}
