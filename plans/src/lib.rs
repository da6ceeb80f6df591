//! The plan-file format: parsing, checking, compiling. No clock, no input or output, no async.
//!
//! ```text
//! text ─parse─▶ Document ─compile(Catalog)─▶ Plan ─bind(inputs)─▶ Inputs
//! ```

#[cfg(test)]
mod bad_plans;
mod bind;
mod canonical;
mod catalog;
mod check;
mod diagnostic;
mod digest;
mod document;
mod duration;
pub mod elements;
mod explain;
pub mod expr;
#[cfg(test)]
mod fixture;
pub mod graph;
mod ids;
mod instance;
mod lattice;
mod outline;
mod params;
mod plan;
mod reference;
mod render;
#[cfg(test)]
mod robustness;
mod schema;
mod yaml;

pub use bind::{Bound, KnownParams, RawInputs, ReadFile};
pub use catalog::{Catalog, EffectClass, Field, Identities, KindSpec, Type};
pub use check::{Compiled, compile};
pub use diagnostic::{Diagnostic, Diagnostics, Label, Place, Severity, Source, nearest};
pub use digest::Digest;
pub use document::{Document, parse};
pub use duration::parse_duration;
pub use explain::{codes, explain};
pub use ids::{Ensure, IdentityId, NodeId};
pub use instance::{ExpansionError, InputScope, is_same_instance};
pub use outline::OutlineItem;
pub use params::{Clash, GivenParams, ParamCheck, ParamMisfit};
pub use plan::{
    ApprovalGate, BlockDef, IdentityDef, InputDef, Inputs, Need, Node, NodeKind, Plan, RetryPolicy, StepDef,
};
pub use schema::schema;
