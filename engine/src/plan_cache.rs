//! Compiled plans by the digest of their text, so that a thousand runs of one plan compile it once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use twinspan_plans::{Digest, Plan, compile, parse};

use super::BackendError;
use crate::ids::RunId;
use crate::journal::{Journal, RunRow};
use crate::registry::Registry;

/// Compiled plans.
pub(crate) struct PlanCache {
    registry: Arc<Registry>,
    plans: Mutex<HashMap<Digest, Arc<Plan>>>,
}

impl PlanCache {
    pub(crate) fn new(registry: Arc<Registry>) -> Self {
        PlanCache { registry, plans: Mutex::default() }
    }

    pub(crate) fn registry(&self) -> &Arc<Registry> {
        &self.registry
    }

    /// Stores a plan that was compiled from text with this digest.
    pub(crate) fn put(&self, digest: Digest, plan: Arc<Plan>) {
        self.plans.lock().unwrap_or_else(PoisonError::into_inner).insert(digest, plan);
    }

    /// The plan of a run.
    pub(crate) fn of(&self, journal: &Journal, row: &RunRow) -> Result<Arc<Plan>, BackendError> {
        let digest = journal.plan_digest(row.plan)?;
        if let Some(plan) = self.plans.lock().unwrap_or_else(PoisonError::into_inner).get(&digest) {
            return Ok(Arc::clone(plan));
        }
        let text = journal.plan_text(row.plan)?;
        let plan = Arc::new(self.compile(row.run, &text)?);
        self.put(digest, Arc::clone(&plan));
        Ok(plan)
    }

    fn compile(&self, run: RunId, text: &str) -> Result<Plan, BackendError> {
        parse("stored plan", text.as_bytes())
            .and_then(|document| compile(&document, self.registry.catalog()))
            .map(|compiled| compiled.plan)
            .map_err(|errors| BackendError::PlanRejected { run, message: errors.render(false) })
    }
}
