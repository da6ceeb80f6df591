//! Errors for features of Azure that this world lacks, distinguishable from all errors of Azure.

use crate::reply::Reply;
use crate::request::Request;

/// The error code, which Azure itself never returns.
pub(crate) const CODE: &str = "NotSimulated";

fn words(request: &Request, what: &str) -> String {
    format!(
        "twinspan's simulator does not simulate {what} ({} {}). This says nothing about Azure, where it exists.",
        request.method, request.path
    )
}

/// The 501 in the format of Azure Resource Manager.
pub(crate) fn arm(request: &Request, what: &str) -> Reply {
    Reply::error(501, CODE, &words(request, what))
}

/// The 501 in the format of Microsoft Graph.
pub(crate) fn graph(request: &Request, what: &str) -> Reply {
    crate::graph::error(request, 501, CODE, &words(request, what))
}
