//! `preview`: what a run would find and do, and what is missing for it, in both tenants. It writes nothing and stores
//! nothing.

use std::path::PathBuf;
use std::sync::Arc;

use twinspan_engine::{Clock, Labels, Performer, Rollout, RunId, RunKey, SystemClock, preview};
use twinspan_plans::{Catalog, Inputs};
use twinspan_steps::readiness::{self, Asked};

use crate::cli::arguments::InputArgs;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::{cloud_kinds, tenant_lookup};
use crate::plan;
use crate::plan::file::PlanFile;
use crate::report::preview::PreviewView;
use crate::runs::rollouts;

/// Show what a run would find and do in both tenants; nothing is written
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
    /// Exit with 0 if nothing has to be done, 1 on an error, and 2 if a run would change a resource or wait
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let (registry, azure) = cloud_kinds::reading(app)?;
    let (file, inputs) = match planned(ui, app, &args, registry.catalog()) {
        Ok(planned) => planned,
        Err(error) => return Err(tenant_lookup::explained(&azure, error).await),
    };
    if !file.warnings.is_empty() {
        ui.talk_text(&plan::file::diagnostics(ui, &file.warnings));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // A preview begins no run: the id only marks its requests and stand-ins.
    let run = RunId::new();
    let performer = Arc::new(Performer::new(registry, Arc::clone(&clock)));
    let failed =
        |error: twinspan_engine::StepError| CommandError::bug("the preview was interrupted").cause(&error);
    let key = rollouts::key(args.key.as_deref(), &file.plan, &inputs)?;
    let rollout = rollout(app, key)?;
    let seen = preview(Arc::clone(&file.plan), inputs, run, rollout, performer).await.map_err(failed)?;
    let steps = Asked::all(&file.plan, &seen);
    let ready = readiness::look(&azure, &clock, run, &steps).await.map_err(failed)?;
    let view = PreviewView::new(&file.plan, (&args.plan, &args.inputs.repeated()), &seen, &ready, run);
    let words = view.words(run, &seen);
    ui.data(&words.data(&view)?, || view.text(ui.width()).map(|text| words.text(text)))?;
    Ok(view.exit(args.detailed_exitcode))
}

/// The plan, with its inputs.
fn planned(ui: &Ui, app: &App, args: &Args, catalog: &Catalog) -> Result<(PlanFile, Inputs), CommandError> {
    let file = plan::file::read(ui, &args.plan, catalog)?;
    let raw = plan::file::given(ui, &app.environment, &file, &args.inputs)?;
    let inputs = plan::file::bind(ui, &file, &raw)?;
    Ok((file, inputs))
}

/// The earlier runs of the key in the journal; a preview also works without a journal.
fn rollout(app: &App, key: RunKey) -> Result<Rollout, CommandError> {
    let earlier = match app.reader() {
        Ok(Some(backend)) => backend.earlier(&key).map_err(failures::backend)?,
        Ok(None) => Vec::new(),
        // A journal without runs.
        Err(error) if error.exit == Exit::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(Rollout { key, labels: Labels::default(), earlier })
}
