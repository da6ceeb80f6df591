//! Interprets refusals that no role assignment resolves, although they are a 403 or look like one: a deny assignment, a condition
//! on the role, a setting of the directory, a quota. The error says who must change what.

use twinspan_encode::sh;
use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

use super::cloud::Service;
use super::permission::{enclosing, quoted};
use super::redaction;
use super::refusal::Situation;
use super::words::Words;

/// The error for such a refusal; `None` if it is another one.
pub(super) fn refused(
    situation: &Situation<'_>,
    status: u16,
    words: &Words,
    seen: &str,
) -> Option<StepError> {
    let message = words.message.to_ascii_lowercase();
    if matches!(status, 400 | 401 | 403)
        && is_invitation(situation)
        && let Some(setting) = Setting::in_words(&message)
    {
        return Some(invitation(situation, setting, words, seen));
    }
    match status {
        403 if words.code == "DenyAssignmentAuthorizationFailed" || message.contains("deny assignment") => {
            Some(denied(situation, words, seen))
        }
        403 if message.contains("abac condition") || message.contains("condition that is not fulfilled") => {
            Some(conditional(situation, words, seen))
        }
        403 if message.contains("restricted management administrative unit") => {
            Some(restricted_unit(situation, words, seen))
        }
        400 | 402 | 403 | 409 if is_quota(&words.code) => Some(quota(situation, words, seen)),
        _ => None,
    }
}

fn waiting(seen: &str, what: String, who: String, action: String) -> StepError {
    let wait = Wait::new(WaitKind::Permission, what).who(who).action(action.clone());
    StepError::new(FailureClass::Permission, seen).hint(action).wait(wait)
}

/// For the message "… because of the deny assignment with name 'N' and Id 'I' at scope 'S'."
fn denied(situation: &Situation<'_>, words: &Words, seen: &str) -> StepError {
    let party = situation.sender.party;
    let after = words.message.split_once("deny assignment").map_or("", |(_, after)| after);
    let name = quoted(after, "name '").map(|name| redaction::line(&name));
    let id = quoted(after, "Id '").or_else(|| quoted(after, "id '"));
    let scope = quoted(after, "scope '").unwrap_or_else(|| enclosing(situation.path));
    let scope =
        scope.split("/providers/Microsoft.Authorization/denyAssignments").next().unwrap_or(&scope).to_owned();
    let named = name.map_or("a deny assignment".to_owned(), |name| format!("the deny assignment '{name}'"));
    let one = id.map(|id| format!("/{}", id.rsplit('/').next().unwrap_or(&id))).unwrap_or_default();
    let url =
        format!("{scope}/providers/Microsoft.Authorization/denyAssignments{one}?api-version=2022-04-01");
    waiting(
        seen,
        format!(
            "{named} at {scope} denies this to {}, regardless of its roles",
            party.person()
        ),
        format!("the owner of the deny assignment's source (a deployment stack or a managed application) in tenant {}", party.tenant),
        format!("az rest --method get --url {}", sh::word(&url)),
    )
    .otherwise(
        "the response names who is excluded and what created it (isSystemProtected, description): a deployment stack excludes a principal \
         with --deny-settings-excluded-principals; a role assignment does not help",
    )
}

/// The sender's role has a condition that excludes this action.
fn conditional(situation: &Situation<'_>, words: &Words, seen: &str) -> StepError {
    let sender = &situation.sender;
    let party = sender.party;
    let scope = quoted(&words.message, "over scope '")
        .map_or_else(|| enclosing(situation.path), |scope| enclosing(&scope));
    let object = quoted(&words.message, "object id '").or_else(|| sender.claims.oid.clone());
    let query = "[?condition].{role:roleDefinitionName, scope:scope, condition:condition}";
    let assignee = object.map(|id| format!(" --assignee {}", sh::word(&id))).unwrap_or_default();
    waiting(
        seen,
        format!(
            "the role by which {} may do this on {scope} has a condition, and the condition does not allow it",
            party.person()
        ),
        format!(
            "an Owner or User Access Administrator of {scope} in tenant {} whose role has no such condition: change the condition, or do this step",
            party.tenant
        ),
        format!(
            "az role assignment list{assignee} --scope {} --include-inherited --query {} --output json",
            sh::word(&scope),
            sh::word(query)
        ),
    )
    .otherwise("the command shows the condition; a condition for assigning roles names which roles may be assigned, and to which types of principals")
}

/// A directory object in a restricted management administrative unit: only the unit's administrators may change it.
fn restricted_unit(situation: &Situation<'_>, words: &Words, seen: &str) -> StepError {
    let party = situation.sender.party;
    waiting(
        seen,
        format!("{}: {}", words.code, redaction::line(&words.message)),
        format!("an administrator who is assigned to that administrative unit of tenant {}", party.tenant),
        "Entra admin centre, Identity, Roles & admins, Admin units: assign the role within the unit, or remove the object from it".to_owned(),
    )
}

