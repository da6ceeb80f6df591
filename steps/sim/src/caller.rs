//! The sender of a request, from its tokens.

use jiff::Timestamp;

use crate::reply::Reply;
use crate::request::Request;
use crate::service::Service;
use crate::tokens::Bad;
use crate::world::World;

/// The kinds of principals that can have roles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalKind {
    User,
    ServicePrincipal,
}

/// The holder of one token.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// Tenant that issued the token; lower case.
    pub(crate) tenant: String,
    /// Object id in that tenant; lower case.
    pub(crate) object_id: String,
    /// Its name in error messages: sign-in name or application id.
    pub(crate) name: String,
    pub(crate) kind: PrincipalKind,
    pub(crate) issued: Timestamp,
    /// Whether it signed in with a second factor on request.
    pub(crate) stepped_up: bool,
}

/// The holders of the token in `Authorization` and of the auxiliary tokens, all valid.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) holder: Holder,
    pub(crate) auxiliary: Vec<Holder>,
}

impl Caller {
    /// The caller's holder in that tenant: from its own token, or from an auxiliary one.
    pub(crate) fn in_tenant(&self, tenant: &str) -> Option<&Holder> {
        std::iter::once(&self.holder).chain(&self.auxiliary).find(|h| h.tenant.eq_ignore_ascii_case(tenant))
    }
}

/// Most auxiliary tokens that a request may have.
const MOST_AUXILIARY: usize = 3;

/// The sender of a request to ARM; 401 unless its own token and all auxiliary ones are valid, even if they are
/// not needed.
pub(crate) fn of_arm_request(world: &World, request: &Request) -> Result<Caller, Reply> {
    let Some(token) = request.header("authorization").and_then(bearer) else {
        return Err(Reply::gateway_error(
            401,
            "AuthenticationFailed",
            "Authentication failed. The 'Authorization' header is missing.",
        )
        .with("www-authenticate", &challenge(world, request)));
    };
    let claims = world.verify(token, Service::Arm, request).map_err(|bad| {
        let (code, text) = arm_problem(&bad, "access token");
        Reply::gateway_error(401, code, &text).with("www-authenticate", &challenge(world, request))
    })?;
    let given: Vec<&str> = request
        .headers
        .get_all("x-ms-authorization-auxiliary")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect();
    if given.len() > MOST_AUXILIARY {
        let text = format!("The request has {} auxiliary tokens; at most 3 are supported.", given.len());
        return Err(Reply::gateway_error(401, "InvalidAuthenticationToken", &text));
    }
    let mut auxiliary = Vec::new();
    for part in given {
        let verified = match bearer(part) {
            Some(token) => world.verify(token, Service::Arm, request),
            None => Err(Bad::Malformed),
        };
        let claims = verified.map_err(|bad| {
            let (code, text) = arm_problem(&bad, "auxiliary token");
            Reply::gateway_error(401, code, &text)
        })?;
        auxiliary.push(claims.holder());
    }
    Ok(Caller { holder: claims.holder(), auxiliary })
}

/// The sender of a request to Graph.
pub(crate) fn of_graph_request(world: &World, request: &Request) -> Result<Holder, Reply> {
    let refused = |text: &str| crate::graph::error(request, 401, "InvalidAuthenticationToken", text);
    let token =
        request.header("authorization").and_then(bearer).ok_or_else(|| refused("Access token is empty."))?;
    match world.verify(token, Service::Graph, request) {
        Ok(claims) => Ok(claims.holder()),
        Err(Bad::Malformed) => Err(refused("IDX14100: JWT is not well formed or its signature is invalid.")),
        Err(Bad::Expired(_)) => Err(refused("Lifetime validation failed, the token is expired.")),
        Err(Bad::Audience(_)) => Err(refused("Access token validation failure. Invalid audience.")),
    }
}

fn bearer(value: &str) -> Option<&str> {
    let (scheme, token) = value.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Code and text for an invalid token; an expired one is named with its application and tenant.
fn arm_problem(bad: &Bad, what: &str) -> (&'static str, String) {
    match bad {
        Bad::Malformed => (
            "InvalidAuthenticationToken",
            format!("The {what} is invalid: its signature could not be validated."),
        ),
        Bad::Expired(claims) => (
            "ExpiredAuthenticationToken",
            format!(
                "The {what} of client '{}' in tenant '{}' is expired: its expiry UTC time is earlier than the current \
                 UTC time.",
                claims.appid, claims.tid
            ),
        ),
        Bad::Audience(claims) => (
            "InvalidAuthenticationTokenAudience",
            format!("The {what} has been obtained for wrong audience or resource '{}'.", claims.aud),
        ),
    }
}

/// The challenge of a 401. It states the tenant of the subscription, even without a token.
pub(crate) fn challenge(world: &World, request: &Request) -> String {
    let tenant = world.hierarchy.tenant_of(&request.path).unwrap_or("common");
    format!(
        "Bearer authorization_uri=\"https://login.windows.net/{tenant}\", error=\"invalid_token\", \
         error_description=\"The authentication failed because of missing or bad 'Authorization' header.\""
    )
}
