//! `command`: a local program.
//!
//! There are two sorts of commands. With a `check` program the effect can be probed like that of any other step. Without one,
//! only the exit code of the program proves the effect; it is stored as the receipt of the write. Each attempt runs under its own
//! supervisor process ([`crate::supervisor`]), so that a program outlives its driver, never runs twice at once, and the next
//! driver finds its exit code. If the exit code is lost too (the supervisor was killed), a person decides.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustix::process::{Pid, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process;
use tokio::time::timeout;
use twinspan_engine::{
    Applied, Certainty, ClaimKey, Decision, EffectClass, Ensure, Exchange, FailureClass, Identities,
    KindMeta, Marker, Misfit, Observed, Phase, Readiness, Step, StepCx, StepError, Undone, Wait, WaitKind,
    WriteMeta,
};

use crate::azure::scrub;
use crate::command_policy::CommandPolicy;
use crate::supervisor::{End, KEPT, Order, Outcome, Trace};

/// `command`
pub(crate) struct Command {
    pub(crate) policy: CommandPolicy,
}

/// Parameters of `command`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Params {
    /// The program, by absolute path. The operator's configuration must allow it: `[command] allow`.
    program: String,
    /// Its arguments, passed unchanged: there is no shell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    /// A program that checks whether the work is done. Exit code 0: done; 1: not done; any other: an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
}

/// A program that only reads.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub(crate) struct Check {
    /// The program, by absolute path.
    program: String,
    /// Its arguments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
}

/// Outputs of `command`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct Output {
    /// Exit code of the check program, or of the program itself where there is no check.
    exit_code: i32,
    /// Beginning of the standard output of that program.
    stdout: String,
    /// False in a rehearsal, which runs no programs.
    ran: bool,
}

/// The result of a check program.
#[derive(Debug)]
struct Checked {
    code: i32,
    stdout: String,
    stderr: String,
}

/// The last line of a program's error output, as the end of a message.
fn complaint(stderr: &str) -> String {
    let line = stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
    if line.is_empty() { String::new() } else { format!(": {line}") }
}

/// Reads a stream to its end, and returns its beginning.
async fn beginning(stream: Option<impl AsyncRead + Unpin>) -> String {
    let Some(mut stream) = stream else { return String::new() };
    let mut kept = Vec::new();
    let mut buffer = vec![0; 8 * 1024];
    while let Ok(read) = stream.read(&mut buffer).await {
        if read == 0 {
            break;
        }
        let room = KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&buffer[..read.min(room)]);
    }
    scrub(&String::from_utf8_lossy(&kept))
}

/// A process group that is killed when it is dropped, unless its id was cleared.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
        }
    }
}

