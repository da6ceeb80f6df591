//! Long-running operations of accepted writes. Their URLs are signed, change and may be broken, so they are kept in memory
//! only. They prove nothing; only a read of the resource does. But if that read does not show the accepted change, the
//! operation may say why.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use azure_core::http::Url;
use http::{HeaderMap, Method};
use serde_json::Value;
use twinspan_engine::{Phase, RunId, StepError, StepKey};

use super::caller::{Answer, Call, Caller};
use super::cloud::Service;

/// The latest operation of each step of this process; unknown after a crash.
#[derive(Default)]
pub(crate) struct Operations(Mutex<BTreeMap<(RunId, StepKey), Operation>>);

#[derive(Clone, Debug)]
enum Operation {
    /// Not polled yet, or still running at the last poll.
    Underway(Url),
    /// Failed, so it is not polled again; with the number of times that the error was returned.
    Failed(Box<StepError>, u32),
}

/// More than the number of checks that the engine makes after an accepted write. After an uncertain write the engine makes
/// more, and must then see that the resource is absent.
const MOST_TOLD: u32 = 30;

impl Operations {
    /// Replaces the operation of the step after a write was accepted.
    fn began(&self, run: RunId, step: &StepKey, operation: Option<Url>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match operation {
            Some(url) => all.insert((run, step.clone()), Operation::Underway(url)),
            None => all.remove(&(run, step.clone())),
        };
    }

    fn of(&self, run: RunId, step: &StepKey) -> Option<Operation> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&(run, step.clone())).cloned()
    }

    fn set(&self, run: RunId, step: &StepKey, operation: Operation) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((run, step.clone()), operation);
    }
}

/// The URL of the operation of an accepted write.
fn address(headers: &HeaderMap) -> Option<Url> {
    ["azure-asyncoperation", "location"]
        .iter()
        .find_map(|name| headers.get(*name)?.to_str().ok()?.parse().ok())
}

/// The HTTP status for an error code, because an operation returns only the code.
fn status_of(code: &str) -> u16 {
    match code {
        "AuthorizationFailed"
        | "LinkedAuthorizationFailed"
        | "RequestDisallowedByPolicy"
        | "RequestDisallowedByAzure" => 403,
        "AnotherOperationInProgress"
        | "RetryableError"
        | "ReferencedResourceNotProvisioned"
        | "ScopeLocked" => 409,
        "InternalServerError" | "InternalError" | "ServiceUnavailable" | "GatewayTimeout" => 500,
        _ => 400,
    }
}

