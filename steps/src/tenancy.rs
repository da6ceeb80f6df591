//! Chooses the identity that reads in a subscription: the one whose tenant contains the subscription.

use std::collections::HashMap;

use twinspan_engine::{FailureClass, Identity, StepCx, StepError};

use crate::azure::Azure;
use crate::azure::people;
use crate::hierarchy;
use crate::ids::{ConnectionScope, Guid, ResourceId};

/// Finds and caches the identity for each subscription, within one check.
pub(crate) struct Tenancy<'a> {
    azure: &'a Azure,
    cx: &'a StepCx<'a>,
    known: HashMap<Guid, &'a Identity>,
}

impl<'a> Tenancy<'a> {
    /// `home`: the subscription that lies in the tenant of the step's first identity.
    pub(crate) fn new(azure: &'a Azure, cx: &'a StepCx<'a>, home: Option<Guid>) -> Result<Self, StepError> {
        let known = home.map(|home| Ok::<_, StepError>((home, cx.identity()?))).transpose()?;
        Ok(Tenancy { azure, cx, known: known.into_iter().collect() })
    }

    /// The identity that reads `network`. An error that another identity would get as well (the service does not respond)
    /// is returned at once. If no identity sees the subscription, the first refusal is returned.
    pub(crate) async fn reader(&mut self, network: &ResourceId) -> Result<&'a Identity, StepError> {
        let subscription = network
            .subscription()
            .ok_or_else(|| StepError::plan_wrong(format!("{network} does not lie in a subscription")))?;
        if let Some(known) = self.known.get(&subscription) {
            return Ok(known);
        }
        let scope = ConnectionScope::of_subscription(subscription);
        let mut refused = None;
        // A subscription outside the first identity's own is more likely another identity's.
        let identities = self.cx.identities;
        for identity in identities.iter().skip(1).chain(identities.first()) {
            // No write moves a subscription to another tenant, so nothing invalidates this read.
            let arm = self.azure.arm(self.cx, identity).about([]);
            let seen = match hierarchy::read(&arm, &scope).await {
                Ok(seen) => seen,
                Err(error) if is_elsewhere(&error) => {
                    refused.get_or_insert(error);
                    continue;
                }
                Err(error) => return Err(error),
            };
            let tenant = people::tenant(identity)?;
            if seen.is_some_and(|seen| seen.tenant.is_none_or(|lies_in| lies_in == tenant)) {
                self.known.insert(subscription, identity);
                return Ok(identity);
            }
        }
        Err(refused.unwrap_or_else(|| {
            let names: Vec<&str> = identities.iter().map(|identity| identity.name.as_str()).collect();
            StepError::plan_wrong(format!(
                "subscription {subscription} lies in the tenant of none of the step's identities ({})",
                names.join(", ")
            ))
            .hint("name an identity of its tenant in `as`")
        }))
    }
}

/// The identity that most likely reads `network`, where no request may be sent: the first identity in the subscription
/// `home`, otherwise the second, in the order of [`Tenancy`].
pub(crate) fn presumed_reader<'a>(
    cx: &'a StepCx<'_>,
    home: Option<Guid>,
    network: &ResourceId,
) -> Result<&'a Identity, StepError> {
    let at_home = network.subscription() == home;
    cx.identities.get(1).filter(|_| !at_home).map_or_else(|| cx.identity(), Ok)
}

/// Whether another identity may get a different response.
pub(crate) fn is_elsewhere(error: &StepError) -> bool {
    matches!(
        error.class,
        FailureClass::PlanWrong
            | FailureClass::Permission
            | FailureClass::NeedsPerson
            | FailureClass::Credential
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::azure::scripted::{Bench, CENTRAL, TARGET};
    use crate::default_world;
    use twinspan_engine::{AttemptLog, Phase};

    #[tokio::test]
    async fn the_subscriptions_tenant_decides_and_is_asked_for_once() {
        let bench = Bench::new();
        let log = AttemptLog::new(Phase::Probe);
        let both = [bench.central.clone(), bench.target.clone()];
        let cx = StepCx { identities: &both, ..bench.cx(Phase::Probe, &log) };
        let mut tenancy = Tenancy::new(&bench.azure, &cx, default_world::group().subscription()).unwrap();
        assert_eq!(tenancy.reader(&default_world::hub()).await.unwrap().name, "central");
        assert!(bench.script.requests().is_empty(), "no request for its own subscription");
        bench.script.answer(200, &json!({ "displayName": "x", "tenantId": TARGET, "state": "Enabled" }));
        for _ in 0..2 {
            assert_eq!(tenancy.reader(&default_world::spoke()).await.unwrap().name, "target");
        }
        assert_eq!(bench.script.requests().len(), 1);
    }

    #[tokio::test]
    async fn who_is_refused_is_not_the_reader() {
        let bench = Bench::new();
        let log = AttemptLog::new(Phase::Probe);
        let both = [bench.central.clone(), bench.target.clone()];
        let cx = StepCx { identities: &both, ..bench.cx(Phase::Probe, &log) };
        let mut tenancy = Tenancy::new(&bench.azure, &cx, None).unwrap();
        let unseen = json!({ "error": { "code": "SubscriptionNotFound", "message": "no" } });
        bench.script.answer(404, &unseen);
        bench.script.answer(200, &json!({ "displayName": "x", "tenantId": CENTRAL, "state": "Enabled" }));
        assert_eq!(tenancy.reader(&default_world::spoke()).await.unwrap().name, "central");
        let mut tenancy = Tenancy::new(&bench.azure, &cx, None).unwrap();
        bench.script.answer(404, &unseen).answer(404, &unseen);
        let error = tenancy.reader(&default_world::spoke()).await.unwrap_err();
        assert_eq!(error.class, FailureClass::Permission);
        assert!(error.message.contains("target"), "{error}");
    }
}
