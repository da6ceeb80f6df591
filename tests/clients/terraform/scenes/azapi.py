"""azapi: the same flow with the bodies of the REST interface."""

from contextlib import ExitStack

from lifecycle import applied, destroyed, importable, refused, updated

VERSION = "2024-05-01"
NETWORK = "Microsoft.Network"


def resource(provider, kind, name, parent, properties=None, version=VERSION, **more):
    body = {} if properties is None else {"body": {"properties": properties}}
    return provider.resource("azapi_resource", body | more | {
        "type": f"{kind}@{version}", "name": name, "parent_id": parent,
    })


def action(provider, made, name, body, version=VERSION, **more):
    return provider.resource("azapi_resource_action", more | {
        "type": f"{NETWORK}/networkManagers@{version}", "resource_id": made["manager"]["id"], "action": name,
        "method": "POST", "body": body,
    })


def imports(checks, made, version=VERSION):
    importable(checks, made, f"{made['id']}?api-version={version}")


def play(world, checks):
    app = ("app", world.central_tenant, world.central_scope)
    with ExitStack() as running:
        central = running.enter_context(world.configured("azapi", *app, [world.target_tenant]))
        alone = running.enter_context(world.configured("azapi", *app))
        target = running.enter_context(world.configured("azapi", "app", world.target_tenant, world.target_scope))
        admin = running.enter_context(world.configured("azapi", "target-admin", world.target_tenant, world.target_scope))
        made = {}
        foundation(world, checks, central, made)
        connection(world, checks, central, target, made)
        members(world, checks, central, alone, made)
        lists(world, checks, central, target, made)
        deployment(world, checks, central, alone, made)
        roles(world, checks, admin, target)
        with checks.scene("azapi deletes everything, in order"):
            for name in ("member", "group of networks", "theirs", "ours", "manager", "network", "group"):
                destroyed(checks, world, made[name])


def foundation(world, checks, central, made):
    with checks.scene("azapi creates a resource group, a network and a network manager"):
        group = resource(
            central, "Microsoft.Resources/resourceGroups", "rg-terraform", world.central_scope, version="2022-09-01",
            location="westeurope",
        )
        made["group"] = applied(checks, world, group)
        updated(checks, group, tags={"made-by": "terraform"})
        imports(checks, group, "2022-09-01")
        space = {"addressSpace": {"addressPrefixes": ["10.77.0.0/16"]}}
        network = resource(
            central, f"{NETWORK}/virtualNetworks", "vnet-terraform", group["id"], space, location="westeurope",
        )
        made["network"] = applied(checks, world, network)
        updated(checks, network, body={"properties": space | {"flowTimeoutInMinutes": 10}})
        # (azapi does not keep what an import finds beyond the configuration, such as `type` and `etag` of subnets.)
        imports(checks, network)
        part = central.resource("azapi_update_resource", {
            "type": f"{NETWORK}/virtualNetworks@{VERSION}", "resource_id": network["id"],
            "body": {"properties": {"privateEndpointVNetPolicies": "Basic"}},
        })
        applied(checks, world, part)
        manager = resource(
            central, f"{NETWORK}/networkManagers", "nm-terraform", group["id"], location="westeurope", properties={
                "networkManagerScopes": {"subscriptions": [world.central_scope], "managementGroups": []},
                "networkManagerScopeAccesses": ["Connectivity"], "description": "",
            },
            response_export_values=["*"],
        )
        made["manager"] = applied(checks, world, manager)
        checks.equal("its state", manager["output"]["properties"]["provisioningState"], "Succeeded")
        updated(checks, manager, tags={"made-by": "terraform"})
        again = central.resource("azapi_resource", manager.given)
        refused(checks, "a second one of that name", again.apply, "Resource already exists", "import")
        refused(
            checks, "a body that the type does not have",
            resource(central, f"{NETWORK}/networkManagers", "nm-odd", group["id"], {"colour": "blue"}, location="westeurope").apply,
            "colour",
        )


