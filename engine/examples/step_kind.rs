//! Two step kinds, a plan of them, and a run that survives the death of its process.
//!
//! `cargo run -p twinspan-engine --example step_kind -- FOLDER` runs the plan in a process that dies directly after the
//! write of its second step, and continues the run in another process. The guide `docs/guides/writing-a-step-kind.md`
//! explains the kinds.

use std::error::Error;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Actor, Applied, Backend, Check, ClaimKey, Difference, DriveOptions, EffectClass, FailureClass,
    Identities, KindMeta, Marker, NewRollout, NewRun, Observed, Opening, Performer, Registry, RunId,
    RunStatus, Runs, SqliteBackend, Step, StepCx, StepError, StopToken, SystemClock, Undone, Wait, WaitKind,
    WriteMeta,
};
use twinspan_plans::{Inputs, compile, parse};
use uuid::Uuid;

type Failure = Box<dyn Error + Send + Sync>;

const PLAN: &str = r#"
twinspan: 1
name: two-files
summary: Write two files, and read the second
steps:
  - id: one
    uses: file.text
    with: { name: one.txt, text: first }
  - id: two
    uses: file.text
    needs: [one]
    with: { name: two.txt, text: second }
  - id: read
    uses: file.exists
    with: { name: "${{ steps.two.name }}" }
"#;

/// `file.exists`: waits until a file exists.
struct FileExists {
    folder: PathBuf,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Name {
    /// Name of the file in the folder.
    name: String,
}

#[derive(Serialize, Deserialize, JsonSchema)]
struct Size {
    /// Its size in bytes.
    bytes: usize,
}

impl Check for FileExists {
    const META: KindMeta = KindMeta {
        identities: Identities::None,
        ..KindMeta::reads("file.exists", "Wait until a file exists")
    };

    type Params = Name;
    type Output = Size;

    fn example() -> Name {
        Name { name: "one.txt".to_owned() }
    }

    async fn check(&self, _cx: &StepCx<'_>, params: &Name) -> Result<Observed<Size>, StepError> {
        let marker = Marker::NoPlace;
        let Some(text) = read(&self.folder.join(&params.name))? else {
            let wait = Wait::new(WaitKind::Person, format!("{} does not exist", params.name));
            return Ok(Observed::Converging { wait: wait.who("its author").action("write it"), marker });
        };
        Ok(Observed::Present { output: Size { bytes: text.len() }, marker })
    }
}

/// `file.text`: a file with a text.
struct FileText {
    folder: PathBuf,
    /// Kills this process directly after the write of this file.
    dies_after: Option<&'static str>,
}

#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Text {
    /// Name of the file in the folder.
    name: String,
    /// Its text.
    text: String,
}

impl Step for FileText {
    const META: KindMeta = KindMeta {
        identities: Identities::None,
        removable: true,
        ..KindMeta::writes(
            "file.text",
            "Write a text into a file",
            WriteMeta {
                effect: EffectClass::PutSame,
                consistency_delay: Duration::ZERO,
                request_window: Duration::ZERO,
            },
        )
    };

    type Params = Text;
    type Output = Name;

    fn example() -> Text {
        Text { name: "one.txt".to_owned(), text: "first".to_owned() }
    }

    fn claims(&self, _cx: &StepCx<'_>, params: &Text) -> Vec<ClaimKey> {
        vec![ClaimKey(params.name.clone())]
    }

    async fn check(&self, _cx: &StepCx<'_>, params: &Text) -> Result<Observed<Name>, StepError> {
        let Some(text) = read(&self.folder.join(&params.name))? else { return Ok(Observed::Absent) };
        let (output, marker) = (Name { name: params.name.clone() }, Marker::NoPlace);
        if text == params.text {
            return Ok(Observed::Present { output, marker });
        }
        let differences = vec![Difference::new("text", params.text.as_str(), text)];
        Ok(Observed::Differs { output, differences, marker })
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &Text) -> Result<Applied, StepError> {
        cx.log.take_write(&format!("write {}", params.name))?;
        fs::write(self.folder.join(&params.name), &params.text).map_err(|error| failed(&error).unknown())?;
        count_write(&self.folder, &params.name).map_err(|error| failed(&error).unknown())?;
        if self.dies_after == Some(params.name.as_str()) {
            std::process::abort();
        }
        Ok(Applied::default())
    }

    async fn undo(&self, cx: &StepCx<'_>, _params: &Text, found: &Name) -> Result<Undone, StepError> {
        cx.log.take_write(&format!("delete {}", found.name))?;
        fs::remove_file(self.folder.join(&found.name)).map_err(|error| failed(&error).unknown())?;
        Ok(Undone::Removed)
    }
}

