//! The registries of step kinds that send requests to the configured cloud.

use std::sync::Arc;

use twinspan_engine::Registry;
use twinspan_steps::{Azure, CommandPolicy, registry};

use crate::cli::error::CommandError;
use crate::host::app::App;
use crate::host::{clouds, request_windows, step_kinds};

/// Kinds that act in the configured cloud.
pub(crate) fn live(app: &App) -> Result<Arc<Registry>, CommandError> {
    let azure = clouds::live(app.configuration()?, &app.environment)?;
    let commands = commands(app)?.supervised_by(step_kinds::supervisor(app.journal()?)?);
    Ok(Arc::new(request_windows::shortened(registry(azure, commands), &app.environment)))
}

/// Kinds that only read from the configured cloud, and their clients.
pub(crate) fn reading(app: &App) -> Result<(Arc<Registry>, Arc<Azure>), CommandError> {
    let azure = clouds::reading(app.configuration()?, &app.environment)?;
    Ok((Arc::new(registry(Arc::clone(&azure), commands(app)?)), azure))
}

/// The programs that the configuration allows.
fn commands(app: &App) -> Result<CommandPolicy, CommandError> {
    Ok(match &app.configuration()?.command_allow {
        Some(programs) => CommandPolicy::allow(programs.iter().cloned()),
        None => CommandPolicy::deny(),
    })
}
