//! `preview`: what a run would find and do, and what is missing for it, in both tenants. Nothing is written, nothing kept.

use std::path::PathBuf;
use std::sync::Arc;

use twinspan_engine::{Clock, Performer, RunId, SystemClock, preview};
use twinspan_steps::readiness::{self, Asked};

use crate::app::App;
use crate::arguments::InputArgs;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::preview::PreviewView;
use crate::ui::Ui;
use crate::{plan_file, step_kinds};

/// Look at both tenants, and tell what a run would find and do; nothing is written
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan file
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    /// Exit with 0 where everything is so already, 1 on an error, and 2 where there is something to do or to wait for
    #[arg(long)]
    detailed_exitcode: bool,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let (registry, azure) = step_kinds::reading(app)?;
    let file = plan_file::read(ui, &args.plan, registry.catalog())?;
    let raw = plan_file::given(ui, &app.environment, &file, &args.inputs)?;
    let inputs = plan_file::bind(ui, &file, &raw)?;
    if !file.warnings.is_empty() {
        ui.talk_text(&plan_file::diagnostics(ui, &file.warnings));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    // It begins no run: the name only tells requests and stand-ins of this look apart from others.
    let run = RunId::new();
    let performer = Arc::new(Performer::new(registry, Arc::clone(&clock)));
    let failed = |error: twinspan_engine::StepError| CommandError::bug("the look broke off").cause(&error);
    let seen = preview(Arc::clone(&file.plan), inputs, run, performer).await.map_err(failed)?;
    let steps = Asked::all(&file.plan, &seen);
    let ready = readiness::look(&azure, &clock, run, &steps).await.map_err(failed)?;
    let view = PreviewView::new(&file.plan, &args.plan, &seen, &ready, run);
    let words = view.words(run, &seen);
    ui.data(&words.data(&view)?, || view.text(ui.width()).map(|text| words.text(text)))?;
    Ok(view.exit(args.detailed_exitcode))
}
