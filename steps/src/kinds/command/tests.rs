//! Tests with programs that really run, under a supervisor: this test binary, limited to one test.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

use super::*;
use crate::azure::scripted::Bench;
use crate::kinds::wire_test::{Attempt, params};
use crate::supervisor::Supervisor;

/// Longer than any operation here takes on a busy machine.
const LONG: Duration = Duration::from_secs(60);

/// A kind that may run some programs, and the journal beside which its supervisors write.
struct Sandbox {
    folder: TempDir,
    bench: Bench,
}

impl Sandbox {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("journal.db"), "").unwrap();
        Sandbox { folder, bench: Bench::new() }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().unwrap().to_owned()
    }

    fn kind(&self, allowed: &[&str]) -> Command {
        self.kind_at(allowed, &self.folder.path().join("journal.db"))
    }

    fn kind_at(&self, allowed: &[&str], journal: &Path) -> Command {
        let arguments = ["--exact", "kinds::command::tests::supervising_process", "--nocapture"];
        let supervisor =
            Supervisor::new(std::env::current_exe().unwrap(), arguments.map(OsString::from), journal);
        let policy = CommandPolicy::allow(allowed.iter().map(PathBuf::from));
        Command { policy: policy.supervised_by(supervisor) }
    }

    fn shell(&self) -> Command {
        self.kind(&["/bin/sh"])
    }

    fn attempt(&self, phase: Phase, attempt: u32) -> Attempt<'_> {
        Attempt { attempt, ..Attempt::new(&self.bench, phase) }
    }

    /// A program that creates `begun`, waits for the file `go`, and then appends a line to `out`.
    fn patient(&self) -> String {
        let (begun, go, out) = (self.path("begun"), self.path("go"), self.path("out"));
        format!("echo > {begun}; while [ ! -e {go} ]; do sleep 0.05; done; echo effect >> {out}; echo said")
    }

    /// A driver that starts the program and is killed while it runs.
    async fn killed_driver(&self, params: &Params) {
        let kind = self.shell();
        let attempt = self.attempt(Phase::Apply, 1);
        let mut applying = Box::pin(attempt.apply(&kind, params));
        self.until_begun(&mut applying).await;
        // A killed process runs no destructors.
        std::mem::forget((applying, kind.policy.clone()));
        std::mem::forget(attempt);
    }

    async fn until_begun<T>(&self, applying: &mut std::pin::Pin<Box<impl Future<Output = T>>>) {
        let begun = self.path("begun");
        until(async || {
            let _elapsed = timeout(Duration::from_millis(20), &mut *applying).await;
            Path::new(&begun).exists()
        })
        .await;
    }

    fn go(&self) {
        std::fs::write(self.path("go"), "").unwrap();
    }

    fn effects(&self) -> usize {
        std::fs::read_to_string(self.path("out")).unwrap_or_default().lines().count()
    }
}

/// Polls until the condition holds.
async fn until(mut ready: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !ready().await {
            let _elapsed = timeout(Duration::from_millis(20), std::future::pending::<()>()).await;
        }
    };
    timeout(LONG, waiting).await.unwrap();
}

fn shell(script: &str, check: Option<&str>) -> Params {
    let mut value = json!({ "program": "/bin/sh", "args": ["-c", script] });
    if let Some(check) = check {
        value["check"] = json!({ "program": "/bin/sh", "args": ["-c", check] });
    }
    params(value)
}

/// The supervisor process of the other tests; does nothing as a test.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "by its environment it knows that it is a supervisor")]
async fn supervising_process() {
    if std::env::var_os("TWINSPAN_ATTEMPT").is_some() {
        crate::supervisor::supervise().await.unwrap();
    }
}