impl Caller<'_> {
    /// Forgets the operation: a write begins, or its response is not conclusive.
    pub(super) fn forget_operation(&self) {
        self.azure.operations.began(self.cx.run, self.cx.step, None);
    }

    /// Records the operation of the PUT that just succeeded. Other operations are not polled: a delete is proven by absence,
    /// and a commit by the list of deployments (the operation URL of a commit has been seen not to work).
    pub(super) fn note_operation(&self, call: &Call, answer: &Answer) {
        if self.cx.phase == Phase::Apply && call.verb == Method::PUT && answer.succeeded() {
            let url = address(&answer.headers).filter(|url| self.azure.cloud.owns(Service::Arm, url));
            self.azure.operations.began(self.cx.run, self.cx.step, url);
        }
    }

    /// The error of the operation of this step's write, if it has failed. Polls once in each check; if the poll fails, nothing
    /// is concluded.
    pub(super) async fn failed_operation(&self) -> Option<StepError> {
        if self.cx.phase != Phase::Verify {
            return None;
        }
        let url = match self.azure.operations.of(self.cx.run, self.cx.step)? {
            Operation::Underway(url) => url,
            Operation::Failed(_, told) if told >= MOST_TOLD => return None,
            Operation::Failed(error, told) => {
                let again = Operation::Failed(error.clone(), told + 1);
                self.azure.operations.set(self.cx.run, self.cx.step, again);
                return Some(*error);
            }
        };
        let call = Call::read(Service::Arm, Method::GET, url);
        let mut answer = self.send(&call).await.ok()?;
        answer.status = match answer.status {
            // The operation has succeeded, or the parent of its URL is deleted: there is nothing more to learn.
            204 | 404 => {
                self.forget_operation();
                return None;
            }
            202 => {
                // Each poll returns a new URL.
                if let Some(next) =
                    address(&answer.headers).filter(|url| self.azure.cloud.owns(Service::Arm, url))
                {
                    self.azure.operations.set(self.cx.run, self.cx.step, Operation::Underway(next));
                }
                return None;
            }
            200..300 => {
                let body = answer.json.as_deref()?;
                let ended = body.get("status").and_then(Value::as_str)?;
                if !["Failed", "Canceled"].iter().any(|word| ended.eq_ignore_ascii_case(word)) {
                    return None;
                }
                status_of(body.pointer("/error/code").and_then(Value::as_str).unwrap_or_default())
            }
            // This response is about the poll, not about the operation.
            401 | 403 | 408 | 429 => return None,
            other => other,
        };
        let mut error = self.refused(&call, &answer).ok()?;
        error.message = format!("accepted, and failed afterwards: {}", error.message);
        self.azure.operations.set(self.cx.run, self.cx.step, Operation::Failed(Box::new(error.clone()), 1));
        Some(error)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use twinspan_engine::{AttemptLog, FailureClass};

    use super::super::scripted::Bench;
    use super::*;

    const PATH: &str = "/subscriptions/s/x";

    /// A write returns 202 with an operation URL, and a read finds nothing.
    fn accepted_and_absent(bench: &Bench) {
        let header = ("location", "https://management.azure.com/subscriptions/s/operations/1");
        bench
            .script
            .answer_with(202, &[header], "")
            .answer(404, &json!({ "error": { "code": "NotFound", "message": "" } }));
    }

    /// A PUT with 202 and this header, then checks of this phase of a resource that does not exist; `answers` are the
    /// operation's responses.
    async fn looked(
        header: (&str, &str),
        answers: &[(u16, Value)],
        looks: usize,
    ) -> (Vec<Option<StepError>>, Vec<String>) {
        let bench = Bench::new();
        bench.script.answer_with(202, &[header], "");
        let absent = json!({ "error": { "code": "ResourceNotFound", "message": "Not found." } });
        let mut answers = answers.iter();
        for _ in 0..looks {
            bench.script.answer(404, &absent);
            if let Some((status, body)) = answers.next() {
                bench.script.answer(*status, body);
            }
        }
        let (put, _) = bench.put().await;
        put.unwrap();
        let mut seen = Vec::new();
        for _ in 0..looks {
            let log = AttemptLog::new(Phase::Verify);
            let cx = bench.cx(Phase::Verify, &log);
            let look: Result<Option<Value>, StepError> =
                bench.azure.arm(&cx, &bench.central).get(PATH, "1").await;
            seen.push(look.err());
        }
        let asked = bench.script.requests().into_iter().map(|request| request.address).collect();
        (seen, asked)
    }

    #[tokio::test]
    async fn the_operations_own_words_are_told_and_asked_for_once() {
        let url = "https://management.azure.com/subscriptions/s/operations/1?t=1&s=signature";
        let failed = json!({ "status": "Failed", "error": { "code": "InUseSubnet", "message": "The subnet is in use." } });
        for header in [("azure-asyncoperation", url), ("location", url)] {
            let answers =
                [(202, json!(null)), (200, json!({ "status": "InProgress" })), (200, failed.clone())];
            let (seen, asked) = looked(header, &answers, 5).await;
            assert!(seen[0].is_none() && seen[1].is_none(), "it goes on: {seen:?}");
            let error = seen[2].as_ref().unwrap();
            assert_eq!((error.class, error.code.as_deref()), (FailureClass::PlanWrong, Some("InUseSubnet")));
            assert!(
                error
                    .message
                    .starts_with("accepted, and failed afterwards: GET /subscriptions/s/operations/1")
            );
            assert!(
                error.message.ends_with("The subnet is in use.") && !error.message.contains("signature"),
                "{error}"
            );
            assert_eq!(seen[3].as_ref(), Some(error), "and is remembered");
            assert_eq!(seen[4].as_ref(), Some(error));
            assert_eq!(asked.iter().filter(|address| address.contains("/operations/1")).count(), 3);
        }
    }

    #[tokio::test]
    async fn each_look_gives_the_address_of_the_next() {
        let address = |n: u32| format!("https://management.azure.com/subscriptions/s/operations/1?t={n}");
        let bench = Bench::new();
        let absent = json!({ "error": { "code": "ResourceNotFound", "message": "Not found." } });
        bench.script.answer_with(202, &[("location", &address(0))], "");
        for n in 0..3 {
            bench.script.answer(404, &absent);
            bench.script.answer_with(202, &[("location", &address(n + 1))], "");
        }
        bench.put().await.0.unwrap();
        for _ in 0..3 {
            let log = AttemptLog::new(Phase::Verify);
            let cx = bench.cx(Phase::Verify, &log);
            let look: Result<Option<Value>, StepError> =
                bench.azure.arm(&cx, &bench.central).get(PATH, "1").await;
            assert_eq!(look, Ok(None));
        }
        let asked: Vec<String> = bench.script.requests().into_iter().map(|request| request.address).collect();
        let asked: Vec<&String> = asked.iter().filter(|address| address.contains("/operations/1")).collect();
        assert_eq!(asked, [&address(0), &address(1), &address(2)]);
    }

    #[tokio::test]
    async fn where_a_commit_or_a_removal_goes_on_is_not_asked() {
        for verb in ["POST", "DELETE"] {
            let bench = Bench::new();
            accepted_and_absent(&bench);
            let log = AttemptLog::new(Phase::Apply);
            let cx = bench.cx(Phase::Apply, &log);
            let arm = bench.azure.arm(&cx, &bench.central);
            if verb == "POST" {
                let answer: Option<Value> = arm.post(PATH, "1", Some(&json!({}))).await.unwrap();
                assert_eq!(answer, None);
            } else {
                arm.delete(PATH, "1", &[]).await.unwrap();
            }
            let log = AttemptLog::new(Phase::Verify);
            let cx = bench.cx(Phase::Verify, &log);
            let look: Result<Option<Value>, StepError> =
                bench.azure.arm(&cx, &bench.central).get(PATH, "1").await;
            assert_eq!(look, Ok(None), "{verb}");
            assert_eq!(bench.script.requests().len(), 2, "{verb}");
        }
    }

    /// The checks after an uncertain write must end.
    #[tokio::test]
    async fn it_is_told_no_longer_than_somebody_looks_for_what_was_accepted() {
        let url = "https://management.azure.com/subscriptions/s/operations/1";
        let failed = json!({ "status": "Failed", "error": { "code": "InUseSubnet", "message": "In use." } });
        let (seen, _) = looked(("location", url), &[(200, failed)], 32).await;
        assert!(seen[29].is_some() && seen[30].is_none() && seen[31].is_none());
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_read_says_nothing_of_an_operation() {
        let bench = Bench::new();
        let header = ("location", "https://management.azure.com/subscriptions/s/operations/1");
        bench
            .script
            .answer_with(200, &[header], "{}")
            .answer(404, &json!({ "error": { "code": "NotFound", "message": "" } }));
        let log = AttemptLog::new(Phase::Apply);
        let cx = bench.cx(Phase::Apply, &log);
        let put = bench.azure.arm(&cx, &bench.central).put(PATH, "1", &json!({})).await;
        assert_eq!(put.unwrap_err().certainty, twinspan_engine::Certainty::Unknown);
        let log = AttemptLog::new(Phase::Verify);
        let cx = bench.cx(Phase::Verify, &log);
        let look: Result<Option<Value>, StepError> =
            bench.azure.arm(&cx, &bench.central).get(PATH, "1").await;
        assert_eq!(look, Ok(None));
    }

    #[tokio::test]
    async fn an_operation_that_cannot_be_asked_means_nothing_and_elsewhere_nobody_is_asked() {
        let url = "https://management.azure.com/subscriptions/s/operations/1";
        let gone = json!({ "error": { "code": "NotFound", "message": "" } });
        for ended in [(404, gone), (204, json!(null))] {
            let (seen, asked) = looked(("location", url), &[ended], 2).await;
            assert!(seen[0].is_none() && seen[1].is_none());
            assert_eq!(
                asked.iter().filter(|address| address.ends_with("/operations/1")).count(),
                1,
                "{asked:?}"
            );
        }
        let (seen, asked) = looked(("location", "https://example.org/operations/1"), &[], 1).await;
        assert!(
            seen[0].is_none() && !asked.iter().any(|address| address.contains("example.org")),
            "{asked:?}"
        );
    }
}
