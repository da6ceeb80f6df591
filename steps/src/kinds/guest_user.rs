//! `entra.guest-user`: finds a person's guest user in a tenant, or invites the person.
//!
//! The step is done when the guest user *exists*: roles can be assigned before the person accepts, so the tenant's administrator
//! is needed only once. A person never gets two mails: the step searches for the address first, and searches again before it
//! repeats an invitation whose response was lost. Only that response contains the redeem link, so it is stored as a receipt.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Act, Applied, Back, ClaimKey, Create, Decision, Difference, EffectClass, Ensure, FailureClass, Find,
    HandOver, KindMeta, Marker, Misfit, Observed, Readiness, Request, Step, StepCx, StepError, Task, Undone,
    WriteMeta,
};

use crate::avnm::or_default;
use crate::azure::people;
use crate::azure::{Azure, Reply, SignedIn};
use crate::default_world;
use crate::directory::{self, User};
use crate::hand_over;
use crate::ids::{Email, Guid, TenantId, Url};
use crate::kinds::{removing, undoing};

/// `entra.guest-user`
pub(crate) struct GuestUser {
    pub(crate) azure: Arc<Azure>,
}

/// Parameters of `entra.guest-user`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// Address of the person.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
    /// Object id of the user in this tenant, instead of the address: for a user that exists. An object id is never invited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    object_id: Option<Guid>,
    /// Whether Microsoft mails the invitation. If false, only twinspan shows the link.
    #[serde(default)]
    send_invitation: bool,
    /// Where the browser goes after the person accepts; default: Microsoft's My Apps page of the tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redirect: Option<Url>,
    /// Display name of the guest user; default: Microsoft uses the address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    display_name: Option<String>,
    /// Text in the mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message: Option<String>,
}

/// Outputs of `entra.guest-user`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// The guest user, for steps that wait for it.
    id: Guid,
    /// Object id in this tenant, for role assignments. It differs from the object id in the home tenant.
    object_id: Guid,
    /// PendingAcceptance, Accepted, NotInvited for a user that needed no invitation, or SignedIn where the directory cannot be
    /// read and only the sign-in proves the user.
    state: String,
    /// Address of the person; absent where the user has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    email: Option<Email>,
}

/// What only the response to an invitation contains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InvitationReceipt {
    /// The guest's object id in this tenant.
    pub(crate) guest: Guid,
    /// Who was invited.
    pub(crate) email: String,
    /// The link with which the person accepts.
    pub(crate) redeem_url: String,
    /// By Microsoft Graph's clock: a user that this invitation created is not older.
    pub(crate) not_before: Timestamp,
}

