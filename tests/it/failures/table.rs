//! Every refusal that Azure documents: its cause in the simulated world, and what twinspan does then.

use std::borrow::Cow;

use twinspan_engine::{FailureClass, WaitKind};
use twinspan_sim::{Fault, FaultName};

use super::happenings::{
    give, give_role, make_resource_group, register, register_group, take_role, take_role_for,
};
use super::scenes::Scene;
use super::stage::{FABRIKAM, Stage};

/// One refusal.
pub(crate) struct Row {
    /// Azure's code, or a description of the failure.
    pub(crate) code: Cow<'static, str>,
    /// Which case of the code, if there are several.
    pub(crate) case: &'static str,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// The step that meets it.
    pub(crate) scene: Scene,
    /// What causes it.
    pub(crate) cause: Cause,
    pub(crate) then: Then,
    /// Whether the Azure CLI signs in; else applications do.
    pub(crate) by_cli: bool,
    /// The tenant that the text must name, if it is not the tenant in which the step acts.
    pub(crate) tenant: Option<&'static str>,
    /// What resolves it; if nothing does, the plan or the inputs have to change.
    pub(crate) remedy: Remedy,
}

/// What causes a refusal.
pub(crate) enum Cause {
    /// A fault that is set in the world beforehand.
    Told(Fault),
    /// A sign-in is refused with this number from now on.
    Barrier(u32),
    /// The world refuses the request by itself, perhaps after this action.
    Natural(fn(&Stage)),
}

/// What twinspan does.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Then {
    /// Retries by itself, and succeeds.
    Retries(FailureClass),
    /// It is no failure.
    GoesOn,
    /// Waits: for what, who can resolve it, and what that person does.
    Waits(WaitKind, &'static str, &'static str),
    /// Stops: what the operator does next.
    Stops(FailureClass, &'static str),
}

/// What resolves a failure.
pub(crate) enum Remedy {
    /// The refusal alone has to end.
    Ends,
    /// The refusal has to end, and this action is needed.
    By(fn(&Stage)),
    /// The printed command is typed into the Azure CLI; nothing less resolves it.
    Typed,
    /// Nothing: the plan or the inputs have to change.
    Nothing,
}

pub(crate) const NETWORK: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network";
pub(crate) const CENTRAL_SUBSCRIPTION: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
pub(crate) const SUBSCRIPTION: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
/// The end of the path of the target's subscription.
const SUBSCRIPTION_END: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
pub(crate) const MANAGEMENT_GROUP: &str = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";
pub(crate) const SPOKE: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app";
pub(crate) const GUEST: &str = "ffffffff-1111-0000-0000-000000000002";
/// The world's application, at home in the first tenant only.
pub(crate) const APPLICATION: &str = "33333333-0000-0000-0000-00000000000a";
pub(crate) const ADMINISTRATOR: &str = "ffffffff-1111-0000-0000-000000000001";
pub(crate) const NETWORK_CONTRIBUTOR: &str =
    "/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7";

pub(crate) fn told(method: &str, path: &str, code: &str, times: u32) -> Cause {
    Cause::Told(Fault { times, ..Fault::refusal(method, path, code) })
}

/// So often that it does not end by itself.
pub(crate) const ALWAYS: u32 = 10_000;

/// Two refusals of the write, then none.
pub(crate) fn twice(code: &'static str, meaning: &'static str, class: FailureClass) -> Row {
    let cause = told("PUT", "/networkGroups/", code, 2);
    Row {
        code: code.into(),
        case: "",
        meaning,
        scene: Scene::Group,
        cause,
        then: Then::Retries(class),
        by_cli: false,
        tenant: None,
        remedy: Remedy::Ends,
    }
}

/// The write is refused until the fault is removed.
fn refused(code: &'static str, meaning: &'static str, then: Then) -> Row {
    let cause = told("PUT", "/networkGroups/", code, ALWAYS);
    let scene = Scene::Group;
    Row {
        code: code.into(),
        case: "",
        meaning,
        scene,
        cause,
        then,
        by_cli: false,
        tenant: None,
        remedy: Remedy::Ends,
    }
}

