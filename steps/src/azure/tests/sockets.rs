//! The same over real HTTPS sockets, down to reqwest, with a listener that breaks connections on purpose.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};
use tempfile::TempDir;
use twinspan_engine::{Certainty, Clock, FailureClass, SystemClock};
use twinspan_sim::listener::{Bound, Options, Origin, Reply, Running};

use super::super::scripted::{Bench, CENTRAL, Script};
use super::super::{Cloud, Wire};

/// How the connection of the next request (other than for a token) ends.
type Ending = fn(http::Response<Bytes>) -> Reply;

struct Scripted {
    script: Arc<Script>,
    ending: Arc<Mutex<Ending>>,
}

impl Origin for Scripted {
    fn answer(&self, request: Request<Bytes>) -> Reply {
        let token = request.uri().path().ends_with("/token");
        let answer = self.script.reply(request).unwrap();
        if token { Reply::Whole(answer) } else { (self.ending.lock().unwrap())(answer) }
    }
}

struct Sockets {
    bench: Bench,
    ending: Arc<Mutex<Ending>>,
    running: Running,
    _folder: TempDir,
}

async fn sockets(trusted: bool) -> Sockets {
    let folder = tempfile::tempdir().unwrap();
    let options = Options {
        listen: "127.0.0.1:0".parse().unwrap(),
        ca_file: folder.path().join("ca.pem"),
        now: SystemClock.now(),
    };
    let bound = Bound::bind(&options).await.unwrap();
    let hosts = bound.hosts().clone();
    let mut cloud = Cloud::custom(&hosts.arm, &hosts.login, &hosts.graph).unwrap();
    if trusted {
        cloud = cloud.root_certificate(std::fs::read(bound.ca_file()).unwrap());
    }
    let script = Arc::new(Script::default());
    let ending: Arc<Mutex<Ending>> = Arc::new(Mutex::new(Reply::Whole));
    let origin = Scripted { script: Arc::clone(&script), ending: Arc::clone(&ending) };
    let running = bound.serve(Arc::new(origin));
    let wire = Wire::sockets(&cloud).unwrap();
    let credentials = json!({
        "default": {"credential": "client-secret", "client_id": "app", "client_secret": {"env": "SECRET"}},
    });
    Sockets { bench: Bench::of(script, cloud, wire, credentials), ending, running, _folder: folder }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_whole_way_over_https_with_a_root_of_our_own() {
    let Sockets { bench, running, .. } = sockets(true).await;
    bench.script.answer(200, &json!({"name": "x"})).answer(200, &json!({"name": "y"}));
    assert_eq!(bench.get().await.0.unwrap().unwrap()["name"], "x");
    assert_eq!(bench.put().await.0.unwrap().body["name"], "y");
    let requests = bench.script.requests();
    assert_eq!(requests[0].token("authorization").unwrap().1, CENTRAL);
    assert_eq!(requests[1].body, json!({"a": 1}));
    let scope = format!("{CENTRAL} {}/.default", running.hosts().arm);
    assert_eq!(bench.script.token_requests(), [scope.as_str()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_connection_leaves_a_write_unknown_and_is_not_sent_again() {
    let endings: [(&str, Ending); 3] =
        [("reset", |_| Reply::Reset), ("closed", |_| Reply::Closed), ("half", Reply::Half)];
    let mut cases = 0;
    for (name, ending) in endings {
        let sockets = sockets(true).await;
        let bench = &sockets.bench;
        *sockets.ending.lock().unwrap() = ending;
        bench.script.answer(200, &json!({"name": "x".repeat(4096)}));
        let (result, exchanges) = bench.put().await;
        let error = result.unwrap_err();
        assert_eq!(
            (error.class, error.certainty),
            (FailureClass::Transient, Certainty::Unknown),
            "{name}: {error:?}"
        );
        assert_eq!(bench.script.requests().len(), 1, "{name}");
        assert!(exchanges.last().unwrap().status.is_none());

        bench.script.answer(200, &json!({"name": "x".repeat(4096)}));
        let error = bench.get().await.0.unwrap_err();
        assert_eq!(
            (error.class, error.certainty),
            (FailureClass::Transient, Certainty::NotDone),
            "{name}: {error:?}"
        );
        cases += 2;
    }
    assert_eq!(cases, 6);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_not_trusted_stops_before_anything_is_sent() {
    let sockets = sockets(false).await;
    let bench = &sockets.bench;
    let error = bench.put().await.0.unwrap_err();
    assert_eq!((error.class, error.certainty), (FailureClass::NeedsPerson, Certainty::NotDone));
    assert!(error.hint.as_ref().is_some_and(|hint| hint.contains("set root_certificate")), "{error:?}");
    assert!(bench.script.token_requests().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_gone_is_a_write_that_was_not_done() {
    let Sockets { bench, running, .. } = sockets(true).await;
    bench.script.answer(200, &Value::Null);
    // Gets a token first, so that the write is the request that cannot connect.
    let _ = bench.get().await;
    running.stop(Duration::ZERO).await;
    let (result, exchanges) = bench.put().await;
    let error = result.unwrap_err();
    assert_eq!((error.class, error.certainty), (FailureClass::Transient, Certainty::NotDone), "{error:?}");
    assert!(error.hint.unwrap().contains("check that this machine reaches"));
    assert!(exchanges.last().unwrap().write);
}
