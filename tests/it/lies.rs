//! A rehearsal in a world that misbehaves on purpose: how the program reacts to each lie.

use std::fs;

use crate::program::{Home, Said, shipped};

const PLAN: &str = "cross-tenant-connection.yaml";

/// Rehearses `plan` with the example inputs in a world with `lie`.
fn rehearse(home: &Home, plan: &str, lie: Option<&str>, more: &[&str]) -> Said {
    let inputs = shipped("cross-tenant-connection.inputs.yaml");
    let mut arguments = vec!["rehearse", plan, "--inputs", &inputs];
    if let Some(lie) = lie {
        arguments.extend(["--lie", lie]);
    }
    arguments.extend(more);
    home.run(&arguments)
}

/// Rehearses the reference plan in a world with `lie`: it exits with `code`, and its output contains all of `words`.
#[track_caller]
fn noticed(lie: &str, more: &[&str], code: i32, words: &[&str]) -> Said {
    let said = rehearse(&Home::new(), &shipped(PLAN), Some(lie), more).expect(code);
    for word in words {
        assert!(said.out.contains(word), "{lie}: does not say {word:?}:\n{}", said.out);
    }
    said
}

/// The scope connection says Connected and no network manager connection exists: noticed before the latter is
/// written, as afterwards both look right.
#[track_caller]
fn noticed_at_the_missing_half(lie: &str) {
    let said = noticed(
        lie,
        &[],
        1,
        &[
            "decide     network-manager-connection",
            "the scope connection of network manager nm-group is Connected, but subscription \
             bbbbbbbb-0000-0000-0000-000000000001 in tenant 22222222-0000-0000-0000-00000000000f has no network manager \
             connection that names this manager",
            "nothing was written here",
            "overwrite; otherwise abort",
        ],
    );
    assert!(!said.out.contains("made     network-manager-connection"), "{}", said.out);
}

#[test]
fn eager_connected_is_noticed_before_the_other_side_is_written() {
    noticed_at_the_missing_half("eager-connected");
}

#[test]
fn one_side_enough_is_noticed_before_the_other_side_is_written() {
    noticed_at_the_missing_half("one-half-enough");
}

/// A plan that does not pass the state on reaches the check of both sides, which also reads the network manager.
#[test]
fn eager_connected_is_noticed_by_the_managers_own_list() {
    let home = Home::new();
    let plan = changed(&home, "          scope_connection_state:", "          # ");
    let said = rehearse(&home, &plan, Some("eager-connected"), &[]).expect(6);
    for word in [
        "failed     connected  gave up waiting",
        "both sides are Connected, but network manager nm-group does not list subscription \
         bbbbbbbb-0000-0000-0000-000000000001",
    ] {
        assert!(said.out.contains(word), "does not say {word:?}:\n{}", said.out);
    }
}

#[test]
fn an_empty_list_is_no_proof_of_a_member() {
    noticed(
        "empty-list",
        &[],
        6,
        &["gave up waiting", "members of group ng-spokes not listed yet: vnet-app", "retry"],
    );
}

#[test]
fn a_member_that_never_settles_is_waited_for_and_given_up() {
    noticed(
        "member-never-settles",
        &[],
        6,
        &["gave up waiting", "virtual network vnet-app is listed in group ng-spokes, Updating", "retry"],
    );
}

#[test]
fn a_role_that_never_takes_effect_is_waited_for_with_who_gives_what() {
    noticed(
        "role-never-effective",
        &[],
        5,
        &[
            "waiting  target-scope",
            "Owner or User Access Administrator of /subscriptions/bbbbbbbb-0000-0000-0000-000000000001",
            "target (The central administrator's guest user) in tenant 22222222-0000-0000-0000-00000000000f may not do \
             Microsoft.Resources/subscriptions/read",
            "az role assignment create",
            "status     waiting for permission",
        ],
    );
}

#[test]
fn a_delete_that_deletes_nothing_stops_the_undo() {
    noticed(
        "delete-deletes-nothing",
        &["--undo"],
        1,
        &[
            "undo stop  members[vnet-app",
            "its delete request was accepted, and it still exists",
            "delete it there, or: twinspan retry",
            "status     undo stopped",
        ],
    );
}

