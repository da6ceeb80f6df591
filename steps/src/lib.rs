//! Step kinds, and the Azure clients that they use.

mod avnm;
mod azure;
mod command_policy;
mod default_world;
mod directory;
mod enumeration;
mod hand_over;
mod hierarchy;
pub mod ids;
mod kinds;
mod permissions;
pub mod readiness;
mod remote;
mod supervisor;
mod tenancy;

pub use azure::people::who;
pub use azure::{
    Arm, Azure, AzureCli, Cloud, CloudError, Credential, CredentialError, CredentialKind, CredentialSettings,
    Credentials, Deletion, Graph, IdentitySettings, InProcess, PROXY_VARIABLES, Proxy, ProxyError,
    SecretReader, SecretRef, Service, SignedIn, TransportFault, Wire, WireError,
};
pub use command_policy::CommandPolicy;
pub use hand_over::{ARM, GRAPH};
pub use kinds::registry;
pub use supervisor::{Supervisor, supervise};
