//! What plans can do: step kinds, and the Azure clients that they use.

mod azure;
pub mod ids;

pub use azure::{
    Arm, Azure, Cloud, CloudError, Credential, CredentialError, CredentialKind, CredentialSettings,
    Credentials, Deletion, Graph, IdentitySettings, InProcess, SecretReader, SecretRef, Service, SignedIn,
    TransportFault, Wire, WireError,
};