/// The file's text; `None`: there is no such file.
fn read(path: &Path) -> Result<Option<String>, StepError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(&error)),
    }
}

fn failed(error: &std::io::Error) -> StepError {
    StepError::new(FailureClass::Transient, error.to_string())
}

/// Records the write outside the journal, so that a write that is sent twice shows.
fn count_write(folder: &Path, name: &str) -> std::io::Result<()> {
    writeln!(fs::OpenOptions::new().create(true).append(true).open(folder.join("writes"))?, "{name}")
}

/// Starts the run, or continues it: creating a run with the same id again does nothing.
#[tokio::main]
async fn drive(folder: &Path, dies_after: Option<&'static str>) -> Result<RunStatus, Failure> {
    let own = || folder.to_owned();
    let registry =
        Registry::new().check(FileExists { folder: own() }).with(FileText { folder: own(), dies_after });
    let registry = Arc::new(registry);
    let backend = SqliteBackend::open(&folder.join("journal.db"), Opening::live(Arc::clone(&registry)))?;
    let compiled = parse("two-files.yaml", PLAN.as_bytes())
        .and_then(|document| compile(&document, registry.catalog()))
        .map_err(|errors| errors.render(false))?;
    let run = RunId(Uuid::from_u128(1));
    let new = NewRun {
        run,
        plan: Arc::new(compiled.plan),
        text: PLAN.into(),
        inputs: Inputs::default(),
        starter: Actor("you".to_owned()),
        paused: false,
        seed: 1,
        rollout: NewRollout::default(),
    };
    backend.start(new).await?;
    let performer = Arc::new(Performer::new(registry, Arc::new(SystemClock)));
    let (_stopper, stop) = StopToken::new();
    let options = DriveOptions { until_blocked: true, ..DriveOptions::default() };
    backend.drive(Runs::These(vec![run]), performer, options, stop).await?;
    Ok(backend.summary(run)?.status)
}

/// Lets `first` die in the middle of the run, and continues the run in this process. Returns the status, and the writes
/// of the first process and of both.
fn demonstrate(folder: &Path, first: &mut Command) -> Result<(RunStatus, [String; 2]), Failure> {
    if first.status()?.success() {
        return Err("the first process did not die".into());
    }
    let writes = || fs::read_to_string(folder.join("writes"));
    let before = writes()?;
    let status = drive(folder, None)?;
    Ok((status, [before, writes()?]))
}

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().ok_or("usage: step_kind FOLDER")?);
    if arguments.next().is_some() {
        drive(&folder, Some("two.txt"))?;
        return Ok(());
    }
    fs::create_dir_all(&folder)?;
    let mut first = Command::new(std::env::current_exe()?);
    let (status, [before, all]) = demonstrate(&folder, first.arg(&folder).arg("die"))?;
    writeln!(std::io::stdout(), "the first process wrote\n{before}both wrote\n{all}{status:?}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_survives_the_death_of_its_process_and_repeats_no_write() {
        let folder = tempfile::tempdir().unwrap();
        let mut first = Command::new(std::env::current_exe().unwrap());
        first.args(["--ignored", "--exact", "tests::the_process_that_dies"]).current_dir(folder.path());
        let (status, writes) = demonstrate(folder.path(), &mut first).unwrap();
        assert_eq!(status, RunStatus::Done { skipped: 0 });
        assert_eq!(writes, ["one.txt\ntwo.txt\n"; 2], "it died after the write, which was not repeated");
    }

    #[test]
    #[ignore = "the other test starts it in a process of its own"]
    fn the_process_that_dies() {
        drive(Path::new("."), Some("two.txt")).unwrap();
    }

    /// Each block of Rust in the guide is a part of this file, or of the file of a kind.
    #[test]
    fn the_guide_shows_this_code() {
        let guide = include_str!("../../docs/guides/writing-a-step-kind.md");
        let sources = [include_str!("step_kind.rs"), include_str!("../../steps/src/kinds/network_group.rs")];
        let blocks: Vec<&str> =
            guide.split("```rust\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert!(blocks.len() > 3, "{}", blocks.len());
        for block in blocks {
            assert!(sources.iter().any(|source| source.contains(block)), "not in the code:\n{block}");
        }
        assert!(guide.contains(PLAN.trim_start()), "the plan");
    }

    #[test]
    fn the_kinds_are_declared_without_a_problem() {
        let folder = PathBuf::new();
        let registry = Registry::new()
            .check(FileExists { folder: folder.clone() })
            .with(FileText { folder, dies_after: None });
        assert_eq!(registry.problems(), &[] as &[String]);
    }
}
