//! Collections that are always empty: security, routing and user configurations, IPAM pools, verifier workspaces. Their
//! resources cannot be created here.

use serde_json::json;

use super::call::Call;
use crate::reply::{Handled, Reply};

/// Collections below a network manager, each with its child collections.
const COLLECTIONS: [&[&str]; 6] = [
    &["securityAdminConfigurations", "ruleCollections", "rules"],
    &["securityUserConfigurations", "ruleCollections", "rules"],
    &["routingConfigurations", "ruleCollections", "rules"],
    &["ipamPools", "staticCidrs"],
    &["verifierWorkspaces", "reachabilityAnalysisIntents"],
    &["verifierWorkspaces", "reachabilityAnalysisRuns"],
];

/// The type that segments below a manager name (`securityAdminConfigurations/ruleCollections`), and whether they name a single
/// resource of it.
fn named(words: &[&str]) -> Option<(String, bool)> {
    let kinds: Vec<&str> = words.iter().step_by(2).copied().collect();
    let own = COLLECTIONS
        .iter()
        .filter_map(|path| path.get(..kinds.len()))
        .find(|path| path.iter().zip(&kinds).all(|(name, word)| name.eq_ignore_ascii_case(word)))?;
    Some((own.join("/"), words.len().is_multiple_of(2)))
}

/// Handles a request to one of these collections; `None` for any other. `words` follow the manager's name.
pub(super) fn handle(call: &Call<'_>, words: &[&str]) -> Option<Handled> {
    let (kind, is_one) = named(words)?;
    let answer = match (call.request.method.as_str(), is_one) {
        ("GET", false) => list(call, &kind, words),
        ("GET", true) => call
            .authorize(&format!("networkManagers/{kind}/read"))
            .and_then(|()| call.manager().map(|_| ()))
            .and(Err(call.provider_not_found(&call.id))),
        ("DELETE", true) => call
            .authorize(&format!("networkManagers/{kind}/delete"))
            .and_then(|()| call.manager().map(|_| ()))
            .map(|()| Reply::empty(204)),
        (_, false) => Err(Reply::method_not_allowed()),
        (_, true) => {
            Err(crate::not_simulated::arm(call.request, &format!("resources of networkManagers/{kind}")))
        }
    };
    Some(answer)
}

/// An empty list, if the parent exists: only the manager can.
fn list(call: &Call<'_>, kind: &str, words: &[&str]) -> Handled {
    call.authorize(&format!("networkManagers/{kind}/read"))?;
    call.manager()?;
    if words.len() > 1 {
        let parent = call.id.rsplit_once('/').map_or(call.id.as_str(), |(parent, _)| parent);
        return Err(call.provider_not_found(parent));
    }
    let page =
        crate::paging::page(call.request, &call.world.hosts.arm, std::iter::empty::<()>(), |()| json!(null))?;
    Ok(Reply::ok(page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_known_by_their_path() {
        for (words, wanted) in [
            (vec!["securityadminconfigurations"], Some(("securityAdminConfigurations", false))),
            (vec!["ipampools", "p"], Some(("ipamPools", true))),
            (vec!["ipampools", "p", "staticcidrs"], Some(("ipamPools/staticCidrs", false))),
            (
                vec!["routingconfigurations", "c", "rulecollections", "r", "rules", "x"],
                Some(("routingConfigurations/ruleCollections/rules", true)),
            ),
            (
                vec!["verifierworkspaces", "w", "reachabilityanalysisruns"],
                Some(("verifierWorkspaces/reachabilityAnalysisRuns", false)),
            ),
            (vec!["ipampools", "p", "rules"], None),
            (vec!["networkgroups"], None),
            (vec!["ipampools", "p", "staticcidrs", "s", "more"], None),
        ] {
            let got = named(&words);
            assert_eq!(got.as_ref().map(|(kind, one)| (kind.as_str(), *one)), wanted, "{words:?}");
        }
    }
}
