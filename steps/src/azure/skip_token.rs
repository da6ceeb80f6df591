//! Pages of lists that are read with POST: the position of the next page is a token in the body, not a link.

use std::collections::BTreeSet;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use twinspan_engine::{FailureClass, StepError};

use super::arm::Arm;

/// More pages than any of these lists has.
const MOST_PAGES: usize = 5_000;

/// API version of Resource Graph.
const RESOURCE_GRAPH_API: &str = "2024-04-01";

/// One page. `value` is required: a response without it is not an empty list.
#[derive(Deserialize)]
struct Page<T> {
    value: Vec<T>,
    #[serde(default, rename = "skipToken")]
    next: Option<String>,
}

/// One page of Resource Graph.
#[derive(Deserialize)]
struct Rows<T> {
    data: Vec<T>,
    #[serde(default, rename = "$skipToken")]
    next: Option<String>,
}

/// The tokens followed so far.
#[derive(Default)]
struct Followed(BTreeSet<String>);

impl Followed {
    /// The token of the next page; `None` after the last one.
    fn next(&mut self, token: Option<String>) -> Result<Option<String>, StepError> {
        let Some(token) = token.filter(|token| !token.is_empty()) else { return Ok(None) };
        if !self.0.insert(token.clone()) || self.0.len() > MOST_PAGES {
            let what = format!("the pages of a list do not end (after {})", self.0.len());
            return Err(StepError::new(FailureClass::Transient, what));
        }
        Ok(Some(token))
    }
}

impl Arm<'_> {
    /// POST that reads a list, all pages. `asked`: the fields of the request body.
    pub(crate) async fn query_list<T: DeserializeOwned>(
        &self,
        path: &str,
        api: &str,
        asked: &[(&str, Value)],
    ) -> Result<Vec<T>, StepError> {
        let mut body: Map<String, Value> =
            asked.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let (mut all, mut followed) = (Vec::new(), Followed::default());
        loop {
            let page: Page<T> = self.query(path, api, &body).await?;
            all.extend(page.value);
            match followed.next(page.next)? {
                Some(token) => body.insert("skipToken".to_owned(), json!(token)),
                None => return Ok(all),
            };
        }
    }

    /// Queries Azure Resource Graph about these subscriptions, all pages. The result contains what this identity may
    /// read in its own tenant, and lags behind recent changes.
    pub(crate) async fn resource_graph<T: DeserializeOwned>(
        &self,
        subscriptions: &[String],
        query: &str,
    ) -> Result<Vec<T>, StepError> {
        let mut options = json!({ "resultFormat": "objectArray" });
        let (mut all, mut followed) = (Vec::new(), Followed::default());
        loop {
            let body = json!({ "subscriptions": subscriptions, "query": query, "options": options });
            let rows: Rows<T> =
                self.query("/providers/Microsoft.ResourceGraph/resources", RESOURCE_GRAPH_API, &body).await?;
            all.extend(rows.data);
            match followed.next(rows.next)? {
                Some(token) => options["$skipToken"] = json!(token),
                None => return Ok(all),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::azure::scripted::Bench;
    use twinspan_engine::{AttemptLog, Phase};

    const PATH: &str = "/subscriptions/s/listDeploymentStatus";

    #[tokio::test]
    async fn pages_are_followed_by_the_token_in_the_body() {
        let bench = Bench::new();
        let goal = |region: &str| json!({ "region": region, "deploymentType": "Connectivity" });
        bench.script.answer(200, &json!({ "value": [goal("a"), goal("b")], "skipToken": "2" }));
        bench.script.answer(200, &json!({ "value": [goal("c")], "skipToken": "" }));
        let log = AttemptLog::new(Phase::Probe);
        let cx = bench.cx(Phase::Probe, &log);
        let arm = bench.azure.arm(&cx, &bench.central);
        let all: Vec<Value> = arm.query_list(PATH, "1", &[("regions", json!(["westeurope"]))]).await.unwrap();
        assert_eq!(all, ["a", "b", "c"].map(goal));
        let bodies: Vec<Value> = bench.script.requests().into_iter().map(|seen| seen.body).collect();
        let regions = json!({ "regions": ["westeurope"] });
        assert_eq!(bodies, [regions.clone(), json!({ "regions": ["westeurope"], "skipToken": "2" })]);
        bench.script.answer(200, &json!({ "value": [], "skipToken": "same" }));
        bench.script.answer(200, &json!({ "value": [], "skipToken": "same" }));
        let error = arm.query_list::<Value>(PATH, "1", &[]).await.unwrap_err();
        assert!(error.message.contains("do not end"), "{error}");
    }

    #[tokio::test]
    async fn resource_graph_goes_on_by_its_own_token() {
        let bench = Bench::new();
        bench.script.answer(200, &json!({ "count": 1, "data": [{ "id": "1" }], "$skipToken": "next" }));
        bench.script.answer(200, &json!({ "count": 1, "data": [{ "id": "2" }], "resultTruncated": "false" }));
        let log = AttemptLog::new(Phase::Probe);
        let cx = bench.cx(Phase::Probe, &log);
        let arm = bench.azure.arm(&cx, &bench.target);
        let rows: Vec<Value> = arm.resource_graph(&["s".to_owned()], "networkresources").await.unwrap();
        assert_eq!(rows, [json!({ "id": "1" }), json!({ "id": "2" })]);
        let bodies: Vec<Value> = bench.script.requests().into_iter().map(|seen| seen.body).collect();
        assert_eq!(bodies[0]["subscriptions"], json!(["s"]));
        assert_eq!(bodies[0]["options"], json!({ "resultFormat": "objectArray" }));
        assert_eq!(bodies[1]["options"]["$skipToken"], "next");
    }
}
