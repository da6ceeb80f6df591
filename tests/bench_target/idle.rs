//! Cost of waiting: runs that wait for a person, and a driver without other work.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use twinspan_engine::{
    Backend, Check, DriveOptions, Filter, Identities, KindMeta, Marker, Observed, Performer, Registry,
    RunStatus, Runs, SqliteBackend, StepCx, StepError, StopToken, SystemClock, Wait, WaitKind,
};
use twinspan_plans::{compile, parse};

use crate::Failure;
use crate::arguments::Arguments;
use crate::workload::{opening, runs_of, submit};

/// A step that waits for a person who never comes.
struct Ask;

/// Parameters of `ask`: none.
#[derive(Clone, Copy, Debug, Serialize, Deserialize, JsonSchema)]
struct Params {}

/// Outputs of `ask`: none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
struct Output {}

impl Check for Ask {
    const META: KindMeta = KindMeta {
        identities: Identities::None,
        ..KindMeta::reads("ask", "Wait for a person who never comes")
    };

    type Params = Params;
    type Output = Output;

    fn example() -> Params {
        Params {}
    }

    async fn check(&self, _cx: &StepCx<'_>, _params: &Params) -> Result<Observed<Output>, StepError> {
        let wait = Wait::new(WaitKind::Person, "a person has to say yes").who("a person");
        Ok(Observed::Converging { wait, marker: Marker::NoPlace })
    }
}

const PLAN: &str = "twinspan: 1\nname: waiting\nsummary: Wait for a person\n\
                    inputs:\n  workflow: { type: int, about: Number of the workflow }\n\
                    steps:\n  - id: ask\n    uses: ask\n";

/// Prints `waiting` when every run waits, and `stopped` when the benchmark has closed standard input: the difference
/// between the two is the cost of waiting.
pub(crate) async fn idle(
    arguments: &Arguments,
    workflows: u32,
    say: &dyn Fn(&str) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let registry = Arc::new(Registry::new().check(Ask));
    let compiled = parse("waiting.yaml", PLAN.as_bytes())
        .and_then(|document| compile(&document, registry.catalog()))
        .map_err(|errors| errors.render(false))?;
    let backend = Arc::new(SqliteBackend::open(
        &arguments.folder.join("journal.db"),
        opening(arguments, Arc::clone(&registry)),
    )?);
    say("open")?;
    let plan = Arc::new(compiled.plan);
    submit(
        &backend,
        runs_of(&plan, &PLAN.into(), arguments.first..arguments.first.saturating_add(workflows)),
    )
    .await?;
    say("submitted")?;
    let performer = Arc::new(Performer::new(registry, Arc::new(SystemClock)));
    let (stopper, stop) = StopToken::new();
    let driving = tokio::spawn({
        let backend = Arc::clone(&backend);
        async move { backend.drive(Runs::All, performer, DriveOptions::default(), stop).await }
    });
    let mut looks = tokio::time::interval(Duration::from_millis(100));
    loop {
        looks.tick().await;
        let runs = backend.list(Filter::default()).await?;
        if runs.iter().all(|run| matches!(run.status, RunStatus::Waiting { .. })) {
            break;
        }
    }
    say("waiting")?;
    tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new())).await??;
    say("stopped")?;
    stopper.stop();
    driving.await??;
    Ok(())
}
