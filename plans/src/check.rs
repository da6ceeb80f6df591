//! From a document to a plan: names resolved, types checked. Every error in one pass.

use crate::catalog::Catalog;
use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::document::Document;
use crate::plan::Plan;

/// A plan, and what is odd about it but no error.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The plan.
    pub plan: Plan,
    /// Warnings.
    pub warnings: Diagnostics,
}

/// Checks a document against the kinds that exist. All errors at once.
pub fn compile(document: &Document, catalog: &Catalog) -> Result<Compiled, Diagnostics> {
    let _ = (document, catalog);
    Err(Diagnostic::error("TS0001", "plans cannot be compiled yet").into())
}
