//! The program is killed with SIGKILL in each window of each write of the reference plan, over real sockets, with
//! writes that take 50 ms to arrive and 50 ms to respond. The oracle is the simulator: the requests that it received
//! and what it did.
//!
//! Windows whose edge is a commit are found by [`TWINSPAN_HOLD_COMMIT`](../../src/host/held_commit.rs), which exists in
//! test builds only; those in flight are found from outside, in the simulator's list. The real state of each write
//! at a kill is derived afterwards, from the journal and the simulator; that is what is counted.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::azure::Azure;
use crate::program::{Happened, Home, shipped, wait_for};

const GUEST: &str = "nina.network@contoso.example";

/// One write of the reference plan.
struct Write {
    step: &'static str,
    method: &'static str,
    /// End of its path that no other write has, in lower case.
    path: &'static str,
    /// Part of the path of the probe before it.
    probe: &'static str,
    /// An absence after it must be confirmed for 30 to 60 s.
    settles: bool,
}

const fn put(step: &'static str, path: &'static str, probe: &'static str) -> Write {
    Write { step, method: "PUT", path, probe, settles: false }
}

const WRITES: [Write; 9] = [
    Write { step: "guest", method: "POST", path: "/v1.0/invitations", probe: "/v1.0/users", settles: true },
    Write { settles: true, ..put("role", "/roleassignments/", "/roleassignments") },
    Write {
        method: "POST",
        ..put("registered-target", "/providers/microsoft.network/register", "/providers/microsoft.network")
    },
    put("group", "/networkgroups/ng-spokes", "/networkgroups/ng-spokes"),
    put("members-central[vnet-hub-d06ab663]", "/staticmembers/vnet-hub-d06ab663", "/staticmembers"),
    put("scope-connection", "/scopeconnections/to-central", "/scopeconnections"),
    put("network-manager-connection", "/networkmanagerconnections/to-central", "/networkmanagerconnections"),
    put("members[vnet-app-735df4f4]", "/staticmembers/vnet-app-735df4f4", "/staticmembers"),
    put("members[vnet-data-f5ad5a7e]", "/staticmembers/vnet-data-f5ad5a7e", "/staticmembers"),
];

