//! Errors that are known before a run are reported before it; conditions that must hold are read before any write.
//! The oracle for the latter is the simulator's ledger.

use serde_json::json;

use crate::azure::Azure;
use crate::program::{Home, shipped};

const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group";
const TARGET: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
const CENTRAL_TENANT: &str = "11111111-0000-0000-0000-00000000000c";
const TARGET_TENANT: &str = "22222222-0000-0000-0000-00000000000f";

#[test]
fn each_wrong_row_is_said_with_its_cell_its_instance_and_what_is_allowed() {
    let home = Home::new();
    let plan = home.write(
        "groups.yaml",
        format!(
            "twinspan: 1\nname: groups\nsummary: x\ninputs:\n  groups:\n    type: map\n    of:\n      name: {{ type: name }}\n      about: {{ type: string }}\n\
             identities: {{ central: {{ tenant: {CENTRAL_TENANT} }} }}\nsteps:\n  - id: make\n    for_each: ${{{{ inputs.groups }}}}\n    uses: avnm.network-group\n    as: central\n    \
             with: {{ network_manager: {MANAGER}, name: \"${{{{ each.value.name }}}}\", description: \"${{{{ each.value.about }}}}\" }}\n"
        ),
    );
    let (long, about) = ("n".repeat(81), "d".repeat(490));
    home.write(
        "groups.csv",
        format!("key,name,about\none,ng-one,short\ntwo,{long},short\nthree,ng-three,{about}\n"),
    );
    let inputs = home.write("inputs.yaml", "groups: { file: groups.csv }\n");
    for command in ["validate", "preview", "run", "apply"] {
        let said = home.run(&[command, &plan, "--inputs", &inputs]).expect(65).err;
        for part in [
            "groups.csv:3:5",
            "`name` of the step `make[two]`",
            "1 to 80 letters",
            "(row 3, column `name`)",
            "groups.csv:4:16",
            "`description` of the step `make[three]`",
            "up to 480 characters",
            "TS0414",
        ] {
            assert!(said.contains(part), "{command}: no {part} in {said}");
        }
        assert!(!said.contains("make[one]"), "{said}");
    }
}

#[test]
fn a_secret_goes_where_a_kind_reads_it_and_nowhere_else() {
    let home = Home::new();
    let plan = |with: &str| {
        format!(
            "twinspan: 1\nname: psk\nsummary: x\ninputs: {{ psk: {{ type: string, secret: true }} }}\n\
             identities: {{ central: {{ tenant: {CENTRAL_TENANT} }} }}\nsteps:\n  - id: it\n    {with}\n"
        )
    };
    let name = home.write(
        "name.yaml",
        plan(&format!("uses: avnm.network-group\n    as: central\n    with: {{ network_manager: {MANAGER}, name: \"x-${{{{ inputs.psk }}}}\" }}")),
    );
    let said = home.run(&["validate", &name]).expect(65).err;
    assert!(
        said.contains("TS0214") && said.contains("`name` of `avnm.network-group` takes no secret"),
        "{said}"
    );
    let body = home.write(
        "body.yaml",
        plan(&format!("uses: arm.resource\n    as: central\n    with: {{ id: {TARGET}/resourceGroups/rg, api_version: \"2022-09-01\", body: {{ key: \"${{{{ inputs.psk }}}}\" }} }}")),
    );
    home.run(&["validate", &body]).expect(0);
}

