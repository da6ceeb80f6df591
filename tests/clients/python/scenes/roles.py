"""Role definitions and assignments, and how long a new assignment takes to become effective."""

import uuid

from azure.core.exceptions import HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.authorization.models import RoleAssignmentCreateParameters
from azure.mgmt.network import NetworkManagementClient
from azure.mgmt.resource.subscriptions import SubscriptionClient

NETWORK_CONTRIBUTOR = "4d97b98b-1d4f-4787-a291-c67834d212e7"


def play(sim, checks):
    admin = sim.client(
        AuthorizationManagementClient, sim.credential("target-admin", sim.target_tenant), sim.target_subscription
    )
    scope = f"/subscriptions/{sim.target_subscription}"
    definition = f"{scope}/providers/Microsoft.Authorization/roleDefinitions/{NETWORK_CONTRIBUTOR}"

    def assign(principal, kind, name, **more):
        parameters = RoleAssignmentCreateParameters(
            role_definition_id=definition, principal_id=principal, principal_type=kind, **more
        )
        return admin.role_assignments.create(scope, name, parameters)

    def name_for(principal):
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}|{principal}|{NETWORK_CONTRIBUTOR}"))

    with checks.scene("a role is found by its name and lists its actions"):
        found = list(admin.role_definitions.list(scope, filter="roleName eq 'Network Contributor'"))
        checks.equal("id", [role.id for role in found], [definition])
        checks.that("allows networks", "Microsoft.Network/*" in found[0].permissions[0].actions)
        one = admin.role_definitions.get(scope, NETWORK_CONTRIBUTOR)
        checks.equal("name", one.role_name, "Network Contributor")
        checks.refused(
            "an unknown role", lambda: admin.role_definitions.get(scope, str(uuid.UUID(int=1))),
            404, "RoleDefinitionDoesNotExist", ResourceNotFoundError,
        )

    with checks.scene("a principal that has not reached Resource Manager yet"):
        error = checks.refused(
            "an assignment at once", lambda: assign(sim.principal, "ServicePrincipal", name_for(sim.principal)),
            400, "PrincipalNotFound",
        )
        checks.contains("its message", error.message, "does not exist in the directory", sim.target_tenant)
        sim.advance("6s")

    with checks.scene("an assignment is created once"):
        for principal, kind in ((sim.guest, "User"), (sim.principal, "ServicePrincipal")):
            made = assign(principal, kind, name_for(principal), description="by the client")
            checks.equal("principal", (made.principal_id, made.principal_type), (principal, kind))
            checks.equal("scope", made.scope, scope)
            checks.equal("role", made.role_definition_id, definition)
            again = assign(principal, kind, name_for(principal), description="by the client")
            checks.equal("the same again", (again.id, again.created_on), (made.id, made.created_on))
            checks.refused(
                "under another name", lambda: assign(principal, kind, str(uuid.uuid4())),
                409, "RoleAssignmentExists", ResourceExistsError,
            )
            for text in (f"principalId eq '{principal}'", f"assignedTo('{principal}')"):
                listed = list(admin.role_assignments.list_for_scope(scope, filter=text))
                checks.equal(text, [a.name for a in listed], [made.name])
        checks.refused(
            "the name for another principal", lambda: assign(sim.principal, "ServicePrincipal", name_for(sim.guest)),
            400, "RoleAssignmentUpdateNotPermitted",
        )
        error = checks.raises(
            "an unknown assignment", ResourceNotFoundError,
            lambda: admin.role_assignments.get(scope, str(uuid.UUID(int=2))),
        )
        checks.equal("its code", error.error.code, "RoleAssignmentNotFound")

    with checks.scene("a new role becomes effective after a while, and then with a new token"):
        before = sim.client(SubscriptionClient, sim.credential("target", sim.target_tenant))
        error = checks.refused(
            "the guest's first read", lambda: before.subscriptions.get(sim.target_subscription),
            403, "AuthorizationFailed",
        )
        checks.contains("its message", error.message, sim.guest, "please refresh your credentials")
        sim.advance("10m")
        guest = sim.credential("target", sim.target_tenant)
        client = sim.client(SubscriptionClient, guest)
        checks.equal("later", client.subscriptions.get(sim.target_subscription).tenant_id, sim.target_tenant)
        tenants = sorted(t.tenant_id for t in client.tenants.list())
        checks.equal("known in both tenants", tenants, sorted([sim.central_tenant, sim.target_tenant]))
        permissions = sim.client(AuthorizationManagementClient, guest, sim.target_subscription).permissions
        actions = [a for p in permissions.list_for_resource_group(sim.target_group) for a in p.actions]
        checks.that("may write networks", "Microsoft.Network/*" in actions, actions)
        networks = sim.client(NetworkManagementClient, guest, sim.target_subscription).virtual_networks
        ids = sorted(network.id for network in networks.list_all())
        checks.equal("sees the networks", ids, sorted(sim.target_networks))
        error = checks.raises(
            "a guest that assigns a role", HttpResponseError,
            lambda: sim.client(AuthorizationManagementClient, guest, sim.target_subscription).role_assignments.create(
                scope, str(uuid.uuid4()),
                RoleAssignmentCreateParameters(
                    role_definition_id=definition, principal_id=sim.guest, principal_type="User"
                ),
            ),
        )
        checks.equal("is refused", (error.status_code, error.error.code), (403, "AuthorizationFailed"))


def remove_assignments(sim, checks):
    """Teardown: deletes the assignments after the connections and before the guest."""
    admin = sim.client(
        AuthorizationManagementClient, sim.credential("target-admin", sim.target_tenant), sim.target_subscription
    )
    scope = f"/subscriptions/{sim.target_subscription}"
    for principal in (sim.guest, sim.principal):
        for found in list(admin.role_assignments.list_for_scope(scope, filter=f"principalId eq '{principal}'")):
            gone = admin.role_assignments.delete_by_id(found.id)
            checks.equal("what was deleted", gone.principal_id, principal)
            again = admin.role_assignments.delete_by_id(found.id)
            checks.equal("a second time", again, None)
        left = list(admin.role_assignments.list_for_scope(scope, filter=f"principalId eq '{principal}'"))
        checks.equal("none are left", left, [])
