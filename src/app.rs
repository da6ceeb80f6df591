//! What commands share: where things lie, who acts, and the engine's parts, made when first asked for. No logic.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use twinspan_engine::{Actor, LEASE, Opening, Registry, SqliteBackend, recover_journal};

use crate::arguments::Global;
use crate::configuration::{self, Configuration, Layers, Sources};
use crate::environment::Environment;
use crate::error::CommandError;
use crate::{failures, held_commit, step_kinds};

/// The program's surroundings.
pub(crate) struct App {
    pub(crate) environment: Environment,
    pub(crate) folder: PathBuf,
    global: Global,
    layers: OnceLock<(Layers, Configuration)>,
}

impl App {
    pub(crate) fn new(environment: Environment, folder: PathBuf, global: Global) -> Self {
        App { environment, folder, global, layers: OnceLock::new() }
    }

    /// `--journal` as given, for commands whose default is not the user's journal.
    pub(crate) fn journal_flag(&self) -> Option<PathBuf> {
        self.global.journal.clone()
    }

    /// Environment, project, user; in this order.
    pub(crate) fn configuration(&self) -> Result<&Configuration, CommandError> {
        Ok(&self.loaded()?.1)
    }

    /// The same, layer by layer.
    pub(crate) fn layers(&self) -> Result<&Layers, CommandError> {
        Ok(&self.loaded()?.0)
    }

    fn loaded(&self) -> Result<&(Layers, Configuration), CommandError> {
        if let Some(loaded) = self.layers.get() {
            return Ok(loaded);
        }
        let layers = configuration::load(&Sources {
            environment: &self.environment,
            explicit: self.global.config.as_deref(),
            folder: &self.folder,
        })?;
        let merged = layers.clone().merged();
        Ok(self.layers.get_or_init(|| (layers, merged)))
    }

    /// What was said on the command line.
    pub(crate) fn global(&self) -> &Global {
        &self.global
    }

    /// Where the journal lies.
    pub(crate) fn journal(&self) -> Result<PathBuf, CommandError> {
        if let Some(path) = self.journal_flag().or(self.configuration()?.journal.clone()) {
            return Ok(path);
        }
        match self.environment.state_folder() {
            Some(folder) => Ok(folder.join("journal.db")),
            None => Err(CommandError::usage(
                "there is no place for the journal: neither HOME nor XDG_STATE_HOME is set",
            )
            .hint("say where it is with --journal PATH")),
        }
    }

    /// Who acts: as told, else the account's name, else its number (services and containers often have no name).
    pub(crate) fn actor(&self) -> Actor {
        let named = self.global.actor.clone().or_else(|| self.environment.get("TWINSPAN_ACTOR"));
        let user = || self.environment.get("USER").or_else(|| self.environment.get("LOGNAME"));
        Actor(named.or_else(user).unwrap_or_else(account))
    }

    /// The journal, for reading; `None`: there is none yet.
    pub(crate) fn reader(&self) -> Result<Option<Arc<SqliteBackend>>, CommandError> {
        let path = self.journal()?;
        if !is_there(&path)? {
            return Ok(None);
        }
        let opening = Opening::reading(step_kinds::described()?);
        Ok(Some(Arc::new(SqliteBackend::open(&path, opening).map_err(failures::backend)?)))
    }

    /// The journal, for reading; it must be there.
    pub(crate) fn existing(&self) -> Result<Arc<SqliteBackend>, CommandError> {
        match self.reader()? {
            Some(backend) => Ok(backend),
            None => Err(self.no_journal()?),
        }
    }

    /// The journal, for signals: runs are asked, not driven.
    pub(crate) fn backend(&self) -> Result<Arc<SqliteBackend>, CommandError> {
        if !is_there(&self.journal()?)? {
            return Err(self.no_journal()?);
        }
        self.open(step_kinds::described()?)
    }

    /// The journal, for driving runs with the kinds of `registry`; made if it is not there.
    pub(crate) fn open(&self, registry: Arc<Registry>) -> Result<Arc<SqliteBackend>, CommandError> {
        let path = self.journal()?;
        // A configuration that cannot be read is said by those who need more of it.
        let lease = self.configuration().ok().and_then(|configuration| configuration.journal_lease);
        let opening = Opening::live(registry).lease(lease.unwrap_or(LEASE));
        let opening = held_commit::opening(opening, &self.environment)?;
        let backend = SqliteBackend::open(&path, opening).map_err(failures::backend)?;
        Ok(Arc::new(backend))
    }

    fn no_journal(&self) -> Result<CommandError, CommandError> {
        let path = self.journal()?;
        Ok(CommandError::not_found(format!("there is no journal at {}", path.display()))
            .hint("`twinspan run PLAN` makes it; another one is named with --journal PATH"))
    }
}

/// Whether there is a journal. One that is gone is not one that never was.
pub(crate) fn is_there(path: &Path) -> Result<bool, CommandError> {
    if path.exists() {
        return Ok(true);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match folder.exists().then(|| recover_journal(path, None)).transpose().map_err(failures::backend)? {
        Some(Some(lost)) => Err(failures::backend(lost)),
        _ => Ok(false),
    }
}

#[cfg(unix)]
fn account() -> String {
    format!("uid {}", rustix::process::getuid().as_raw())
}

#[cfg(not(unix))]
fn account() -> String {
    "unknown".to_owned()
}
