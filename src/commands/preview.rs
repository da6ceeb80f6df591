//! `preview`: what a run would find and do, and what is missing for it, in both tenants. Nothing is written, nothing kept.

use std::path::PathBuf;
use std::sync::Arc;

use twinspan_engine::{Clock, Labels, Performer, Rollout, RunId, RunKey, SystemClock, preview};
use twinspan_plans::{Catalog, Inputs};
use twinspan_steps::readiness::{self, Asked};

use crate::app::App;
use crate::arguments::InputArgs;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::plan_file::PlanFile;
use crate::preview::PreviewView;
use crate::ui::Ui;
use crate::{failures, plan_file, rollouts, step_kinds, tenant_lookup};

/// Look at both tenants, and tell what a run would find and do; nothing is written
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan file
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    /// The run key that the run would have (default: the plan's name and its inputs of type tenant-id and scope)
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Exit with 0 where everything is so already, 1 on an error, and 2 where there is something to do or to wait for
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let (registry, azure) = step_kinds::reading(app)?;
    let (file, inputs) = match planned(ui, app, &args, registry.catalog()) {
        Ok(planned) => planned,
        Err(error) => return Err(tenant_lookup::explained(&azure, error).await),
    };
    if !file.warnings.is_empty() {
        ui.talk_text(&plan_file::diagnostics(ui, &file.warnings));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // It begins no run: the name only tells requests and stand-ins of this look apart from others.
    let run = RunId::new();
    let performer = Arc::new(Performer::new(registry, Arc::clone(&clock)));
    let failed = |error: twinspan_engine::StepError| CommandError::bug("the look broke off").cause(&error);
    let key = rollouts::key(args.key.as_deref(), &file.plan, &inputs)?;
    let rollout = rollout(app, key)?;
    let seen = preview(Arc::clone(&file.plan), inputs, run, rollout, performer).await.map_err(failed)?;
    let steps = Asked::all(&file.plan, &seen);
    let ready = readiness::look(&azure, &clock, run, &steps).await.map_err(failed)?;
    let view = PreviewView::new(&file.plan, &args.plan, &seen, &ready, run);
    let words = view.words(run, &seen);
    ui.data(&words.data(&view)?, || view.text(ui.width()).map(|text| words.text(text)))?;
    Ok(view.exit(args.detailed_exitcode))
}

/// The plan, with its inputs.
fn planned(ui: &Ui, app: &App, args: &Args, catalog: &Catalog) -> Result<(PlanFile, Inputs), CommandError> {
    let file = plan_file::read(ui, &args.plan, catalog)?;
    let raw = plan_file::given(ui, &app.environment, &file, &args.inputs)?;
    let inputs = plan_file::bind(ui, &file, &raw)?;
    Ok((file, inputs))
}

/// What the journal knows of earlier runs of the key; a preview needs none.
fn rollout(app: &App, key: RunKey) -> Result<Rollout, CommandError> {
    let earlier = match app.reader() {
        Ok(Some(backend)) => backend.earlier(&key).map_err(failures::backend)?,
        Ok(None) => Vec::new(),
        // A journal in which no run was ever started.
        Err(error) if error.exit == Exit::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Rollout { key, labels: Labels::default(), earlier })
}
