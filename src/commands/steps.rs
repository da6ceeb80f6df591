//! `steps`: the catalogue of step kinds.

use serde_json::json;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::step_kinds;
use crate::report;
use crate::text::Text;

/// List the step kinds, or describe one
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Name of a kind, for example avnm.scope-connection
    #[arg(value_name = "KIND")]
    kind: Option<String>,
}

pub(crate) async fn run(ui: &Ui, _app: &App, args: Args) -> Result<Exit, CommandError> {
    let registry = step_kinds::described()?;
    let catalog = registry.catalog();
    let Some(name) = args.kind else {
        let kinds: Vec<_> = catalog.kinds.values().collect();
        ui.data(&document(json!({ "kinds": kinds })), || {
            let width = kinds.iter().map(|kind| kind.name.len()).max().unwrap_or(0);
            let lines: String =
                kinds.iter().map(|kind| format!("{:width$}  {}\n", kind.name, kind.summary)).collect();
            Text::document(&lines)
        })?;
        return Ok(Exit::Done);
    };
    let Some(kind) = catalog.kinds.get(&name) else {
        return Err(CommandError::not_found(format!("there is no step kind {name}"))
            .hint("`twinspan steps` lists every kind"));
    };
    ui.data(&document(json!({ "kind": kind })), || Text::document(&report::reference::kind_text(kind)))?;
    Ok(Exit::Done)
}
