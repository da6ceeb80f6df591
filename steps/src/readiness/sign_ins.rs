//! The principal as which each identity acts, or the reason why it cannot sign in.

use twinspan_engine::{FailureClass, Identity, StepError};

use super::{Asked, Asker, Attempt, side_by_side, tenant_of};
use crate::azure::{Credential, CredentialError, SignedIn};

/// The sign-in of one identity in one tenant.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The identity.
    pub identity: Identity,
    /// The result.
    pub entrance: Entrance,
}

/// The result of a sign-in.
#[derive(Clone, Debug)]
pub enum Entrance {
    /// It signed in as this principal.
    SignedIn(Box<SignedIn>),
    /// This machine has no credential for it: it acts elsewhere.
    NoCredential(StepError),
    /// Entra refused the sign-in.
    Refused(StepError),
    /// Entra did not respond, or returned a transient error.
    NoAnswer(StepError),
}

impl SignIn {
    /// The principal, if it signed in.
    pub fn signed_in(&self) -> Option<&SignedIn> {
        match &self.entrance {
            Entrance::SignedIn(signed_in) => Some(signed_in),
            _ => None,
        }
    }

    /// Why it could not sign in.
    pub fn error(&self) -> Option<&StepError> {
        match &self.entrance {
            Entrance::SignedIn(_) => None,
            Entrance::NoCredential(error) | Entrance::Refused(error) | Entrance::NoAnswer(error) => {
                Some(error)
            }
        }
    }
}

/// Signs in as every identity that acts in a step.
pub(super) async fn look(asker: &Asker, steps: &[Asked]) -> Result<(Vec<SignIn>, usize), StepError> {
    let mut identities: Vec<Identity> = Vec::new();
    let acting = steps
        .iter()
        .flat_map(|step| step.identities.iter().chain(step.permissions.iter().map(|right| &right.identity)));
    for identity in acting {
        if !tenant_of(identity).is_empty() && !identities.contains(identity) {
            identities.push(identity.clone());
        }
    }
    let asked = side_by_side(identities, |identity| {
        let asker = asker.clone();
        async move {
            let attempt = Attempt::new(&asker, &identity);
            let result = asker.azure.sign_in(&attempt.cx(), &identity).await;
            let reads = attempt.reads();
            let entrance = entrance(&asker, &identity, result);
            (SignIn { identity, entrance }, reads)
        }
    });
    let asked = asked.await?;
    let reads = asked.iter().map(|(_, reads)| reads).sum();
    Ok((asked.into_iter().map(|(sign_in, _)| sign_in).collect(), reads))
}

fn entrance(asker: &Asker, identity: &Identity, result: Result<SignedIn, StepError>) -> Entrance {
    let error = match result {
        Ok(signed_in) => return Entrance::SignedIn(Box::new(signed_in)),
        Err(error) => error,
    };
    let configured = asker.azure.credentials().of(&identity.name, tenant_of(identity));
    let lacks = matches!(configured, Ok(Credential::None) | Err(CredentialError::NotConfigured { .. }));
    match error.class {
        _ if lacks => Entrance::NoCredential(error),
        FailureClass::Transient | FailureClass::Throttled => Entrance::NoAnswer(error),
        _ => Entrance::Refused(error),
    }
}