#[tokio::test]
async fn only_allowed_programs_by_absolute_path_are_run() {
    let place = Sandbox::new();
    let attempt = place.attempt(Phase::Probe, 1);
    let error = attempt.precondition(&place.kind(&[]), &shell("true", None)).await.unwrap_err();
    assert_eq!(error.class, FailureClass::Policy);
    assert_eq!(
        error.hint.as_deref(),
        Some(
            "allow it in your own twinspan.toml (~/.config/twinspan/twinspan.toml), or in a file that you name with --config: \
             [command] allow = [\"/bin/sh\"]"
        )
    );
    assert!(attempt.apply(&place.kind(&[]), &shell("true", None)).await.is_err());
    let relative: Params = params(json!({ "program": "sh" }));
    assert!(attempt.precondition(&place.kind(&["sh"]), &relative).await.is_err());
    let with_check: Params = params(json!({ "program": "/bin/sh", "check": { "program": "/bin/true" } }));
    let other = attempt.check(&place.shell(), &with_check).await;
    assert_eq!(other.unwrap_err().class, FailureClass::Policy, "a check is a program too");
}

#[tokio::test]
async fn a_check_says_done_not_done_or_broken() {
    let place = Sandbox::new();
    let attempt = place.attempt(Phase::Probe, 1);
    let check = async |script| attempt.check(&place.shell(), &shell("true", Some(script))).await;
    assert!(
        matches!(check("echo yes; exit 0").await, Ok(Observed::Present { output, .. }) if output.stdout == "yes\n")
    );
    assert_eq!(check("exit 1").await.unwrap(), Observed::Absent);
    let error = check("echo broken >&2; exit 3").await.unwrap_err();
    assert_eq!(error.message, "check program /bin/sh ended with 3: broken");
}

#[tokio::test]
async fn without_a_check_only_the_programs_own_end_proves_it() {
    let place = Sandbox::new();
    let (kind, params) = (place.shell(), shell("echo \"$TWINSPAN_STEP $HOME\"; cat", None));
    let mut attempt = place.attempt(Phase::Probe, 1);
    assert_eq!(attempt.check(&kind, &params).await.unwrap(), Observed::Absent);
    attempt.phase = Phase::Verify;
    let lost = attempt.check(&kind, &params).await.unwrap();
    assert!(matches!(lost, Observed::Conflict(_)), "{lost:?}");
    attempt.receipt = attempt.apply(&kind, &params).await.unwrap().receipt;
    // The program inherits no environment and no input. The next driver finds the same result where the receipt was lost.
    for receipt in [attempt.receipt.clone(), None] {
        attempt.receipt = receipt;
        let seen = attempt.check(&kind, &params).await.unwrap();
        assert!(
            matches!(&seen, Observed::Present { output, .. } if output.stdout == "step \n" && output.ran),
            "{seen:?}"
        );
    }
}

#[tokio::test]
async fn a_chatty_program_is_read_to_its_end_and_cut_and_its_secrets_are_taken_out() {
    let place = Sandbox::new();
    let params =
        shell("echo eyJhbGciOiJub25lIn0.CANARYCANARY.x; head -c 300000 /dev/zero | tr '\\0' x", None);
    let applied = place.attempt(Phase::Apply, 1).apply(&place.shell(), &params).await.unwrap();
    let output: Output = serde_json::from_value(applied.receipt.unwrap()).unwrap();
    assert!(
        output.stdout.starts_with("[redacted]\nxxx") && output.stdout.len() < KEPT,
        "{}",
        output.stdout.len()
    );
    assert!(output.stdout.len() > KEPT / 2);
}

#[tokio::test]
async fn a_program_that_fails_says_so_and_one_that_is_killed_is_unknown() {
    let place = Sandbox::new();
    let kind = place.kind(&["/bin/sh", "/no/such/program"]);
    let apply =
        async |number, params: &Params| place.attempt(Phase::Apply, number).apply(&kind, params).await;
    let failed = apply(1, &shell("echo no >&2; exit 7", None)).await.unwrap_err();
    assert_eq!(failed.message, "program /bin/sh ended with 7: no");
    let killed = apply(2, &shell("kill -9 $$", None)).await.unwrap_err();
    assert_eq!(killed.certainty, Certainty::Unknown);
    let missing = apply(3, &params(json!({ "program": "/no/such/program" }))).await.unwrap_err();
    assert!(missing.message.starts_with("program /no/such/program cannot be started"), "{missing}");
    assert_eq!(missing.certainty, Certainty::NotDone);
}