/// The reference plan with one change.
fn changed(home: &Home, from: &str, to: &str) -> String {
    let text = fs::read_to_string(shipped(PLAN)).unwrap();
    assert!(text.contains(from), "{from:?} is not in the plan");
    home.write("plan.yaml", text.replacen(from, to, 1))
}

/// A correct client works either way, so the lie shows only with a wrong plan: a truthful world refuses that plan,
/// and a lying one accepts it.
#[track_caller]
fn invisible_to_a_right_client(lie: &str, from: &str, to: &str, code: i32, words: &[&str]) {
    rehearse(&Home::new(), &shipped(PLAN), Some(lie), &[]).expect(0);
    let home = Home::new();
    let wrong = changed(&home, from, to);
    let said = rehearse(&home, &wrong, None, &[]).expect(code);
    for word in words {
        assert!(said.out.contains(word), "{lie}: does not say {word:?}:\n{}", said.out);
    }
    rehearse(&home, &wrong, Some(lie), &[]).expect(0);
}

#[test]
fn without_the_auxiliary_token_only_a_lying_world_takes_a_member() {
    invisible_to_a_right_client(
        "no-auxiliary-check",
        "        auxiliary: target ",
        "        # ",
        1,
        &["members[vnet-app", "LinkedAuthorizationFailed"],
    );
}

#[test]
fn with_a_token_of_the_wrong_tenant_only_a_lying_world_answers() {
    invisible_to_a_right_client(
        "any-tenant-token",
        "        uses: azure.virtual-networks\n        as: target\n",
        "        uses: azure.virtual-networks\n        as: central\n",
        1,
        &["failed     target-networks", "InvalidAuthenticationTokenTenant"],
    );
}

/// Both sides, created by other steps and then found by these. NAME: of the network manager connection.
const BY_HAND: &str = r#"twinspan: 1
name: by-hand
summary: Both sides were created in the portal
inputs:
  central_tenant: { type: tenant-id }
  target_tenant: { type: tenant-id }
identities:
  central: { tenant: "${{ inputs.central_tenant }}" }
  target-admin: { tenant: "${{ inputs.target_tenant }}" }
steps:
  - id: registered
    uses: azure.resource-provider
    as: target-admin
    with: { scope: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001, namespace: Microsoft.Network }
  - id: central-by-hand
    uses: arm.resource
    as: central
    with:
      id: /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group/scopeConnections/to-central
      api_version: "2024-10-01"
      body: { properties: { tenantId: 22222222-0000-0000-0000-00000000000f, resourceId: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001 } }
  - id: target-by-hand
    uses: arm.resource
    as: target-admin
    needs: [registered]
    with:
      id: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001/providers/Microsoft.Network/networkManagerConnections/by-hand
      api_version: "2024-10-01"
      body: { properties: { networkManagerId: /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group } }
  - id: pause
    uses: delay
    needs: [central-by-hand, target-by-hand]
    with: { for: 10s }
  - id: scope-connection
    uses: avnm.scope-connection
    as: central
    needs: [pause]
    with:
      network_manager: /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group
      name: to-central
      tenant: 22222222-0000-0000-0000-00000000000f
      scope: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001
  - id: network-manager-connection
    uses: avnm.network-manager-connection
    as: target-admin
    with:
      scope: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001
      name: NAME
      network_manager: /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group
      scope_connection_state: ${{ steps.scope-connection.state }}
  - id: connected
    uses: avnm.connection-status
    as: [central, target-admin]
    with:
      scope_connection: ${{ steps.scope-connection.id }}
      network_manager_connection: ${{ steps.network-manager-connection.id }}
"#;

#[test]
fn a_connection_that_stands_already_raises_no_alarm() {
    // The same connection under another name: no second one is created.
    for name in ["by-hand", "to-central"] {
        let home = Home::new();
        let plan = home.write("plan.yaml", BY_HAND.replace("NAME", name));
        let said = home
            .run(&[
                "rehearse",
                &plan,
                "--input",
                "central_tenant=11111111-0000-0000-0000-00000000000c",
                "--input",
                "target_tenant=22222222-0000-0000-0000-00000000000f",
            ])
            .expect(0);
        let line = said.out.lines().find(|line| line.contains(" network-manager-connection ")).unwrap();
        assert!(line.trim_start().starts_with("unchanged"), "{name}: {line}");
        assert!(said.out.contains("unchanged      scope-connection"), "{}", said.out);
    }
}
