//! The words in which Azure Resource Manager, its providers and Microsoft Graph refuse, and what they alone tell.

use serde_json::Value;

use super::redaction;

/// The service's own words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) code: String,
    pub(crate) message: String,
    /// Name and id of the policy assignment that forbids it.
    pub(crate) policy: Option<(String, String)>,
}

impl Words {
    /// `None`: the body is not an error of these services; something in between may have answered.
    pub(crate) fn of(body: &[u8]) -> Option<Self> {
        let body: Value = serde_json::from_slice(body).ok()?;
        let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
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

/// A 404 that says: there is no such thing. Others say that the question was wrong, or come from elsewhere.
pub(crate) fn is_absent(status: u16, body: &[u8]) -> bool {
    const OTHER: [&str; 7] = [
        // Also what a caller without any role on an existing subscription is told.
        "SubscriptionNotFound",
        "InvalidSubscriptionId",
        "InvalidResourceType",
        "InvalidResourceNamespace",
        "NoRegisteredProviderFound",
        "MissingSubscription",
        "TenantNotFound",
    ];
    status == 404 && Words::of(body).is_some_and(|words| !OTHER.contains(&words.code.as_str()))
}

/// Whether the answer may be due to the tokens sent: refused, or issued before a right was given.
pub(crate) fn blames_token(status: u16, body: &[u8]) -> bool {
    match status {
        401 | 403 => true,
        404 => Words::of(body).is_some_and(|words| words.code == "SubscriptionNotFound"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(code: &str) -> Vec<u8> {
        json!({ "error": { "code": code, "message": "x" } }).to_string().into_bytes()
    }

    #[test]
    fn absent_is_only_what_says_so() {
        for code in ["ResourceNotFound", "NotFound", "ResourceGroupNotFound", "Request_ResourceNotFound"] {
            assert!(is_absent(404, &said(code)), "{code}");
        }
        for code in [
            "SubscriptionNotFound",
            "InvalidSubscriptionId",
            "InvalidResourceType",
            "NoRegisteredProviderFound",
        ] {
            assert!(!is_absent(404, &said(code)), "{code}");
        }
        assert!(!is_absent(404, b"<html>"));
        assert!(!is_absent(404, b""));
        assert!(!is_absent(410, &said("NotFound")));
        // One of the two makers writes the message first.
        assert!(is_absent(
            404,
            br#"{"error":{"message":"Resource [x] does not exist or has been deleted","code":"NotFound"}}"#
        ));
    }
}
