//! Parses error responses of Azure Resource Manager, its providers and Microsoft Graph.

use serde_json::Value;

use super::{absence, redaction};

/// The error of a response.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) code: String,
    pub(crate) message: String,
    /// Name and id of the policy assignment that forbids the request.
    pub(crate) policy: Option<(String, String)>,
}

impl Words {
    /// `None` if the body is not an error of these services; a proxy may have responded.
    pub(crate) fn of(body: &Value) -> Option<Self> {
        let error = body.get("error").filter(|error| error.is_object()).unwrap_or(body);
        let text = |value: &Value, name: &str| value.get(name).and_then(Value::as_str).map(str::to_owned);
        let code = text(error, "code").filter(|code| !code.is_empty())?;
        let mut message = text(error, "message").unwrap_or_default();
        let details = error.get("details").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for detail in details.iter().filter_map(|detail| text(detail, "message")) {
            if !message.contains(&detail) {
                message = format!("{message} {detail}");
            }
        }
        let infos =
            error.get("additionalInfo").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let policy = infos.iter().filter_map(|info| info.get("info")).find_map(|info| {
            let id = text(info, "policyAssignmentId")?;
            let name =
                text(info, "policyAssignmentDisplayName").or_else(|| text(info, "policyAssignmentName"));
            Some((redaction::line(&name.unwrap_or_else(|| id.clone())), redaction::line(&id)))
        });
        Some(Words { code, message, policy })
    }
}

/// Whether a response says that the resource at `path` does not exist. A 404 of a proxy or gateway does not, nor does one about
/// another resource, nor one about an invalid request.
pub(crate) fn is_absent(status: u16, path: &str, body: Option<&Value>) -> bool {
    const OTHER: [&str; 7] = [
        // Also returned to a caller without a role on an existing subscription.
        "SubscriptionNotFound",
        "InvalidSubscriptionId",
        "InvalidResourceType",
        "InvalidResourceNamespace",
        "NoRegisteredProviderFound",
        "MissingSubscription",
        "TenantNotFound",
    ];
    // Both services wrap their errors in `error`; anything else is not theirs.
    let wrapped = |body: &&Value| body.get("error").is_some_and(Value::is_object);
    let Some(body) = body.filter(|_| status == 404).filter(wrapped) else { return false };
    let says = |code: &str| {
        let code = code.to_ascii_lowercase();
        code.contains("notfound") || code.contains("doesnotexist")
    };
    Words::of(body).is_some_and(|words| {
        says(&words.code)
            && !OTHER.contains(&words.code.as_str())
            && absence::may_be_about(path, &words.message)
    })
}

/// Whether the refusal may be due to the tokens: invalid, or issued before a role was assigned.
pub(crate) fn blames_token(status: u16, body: Option<&Value>) -> bool {
    match status {
        401 | 403 => true,
        404 => body.and_then(Words::of).is_some_and(|words| words.code == "SubscriptionNotFound"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    fn said(code: &str) -> Vec<u8> {
        json!({ "error": { "code": code, "message": "x" } }).to_string().into_bytes()
    }

    #[test]
    fn absent_is_only_what_says_so() {
        let is_absent = |status: u16, body: &[u8]| {
            super::is_absent(status, "/subscriptions/s", serde_json::from_slice(body).ok().as_ref())
        };
        for code in [
            "ResourceNotFound",
            "NotFound",
            "ResourceGroupNotFound",
            "Request_ResourceNotFound",
            "RoleDefinitionDoesNotExist",
        ] {
            assert!(is_absent(404, &said(code)), "{code}");
        }
        for code in [
            "SubscriptionNotFound",
            "InvalidSubscriptionId",
            "InvalidResourceType",
            "NoRegisteredProviderFound",
            "BadRequest",
            "404",
        ] {
            assert!(!is_absent(404, &said(code)), "{code}");
        }
        for body in [
            &b"<html>"[..],
            b"",
            b"{}",
            b"[]",
            b"null",
            br#""NotFound""#,
            br#"{"code":"NotFound","message":"no route"}"#,
            br#"{"error":"NotFound"}"#,
            br#"{"error":{"message":"Not found"}}"#,
        ] {
            assert!(!is_absent(404, body), "{}", String::from_utf8_lossy(body));
        }
        for status in [200, 400, 410, 500] {
            assert!(!is_absent(status, &said("NotFound")), "{status}");
        }
        // One of the two forms of 404 has the message first.
        assert!(is_absent(
            404,
            br#"{"error":{"message":"Resource [x] does not exist or has been deleted","code":"NotFound"}}"#
        ));
    }
}
