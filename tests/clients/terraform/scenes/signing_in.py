"""Who is let in, in the words that a provider passes on."""

from lifecycle import refused

NOBODY = "99999999-0000-0000-0000-000000000000"


def azurerm(world, checks):
    with checks.scene("azurerm signs in, and is refused in Entra's words"):
        wrong = [
            ("a wrong secret", {"client_secret": "wrong"}, "AADSTS7000215", "invalid_client"),
            ("a tenant that is not there", {"tenant_id": NOBODY}, "AADSTS90002", NOBODY),
            ("an application that is not there", {"client_id": NOBODY}, "AADSTS700016", NOBODY),
        ]
        for what, changed, *parts in wrong:
            with world.start("azurerm") as provider:
                block = world.azurerm("app", world.central_tenant, world.central_scope) | changed
                refused(checks, what, lambda: provider.configure(block), *parts)
        with world.start("azurerm") as provider:
            block = world.azurerm("app", world.central_tenant, world.central_scope, [NOBODY])
            checks.equal("another tenant is asked late", provider.configure(block), [])
            read = lambda: provider.data("azurerm_network_manager", {
                "name": world.manager, "resource_group_name": world.group,
            })
            refused(checks, "another tenant that is not there", read, "AADSTS90002")
        with world.start("azurerm") as provider:
            provider.configure(world.azurerm("app", world.central_tenant, world.target_scope))
            read = lambda: provider.data("azurerm_resource_group", {"name": "rg-app"})
            refused(checks, "a subscription of the other tenant", read, "InvalidAuthenticationTokenTenant")
        with world.start("azurerm") as provider:
            provider.configure(world.azurerm("app", world.central_tenant, world.central_scope))
            who = provider.data("azurerm_client_config", {})
            checks.equal("who it is", (who["client_id"], who["tenant_id"]), (
                world.identities["app"]["client_id"], world.central_tenant,
            ))


def azapi(world, checks):
    manager = {"type": "Microsoft.Network/networkManagers@2024-05-01", "resource_id": world.manager_id}
    with checks.scene("azapi signs in, and is refused in Entra's words"):
        wrong = [
            ("a wrong secret", {"client_secret": "wrong"}, "AADSTS7000215", "401 Unauthorized"),
            ("a tenant that is not there", {"tenant_id": NOBODY}, "AADSTS90002", NOBODY),
            ("an application that is not there", {"client_id": NOBODY}, "AADSTS700016", NOBODY),
            ("another tenant that is not there", {"auxiliary_tenant_ids": [NOBODY]}, "AADSTS90002", NOBODY),
            ("a subscription of the other tenant", {"tenant_id": world.target_tenant}, "InvalidAuthenticationTokenTenant"),
        ]
        for what, changed, *parts in wrong:
            with world.start("azapi") as provider:
                block = world.azapi("app", world.central_tenant, world.central_scope) | changed
                checks.equal(f"{what}: is asked late", provider.configure(block), [])
                refused(checks, what, lambda: provider.data("azapi_resource", manager), *parts)
        with world.start("azapi") as provider:
            provider.configure(world.azapi("app", world.central_tenant, world.central_scope))
            who = provider.data("azapi_client_config", {})
            checks.equal("who it is", (who["subscription_resource_id"], who["tenant_id"]), (
                world.central_scope, world.central_tenant,
            ))
