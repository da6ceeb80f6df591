//! `explain`: explains the code of a diagnostic, or lists the exit codes.

use serde_json::json;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::text::{STRONG, Text};

/// Explain a code of a diagnostic
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The code, for example TS0107; `exit-codes`; without it, every code is listed
    #[arg(value_name = "CODE")]
    code: Option<String>,
}

pub(crate) async fn run(ui: &Ui, _app: &App, args: Args) -> Result<Exit, CommandError> {
    let Some(code) = args.code else {
        let codes: Vec<_> =
            twinspan_plans::codes().filter_map(|code| Some((code, twinspan_plans::explain(code)?))).collect();
        let list: Vec<_> = codes.iter().map(|(code, text)| json!({ "code": code, "text": text })).collect();
        ui.data(&document(json!({ "codes": list })), || {
            let lines: String =
                codes.iter().map(|(code, text)| format!("{code}  {}\n", first_sentence(text))).collect();
            Text::document(&lines)
        })?;
        return Ok(Exit::Done);
    };
    if code == "exit-codes" {
        let list: Vec<_> = Exit::ALL
            .iter()
            .map(|exit| json!({ "code": exit.code(), "name": exit.name(), "text": exit.about() }))
            .collect();
        ui.data(&document(json!({ "exit_codes": list })), || {
            let lines: String =
                Exit::ALL.iter().map(|exit| format!("{:>3}  {}\n", exit.code(), exit.about())).collect();
            Text::document(&lines)
        })?;
        return Ok(Exit::Done);
    }
    let wanted = code.to_ascii_uppercase();
    let Some(text) = twinspan_plans::explain(&wanted) else {
        return Err(CommandError::not_found(format!("there is no code {code}"))
            .hint("`twinspan explain` lists every code; `twinspan explain exit-codes` the exit codes"));
    };
    ui.data(&document(json!({ "code": wanted, "text": text })), || {
        Text::document(&format!("{STRONG}{wanted}{STRONG:#}\n{}\n", text.trim_end()))
    })?;
    Ok(Exit::Done)
}

fn first_sentence(text: &str) -> &str {
    let end = text.find(". ").or_else(|| text.find(".\n")).map_or(text.len(), |at| at + 1);
    &text[..end]
}
