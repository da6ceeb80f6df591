//! `entra.invitation-accepted`: waits until a guest accepted the invitation. No API accepts it: a person must open the link.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Act, Back, Check, FailureClass, HandOver, Identity, KindMeta, Marker, Observed, StepCx, StepError, Task,
    Wait, WaitKind,
};

use crate::azure::Azure;
use crate::azure::people;
use crate::default_world;
use crate::directory;
use crate::hand_over;
use crate::ids::Guid;
use crate::kinds::guest_user::InvitationReceipt;

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
    /// Accepted, NotInvited for a user that needed no invitation, or SignedIn where only the sign-in proves it.
    state: String,
}

/// What the person does if this run does not know the link.
const ACCEPT: &str =
    "open the link in the mail \"Microsoft Invitations\", sign in with the invited address and accept";

/// The wait for the person, with the link if this run sent the invitation.
fn wait(cx: &StepCx<'_>, params: &Params, identity: &Identity) -> Wait {
    let invitation = cx
        .needed_receipts
        .iter()
        .filter_map(|receipt| InvitationReceipt::deserialize(receipt).ok())
        .find(|receipt| receipt.guest == params.guest);
    let place = people::place(identity);
    let again = people::pace(cx, Duration::from_secs(30), Duration::from_secs(600));
    let wait = Wait::new(WaitKind::Person, format!("the invitation to {place} has not been accepted"))
        .next_check(again)
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
            wait.who(
                guest.unwrap_or_else(|| format!("the invited person (guest {} in {place})", params.guest)),
            )
            .action(ACCEPT)
        }
    }
}

impl Check for InvitationAccepted {
    const META: KindMeta = KindMeta {
        // The guest can accept without a credential on this machine.
        checked_by_others: true,
        volatile_outputs: &["state"],
        ..KindMeta::reads("entra.invitation-accepted", "Wait until a guest has accepted the invitation")
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params { guest: default_world::TARGET_ADMINISTRATOR }
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
                    "guest {} is not found in {} yet, or was deleted",
                    params.guest,
                    people::place(identity)
                ));
                Ok(Observed::Converging { wait, marker })
            }
            // The identity is the guest, which cannot sign in before it has accepted.
            Err(error) if error.class == FailureClass::NeedsPerson && not_let_in(&error) => {
                Ok(Observed::Converging { wait: wait(cx, params, identity), marker })
            }
            // The identity may sign in but not read the directory: a guest that has a token of this tenant has accepted.
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

    fn expected_wait(&self, identity: &Identity) -> Option<Wait> {
        let place = people::place(identity);
        let guest = identity.attributes.get("contact").cloned();
        let wait = Wait::new(
            WaitKind::Person,
            format!("the invitation to {place} must be accepted, unless that user has already accepted it"),
        );
        Some(
            wait.who(guest.unwrap_or_else(|| format!("the person who is invited to {place}"))).action(ACCEPT),
        )
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let identity = cx.identity()?;
        let wait = wait(cx, params, identity);
        let task = Task {
            what: format!(
                "Accept the invitation to {}: only the invited person can",
                people::place(identity)
            ),
            privilege: wait.who.into_iter().collect(),
            by_hand: wait.action,
            acts: vec![Act::Person { link: wait.link }],
            back: Back {
                words: "the guest leaves under https://myaccount.microsoft.com/organizations".to_owned(),
                request: None,
            },
        };
        let proof = "the guest's state in the directory is Accepted, or the guest signs in".to_owned();
        let outputs = BTreeMap::from([("guest", hand_over::text(params.guest))]);
        Ok(HandOver { task: Some(task), proof, outputs, actor: None })
    }
}

