//! `list`: the runs of the journal.

use twinspan_engine::{Backend, Filter, RunStatus, RunSummary};

use crate::cli::arguments::Output;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::report::view::RunsView;
use crate::runs::rollouts;

/// List the runs of the journal
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only runs that have not ended
    #[arg(long)]
    open: bool,
    /// Only runs with this status (can be repeated)
    #[arg(long, value_name = "STATUS", value_parser = clap::builder::PossibleValuesParser::new(RunStatus::NAMES))]
    status: Vec<String>,
    /// Only runs of the plan of this name
    #[arg(long, value_name = "NAME")]
    plan: Option<String>,
    /// Only runs in which something failed or needs a decision
    #[arg(long)]
    failed: bool,
    /// At most this many, newest first
    #[arg(long, value_name = "COUNT")]
    limit: Option<usize>,
    /// Only runs of this key
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    /// Only runs with this label (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    label: Vec<String>,
}

impl Args {
    fn wants(&self, run: &RunSummary) -> bool {
        let name = run.status.name();
        let status = self.status.is_empty() || self.status.iter().any(|wanted| wanted == name);
        let failed = matches!(run.status, RunStatus::Halted { .. } | RunStatus::UndoStopped);
        status && (!self.failed || failed) && self.plan.as_ref().is_none_or(|plan| *plan == run.name)
    }
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let key = args.key.as_deref().map(rollouts::given_key).transpose()?;
    let labels = rollouts::labels(&args.label)?;
    let mut runs = match app.reader()? {
        Some(backend) => {
            let filter = Filter { open: args.open, limit: None, key, labels };
            backend.list(filter).await.map_err(failures::backend)?
        }
        // Without a journal there are no runs.
        None => Vec::new(),
    };
    runs.retain(|run| args.wants(run));
    runs.truncate(args.limit.unwrap_or(usize::MAX));
    let view = RunsView::new(&runs);
    if ui.output() == Output::Jsonl {
        view.lines().try_for_each(|line| ui.line(&line))?;
    } else {
        ui.data(&view, || view.text())?;
    }
    if runs.is_empty() {
        ui.talk("no runs");
    }
    Ok(Exit::Done)
}