impl Command {
    fn permitted<'a>(&self, program: &'a str) -> Result<&'a Path, StepError> {
        let path = Path::new(program);
        if !path.is_absolute() {
            return Err(StepError::plan_wrong(format!("program {program:?} is not an absolute path")));
        }
        if !self.policy.allows(path) {
            return Err(StepError::new(
                FailureClass::Policy,
                format!("program {program} may not be run on this machine"),
            )
            .hint(format!(
                "allow it in your own twinspan.toml (~/.config/twinspan/twinspan.toml), or in a file that you name with --config: \
                 [command] allow = [{program:?}]"
            )));
        }
        Ok(path)
    }

    /// Runs a check program to its end. If the future is dropped (time-out, stop), the program is killed with all its children.
    async fn run_check(&self, cx: &StepCx<'_>, check: &Check) -> Result<Checked, StepError> {
        let Check { program, args } = check;
        let path: PathBuf = self.permitted(program)?.to_owned();
        let began = cx.now();
        let mut child = process::Command::new(&path)
            .args(args)
            .env_clear()
            .envs(environment(cx))
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
            .map_err(|error| not_started(program, &error.to_string()))?;
        let mut group = Group(child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?)));
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr, status) = tokio::join!(beginning(out), beginning(err), child.wait());
        group.0 = None;
        let lost = |what: String| StepError::new(FailureClass::Transient, what);
        let status =
            status.map_err(|error| lost(format!("program {program} cannot be waited for: {error}")))?;
        record(cx, program, args, status.code(), began, false);
        match status.code() {
            Some(code) => Ok(Checked { code, stdout, stderr }),
            None => Err(lost(format!("program {program} was killed by a signal"))),
        }
    }

    /// Runs the program under its supervisor, to its end.
    async fn run(&self, cx: &StepCx<'_>, params: &Params) -> Result<Outcome, StepError> {
        let program = &params.program;
        let path: PathBuf = self.permitted(program)?.to_owned();
        let Some(supervisor) = self.policy.supervisor() else {
            let what = format!("no supervisor is configured to run program {program}");
            return Err(StepError::new(FailureClass::Bug, what));
        };
        // A program of an earlier attempt may still run, also without its driver.
        if let Some(wait) = self.running(cx).await? {
            return Err(in_progress(wait));
        }
        cx.log.take_write(&format!("run {program}"))?;
        let began = cx.now();
        let order = Order {
            attempt: cx.attempt_id(),
            program: path,
            args: &params.args,
            environment: environment(cx),
            timeout: cx.timeout,
        };
        let outcome = supervisor.run(order).await;
        let code = match &outcome {
            Ok(Outcome { end: End::Exit(code), .. }) => Some(*code),
            _ => None,
        };
        record(cx, program, &params.args, code, began, true);
        outcome
    }

    /// Reads the record that the supervisor of an attempt of this step keeps on disk.
    fn trace(&self, cx: &StepCx<'_>, attempt: u32) -> Result<Option<Trace>, StepError> {
        let Some(supervisor) = self.policy.supervisor() else { return Ok(None) };
        supervisor.trace(cx.run.attempt_id(cx.step, attempt)).map_err(|error| {
            let what = format!("the record of attempt {attempt} cannot be read: {error}");
            StepError::new(FailureClass::Transient, what)
        })
    }

    /// The wait for a program of this step that is still running.
    async fn running(&self, cx: &StepCx<'_>) -> Result<Option<Wait>, StepError> {
        for attempt in (1..=cx.attempt).rev() {
            let mut trace = self.trace(cx, attempt)?;
            // Virtual time passes at once, but the program runs in real time.
            while cx.clock.is_virtual() && trace.as_ref().is_some_and(|trace| trace.running) {
                let _elapsed = timeout(LOOK, std::future::pending::<()>()).await;
                trace = self.trace(cx, attempt)?;
            }
            let Some(trace) = trace.filter(|trace| trace.running) else { continue };
            let process = trace.process.map(|id| format!(" (process {id})")).unwrap_or_default();
            let since = trace.started.map(|at| format!(" since {at:.0}")).unwrap_or_default();
            let what = format!("the program of attempt {attempt} is running{process}{since}");
            return Ok(Some(Wait::new(WaitKind::Program, what)));
        }
        Ok(None)
    }

    /// Judges how the last attempt ended, where its effect is not found.
    fn came_to_nothing(&self, cx: &StepCx<'_>, params: &Params) -> Result<Ended, StepError> {
        // A probe counts to the attempt that may follow it.
        let last = if cx.phase == Phase::Probe { cx.attempt.saturating_sub(1) } else { cx.attempt };
        let Some(trace) = self.trace(cx, last)? else { return Ok(Ended::Unknown(None)) };
        Ok(match trace.outcome {
            Some(outcome) => match &outcome.end {
                End::Exit(0) => Ended::Well(outcome),
                _ => match failure(&params.program, &outcome) {
                    error if error.certainty == Certainty::NotDone => Ended::Definitely(error),
                    error => Ended::Unknown(Some(error)),
                },
            },
            None if trace.started.is_none() => {
                let what = format!("the driver ended before it started program {}", params.program);
                Ended::Definitely(StepError::new(FailureClass::Transient, what))
            }
            None => Ended::Unknown(None),
        })
    }

    /// Judges a check program that does not find the effect.
    fn absent(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        if cx.phase != Phase::Verify {
            return Ok(Observed::Absent);
        }
        match self.came_to_nothing(cx, params)? {
            Ended::Definitely(error) => Err(error.found_not_done()),
            Ended::Well(outcome) => {
                let what = format!(
                    "program {} ended with 0, but its check program does not find the effect",
                    params.program
                );
                let patient = cx.now().duration_since(outcome.ended) < PATIENCE;
                Err(if patient {
                    StepError::new(FailureClass::ReplicationLag, what)
                } else {
                    StepError::plan_wrong(what).found_not_done()
                })
            }
            Ended::Unknown(_) => Ok(Observed::Absent),
        }
    }

    /// Judges a command without a check program, by how the program ended.
    fn without_check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        // A verify either finds how the program ended, or nothing can prove whether it took effect.
        if cx.phase != Phase::Verify {
            return Ok(Observed::Absent);
        }
        match self.came_to_nothing(cx, params)? {
            Ended::Well(outcome) => Ok(present(Output::of(outcome))),
            Ended::Definitely(error) => Err(error.found_not_done()),
            Ended::Unknown(error) => {
                let why = error.map(|error| format!(": {error}")).unwrap_or_default();
                Ok(Observed::Conflict(Decision {
                    what: format!(
                        "program {} may have done its work, but how it ended is unknown{why}",
                        params.program
                    ),
                    advice: "find out whether its work is done: adopt if it is, overwrite to run the program again, \
                             abort otherwise"
                        .to_owned(),
                    differences: Vec::new(),
                }))
            }
        }
    }
}

