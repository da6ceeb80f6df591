//! `command`: a local program.
//!
//! Its effect class is a constant of the kind, and commands come in two sorts. With a `check` program the effect can be
//! looked up like that of any other step. Without one only the answer of the program itself proves anything, so it is kept
//! as the receipt of the write; when the answer is lost (a crash, a time-out), `check` cannot tell and asks a person
//! instead of running the program again.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process;
use twinspan_engine::{
    Applied, ClaimKey, Decision, EffectClass, Exchange, FailureClass, Identities, Marker, Observed, Phase,
    Readiness, Step, StepCx, StepError, Undone,
};

use crate::command_policy::CommandPolicy;

/// Of each output stream this much is kept, and the rest read and dropped: a chatty program must not fill the journal.
const KEPT: usize = 16 * 1024;

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
    /// Its arguments, as they are: there is no shell.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    /// A program that says whether the work is done: exit code 0, it is; 1, it is not; anything else is an error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    check: Option<Check>,
}

/// A program that only looks.
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
    /// Exit code of the program that proved it: the check's where there is one.
    exit_code: i32,
    /// Beginning of what it wrote to its standard output.
    stdout: String,
    /// False in a rehearsal, which runs nothing.
    ran: bool,
}

/// What a program did.
#[derive(Debug)]
struct Ended {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Ended {
    fn complaint(&self) -> String {
        let line = self.stderr.lines().map(str::trim).rfind(|line| !line.is_empty()).unwrap_or_default();
        if line.is_empty() { String::new() } else { format!(": {line}") }
    }
}

/// Reads a stream to its end, and keeps its beginning.
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
    String::from_utf8_lossy(&kept).into_owned()
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
            .hint(format!("allow it in twinspan.toml: [command] allow = [{program:?}]")));
        }
        Ok(path)
    }

    /// Runs a program to its end. Dropped (a time-out, a stop) it is killed.
    async fn run(
        &self,
        cx: &StepCx<'_>,
        program: &str,
        args: &[String],
        write: bool,
    ) -> Result<Ended, StepError> {
        let path: PathBuf = self.permitted(program)?.to_owned();
        if write {
            cx.log.take_write(&format!("run {program}"))?;
        }
        let began = cx.now();
        let mut child = process::Command::new(&path)
            .args(args)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LANG", "C.UTF-8")
            .env("TWINSPAN_RUN", cx.run.to_string())
            .env("TWINSPAN_STEP", &*cx.step.0)
            .env("TWINSPAN_ATTEMPT", cx.attempt_id().to_string())
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(|error| {
                StepError::plan_wrong(format!("program {program} cannot be started: {error}"))
                    .hint("it must be an executable file that this user may run")
            })?;
        let (out, err) = (child.stdout.take(), child.stderr.take());
        let (stdout, stderr, status) = tokio::join!(beginning(out), beginning(err), child.wait());
        let lost = |what: String| {
            let error = StepError::new(FailureClass::Transient, what);
            if write { error.unknown() } else { error }
        };
        let status = status.map_err(|error| lost(format!("program {program} was lost sight of: {error}")))?;
        cx.log.record(Exchange {
            verb: "RUN".to_owned(),
            target: std::iter::once(program)
                .chain(args.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" "),
            status: status.code().and_then(|code| u16::try_from(code).ok()),
            began,
            ended: cx.now(),
            identity: "this machine".to_owned(),
            acted_as: Vec::new(),
            write,
            created: None,
            references: Vec::new(),
            sent: None,
            received: None,
        });
        match status.code() {
            Some(code) => Ok(Ended { code, stdout, stderr }),
            None => Err(lost(format!("program {program} was killed by a signal"))),
        }
    }
}

impl Step for Command {
    const KIND: &'static str = "command";
    const SUMMARY: &'static str = "Run a local program, where this machine's configuration allows it";
    const EFFECT: EffectClass = EffectClass::PostWithProbe;
    const SETTLE: Duration = Duration::ZERO;
    const REQUEST_WINDOW: Duration = Duration::ZERO;
    const IDENTITIES: Identities = Identities::None;
    const KEEPS: Option<&'static str> = Some("what a program did cannot be taken back by running it again");

    const MOVING: &'static [&'static str] = &["stdout", "ran"];

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
        let present = |output| Ok(Observed::Present { output, marker: Marker::NoPlace });
        if let (Some(check), false) = (&params.check, self.policy.pretends()) {
            let ended = self.run(cx, &check.program, &check.args, false).await?;
            return match ended.code {
                0 => present(Output { exit_code: 0, stdout: ended.stdout, ran: true }),
                1 => Ok(Observed::Absent),
                code => Err(StepError::plan_wrong(format!(
                    "check program {} ended with {code}{}",
                    check.program,
                    ended.complaint()
                ))
                .hint("0 means done, 1 means not done; anything else stops the step")),
            };
        }
        if let Some(receipt) = cx.receipt {
            let output = Output::deserialize(receipt).map_err(|error| {
                StepError::new(
                    FailureClass::Bug,
                    format!("the kept answer of the program cannot be read: {error}"),
                )
            })?;
            return present(output);
        }
        // A look after the write finds the answer, or the answer was lost: then nothing can tell whether it was done.
        if cx.phase == Phase::Verify {
            return Ok(Observed::Conflict(Decision {
                what: format!("program {} may have run, and its answer was lost", params.program),
                advice:
                    "look whether its work is done; then decide recreate to run it again, or skip the step"
                        .to_owned(),
                differences: Vec::new(),
            }));
        }
        Ok(Observed::Absent)
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Params) -> Result<Applied, StepError> {
        let output = if self.policy.pretends() {
            Output { exit_code: 0, stdout: String::new(), ran: false }
        } else {
            let ended = self.run(cx, &params.program, &params.args, true).await?;
            if ended.code != 0 {
                return Err(StepError::plan_wrong(format!(
                    "program {} ended with {}{}",
                    params.program,
                    ended.code,
                    ended.complaint()
                )));
            }
            Output { exit_code: 0, stdout: ended.stdout, ran: true }
        };
        Ok(Applied { receipt: Some(receipt(&output)?) })
    }

    async fn undo(&self, _cx: &StepCx<'_>, _params: &Params, _found: &Output) -> Result<Undone, StepError> {
        Ok(Undone::Kept("what a program did cannot be taken back by running it again".to_owned()))
    }
}

