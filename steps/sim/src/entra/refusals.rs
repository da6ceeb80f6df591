//! Sign-in refusals: code, `error`, status and text.

use serde_json::json;

use crate::reply::Reply;
use crate::request::Request;
use crate::world::World;

/// A refusal in the format of the token endpoint.
pub(super) fn refuse(world: &mut World, request: &Request, code: u32, text: &str) -> Reply {
    let (status, error) = class_of(code);
    let trace = world.draw();
    let correlation = request.client_request_id().map_or_else(|| world.draw().to_string(), str::to_owned);
    let at = request.at.strftime("%Y-%m-%d %H:%M:%SZ");
    let mut body = json!({
        "error": error,
        "error_description":
            format!("AADSTS{code}: {text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}"),
        "error_codes": [code],
        "timestamp": at.to_string(),
        "trace_id": trace.to_string(),
        "correlation_id": correlation,
        "error_uri": format!("{}/error?code={code}", world.hosts.login),
    });
    if let Some(suberror) = suberror_of(code)
        && let Some(object) = body.as_object_mut()
    {
        object.insert("suberror".to_owned(), json!(suberror));
        object.insert(
            "claims".to_owned(),
            json!(r#"{"access_token":{"capolids":{"essential":true,"values":["simulated-policy"]}}}"#),
        );
    }
    Reply::json(status, body)
}

/// HTTP status and `error` of an AADSTS code.
fn class_of(code: u32) -> (u16, &'static str) {
    match code {
        7_000_215
        | 7_000_222
        | 7_000_218
        | 7_000_229
        | 70002
        | 700_211..=700_213
        | 700_021
        | 700_023
        | 700_024
        | 700_027
        | 50013
        | 50027 => (401, "invalid_client"),
        700_016 | 700_011 | 70001 | 7_000_112 => (400, "unauthorized_client"),
        90002 | 900_144 | 50194 | 1_002_012 | 90038 | 900_382 | 900_432 => (400, "invalid_request"),
        70016 => (400, "authorization_pending"),
        500_011 => (400, "invalid_resource"),
        70003 => (400, "unsupported_grant_type"),
        50072 | 50074 | 50076 | 50079 | 50078 | 50158 | 53000 | 53001 | 530_032 | 16003 | 90072 => {
            (400, "interaction_required")
        }
        50033 | 90006 | 90012 | 90024 | 90033 | 50087 | 50088 | 90090 | 50196 => {
            (503, "temporarily_unavailable")
        }
        90055 => (429, "temporarily_unavailable"),
        _ => (400, "invalid_grant"),
    }
}

fn suberror_of(code: u32) -> Option<&'static str> {
    match code {
        50072 | 50074 | 50076 | 50079 => Some("basic_action"),
        53000 | 53001 | 53003 | 530_032 => Some("message_only"),
        65001 => Some("consent_required"),
        _ => None,
    }
}

/// The text of a refusal by policy.
pub(super) fn text_of(code: u32) -> &'static str {
    match code {
        16003 => "User hasn't been explicitly added to the tenant.",
        50005 => "The device's platform is not supported through Conditional Access policy.",
        50014 => {
            "The user's redemption is in a pending state. The guest user account is not fully created yet."
        }
        50034 | 51004 => "The user account does not exist in the directory.",
        50078 => {
            "Presented multi-factor authentication has expired due to policies configured by your administrator, you \
             must refresh your multi-factor authentication to access the resource."
        }
        50087 | 50088 | 90024 | 90090 => "A temporary error has occurred. Please try again.",
        50089 | 50132 | 50133 => "The session is not valid any more: sign in again.",
        50194 => {
            "Application is not configured as a multi-tenant application. Usage of the /common endpoint is not \
             supported for such apps."
        }
        50196 => "The server terminated an operation because it encountered a client request loop.",
        50072 => {
            "Due to a configuration change made by your administrator, or because you moved to a new location, you \
             must enroll in multi-factor authentication to access the resource."
        }
        50074 | 50076 => {
            "Due to a configuration change made by your administrator, or because you moved to a new location, you \
             must use multi-factor authentication to access the resource."
        }
        50079 => {
            "Due to a configuration change made by your administrator, you must enroll in multi-factor authentication."
        }
        50105 => {
            "Your administrator has configured the application to block users unless they are specifically granted \
             access to the application."
        }
        50131 => "Device is not in required device state: conditional access policy requires it.",
        50158 => "External security challenge not satisfied. User will be redirected to another page.",
        50173 => "The provided grant has expired due to it being revoked, a fresh auth token is needed.",
        53000 => "Device is not in required device state: it must be compliant.",
        53001 => "Device is not in required device state: it must be domain joined.",
        53004 => "The user needs to complete the multi-factor authentication registration: risky session.",
        530_032 => "Blocked by a security policy of the tenant.",
        53003 => {
            "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."
        }
        50020 => "The user account does not exist in the tenant and must be added as an external user first.",
        65001 => "The user or administrator has not consented to use the application.",
        70008 | 700_082 => "The refresh token has expired due to inactivity.",
        70002 => "Error validating credentials.",
        70016 => "Authorization is pending. Continue polling.",
        700_011 | 700_016 => "The application was not found in the directory.",
        500_011 => "The resource principal was not found in the tenant.",
        7_000_112 => "The application is disabled.",
        7_000_215 => "Invalid client secret provided.",
        7_000_229 => "The client application is missing a service principal in the tenant.",
        70043 => {
            "The refresh token has expired or is invalid due to sign-in frequency checks by conditional access."
        }
        90033 | 90006 | 90012 | 50033 => "A transient error has occurred. Please try again.",
        90002 => "The tenant was not found in this cloud.",
        90008 => "The user or administrator hasn't consented to use the application.",
        90038 | 900_382 | 900_432 => "The request belongs to another national cloud.",
        90055 => "The tenant is being throttled due to too many requests.",
        90072 => "The external user account does not exist in the tenant and must be added first.",
        90094 => "Administrator consent is required.",
        500_212 => {
            "The user's administrator has set an outbound access policy that doesn't allow access to the resource \
             tenant."
        }
        500_213 => {
            "The resource tenant's cross-tenant access policy doesn't allow this user to access this tenant."
        }
        7_000_222 => "The provided client secret keys are expired.",
        700_027 => "Client assertion failed signature validation.",
        70001 => "The application is disabled.",
        _ => "Sign-in was refused.",
    }
}
