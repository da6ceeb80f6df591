//! How long asynchronous effects take in this world.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// The lags, each on the world's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lags {
    /// Both sides of a connection match → `Connected`.
    pub connected: SignedDuration,
    /// Static member `Updating` → `Succeeded`.
    pub member: SignedDuration,
    /// New principal → role assignments are no longer refused with `PrincipalNotFound`.
    pub principal: SignedDuration,
    /// The same for a request without `principalType`.
    pub principal_untyped: SignedDuration,
    /// New service principal → its application can sign in.
    pub application: SignedDuration,
    /// Role assignment → effective.
    pub role: SignedDuration,
    /// Whether a token that was issued after an assignment contains it at once.
    pub fresh_token_sees_roles: bool,
    /// `register` → `Registered`.
    pub provider: SignedDuration,
    /// New user or service principal in Graph → readable.
    pub graph: SignedDuration,
    /// DELETE returned 200 → the resource is deleted.
    pub delete: SignedDuration,
    /// Commit → deployed.
    pub deployment: SignedDuration,
    /// If a manager is deleted within this time after one of its connections, the scope stays blocked;
    /// zero: never.
    pub poison: SignedDuration,
    /// Member or deployment → visible in Resource Graph and effective lists.
    pub effective: SignedDuration,
    /// Lifetime of a token.
    pub token: SignedDuration,
}

impl Default for Lags {
    fn default() -> Self {
        Lags {
            connected: SignedDuration::from_secs(2),
            member: SignedDuration::from_secs(2),
            principal: SignedDuration::from_secs(5),
            principal_untyped: SignedDuration::from_secs(60),
            role: SignedDuration::from_mins(10),
            ..Lags::none()
        }
    }
}

impl Lags {
    /// No delays.
    pub fn none() -> Self {
        Lags {
            connected: SignedDuration::ZERO,
            member: SignedDuration::ZERO,
            principal: SignedDuration::ZERO,
            principal_untyped: SignedDuration::ZERO,
            application: SignedDuration::ZERO,
            role: SignedDuration::ZERO,
            fresh_token_sees_roles: false,
            provider: SignedDuration::ZERO,
            graph: SignedDuration::ZERO,
            delete: SignedDuration::ZERO,
            deployment: SignedDuration::ZERO,
            poison: SignedDuration::ZERO,
            effective: SignedDuration::ZERO,
            token: SignedDuration::from_mins(60),
        }
    }

    /// Those of the ready world: only effects that Azure never has at once.
    pub fn ready() -> Self {
        Lags { connected: SignedDuration::from_secs(2), member: SignedDuration::from_secs(2), ..Lags::none() }
    }
}
