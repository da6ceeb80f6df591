//! What real Azure answered, read by these kinds: each recorded answer of Azure Virtual Network Manager is given to the
//! client of the kind that would have asked, and what it concludes is compared with what the answer says, worked out here
//! from the bare JSON. The official examples are read in the same way.
//!
//! The recordings are data beside the project; `TWINSPAN_AZURE_DATA` says where.

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

/// Why no kind reads an answer of this type.
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
                        "{} #{} {}: says {}, was taken for {}",
                        session.name, exchange.seq, conclusion.asked, conclusion.expected, conclusion.drawn
                    ));
                }
            }
            conclusions.passed(exchange);
        }
    }
    let mut text = String::new();
    let _ = writeln!(text, "{read} answers of {} recorded sessions are read.\n", sessions.len());
    let _ = writeln!(text, "| what is asked | what is concluded | times |\n|---|---|---|");
    for ((asked, drawn), times) in &counts {
        let _ = writeln!(text, "| {asked} | {drawn} | {times} |");
    }
    let _ = writeln!(text, "\nLeft out:\n");
    for (reason, times) in &left_out {
        let _ = writeln!(text, "- {times}: {reason}");
    }
    notice::say(&format!("recorded traffic: {read} answers of {} sessions read", sessions.len()));
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
