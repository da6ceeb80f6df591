//! The acting identity and its tenant, in words for messages.

use std::fmt;

use twinspan_engine::{FailureClass, Identity, StepError};

/// An identity of the plan in its tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Party<'a> {
    pub(crate) name: &'a str,
    pub(crate) contact: Option<&'a str>,
    /// The plan's description of the identity.
    pub(crate) about: Option<&'a str>,
    pub(crate) tenant: &'a str,
}

impl<'a> Party<'a> {
    pub(crate) fn of(identity: &'a Identity) -> Result<Self, StepError> {
        let attribute =
            |name| identity.attributes.get(name).map(String::as_str).filter(|text| !text.is_empty());
        let tenant = attribute("tenant").ok_or_else(|| {
            StepError::new(
                FailureClass::PlanWrong,
                format!("identity {} has no tenant to sign in to", identity.name),
            )
            .hint(format!("set `tenant:` for identity {} in the plan", identity.name))
        })?;
        Ok(Party { name: &identity.name, contact: attribute("contact"), about: attribute("about"), tenant })
    }

    /// The key of the identity: name and tenant.
    pub(crate) fn key(&self) -> (String, String) {
        (self.name.to_owned(), self.tenant.to_ascii_lowercase())
    }

    /// The identity as a wait names it. The reader may not know the plan, so an identity without a contact is named with
    /// the plan's description: "target-admin (Own administrator of the target managed tenant) in tenant 2222…".
    pub(crate) fn person(&self) -> String {
        match self.contact.or_else(|| self.gist()) {
            Some(who) => format!("{} ({who}) in tenant {}", self.name, self.tenant),
            None => self.to_string(),
        }
    }

    /// The same for the person at this machine: "you (nina@contoso.example) in tenant 2222…".
    pub(crate) fn you(&self) -> String {
        let who = match (self.contact, self.gist()) {
            (Some(contact), _) => contact.to_owned(),
            (None, Some(gist)) => format!("{}: {gist}", self.name),
            (None, None) => self.name.to_owned(),
        };
        format!("you ({who}) in tenant {}", self.tenant)
    }

    /// The plan's description, up to the first comma, bracket or full stop.
    fn gist(&self) -> Option<&'a str> {
        let about = self.about?.split([',', ';', '(', '.']).next().unwrap_or_default().trim();
        Some(about).filter(|about| !about.is_empty())
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

#[cfg(test)]
mod tests {
    use super::*;

    const T: &str = "22222222-0000-0000-0000-00000000000f";

    #[test]
    fn a_person_is_named_by_address_else_by_what_the_plan_says() {
        let about =
            Some("Own administrator of the target managed tenant, may invite (usually another person)");
        let with = |contact, about| Party { name: "target-admin", contact, about, tenant: T };
        let both = with(Some("it@fabrikam.example"), about);
        assert_eq!(both.person(), format!("target-admin (it@fabrikam.example) in tenant {T}"));
        assert_eq!(both.you(), format!("you (it@fabrikam.example) in tenant {T}"));
        assert_eq!(both.person(), both.to_string());
        let gist = "Own administrator of the target managed tenant";
        assert_eq!(with(None, about).person(), format!("target-admin ({gist}) in tenant {T}"));
        assert_eq!(with(None, about).you(), format!("you (target-admin: {gist}) in tenant {T}"));
        assert_eq!(with(None, Some("(see the wiki)")).person(), format!("target-admin in tenant {T}"));
        assert_eq!(with(None, None).you(), format!("you (target-admin) in tenant {T}"));
        // Errors stay short.
        assert_eq!(with(None, about).to_string(), format!("target-admin in tenant {T}"));
    }
}