impl InvitationReceipt {
    /// Whether the invitation created the user: inviting also succeeds for a user that exists.
    fn marker(&self, user: &User) -> Marker {
        match user.created() {
            Some(created) if created >= self.not_before => Marker::NoPlace,
            Some(created) => Marker::Before(format!(
                "the user existed before this run's invitation, since {created}: Microsoft Graph returned it"
            )),
            None => Marker::Before(
                "it is not proven that this run created it: Microsoft Graph does not return when the user was created"
                    .to_owned(),
            ),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wanted<'a> {
    invited_user_email_address: &'a str,
    invite_redirect_url: String,
    send_invitation_message: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_user_display_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    invited_user_message_info: Option<Message<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Message<'a> {
    customized_message_body: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Invitation {
    #[serde(default, deserialize_with = "or_default")]
    invite_redeem_url: String,
    #[serde(default)]
    invited_user: Option<Invited>,
}

#[derive(Deserialize)]
struct Invited {
    id: String,
}

/// What the parameters identify the user by.
#[derive(Clone, Copy, Debug)]
enum Who<'a> {
    /// The address of a person.
    Address(&'a Email),
    /// The object id of a user.
    Account(Guid),
}

impl Params {
    fn who(&self) -> Result<Who<'_>, StepError> {
        match (&self.email, self.object_id) {
            (Some(email), None) => Ok(Who::Address(email)),
            (None, Some(id)) => Ok(Who::Account(id)),
            (Some(_), Some(_)) => Err(StepError::plan_wrong("`email` and `object_id` are both given")
                .hint("keep one: `email` finds or invites a person, `object_id` names a user that exists")),
            (None, None) => Err(StepError::plan_wrong("neither `email` nor `object_id` is given")
                .hint("give `email` to find or invite a person, or `object_id` for a user that exists")),
        }
    }

    /// The address of the person who is invited.
    fn address(&self) -> Result<&Email, StepError> {
        match self.who()? {
            Who::Address(email) => Ok(email),
            Who::Account(id) => Err(StepError::plan_wrong(format!("no user has the object id {id}"))
                .hint("check the id and the tenant; to invite the person give `email`")),
        }
    }

    fn body<'a>(&'a self, email: &'a Email, tenant: TenantId) -> Wanted<'a> {
        let redirect = self.redirect.as_ref().map_or_else(
            || format!("https://myapplications.microsoft.com/?tenantid={tenant}"),
            |redirect| redirect.as_str().to_owned(),
        );
        Wanted {
            invited_user_email_address: email.as_str(),
            invite_redirect_url: redirect,
            send_invitation_message: self.send_invitation,
            invited_user_display_name: self.display_name.as_deref(),
            invited_user_message_info: self
                .message
                .as_deref()
                .map(|text| Message { customized_message_body: text }),
        }
    }

    fn receipt(email: &Email, reply: Reply<Invitation>) -> Result<Applied, StepError> {
        let Reply { body: invitation, not_before, .. } = reply;
        let Some(guest) = invitation.invited_user.and_then(|user| user.id.parse().ok()) else {
            // Without the user's id it cannot be proven whether the invitation created the user.
            return Err(StepError::new(
                FailureClass::Transient,
                "the reply to the invitation cannot be read: it names no invited user",
            )
            .unknown());
        };
        let receipt = InvitationReceipt {
            guest,
            email: email.to_string(),
            redeem_url: invitation.invite_redeem_url,
            not_before,
        };
        let receipt = serde_json::to_value(receipt).map_err(|error| {
            StepError::new(
                FailureClass::Bug,
                format!("the response to the invitation cannot be stored: {error}"),
            )
        })?;
        Ok(Applied { receipt: Some(receipt) })
    }

    /// The signed-in user, if it is the guest: by its name in the home tenant, or by the name of a guest here.
    fn itself(email: &Email, signed_in: &SignedIn) -> Option<Observed<Output>> {
        let account = signed_in.account.as_deref()?.to_lowercase();
        let address = email.as_str().to_lowercase();
        let as_guest = format!("{}#ext#@", address.replace('@', "_"));
        let object_id: Guid = signed_in.object_id.as_deref()?.parse().ok()?;
        let output =
            Output { id: object_id, object_id, state: "SignedIn".to_owned(), email: Some(email.clone()) };
        (account == address || account.starts_with(&as_guest))
            .then_some(Observed::Present { output, marker: Marker::NoPlace })
    }

    /// Why a user is not the one that the plan wants absent: it is no guest, or has another address.
    fn not_to_be_removed(&self, user: &User) -> Vec<Difference> {
        let differs = |field: &str, wanted: String, found: Option<String>| {
            Difference::new(field, wanted, found.unwrap_or_else(|| "not shown".to_owned()))
        };
        let kind = user.is_member().then(|| differs("user type", "Guest".to_owned(), user.user_type.clone()));
        let other = self.email.as_ref().filter(|email| !user.is_shown_with(email.as_str()));
        let mail = other.map(|email| differs("mail", email.to_string(), user.mail.clone()));
        kind.into_iter().chain(mail).collect()
    }

    /// Judges the users found. `removing`: the plan wants a guest absent. `receipt`: of this step's own invitation.
    fn observed(
        &self,
        found: Vec<User>,
        removing: bool,
        receipt: Option<&InvitationReceipt>,
    ) -> Result<Observed<Output>, StepError> {
        match found.as_slice() {
            [] => Ok(Observed::Absent),
            [user] => {
                let object_id: Guid = user.id.parse()?;
                let own = || user.mail.as_deref().and_then(|mail| mail.parse().ok());
                let email = self.email.clone().or_else(own);
                let output = Output { id: object_id, object_id, state: user.state(), email };
                let differences = self.not_to_be_removed(user);
                if removing && !differences.is_empty() {
                    return Ok(Observed::Differs { output, differences, marker: Marker::NoPlace });
                }
                let invited = receipt.filter(|receipt| receipt.guest == object_id);
                let marker = invited.map_or(Marker::NoPlace, |receipt| receipt.marker(user));
                Ok(Observed::Present { output, marker })
            }
            several => {
                let names: Vec<&str> = several
                    .iter()
                    .map(|user| {
                        user.user_principal_name.as_deref().or(user.mail.as_deref()).unwrap_or(&user.id)
                    })
                    .collect();
                Ok(Observed::Conflict(Decision {
                    what: format!(
                        "{} users have the address {}: {}",
                        several.len(),
                        self.email.as_ref().map(ToString::to_string).unwrap_or_default(),
                        names.join(", ")
                    ),
                    advice: "ask the tenant's administrator which one is meant, and to remove the address from the others"
                        .to_owned(),
                    differences: Vec::new(),
                }))
            }
        }
    }
}

fn who_invites() -> Vec<String> {
    vec![
        "the Entra role Guest Inviter, or a tenant in which members may invite guests".to_owned(),
        "an application: Microsoft Graph's User.Invite.All (and User.Read.All to search)".to_owned(),
    ]
}

fn who_removes() -> Vec<String> {
    vec![
        "the Entra role User Administrator".to_owned(),
        "an application: Microsoft Graph's User.ReadWrite.All".to_owned(),
    ]
}

/// Hand-over for a user given by its object id, which can only be deleted.
fn account(id: Guid, tenant: TenantId) -> HandOver {
    let path = format!("/users/{id}");
    let look = Request { query: vec![("$select", "id".to_owned())], ..hand_over::graph("GET", &path) };
    let remove = hand_over::graph("DELETE", &path);
    let task = Task {
        what: format!("Remove the guest {id} from tenant {tenant}"),
        privilege: who_removes(),
        by_hand: Some(String::new()),
        acts: vec![Act::Create(hand_over::make((look, hand_over::its("id")), remove.clone()))],
        back: Back { words: LOSES.to_owned(), request: Some(remove) },
    };
    HandOver { task: Some(task), proof: format!("user {id} of tenant {tenant}"), ..HandOver::default() }
}

/// What deleting a guest does.
const LOSES: &str =
    "deletes the guest with all its role assignments and memberships: only if nothing else uses it";

impl Step for GuestUser {
    const META: KindMeta = KindMeta {
        removable: true,
        exactly_one_of: &[&["email"], &["object_id"]],
        volatile_outputs: &["state"],
        ..KindMeta::writes(
            "entra.guest-user",
            "Find a person's guest user in a tenant, or invite the person",
            WriteMeta {
                effect: EffectClass::PostWithProbe,
                consistency_delay: Duration::from_secs(60),
                request_window: crate::azure::GRAPH_REQUEST_WINDOW,
            },
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            email: Some(default_world::administrator()),
            object_id: None,
            send_invitation: true,
            redirect: None,
            display_name: None,
            message: None,
        }
    }

    fn misfits(params: &Params, ensure: Ensure) -> Vec<Misfit> {
        let mut all = Vec::new();
        let longest = |text: &Option<String>, most: usize| {
            text.as_ref().is_some_and(|text| text.encode_utf16().count() > most)
        };
        if ensure == Ensure::Present && longest(&params.display_name, 256) {
            all.push(Misfit::new(
                &["display_name"],
                "it is longer than the 256 characters that Microsoft Entra allows",
            ));
        }
        if params.display_name.as_ref().is_some_and(|name| name.trim().is_empty()) {
            all.push(Misfit::new(&["display_name"], "it is empty: omit it, and the address is shown"));
        }
        all
    }

    fn claims(&self, cx: &StepCx<'_>, params: &Params) -> Vec<ClaimKey> {
        let tenant = cx.identity().and_then(people::tenant);
        let named = match params.who() {
            Ok(Who::Address(email)) => email.key(),
            Ok(Who::Account(id)) => id.to_string(),
            Err(_) => return Vec::new(),
        };
        tenant.iter().map(|tenant| ClaimKey(format!("{tenant}/users/{named}"))).collect()
    }

    async fn precondition(&self, _cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        let email = params.address()?;
        match email.not_invitable() {
            None => Ok(Readiness::Ready),
            Some(character) => Err(StepError::plan_wrong(format!(
                "{email} cannot be invited: Microsoft Entra allows no {character:?} before the @"
            ))
            .hint("use another address of the person")),
        }
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        let (graph, removing) = (self.azure.graph(cx, cx.identity()?), removing(cx));
        let email = match params.who()? {
            Who::Address(email) => email,
            Who::Account(id) => {
                let found = directory::user(&graph, id).await?;
                return params.observed(found.into_iter().collect(), removing, None);
            }
        };
        // Read by id first, where the receipt has it: Graph finds a new user by its address only some time later.
        let known = cx.receipt.and_then(|receipt| InvitationReceipt::deserialize(receipt).ok());
        if let Some(receipt) = &known {
            match directory::user(&graph, receipt.guest).await? {
                Some(user) => return params.observed(vec![user], removing, Some(receipt)),
                // Another user that has the address now was not invited by this step: there is nothing to undo.
                None if undoing(cx) && !removing => return Ok(Observed::Absent),
                None => {}
            }
        }
        // An id that a person stated is accepted if the user with this id has the address.
        let stated = cx.stated.get("object_id").or_else(|| cx.stated.get("id"));
        if let Some(id) = stated.and_then(|id| Guid::deserialize(id).ok())
            && let Ok(Some(user)) = directory::user(&graph, id).await
            && user.has_address(email.as_str())
        {
            return params.observed(vec![user], removing, None);
        }
        match directory::users_by_address(&graph, email.as_str()).await {
            // The identity may sign in but not read the directory: if it is the guest itself, the sign-in proves that it exists.
            Err(error) if error.class == FailureClass::Permission => {
                let signed_in = self.azure.sign_in(cx, cx.identity()?).await?;
                Params::itself(email, &signed_in).ok_or(error)
            }
            found => params.observed(found?, removing, known.as_ref()),
        }
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let (identity, email) = (cx.identity()?, params.address()?);
        let body = params.body(email, people::tenant(identity)?);
        let reply = self.azure.graph(cx, identity).post("/invitations", &body).await?;
        Params::receipt(email, reply)
    }

    async fn undo(&self, cx: &StepCx<'_>, _params: &Params, found: &Output) -> Result<Undone, StepError> {
        self.azure.graph(cx, cx.identity()?).delete(&format!("/users/{}", found.object_id)).await?;
        Ok(Undone::Removed)
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &Params) -> Result<HandOver, StepError> {
        let tenant = people::tenant(cx.identity()?)?;
        if let (Who::Account(id), true) = (params.who()?, removing(cx)) {
            return Ok(account(id, tenant));
        }
        let email = params.address()?;
        let words = format!("object id of the guest {email}");
        let guest = cx.variable("object_id", words, Some("User"));
        let by_address = Request {
            query: vec![("$filter", directory::with_address(email.as_str())), ("$select", "id".to_owned())],
            ..hand_over::graph("GET", "/users")
        };
        let find = Find { list: Some("value"), take: "id", ..Find::default() };
        let invite =
            hand_over::with_body(hand_over::graph("POST", "/invitations"), &params.body(email, tenant))?;
        let make = Create {
            yields: Some((guest.clone(), "invitedUser.id")),
            pass_on: Some(("inviteRedeemUrl", email.to_string())),
            ..hand_over::make((by_address, find), invite)
        };
        let remove = hand_over::graph("DELETE", &format!("/users/{}", guest.stand_in));
        let task = Task {
            what: format!("Invite {email} as a guest of tenant {tenant}, unless it exists"),
            privilege: if removing(cx) { who_removes() } else { who_invites() },
            by_hand: Some("Entra admin centre: Users, New user, Invite external user".to_owned()),
            acts: vec![Act::Create(make)],
            back: Back { words: LOSES.to_owned(), request: Some(remove) },
        };
        Ok(HandOver {
            task: Some(task),
            proof: format!("a user of tenant {tenant} has the address {email}, or signs in with it"),
            outputs: BTreeMap::from([
                ("id", hand_over::text(&guest.stand_in)),
                ("object_id", hand_over::text(&guest.stand_in)),
                ("email", hand_over::text(email)),
            ]),
            actor: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, asked, body, params};
    use twinspan_engine::Phase;

    const GUEST: &str = "ffffffff-1111-0000-0000-000000000002";
    const LINK: &str = "https://login.microsoftonline.com/redeem?rd=CANARY-link";

    fn kind(bench: &Bench) -> GuestUser {
        GuestUser { azure: Arc::clone(&bench.azure) }
    }

    fn user(id: &str) -> serde_json::Value {
        json!({ "id": id, "mail": "nina.network@contoso.example", "externalUserState": "PendingAcceptance" })
    }

    #[tokio::test]
    async fn a_person_is_looked_up_by_address_first() {
        let bench = Bench::new();
        for _ in 0..3 {
            bench.script.answer(200, &json!({ "value": [] }));
        }
        bench.script.answer(200, &json!({ "value": [user(GUEST)] }));
        let attempt = Attempt::new(&bench, Phase::Probe);
        let (kind, params) = (kind(&bench), GuestUser::example());
        assert_eq!(attempt.check(&kind, &params).await.unwrap(), Observed::Absent);
        let seen = attempt.check(&kind, &params).await.unwrap();
        let Observed::Present { output, marker } = seen else { panic!("{seen:?}") };
        assert_eq!(
            (output.object_id.to_string().as_str(), output.state.as_str()),
            (GUEST, "PendingAcceptance")
        );
        assert_eq!(marker, Marker::NoPlace);
        let first = &asked(&bench)[0];
        assert!(
            first.starts_with(
                "GET /v1.0/users?$filter=mail eq 'nina.network@contoso.example' or otherMails/any("
            ),
            "{first}"
        );
    }

    #[tokio::test]
    async fn an_invitation_keeps_its_link_as_a_receipt_only() {
        let bench = Bench::new();
        bench.script.answer(
            201,
            &json!({ "id": "x", "inviteRedeemUrl": LINK, "status": "PendingAcceptance", "invitedUser": { "id": GUEST } }),
        );
        bench.script.answer(200, &user(GUEST)).answer_with(204, &[], "");
        let params = GuestUser::example();
        let applied = Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &params).await.unwrap();
        assert_eq!(
            body(&bench),
            json!({ "invitedUserEmailAddress": "nina.network@contoso.example", "sendInvitationMessage": true,
                "inviteRedirectUrl": "https://myapplications.microsoft.com/?tenantid=11111111-0000-0000-0000-00000000000c" })
        );
        let receipt: InvitationReceipt = serde_json::from_value(applied.receipt.clone().unwrap()).unwrap();
        assert_eq!((receipt.redeem_url.as_str(), receipt.guest.to_string().as_str()), (LINK, GUEST));
        let mut attempt = Attempt::new(&bench, Phase::Verify);
        attempt.receipt = applied.receipt;
        let seen = attempt.check(&kind(&bench), &params).await.unwrap();
        let Observed::Present { output, .. } = seen else { panic!("{seen:?}") };
        assert!(!serde_json::to_string(&output).unwrap().contains("CANARY"));
        attempt.undo(&kind(&bench), &params, &output).await.unwrap();
        let asked = asked(&bench);
        assert!(asked[1].starts_with(&format!("GET /v1.0/users/{GUEST}?$select=")), "by id: {}", asked[1]);
        assert_eq!(asked[2], format!("DELETE /v1.0/users/{GUEST}"));
    }

    /// Microsoft Graph responds 201 to an invitation of a person who has a user, and returns that user.
    #[tokio::test]
    async fn an_account_that_an_invitation_only_met_is_not_this_runs() {
        for (created, made) in [
            (json!("2026-11-23T08:00:02Z"), true),
            (json!("2026-11-23T07:59:58Z"), true),
            (json!("2026-11-23T07:59:00Z"), false),
            (json!("2024-01-01T00:00:00Z"), false),
            (json!(null), false),
        ] {
            let bench = Bench::new();
            let invited = json!({ "id": "x", "inviteRedeemUrl": LINK, "invitedUser": { "id": GUEST } });
            let mut found = user(GUEST);
            found["mail"] = json!("nina@other.example");
            found["createdDateTime"] = created.clone();
            bench.script.answer(201, &invited).answer(200, &found);
            let params = GuestUser::example();
            let applied = Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &params).await.unwrap();
            let mut attempt = Attempt::new(&bench, Phase::UndoProbe);
            attempt.receipt = applied.receipt;
            let seen = attempt.check(&kind(&bench), &params).await.unwrap();
            let Observed::Present { marker, .. } = seen else { panic!("{seen:?}") };
            assert_eq!(marker == Marker::NoPlace, made, "{created}: {marker:?}");
        }
    }

    #[tokio::test]
    async fn an_invitation_whose_reply_names_nobody_is_uncertain() {
        let bench = Bench::new();
        bench.script.answer(201, &json!({ "id": "x", "inviteRedeemUrl": LINK }));
        let error =
            Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &GuestUser::example()).await.unwrap_err();
        assert_eq!(error.certainty, twinspan_engine::Certainty::Unknown);
    }

    /// A second invitation would mail the person again.
    #[tokio::test]
    async fn an_account_whose_address_was_changed_is_found_before_anybody_is_invited() {
        for at in 0..2 {
            let bench = Bench::new();
            let mut found = user(GUEST);
            found["mail"] = json!("nina@other.example");
            found["userPrincipalName"] = json!("nina.network_contoso.example#EXT#@fabrikam.example");
            for _ in 0..=at {
                bench.script.answer(200, &json!({ "value": [] }));
            }
            bench.script.answer(200, &json!({ "value": [found] }));
            let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &GuestUser::example()).await;
            assert!(matches!(seen, Ok(Observed::Present { .. })), "{seen:?}");
            let last = asked(&bench).pop().unwrap();
            let wanted = [
                "proxyAddresses/any(p:p eq 'smtp:nina",
                "startsWith(userPrincipalName,'nina.network_contoso.example%23EXT%23@')",
            ];
            assert!(last.contains(wanted[at]), "{last}");
        }
        // It is deleted only after a person decides so.
        let bench = Bench::new();
        let mut found = user(GUEST);
        found["mail"] = json!("nina@other.example");
        found["otherMails"] = json!(["nina.network@contoso.example"]);
        found["userType"] = json!("Guest");
        bench.script.answer(200, &json!({ "value": [found] }));
        let seen = Attempt::removing(&bench).check(&kind(&bench), &GuestUser::example()).await.unwrap();
        assert!(
            matches!(&seen, Observed::Differs { differences, .. } if differences[0].field == "mail"),
            "{seen:?}"
        );
    }

