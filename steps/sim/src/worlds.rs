//! Initial worlds: the shipped ones, and those described in a file.

mod description;
mod file;
mod introduce;

pub use file::WorldError;
pub(crate) use introduce::Label;
pub use introduce::SignIn;

use crate::lags::Lags;
use crate::world::World;
use description::Description;

/// The world of the shipped plan: all prerequisites unmet except tenants, subscriptions, virtual networks, the network manager
/// and the multi-tenant application.
const SHIPPED: &str = include_str!("worlds/shipped.json");
/// The additions of the ready world.
const READY: &str = include_str!("worlds/ready.json");
/// The additions of the connected world to the ready one.
const CONNECTED: &str = include_str!("worlds/connected.json");
/// The roles of the shipped world, reduced to those that the documentation requires.
const LEAST_PRIVILEGE: &str = include_str!("worlds/least-privilege.json");

impl World {
    /// The world of the shipped plan's example inputs, with every prerequisite of the plan unmet.
    pub fn shipped() -> Result<World, WorldError> {
        file::build(&file::read(SHIPPED)?)
    }

    /// The same with the prerequisites met, and without lags except those of connections and members.
    pub fn ready() -> Result<World, WorldError> {
        let mut description = file::read(SHIPPED)?;
        description.merge(file::read(READY)?);
        description.lags = Lags::ready();
        file::build(&description)
    }

    /// The same as [`World::ready`], with both tenants connected, and a member in a group whose hub-and-spoke is deployed.
    pub fn connected() -> Result<World, WorldError> {
        let mut description = file::read(SHIPPED)?;
        description.merge(file::read(READY)?);
        description.merge(file::read(CONNECTED)?);
        description.lags = Lags::ready();
        file::build(&description)
    }

    /// The same as [`World::shipped`], with only the permissions that the documentation requires.
    pub fn least_privilege() -> Result<World, WorldError> {
        let mut description = file::read(SHIPPED)?;
        let least: Description = file::read(LEAST_PRIVILEGE)?;
        description.forget_rights();
        description.merge(least);
        file::build(&description)
    }

    /// The world that a JSON text describes.
    pub fn from_json(text: &str) -> Result<World, WorldError> {
        file::build(&file::read(text)?)
    }

    /// The shipped description, as an example of such a file.
    pub fn example_json() -> &'static str {
        SHIPPED
    }
}

#[cfg(test)]
mod tests;
