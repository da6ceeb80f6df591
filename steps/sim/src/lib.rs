//! Entra ID, Microsoft Graph and Azure Resource Manager as one deterministic world in memory.
//!
//! Shares no types with the client except those of `http` and `bytes`, so that a misunderstanding in one is not
//! repeated in the other.
//!
//! ```text
//! http::Request ─▶ World::handle(request, now)
//!                    │ which service (Host)            service
//!                    │ fault told for this call?       faults
//!                    ├─▶ login   entra ── tokens       who may have a token for which tenant
//!                    ├─▶ graph   users, invitations, service principals
//!                    └─▶ arm ─┬─ control               /_sim/…: ledger, requests, clock, faults, lies, redeem
//!                             ├─ metadata              /metadata/endpoints, before any token
//!                             ├─ hierarchy             tenants, subscriptions, management and resource groups
//!                             ├─ providers             registration
//!                             ├─ authorization         roles, assignments, what a caller may do
//!                             ├─ network               Microsoft.Network
//!                             └─ resource_graph
//!                    │ ledger: what the request changed
//!                    ▼
//!            Answer | ConnectionFault
//! ```
//!
//! * **Time** is an argument. Nothing happens between requests: delayed effects (propagation, replication, `Pending`
//!   to `Connected`) are computed from time stamps when a request reads them.
//! * **Names** that a service would choose at random come from the world's seed, so the same requests at the same
//!   times get the same bytes.
//! * **The ledger** records every write that arrived, for the assertions of the reliability tests.
//! * **Features of Azure that this world lacks** get a 501 `NotSimulated`; what Azure lacks as well gets Azure's own
//!   error.
//! * **Lies** ([`Lie`]) are deliberate errors of the world, to test that they are detected.

mod arm;
mod authorization;
mod caller;
mod catalogue;
mod control;
mod directory;
mod entra;
mod faults;
mod graph;
mod hierarchy;
mod lags;
mod ledger;
mod lies;
pub mod listener;
mod management_groups;
mod metadata;
mod network;
mod not_simulated;
mod paging;
mod providers;
mod refusals;
mod regions;
mod reply;
mod request;
mod resource_graph;
mod resource_groups;
mod service;
mod subscriptions;
mod throttling;
mod tokens;
#[cfg(test)]
mod trial;
mod versions;
mod world;
mod worlds;

pub use entra::NoCertificate;
pub use faults::{ConnectionFault, Fault, FaultName, Held};
pub use lags::Lags;
pub use ledger::{Change, Effect, InFlight, ReceivedRequest};
pub use lies::Lie;
pub use service::{Hosts, Service};
pub use throttling::{Rate, Rates};
pub use world::{Answer, World};
pub use worlds::{SignIn, WorldError};
