//! Interprets requests that Azure forbids by policy: a policy of the tenant, a sign-in without a second factor, or a restriction
//! of Azure's own. The code is the same for several of them, so the text decides.

use http::HeaderMap;
use twinspan_encode::sh;
use twinspan_engine::{FailureClass, StepError};

use super::refusal::Situation;
use super::words::Words;
use super::{permission, unauthorized};

/// The error for `RequestDisallowedByPolicy` and `RequestDisallowedByAzure`.
pub(super) fn error(
    situation: &Situation<'_>,
    headers: &HeaderMap,
    words: &Words,
    seen: String,
) -> StepError {
    if wants_second_factor(words) {
        return unauthorized::second_factor(situation, headers, words, seen);
    }
    let tenant = situation.sender.party.tenant;
    let hint = match words.code.as_str() {
        "RequestDisallowedByAzure" => restriction(words, tenant),
        _ => policy(words, tenant, situation.path),
    };
    StepError::new(FailureClass::Policy, seen).hint(hint)
}

/// Whether the text, or the name of the policy, speaks of multifactor authentication.
fn wants_second_factor(words: &Words) -> bool {
    let name = words.policy.as_ref().map(|(name, _)| name.as_str()).unwrap_or_default();
    let text = format!("{} {name}", words.message).to_ascii_lowercase();
    ["multifactor", "multi-factor", "mfaforazure", "conditional access"]
        .iter()
        .any(|word| text.contains(word))
        || text.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == "mfa")
}

/// A restriction of Azure's own: no exemption of the tenant lifts it.
fn restriction(words: &Words, tenant: &str) -> String {
    let named = words.policy.as_ref().map(|(name, _)| format!(" ({name})")).unwrap_or_default();
    format!(
        "Azure itself restricts this{named}, often by region or offer: use a region that the message permits, or let the owner of the \
         subscription in tenant {tenant} ask Azure support to lift the restriction (Azure portal: Help + support); a policy exemption \
         does not help"
    )
}

/// The policy that forbids the request, and how to exempt this one resource.
fn policy(words: &Words, tenant: &str, path: &str) -> String {
    let named = words.policy.as_ref().map(|(name, _)| format!(" ({name})")).unwrap_or_default();
    let assignment = words.policy.as_ref().map_or("ASSIGNMENT", |(_, id)| id.as_str());
    format!(
        "an Azure Policy of tenant {tenant} forbids this{named}; its owner can exempt {path}: az policy exemption create --name \
         twinspan --exemption-category Waiver --policy-assignment {} --scope {}",
        sh::word(assignment),
        sh::word(&permission::enclosing(path))
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_factor_is_known_by_the_text_or_the_policys_name() {
        let words = |message: &str, policy: Option<&str>| Words {
            message: message.to_owned(),
            policy: policy.map(|name| (name.to_owned(), "/id".to_owned())),
            ..Words::default()
        };
        for (message, policy) in [
            ("Resource was disallowed by Azure: MFA is required.", None),
            ("Users must use multi-factor authentication. See https://aka.ms/mfaforazure", None),
            (
                "Disallowed.",
                Some(
                    "Users must authenticate with multi-factor authentication to create or update resources",
                ),
            ),
            ("Conditional Access requires it", None),
        ] {
            assert!(wants_second_factor(&words(message, policy)), "{message} {policy:?}");
        }
        for (message, policy) in
            [("Disallowed.", Some("Allowed locations")), ("the resource mfavnet is not allowed", None)]
        {
            assert!(!wants_second_factor(&words(message, policy)), "{message}");
        }
    }
}