/// How an attempt ended.
enum Ended {
    /// With exit code 0.
    Well(Outcome),
    /// The program failed, or never ran.
    Definitely(StepError),
    /// It cannot be determined whether the program did its work.
    Unknown(Option<StepError>),
}

/// How often a rehearsal checks whether a program has ended.
const LOOK: Duration = Duration::from_millis(20);

/// How long after a program ended with 0 its check may still not find the effect.
const PATIENCE: SignedDuration = SignedDuration::from_mins(15);

impl Output {
    fn of(outcome: Outcome) -> Self {
        Output { exit_code: 0, stdout: outcome.stdout, ran: true }
    }
}

fn present(output: Output) -> Observed<Output> {
    Observed::Present { output, marker: Marker::NoPlace }
}

fn in_progress(wait: Wait) -> StepError {
    StepError::new(FailureClass::InProgress, wait.what.clone()).wait(wait)
}

fn not_started(program: &str, why: &str) -> StepError {
    StepError::plan_wrong(format!("program {program} cannot be started: {why}"))
        .hint("it must be an executable file that this user may run")
}

/// The error for a program that did not end with 0.
fn failure(program: &str, outcome: &Outcome) -> StepError {
    let unknown = |what: String| StepError::new(FailureClass::Transient, what).unknown();
    match &outcome.end {
        End::NotStarted(why) => not_started(program, why),
        End::Exit(code) => StepError::plan_wrong(format!(
            "program {program} ended with {code}{}",
            complaint(&outcome.stderr)
        )),
        End::Signal(signal) => unknown(format!("program {program} was killed by signal {signal}")),
        End::TimeOut => unknown(format!("program {program} was ended because it exceeded its time limit")),
        End::Stopped => unknown(format!("program {program} was ended because the driver was stopped")),
    }
}

/// The whole environment of a program.
fn environment(cx: &StepCx<'_>) -> Vec<(&'static str, String)> {
    vec![
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()),
        ("LANG", "C.UTF-8".to_owned()),
        ("TWINSPAN_RUN", cx.run.to_string()),
        ("TWINSPAN_STEP", cx.step.to_string()),
        ("TWINSPAN_ATTEMPT", cx.attempt_id().to_string()),
    ]
}

fn record(cx: &StepCx<'_>, program: &str, args: &[String], code: Option<i32>, began: Timestamp, write: bool) {
    let words = std::iter::once(program).chain(args.iter().map(String::as_str));
    cx.log.record(Exchange {
        verb: "RUN".to_owned(),
        target: words.collect::<Vec<_>>().join(" "),
        status: code.and_then(|code| u16::try_from(code).ok()),
        began,
        ended: cx.now(),
        identity: "this machine".to_owned(),
        acted_as: Vec::new(),
        write,
        created: None,
        references: Vec::new(),
        sent: None,
        received: None,
        sent_by: None,
    });
}

