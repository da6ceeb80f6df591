//! A client for this crate's tests: signs in, sends requests, reads JSON. The test controls its clock.

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::faults::ConnectionFault;
use crate::world::{Answer, World};

pub(crate) const CENTRAL: &str = "11111111-0000-0000-0000-00000000000c";
pub(crate) const FABRIKAM: &str = "22222222-0000-0000-0000-00000000000f";
pub(crate) const CENTRAL_SUBSCRIPTION: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
pub(crate) const FABRIKAM_SUBSCRIPTION: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";
pub(crate) const FABRIKAM_GROUP: &str = "/providers/Microsoft.Management/managementGroups/mg-fabrikam";
pub(crate) const APP: &str = "33333333-0000-0000-0000-00000000000a";
pub(crate) const NINA: &str = "nina.network@contoso.example";
pub(crate) const NETWORK_CONTRIBUTOR: &str =
    "/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7";

/// A world, and a clock that only the test advances.
pub(crate) struct Trial {
    pub(crate) world: World,
    pub(crate) now: Timestamp,
}

/// A response.
#[derive(Debug)]
pub(crate) struct Got {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) answer: Answer,
}

impl Got {
    pub(crate) fn code(&self) -> &str {
        self.body.pointer("/error/code").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn text(&self, pointer: &str) -> &str {
        self.body.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn list(&self) -> &[Value] {
        self.body["value"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.answer.headers().get(name).and_then(|v| v.to_str().ok()).unwrap_or_default()
    }

    /// Status and error code, to compare both at once.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status, self.code())
    }
}

impl From<Answer> for Got {
    fn from(answer: Answer) -> Got {
        let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        Got { status: answer.status().as_u16(), body, answer }
    }
}

impl Trial {
    pub(crate) fn of(world: World) -> Trial {
        Trial { world, now: "2026-11-23T09:00:00Z".parse().unwrap() }
    }

    pub(crate) fn shipped() -> Trial {
        Trial::of(World::shipped().unwrap())
    }

    pub(crate) fn ready() -> Trial {
        Trial::of(World::ready().unwrap())
    }

    pub(crate) fn wait(&mut self, seconds: i64) {
        self.now = self.now.checked_add(SignedDuration::from_secs(seconds)).unwrap();
    }

    /// Sends a request unchanged.
    pub(crate) fn raw(
        &mut self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Result<Got, ConnectionFault> {
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        self.world.handle(request.body(body.into()).unwrap(), self.now).map(Got::from)
    }

    /// Requests a token with the client's own secret.
    pub(crate) fn ask_token(&mut self, client: &str, tenant: &str, scope: &str) -> Got {
        let sign_in = match self.world.sign_in(client, tenant) {
            Some(person) => person,
            None => self.world.application().unwrap(),
        };
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}",
            sign_in.client_id,
            sign_in.client_secret,
            crate::request::encode(scope)
        );
        let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
        self.raw("POST", &url, &[("content-type", "application/x-www-form-urlencoded")], form).unwrap()
    }

    /// An ARM token. `client` is an identity of the world, or `app` for its application.
    pub(crate) fn arm_token(&mut self, client: &str, tenant: &str) -> String {
        let got = self.ask_token(client, tenant, "https://management.azure.com//.default");
        match got.body["access_token"].as_str() {
            Some(token) => token.to_owned(),
            None => panic!("no token for {client} in {tenant}: {}", got.body),
        }
    }

    pub(crate) fn graph_token(&mut self, client: &str, tenant: &str) -> String {
        let got = self.ask_token(client, tenant, "https://graph.microsoft.com/.default");
        match got.body["access_token"].as_str() {
            Some(token) => token.to_owned(),
            None => panic!("no token for {client} in {tenant}: {}", got.body),
        }
    }

    /// Sends a request to ARM, with one token.
    pub(crate) fn arm(&mut self, token: &str, method: &str, path: &str, body: &Value) -> Got {
        self.arm_with(token, &[], method, path, body)
    }

    /// Sends a request to ARM, with auxiliary tokens.
    pub(crate) fn arm_with(
        &mut self,
        token: &str,
        auxiliary: &[&str],
        method: &str,
        path: &str,
        body: &Value,
    ) -> Got {
        let joint = if path.contains('?') { '&' } else { '?' };
        let url = if path.contains("api-version=") {
            format!("https://management.azure.com{path}")
        } else {
            format!("https://management.azure.com{path}{joint}api-version={}", version_of(path))
        };
        let bearer = format!("Bearer {token}");
        let auxiliary: Vec<String> = auxiliary.iter().map(|t| format!("Bearer {t}")).collect();
        let auxiliary = auxiliary.join(", ");
        let mut headers = vec![("authorization", bearer.as_str())];
        if !auxiliary.is_empty() {
            headers.push(("x-ms-authorization-auxiliary", auxiliary.as_str()));
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, &url, &headers, body).unwrap()
    }

    /// Sends a request to Graph v1.0; `path` begins after the version, and blanks in it are encoded here.
    pub(crate) fn graph(&mut self, token: &str, method: &str, path: &str, body: &Value) -> Got {
        let path = path.replace(' ', "%20").replace('#', "%23");
        let url = format!("https://graph.microsoft.com/v1.0{path}");
        let bearer = format!("Bearer {token}");
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, &url, &[("authorization", &bearer)], body).unwrap()
    }

    /// `/_sim/…`
    pub(crate) fn control(&mut self, method: &str, path: &str, body: &Value) -> Got {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.raw(method, &format!("https://management.azure.com/_sim/{path}"), &[], body).unwrap()
    }
}

/// An API version that the resource type at `path` supports.
fn version_of(path: &str) -> &'static str {
    let path = path.split('?').next().unwrap_or_default().to_ascii_lowercase();
    let (_, after) = path.rsplit_once("/providers/").unwrap_or_default();
    match after.split_once('/') {
        None | Some((_, "register" | "unregister")) => "2022-12-01",
        Some(("microsoft.network", "features")) => "2021-07-01",
        Some(("microsoft.network", _)) => "2024-10-01",
        Some(("microsoft.authorization", kind)) if kind.contains("scheduleinstances") => "2020-10-01",
        Some(("microsoft.authorization", kind)) if kind.starts_with("locks") => "2020-05-01",
        Some(("microsoft.authorization", kind)) if kind.starts_with("policyassignments") => "2024-05-01",
        Some(("microsoft.authorization", _)) => "2022-04-01",
        Some(("microsoft.management", _)) => "2023-04-01",
        Some(("microsoft.resourcegraph", _)) => "2024-04-01",
        Some(_) => "2022-12-01",
    }
}
