"""Sign-ins, and the messages of refused sign-ins that a provider passes on."""

from lifecycle import refused

UNKNOWN = "99999999-0000-0000-0000-000000000000"


def azurerm(world, checks):
    with checks.scene("azurerm signs in, and is refused with Entra's messages"):
        wrong = [
            ("a wrong secret", {"client_secret": "wrong"}, "AADSTS7000215", "invalid_client"),
            ("a tenant that does not exist", {"tenant_id": UNKNOWN}, "AADSTS90002", UNKNOWN),
            ("an application that does not exist", {"client_id": UNKNOWN}, "AADSTS700016", UNKNOWN),
        ]
        for what, changed, *parts in wrong:
            with world.start("azurerm") as provider:
                block = world.azurerm("app", world.central_tenant, world.central_scope) | changed
                refused(checks, what, lambda: provider.configure(block), *parts)
        with world.start("azurerm") as provider:
            block = world.azurerm("app", world.central_tenant, world.central_scope, [UNKNOWN])
            checks.equal("an auxiliary tenant is used only when needed", provider.configure(block), [])
            read = lambda: provider.data("azurerm_network_manager", {
                "name": world.manager, "resource_group_name": world.group,
            })
            refused(checks, "an auxiliary tenant that does not exist", read, "AADSTS90002")
        with world.start("azurerm") as provider:
            provider.configure(world.azurerm("app", world.central_tenant, world.target_scope))
            read = lambda: provider.data("azurerm_resource_group", {"name": "rg-app"})
            refused(checks, "a subscription of the other tenant", read, "InvalidAuthenticationTokenTenant")
        with world.start("azurerm") as provider:
            provider.configure(world.azurerm("app", world.central_tenant, world.central_scope))
            who = provider.data("azurerm_client_config", {})
            checks.equal("its principal", (who["client_id"], who["tenant_id"]), (
                world.identities["app"]["client_id"], world.central_tenant,
            ))


def azapi(world, checks):
    manager = {"type": "Microsoft.Network/networkManagers@2024-05-01", "resource_id": world.manager_id}
    with checks.scene("azapi signs in, and is refused with Entra's messages"):
        wrong = [
            ("a wrong secret", {"client_secret": "wrong"}, "AADSTS7000215", "401 Unauthorized"),
            ("a tenant that does not exist", {"tenant_id": UNKNOWN}, "AADSTS90002", UNKNOWN),
            ("an application that does not exist", {"client_id": UNKNOWN}, "AADSTS700016", UNKNOWN),
            ("an auxiliary tenant that does not exist", {"auxiliary_tenant_ids": [UNKNOWN]}, "AADSTS90002", UNKNOWN),
            ("a subscription of the other tenant", {"tenant_id": world.target_tenant}, "InvalidAuthenticationTokenTenant"),
        ]
        for what, changed, *parts in wrong:
            with world.start("azapi") as provider:
                block = world.azapi("app", world.central_tenant, world.central_scope) | changed
                checks.equal(f"{what}: no request before it is needed", provider.configure(block), [])
                refused(checks, what, lambda: provider.data("azapi_resource", manager), *parts)
        with world.start("azapi") as provider:
            provider.configure(world.azapi("app", world.central_tenant, world.central_scope))
            who = provider.data("azapi_client_config", {})
            checks.equal("its principal", (who["subscription_resource_id"], who["tenant_id"]), (
                world.central_scope, world.central_tenant,
            ))
