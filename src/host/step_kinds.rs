//! The registry of step kinds for commands without network access, and the supervisor of programs.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use twinspan_engine::{BoxFuture, Registry};
use twinspan_steps::{
    Azure, Cloud, CommandPolicy, Credentials, InProcess, Supervisor, TransportFault, Wire, registry,
};

use crate::cli::environment::Environment;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::host::secrets::Secrets;

/// Kinds for commands without network access: they can be described, but not run.
pub(crate) fn described() -> Result<Arc<Registry>, CommandError> {
    let cloud = Cloud::named("public").map_err(|error| CommandError::bug("no cloud").cause(&error))?;
    let secrets = Arc::new(Secrets::new(Environment::Process));
    let credentials = Credentials::new([].into(), secrets);
    let azure = Azure::new(cloud, credentials, Wire::in_process(Arc::new(NoNetwork)));
    Ok(Arc::new(registry(Arc::new(azure), CommandPolicy::deny())))
}

/// The supervisor of programs of `command` steps, which is this program itself. Its files are beside `journal`.
pub(crate) fn supervisor(journal: PathBuf) -> Result<Supervisor, CommandError> {
    let program = Environment::program().map_err(|error| {
        CommandError::new(Exit::Failed, "the path of this program's executable is unknown").cause(&error)
    })?;
    Ok(Supervisor::new(program, [OsString::from("supervise")], journal))
}

/// A transport that refuses every request.
struct NoNetwork;

impl InProcess for NoNetwork {
    fn call(&self, _request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>> {
        Box::pin(async { Err(TransportFault::Refused("this command uses no network".to_owned())) })
    }
}
