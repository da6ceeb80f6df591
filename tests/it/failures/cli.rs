//! The Azure CLI of the person behind `central` and `target`: it returns a cached token until five minutes before
//! the token expires, as MSAL does, and only a sign-in for the same scope replaces it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::Request;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use twinspan::InProcessWorld;
use twinspan_engine::{BoxFuture, Clock, VirtualClock};
use twinspan_steps::AzureCli;

use super::stage::{ARM, LOGIN};

#[derive(Clone)]
struct Kept {
    token: String,
    until: Timestamp,
}

pub(crate) struct SimulatedCli {
    world: Arc<InProcessWorld>,
    clock: Arc<VirtualClock>,
    /// By tenant and scope.
    kept: Mutex<BTreeMap<(String, String), Kept>>,
}

impl std::fmt::Debug for SimulatedCli {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimulatedCli")
    }
}

/// The value of an option.
fn option<'c>(command: &'c str, name: &str) -> Option<&'c str> {
    let mut words = command.split_whitespace();
    words.find(|word| *word == name)?;
    words.next()
}

/// Percent-encodes a form value.
fn encoded(value: &str) -> String {
    let letter = |byte: u8| {
        if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") }
    };
    value.bytes().map(letter).collect()
}

impl SimulatedCli {
    pub(crate) fn new(world: Arc<InProcessWorld>, clock: Arc<VirtualClock>) -> Self {
        SimulatedCli { world, clock, kept: Mutex::default() }
    }

    /// Performs the sign-ins in a line that a person types, separated by `&&`.
    pub(crate) fn types(&self, line: &str) {
        for command in line.split(" && ") {
            assert!(command.starts_with("az login --tenant "), "{command}");
            let tenant = option(command, "--tenant").unwrap();
            // Without the option, the CLI requests the scope of its cloud.
            let scope = option(command, "--scope").map_or(format!("{ARM}//.default"), str::to_owned);
            let claims = option(command, "--claims-challenge");
            let claims = claims.map(|claims| String::from_utf8(STANDARD.decode(claims).unwrap()).unwrap());
            self.signs_in(tenant, &scope, claims.as_deref())
                .unwrap_or_else(|refusal| panic!("{command}: {refusal}"));
        }
    }

    fn signs_in(&self, tenant: &str, scope: &str, claims: Option<&str>) -> Result<Kept, String> {
        let now = self.clock.now();
        let answer = self.world.with(|world| {
            let person = world.sign_in("central", tenant).unwrap();
            let mut fields = vec![
                ("grant_type", "client_credentials"),
                ("client_id", person.client_id.as_str()),
                ("client_secret", person.client_secret.as_str()),
                ("scope", scope),
            ];
            fields.extend(claims.map(|claims| ("claims", claims)));
            let form: Vec<String> =
                fields.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
            let request = Request::post(format!("{LOGIN}/{tenant}/oauth2/v2.0/token"))
                .header("content-type", "application/x-www-form-urlencoded")
                .body(Bytes::from(form.join("&")))
                .unwrap();
            world.handle(request, now).unwrap()
        });
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        let Some(token) = answer["access_token"].as_str() else {
            return Err(format!("ERROR: {}", answer["error_description"].as_str().unwrap_or_default()));
        };
        let life = SignedDuration::from_secs(answer["expires_in"].as_i64().unwrap());
        let kept = Kept { token: token.to_owned(), until: now.saturating_add(life).unwrap() };
        self.kept.lock().unwrap().insert((tenant.to_owned(), scope.to_owned()), kept.clone());
        Ok(kept)
    }

    fn gives(&self, command: &str) -> Result<String, String> {
        if command.starts_with("az account list ") {
            let user = json!({ "name": "nina.network@contoso.example", "type": "user" });
            return Ok(json!([{ "isDefault": true, "user": user }]).to_string());
        }
        assert!(command.starts_with("az account get-access-token "), "{command}");
        let (tenant, scope) = (option(command, "--tenant").unwrap(), option(command, "--scope").unwrap());
        let kept = self.kept.lock().unwrap().get(&(tenant.to_owned(), scope.to_owned())).cloned();
        let early = SignedDuration::from_mins(5);
        let kept = match kept.filter(|kept| kept.until.duration_since(self.clock.now()) > early) {
            Some(kept) => kept,
            None => self.signs_in(tenant, scope, None)?,
        };
        Ok(json!({ "accessToken": kept.token, "expires_on": kept.until.as_second(), "tokenType": "Bearer" })
            .to_string())
    }
}

impl AzureCli for SimulatedCli {
    fn run<'a>(&'a self, command: &'a str) -> BoxFuture<'a, Result<String, String>> {
        Box::pin(async move { self.gives(command) })
    }
}
