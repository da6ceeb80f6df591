//! `init`: writes a starter plan, its inputs and a configuration. It never overwrites a file.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::text::Text;

/// Write a starter plan, its inputs and a configuration
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder (default: the current one); created if it does not exist
    #[arg(value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

const PLAN: &str = include_str!("../../plans/library/cross-tenant-connection.yaml");
const INPUTS: &str = include_str!("../../plans/library/cross-tenant-connection.inputs.yaml");
const CONFIGURATION: &str = include_str!("init/twinspan.toml");

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let folder = match args.folder {
        Some(folder) => app.folder.join(folder),
        None => app.folder.clone(),
    };
    std::fs::create_dir_all(&folder)
        .map_err(|error| CommandError::file(Exit::Failed, "the folder", &folder, &error))?;
    let mut written = Vec::new();
    let mut kept = Vec::new();
    for (name, text) in [
        ("cross-tenant-connection.yaml", PLAN),
        ("cross-tenant-connection.inputs.yaml", INPUTS),
        ("twinspan.toml", CONFIGURATION),
    ] {
        if write_new(&folder.join(name), text)? {
            written.push(name);
        } else {
            kept.push(name);
        }
    }
    let view = document(json!({ "folder": folder, "written": written, "kept": kept }));
    ui.data(&view, || {
        let written = written.iter().map(|name| format!("written  {name}\n"));
        let kept = kept.iter().map(|name| format!("kept     {name} (it exists)\n"));
        Text::document(&written.chain(kept).collect::<String>())
    })?;
    ui.talk("next: put your own values into cross-tenant-connection.inputs.yaml, then");
    ui.talk("      twinspan rehearse cross-tenant-connection.yaml");
    Ok(Exit::Done)
}

/// Writes the file unless it exists; returns whether it was written.
fn write_new(path: &Path, text: &str) -> Result<bool, CommandError> {
    let refuse = |error: io::Error| CommandError::file(Exit::Failed, "the file", path, &error);
    match OpenOptions::new().write(true).create_new(true).open(path) {
        Ok(mut file) => file.write_all(text.as_bytes()).map(|()| true).map_err(refuse),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(refuse(error)),
    }
}
