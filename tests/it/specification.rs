//! Everything that steps send and that the simulator returns, against Microsoft's own OpenAPI files and Graph's
//! CSDL.
//!
//! The files are data beside the project; `TWINSPAN_AZURE_DATA` names their folder. [`book::CONFORMANCE`] holds the
//! exchanges of the conformance tests, which check it themselves; this test plays on its own what is needed to use
//! every operation, so that an exception that is no longer needed is found.

mod blindness;
pub(crate) mod book;
mod checking;
mod documents;
mod entities;
mod exceptions;
mod official;
mod operations;
mod shipped;
mod sweep;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use serde_json::Value;
use twinspan_engine::Signal;
use twinspan_sim::FaultName;

use crate::conformance::{Case, Stage, cases};
use crate::{fidelity, notice};
use book::{Book, Notes};
use checking::Specification;
use exceptions::EXCEPTIONS;

/// Plays every kind in every setting, forward and undo, without faults.
async fn play(case: &Case, book: &Arc<Book>) {
    let stage = Stage::noted(case, book).await;
    let process = stage.process(None);
    let run = stage.start(&process, case, 1).await.unwrap();
    process.finish(run).await.unwrap();
    process.signal(run, Signal::Undo).await.unwrap();
    process.finish(run).await.unwrap();
}

/// Plays one kind, with every request failed in every way.
async fn play_with_faults(case: &Case, book: &Arc<Book>) {
    let clean = Stage::noted(case, book).await;
    let process = clean.process(None);
    let run = clean.start(&process, case, 1).await.unwrap();
    process.finish(run).await.unwrap();
    for at in 0..clean.way.calls().len() {
        for fault in FaultName::ALL {
            let stage = Stage::noted(case, book).await;
            stage.way.begin(Some((at, fault)));
            let process = stage.process(None);
            let run = stage.start(&process, case, 1).await.unwrap();
            process.finish(run).await.unwrap();
        }
    }
}

#[tokio::test]
async fn everything_that_is_sent_and_answered_is_as_microsofts_files_describe_it() {
    let Some(specification) = book::specification() else { return notice::no_azure_data() };
    let book = Arc::new(Book::default());
    for case in &cases() {
        play(case, &book).await;
    }
    let played = shipped::play_all(&book).await;
    let mut ends: BTreeMap<&str, bool> = BTreeMap::new();
    for one in &played {
        let whole = one.succeeded && one.undone;
        let words = if whole { "done and undone" } else { "played as far as it goes" };
        println!("{}, world {}: {words}", one.name, one.world);
        *ends.entry(&one.name).or_default() |= whole;
    }
    assert!(ends.values().all(|ends| *ends), "some do not end in any world: {ends:?}");
    let sent = book.notes();
    for case in cases().iter().filter(|case| case.name == "avnm.static-member, across tenants") {
        play_with_faults(case, &book).await;
    }
    let swept = sweep::sweep(specification, &book);
    let notes = book.notes();
    let report = report(specification, &sent, &notes, &swept);
    println!("{report}");
    notice::say(&format!(
        "specification: {} requests of steps and {} responses of the simulator checked; {} operations used, {} called directly",
        notes.requests,
        notes.responses,
        sent.operations.len(),
        swept.len()
    ));
    let unexplained = book.unexplained();
    assert!(unexplained.is_empty(), "{} findings:\n{}", unexplained.len(), unexplained.join("\n"));
    let needless: Vec<String> = EXCEPTIONS
        .iter()
        .filter(|exception| !notes.findings.keys().any(|finding| exception.explains(finding)))
        .map(|exception| exception.parts.join(" … "))
        .collect();
    assert!(needless.is_empty(), "exceptions that are no longer needed: {needless:#?}");
    fidelity::keep(Path::new(env!("CARGO_MANIFEST_DIR")), "specification", &report);
}

