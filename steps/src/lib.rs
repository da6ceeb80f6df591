//! What plans can do: step kinds, and the Azure clients that they use.

mod azure;
pub mod ids;

pub use azure::{Arm, Azure, Deletion, Graph, SignedIn};
