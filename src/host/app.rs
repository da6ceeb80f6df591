//! State shared by the commands: paths, actor, and the engine's parts, created on first use. No logic.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use twinspan_engine::{
    Actor, Group, LEASE, Opening, Registry, Remarks, Sharing, SqliteBackend, belongs_to_another, own_account,
    recover_journal,
};

use crate::cli::arguments::Global;
use crate::cli::environment::Environment;
use crate::cli::error::CommandError;
use crate::cli::failures;
use crate::host::configuration::{self, Configuration, Layers, Sources};
use crate::host::{held_commit, step_kinds};
use twinspan_encode::sh::word;

/// The environment and the global options of this process.
pub(crate) struct App {
    pub(crate) environment: Environment,
    pub(crate) folder: PathBuf,
    global: Global,
    command_line: fn() -> clap::Command,
    layers: OnceLock<(Layers, Configuration)>,
    /// Remarks of the journal that are not errors.
    pub(crate) remarks: Remarks,
}

impl App {
    /// `command_line` describes every command and option, for the commands that print them.
    pub(crate) fn new(
        environment: Environment,
        folder: PathBuf,
        global: Global,
        command_line: fn() -> clap::Command,
    ) -> Self {
        App {
            environment,
            folder,
            global,
            command_line,
            layers: OnceLock::new(),
            remarks: Remarks::default(),
        }
    }

    /// `--journal` as given, for commands whose default is not the user's journal.
    pub(crate) fn journal_flag(&self) -> Option<PathBuf> {
        self.global.journal.clone()
    }

    /// The merged configuration: environment over project over user.
    pub(crate) fn configuration(&self) -> Result<&Configuration, CommandError> {
        Ok(&self.loaded()?.1)
    }

    /// The configuration, layer by layer.
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

    /// The global options of the command line.
    pub(crate) fn global(&self) -> &Global {
        &self.global
    }

    /// Every command and option.
    pub(crate) fn command_line(&self) -> clap::Command {
        (self.command_line)()
    }

    /// Path of the journal.
    pub(crate) fn journal(&self) -> Result<PathBuf, CommandError> {
        if let Some(path) = self.journal_flag().or(self.configuration()?.journal.clone()) {
            return Ok(path);
        }
        match self.environment.state_folder() {
            Some(folder) => Ok(folder.join("journal.db")),
            None => Err(CommandError::usage(
                "the journal has no default path: neither HOME nor XDG_STATE_HOME is set",
            )
            .hint("give its path with --journal PATH")),
        }
    }

    /// The actor: as given, else the name of the OS account, else its number (services and containers often have no
    /// name). If
    /// several accounts share the journal, the operating system supplies the name instead of the environment.
    pub(crate) fn actor(&self) -> Actor {
        let named = self.global.actor.clone().or_else(|| self.environment.get("TWINSPAN_ACTOR"));
        let shared = self.configuration().is_ok_and(|configuration| configuration.journal_group.is_some());
        if named.is_none() && shared {
            return own_account();
        }
        let user = || self.environment.get("USER").or_else(|| self.environment.get("LOGNAME"));
        Actor(named.or_else(user).unwrap_or_else(account))
    }

    /// The actor of a signal sent through `backend`. In a journal of another account it is the account of this process,
    /// proven by
    /// the owner of the signal's file.
    pub(crate) fn sender(&self, backend: &SqliteBackend) -> Result<Actor, CommandError> {
        let Some(owner) = backend.sends_to() else { return Ok(self.actor()) };
        let proven = own_account();
        match &self.global.actor {
            Some(stated) if *stated != proven.0 => Err(CommandError::usage(format!(
                "the journal belongs to the account {owner}: your signals are recorded as those of {proven}, not of {stated}"
            ))
            .hint("omit --actor; to approve for another person, use `approve --as NAME`")),
            _ => Ok(proven),
        }
    }

