//! The plan-file format: parse, check, compile. No clock, no input or output, no async.
//!
//! ```text
//! text ─parse─▶ Document ─compile(Catalog)─▶ Plan ─bind(inputs)─▶ Inputs
//! ```

mod catalog;
mod digest;
pub mod expr;
mod plan;

pub use catalog::{Catalog, EffectClass, Field, Identities, KindSpec, Type};
pub use digest::Digest;
pub use plan::{
    ApprovalGate, BlockDef, Ensure, IdentityDef, IdentityId, InputDef, Inputs, Need, Node, NodeId, NodeKind,
    Plan, RetryPolicy, StepDef,
};