/// The tenant setting that forbids an invitation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setting {
    Switched,
    Domain,
    CrossTenant,
}

impl Setting {
    /// Expects `message` in lower case.
    fn in_words(message: &str) -> Option<Self> {
        let says = |word: &str| message.contains(word);
        let refuses =
            ["not allowed", "blocked", "restricted", "denied", "disabled"].iter().any(|word| says(word));
        if says("cross-tenant access") || says("cross tenant access") {
            Some(Setting::CrossTenant)
        } else if refuses && says("domain") {
            Some(Setting::Domain)
        } else if (refuses && says("invitation"))
            || says("controllername=msgraphinviteapi")
            || says("collaboration")
        {
            Some(Setting::Switched)
        } else {
            None
        }
    }
}

fn is_invitation(situation: &Situation<'_>) -> bool {
    situation.service == Service::Graph
        && situation.verb == "POST"
        && situation.path.ends_with("/invitations")
}

fn invitation(situation: &Situation<'_>, setting: Setting, words: &Words, seen: &str) -> StepError {
    let party = situation.sender.party;
    let tenant = party.tenant;
    let external = "Entra admin centre, External Identities, External collaboration settings";
    let (what, action) = match setting {
        Setting::Switched => (
            "the external collaboration settings do not allow this user to invite guests",
            format!("{external}: \"Guest invite settings\" must let {} invite", party.contact.unwrap_or(party.name)),
        ),
        Setting::Domain => (
            "the external collaboration settings do not allow invitations to the guest's domain",
            format!("{external}: \"Collaboration restrictions\" must allow the guest's domain"),
        ),
        Setting::CrossTenant => (
            "the cross-tenant access settings block the invitation",
            "Entra admin centre, External Identities, Cross-tenant access settings: allow inbound B2B collaboration for the guest's home \
             tenant"
                .to_owned(),
        ),
    };
    waiting(
        seen,
        format!("{what} of tenant {tenant} ({}: {})", words.code, redaction::line(&words.message)),
        format!("a Security Administrator or External Identity Provider Administrator of tenant {tenant}"),
        action,
    )
    .otherwise(format!(
        "an Entra role or a permission of Microsoft Graph does not help; only these settings of tenant {tenant} do"
    ))
}

/// Whether the code is a quota that can be raised, unlike a rate limit.
fn is_quota(code: &str) -> bool {
    // It is interpreted elsewhere.
    if code == "RoleAssignmentLimitExceeded" {
        return false;
    }
    let code = code.to_ascii_lowercase();
    code.contains("quota")
        || (["limitreached", "limitexceeded", "maxlimit", "countexceeded"]
            .iter()
            .any(|end| code.contains(end))
            && !code.contains("request")
            && !code.contains("rate"))
}

fn quota(situation: &Situation<'_>, words: &Words, seen: &str) -> StepError {
    let tenant = situation.sender.party.tenant;
    let said = redaction::line(&words.message);
    let hint = match situation.service {
        Service::Graph => format!(
            "a quota of tenant {tenant} is used up ({said}): its Entra administrator permanently deletes objects that are not needed (Deleted users, Deleted \
             applications), or requests an increase from Microsoft; a role assignment does not help"
        ),
        Service::Arm => format!(
            "a quota of {} in tenant {tenant} is used up ({said}): its owner deletes resources that are not needed, or requests an increase (Azure portal, Quotas, \
             New quota request); a role assignment does not help",
            enclosing(situation.path)
        ),
    };
    StepError::new(FailureClass::Policy, seen).hint(hint)
}

/// The error for a 403 of Azure Resource Manager that names no action: which permission is missing is unknown, so no role is
/// suggested.
pub(super) fn unexplained(situation: &Situation<'_>, words: &Words, seen: &str) -> StepError {
    let party = situation.sender.party;
    let scope = enclosing(situation.path);
    waiting(
        seen,
        format!("{} is refused: {}: {}", party.person(), words.code, redaction::line(&words.message)),
        format!("an Owner of {scope} in tenant {}", party.tenant),
        format!(
            "az role assignment list --scope {} --include-inherited --include-groups{}",
            sh::word(&scope),
            situation.sender.claims.oid.as_deref().map(|id| format!(" --assignee {}", sh::word(id))).unwrap_or_default()
        ),
    )
    .otherwise("the command shows the roles; if one of them should be enough, the message above names what else forbids it")
}

/// Adds the alternative to an error's wait.
trait Otherwise {
    fn otherwise(self, text: impl Into<String>) -> Self;
}

impl Otherwise for StepError {
    fn otherwise(mut self, text: impl Into<String>) -> Self {
        if let Some(wait) = &mut self.wait {
            wait.otherwise = Some(text.into());
        }
        self
    }
}