/// Microsoft's newest SDK was generated from a newer version of the files: for the operations that are checked here,
/// it sends the same requests and accepts the same responses.
#[test]
fn the_newest_sdk_knows_the_same_operations() {
    let (Some(data), Some(specification)) = (notice::azure_data(), book::specification()) else {
        return notice::no_azure_data();
    };
    let contract = fs::read(data.join("specs/derived/sdk-contract-2026-03-01.json")).unwrap();
    let contract: Value = serde_json::from_slice(&contract).unwrap();
    let sorted = |mut words: Vec<String>| {
        words.sort();
        words
    };
    let (mut same, mut wrong) = (0, Vec::new());
    for newest in contract["operations"].as_array().unwrap() {
        let texts = |field: &str| {
            let values = newest[field].as_array().unwrap().iter();
            sorted(
                values.map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).collect(),
            )
        };
        let (method, path) = (newest["method"].as_str().unwrap(), newest["path"].as_str().unwrap());
        // Of virtual networks the simulator has only the network itself.
        if !path.contains("etworkManager") && !path.ends_with("/virtualNetworks/{virtualNetworkName}") {
            continue;
        }
        let known = specification
            .operations
            .iter()
            .find(|operation| operation.method == method && operation.template.eq_ignore_ascii_case(path));
        let Some(known) = known else {
            wrong.push(format!("{method} {path}: not in the files"));
            continue;
        };
        let query = known.parameters.iter().filter(|parameter| parameter.place == "query");
        let query = sorted(query.map(|parameter| parameter.name.clone()).collect());
        let statuses = known.responses.iter().map(|(status, _)| status.clone());
        let statuses = sorted(statuses.filter(|status| status != "default").collect());
        let is_same = query == texts("query")
            && statuses == texts("success")
            && known.long_running == (newest["lro"] == true);
        if is_same {
            same += 1;
        } else {
            wrong.push(format!("{method} {path}: {query:?} {statuses:?}, the SDK {newest}"));
        }
    }
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    notice::say(&format!("specification: {same} operations are the same in the newest SDK"));
    assert!(same > 30, "too few to mean anything: {same}");
}

/// The result of the checks, in Markdown.
fn report(specification: &Specification, sent: &Notes, all: &Notes, swept: &BTreeSet<String>) -> String {
    let mut text = String::new();
    let arm: BTreeSet<&str> =
        specification.operations.iter().map(|operation| operation.id.as_str()).collect();
    let used: Vec<&String> = sent.operations.iter().collect();
    let versions: BTreeSet<String> = specification
        .operations
        .iter()
        .filter(|operation| sent.operations.contains(&operation.id))
        .map(|operation| {
            let provider =
                operation.file.split('/').find(|part| part.starts_with("Microsoft.")).unwrap_or_default();
            format!("{provider} {}", operation.version)
        })
        .collect();
    let _ = writeln!(text, "| checked | count |\n|---|---|");
    for (what, count) in [
        ("requests that steps sent", all.requests),
        ("responses of the simulator", all.responses),
        ("operations that steps used", used.len()),
        ("operations that the simulator performs when it is called directly", swept.len()),
        ("operations in the files", arm.len()),
        ("exceptions, each with its reason", EXCEPTIONS.len()),
    ] {
        let _ = writeln!(text, "| {what} | {count} |");
    }
    let versions: Vec<String> = versions.into_iter().collect();
    let _ = writeln!(text, "\nApi-versions that are sent, and checked against: {}.", versions.join(", "));
    let _ =
        writeln!(text, "\nUsed: {}.", used.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", "));
    let _ = writeln!(text, "\nException | Reason\n---|---");
    for exception in EXCEPTIONS {
        let parts: Vec<String> = exception.parts.iter().map(|part| format!("`{}`", part.trim())).collect();
        let _ = writeln!(text, "{} | {}", parts.join(" "), exception.reason);
    }
    let _ = writeln!(text, "\nNot described by any of the files, and so not checked here:\n");
    let reasons: BTreeMap<_, _> = all.undescribed.iter().collect();
    for reason in reasons.keys() {
        let _ = writeln!(text, "- {reason}");
    }
    text
}
