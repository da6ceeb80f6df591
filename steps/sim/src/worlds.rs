//! Worlds to begin with: the shipped ones, and those that a file describes.

mod description;
mod file;
mod introduce;

pub use file::WorldError;
pub(crate) use introduce::Label;
pub use introduce::SignIn;

use crate::lags::Lags;
use crate::world::World;
use description::Description;

/// The world of the shipped plan: all prerequisites unmet but tenants, subscriptions, virtual networks, the network
/// manager and the multi-tenant application.
const SHIPPED: &str = include_str!("worlds/shipped.json");
/// What the ready world has on top.
const READY: &str = include_str!("worlds/ready.json");
/// What the connected world has on top of the ready one.
const CONNECTED: &str = include_str!("worlds/connected.json");
/// The shipped world with roles cut down to what the documents ask for.
const LEAST_PRIVILEGE: &str = include_str!("worlds/least-privilege.json");

impl World {
    /// The world of the shipped plan's example inputs, with every prerequisite of the plan unmet.
    pub fn shipped() -> Result<World, WorldError> {
        file::build(&file::read(SHIPPED)?)
    }

    /// The same with the prerequisites met and no lag but those of the connection and the members.
    pub fn ready() -> Result<World, WorldError> {
        let mut description = file::read(SHIPPED)?;
        description.merge(file::read(READY)?);
        description.lags = Lags::ready();
        file::build(&description)
    }

    /// The same as [`World::ready`], where both tenants are connected, with a member in a group whose hub-and-spoke is deployed.
    pub fn connected() -> Result<World, WorldError> {
        let mut description = file::read(SHIPPED)?;
        description.merge(file::read(READY)?);
        description.merge(file::read(CONNECTED)?);
        description.lags = Lags::ready();
        file::build(&description)
    }

    /// The same as [`World::shipped`], where everybody has only what the documents ask for.
    pub fn least_privilege() -> Result<World, WorldError> {
        let mut description = file::read(SHIPPED)?;
        let least: Description = file::read(LEAST_PRIVILEGE)?;
        description.forget_rights();
        description.merge(least);
        file::build(&description)
    }

    /// A world as a JSON file describes it.
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
