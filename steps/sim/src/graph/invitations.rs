//! Invitations of guests.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::caller::Holder;
use crate::directory::{ExternalState, Mail, User};
use crate::entra::redeem_ticket;
use crate::graph::{error, method_not_allowed, require};
use crate::ledger::Change;
use crate::not_simulated;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// Characters that the address of an invitation must not have before its `@`.
const BANNED: &str = "~!#$%^&*()+=[]{}\\/|;:\"<>?,";

/// Whether the two parts around an `@` make an address.
fn is_address(local: &str, domain: &str) -> bool {
    let right = |label: &str| {
        let inner = |c: char| c.is_alphanumeric() || c == '-';
        (1..=63).contains(&label.len())
            && label.chars().all(inner)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let lengths = (1..=64).contains(&local.len()) && domain.len() <= 253;
    let points = !local.starts_with('.') && !local.ends_with('.') && !local.contains("..");
    lengths && points && domain.contains('.') && domain.split('.').all(right)
}

/// `POST /invitations`: creates a guest user, pending until accepted. The same address gives the same guest
/// user.
pub(super) fn handle(world: &mut World, holder: &Holder, request: &Request) -> Handled {
    if request.method != http::Method::POST {
        return Err(method_not_allowed(request));
    }
    require(world, holder, request, &["User.Invite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"])?;
    let bad = |message: &str| error(request, 400, "BadRequest", message);
    let body = request.json().map_err(|_| bad("Unable to read JSON request payload."))?;
    let text = |field: &str| body.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let flag = |field: &str| body.get(field).and_then(Value::as_bool).unwrap_or(false);
    let address = text("invitedUserEmailAddress");
    let redirect = text("inviteRedirectUrl");
    if redirect.is_empty() {
        return Err(bad("The property 'inviteRedirectUrl' is required."));
    }
    match address.split_once('@').filter(|(local, domain)| is_address(local, domain)) {
        Some((local, _)) if local.chars().any(|c| BANNED.contains(c) || c.is_whitespace()) => {
            return Err(bad(
                "The property 'invitedUserEmailAddress' contains characters that are not allowed.",
            ));
        }
        Some(_) => {}
        None => return Err(bad("The invited user's email address is invalid.")),
    }
    if !["", "Guest", "Member"].iter().any(|known| known.eq_ignore_ascii_case(&text("invitedUserType"))) {
        return Err(bad("Invalid value specified for property 'invitedUserType' of resource 'Invitation'."));
    }
    if text("invitedUserType").eq_ignore_ascii_case("Member") {
        return Err(not_simulated::graph(request, "invitations of members"));
    }
    for (field, is_right) in [
        ("sendInvitationMessage", Value::is_boolean as fn(&Value) -> bool),
        ("resetRedemption", Value::is_boolean),
        ("invitedUserMessageInfo", Value::is_object),
        ("invitedUserDisplayName", Value::is_string),
    ] {
        if body.get(field).is_some_and(|given| !given.is_null() && !is_right(given)) {
            return Err(bad(&format!("Cannot convert a value to target type of property '{field}'.")));
        }
    }
    let id = world.draw().to_string();
    let invitation = world.draw().to_string();
    let login = world.hosts.login.clone();
    let Some(tenant) = world.directory.tenants.get_mut(&holder.tenant) else {
        return Err(bad("The tenant is unknown."));
    };
    // Several clients recognize this refusal by its text. It takes precedence over the one about members.
    if tenant.has_domain(address.rsplit('@').next().unwrap_or_default()) {
        return Err(bad(
            "This user cannot be invited because the domain of the user's email address is a verified domain of this directory.",
        ));
    }
    let existing = tenant.user_by_mail(&address).map(|u| (u.id.clone(), u.external));
    let (id, change) = match existing {
        Some((id, None)) => {
            let message = format!(
                "The invited user already exists in the directory as object ID: {id}. They can use that account to \
                 sign in to shared apps and resources."
            );
            return Err(bad(&message));
        }
        Some((id, Some(_))) => {
            let user = tenant.users.get_mut(&id).filter(|_| flag("resetRedemption"));
            let change = if user.is_some() { Change::Updated } else { Change::None };
            if let Some(user) = user {
                user.external = Some(ExternalState::PendingAcceptance);
                user.external_changed = Some(request.at);
            }
            (id, change)
        }
        None => {
            let display_name = body.get("invitedUserDisplayName").and_then(Value::as_str);
            let user = User {
                id: id.clone(),
                display_name: display_name.unwrap_or(&address).to_owned(),
                principal_name: format!("{}#EXT#@{}", address.replace('@', "_"), tenant.domain),
                mail: address.clone(),
                external: Some(ExternalState::PendingAcceptance),
                external_changed: Some(request.at),
                created: request.at,
                graph: BTreeSet::new(),
            };
            tenant.users.insert(id.clone(), user);
            (id, Change::Created)
        }
    };
    let accepted = tenant.users.get(&id).is_some_and(|u| u.external == Some(ExternalState::Accepted));
    let display_name = tenant.users.get(&id).map(|u| u.display_name.clone()).unwrap_or_default();
    let mailed = flag("sendInvitationMessage");
    if mailed {
        let mail = Mail { tenant: holder.tenant.clone(), to: address.clone(), at: request.at };
        world.directory.mails.push(mail);
    }
    let mut message = json!({ "messageLanguage": null, "ccRecipients": [{ "emailAddress": { "name": null, "address": null } }], "customizedMessageBody": null });
    if let (Some(message), Some(given)) =
        (message.as_object_mut(), body.get("invitedUserMessageInfo").and_then(Value::as_object))
    {
        message.extend(given.clone());
    }
    Ok(Reply::json(
        201,
        json!({
            "@odata.context": format!("{}/v1.0/$metadata#invitations/$entity", world.hosts.graph),
            "id": invitation,
            "inviteRedeemUrl": format!("{login}/redeem?ticket={}", redeem_ticket(&holder.tenant, &id)),
            "invitedUserDisplayName": display_name,
            "invitedUserType": "Guest",
            "invitedUserEmailAddress": address,
            "sendInvitationMessage": mailed,
            "resetRedemption": flag("resetRedemption"),
            "inviteRedirectUrl": redirect,
            "status": if accepted { "Completed" } else { "PendingAcceptance" },
            "invitedUserMessageInfo": message,
            "invitedUser": { "id": id },
        }),
    )
    .changed(change))
}
