//! Failures of a deployment: the list of deployments is late, and a commit is repeated only after a read.

use twinspan_engine::FailureClass::{ReplicationLag, Transient};
use twinspan_sim::{Fault, FaultName};

use super::scenes::Scene;
use super::table::{
    Cause, Remedy, Row,
    Then::{self, Retries},
    natural, told,
};

pub(crate) fn rows() -> Vec<Row> {
    let row = |code, case, meaning, cause, then: Then| Row {
        case,
        cause,
        ..natural(code, meaning, Scene::Deployment, then, Remedy::Ends)
    };
    let commit = |fault| Cause::Told(Fault::once("POST", "/commit", fault));
    let unknown = "whether the commit was accepted is unknown: the list of deployments shows it";
    vec![
        row(
            "an empty list of deployments",
            "",
            "nothing was ever deployed, or a commit is not listed yet",
            Cause::Natural(|_| {}),
            Retries(ReplicationLag),
        ),
        row(
            "NotFound",
            "the list of deployments",
            "nothing is listed yet",
            told("POST", "/listDeploymentStatus", "NotFound", 2),
            Retries(ReplicationLag),
        ),
        row(
            "InternalServerError",
            "a commit",
            "a temporary failure",
            told("POST", "/commit", "InternalServerError", 1),
            Retries(Transient),
        ),
        row(
            "a commit takes effect, and returns 500",
            "",
            unknown,
            commit(FaultName::AppliedThen500),
            Retries(Transient),
        ),
        row(
            "the response to a commit is lost",
            "",
            unknown,
            commit(FaultName::AppliedThenLost),
            Retries(Transient),
        ),
    ]
}
