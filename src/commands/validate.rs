//! `validate`: checks the plan, and inputs if given, without network access.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::arguments::InputArgs;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::step_kinds;
use crate::plan::{self, advice};
use crate::report::graph::OrderView;
use crate::report::view::counted;
use crate::text::{GOOD, Text};

/// Check a plan without network access
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan file
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let registry = step_kinds::described()?;
    let file = plan::file::read(ui, &args.plan, registry.catalog())?;
    let raw = plan::file::given(ui, &app.environment, &file, &args.inputs)?;
    // Without inputs only the plan is checked; `run` reports missing inputs.
    let bound = !raw.is_empty();
    let advice = match bound {
        true => advice::of(&file.plan, &plan::file::bind(ui, &file, &raw)?),
        false => Vec::new(),
    };
    let order = OrderView::new(&file.plan);
    let outline = file.plan.outline();
    let steps = outline.iter().filter(|item| item.uses.is_some()).count();
    let blocks = outline.len() - steps;
    if !file.warnings.is_empty() {
        ui.talk_text(&plan::file::diagnostics(ui, &file.warnings));
    }
    let view = document(json!({
        "valid": true,
        "plan": file.plan.name,
        "summary": file.plan.summary,
        "digest": file.plan.digest,
        "steps": steps,
        "blocks": blocks,
        "inputs": file.plan.inputs.len(),
        "inputs_checked": bound,
        "diagnostics": file.warnings.to_json(),
        "advice": advice,
        "order": order.steps,
    }));
    ui.data(&view, || {
        let checked = if bound { "inputs checked" } else { "inputs not checked: none given" };
        let mut text = Text::line(&format!(
            "{GOOD}valid{GOOD:#}  {}: {} in {}, {} ({checked})",
            file.plan.name,
            counted(steps, "step"),
            counted(blocks, "block"),
            counted(file.plan.inputs.len(), "input"),
        ));
        text.push_line(&format!("digest {}", file.plan.digest));
        text.push_line("");
        text.push(&order.text(ui.width()));
        text
    })?;
    Ok(Exit::Done)
}
