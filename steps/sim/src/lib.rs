//! Entra ID, Microsoft Graph and Azure Resource Manager as one deterministic world in memory.
//!
//! Shares no type with the client that talks to it but `http` and `bytes`: a misunderstanding on one side is
//! not repeated on the other.
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
//! * **Time** is an argument. Nothing happens between requests: what takes time (propagation, replication,
//!   `Pending` to `Connected`) is worked out from time stamps when somebody looks.
//! * **Names** that a service would draw at random come from the world's seed, so the same requests at the same
//!   times get the same bytes.
//! * **The ledger** holds every write that arrived: the oracle of the reliability tests.
//! * **What Azure has and this world does not** is answered 501 `NotSimulated`; what neither has, as Azure answers it.
//! * **Lies** ([`Lie`]) make the world wrong on purpose, to see that somebody notices.

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
pub use ledger::{Change, Effect, InFlight, Seen};
pub use lies::Lie;
pub use service::{Hosts, Service};
pub use throttling::{Rate, Rates};
pub use world::{Answer, World};
pub use worlds::{SignIn, WorldError};
