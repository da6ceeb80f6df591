//! Facts about tenants that never change, read once in each process instead of once in each step.

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Tenant, subject of the fact, and its type.
type Key = (String, String, TypeId);

/// The known facts.
#[derive(Default)]
pub(super) struct Facts(Mutex<HashMap<Key, Arc<dyn Any + Send + Sync>>>);

impl Facts {
    pub(super) fn get<T: Clone + 'static>(&self, tenant: &str, about: &str) -> Option<T> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(&key::<T>(tenant, about))?.downcast_ref::<T>().cloned()
    }

    pub(super) fn keep<T: Send + Sync + 'static>(&self, tenant: &str, about: &str, fact: T) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(key::<T>(tenant, about), Arc::new(fact));
    }
}

fn key<T: 'static>(tenant: &str, about: &str) -> Key {
    (tenant.to_ascii_lowercase(), about.to_ascii_lowercase(), TypeId::of::<T>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_is_known_in_its_tenant_only() {
        let facts = Facts::default();
        facts.keep("T", "role Reader", 7_u8);
        assert_eq!(facts.get::<u8>("t", "role reader"), Some(7));
        assert_eq!(facts.get::<u8>("u", "role Reader"), None);
        assert_eq!(facts.get::<u16>("t", "role Reader"), None);
    }
}
