//! Azure Resource Manager and Microsoft Graph, as steps use them: typed requests in, typed answers or a classed
//! [`StepError`] out. Everything goes through one [`Wire`]; every exchange is recorded in the attempt's log.

mod arm;
mod graph;

pub use arm::{Arm, Deletion};
pub use graph::Graph;

use twinspan_engine::{Identity, StepCx, StepError};

/// Clients of one cloud.
pub struct Azure {}

/// Who a token says it is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedIn {
    /// `oid`: object id in the tenant that issued the token.
    pub object_id: Option<String>,
    /// `tid`
    pub tenant: Option<String>,
    /// `appid` or `azp`
    pub application: Option<String>,
    /// `upn` or `unique_name` or `preferred_username`
    pub account: Option<String>,
}

impl Azure {
    /// Azure Resource Manager, as `identity`.
    pub fn arm<'a>(&'a self, cx: &'a StepCx<'a>, identity: &'a Identity) -> Arm<'a> {
        Arm::new(self, cx, identity)
    }

    /// Microsoft Graph, as `identity`.
    pub fn graph<'a>(&'a self, cx: &'a StepCx<'a>, identity: &'a Identity) -> Graph<'a> {
        Graph::new(self, cx, identity)
    }

    /// Signs in as `identity` with a fresh token and says who that is.
    pub async fn sign_in(&self, _cx: &StepCx<'_>, _identity: &Identity) -> Result<SignedIn, StepError> {
        Err(StepError::plan_wrong("not connected"))
    }
}
