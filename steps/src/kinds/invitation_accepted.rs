//! `entra.invitation-accepted`: a guest has accepted the invitation. There is no API to accept: a person opens the link.

use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Applied, ClaimKey, EffectClass, FailureClass, Identity, Marker, Observed, Readiness, Step, StepCx,
    StepError, Undone, Wait, WaitKind,
};

use crate::azure::Azure;
use crate::default_world;
use crate::directory;
use crate::ids::Guid;
use crate::kinds::guest_user::InvitationReceipt;
use crate::people;

/// `entra.invitation-accepted`
pub(crate) struct InvitationAccepted {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `entra.invitation-accepted`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The guest: `id` of an `entra.guest-user` step.
    guest: Guid,
}

/// Outputs of `entra.invitation-accepted`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The guest.
    guest: Guid,
    /// Accepted, NotInvited for an account that needed no invitation, or SignedIn where only that could be seen.
    state: String,
}

/// The wait for the person, with the link if the invitation was ours.
fn wait(cx: &StepCx<'_>, params: &Params, identity: &Identity) -> Wait {
    let invitation = cx
        .needed_receipts
        .iter()
        .filter_map(|receipt| InvitationReceipt::deserialize(receipt).ok())
        .find(|receipt| receipt.guest == params.guest);
    let place = people::place(identity);
    let again = people::pace(cx, Duration::from_secs(30), Duration::from_secs(600));
    let wait = Wait::new(WaitKind::Person, format!("the invitation to {place} has not been accepted"))
        .look_again(again)
        .otherwise(format!(
            "link lost or expired: the Entra administrator of {place} resends it (Entra admin centre, Users, the guest, \
             Resend invitation)"
        ));
    match invitation {
        Some(invitation) => {
            let wait = wait
                .who(invitation.email)
                .action("open the link in a private browser window, sign in with this address and accept");
            if invitation.redeem_url.is_empty() { wait } else { wait.link(invitation.redeem_url) }
        }
        None => {
            let guest = identity.attributes.get("contact").cloned();
            wait.who(guest.unwrap_or_else(|| format!("the invited person (guest {} in {place})", params.guest)))
                .action("open the link in the mail \"Microsoft Invitations\", sign in with the invited address and accept")
        }
    }
}

impl Step for InvitationAccepted {
    const KIND: &'static str = "entra.invitation-accepted";
    const SUMMARY: &'static str = "Wait until a guest has accepted the invitation";
    const EFFECT: EffectClass = EffectClass::Read;
    const SETTLE: Duration = Duration::ZERO;

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { guest: default_world::TARGET_ADMINISTRATOR }
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn precondition(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Readiness, StepError> {
        Ok(Readiness::Ready)
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let identity = cx.identity()?;
        let marker = Marker::NoPlace;
        let present = |state: String| {
            let output = Output { guest: params.guest, state };
            Ok(Observed::Present { output, marker: Marker::NoPlace })
        };
        match directory::user(&self.azure.graph(cx, identity), params.guest).await {
            Ok(Some(user)) if user.is_pending() => {
                Ok(Observed::Converging { wait: wait(cx, params, identity), marker })
            }
            Ok(Some(user)) => present(user.state()),
            Ok(None) => {
                let wait = Wait::remote(format!(
                    "guest {} is not seen in {} yet, or was removed",
                    params.guest,
                    people::place(identity)
                ));
                Ok(Observed::Converging { wait, marker })
            }
            // The guest looks for itself, and is not let in before it has accepted.
            Err(error) if error.class == FailureClass::NeedsPerson && not_let_in(&error) => {
                Ok(Observed::Converging { wait: wait(cx, params, identity), marker })
            }
            // Let in, but not to the directory: whoever holds a token of this tenant as this guest has accepted.
            Err(error) if error.class == FailureClass::Permission => {
                let signed_in = self.azure.sign_in(cx, identity).await?;
                match signed_in.object_id.and_then(|id| id.parse::<Guid>().ok()) {
                    Some(id) if id == params.guest => present("SignedIn".to_owned()),
                    _ => Err(error),
                }
            }
            Err(error) => Err(error),
        }
    }

    async fn apply(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Applied, StepError> {
        Err(people::never_writes(Self::KIND))
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept("nothing was made here".to_owned()))
    }
}

/// Whether the sign-in was refused because the account is not in the tenant (yet). Other refusals (a second factor, a policy)
/// have their own words.
fn not_let_in(error: &StepError) -> bool {
    const NOT_YET: [&str; 6] =
        ["AADSTS50020", "AADSTS16003", "AADSTS50034", "AADSTS51004", "AADSTS50014", "AADSTS90072"];
    error.code.as_deref().is_some_and(|code| NOT_YET.contains(&code))
}
