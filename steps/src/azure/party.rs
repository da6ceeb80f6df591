//! Who acts, and in which tenant: the words for messages.

use std::fmt;

use twinspan_engine::{FailureClass, Identity, StepError};

/// An identity of the plan in its tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party<'a> {
    pub(crate) name: &'a str,
    pub(crate) contact: Option<&'a str>,
    pub(crate) tenant: &'a str,
}

impl<'a> Party<'a> {
    pub(crate) fn of(identity: &'a Identity) -> Result<Self, StepError> {
        let attribute =
            |name| identity.attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let tenant = attribute("tenant").ok_or_else(|| {
            StepError::new(
                FailureClass::PlanWrong,
                format!("identity {} names no tenant, so there is nowhere to sign in", identity.name),
            )
            .hint(format!("say `tenant:` for identity {} in the plan", identity.name))
        })?;
        Ok(Party { name: &identity.name, contact: attribute("contact"), tenant })
    }
}

impl fmt::Display for Party<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.contact {
            Some(contact) => write!(f, "{} ({contact}) in tenant {}", self.name, self.tenant),
            None => write!(f, "{} in tenant {}", self.name, self.tenant),
        }
    }
}
