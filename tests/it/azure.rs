//! `twinspan sim` in a process of its own, and its control endpoints.

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};

use crate::program::{Ended, Home, wait_for};

/// A running simulated Azure.
pub(crate) struct Azure {
    pub(crate) ready: Value,
    client: reqwest::Client,
    runtime: tokio::runtime::Runtime,
    _child: Ended,
    home: Home,
}

/// One write that the simulator carried out.
#[derive(Clone, Debug)]
pub(crate) struct Effect {
    pub(crate) path: String,
    pub(crate) change: String,
}

/// One request that the simulator received, reads included.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// In lower case.
    pub(crate) path: String,
}

/// A slow request that has arrived and has no response yet.
#[derive(Clone, Debug)]
pub(crate) struct InFlight {
    /// In lower case.
    pub(crate) path: String,
    /// Only its response is missing.
    pub(crate) done: bool,
}

impl Azure {
    pub(crate) fn start(arguments: &[&str]) -> Azure {
        let home = Home::new();
        let ready_file = home.path().join("ready.json");
        let mut all = vec!["sim", "--listen", "127.0.0.1:0", "--ready", ready_file.to_str().unwrap()];
        all.extend(["--configure", "configured"]);
        all.extend(arguments);
        let child = home.command(&all).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap();
        let mut child = Ended(child);
        let text = wait_for("the simulator's ready file", Duration::from_secs(30), || {
            if let Some(status) = child.0.try_wait().unwrap() {
                panic!("the simulator ended with {status}");
            }
            fs::read_to_string(&ready_file).ok()
        });
        let ready: Value = serde_json::from_str(&text).unwrap();
        let root = fs::read(ready["ca_file"].as_str().unwrap()).unwrap();
        let client = reqwest::Client::builder()
            .tls_certs_merge([reqwest::Certificate::from_pem(&root).unwrap()])
            .build()
            .unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Azure { ready, client, runtime, _child: child, home }
    }

