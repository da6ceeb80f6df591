//! A reply that is not the resource proves nothing: every read of every kind gets replies with which a proxy, a
//! cache or a faulty service could pretend presence, absence or an empty list. The run reads again and ends like an
//! undisturbed one.

use std::collections::VecDeque;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use twinspan_engine::{EffectClass, Signal};

use super::stage::{Stage, reads};
use super::{Clean, cases, nothing};

/// A reply that replaces the true one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wrong {
    EmptyObject,
    ErrorWith200,
    Array,
    Null,
    Text,
    Nothing,
    Half,
    Html,
    /// The true reply of another resource; for a list, of another collection.
    Other,
    Html404,
    Empty404,
    /// With an error body that is neither Azure Resource Manager's nor Microsoft Graph's.
    Foreign404,
    /// With Azure's error body, about another resource.
    Other404,
}

const FIRST: [Wrong; 7] = [
    Wrong::EmptyObject,
    Wrong::ErrorWith200,
    Wrong::Array,
    Wrong::Null,
    Wrong::Other,
    Wrong::Html404,
    Wrong::Foreign404,
];
const SECOND: [Wrong; 6] =
    [Wrong::Text, Wrong::Nothing, Wrong::Half, Wrong::Html, Wrong::Empty404, Wrong::Other404];

/// From the request with this number on, the replies to the same request are replaced, one after the other.
#[derive(Clone, Debug)]
pub(crate) struct Chain {
    at: usize,
    request: Option<String>,
    replies: VecDeque<Wrong>,
}

impl Chain {
    fn new(at: usize, replies: &[Wrong]) -> Self {
        Chain { at, request: None, replies: replies.iter().copied().collect() }
    }

    pub(crate) fn left(&self) -> usize {
        self.replies.len()
    }

    /// The reply to the request with this number, if it is replaced.
    pub(crate) fn next(&mut self, number: usize, request: &Request<Bytes>) -> Option<Wrong> {
        let named = format!("{} {}", request.method(), request.uri().path());
        if number == self.at {
            self.request = Some(named.clone());
        }
        if self.request.as_ref() == Some(&named) { self.replies.pop_front() } else { None }
    }
}

impl Wrong {
    /// The wrong reply, derived from the true one where necessary.
    pub(crate) fn instead_of(self, reply: &Response<Bytes>) -> Response<Bytes> {
        const HTML: &str = "<html><body><h1>It works!</h1></body></html>";
        let (status, body) = match self {
            Wrong::EmptyObject => (200, "{}".to_owned()),
            Wrong::ErrorWith200 => {
                (200, json!({ "error": { "code": "NotFound", "message": "It is not there." } }).to_string())
            }
            Wrong::Array => (200, "[]".to_owned()),
            Wrong::Null => (200, "null".to_owned()),
            Wrong::Text => (200, "\"there\"".to_owned()),
            Wrong::Nothing => (200, String::new()),
            Wrong::Half => {
                let half = reply.body().len().div_ceil(2);
                (200, String::from_utf8_lossy(&reply.body()[..half]).into_owned())
            }
            Wrong::Html => (200, HTML.to_owned()),
            Wrong::Other => (200, of_another(reply.body())),
            Wrong::Html404 => (404, HTML.to_owned()),
            Wrong::Empty404 => (404, String::new()),
            Wrong::Foreign404 => (404, json!({ "code": "NotFound", "message": "no route" }).to_string()),
            Wrong::Other404 => {
                let message = "The Resource 'Microsoft.Network/networkManagers/another' under resource group 'rg' was not found.";
                (404, json!({ "error": { "code": "ResourceNotFound", "message": message } }).to_string())
            }
        };
        Response::builder().status(status).body(Bytes::from(body)).unwrap()
    }
}

/// The body with the ids of another resource.
fn of_another(body: &[u8]) -> String {
    let mut body: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    let rename = |item: &mut Value| {
        let Some(id) = item.get("id").and_then(Value::as_str).map(str::to_owned) else { return false };
        item["id"] = match uuid::Uuid::parse_str(&id) {
            Ok(_) => json!("00000000-0000-0000-0000-00000000dead"),
            Err(_) => json!(format!("/subscriptions/00000000-0000-0000-0000-00000000dead{id}")),
        };
        true
    };
    let listed = ["value", "data"].into_iter().find(|list| body.get(list).is_some_and(Value::is_array));
    let renamed = match listed {
        Some(list) => {
            let mut any = false;
            for item in body[list].as_array_mut().into_iter().flatten() {
                any |= rename(item);
            }
            any
        }
        None => rename(&mut body),
    };
    // Without an id, or empty, a body cannot be another resource's.
    if renamed { body.to_string() } else { "{}".to_owned() }
}

