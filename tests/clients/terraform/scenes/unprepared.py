"""The unprepared world: the errors of each provider, and what it can correct."""

from lifecycle import applied, destroyed, importable, refused


def azurerm(world, checks):
    with checks.scene("azurerm, if the application is not in the target"):
        with world.start("azurerm") as provider:
            block = world.azurerm("app", world.target_tenant, world.target_scope)
            refused(checks, "sign-in", lambda: provider.configure(block), "AADSTS700016", world.target_tenant)
        with world.start("azurerm") as provider:
            block = world.azurerm("app", world.central_tenant, world.central_scope, [world.target_tenant])
            provider.configure(block)
            read = lambda: provider.data("azurerm_network_manager", {
                "name": world.manager, "resource_group_name": world.group,
            })
            refused(checks, "a token of the target as auxiliary token", read, "AADSTS700016", world.target_tenant)
    with checks.scene("azurerm, if Microsoft.Network is not registered"):
        with world.start("azurerm") as provider:
            provider.configure(world.azurerm("target-admin", world.target_tenant, world.target_scope))
            half = provider.resource("azurerm_network_manager_subscription_connection", {
                "name": "to-contoso", "network_manager_id": world.manager_id, "subscription_id": world.target_scope,
            })
            refused(checks, "a network manager connection", half.apply, "409", "MissingSubscriptionRegistration")
            checks.equal("nothing was created", (half.there, world.ledger()), (False, []))
            half = provider.resource("azurerm_network_manager_management_group_connection", {
                "name": "to-contoso", "network_manager_id": world.manager_id, "management_group_id": fabrikam(),
            })
            refused(checks, "a network manager connection of a management group", half.apply, "400", "is not within tenant")
            group = provider.data("azurerm_management_group", {"name": "mg-fabrikam"})
            checks.equal("its subscriptions", group["subscription_ids"], [world.target_scope.rpartition("/")[2]])
    with checks.scene("azurerm registers it, and cannot unregister it while virtual networks exist"):
        with world.configured("azurerm", "target-admin", world.target_tenant, world.target_scope) as provider:
            registration = provider.resource("azurerm_resource_provider_registration", {"name": "Microsoft.Network"})
            # It polls every ten seconds until eleven responses agree; its token must last.
            with world.passing("2s"):
                applied(checks, world, registration)
                importable(checks, registration)
                refused(checks, "unregistering", registration.destroy, "409", "cannot be unregistered")
            checks.that("it is still in the state", registration.there)
            written = [path.rpartition("/")[2] for _, path, _ in world.ledger()]
            checks.equal("what was written", written, ["register"])


def azapi(world, checks):
    scope, group = world.target_scope, fabrikam()
    half = {
        "type": "Microsoft.Network/networkManagerConnections@2024-05-01", "name": "to-contoso",
        "body": {"properties": {"networkManagerId": world.manager_id}},
    }
    with checks.scene("azapi, if the application is not in the target"):
        with world.start("azapi") as provider:
            provider.configure(world.azapi("app", world.central_tenant, world.central_scope, [world.target_tenant]))
            read = lambda: provider.data("azapi_resource", {
                "type": "Microsoft.Network/networkManagers@2024-05-01", "resource_id": world.manager_id,
            })
            refused(checks, "a token of the target as auxiliary token", read, "AADSTS700016", world.target_tenant)
    with checks.scene("azapi, if Microsoft.Network is not registered"):
        with world.start("azapi") as provider:
            provider.configure(world.azapi("target-admin", world.target_tenant, scope))
            made = provider.resource("azapi_resource", half | {"parent_id": scope})
            refused(checks, "a network manager connection", made.apply, "MissingSubscriptionRegistration")
        with world.start("azapi") as provider:
            block = world.azapi("target-admin", world.target_tenant, scope, skip_provider_registration=False)
            provider.configure(block)
            made = provider.resource("azapi_resource", half | {"parent_id": scope})
            with world.passing("30s"):
                applied(checks, world, made)
            importable(checks, made, f"{made['id']}?api-version=2024-05-01")
            written = [path.rpartition("/")[2] for _, path, _ in world.ledger()]
            checks.equal("it registers the provider by itself", written, ["register", "to-contoso"])
            above = provider.resource("azapi_resource", half | {"parent_id": group})
            refused(checks, "a network manager connection of a management group", above.apply, "is not within tenant")
            registered = provider.resource("azapi_resource_action", {
                "type": "Microsoft.Management/managementGroups@2021-04-01", "resource_id": group, "method": "POST",
                "action": "providers/Microsoft.Network/register",
            })
            checks.equal("registers the group", registered.apply().action, "create")
            world.advance("20m")
            applied(checks, world, above)
            importable(checks, above, f"{above['id']}?api-version=2024-05-01")
            destroyed(checks, world, above, made)


def fabrikam():
    return "/providers/Microsoft.Management/managementGroups/mg-fabrikam"
