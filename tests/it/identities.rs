//! Identities with names of the plan's own: rehearsed, configured, mistyped.

use std::collections::BTreeSet;

use crate::azure::Azure;
use crate::program::{Home, shipped};
use crate::verify::MANAGER;

/// A plan whose identities have names that no other plan uses.
const PLAN: &str = "\
twinspan: 1
name: own-names
summary: Connect one subscription
identities:
  hub: { tenant: 11111111-0000-0000-0000-00000000000c }
  spoke: { tenant: 22222222-0000-0000-0000-00000000000f }
steps:
  - id: manager
    uses: avnm.network-manager
    as: hub
    with: { id: MANAGER }
  - id: scope
    uses: azure.scope
    as: spoke
    with: { scope: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001 }
  - id: half
    uses: avnm.scope-connection
    as: hub
    with:
      network_manager: ${{ steps.manager.id }}
      name: own
      tenant: 22222222-0000-0000-0000-00000000000f
      scope: ${{ steps.scope.id }}
  - id: other-half
    uses: avnm.network-manager-connection
    as: spoke
    needs: [half]
    with: { scope: \"${{ steps.scope.id }}\", name: to-hub, network_manager: \"${{ steps.manager.id }}\" }
";

fn home() -> Home {
    let home = Home::new();
    home.write("own.yaml", PLAN.replace("MANAGER", MANAGER));
    home
}

#[test]
fn a_plan_with_names_of_its_own_is_rehearsed() {
    let home = home();
    let rehearse = |more: &[&str]| home.run(&[&["rehearse", "own.yaml", "--world", "ready"], more].concat());
    // The application has a service principal in both tenants, and no identity of the plan has to be a person.
    rehearse(&[]).expect(0);
    rehearse(&["--identity", "hub=user", "--identity", "spoke=app"]).expect(0);
    rehearse(&["--identity", "hub=app", "--identity", "spoke=user"]).expect(0);
    let said = rehearse(&["--identity", "spke=app"]).expect(64);
    assert!(
        said.err.contains("no identity spke") && said.err.contains("did you mean spoke?"),
        "{}",
        said.err
    );
    for wrong in ["spoke", "spoke=person", "=app", "spoke=APP"] {
        rehearse(&["--identity", wrong]).expect(64);
    }
}

#[test]
fn the_reference_plan_with_other_names_is_rehearsed_as_guest_and_as_application() {
    let home = Home::new();
    let renamed = std::fs::read_to_string(shipped("cross-tenant-connection.yaml")).unwrap();
    let renamed = renamed
        .replace("  target-admin:\n", "  their-admin:\n")
        .replace("as: target-admin", "as: their-admin")
        .replace("  central:\n", "  hub:\n")
        .replace("  target:\n", "  spoke:\n")
        .replace("as: central", "as: hub")
        .replace("as: target", "as: spoke")
        .replace("auxiliary: target", "auxiliary: spoke")
        .replace("[central, target]", "[hub, spoke]");
    assert!(!renamed.contains("as: central") && renamed.contains("their-admin"), "{renamed}");
    home.write("renamed.yaml", renamed);
    for inputs in
        ["cross-tenant-connection.inputs.yaml", "cross-tenant-connection.service-principal.inputs.yaml"]
    {
        home.run(&["rehearse", "renamed.yaml", "--inputs", &shipped(inputs)]).expect(0);
    }
}

#[test]
fn a_configured_identity_that_no_plan_knows_is_refused() {
    let azure = Azure::start(&["--ready-world"]);
    let home = azure.home();
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    let check = ["config", "--check", &plan, "--inputs", &inputs];
    home.run(&check).expect(0);
    let config = std::fs::read_to_string(home.path().join("twinspan.toml")).unwrap();
    home.write("twinspan.toml", config.replace("[identities.central]", "[identities.cental]"));
    let requests = azure.requests().len();
    let said = home.run(&check).expect(64);
    for words in ["identity cental is configured, but no plan names it", "did you mean [identities.central]?"]
    {
        assert!(said.err.contains(words), "does not say {words:?}:\n{}", said.err);
    }
    assert_eq!(azure.requests().len(), requests, "no identity signed in");
}

#[test]
fn sim_configures_every_identity_of_the_shipped_plans() {
    let azure = Azure::start(&[]);
    let configured = azure.configuration();
    let mut names = BTreeSet::new();
    for plan in std::fs::read_dir(shipped("")).unwrap() {
        let path = plan.unwrap().path();
        if path.to_str().unwrap().ends_with("inputs.yaml")
            || path.extension().is_none_or(|ending| ending != "yaml")
        {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        names.extend(text.lines().filter_map(|line| {
            let name = line.trim().strip_prefix("as: ")?;
            (!name.starts_with('[')).then(|| name.split(" #").next().unwrap().trim().to_owned())
        }));
    }
    assert!(names.len() >= 5, "{names:?}");
    for name in names {
        assert!(configured.contains(&format!("[identities.{name}]")), "{name}:\n{configured}");
    }
}
