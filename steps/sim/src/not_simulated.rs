//! What Azure has and this world does not: said as such, so that nobody takes it for an answer of Azure's.

use crate::reply::Reply;
use crate::request::Request;

/// The code by which a client tells it from everything that Azure says.
pub(crate) const CODE: &str = "NotSimulated";

fn words(request: &Request, what: &str) -> String {
    format!(
        "twinspan's simulator does not simulate {what} ({} {}). This says nothing about Azure, where it exists.",
        request.method, request.path
    )
}

/// 501 in the shape of Azure Resource Manager.
pub(crate) fn arm(request: &Request, what: &str) -> Reply {
    Reply::error(501, CODE, &words(request, what))
}

/// 501 in the shape of Microsoft Graph.
pub(crate) fn graph(request: &Request, what: &str) -> Reply {
    crate::graph::error(request, 501, CODE, &words(request, what))
}
