//! The step kinds of this program.

use twinspan_engine::Registry;

/// Kinds for commands that never touch a network: they are described, not performed.
pub(crate) fn described() -> Registry {
    Registry::new()
}
