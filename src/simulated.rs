//! The simulated Azure: the choice of its world, and access from sockets or from this process.

mod in_process;

use std::path::Path;

use twinspan_sim::World;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;

pub use in_process::InProcessWorld;

/// The world to begin with.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct WorldChoice {
    /// Begin with this world: a JSON file, `least-privilege`, `ready` (the prerequisites are met), or `connected` (the
    /// tenants are connected already); default: the world of the shipped plan
    #[arg(long, value_name = "FILE|least-privilege|ready|connected")]
    world: Option<String>,
}

/// The chosen world.
pub(crate) fn world(choice: &WorldChoice, ready: bool) -> Result<World, CommandError> {
    let (built, name) = match choice.world.as_deref() {
        None if ready => (World::ready(), "ready"),
        None => (World::shipped(), "shipped"),
        Some("ready") => (World::ready(), "ready"),
        Some("connected") => (World::connected(), "connected"),
        Some("least-privilege") => (World::least_privilege(), "least-privilege"),
        Some(file) => {
            let path = Path::new(file);
            let text = std::fs::read_to_string(path)
                .map_err(|error| CommandError::file(Exit::NotFound, "the world", path, &error))?;
            (World::from_json(&text), file)
        }
    };
    built.map_err(|error| CommandError::usage(format!("the world {name} cannot be used")).cause(&error))
}
