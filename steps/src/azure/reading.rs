//! Decides which requests only read. A POST reads if it is listed here; any other POST may change state and counts as the
//! one write of an attempt.

use http::Method;

/// Path ends of POSTs that read: lists of Azure Virtual Network Manager.
const LISTS: [&str; 5] = [
    "/listdeploymentstatus",
    "/listactiveconnectivityconfigurations",
    "/listactivesecurityadminrules",
    "/listnetworkmanagereffectiveconnectivityconfigurations",
    "/listnetworkmanagereffectivesecurityadminrules",
];

/// Full paths of POSTs that read.
const QUERIES: [&str; 1] = ["/providers/microsoft.resourcegraph/resources"];

/// Whether a request only reads, judged by method and path alone.
pub(crate) fn only_reads(verb: &Method, path: &str) -> bool {
    if verb == Method::GET || verb == Method::HEAD {
        return true;
    }
    let path = path.trim_end_matches('/').to_ascii_lowercase();
    verb == Method::POST
        && (QUERIES.contains(&path.as_str()) || LISTS.iter().any(|list| path.ends_with(list)))
}

/// Whether a request is for a token: it goes to a sign-in service and changes nothing.
pub(crate) fn asks_for_token(verb: &Method, path: &str) -> bool {
    // The token endpoint of Entra, and the service that exchanges a token of Azure Pipelines.
    verb == Method::POST && (path.ends_with("/oauth2/v2.0/token") || path.ends_with("/oidctoken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_asks_reads() {
        const MANAGER: &str =
            "/subscriptions/s/resourceGroups/g/providers/Microsoft.Network/networkManagers/m";
        for (verb, path, reads) in [
            ("GET", MANAGER.to_owned(), true),
            ("HEAD", MANAGER.to_owned(), true),
            ("POST", format!("{MANAGER}/listDeploymentStatus"), true),
            ("POST", format!("{MANAGER}/listActiveConnectivityConfigurations/"), true),
            ("POST", "/providers/Microsoft.ResourceGraph/resources".to_owned(), true),
            ("POST", format!("{MANAGER}/commit"), false),
            ("POST", "/subscriptions/s/providers/Microsoft.Network/register".to_owned(), false),
            ("POST", "/v1.0/invitations".to_owned(), false),
            ("POST", "/x/providers/Microsoft.ResourceGraph/resources".to_owned(), false),
            ("PUT", format!("{MANAGER}/listDeploymentStatus"), false),
            ("PATCH", MANAGER.to_owned(), false),
            ("DELETE", MANAGER.to_owned(), false),
        ] {
            let verb: Method = verb.parse().unwrap();
            assert_eq!(only_reads(&verb, &path), reads, "{verb} {path}");
            assert!(!asks_for_token(&verb, &path), "{verb} {path}");
        }
        assert!(asks_for_token(&Method::POST, "/t/oauth2/v2.0/token"));
        assert!(!asks_for_token(&Method::PUT, "/t/oauth2/v2.0/token"));
    }
}