#[tokio::test]
async fn a_rehearsal_runs_nothing_and_says_so() {
    let bench = Bench::new();
    let kind = Command { policy: CommandPolicy::pretend() };
    let params = shell("exit 1", Some("exit 3"));
    let mut attempt = Attempt::new(&bench, Phase::Probe);
    assert_eq!(attempt.precondition(&kind, &params).await.unwrap(), Readiness::Ready);
    assert_eq!(attempt.check(&kind, &params).await.unwrap(), Observed::Absent);
    attempt.receipt = attempt.apply(&kind, &params).await.unwrap().receipt;
    attempt.phase = Phase::Verify;
    let seen = attempt.check(&kind, &params).await.unwrap();
    assert!(matches!(&seen, Observed::Present { output, .. } if !output.ran), "{seen:?}");
}

#[tokio::test]
async fn a_program_outlives_its_driver_and_is_not_started_beside_itself() {
    for check in [None, Some("grep -q effect OUT")] {
        let place = Sandbox::new();
        let params =
            shell(&place.patient(), check.map(|check| check.replace("OUT", &place.path("out"))).as_deref());
        place.killed_driver(&params).await;
        // Another driver that opens the journal through a link finds the same program.
        let link = place.folder.path().join("link.db");
        std::os::unix::fs::symlink(place.folder.path().join("journal.db"), &link).unwrap();
        let kind = place.kind_at(&["/bin/sh"], &link);
        let running = place.attempt(Phase::Verify, 1).check(&kind, &params).await.unwrap_err();
        assert_eq!(running.class, FailureClass::InProgress);
        let wait = running.wait.unwrap();
        assert_eq!(wait.kind, WaitKind::Program);
        assert!(wait.what.contains("the program of attempt 1 is running (process "), "{}", wait.what);
        // A later attempt does not start either, whatever was decided.
        let next = place.attempt(Phase::Probe, 2);
        assert_eq!(next.check(&kind, &params).await.unwrap_err().class, FailureClass::InProgress);
        assert_eq!(next.apply(&kind, &params).await.unwrap_err().class, FailureClass::InProgress);
        place.go();
        let after = place.attempt(Phase::Verify, 1);
        until(async || matches!(after.check(&kind, &params).await, Ok(Observed::Present { .. }))).await;
        assert_eq!(place.effects(), 1, "check: {check:?}");
    }
}

#[tokio::test]
async fn what_a_program_started_in_a_session_of_its_own_counts_as_the_program() {
    let place = Sandbox::new();
    let script = format!("setsid sh -c '{}' >/dev/null 2>&1 & exit 0", place.patient());
    let params = shell(&script, Some(&format!("grep -q effect {}", place.path("out"))));
    let kind = place.shell();
    place.attempt(Phase::Apply, 1).apply(&kind, &params).await.unwrap();
    let after = place.attempt(Phase::Verify, 1);
    assert_eq!(after.check(&kind, &params).await.unwrap_err().class, FailureClass::InProgress);
    place.go();
    until(async || matches!(after.check(&kind, &params).await, Ok(Observed::Present { .. }))).await;
    assert_eq!(place.effects(), 1);
}

#[tokio::test]
async fn a_program_that_failed_without_a_driver_is_found_to_have_failed() {
    for check in [None, Some("exit 1")] {
        let place = Sandbox::new();
        let params = shell(&format!("{}; exit 7", place.patient()), check);
        place.killed_driver(&params).await;
        place.go();
        let after = place.attempt(Phase::Verify, 1);
        let mut found = None;
        until(async || {
            found = after.check(&place.shell(), &params).await.err();
            found.as_ref().is_none_or(|error| error.class != FailureClass::InProgress)
        })
        .await;
        let error = found.unwrap();
        assert_eq!((error.class, error.certainty), (FailureClass::PlanWrong, Certainty::FoundNotDone));
        assert_eq!(error.message, "program /bin/sh ended with 7");
    }
}