impl Step for Command {
    const META: KindMeta = KindMeta {
        effect_without: Some(("check", EffectClass::PostUnsafe)),
        identities: Identities::None,
        retain_on_undo: Some("running a program again does not undo what it did"),
        volatile_outputs: &["stdout", "ran"],
        ..KindMeta::writes(
            "command",
            "Run a local program, where this machine's configuration allows it",
            WriteMeta {
                effect: EffectClass::PostWithProbe,
                consistency_delay: Duration::ZERO,
                request_window: Duration::ZERO,
            },
        )
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {
            program: "/usr/bin/touch".to_owned(),
            args: vec!["/var/tmp/connected".to_owned()],
            check: Some(Check {
                program: "/usr/bin/test".to_owned(),
                args: vec!["-e".to_owned(), "/var/tmp/connected".to_owned()],
            }),
        }
    }

    fn misfits(params: &Params, _ensure: Ensure) -> Vec<Misfit> {
        let mut all = Vec::new();
        let check = params.check.as_ref();
        for (about, program) in
            [(&["program"], Some(&params.program)), (&["check"], check.map(|check| &check.program))]
        {
            if let Some(program) = program.filter(|program| !Path::new(program).is_absolute()) {
                all.push(Misfit::new(about, format!("program {program:?} is not an absolute path")));
            }
        }
        let texts =
            [(&["program"], std::slice::from_ref(&params.program)), (&["args"], params.args.as_slice())];
        for (about, texts) in texts {
            if texts.iter().any(|text| text.contains('\0')) {
                all.push(Misfit::new(
                    about,
                    "it contains a NUL character, which cannot be passed to a program",
                ));
            }
        }
        all
    }

    fn claims(&self, _cx: &StepCx<'_>, _params: &Params) -> Vec<ClaimKey> {
        Vec::new()
    }

    async fn precondition(&self, _cx: &StepCx<'_>, params: &Params) -> Result<Readiness, StepError> {
        if !self.policy.pretends() {
            self.permitted(&params.program)?;
        }
        Ok(Readiness::Ready)
    }

    async fn check(&self, cx: &StepCx<'_>, params: &Params) -> Result<Observed<Output>, StepError> {
        if let Some(wait) = self.running(cx).await? {
            return Err(in_progress(wait));
        }
        if let (Some(check), false) = (&params.check, self.policy.pretends()) {
            let ended = self.run_check(cx, check).await?;
            return match ended.code {
                0 => Ok(present(Output { exit_code: 0, stdout: ended.stdout, ran: true })),
                1 => self.absent(cx, params),
                code => Err(StepError::plan_wrong(format!(
                    "check program {} ended with {code}{}",
                    check.program,
                    complaint(&ended.stderr)
                ))
                .hint("0 means done, 1 means not done; anything else stops the step")),
            };
        }
        if let Some(receipt) = cx.receipt {
            let output = Output::deserialize(receipt).map_err(|error| {
                StepError::new(
                    FailureClass::Bug,
                    format!("the stored output of the program cannot be read: {error}"),
                )
            })?;
            return Ok(present(output));
        }
        self.without_check(cx, params)
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let output = if self.policy.pretends() {
            Output { exit_code: 0, stdout: String::new(), ran: false }
        } else {
            let outcome = self.run(cx, params).await?;
            if outcome.end != End::Exit(0) {
                return Err(failure(&params.program, &outcome));
            }
            Output::of(outcome)
        };
        Ok(Applied { receipt: Some(receipt(&output)?) })
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept("running a program again does not undo what it did".to_owned()))
    }
}

fn receipt(output: &Output) -> Result<Value, StepError> {
    serde_json::to_value(output).map_err(|error| {
        StepError::new(FailureClass::Bug, format!("the output of the program cannot be stored: {error}"))
    })
}

#[cfg(test)]
mod tests;
