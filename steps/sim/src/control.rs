//! Control of the world over HTTP, on ARM's host below `/_sim/`: plain JSON, without tokens or faults, not recorded
//! in the ledger.

use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::faults::Fault;
use crate::lags::Lags;
use crate::lies::Lie;
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::throttling::Rates;
use crate::world::World;

/// `/_sim/…`
pub(crate) fn handle(world: &mut World, request: &Request) -> Handled {
    match (request.method.as_str(), request.path.trim_end_matches('/')) {
        ("GET", "/_sim/ledger") => Ok(Reply::ok(json!({ "effects": world.effects() }))),
        ("GET", "/_sim/requests") => Ok(Reply::ok(json!({ "requests": world.requests() }))),
        ("GET", "/_sim/in-flight") => Ok(Reply::ok(json!({ "requests": world.in_flight() }))),
        ("GET", "/_sim/state") => Ok(state(world, request)),
        ("GET", "/_sim/mails") => Ok(mails(world)),
        ("POST", "/_sim/redeem") => redeem(world, request),
        ("GET", "/_sim/faults") => Ok(Reply::ok(json!({ "faults": world.faults() }))),
        ("POST", "/_sim/faults") => {
            let faults: Vec<Fault> = read(request)?;
            if let Some(problem) = faults.iter().find_map(Fault::problem) {
                return Err(bad(&problem));
            }
            world.add_faults(faults);
            Ok(Reply::ok(json!({ "faults": world.faults() })))
        }
        ("DELETE", "/_sim/faults") => {
            world.clear_faults();
            Ok(Reply::ok(json!({ "faults": [] })))
        }
        ("GET", "/_sim/clock") => Ok(clock(world, request)),
        ("POST", "/_sim/clock") => {
            let by = request.json()?.get("advance").and_then(Value::as_str).map(str::parse::<SignedDuration>);
            match by {
                Some(Ok(by)) if !by.is_negative() => world.advance(by),
                _ => return Err(bad("'advance' must be a duration such as \"10m\"")),
            }
            Ok(clock(world, request))
        }
        ("GET", "/_sim/lies") => Ok(lies(world)),
        ("POST", "/_sim/lies") => {
            let told: std::collections::BTreeMap<Lie, bool> = read(request)?;
            for (lie, on) in told {
                world.set_lie(lie, on);
            }
            Ok(lies(world))
        }
        ("GET", "/_sim/lags") => Ok(Reply::ok(json!(world.lags()))),
        ("POST", "/_sim/lags") => {
            let lags: Lags = read(request)?;
            world.set_lags(lags);
            Ok(Reply::ok(json!(world.lags())))
        }
        ("POST", "/_sim/deployment-failures") => {
            let told: std::collections::BTreeMap<String, Option<String>> = read(request)?;
            for (region, message) in told {
                world.fail_deployments(&region, message.as_deref());
            }
            Ok(Reply::ok(json!({})))
        }
        ("GET", "/_sim/rates") => Ok(Reply::ok(json!(world.buckets.rates))),
        ("POST", "/_sim/rates") => {
            let rates: Rates = read(request)?;
            world.set_rates(rates);
            Ok(Reply::ok(json!(world.buckets.rates)))
        }
        ("POST", "/_sim/barriers") => barrier(world, request),
        ("POST", "/_sim/certificates") => certificate(world, request),
        ("POST", "/_sim/federated-tokens") => federated_token(world, request),
        _ => Err(Reply::error(
            404,
            "NotFound",
            &format!("no such control: {} {}", request.method, request.path),
        )),
    }
}

fn bad(message: &str) -> Reply {
    Reply::error(400, "BadRequest", message)
}

fn read<T: serde::de::DeserializeOwned>(request: &Request) -> Result<T, Reply> {
    serde_json::from_slice(&request.body).map_err(|error| bad(&error.to_string()))
}