#[tokio::test]
async fn who_stops_waiting_ends_the_program_and_all_that_it_started() {
    let place = Sandbox::new();
    let params = shell(&format!("({}) & wait", place.patient()), None);
    let kind = place.shell();
    let attempt = place.attempt(Phase::Apply, 1);
    let mut applying = Box::pin(attempt.apply(&kind, &params));
    place.until_begun(&mut applying).await;
    drop(applying);
    let after = place.attempt(Phase::Verify, 1);
    let mut found = None;
    until(async || {
        found = after.check(&kind, &params).await.ok();
        found.is_some()
    })
    .await;
    let Some(Observed::Conflict(decision)) = found else { panic!("{found:?}") };
    assert!(decision.what.contains("was ended because the driver was stopped"), "{}", decision.what);
    // No process of the program is left that could continue.
    place.go();
    assert_eq!(place.effects(), 0);
    let again = place.attempt(Phase::Apply, 2).apply(&kind, &params).await.unwrap();
    assert!(again.receipt.is_some());
    assert_eq!(place.effects(), 1);
}

#[tokio::test]
async fn a_program_whose_time_is_over_is_ended_with_or_without_a_driver() {
    let place = Sandbox::new();
    let params = shell(&place.patient(), None);
    let attempt = Attempt { timeout: Duration::from_millis(300), ..place.attempt(Phase::Apply, 1) };
    let error = attempt.apply(&place.shell(), &params).await.unwrap_err();
    assert_eq!(error.certainty, Certainty::Unknown);
    assert_eq!(error.message, "program /bin/sh was ended because it exceeded its time limit");
    place.go();
    assert_eq!(place.effects(), 0);
}

/// The time limit of the step ends at the same moment as that of the supervisor, and may be noticed first.
#[tokio::test]
async fn a_time_limit_is_not_taken_for_a_driver_that_stops() {
    let place = Sandbox::new();
    let kind = place.shell();
    let params = shell(&place.patient(), None);
    let attempt = Attempt { timeout: Duration::from_millis(900), ..place.attempt(Phase::Apply, 1) };
    let mut applying = Box::pin(attempt.apply(&kind, &params));
    place.until_begun(&mut applying).await;
    drop(applying);
    let read = place.attempt(Phase::Verify, 1);
    let seen = async || format!("{:?}", read.check(&kind, &params).await);
    until(async || !seen().await.contains("is running")).await;
    assert!(seen().await.contains("exceeded its time limit"), "{}", seen().await);
}

#[tokio::test]
async fn an_attempt_has_one_chance() {
    let place = Sandbox::new();
    let params = shell(&place.patient(), None);
    place.go();
    place.attempt(Phase::Apply, 1).apply(&place.shell(), &params).await.unwrap();
    // A journal that lost its tail starts the attempt again: the program does not run a second time.
    let error = place.attempt(Phase::Apply, 1).apply(&place.shell(), &params).await.unwrap_err();
    assert_eq!(error.certainty, Certainty::Unknown, "{error}");
    let seen = place.attempt(Phase::Verify, 1).check(&place.shell(), &params).await.unwrap();
    assert!(matches!(seen, Observed::Present { .. }), "{seen:?}");
    assert_eq!(place.effects(), 1);
}

#[tokio::test]
async fn after_a_good_end_the_check_may_take_its_time() {
    let mut place = Sandbox::new();
    let params = shell("true", Some("exit 1"));
    place.attempt(Phase::Apply, 1).apply(&place.shell(), &params).await.unwrap();
    let error = place.attempt(Phase::Verify, 1).check(&place.shell(), &params).await.unwrap_err();
    assert_eq!(error.class, FailureClass::ReplicationLag);
    // The end of the program is recorded in real time; the bench's clock is far behind it.
    place.bench = Bench::new();
    place.bench.clock.advance(Duration::from_secs(100 * 365 * 86_400));
    let error = place.attempt(Phase::Verify, 1).check(&place.shell(), &params).await.unwrap_err();
    assert_eq!((error.class, error.certainty), (FailureClass::PlanWrong, Certainty::FoundNotDone));
}
