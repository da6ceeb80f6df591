//! What was created or assigned a moment ago is not known everywhere.

use twinspan_engine::FailureClass::{Propagation, ReplicationLag, Transient};
use twinspan_sim::Fault;

use super::happenings::take_role_for;
use super::scenes::Scene;
use super::stage::FABRIKAM;
use super::table::{Cause, Remedy, Row, Then::Retries, natural, told};

pub(crate) fn rows() -> Vec<Row> {
    vec![
        Row {
            tenant: Some(FABRIKAM),
            case: "this run assigned the role in the other tenant a moment ago",
            cause: Cause::Natural(|stage| take_role_for(stage, 10)),
            ..natural(
                "LinkedAuthorizationFailed",
                "a permission on the linked resource is not effective yet",
                Scene::MemberAfterGrant,
                Retries(Propagation),
                Remedy::Ends,
            )
        },
        Row {
            case: "a guest after the invitation",
            cause: Cause::Natural(|stage| {
                stage.meanwhile("POST", "/v1.0/invitations", |stage| {
                    let told = Fault::refusal("GET", "/users", "Request_ResourceNotFound");
                    stage.world.with(|world| world.add_faults([Fault { times: 2, ..told }]));
                });
            }),
            ..natural(
                "Request_ResourceNotFound",
                "it was created, and Microsoft Graph does not show it yet",
                Scene::Guest,
                Retries(ReplicationLag),
                Remedy::Ends,
            )
        },
        Row {
            case: "Microsoft Graph",
            cause: told("GET", "/users", "InvalidAuthenticationToken", 2),
            ..natural(
                "InvalidAuthenticationToken",
                "a token is not accepted; it is renewed",
                Scene::Guest,
                Retries(Transient),
                Remedy::Ends,
            )
        },
    ]
}
