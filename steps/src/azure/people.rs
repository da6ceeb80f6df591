//! The identities and commands in messages to operators, in the same form for every wait.

use std::time::Duration;

use twinspan_encode::sh;
use twinspan_engine::{Identity, StepCx, StepError, Wait, WaitKind};

use super::{Party, SignedIn};
use crate::ids::TenantId;

/// The tenant that `identity` acts in.
pub(crate) fn tenant(identity: &Identity) -> Result<TenantId, StepError> {
    let text = identity.attributes.get("tenant").ok_or_else(|| {
        StepError::plan_wrong(format!("identity {} has no tenant", identity.name))
            .hint("give it one in the plan: identities: { NAME: { tenant: … } }")
    })?;
    Ok(text.parse()?)
}

/// The identity with its contact and tenant: "target-admin (it@fabrikam.example) in tenant 2222…".
pub fn who(identity: &Identity) -> String {
    Party::of(identity).map_or_else(|_| identity.name.clone(), |party| party.person())
}

/// The tenant of the identity for a message: "tenant 2222…".
pub(crate) fn place(identity: &Identity) -> String {
    match identity.attributes.get("tenant") {
        Some(tenant) => format!("tenant {tenant}"),
        None => format!("the tenant of {}", identity.name),
    }
}

/// Joins a list for a sentence: at most `most` items by name, then "and N more".
pub(crate) fn named(most: usize, things: impl IntoIterator<Item = String>, between: &str) -> String {
    let mut things = things.into_iter();
    let mut named: Vec<String> = things.by_ref().take(most).collect();
    match things.count() {
        0 => {}
        more => named.push(format!("and {more} more")),
    }
    named.join(between)
}

/// A wait for a missing permission.
pub(crate) fn missing_right(
    what: impl Into<String>,
    giver: impl Into<String>,
    command: impl Into<String>,
) -> Wait {
    Wait::new(WaitKind::Permission, what).who(giver).action(command).otherwise(
        "a role given less than 10 minutes ago may not be effective yet; a role held through PIM has to be activated",
    )
}

/// Who can assign a role at `scope`.
pub(crate) fn role_giver(scope: &str, tenant: &str) -> String {
    format!("an Owner or User Access Administrator of {scope} in tenant {tenant}")
}

/// The principal that is to get a role, as far as it is known.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Assignee<'a> {
    pub(crate) object_id: Option<&'a str>,
    pub(crate) principal_type: Option<&'a str>,
    /// The plan's contact for the principal, if its id is not known.
    pub(crate) contact: Option<&'a str>,
}

impl<'a> Assignee<'a> {
    /// The signed-in principal.
    pub(crate) fn signed_in(account: &'a SignedIn) -> Self {
        Assignee {
            object_id: account.object_id.as_deref(),
            principal_type: account.principal_type,
            contact: None,
        }
    }
}

/// The command that assigns `role` at `scope`; every message about a missing permission uses it.
pub(crate) fn assign_command(to: Assignee<'_>, role: &str, scope: &str) -> String {
    let assignee = match (to.object_id, to.principal_type) {
        (Some(id), Some(kind)) => {
            format!("--assignee-object-id {} --assignee-principal-type {kind}", sh::word(id))
        }
        // The Azure CLI looks up the type.
        (Some(id), None) => format!("--assignee {}", sh::word(id)),
        (None, _) => format!("--assignee {}", sh::word(to.contact.unwrap_or("OBJECT-ID"))),
    };
    format!("az role assignment create {assignee} --role {} --scope {}", sh::word(role), sh::word(scope))
}

/// Delay until the next check: a quarter of the time waited so far, between `first` and `cap`.
pub(crate) fn pace(cx: &StepCx<'_>, first: Duration, cap: Duration) -> Duration {
    (cx.waited / 4).clamp(first, cap)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn identity(attributes: &[(&str, &str)]) -> Identity {
        let attributes: BTreeMap<String, String> =
            attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Identity { name: "target-admin".to_owned(), attributes }
    }

    #[test]
    fn who_is_named_with_contact_and_tenant() {
        let full = identity(&[
            ("tenant", "22222222-0000-0000-0000-00000000000f"),
            ("contact", "it@fabrikam.example"),
        ]);
        assert_eq!(
            who(&full),
            "target-admin (it@fabrikam.example) in tenant 22222222-0000-0000-0000-00000000000f"
        );
        assert_eq!(tenant(&full).unwrap().to_string(), "22222222-0000-0000-0000-00000000000f");
        assert_eq!(who(&identity(&[])), "target-admin");
        assert_eq!(tenant(&identity(&[])).unwrap_err().to_string(), "identity target-admin has no tenant");
        assert_eq!(
            tenant(&identity(&[("tenant", "x")])).unwrap_err().class,
            twinspan_engine::FailureClass::PlanWrong
        );
    }
}