/// The first step would invite the guest; later steps compare the name.
#[test]
fn no_guest_is_invited_where_a_later_step_would_find_another_name() {
    let azure = Azure::start(&[]);
    let home = azure.home();
    let (plan, inputs) =
        (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
    let wrong = ["--inputs", inputs.as_str(), "--input", "target_scope_name=another-subscription"];
    let preview = home.run(&[&["preview", plan.as_str()], &wrong[..]].concat());
    assert!(preview.out.contains("another-subscription"), "{}", preview.out);
    let said = home.run(&[&["run", plan.as_str(), "--until-blocked"], &wrong[..]].concat());
    assert_ne!(said.code, Some(0), "{}", said.err);
    assert!(said.out.contains("nor anything else of this run"), "{}", said.out);
    assert_eq!(azure.created(), std::collections::BTreeMap::new());
}

/// Terraform created the network manager connection under a name of 76 characters.
#[test]
fn what_is_found_under_a_long_name_is_used_as_found() {
    let azure = Azure::start(&["--world", "ready"]);
    let home = azure.home();
    let name = format!("tf-{}", "n".repeat(73));
    let token = azure.token(Some("central"), CENTRAL_TENANT);
    let body = json!({ "properties": { "tenantId": TARGET_TENANT, "resourceId": TARGET } });
    azure.arm(
        &token,
        "PUT",
        &format!("{MANAGER}/scopeConnections/{name}?api-version=2024-10-01"),
        Some(&body),
    );
    let token = azure.token(Some("target"), TARGET_TENANT);
    let body = json!({ "properties": { "networkManagerId": MANAGER } });
    let half = format!(
        "{TARGET}/providers/Microsoft.Network/networkManagerConnections/{name}?api-version=2024-10-01"
    );
    azure.arm(&token, "PUT", &half, Some(&body));
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    home.run(&["run", &shipped("cross-tenant-connection.yaml"), "--inputs", &inputs, "--until-blocked"])
        .expect(0);
    let made = azure.created();
    assert!(!made.keys().any(|path| path.ends_with("/to-central")), "{made:?}");
}

/// A subnet that is a step of its own is held against the step of its virtual network, and against other subnets.
#[test]
fn a_subnet_that_does_not_fit_another_step_is_said_with_both_places() {
    let home = Home::new();
    let network = format!("{TARGET}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v");
    let plan = |inputs: &str, subnet: &str| {
        format!(
            "twinspan: 1\nname: net\nsummary: x\n{inputs}identities: {{ target: {{ tenant: {TARGET_TENANT} }} }}\nsteps:\n  \
             - id: net\n    uses: arm.resource\n    as: target\n    with:\n      id: {network}\n      api_version: \"2024-05-01\"\n      \
             body: {{ properties: {{ addressSpace: {{ addressPrefixes: [10.1.0.0/16] }} }} }}\n{subnet}"
        )
    };
    let subnet = |id: &str, prefix: &str, extra: &str| {
        format!(
            "  - id: {id}\n{extra}    uses: arm.resource\n    as: target\n    needs: [net]\n    with:\n      id: {network}/subnets/{id}\n      \
             api_version: \"2024-05-01\"\n      body:\n        properties:\n          addressPrefix: {prefix}\n"
        )
    };
    // Constants: without inputs.
    let both =
        subnet("a", "10.2.0.0/24", "") + &subnet("b", "10.1.0.0/24", "") + &subnet("c", "10.1.0.0/25", "");
    let constants = home.write("constants.yaml", plan("", &both));
    for command in ["validate", "run"] {
        let said = home.run(&[command, &constants]).expect(65).err;
        for part in [
            "TS0414",
            "10.2.0.0/24 does not lie in the address space of its virtual network: 10.1.0.0/16",
            "constants.yaml:22:26",
            "of the step `net`",
            "10.1.0.0/25 overlaps 10.1.0.0/24 of the subnet b",
            "of the step `b`",
        ] {
            assert!(said.contains(part), "{command}: no {part} in {said}");
        }
    }
    // Only one of them can be part of a run: nothing is said.
    let other = subnet("b", "10.1.0.0/24", "") + &subnet("c", "10.1.0.0/25", "    when: ${{ false }}\n");
    let conditional = home.write("conditional.yaml", plan("", &other));
    home.run(&["validate", &conditional]).expect(0);
    // From the inputs, at the place where they are given.
    let given = plan("inputs: { prefix: { type: string } }\n", &subnet("a", "${{ inputs.prefix }}", ""));
    let given = home.write("given.yaml", given);
    home.write("good.yaml", "prefix: 10.1.7.0/24\n");
    home.write("bad.yaml", "prefix: 10.7.0.0/24\n");
    home.run(&["validate", &given, "--inputs", "good.yaml"]).expect(0);
    for command in ["validate", "preview", "run", "apply"] {
        let said = home.run(&[command, &given, "--inputs", "bad.yaml"]).expect(65).err;
        for part in ["bad.yaml:1:9", "10.7.0.0/24 does not lie", "of the step `net`", "TS0414"] {
            assert!(said.contains(part), "{command}: no {part} in {said}");
        }
    }
}
