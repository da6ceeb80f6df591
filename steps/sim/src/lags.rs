//! How long things take in this world.

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

/// The lags, each on the world's clock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lags {
    /// Both halves of a connection match → `Connected`.
    pub connected: SignedDuration,
    /// Static member `Updating` → `Succeeded`.
    pub member: SignedDuration,
    /// New principal → role assignments no longer answer `PrincipalNotFound`.
    pub principal: SignedDuration,
    /// The same for a request that does not say `principalType`.
    pub principal_untyped: SignedDuration,
    /// New service principal → its application signs in.
    pub application: SignedDuration,
    /// Role assignment → effective.
    pub role: SignedDuration,
    /// A token issued after an assignment sees it at once.
    pub fresh_token_sees_roles: bool,
    /// `register` → `Registered`.
    pub provider: SignedDuration,
    /// New user or service principal in Graph → readable.
    pub graph: SignedDuration,
    /// DELETE answered 200 → really gone.
    pub delete: SignedDuration,
    /// Commit → deployed.
    pub deployment: SignedDuration,
    /// A manager deleted within this time of one of its connections poisons its scope; zero: never.
    pub poison: SignedDuration,
    /// Member or deployment → visible in Resource Graph and effective lists.
    pub effective: SignedDuration,
    /// How long a token lasts.
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
    /// Everything at once.
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

    /// The ready world's: only what real Azure never does at once.
    pub fn ready() -> Self {
        Lags { connected: SignedDuration::from_secs(2), member: SignedDuration::from_secs(2), ..Lags::none() }
    }
}
