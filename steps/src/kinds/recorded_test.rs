//! Recorded responses of Azure, read by these kinds: each recorded response of Azure Virtual Network Manager is given to the
//! client of the kind that would have sent the request, and the kind's conclusion is compared with the expected one, which is
//! computed here from the bare JSON. The official examples are read in the same way.
//!
//! The recordings are data outside the project; `TWINSPAN_AZURE_DATA` is the path to them.

mod conclusions;
mod examples;
#[path = "../../../tests/it/fidelity.rs"]
mod fidelity;
mod lists;
#[path = "../../../tests/it/notice.rs"]
mod notice;
mod polls;
mod recording;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use conclusions::Conclusions;
use recording::{Exchange, Session};

/// Why no kind reads a response of this type.
fn excluded(exchange: &Exchange) -> Option<&'static str> {
    let Some(kind) = exchange.kind() else {
        return Some("not about Microsoft.Network: the set-up of the recorded tests");
    };
    if kind.contains("security") {
        return Some(
            "security configurations, and user configurations of the 2021 previews: no step sends them",
        );
    }
    if kind.contains("routing") {
        return Some("routing configurations: no step sends them");
    }
    if kind.contains("listeffectivevirtualnetworks") {
        return Some("listEffectiveVirtualNetworks: existed in the previews of 2021 and 2022 only");
    }
    None
}

#[tokio::test]
async fn every_recorded_answer_is_read_and_means_what_it_says() {
    let Some(data) = notice::azure_data() else { return notice::no_azure_data() };
    let sessions = Session::all(&data.join("recordings"));
    let mut counts: BTreeMap<(String, String), usize> = BTreeMap::new();
    let mut left_out: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut wrong, mut read) = (Vec::new(), 0);
    for session in &sessions {
        let mut conclusions = Conclusions::new(session);
        for exchange in &session.exchanges {
            if let Some(reason) = excluded(exchange) {
                *left_out.entry(reason).or_default() += 1;
                conclusions.passed(exchange);
                continue;
            }
            read += 1;
            for conclusion in conclusions.of(exchange).await {
                if conclusion.expected == conclusion.drawn {
                    *counts.entry((conclusion.asked, conclusion.drawn)).or_default() += 1;
                } else {
                    wrong.push(format!(
                        "{} #{} {}: expected {}, concluded {}",
                        session.name, exchange.seq, conclusion.asked, conclusion.expected, conclusion.drawn
                    ));
                }
            }
            conclusions.passed(exchange);
        }
    }
    let mut text = String::new();
    let _ = writeln!(text, "{read} responses of {} recorded sessions are read.\n", sessions.len());
    let _ = writeln!(text, "| request | conclusion | times |\n|---|---|---|");
    for ((asked, drawn), times) in &counts {
        let _ = writeln!(text, "| {asked} | {drawn} | {times} |");
    }
    let _ = writeln!(text, "\nLeft out:\n");
    for (reason, times) in &left_out {
        let _ = writeln!(text, "- {times}: {reason}");
    }
    notice::say(&format!("recorded traffic: {read} responses of {} sessions read", sessions.len()));
    println!("{text}");
    assert!(wrong.is_empty(), "{} are misread:\n{}", wrong.len(), wrong.join("\n"));
    assert!(read > 600, "too few to mean anything: {read}");
    fidelity::keep(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "recorded answers", &text);
}

#[tokio::test]
async fn every_official_example_is_read() {
    let Some(data) = notice::azure_data() else { return notice::no_azure_data() };
    let (text, wrong) = examples::read_all(&data.join("specs/specification")).await;
    println!("{text}");
    assert!(wrong.is_empty(), "{} are misread:\n{}", wrong.len(), wrong.join("\n"));
    fidelity::keep(&Path::new(env!("CARGO_MANIFEST_DIR")).join(".."), "official examples", &text);
}
