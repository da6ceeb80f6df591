//! `backup`: copy the journal.

use std::path::PathBuf;

use serde_json::json;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::report::view::counted;
use crate::text::{GOOD, Text};

/// Copy the journal to one file while it is in use, and verify the copy
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The copy is consistent also while runs are driven, is readable by its owner only (and by journal.group), and \
                  gets its name when its integrity and every hash of every run are verified. Restore it with the file name of \
                  the journal, after removing the files beside it (-wal, -shm, .record)."
)]
pub(crate) struct Args {
    /// The file to write; its folder exists
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Replace an existing file
    #[arg(long)]
    replace: bool,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let backend = app.existing()?;
    let file = app.folder.join(&args.file);
    let copy = backend.back_up(&file, args.replace).await.map_err(failures::backend)?;
    let view = document(json!({
        "file": file, "runs": copy.runs, "events": copy.events, "bytes": copy.bytes, "verified": true,
    }));
    let runs = counted(usize::try_from(copy.runs).unwrap_or(usize::MAX), "run");
    ui.data(&view, || {
        Text::line(&format!("{GOOD}verified{GOOD:#}  {runs} with {} events: {}", copy.events, file.display()))
    })?;
    Ok(Exit::Done)
}
