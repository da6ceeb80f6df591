//! Reads recorded responses of operations.
//!
//! They were recorded after a DELETE or a commit, where no step polls the operation. After a PUT whose effect is not visible
//! yet, a step polls an operation in the same way, so they are read here after a PUT.

use serde_json::{Value, json};
use twinspan_engine::{AttemptLog, Phase, StepError};

use super::conclusions::{Conclusion, answering};
use super::recording::Exchange;
use crate::azure::scripted::Bench;

const PATH: &str = "/subscriptions/s/x";

/// The query parameters with which the address of an operation is signed.
const SIGNED_BY: [&str; 3] = ["c", "s", "h"];

/// The address that was polled.
fn address(exchange: &Exchange) -> String {
    let query: Vec<String> = exchange.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    format!("https://management.azure.com{}?{}", exchange.path, query.join("&"))
}

/// Reads a missing resource; returns the result, and the recorded exchanges as text.
async fn look(bench: &Bench) -> (Result<Option<Value>, StepError>, String) {
    let log = AttemptLog::new(Phase::Verify);
    let cx = bench.cx(Phase::Verify, &log);
    let seen = bench.azure.arm(&cx, &bench.central).get(PATH, "1").await;
    (seen, format!("{:?}", log.into_exchanges()))
}

/// Checks the response of an operation at the recorded address, after a PUT whose effect is not visible yet.
pub(super) async fn asked(exchange: &Exchange) -> Conclusion {
    let expected = match exchange.status {
        202 => "goes on, at the new address",
        204 | 404 => "has nothing more to say",
        other => panic!("{other} of {}", exchange.path),
    };
    let bench = Bench::new();
    let absent = json!({ "error": { "code": "ResourceNotFound", "message": "Not found." } });
    let first = address(exchange);
    bench.script.answer_with(202, &[("location", &first)], "").answer(404, &absent);
    answering(&bench, exchange);
    bench.script.answer(404, &absent).answer_with(204, &[], "");
    bench.put().await.0.unwrap();
    let (one, kept) = look(&bench).await;
    let (two, kept_then) = look(&bench).await;
    // A response may contain the signature of the next address.
    let next = exchange.headers.iter().find(|(name, _)| name == "location").map(|(_, value)| value.as_str());
    for signed in [Some(first.as_str()), next].into_iter().flatten() {
        let pairs = signed.split(['?', '&']).filter_map(|pair| pair.split_once('='));
        for (_, value) in pairs.filter(|(name, value)| SIGNED_BY.contains(name) && value.len() > 8) {
            assert!(
                !format!("{kept}{kept_then}").contains(value),
                "{} #{}: {value} is kept",
                exchange.path,
                exchange.seq
            );
        }
    }
    let asked: Vec<String> = bench.script.requests().into_iter().map(|request| request.address).collect();
    let asked: Vec<&str> =
        asked.iter().map(String::as_str).filter(|address| address.contains("operationResults")).collect();
    let drawn = match (one, two, asked.as_slice()) {
        (Ok(None), Ok(None), [one]) if *one == first => "has nothing more to say",
        (Ok(None), Ok(None), [one, two]) if *one == first && Some(*two) == next && *two != first => {
            "goes on, at the new address"
        }
        (one, two, asked) => panic!("{} #{}: {one:?}, {two:?}, {asked:?}", exchange.path, exchange.seq),
    };
    Conclusion {
        asked: format!("an operation's address → {}", exchange.status),
        expected: expected.to_owned(),
        drawn: drawn.to_owned(),
    }
}
