"""azurerm: roles, connections of management groups, and refusals without permission."""

from lifecycle import applied, destroyed, importable, refused, updated

FABRIKAM = "/providers/Microsoft.Management/managementGroups/mg-fabrikam"


def play(world, checks):
    admin = ("target-admin", world.target_tenant, world.target_scope)
    with checks.scene("azurerm assigns and deletes a role"), world.configured("azurerm", *admin) as provider:
        role = provider.data("azurerm_role_definition", {"name": "Reader", "scope": world.target_scope})
        every = provider.data("azurerm_role_assignments", {"scope": world.target_scope})["role_assignments"]
        service = next(one["principal_id"] for one in every if one["principal_type"] == "ServicePrincipal")
        given = {"scope": f"{world.target_scope}/resourceGroups/rg-app", "principal_id": service}
        by_name = provider.resource("azurerm_role_assignment", given | {"role_definition_name": "Reader"})
        applied(checks, world, by_name)
        checks.equal("the role", by_name["role_definition_id"], role["id"])
        importable(checks, by_name)
        destroyed(checks, world, by_name)
        by_id = provider.resource("azurerm_role_assignment", given | {
            "role_definition_id": role["id"], "principal_type": "ServicePrincipal", "description": "for a while",
            "name": "5a9d5b0e-6f0f-4c3c-9a53-3d7b7f1f0001",
        })
        applied(checks, world, by_id)
        importable(checks, by_id)
        again = provider.resource("azurerm_role_assignment", by_id.given)
        refused(checks, "the same again", again.apply, "already exists")
        destroyed(checks, world, by_id)

    with checks.scene("azurerm connects a management group"), world.configured("azurerm", *admin) as provider:
        half = provider.resource("azurerm_network_manager_management_group_connection", {
            "name": "to-contoso", "network_manager_id": world.manager_id, "management_group_id": FABRIKAM,
        })
        applied(checks, world, half)
        updated(checks, half, description="of the group")
        importable(checks, half)
        checks.equal("it waits for the scope connection", half["connection_state"], "Pending")
        destroyed(checks, world, half)

    before = world.ledger()
    with checks.scene("azurerm is refused without permission"):
        with world.configured("azurerm", "app", world.target_tenant, world.target_scope) as provider:
            role = provider.resource("azurerm_role_assignment", {
                "scope": world.target_scope, "role_definition_name": "Reader", "principal_id": service,
            })
            action = "Microsoft.Authorization/roleAssignments/write"
            refused(checks, "a role", role.apply, "403", "AuthorizationFailed", action)
            half = provider.resource("azurerm_network_manager_management_group_connection", {
                "name": "to-contoso", "network_manager_id": world.manager_id, "management_group_id": FABRIKAM,
            })
            refused(checks, "a network manager connection of a management group", half.apply, "403", "AuthorizationFailed")
            group = provider.resource("azurerm_resource_group", {"name": "rg-not-mine", "location": "westeurope"})
            refused(checks, "a resource group", group.apply, "403", "Microsoft.Resources/subscriptions/resourceGroups/write")
        checks.equal("nothing was created", world.ledger(), before)
