//! All step kinds, by name: one line each. Erasure lives here and nowhere else.

use twinspan_plans::Catalog;

use crate::step::Step;

/// All step kinds of a program.
#[derive(Default)]
pub struct Registry {
    catalog: Catalog,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Registry::default()
    }

    /// Adds a kind.
    #[must_use]
    pub fn with<S: Step>(self, _step: S) -> Self {
        self
    }

    /// What the compiler needs to know.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}
