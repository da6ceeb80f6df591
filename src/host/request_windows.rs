//! Debug builds only: `TWINSPAN_REQUEST_WINDOW`, in seconds, shortens the request window (the time within which a
//! request without
//! a response may still take effect), for tests that kill the program over real sockets. A release build ignores the
//! variable.

use twinspan_engine::Registry;

use crate::cli::environment::Environment;

/// The kinds with the request windows of the environment.
#[cfg(debug_assertions)]
pub(crate) fn shortened(registry: Registry, environment: &Environment) -> Registry {
    match environment.get("TWINSPAN_REQUEST_WINDOW").and_then(|seconds| seconds.parse().ok()) {
        Some(seconds) => registry.with_request_windows_within(std::time::Duration::from_secs(seconds)),
        None => registry,
    }
}

/// The kinds, unchanged.
#[cfg(not(debug_assertions))]
pub(crate) fn shortened(registry: Registry, _environment: &Environment) -> Registry {
    registry
}
