//! The registry of step kinds, with what each kind needs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use twinspan_engine::{BoxFuture, Registry};
use twinspan_steps::{
    Azure, Cloud, CommandPolicy, Credentials, InProcess, Supervisor, TransportFault, Wire, registry,
};

use crate::app::App;
use crate::clouds;
use crate::environment::Environment;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::request_windows;
use crate::secrets::Secrets;

/// Kinds for commands without network access: they can be described, but not run.
pub(crate) fn described() -> Result<Arc<Registry>, CommandError> {
    let cloud = Cloud::named("public").map_err(|error| CommandError::bug("no cloud").cause(&error))?;
    let secrets = Arc::new(Secrets::new(Environment::Process));
    let credentials = Credentials::new([].into(), secrets);
    let azure = Azure::new(cloud, credentials, Wire::in_process(Arc::new(NoNetwork)));
    Ok(Arc::new(registry(Arc::new(azure), CommandPolicy::deny())))
}

/// Kinds that act in the configured cloud.
pub(crate) fn live(app: &App) -> Result<Arc<Registry>, CommandError> {
    let azure = clouds::live(app.configuration()?, &app.environment)?;
    let commands = commands(app)?.supervised_by(supervisor(app.journal()?)?);
    Ok(Arc::new(request_windows::shortened(registry(azure, commands), &app.environment)))
}

/// The supervisor of programs of `command` steps, which is this program itself. Its files are beside `journal`.
pub(crate) fn supervisor(journal: PathBuf) -> Result<Supervisor, CommandError> {
    let program = Environment::program().map_err(|error| {
        CommandError::new(Exit::Failed, "the path of this program's executable is unknown").cause(&error)
    })?;
    Ok(Supervisor::new(program, [OsString::from("supervise")], journal))
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

/// A transport that refuses every request.
struct NoNetwork;

impl InProcess for NoNetwork {
    fn call(&self, _request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>> {
        Box::pin(async { Err(TransportFault::Refused("this command uses no network".to_owned())) })
    }
}