/// The requests that read from Azure, each once.
fn reading(calls: &[String]) -> Vec<usize> {
    let mut seen = Vec::new();
    let mut all = Vec::new();
    for (at, call) in calls.iter().enumerate() {
        let (method, path) = call.split_once(' ').unwrap_or_default();
        if reads(method, path) && !seen.contains(&call) {
            seen.push(call);
            all.push(at);
        }
    }
    all
}

#[tokio::test]
async fn no_wrong_reply_to_a_read_is_evidence_on_the_way_forward_and_in_undo() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for case in &cases() {
        let clean = Clean::of(case).await;
        let way = |undo: bool, calls: &[String]| {
            reading(calls).into_iter().map(move |at| (undo, at)).collect::<Vec<_>>()
        };
        for (undo, at) in [way(false, &clean.calls), way(true, &clean.undo_calls)].concat() {
            let call = if undo { &clean.undo_calls[at] } else { &clean.calls[at] };
            for replies in [&FIRST[..], &SECOND[..]] {
                tried += 1;
                let stage = Stage::set(case).await;
                let process = stage.process(None);
                let chain = Chain::new(at, replies);
                if !undo {
                    stage.way.begin_wrong(chain.clone());
                }
                let run = stage.start(&process, case, 1).await.unwrap();
                let mut writes = stage.writes();
                let mut stops = process.finish(run).await.unwrap();
                let (changes, exists) = if undo {
                    writes = stage.writes();
                    stage.way.begin_wrong(chain);
                    process.signal(run, Signal::Undo).await.unwrap();
                    stops = process.finish(run).await.unwrap();
                    (&clean.removals, &clean.left)
                } else {
                    (&clean.changes, &clean.after)
                };
                let place = format!("{}, undo {undo}, {replies:?} at call {at}, {call}", case.name);
                let left = stage.way.wrong_left();
                wrong.extend((left == replies.len()).then(|| format!("{place}: not given")));
                wrong.extend((!stops.is_empty()).then(|| format!("{place}: stops at {stops:?}")));
                let did = stage.changes_since(writes);
                wrong.extend((did != *changes).then(|| format!("{place}: did {did:?}, not {changes:?}")));
                let same = stage.what_exists() == *exists;
                wrong.extend((!same).then(|| format!("{place}: what exists is something else")));
            }
        }
    }
    nothing(&wrong);
    println!("{tried} chains of wrong replies");
}

#[tokio::test]
async fn no_wrong_reply_hides_what_is_in_place() {
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for case in cases().iter().filter(|case| case.effect != EffectClass::Read) {
        let stage = Stage::set(case).await;
        let process = stage.process(None);
        let run = stage.start(&process, case, 1).await.unwrap();
        process.finish(run).await.unwrap();
        stage.way.begin(None);
        let process = stage.process(None);
        let run = stage.start(&process, case, 2).await.unwrap();
        let usual = process.finish(run).await.unwrap();
        let calls = stage.way.calls();
        for at in reading(&calls) {
            for replies in [&FIRST[..], &SECOND[..]] {
                tried += 1;
                let stage = Stage::set(case).await;
                let process = stage.process(None);
                let run = stage.start(&process, case, 1).await.unwrap();
                process.finish(run).await.unwrap();
                let (writes, before) = (stage.writes(), stage.what_exists());
                stage.way.begin_wrong(Chain::new(at, replies));
                let process = stage.process(None);
                let run = stage.start(&process, case, 2).await.unwrap();
                let stops = process.finish(run).await.unwrap();
                let place = format!("{}, {replies:?} at call {at}, {}", case.name, calls[at]);
                wrong.extend((stops != usual).then(|| format!("{place}: stops at {stops:?}")));
                let sent = stage.writes() != writes || stage.what_exists() != before;
                wrong.extend(sent.then(|| format!("{place}: it sent a write")));
            }
        }
    }
    nothing(&wrong);
    println!("{tried} chains of wrong replies");
}