impl Write {
    fn is_at(&self, path: &str) -> bool {
        if self.path.ends_with('/') { path.contains(self.path) } else { path.ends_with(self.path) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Window {
    /// The probe is finished; the intent is not durable.
    BeforeIntent,
    /// The intent is durable; nothing was sent.
    BeforeSending,
    /// The request has arrived and is not carried out.
    Arrived,
    /// It is carried out, without a response.
    Done,
    /// The response arrived; the journal does not have it.
    Answered,
    /// The request was lost; the program does not know that yet.
    LostUnseen,
    /// Not a kill: it is carried out and its response is lost.
    AnswerLost,
    /// Not a kill: the request is lost.
    RequestLost,
}

use Window::{AnswerLost, Answered, Arrived, BeforeIntent, BeforeSending, Done, LostUnseen, RequestLost};

const KILLS: [Window; 5] = [BeforeIntent, BeforeSending, Arrived, Done, Answered];
/// Number of the first [`WRITES`], whose resources exist already in the simulator's ready world.
const PREREQUISITES: usize = 3;
/// Rollouts from an empty world, killed at the prerequisites.
const FROM_NOTHING: usize = 8;
/// Rollouts in the ready world, killed at all other writes.
const READY: usize = 8;

/// The windows that a write goes through in a rollout, one after the other. The last one may leave it done.
/// Confirming an absence takes long, so a rollout does so for one write only: the guest or its role.
fn windows(rollout: usize, write: &Write) -> VecDeque<Window> {
    let in_the_way = match (write.step, rollout) {
        ("guest", 0 | 1) | ("role", 4 | 5) => &[BeforeSending][..],
        ("guest", 2 | 3) | ("role", 6 | 7) => &[RequestLost],
        ("guest" | "role", _) => &[],
        _ => &[BeforeSending, RequestLost],
    };
    let end = [Arrived, Done, Answered, AnswerLost][rollout % 4];
    [&[BeforeIntent], in_the_way, &[end]].concat().into()
}

/// A rollout in its own world.
struct Rollout {
    number: usize,
    azure: Azure,
    home: Home,
    /// The windows that each write still has to go through.
    left: Vec<VecDeque<Window>>,
    /// The windows that each write went through, kills and losses.
    seen: Vec<Vec<Window>>,
    redeemed: bool,
}

/// How a process ended.
enum End {
    Killed(Option<(usize, Window)>),
    Exited(i32, String),
}

impl Rollout {
    fn new(number: usize) -> Self {
        let azure = Azure::start(if number < FROM_NOTHING { &[] } else { &["--ready-world"] });
        azure.without_lags();
        let home = azure.home();
        let of_this = |position: usize| (number < FROM_NOTHING) == (position < PREREQUISITES);
        let left = WRITES.iter().enumerate().map(|(position, write)| {
            if of_this(position) { windows(number, write) } else { VecDeque::new() }
        });
        let left = left.collect();
        Rollout { number, azure, home, left, seen: vec![Vec::new(); WRITES.len()], redeemed: false }
    }

    /// The writes of this rollout.
    fn writes(&self) -> &'static [Write] {
        if self.number < FROM_NOTHING { &WRITES } else { &WRITES[PREREQUISITES..] }
    }

    /// Writes whose next window is one of `windows`. The window after a lost request follows in the same process.
    fn next(&self, windows: &[Window]) -> Vec<(usize, Window)> {
        let next = self.left.iter().enumerate().flat_map(|(position, left)| {
            let count = if left.front() == Some(&RequestLost) { 2 } else { 1 };
            left.iter().take(count).map(move |window| (position, *window))
        });
        next.filter(|(_, window)| windows.contains(window)).collect()
    }

    /// Sets the simulator's faults for the next process. Every write is slow; one that is to be observed in flight
    /// is slower.
    fn set_faults(&self) {
        let mut faults = Vec::new();
        for (position, window) in self.next(&[Arrived, Done, AnswerLost, RequestLost]) {
            let Write { method, path, .. } = WRITES[position];
            let mut fault = json!({ "method": method, "path_contains": path, "fault": "slow" });
            match window {
                Arrived => fault["before"] = json!("600ms"),
                Done => fault["after"] = json!("600ms"),
                AnswerLost => fault["fault"] = json!("applied-then-lost"),
                _ => fault["fault"] = json!("reset"),
            }
            faults.push(fault);
        }
        for (method, path) in [("PUT", ""), ("POST", "/invitations"), ("POST", "/register")] {
            faults.push(json!({ "method": method, "path_contains": path, "fault": "slow", "before": "50ms", "after": "50ms", "times": 1000 }));
        }
        self.azure.set_faults(&Value::Array(faults));
    }

    fn spawn(&self, first: bool) -> Child {
        let (plan, inputs) =
            (shipped("cross-tenant-connection.yaml"), shipped("cross-tenant-connection.inputs.yaml"));
        let run = ["run", &plan, "--inputs", &inputs, "--until-blocked"];
        let mut command = self.home.command(if first { &run } else { &["resume", "--until-blocked"] });
        let places: Vec<String> = self
            .next(&[BeforeIntent, BeforeSending, Answered])
            .into_iter()
            .map(|(position, window)| match window {
                BeforeIntent => format!("before-commit intended {}", WRITES[position].step),
                BeforeSending => format!("after-commit intended {}", WRITES[position].step),
                _ => format!("before-commit accepted {}", WRITES[position].step),
            })
            .collect();
        if !places.is_empty() {
            command.env("TWINSPAN_HOLD_COMMIT", places.join("\n")).env("TWINSPAN_HOLD_FILE", self.held_at());
        }
        // The test reads the output only at the end: a pipe would fill.
        let err = fs::File::create(self.err()).unwrap();
        command.stdout(Stdio::null()).stderr(err).spawn().unwrap()
    }

    fn held_at(&self) -> std::path::PathBuf {
        self.home.path().join("held")
    }

    fn err(&self) -> std::path::PathBuf {
        self.home.path().join("err")
    }

    /// Runs a process until it is in a wanted window, and kills it there; or until it ends.
    fn live(&self, first: bool) -> End {
        drop(fs::remove_file(self.held_at()));
        self.set_faults();
        let mut child = self.spawn(first);
        let looked_for = self.next(&[Arrived, Done]);
        let end = wait_for("a window or the end", Duration::from_secs(170), || {
            if let Some(status) = child.try_wait().unwrap() {
                return Some(End::Exited(status.code().unwrap(), fs::read_to_string(self.err()).unwrap()));
            }
            if let Some(held) = fs::read_to_string(self.held_at()).ok().filter(|held| !held.is_empty()) {
                return Some(End::Killed(Some(window_of(&held))));
            }
            if looked_for.is_empty() {
                return None;
            }
            let in_flight = self.azure.in_flight();
            let seen = looked_for.iter().any(|(position, window)| {
                let here = in_flight.iter().filter(|request| WRITES[*position].is_at(&request.path));
                here.filter(|request| request.done == (*window == Done)).count() > 0
            });
            seen.then_some(End::Killed(None))
        });
        if matches!(end, End::Killed(_)) {
            child.kill().unwrap();
            child.wait().unwrap();
        }
        end
    }

    /// Derives the state of each write at the kill, and counts it.
    fn look_back(&mut self, held: Option<(usize, Window)>, asked_before: &[usize], lost: &[(usize, Window)]) {
        let in_flight = self.azure.in_flight();
        let asked = self.asked();
        let events = self.home.events();
        let took = events.iter().rposition(|event| event.name == "driver-took");
        let own = &events[took.map_or(0, |took| took + 1)..];
        for (position, write) in WRITES.iter().enumerate() {
            let name = |event: &Happened| (event.step == write.step).then(|| event.name.clone());
            let names: Vec<String> = own.iter().filter_map(name).collect();
            let sent_now = asked[position] > asked_before[position];
            let flight = in_flight.iter().find(|request| write.is_at(&request.path));
            // The program knew of the losses that it recorded.
            let noted = names.iter().filter(|name| *name == "uncertain").count();
            let mut lost = lost.iter().filter(|(of, _)| *of == position).map(|(_, window)| *window);
            for window in lost.by_ref().take(noted) {
                self.seen[position].push(window);
                self.left[position].pop_front();
            }
            let unseen = lost.next();
            let window = match names.last().map(String::as_str) {
                Some("intended") if unseen == Some(AnswerLost) => Some(Done),
                Some("intended") if unseen == Some(RequestLost) => Some(LostUnseen),
                Some("intended") if flight.is_some_and(|request| !request.done) => Some(Arrived),
                Some("intended") if flight.is_some() => Some(Done),
                Some("intended") if sent_now => Some(Answered),
                Some("intended") => Some(BeforeSending),
                _ => None,
            };
            let target = held.filter(|(of, _)| *of == position).map(|(_, window)| window);
            match target {
                Some(BeforeIntent) => {
                    assert_eq!(window, None, "{}: killed before its intent: {names:?}", write.step);
                    assert!(!sent_now && flight.is_none(), "{} was sent without an intent", write.step);
                }
                Some(other) => assert_eq!(window, Some(other), "{}: {names:?}", write.step),
                None => {}
            }
            let window = target.or(window);
            if let Some(window) = window {
                self.seen[position].push(window);
                let left = &mut self.left[position];
                if left.front() == Some(&window) {
                    left.pop_front();
                }
                if matches!(window, Arrived | Done | Answered) {
                    // It will take effect: no other window is possible.
                    left.clear();
                }
            }
        }
        // A request may take effect long after its sender is dead; where an absence must be confirmed, that is not
        // waited for here.
        let lasting = |path: &str| WRITES.iter().any(|write| write.settles && write.is_at(path));
        if self.number.is_multiple_of(2) || in_flight.iter().any(|request| lasting(&request.path)) {
            self.azure.drained();
        }
    }

    /// How often the simulator received each write so far.
    fn asked(&self) -> Vec<usize> {
        let requests = self.azure.requests();
        let count = |write: &Write| {
            let of_it = |request: &&crate::azure::Request| {
                request.method == write.method && write.is_at(&request.path)
            };
            requests.iter().filter(of_it).count()
        };
        WRITES.iter().map(count).collect()
    }

    /// Losses while the last process lived.
    fn losses(&self) -> Vec<(usize, Window)> {
        let faults = self.azure.get("/_sim/faults");
        let left: Vec<(String, String)> = faults["faults"]
            .as_array()
            .unwrap()
            .iter()
            .map(|fault| {
                let text = |name: &str| fault[name].as_str().unwrap().to_owned();
                (text("fault"), text("path_contains"))
            })
            .collect();
        let mut lost = self.next(&[AnswerLost, RequestLost]);
        lost.retain(|(position, window)| {
            let name = if *window == AnswerLost { "applied-then-lost" } else { "reset" };
            !left.contains(&(name.to_owned(), WRITES[*position].path.to_owned()))
        });
        lost
    }

    fn finish(mut self) -> Vec<Vec<Window>> {
        let mut first = true;
        loop {
            let asked = self.asked();
            let end = self.live(first);
            first = false;
            let lost = self.losses();
            if let End::Exited(..) = end {
                for (position, window) in &lost {
                    self.seen[*position].push(*window);
                    self.left[*position].pop_front();
                }
            }
            match end {
                End::Killed(held) => self.look_back(held, &asked, &lost),
                End::Exited(0, _) => break,
                End::Exited(5, _) if !self.redeemed => {
                    self.azure.redeem(GUEST);
                    self.redeemed = true;
                }
                End::Exited(code, err) => panic!("rollout {}: exit {code}\n{err}", self.number),
            }
        }
        self.check_world();
        self.check_why();
        self.seen
    }

    /// Each resource was created once, and no write was repeated without a read in between.
    fn check_world(&self) {
        let created = self.azure.created();
        let requests = self.azure.requests();
        for write in self.writes() {
            let times: Vec<usize> =
                created.iter().filter(|(path, _)| write.is_at(path)).map(|(_, times)| *times).collect();
            // Registering creates nothing; it is the only write that just changes a resource.
            let wanted: &[usize] = if write.step == "registered-target" { &[] } else { &[1] };
            assert_eq!(times, wanted, "rollout {}, {}: {created:#?}", self.number, write.step);
            let mut looked = false;
            for request in &requests {
                if request.method == write.method && write.is_at(&request.path) {
                    assert!(
                        looked,
                        "rollout {}: {} was sent without a read before it",
                        self.number, write.step
                    );
                    looked = false;
                } else if request.method == "GET" && request.path.contains(write.probe) {
                    looked = true;
                }
            }
        }
    }

    /// `why` shows, for each write, what happened to it and which read proves it.
    fn check_why(&self) {
        let list = self.home.run(&["list", "--output", "json"]).expect(0).json();
        let run = list["runs"][0]["run"].as_str().unwrap();
        for (position, write) in self.writes().iter().enumerate() {
            let seen = &self.seen[WRITES.len() - self.writes().len() + position];
            let why = self.home.run(&["why", run, write.step]).expect(0).out;
            let place = format!("rollout {}, {}: {seen:?}\n{why}", self.number, write.step);
            assert!(why.contains("proven by  GET"), "{place}");
            let shows = |window: Window, words: &[&str]| {
                if seen.contains(&window) {
                    for word in words {
                        assert!(why.contains(word), "{window:?} without {word:?}: {place}");
                    }
                }
            };
            shows(
                BeforeSending,
                &["took over: an earlier write may have taken effect", "no effect", "attempt 2"],
            );
            shows(LostUnseen, &["took over: an earlier write may have taken effect", "no effect"]);
            shows(RequestLost, &["was sent, its response is unknown", "attempt 2"]);
            shows(AnswerLost, &["was sent, its response is unknown", "before that read"]);
            for window in [Arrived, Done, Answered] {
                shows(window, &["took over: an earlier write may have taken effect"]);
            }
            let attempts = seen
                .iter()
                .filter(|window| matches!(window, BeforeSending | RequestLost | LostUnseen))
                .count();
            let sending = why.lines().filter(|line| line.contains("Z  sending ")).count();
            // A write is sent again only if it had no effect, or was still in flight when the probe read.
            let late = usize::from(seen.contains(&Arrived));
            assert!((attempts + 1..=attempts + 1 + late).contains(&sending), "{place}");
        }
    }
}

/// The write and the window that a value of `TWINSPAN_HOLD_COMMIT` names.
fn window_of(place: &str) -> (usize, Window) {
    let (window, step) = [
        ("before-commit intended ", BeforeIntent),
        ("after-commit intended ", BeforeSending),
        ("before-commit accepted ", Answered),
    ]
    .into_iter()
    .find_map(|(words, window)| Some((window, place.strip_prefix(words)?)))
    .unwrap();
    (WRITES.iter().position(|write| write.step == step).unwrap(), window)
}

#[test]
#[cfg_attr(not(debug_assertions), ignore = "the program is held in its windows in test builds only")]
fn killed_in_each_window_of_each_write_it_makes_everything_once() {
    let seen: Vec<Vec<Vec<Window>>> = std::thread::scope(|scope| {
        let rollouts: Vec<_> = (0..FROM_NOTHING + READY)
            .map(|number| scope.spawn(move || Rollout::new(number).finish()))
            .collect();
        rollouts.into_iter().map(|rollout| rollout.join().unwrap()).collect()
    });
    let all = [&KILLS[..], &[AnswerLost, RequestLost, LostUnseen]].concat();
    let mut kills = 0;
    let mut missing = Vec::new();
    println!("{:36}{}", "", all.iter().map(|window| format!("{window:?}  ")).collect::<String>());
    for (position, write) in WRITES.iter().enumerate() {
        let mut counts: BTreeMap<Window, usize> = BTreeMap::new();
        for window in seen.iter().flat_map(|rollout| &rollout[position]) {
            *counts.entry(*window).or_default() += 1;
        }
        let mut line = format!("{:36}", write.step);
        for window in &all {
            let count = counts.get(window).copied().unwrap_or_default();
            kills += if [AnswerLost, RequestLost].contains(window) { 0 } else { count };
            let width = format!("{window:?}").len() + 2;
            line.push_str(&format!("{count:<width$}"));
            if count == 0 && *window != LostUnseen {
                missing.push(format!("{} {window:?}", write.step));
            }
        }
        println!("{line}");
    }
    println!("{kills} kills in {} rollouts", seen.len());
    // Each window is tried at least twice, as a busy machine may miss one in flight.
    assert!(missing.is_empty(), "never reached: {missing:#?}");
    assert!(kills >= 150, "only {kills} kills");
}