/// The current state, including effects that are due but that no request has triggered yet.
fn state(world: &mut World, request: &Request) -> Reply {
    crate::network::settle(world, request.at);
    Reply::ok(world.snapshot())
}

/// Every invitation mail.
fn mails(world: &World) -> Reply {
    let mails = world.directory.mails.iter();
    let mails = mails.map(|m| json!({ "at": m.at, "tenant": m.tenant, "to": m.to }));
    Reply::ok(json!({ "mails": mails.collect::<Vec<_>>() }))
}

fn clock(world: &mut World, request: &Request) -> Reply {
    let now = world.time_of(request);
    Reply::ok(json!({ "now": now.to_string(), "advanced": world.advanced() }))
}

fn lies(world: &World) -> Reply {
    let told: serde_json::Map<String, Value> =
        Lie::ALL.iter().map(|lie| (lie.name().to_owned(), json!(world.tells(*lie)))).collect();
    Reply::ok(Value::Object(told))
}

/// `{"email"}`, optionally `{"tenant"}`: the person accepts the invitation.
fn redeem(world: &mut World, request: &Request) -> Handled {
    let body = request.json()?;
    let Some(email) = body.get("email").and_then(Value::as_str) else {
        return Err(bad("'email' is missing"));
    };
    let tenant = body.get("tenant").and_then(Value::as_str);
    let tenants = world.redeem_at(email, tenant, request.at);
    if tenants.is_empty() {
        return Err(Reply::error(404, "NotFound", &format!("{email} has no invitation to accept")));
    }
    Ok(Reply::ok(json!({ "email": email, "tenants": tenants })))
}

/// `{"identity" or "client_id", "tenant", "code"}`: refuses sign-in with this AADSTS code; `null` ends that.
fn barrier(world: &mut World, request: &Request) -> Handled {
    let body = request.json()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let Some(tenant) = text("tenant") else { return Err(bad("'tenant' is missing")) };
    let by_name = text("identity").and_then(|i| world.directory.person_for(i, Some(tenant)));
    let client_id = by_name.map(|p| p.client_id.clone()).or_else(|| text("client_id").map(str::to_owned));
    let Some(client_id) = client_id else {
        return Err(bad("'identity' or 'client_id' is missing or unknown"));
    };
    let code = body.get("code").and_then(Value::as_u64).and_then(|c| u32::try_from(c).ok());
    world.set_barrier(&client_id, tenant, code);
    Ok(Reply::ok(json!({ "client_id": client_id, "tenant": tenant, "code": code })))
}

/// `{"client_id"}`: creates a certificate for that application, registers it, and returns it with its key.
fn certificate(world: &mut World, request: &Request) -> Handled {
    let body = request.json()?;
    let Some(client_id) = body.get("client_id").and_then(Value::as_str) else {
        return Err(bad("'client_id' is missing"));
    };
    let pem = world.new_certificate(client_id, request.arrived).map_err(|error| bad(&error.to_string()))?;
    Ok(Reply::ok(json!({ "client_id": client_id, "pem": pem })))
}

/// `{"issuer", "subject"}`, optionally `{"audience"}`: returns a token of that issuer for that subject. With
/// `{"client_id"}` the application trusts such tokens from now on.
fn federated_token(world: &mut World, request: &Request) -> Handled {
    let body = request.json()?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(issuer), Some(subject)) = (text("issuer"), text("subject")) else {
        return Err(bad("'issuer' or 'subject' is missing"));
    };
    let audience = text("audience").unwrap_or("api://AzureADTokenExchange");
    if let Some(client_id) = text("client_id")
        && !world.trust_issuer(client_id, issuer, subject, audience)
    {
        return Err(bad(&format!("there is no application '{client_id}'")));
    }
    let token = world.federated_token(issuer, subject, audience, request.arrived);
    Ok(Reply::ok(json!({ "token": token })))
}

#[cfg(test)]
mod tests;