def connection(world, checks, central, target, made):
    with checks.scene("azapi creates both sides of a connection"):
        link = {"tenantId": world.target_tenant, "resourceId": world.target_scope}
        ours = resource(central, f"{NETWORK}/networkManagers/scopeConnections", "to-fabrikam", made["manager"]["id"], link)
        made["ours"] = applied(checks, world, ours)
        checks.equal("one side waits for the other", ours["output"]["properties"]["connectionState"], "Pending")
        updated(checks, ours, body={"properties": link | {"description": "to Fabrikam"}})
        imports(checks, ours)
        link = {"networkManagerId": made["manager"]["id"]}
        theirs = resource(target, f"{NETWORK}/networkManagerConnections", "to-contoso", world.target_scope, link)
        checks.equal("planned", theirs.apply().action, "create")
        made["theirs"] = theirs
        checks.equal("apply does not wait", theirs["output"]["properties"]["connectionState"], "Pending")
        world.advance("10s")
        for half in (ours, theirs):
            half.refresh()
            checks.equal("after a refresh", half["output"]["properties"]["connectionState"], "Connected")
            checks.equal("a plan", half.plan().action, "no-op")
        imports(checks, theirs)
        made["manager"].refresh()
        scopes = made["manager"]["output"]["properties"]["networkManagerScopes"]["crossTenantScopes"]
        checks.equal("the manager's scopes", [(one["tenantId"], one["subscriptions"]) for one in scopes], [
            (world.target_tenant, [world.target_scope]),
        ])


def members(world, checks, central, alone, made):
    with checks.scene("azapi adds a member of the other tenant to a group"):
        kind = f"{NETWORK}/networkManagers/networkGroups"
        group = resource(central, kind, "ng-terraform", made["manager"]["id"], {"description": "spokes"})
        made["group of networks"] = applied(checks, world, group)
        imports(checks, group)
        link = {"resourceId": world.networks[0]}
        refused(
            checks, "without auxiliary_tenant_ids",
            resource(alone, f"{kind}/staticMembers", "vnet-app", group["id"], link).apply, "403", "LinkedAuthorizationFailed",
            world.target_scope.rpartition("/")[2],
        )
        member = resource(central, f"{kind}/staticMembers", "vnet-app", group["id"], link, response_export_values=["*"])
        made["member"] = applied(checks, world, member)
        seen = member["output"]["properties"]
        checks.equal("it is provisioned", (seen["provisioningState"], seen["region"]), ("Succeeded", "westeurope"))
        # As in Azure the request is accepted and the member fails later; azapi waits for it, and marks it to be replaced.
        link = {"resourceId": f"{world.networks[0]}-none"}
        none = resource(central, f"{kind}/staticMembers", "none", group["id"], link)
        refused(checks, "a network that does not exist", none.apply, '"provisioningState": "Failed"')
        destroyed(checks, world, none)


def lists(world, checks, central, target, made):
    manager = made["manager"]["id"] if "manager" in made else world.manager_id
    with checks.scene("azapi lists what exists"):
        for provider, kind, parent, names in (
            (central, "networkManagers/scopeConnections", manager, ["to-fabrikam"]),
            (central, "networkManagers/networkGroups", manager, ["ng-terraform"]),
            (central, "networkManagers/networkGroups/staticMembers", f"{manager}/networkGroups/ng-terraform", ["vnet-app"]),
            (central, "networkManagers", world.central_scope, [world.manager, "nm-terraform"]),
            (central, "networkManagers", made["group"]["id"], ["nm-terraform"]),
            (central, "virtualNetworks", world.group_id, ["vnet-hub"]),
            (target, "networkManagerConnections", world.target_scope, ["to-contoso"]),
        ):
            found = provider.data("azapi_resource_list", {
                "type": f"{NETWORK}/{kind}@{VERSION}", "parent_id": parent, "response_export_values": ["*"],
            })
            checks.equal(f"{kind} of {parent}", [one["name"] for one in found["output"]["value"]], names)
        read = lambda ignore: central.data("azapi_resource", {
            "type": f"{NETWORK}/networkManagers/networkGroups@{VERSION}", "name": "none", "parent_id": manager,
            "ignore_not_found": ignore,
        })
        refused(checks, "a group that does not exist", lambda: read(None), "Resource not found")
        checks.equal("with ignore_not_found", read(True)["exists"], False)