    /// Who besides the owner may use the journal at `path`.
    pub(crate) fn sharing(&self, path: &Path) -> Result<Sharing, CommandError> {
        if belongs_to_another(path) {
            return Ok(Sharing::AsItIs);
        }
        // Commands that need more of an unreadable configuration report it; until then no permission is changed.
        let Ok(configuration) = self.configuration() else { return Ok(Sharing::AsItIs) };
        let Some(said) = &configuration.journal_group else { return Ok(Sharing::Private) };
        let refused = |what: String| CommandError::usage(format!("{}: journal.group: {what}", said.place));
        let Some(group) = Group::find(&said.name) else {
            return Err(refused(format!("there is no group {} on this machine", said.name)).hint(format!(
                "`getent group` lists the groups; `sudo groupadd {}` creates this one",
                word(&said.name)
            )));
        };
        if !group.has_this_account() {
            let me = own_account();
            return Err(refused(format!("{me} is not a member of the group {}", said.name)).hint(format!(
                "`sudo usermod -aG {} {}`, then sign in again; or name another group",
                word(&said.name),
                word(&me.0)
            )));
        }
        let home = self.environment.path("HOME").and_then(|home| home.canonicalize().ok());
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(&self.folder);
        if home.is_some() && folder.canonicalize().ok() == home {
            return Err(refused("the journal is in your home folder, which is not opened for a group".to_owned())
                .hint("give the journal its own folder, for example /srv/twinspan: --journal /srv/twinspan/journal.db"));
        }
        Ok(Sharing::Group(group))
    }

    /// The journal for reading; `None`: it does not exist yet.
    pub(crate) fn reader(&self) -> Result<Option<Arc<SqliteBackend>>, CommandError> {
        let path = self.journal()?;
        if !is_there(&path)? {
            return Ok(None);
        }
        let opening = Opening::reading(step_kinds::described()?).sharing(self.sharing(&path)?);
        Ok(Some(Arc::new(SqliteBackend::open(&path, opening).map_err(failures::backend)?)))
    }

    /// The journal for reading; an error if it does not exist.
    pub(crate) fn existing(&self) -> Result<Arc<SqliteBackend>, CommandError> {
        match self.reader()? {
            Some(backend) => Ok(backend),
            None => Err(self.no_journal()?),
        }
    }

    /// The journal for sending signals, without driving runs.
    pub(crate) fn backend(&self) -> Result<Arc<SqliteBackend>, CommandError> {
        if !is_there(&self.journal()?)? {
            return Err(self.no_journal()?);
        }
        self.open_as(Opening::asking(step_kinds::described()?))
    }

    /// The journal for driving runs with the kinds of `registry`; created if it does not exist.
    pub(crate) fn open(&self, registry: Arc<Registry>) -> Result<Arc<SqliteBackend>, CommandError> {
        self.open_as(Opening::live(registry))
    }

    fn open_as(&self, opening: Opening) -> Result<Arc<SqliteBackend>, CommandError> {
        let path = self.journal()?;
        // Commands that need more of an unreadable configuration report it.
        let lease = self.configuration().ok().and_then(|configuration| configuration.journal_lease);
        let opening =
            opening.lease(lease.unwrap_or(LEASE)).sharing(self.sharing(&path)?).remarks(self.remarks.clone());
        let opening = held_commit::opening(opening, &self.environment)?;
        let backend = SqliteBackend::open(&path, opening).map_err(failures::backend)?;
        Ok(Arc::new(backend))
    }

    fn no_journal(&self) -> Result<CommandError, CommandError> {
        let path = self.journal()?;
        Ok(CommandError::not_found(format!("there is no journal at {}", path.display()))
            .hint("`twinspan run PLAN` creates it; use --journal PATH for another one"))
    }
}

/// Whether the journal exists. A lost journal is an error, not a missing one.
pub(crate) fn is_there(path: &Path) -> Result<bool, CommandError> {
    match path.try_exists() {
        Ok(true) => return Ok(true),
        // This account may not know whether it exists; opening it reports the missing permission.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return Ok(true),
        _ => {}
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