pub(crate) fn natural(
    code: &'static str,
    meaning: &'static str,
    scene: Scene,
    then: Then,
    remedy: Remedy,
) -> Row {
    let cause = Cause::Natural(|_| {});
    Row { code: code.into(), case: "", meaning, scene, cause, then, by_cli: false, tenant: None, remedy }
}

/// Azure Resource Manager, its providers, and Microsoft Graph.
pub(crate) fn azure() -> Vec<Row> {
    use FailureClass::{
        ConflictRetryable, PlanWrong, Policy, Propagation, ReplicationLag, Throttled, Transient,
    };
    use Then::{GoesOn, Retries, Stops, Waits};
    let mut rows = vec![
        Row {
            case: "with Retry-After",
            cause: Cause::Told(Fault {
                retry_after: Some(jiff::SignedDuration::from_secs(20)),
                ..Fault::refusal("PUT", "/networkGroups/", "SubscriptionRequestsThrottled")
            }),
            ..twice("SubscriptionRequestsThrottled", "too many requests to a subscription", Throttled)
        },
        Row {
            case: "Retry-After is a date",
            cause: Cause::Told(Fault {
                retry_after: Some(jiff::SignedDuration::from_secs(45)),
                as_date: true,
                ..Fault::refusal("PUT", "/networkGroups/", "TooManyRequests")
            }),
            ..twice("TooManyRequests", "too many requests to a provider", Throttled)
        },
        Row {
            case: "without Retry-After",
            ..twice("TooManyRequests", "too many requests to a provider", Throttled)
        },
        Row {
            scene: Scene::Guest,
            case: "Microsoft Graph",
            cause: Cause::Told(Fault {
                retry_after: Some(jiff::SignedDuration::from_secs(10)),
                ..Fault::refusal("POST", "/invitations", "TooManyRequests")
            }),
            ..twice("TooManyRequests", "too many requests to a tenant", Throttled)
        },
        twice(
            "RetryableErrorDueToAnotherOperation",
            "another operation holds the resource",
            ConflictRetryable,
        ),
        twice("AnotherOperationInProgress", "another operation is in progress", ConflictRetryable),
        twice("RetryableError", "a temporary failure", ConflictRetryable),
        twice("InUseSubnetCannotBeUpdated", "in use for the moment", ConflictRetryable),
        twice(
            "ReferencedResourceNotProvisioned",
            "the referenced resource is being changed",
            ConflictRetryable,
        ),
        Row {
            cause: Cause::Natural(|stage| {
                stage.meanwhile("PUT", "/roleAssignments/", |stage| give(stage, ADMINISTRATOR));
            }),
            ..natural(
                "RoleAssignmentExists",
                "the principal has the role already, under another name",
                Scene::Role,
                GoesOn,
                Remedy::Ends,
            )
        },
        Row {
            cause: told("DELETE", "/networkGroups/", "CannotDeleteResource", 3),
            ..natural(
                "CannotDeleteResource",
                "it contains a resource, or did a moment ago",
                Scene::GroupUndone,
                Retries(ConflictRetryable),
                Remedy::Ends,
            )
        },
        Row {
            case: "for long",
            cause: told("DELETE", "/networkGroups/", "CannotDeleteResource", ALWAYS),
            ..natural(
                "CannotDeleteResource",
                "it contains a resource",
                Scene::GroupUndone,
                Stops(ConflictRetryable, "nested resources must be deleted first"),
                Remedy::Ends,
            )
        },
        natural(
            "MissingSubscriptionRegistration",
            "the subscription has not registered the provider",
            Scene::GroupUnregistered,
            Waits(
                WaitKind::Person,
                "Owner or Contributor of subscription aaaaaaaa",
                "az provider register --namespace Microsoft.Network --subscription aaaaaaaa",
            ),
            Remedy::By(register),
        ),
        refused(
            "SubscriptionNotRegistered",
            "the subscription has not registered the provider",
            Waits(
                WaitKind::Person,
                "Owner or Contributor of subscription aaaaaaaa",
                "az provider register --namespace Microsoft.Network --subscription aaaaaaaa",
            ),
        ),
        refused(
            "FeatureNotRegistered",
            "the subscription has not registered a feature",
            Waits(
                WaitKind::Person,
                "Owner or Contributor of subscription aaaaaaaa",
                "az feature register --namespace Microsoft.Network --name AllowAVNMPreviewJuly2022 --subscription aaaaaaaa",
            ),
        ),
        refused("ScopeLocked", "a resource lock", Stops(Policy, "az lock list")),
        refused(
            "ReadOnlyDisabledSubscription",
            "the subscription is disabled",
            Stops(Policy, "its owner in tenant 11111111"),
        ),
        refused(
            "RequestDisallowedByPolicy",
            "Azure Policy forbids it",
            Stops(Policy, "an Azure Policy of tenant 11111111"),
        ),
        Row {
            scene: Scene::Role,
            cause: told("PUT", "/roleAssignments/", "RoleAssignmentLimitExceeded", ALWAYS),
            ..refused(
                "RoleAssignmentLimitExceeded",
                "the subscription has as many role assignments as it can have",
                Stops(Policy, "az role assignment list"),
            )
        },
        Row {
            scene: Scene::Role,
            cause: told("PUT", "/roleAssignments/", "RoleAssignmentUpdateNotPermitted", ALWAYS),
            ..refused(
                "RoleAssignmentUpdateNotPermitted",
                "the name belongs to a role assignment of another principal",
                Stops(PlanWrong, "the name of this role assignment is taken"),
            )
        },
        natural(
            "PrincipalNotFound",
            "a new principal is not known everywhere",
            Scene::RoleOfGuest,
            Retries(ReplicationLag),
            Remedy::Ends,
        ),
        Row {
            case: "for long",
            cause: told("PUT", "/roleAssignments/", "PrincipalNotFound", ALWAYS),
            ..natural(
                "PrincipalNotFound",
                "the principal is not in the tenant",
                Scene::Role,
                Stops(ReplicationLag, "check the object id"),
                Remedy::Ends,
            )
        },
        Row {
            code: "BadRequest".into(),
            case: "\"is not within tenant\"",
            ..natural(
                "",
                "the management group has not registered Microsoft.Network",
                Scene::ConnectionOfGroup,
                Waits(
                    WaitKind::Person,
                    "Owner or Contributor of management group mg-fabrikam",
                    "az provider register --namespace Microsoft.Network --management-group-id mg-fabrikam",
                ),
                Remedy::By(register_group),
            )
        },
        refused("InvalidParameter", "the request is wrong", Stops(PlanWrong, "check the step's parameters")),
        refused(
            "InvalidRequestFormat",
            "the request is wrong",
            Stops(PlanWrong, "check the step's parameters"),
        ),
        refused(
            "InvalidApiVersionParameter",
            "this cloud does not know the api-version",
            Stops(PlanWrong, "this cloud does not know the resource type in that api-version"),
        ),
        refused(
            "NoRegisteredProviderFound",
            "this cloud does not know the resource type",
            Stops(PlanWrong, "this cloud does not know the resource type in that api-version"),
        ),
        natural(
            "InvalidAuthenticationTokenTenant",
            "the subscription belongs to another tenant than the identity",
            Scene::ScopeElsewhere,
            Stops(PlanWrong, "the subscription belongs to tenant 22222222-0000-0000-0000-00000000000f"),
            Remedy::Nothing,
        ),
        twice("ExpiredAuthenticationToken", "a token has ended; all are taken anew", Transient),
        twice("InvalidAuthenticationToken", "a token is not accepted; all are taken anew", Transient),
        Row {
            case: "with an auxiliary token",
            scene: Scene::Member,
            cause: told("PUT", "/staticMembers/", "ExpiredAuthenticationToken", 2),
            ..twice("ExpiredAuthenticationToken", "one of the tokens has expired; all are renewed", Transient)
        },
        refused(
            "insufficient_claims",
            "Azure asks for a stronger sign-in",
            Waits(
                WaitKind::Person,
                "an Entra administrator of tenant 11111111",
                "open the sign-ins of application 55555555-0000-0000-0000-00000000000c in the sign-in log of tenant 11111111",
            ),
        ),
        Row {
            case: "the role is missing",
            cause: Cause::Natural(take_role),
            ..natural(
                "AuthorizationFailed",
                "a permission is missing",
                Scene::Connection,
                Waits(
                    WaitKind::Permission,
                    "Owner or User Access Administrator of /subscriptions/bbbbbbbb",
                    "az role assignment create --assignee-object-id ffffffff-1111-0000-0000-000000000002 \
                     --assignee-principal-type User --role 'Network Contributor' --scope /subscriptions/bbbbbbbb",
                ),
                Remedy::By(give_role),
            )
        },
        Row {
            case: "this run assigned the role a moment ago",
            cause: Cause::Natural(|stage| take_role_for(stage, 10)),
            ..natural(
                "AuthorizationFailed",
                "a permission is not effective yet",
                Scene::ConnectionAfterGrant,
                Retries(Propagation),
                Remedy::Ends,
            )
        },
        Row {
            case: "this run assigned the role, and it does not take effect",
            cause: Cause::Natural(|stage| take_role_for(stage, 60)),
            ..natural(
                "AuthorizationFailed",
                "a permission is missing",
                Scene::ConnectionAfterGrant,
                Waits(
                    WaitKind::Permission,
                    "Owner or User Access Administrator of /subscriptions/bbbbbbbb",
                    "az role assignment create",
                ),
                Remedy::By(|stage| stage.clock.advance(jiff::SignedDuration::from_hours(1))),
            )
        },
        Row {
            case: "the other tenant's token is missing",
            ..natural(
                "LinkedAuthorizationFailed",
                "a resource of another tenant, and a request without a token of that tenant",
                Scene::MemberAlone,
                Stops(PlanWrong, "set `auxiliary:`"),
                Remedy::Nothing,
            )
        },
        Row {
            tenant: Some(FABRIKAM),
            case: "the role in the other tenant is missing",
            cause: Cause::Natural(take_role),
            ..natural(
                "LinkedAuthorizationFailed",
                "a permission on the linked resource is missing",
                Scene::Member,
                Waits(
                    WaitKind::Permission,
                    "in tenant 22222222-0000-0000-0000-00000000000f",
                    "--role 'Network Contributor' --scope",
                ),
                Remedy::By(give_role),
            )
        },
        Row {
            case: "no role on it",
            cause: Cause::Natural(take_role),
            ..natural(
                "SubscriptionNotFound",
                "the id is wrong, or the principal has no role there",
                Scene::Scope,
                Waits(
                    WaitKind::Permission,
                    "Owner or User Access Administrator of /subscriptions/bbbbbbbb",
                    "az role assignment create",
                ),
                Remedy::By(give_role),
            )
        },
        Row {
            case: "this run assigned the role a moment ago",
            cause: Cause::Natural(|stage| {
                take_role(stage);
                // The step that assigns the role reads the subscription first; the next read is told that it does
                // not exist.
                stage.meanwhile("PUT", "/roleAssignments/", |stage| {
                    stage.meanwhile("GET", SUBSCRIPTION_END, |stage| {
                        let told = Fault::refusal("GET", SUBSCRIPTION_END, "SubscriptionNotFound");
                        stage.world.with(|world| world.add_faults([Fault { times: 5, ..told }]));
                    });
                });
            }),
            ..natural(
                "SubscriptionNotFound",
                "the principal's role there is not effective yet",
                Scene::ScopeAfterGrant,
                Retries(Propagation),
                Remedy::Ends,
            )
        },
        Row {
            case: "no subscription has that id",
            ..natural(
                "SubscriptionNotFound",
                "the id is wrong, or the principal has no role there",
                Scene::ScopeNowhere,
                Waits(WaitKind::Permission, "/subscriptions/dddddddd", "az role assignment create"),
                Remedy::Nothing,
            )
        },
        natural(
            "ResourceGroupNotFound",
            "the resource group does not exist",
            Scene::ManagerWithoutGroup,
            Stops(ReplicationLag, "az group create --subscription aaaaaaaa"),
            Remedy::By(make_resource_group),
        ),
        Row {
            case: "a read before the write",
            cause: told("GET", "/networkGroups/", "NotFound", 1),
            ..natural(
                "NotFound",
                "it does not exist yet: the usual response",
                Scene::Group,
                GoesOn,
                Remedy::Ends,
            )
        },
        Row {
            case: "a read after the write",
            cause: Cause::Natural(|stage| {
                stage.meanwhile("PUT", "/networkGroups/", |stage| {
                    stage.world.with(|world| {
                        world.add_faults([Fault {
                            times: 2,
                            ..Fault::refusal("GET", "/networkGroups/", "NotFound")
                        }]);
                    });
                });
            }),
            ..natural(
                "NotFound",
                "it was created, and is not visible yet",
                Scene::Group,
                Retries(ReplicationLag),
                Remedy::Ends,
            )
        },
        twice("PreconditionFailed", "it changed since it was read", ConflictRetryable),
        twice("RequestTimeout", "no response in time", Transient),
        twice("InternalServerError", "a temporary failure", Transient),
        twice("BadGateway", "a temporary failure", Transient),
        Row {
            case: "with Retry-After",
            cause: Cause::Told(Fault {
                retry_after: Some(jiff::SignedDuration::from_secs(90)),
                ..Fault::refusal("PUT", "/networkGroups/", "ServiceUnavailable")
            }),
            ..twice("ServiceUnavailable", "the service is not available", Transient)
        },
        twice("GatewayTimeout", "the provider did not respond to the gateway in time", Transient),
        Row {
            case: "in its own tenant",
            ..natural(
                "Authorization_RequestDenied",
                "the principal may not do this in Microsoft Graph",
                Scene::GuestDenied,
                Waits(
                    WaitKind::Permission,
                    "Privileged Role Administrator of tenant 11111111",
                    "consent to Microsoft Graph's User.Invite.All",
                ),
                Remedy::Nothing,
            )
        },
        Row {
            case: "to invite",
            scene: Scene::Guest,
            cause: told("POST", "/invitations", "Authorization_RequestDenied", ALWAYS),
            ..refused(
                "Authorization_RequestDenied",
                "the principal may not do this in Microsoft Graph",
                Waits(
                    WaitKind::Permission,
                    "Privileged Role Administrator of tenant 22222222",
                    "consent to Microsoft Graph's User.Invite.All",
                ),
            )
        },
        Row {
            scene: Scene::Guest,
            cause: told("POST", "/invitations", "Request_BadRequest", ALWAYS),
            ..refused(
                "Request_BadRequest",
                "the request is wrong",
                Stops(PlanWrong, "check the step's parameters"),
            )
        },
        Row {
            scene: Scene::Guest,
            cause: told("GET", "/users", "serviceNotAvailable", 2),
            ..twice("serviceNotAvailable", "Microsoft Graph is not available", Transient)
        },
    ];
    // Failures without one of Azure's codes.
    let unsent = "nothing was sent";
    let unknown = "whether the write took effect is unknown: twinspan reads it";
    for (code, fault, meaning) in [
        ("the connection is refused", FaultName::Refused, unsent),
        ("no connection in time", FaultName::TimeoutBeforeSend, unsent),
        ("the connection is reset", FaultName::Reset, unknown),
        ("the response is lost", FaultName::AppliedThenLost, unknown),
        ("a part of the response arrives", FaultName::TruncatedBody, unknown),
        ("a response of another form", FaultName::WrongJson, unknown),
        ("a proxy responds", FaultName::Status503Html, unknown),
    ] {
        rows.push(Row {
            cause: Cause::Told(Fault::once("PUT", "/networkGroups/", fault)),
            ..twice(code, meaning, Transient)
        });
    }
    rows.extend(super::tokens::rows());
    rows.extend(super::missing::rows());
    rows.extend(super::deployments::rows());
    rows.extend(super::newcomers::rows());
    rows
}