    #[tokio::test]
    async fn a_list_that_a_filter_did_not_make_says_nothing() {
        let bench = Bench::new();
        let mut other = user(GUEST);
        other["mail"] = json!("olaf@contoso.example");
        bench.script.answer(200, &json!({ "value": [other] }));
        let error =
            Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &GuestUser::example()).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Transient);
    }

    #[tokio::test]
    async fn two_accounts_with_one_address_need_a_decision() {
        let bench = Bench::new();
        bench
            .script
            .answer(200, &json!({ "value": [user(GUEST), user("ffffffff-1111-0000-0000-000000000003")] }));
        let seen =
            Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &GuestUser::example()).await.unwrap();
        assert!(
            matches!(&seen, Observed::Conflict(d) if d.what.starts_with("2 users have the address")),
            "{seen:?}"
        );
    }

    #[tokio::test]
    async fn an_address_that_cannot_be_invited_is_found_out_before() {
        let bench = Bench::new();
        let params: Params = params(json!({ "email": "nina+x@contoso.example" }));
        let error =
            Attempt::new(&bench, Phase::Probe).precondition(&kind(&bench), &params).await.unwrap_err();
        assert_eq!(error.class, FailureClass::PlanWrong);
    }

    #[tokio::test]
    async fn who_may_not_list_accounts_is_itself_the_proof_or_sees_what_a_person_stated() {
        let denied = json!({ "error": { "code": "Authorization_RequestDenied", "message": "" } });
        let me = |claim: &str, account: &str| {
            let payload = azure_core::base64::encode_url_safe(
                json!({ "oid": GUEST, "tid": "11111111-0000-0000-0000-00000000000c", claim: account, "scp": "x" }).to_string(),
            );
            json!({ "token_type": "Bearer", "expires_in": 3600, "access_token": format!("e30.{payload}.x") })
                .to_string()
        };
        for (claim, account, itself) in [
            ("unique_name", "Nina.Network@contoso.example", true),
            ("upn", "nina.network_contoso.example#EXT#@fabrikam.example", true),
            ("upn", "other@contoso.example", false),
        ] {
            let bench = Bench::new();
            bench.script.answer(403, &denied).token_answer(200, &[], &me(claim, account));
            bench.script.token_answer(200, &[], &me(claim, account));
            let seen = Attempt::new(&bench, Phase::Probe).check(&kind(&bench), &GuestUser::example()).await;
            match seen {
                Ok(Observed::Present { output, .. }) => {
                    assert!(itself && output.object_id.to_string() == GUEST && output.state == "SignedIn");
                }
                other => {
                    assert!(
                        !itself && other.as_ref().is_err_and(|error| error.class == FailureClass::Permission),
                        "{account}: {other:?}"
                    )
                }
            }
        }
        let bench = Bench::new();
        bench.script.answer(200, &user(GUEST));
        let log = twinspan_engine::AttemptLog::new(Phase::Probe);
        let stated = BTreeMap::from([("object_id".to_owned(), json!(GUEST))]);
        let cx = StepCx { stated: &stated, ..bench.cx(Phase::Probe, &log) };
        let seen = kind(&bench).check(&cx, &GuestUser::example()).await.unwrap();
        assert!(matches!(seen, Observed::Present { .. }), "by its id alone: {seen:?}");
    }

    #[tokio::test]
    async fn a_lost_answer_may_have_invited() {
        let bench = Bench::new();
        bench.script.fault(crate::azure::TransportFault::Lost("reset".to_owned()));
        let error =
            Attempt::new(&bench, Phase::Apply).apply(&kind(&bench), &GuestUser::example()).await.unwrap_err();
        assert_eq!(error.certainty, twinspan_engine::Certainty::Unknown);
    }

    #[tokio::test]
    async fn a_guest_is_removed_by_its_object_id_and_a_member_only_by_a_persons_decision() {
        let by_id: Params = params(json!({ "object_id": GUEST }));
        for (kind_of, guest) in [(json!("Guest"), true), (json!("Member"), false), (json!(null), false)] {
            let bench = Bench::new();
            let mut found = user(GUEST);
            found["userType"] = kind_of;
            bench.script.answer(200, &found).answer_with(204, &[], "");
            let attempt = Attempt::removing(&bench);
            let output = match attempt.check(&kind(&bench), &by_id).await.unwrap() {
                Observed::Present { output, .. } if guest => output,
                Observed::Differs { output, differences, .. } if !guest => {
                    assert_eq!(differences[0].field, "user type");
                    output
                }
                other => panic!("{other:?}"),
            };
            attempt.undo(&kind(&bench), &by_id, &output).await.unwrap();
            assert_eq!(asked(&bench)[1], format!("DELETE /v1.0/users/{GUEST}"));
        }
        let bench = Bench::new();
        let error = Attempt::new(&bench, Phase::Probe).precondition(&kind(&bench), &by_id).await.unwrap_err();
        assert!(error.hint.unwrap().contains("`email`"), "an object id is never invited");
    }
}