/// Whether Entra refused the sign-in because the user is not in the tenant (yet). Other refusals, such as a second factor or a
/// policy, have messages of their own.
fn not_let_in(error: &StepError) -> bool {
    const NOT_YET: [&str; 6] =
        ["AADSTS50020", "AADSTS16003", "AADSTS50034", "AADSTS51004", "AADSTS50014", "AADSTS90072"];
    error.code.as_deref().is_some_and(|code| NOT_YET.contains(&code))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, wait};
    use twinspan_engine::Phase;
    use twinspan_engine::Reading;

    const GUEST: &str = "ffffffff-1111-0000-0000-000000000001";
    const LINK: &str = "https://login.microsoftonline.com/redeem?rd=1";

    fn kind(bench: &Bench) -> Reading<InvitationAccepted> {
        Reading(InvitationAccepted { azure: Arc::clone(&bench.azure) })
    }

    fn user(state: serde_json::Value) -> serde_json::Value {
        json!({ "id": GUEST, "externalUserState": state })
    }

    #[tokio::test]
    async fn the_person_is_waited_for_with_the_link_of_our_invitation() {
        let bench = Bench::new();
        bench
            .script
            .answer(200, &user(json!("PendingAcceptance")))
            .answer(200, &user(json!("PendingAcceptance")));
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        let unknown = wait(attempt.check(&kind(&bench), &InvitationAccepted::example()).await.unwrap());
        assert_eq!(
            (unknown.kind, unknown.link, unknown.next_check),
            (WaitKind::Person, None, Some(Duration::from_secs(30)))
        );
        attempt.needed_receipts = vec![
            json!("another step's"),
            json!({ "guest": "ffffffff-1111-0000-0000-000000000009", "email": "x@y.example", "redeem_url": "https://other", "not_before": "2026-11-23T08:00:00Z" }),
            json!({ "guest": GUEST, "email": "nina@contoso.example", "redeem_url": LINK, "not_before": "2026-11-23T08:00:00Z" }),
        ];
        attempt.waited = Duration::from_secs(86_400);
        let ours = wait(attempt.check(&kind(&bench), &InvitationAccepted::example()).await.unwrap());
        assert_eq!((ours.who.as_deref(), ours.link.as_deref()), (Some("nina@contoso.example"), Some(LINK)));
        assert_eq!(ours.next_check, Some(Duration::from_secs(600)));
    }

    #[tokio::test]
    async fn accepted_or_never_invited_is_done() {
        for (state, said) in [(json!("Accepted"), "Accepted"), (json!(null), "NotInvited")] {
            let bench = Bench::new();
            bench.script.answer(200, &user(state));
            let seen = Attempt::new(&bench, Phase::Probe)
                .check(&kind(&bench), &InvitationAccepted::example())
                .await
                .unwrap();
            assert!(matches!(&seen, Observed::Present { output, .. } if output.state == said), "{seen:?}");
        }
    }

    #[tokio::test]
    async fn a_guest_that_is_not_let_in_has_not_accepted_but_a_second_factor_is_another_matter() {
        for (number, waits) in [(50020, true), (50076, false)] {
            let bench = Bench::new();
            let refusal = json!({ "error": "invalid_grant", "error_codes": [number],
                "error_description": format!("AADSTS{number}: no") });
            bench.script.token_answer(400, &[], &refusal.to_string());
            let seen =
                Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &InvitationAccepted::example()).await;
            match seen {
                Ok(seen) => assert!(waits && wait(seen).what.contains("has not been accepted")),
                Err(error) => {
                    assert!(!waits && error.class == FailureClass::NeedsPerson, "{number}: {error:?}")
                }
            }
        }
    }

    #[tokio::test]
    async fn who_may_not_read_the_directory_proves_it_by_its_own_token() {
        let denied = json!({ "error": { "code": "Authorization_RequestDenied", "message": "" } });
        let bench = Bench::new();
        bench.script.answer(403, &denied);
        let error = Attempt::new(&bench, Phase::Probe)
            .check(&kind(&bench), &InvitationAccepted::example())
            .await
            .unwrap_err();
        assert_eq!(error.class, FailureClass::Permission, "signed in as another user");
    }

    #[tokio::test]
    async fn a_guest_that_is_not_seen_is_not_taken_for_accepted() {
        let bench = Bench::new();
        bench.script.answer(404, &json!({ "error": { "code": "Request_ResourceNotFound", "message": "" } }));
        let seen = Attempt::new(&bench, Phase::Probe)
            .check(&kind(&bench), &InvitationAccepted::example())
            .await
            .unwrap();
        assert_eq!(wait(seen).kind, WaitKind::Remote);
    }
}