    pub(crate) fn get(&self, path: &str) -> Value {
        let url = format!("{}{path}", self.ready["arm"].as_str().unwrap());
        self.runtime.block_on(async {
            let answer = self.client.get(url).send().await.unwrap().error_for_status().unwrap();
            answer.json().await.unwrap()
        })
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Value {
        let url = format!("{}{path}", self.ready["arm"].as_str().unwrap());
        self.runtime.block_on(async {
            let answer = self.client.post(url).json(body).send().await.unwrap().error_for_status().unwrap();
            let bytes = answer.bytes().await.unwrap();
            serde_json::from_slice(&bytes).unwrap_or(Value::Null)
        })
    }

    /// A token for Azure Resource Manager, of an identity of the ready file or of the application (`None`).
    pub(crate) fn token(&self, identity: Option<&str>, tenant: &str) -> String {
        self.token_for("arm", identity, tenant)
    }

    /// A token for a service of the ready file: `arm`, `graph`.
    pub(crate) fn token_for(&self, service: &str, identity: Option<&str>, tenant: &str) -> String {
        let who = identity.map_or(&self.ready, |name| &self.ready["identities"][name]);
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={}/.default",
            who["client_id"].as_str().unwrap(),
            who["client_secret"].as_str().unwrap(),
            self.ready[service].as_str().unwrap(),
        );
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.ready["login"].as_str().unwrap());
        self.runtime.block_on(async {
            let request = self.client.post(url).header("content-type", "application/x-www-form-urlencoded");
            let answer = request.body(form).send().await.unwrap().error_for_status().unwrap();
            let answer: Value = answer.json().await.unwrap();
            answer["access_token"].as_str().unwrap().to_owned()
        })
    }

    /// A request to Azure Resource Manager, as the holder of `token`.
    pub(crate) fn arm(&self, token: &str, method: &str, path: &str, body: Option<&Value>) -> Value {
        self.send("arm", token, None, method, path, body)
    }

    /// A request to a service of the ready file, as the holder of `token`; optionally with an auxiliary token.
    pub(crate) fn send(
        &self,
        service: &str,
        token: &str,
        auxiliary: Option<&str>,
        method: &str,
        path: &str,
        body: Option<&Value>,
    ) -> Value {
        let url = format!("{}{path}", self.ready[service].as_str().unwrap());
        self.runtime.block_on(async {
            let mut request = self.client.request(method.parse().unwrap(), url).bearer_auth(token);
            if let Some(auxiliary) = auxiliary {
                request = request.header("x-ms-authorization-auxiliary", format!("Bearer {auxiliary}"));
            }
            if let Some(body) = body {
                request = request.json(body);
            }
            let answer = request.send().await.unwrap().error_for_status().unwrap();
            let bytes = answer.bytes().await.unwrap();
            serde_json::from_slice(&bytes).unwrap_or(Value::Null)
        })
    }

    pub(crate) fn redeem(&self, email: &str) {
        self.post("/_sim/redeem", &json!({ "email": email }));
    }

    pub(crate) fn advance(&self, by: &str) {
        self.post("/_sim/clock", &json!({ "advance": by }));
    }

    pub(crate) fn ledger(&self) -> Vec<Effect> {
        let ledger = self.get("/_sim/ledger");
        let text = |effect: &Value, key: &str| effect[key].as_str().unwrap_or_default().to_owned();
        let effects = ledger["effects"].as_array().unwrap().iter();
        effects.map(|effect| Effect { path: text(effect, "path"), change: text(effect, "change") }).collect()
    }

    /// Every request so far, except for tokens.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let all = self.get("/_sim/requests");
        let all = all["requests"].as_array().unwrap().iter().map(|request| Request {
            method: request["method"].as_str().unwrap().to_owned(),
            path: request["path"].as_str().unwrap().to_lowercase(),
        });
        all.filter(|request| !request.path.ends_with("/token")).collect()
    }

    pub(crate) fn in_flight(&self) -> Vec<InFlight> {
        let all = self.get("/_sim/in-flight");
        let all = all["requests"].as_array().unwrap().iter().map(|request| InFlight {
            path: request["path"].as_str().unwrap().to_lowercase(),
            done: request["done"].as_bool().unwrap(),
        });
        all.collect()
    }

    /// Returns when every slow request has its response.
    pub(crate) fn drained(&self) {
        wait_for("slow requests to end", Duration::from_secs(30), || {
            self.in_flight().is_empty().then_some(())
        });
    }

    /// Replaces all faults by these.
    pub(crate) fn set_faults(&self, faults: &Value) {
        self.delete("/_sim/faults");
        self.post("/_sim/faults", faults);
    }

    /// Removes all delays except those that faults add.
    pub(crate) fn without_lags(&self) {
        let none = json!({ "connected": "0s", "member": "0s", "principal": "0s", "principal_untyped": "0s", "role": "0s" });
        self.post("/_sim/lags", &none);
    }

    fn delete(&self, path: &str) {
        let url = format!("{}{path}", self.ready["arm"].as_str().unwrap());
        self.runtime.block_on(async {
            self.client.delete(url).send().await.unwrap().error_for_status().unwrap();
        });
    }

    /// How often each resource was created, by lower-case path (an invitation by its own path too).
    pub(crate) fn created(&self) -> BTreeMap<String, usize> {
        let mut created = BTreeMap::new();
        for effect in self.ledger() {
            if effect.change == "created" {
                *created.entry(effect.path.to_lowercase()).or_default() += 1;
            }
        }
        created
    }

    /// What `sim --configure` wrote: a `twinspan.toml` that points every identity of the shipped plans at this
    /// simulator.
    pub(crate) fn configuration(&self) -> String {
        fs::read_to_string(self.home.path().join("configured/twinspan.toml")).unwrap()
    }

    /// The section `[cloud]` that leads to this simulator. A JSON string is a TOML string, too.
    pub(crate) fn cloud(&self) -> String {
        let ready = &self.ready;
        format!(
            "[cloud]\nname = \"custom\"\narm = {}\nlogin = {}\ngraph = {}\nroot_certificate = {}\n",
            ready["arm"], ready["login"], ready["graph"], ready["ca_file"]
        )
    }

    /// A user's folder that is configured for this simulator.
    pub(crate) fn home(&self) -> Home {
        self.home_without("")
    }

    /// The same, without a credential for the named identity.
    pub(crate) fn home_without(&self, absent: &str) -> Home {
        let home = Home::new();
        let entry = format!("[identities.{absent}]\ncredential = \"client-secret\"");
        let none = format!("[identities.{absent}]\ncredential = \"none\"");
        home.write("twinspan.toml", self.configuration().replace(&entry, &none));
        for name in self.ready["identities"].as_object().unwrap().keys() {
            let secret = format!("{name}.secret");
            fs::copy(self.home.path().join("configured").join(&secret), home.path().join(&secret)).unwrap();
        }
        home
    }
}
