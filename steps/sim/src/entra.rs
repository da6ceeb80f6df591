//! Sign-in: issues tokens for tenants.
//!
//! Handles all paths of its host. People in a world sign in with a secret, as applications do.

mod assertions;
pub(crate) mod certificates;
mod refusals;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::directory::ExternalState;
use crate::ledger::Change;
use crate::reply::{Body, Handled, Reply};
use crate::request::{Request, parse_form};
use crate::service::Service;
use crate::tokens::{self, Claims};
use crate::world::World;

pub use certificates::NoCertificate;
use refusals::refuse;

/// A request to the login host.
pub(crate) fn handle(world: &mut World, request: &Request) -> Handled {
    let segments = request.segments();
    let words: Vec<String> = segments.iter().map(|s| s.to_ascii_lowercase()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match (request.method.as_str(), words.as_slice()) {
        ("GET", ["common" | "organizations", "discovery", "instance"]) => Ok(instance_discovery(world)),
        ("GET", [tenant, "v2.0", ".well-known", "openid-configuration"])
        | ("GET", [tenant, ".well-known", "openid-configuration"]) => {
            openid_configuration(world, request, tenant)
        }
        ("GET", [_, "discovery", "v2.0", "keys"]) => Ok(Reply::ok(json!({ "keys": [] }))),
        ("POST", [tenant, "oauth2", "v2.0", "token"]) => token(world, request, tenant, false),
        ("POST", [tenant, "oauth2", "token"]) => token(world, request, tenant, true),
        ("GET" | "POST", ["redeem"]) => redeem_page(world, request),
        _ => Err(Reply::error(404, "NotFound", "no such page of the sign-in service")),
    }
}

/// Refuses with this AADSTS code and its text.
pub(crate) fn refuse_with(world: &mut World, request: &Request, code: u32) -> Reply {
    refuse(world, request, code, refusals::text_of(code))
}

fn instance_discovery(world: &World) -> Reply {
    let host = world.hosts.login.split("://").nth(1).unwrap_or_default();
    Reply::ok(json!({
        "tenant_discovery_endpoint": format!("{}/common/v2.0/.well-known/openid-configuration", world.hosts.login),
        "api-version": "1.1",
        "metadata": [{ "preferred_network": host, "preferred_cache": host, "aliases": [host] }],
    }))
}

fn openid_configuration(world: &mut World, request: &Request, tenant: &str) -> Handled {
    let id = match tenant {
        "common" | "organizations" => "{tenantid}".to_owned(),
        _ => match world.directory.tenant(tenant) {
            Some(known) => known.id.clone(),
            None => return Err(refuse(world, request, 90002, &no_such_tenant(tenant))),
        },
    };
    let login = &world.hosts.login;
    Ok(Reply::ok(json!({
        "token_endpoint": format!("{login}/{tenant}/oauth2/v2.0/token"),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": format!("{login}/{tenant}/discovery/v2.0/keys"),
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": format!("{login}/{id}/v2.0"),
        "request_uri_parameter_supported": false,
        "userinfo_endpoint": format!("{}/oidc/userinfo", world.hosts.graph),
        "authorization_endpoint": format!("{login}/{tenant}/oauth2/v2.0/authorize"),
        "device_authorization_endpoint": format!("{login}/{tenant}/oauth2/v2.0/devicecode"),
        "end_session_endpoint": format!("{login}/{tenant}/oauth2/v2.0/logout"),
        "tenant_region_scope": "EU",
        "cloud_instance_name": login.split("://").nth(1),
        "msgraph_host": world.hosts.graph.split("://").nth(1),
    })))
}

fn no_such_tenant(tenant: &str) -> String {
    format!(
        "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the \
         correct cloud. Check with your subscription administrator, this may happen if there are no active \
         subscriptions for the tenant."
    )
}

/// The fields of a form; unknown ones are ignored.
struct Form(Vec<(String, String)>);

impl Form {
    fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// The principal of a token to be issued.
struct Subject {
    object_id: String,
    upn: Option<String>,
}

fn token(world: &mut World, request: &Request, tenant: &str, first_version: bool) -> Handled {
    let form = Form(parse_form(&String::from_utf8_lossy(&request.body)));
    let client_id = form.get("client_id").unwrap_or_default().to_ascii_lowercase();
    let home = home_of(world, &client_id);
    let tenant = match (tenant, home) {
        ("common" | "organizations", Some(home)) => home,
        _ => tenant.to_owned(),
    };
    let Some(tenant) = world.directory.tenant(&tenant).map(|t| t.id.clone()) else {
        return Err(refuse(world, request, 90002, &no_such_tenant(&tenant)));
    };
    match form.get("grant_type") {
        Some("client_credentials") => {}
        Some(other) => {
            let text = format!("The app requested an unsupported grant type '{other}'.");
            return Err(refuse(world, request, 70003, &text));
        }
        None => {
            let text = "The request body must contain the following parameter: 'grant_type'.";
            return Err(refuse(world, request, 900_144, text));
        }
    }
    if let Err((code, text)) = authenticate(world, &form, &client_id, &tenant, request.at) {
        return Err(refuse(world, request, code, &text));
    }
    let subject = subject(world, request, &client_id, &tenant)?;
    if let Some(code) = world.directory.barrier(&client_id, &tenant) {
        return Err(refuse(world, request, code, refusals::text_of(code)));
    }
    let audience = audience(world, request, &form, first_version, &tenant)?;
    // Only people have a second factor.
    let acrs = if subject.upn.is_some() { contexts_asked_for(&form) } else { Vec::new() };
    Ok(issue(world, request.at, &tenant, &client_id, subject, audience, acrs))
}

/// The authentication contexts that a token request asks for in reply to a claims challenge:
/// `{"access_token":{"acrs":{"essential":true,"values":["p1"]}}}`.
fn contexts_asked_for(form: &Form) -> Vec<String> {
    let claims: Value =
        form.get("claims").and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let values = claims.pointer("/access_token/acrs/values").and_then(Value::as_array);
    let values = values.map(Vec::as_slice).unwrap_or_default();
    values.iter().filter_map(|value| Some(value.as_str()?.to_owned())).collect()
}

fn home_of(world: &World, client_id: &str) -> Option<String> {
    let person = world.directory.person(client_id).map(|p| p.home.clone());
    person.or_else(|| world.directory.application(client_id).map(|a| a.home.clone()))
}

/// Checks the secret or the client assertion.
fn authenticate(
    world: &World,
    form: &Form,
    client_id: &str,
    tenant: &str,
    at: Timestamp,
) -> Result<(), assertions::Refusal> {
    let person = world.directory.person(client_id);
    let application = world.directory.application(client_id);
    let secret = person.map(|p| &p.client_secret).or(application.map(|a| &a.client_secret));
    let Some(secret) = secret else {
        return Err((700_016, no_such_application(client_id, tenant)));
    };
    match (form.get("client_secret"), form.get("client_assertion"), application) {
        (Some(given), ..) if given == secret => Ok(()),
        (Some(_), ..) => Err((
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret \
                 value, not the client secret ID, for a secret added to app '{client_id}'."
            ),
        )),
        (None, Some(assertion), Some(application)) => {
            assertions::check(world, application, assertion, tenant, at)
        }
        (None, ..) => Err((
            7_000_218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."
                .to_owned(),
        )),
    }
}

fn no_such_application(client_id: &str, tenant: &str) -> String {
    format!(
        "Application with identifier '{client_id}' was not found in the directory '{tenant}'. This can happen if the \
         application has not been installed by the administrator of the tenant or consented to by any user in the \
         tenant. You may have sent your authentication request to the wrong tenant."
    )
}

/// The person's user, or the application's service principal, in that tenant.
fn subject(world: &mut World, request: &Request, client_id: &str, tenant: &str) -> Result<Subject, Reply> {
    let Some(known) = world.directory.tenant(tenant) else {
        return Err(refuse(world, request, 90002, &no_such_tenant(tenant)));
    };
    let Some(person) = world.directory.person(client_id) else {
        // The replica may not know it yet.
        let since = |created: Timestamp| request.at.duration_since(created);
        let principal = known.service_principal_of(client_id);
        let principal =
            principal.filter(|p| since(p.created) >= world.lags.application).map(|p| p.id.clone());
        return match principal {
            Some(object_id) => Ok(Subject { object_id, upn: None }),
            None => Err(refuse(world, request, 700_016, &no_such_application(client_id, tenant))),
        };
    };
    let account = known.user_by_mail(&person.mail);
    let usable = account.filter(|u| u.external.is_none_or(|state| state == ExternalState::Accepted));
    if let Some(user) = usable {
        let upn = if user.external.is_some() { user.mail.clone() } else { user.principal_name.clone() };
        return Ok(Subject { object_id: user.id.clone(), upn: Some(upn) });
    }
    // A pending invitation looks the same from outside as none.
    let text = format!(
        "User account '{}' from identity provider '{}' does not exist in tenant '{}' and cannot access the \
         application '{client_id}' in that tenant. The account needs to be added as an external user in the tenant \
         first. Sign out and sign in again with a different Azure Active Directory user account.",
        person.mail,
        tokens::issuer(&person.home),
        known.display_name,
    );
    Err(refuse(world, request, 50020, &text))
}

/// The resource of the requested token: `https://host//.default openid …`, or `resource` of version 1.
fn audience(
    world: &mut World,
    request: &Request,
    form: &Form,
    first_version: bool,
    tenant: &str,
) -> Result<String, Reply> {
    let asked =
        if first_version { form.get("resource") } else { form.get("scope") }.unwrap_or_default().to_owned();
    let resource = if first_version {
        Some(asked.as_str())
    } else {
        asked.split_whitespace().find_map(|scope| scope.strip_suffix("/.default"))
    };
    let Some(resource) = resource.filter(|r| !r.is_empty()) else {
        let text = format!(
            "The provided request must include a 'scope' input parameter. The scope '{asked}' is not valid: client \
             credentials need '<resource>/.default'."
        );
        return Err(refuse(world, request, 1_002_012, &text));
    };
    let known = [Service::Arm, Service::Graph].into_iter().any(|s| world.hosts.is_audience(resource, s));
    if known {
        return Ok(resource.to_owned());
    }
    let text = format!(
        "The resource principal named {resource} was not found in the tenant named {tenant}. This can happen if the \
         application has not been installed by the administrator of the tenant or consented to by any user in the \
         tenant. You might have sent your authentication request to the wrong tenant."
    );
    Err(refuse(world, request, 500_011, &text))
}

fn issue(
    world: &mut World,
    at: Timestamp,
    tenant: &str,
    client_id: &str,
    subject: Subject,
    audience: String,
    acrs: Vec<String>,
) -> Reply {
    let lifetime = world.lags.token.as_secs();
    let claims = Claims {
        aud: audience,
        iss: tokens::issuer(tenant),
        iat: at.as_second(),
        nbf: at.as_second(),
        exp: at.as_second().saturating_add(lifetime),
        appid: client_id.to_owned(),
        idtyp: if subject.upn.is_some() { "user" } else { "app" }.to_owned(),
        sub: subject.object_id.clone(),
        oid: subject.object_id,
        tid: tenant.to_owned(),
        upn: subject.upn,
        uti: world.draw().simple().to_string(),
        ver: "1.0".to_owned(),
        acrs,
    };
    Reply::ok(json!({
        "token_type": "Bearer",
        "expires_in": lifetime,
        "ext_expires_in": lifetime,
        "access_token": tokens::mint(world.token_key(), &claims),
    }))
}

/// The page of an invitation's link: GET changes nothing, its button accepts.
fn redeem_page(world: &mut World, request: &Request) -> Handled {
    let ticket = request.query("ticket").unwrap_or_default().to_owned();
    let found = world.directory.tenants.values().find_map(|tenant| {
        let user = tenant.users.values().find(|u| redeem_ticket(&tenant.id, &u.id) == ticket)?;
        Some((tenant.id.clone(), user.mail.clone(), tenant.display_name.clone()))
    });
    let Some((tenant, mail, name)) = found else {
        return Err(Reply::error(404, "NotFound", "no such invitation"));
    };
    let text = if request.method == http::Method::POST {
        world.redeem_at(&mail, Some(&tenant), request.at);
        format!("<p>{mail} is now a guest of {name}.</p>")
    } else {
        format!("<form method=\"post\"><p>{name} invites {mail}.</p><button>Accept</button></form>")
    };
    let bytes = format!("<!doctype html><title>Invitation</title>{text}").into();
    let body = Body::Other { content_type: "text/html; charset=utf-8", bytes };
    Ok(Reply { body, ..Reply::empty(200) }.changed(Change::None))
}

/// The ticket in a guest's redeem link.
pub(crate) fn redeem_ticket(tenant: &str, user: &str) -> String {
    format!("{tenant}_{user}")
}

#[cfg(test)]
mod tests;