def deployment(world, checks, central, alone, made):
    deployed = lambda: central.data("azapi_resource_action", {
        "type": f"{NETWORK}/networkManagers@{VERSION}", "resource_id": made["manager"]["id"],
        "action": "listDeploymentStatus", "method": "POST",
        "body": {"regions": ["westeurope"], "deploymentTypes": ["Connectivity"]}, "response_export_values": ["*"],
    })["output"]["value"]
    with checks.scene("azapi creates a configuration, deploys and withdraws it"):
        kind = f"{NETWORK}/networkManagers/connectivityConfigurations"
        shape = lambda hub: {
            "connectivityTopology": "HubAndSpoke", "deleteExistingPeering": "False", "isGlobal": "False",
            "hubs": [{"resourceId": hub, "resourceType": f"{NETWORK}/virtualNetworks"}],
            "appliesToGroups": [{
                "networkGroupId": made["group of networks"]["id"], "groupConnectivity": "None", "isGlobal": "False",
                "useHubGateway": "False",
            }],
        }
        foreign = resource(alone, kind, "foreign-hub", made["manager"]["id"], shape(world.networks[1]))
        what = "a hub of the other tenant without auxiliary_tenant_ids"
        refused(checks, what, foreign.apply, "403", "LinkedAuthorizationFailed")
        for name, hub in (("foreign-hub", world.networks[1]), ("hub-and-spoke", world.hub)):
            made[name] = applied(checks, world, resource(central, kind, name, made["manager"]["id"], shape(hub)))
            imports(checks, made[name])
        body = {
            "targetLocations": ["westeurope"], "configurationIds": [made["hub-and-spoke"]["id"]],
            "commitType": "Connectivity",
        }
        commit = action(central, made, "commit", body)
        checks.equal("commit", commit.apply().action, "create")
        # The list shows it only after a while.
        world.advance("20m")
        seen = [(one["configurationIds"], one["deploymentStatus"]) for one in deployed()]
        checks.equal("after a while", seen, [(body["configurationIds"], "Deployed")])
        checks.equal("the action is not done again", commit.plan().action, "no-op")
        refused(checks, "what is deployed", made["hub-and-spoke"].destroy, "is part of a deployment")
        withdrawn = action(central, made, "commit", body | {"configurationIds": []})
        checks.equal("withdraw", withdrawn.apply().action, "create")
        world.advance("20m")
        checks.equal("none is left", [one for one in deployed() if one["configurationIds"]], [])
        destroyed(checks, world, made["hub-and-spoke"], made["foreign-hub"])


def roles(world, checks, admin, target):
    with checks.scene("azapi assigns and deletes a role, and is refused without permission"):
        given = {
            "principalId": target.data("azapi_client_config", {})["object_id"], "principalType": "ServicePrincipal",
            "roleDefinitionId": f"{world.target_scope}/providers/Microsoft.Authorization/roleDefinitions/"
            "acdd72a7-3385-48ef-bd42-f606fba81ae7",
        }
        make = lambda provider: resource(
            provider, "Microsoft.Authorization/roleAssignments", "5a9d5b0e-6f0f-4c3c-9a53-3d7b7f1f0001",
            world.target_scope, given, version="2022-04-01",
        )
        refused(checks, "the application", make(target).apply, "AuthorizationFailed", "roleAssignments/write")
        role = applied(checks, world, make(admin))
        imports(checks, role, "2022-04-01")
        destroyed(checks, world, role)