fn receipt(output: &Output) -> Result<Value, StepError> {
    serde_json::to_value(output).map_err(|error| {
        StepError::new(FailureClass::Bug, format!("the answer of the program cannot be kept: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::Bench;
    use crate::kinds::wire_test::{Attempt, params};
    use twinspan_engine::Phase;

    fn kind(allowed: &[&str]) -> Command {
        Command { policy: CommandPolicy::allow(allowed.iter().map(PathBuf::from)) }
    }

    fn shell(script: &str, check: Option<&str>) -> Params {
        let mut value = json!({ "program": "/bin/sh", "args": ["-c", script] });
        if let Some(check) = check {
            value["check"] = json!({ "program": "/bin/sh", "args": ["-c", check] });
        }
        params(value)
    }

    #[tokio::test]
    async fn only_allowed_programs_by_absolute_path_are_run() {
        let bench = Bench::new();
        let attempt = Attempt::new(&bench, Phase::Probe);
        let error = attempt.precondition(&kind(&[]), &shell("true", None)).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Policy);
        assert_eq!(error.hint.as_deref(), Some("allow it in twinspan.toml: [command] allow = [\"/bin/sh\"]"));
        assert!(attempt.apply(&kind(&[]), &shell("true", None)).await.is_err());
        let relative: Params = params(json!({ "program": "sh" }));
        assert!(attempt.precondition(&kind(&["sh"]), &relative).await.is_err());
        let with_check: Params = params(json!({ "program": "/bin/sh", "check": { "program": "/bin/true" } }));
        let other = attempt.check(&kind(&["/bin/sh"]), &with_check).await;
        assert_eq!(other.unwrap_err().class, FailureClass::Policy, "a check is a program too");
    }

    #[tokio::test]
    async fn a_check_says_done_not_done_or_broken() {
        let bench = Bench::new();
        let attempt = Attempt::new(&bench, Phase::Probe);
        let check = async |script| attempt.check(&kind(&["/bin/sh"]), &shell("true", Some(script))).await;
        assert!(
            matches!(check("echo yes; exit 0").await, Ok(Observed::Present { output, .. }) if output.stdout == "yes\n")
        );
        assert_eq!(check("exit 1").await.unwrap(), Observed::Absent);
        let error = check("echo broken >&2; exit 3").await.unwrap_err();
        assert_eq!(error.message, "check program /bin/sh ended with 3: broken");
    }

    #[tokio::test]
    async fn without_a_check_only_the_kept_answer_proves_it() {
        let bench = Bench::new();
        let (kind, params) = (kind(&["/bin/sh"]), shell("echo \"$TWINSPAN_STEP $HOME\"; cat", None));
        let mut attempt = Attempt::new(&bench, Phase::Probe);
        assert_eq!(attempt.check(&kind, &params).await.unwrap(), Observed::Absent);
        attempt.phase = Phase::Verify;
        let lost = attempt.check(&kind, &params).await.unwrap();
        assert!(matches!(lost, Observed::Conflict(_)), "{lost:?}");
        attempt.receipt = attempt.apply(&kind, &params).await.unwrap().receipt;
        let seen = attempt.check(&kind, &params).await.unwrap();
        // No environment of ours, nothing to read from.
        assert!(
            matches!(&seen, Observed::Present { output, .. } if output.stdout == "step \n" && output.ran),
            "{seen:?}"
        );
    }

    #[tokio::test]
    async fn a_chatty_program_is_read_to_its_end_and_cut() {
        let bench = Bench::new();
        let params = shell("head -c 300000 /dev/zero | tr '\\0' x", None);
        let applied = Attempt::new(&bench, Phase::Apply).apply(&kind(&["/bin/sh"]), &params).await.unwrap();
        let output: Output = serde_json::from_value(applied.receipt.unwrap()).unwrap();
        assert_eq!(output.stdout.len(), KEPT);
    }

    #[tokio::test]
    async fn a_program_that_fails_says_so_and_one_that_is_killed_is_unknown() {
        let bench = Bench::new();
        let attempt = Attempt::new(&bench, Phase::Apply);
        let kind = kind(&["/bin/sh", "/no/such/program"]);
        let failed = attempt.apply(&kind, &shell("echo no >&2; exit 7", None)).await.unwrap_err();
        assert_eq!(failed.message, "program /bin/sh ended with 7: no");
        let killed = attempt.apply(&kind, &shell("kill -9 $$", None)).await.unwrap_err();
        assert_eq!(killed.certainty, twinspan_engine::Certainty::Unknown);
        let missing =
            attempt.apply(&kind, &params(json!({ "program": "/no/such/program" }))).await.unwrap_err();
        assert!(missing.message.starts_with("program /no/such/program cannot be started"), "{missing}");
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
}
