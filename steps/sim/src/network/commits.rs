//! Commits: the committed configurations of a region for one type, and the state of their deployment.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::bodies::{self, CONFIGURATIONS, Type};
use super::call::Call;
use super::operations::{self, End, Operation};
use super::resource::Kind;
use super::store::Deployment;
use crate::hierarchy::key;
use crate::ledger::Change;
use crate::paging;
use crate::regions::{self, normal};
use crate::reply::{Handled, Reply};
use crate::world::World;

/// Delay until a commit is listed.
const UNLISTED: SignedDuration = SignedDuration::from_secs(1);

/// `POST …/commit`.
pub(super) fn commit(call: &mut Call<'_>) -> Handled {
    call.authorize("networkManagers/commit/action")?;
    let manager = call.manager()?.id.clone();
    let body = call.request.json()?;
    bodies::check_whole(
        &body,
        &[("targetLocations", Type::Texts), ("configurationIds", Type::Texts), ("commitType", Type::Text)],
    )?;
    let regions = texts(&body, "targetLocations");
    if regions.is_empty() {
        return Err(Call::bad_request("Required property 'targetLocations' not found in the commit."));
    }
    if let Some(unknown) = regions.iter().find(|region| !regions::exists(region)) {
        return Err(Call::bad_request(&format!(
            "The location [{unknown}] of 'targetLocations' is not a region."
        )));
    }
    let kind = body.get("commitType").and_then(Value::as_str).unwrap_or_default();
    let kind = bodies::one_of(kind, CONFIGURATIONS, "commitType")?;
    let configurations = texts(&body, "configurationIds");
    for id in &configurations {
        let known = call.world.network.get(id).is_some_and(|r| r.kind == Kind::Configuration);
        if kind == "Connectivity" && !(known && key(id).starts_with(&format!("{}/", key(&manager)))) {
            return Err(Call::bad_request(&format!("The configuration [{id}] does not exist.")));
        }
    }
    let at = call.request.at;
    let mut change = Change::None;
    for region in &regions {
        let deployment = Deployment {
            manager: key(&manager),
            region: normal(region),
            kind: kind.to_owned(),
            configurations: configurations.clone(),
            committed: at,
            fails: call.world.network.failing.get(&normal(region)).cloned(),
        };
        let before = latest(call.world, &deployment.manager, &deployment.region, kind);
        if before.map_or(&[][..], |d| d.configurations.as_slice()) != configurations {
            change = Change::Updated;
        }
        call.world.network.deployments.push(deployment);
    }
    let commit = call.world.draw();
    let operation = Operation { under: manager.clone(), end: End::Done, done: at, polls: 0, looked: 0 };
    let address = operations::begin(call, &manager, operation);
    let body = json!({
        "configurationIds": configurations,
        "targetLocations": regions,
        "commitType": kind,
        "commitId": format!("{manager}/commit/{commit}"),
    });
    Ok(Reply::json(202, body).with("location", &address).changed(change))
}

/// `POST …/listDeploymentStatus`.
pub(super) fn status(call: &Call<'_>) -> Handled {
    call.authorize("networkManagers/listDeploymentStatus/action")?;
    let manager = key(&call.manager()?.id);
    let body = call.request.json()?;
    let at = call.request.at;
    // The official example requests a type outside of the enumeration: an unknown type matches no deployment.
    bodies::check_whole(
        &body,
        &[("regions", Type::Texts), ("deploymentTypes", Type::Texts), ("skipToken", Type::Text)],
    )?;
    let regions = texts(&body, "regions");
    let kinds = texts(&body, "deploymentTypes");
    let mut items = Vec::new();
    for (region, kind) in targets(call.world, &manager) {
        let region_asked = regions.is_empty() || regions.iter().any(|r| normal(r) == region);
        let kind_asked = kinds.is_empty() || kinds.iter().any(|k| k.eq_ignore_ascii_case(&kind));
        let Some(deployment) = latest(call.world, &manager, &region, &kind) else { continue };
        let done = finished(call.world, deployment, at);
        let listed = deployment.committed.saturating_add(UNLISTED).is_ok_and(|from| from <= at);
        // A removed deployment is listed only until it is finished, or if it failed.
        let gone = done && deployment.configurations.is_empty() && deployment.fails.is_none();
        if !region_asked || !kind_asked || !listed || gone {
            continue;
        }
        let status = match (&deployment.fails, done) {
            (_, false) => "Deploying",
            (Some(_), true) => "Failed",
            (None, true) => "Deployed",
        };
        items.push(json!({
            "commitTime": deployment.committed.to_string(),
            "region": deployment.region,
            "deploymentStatus": status,
            "configurationIds": deployment.configurations,
            "deploymentType": deployment.kind,
            "errorMessage": deployment.fails.as_deref().filter(|_| done).unwrap_or_default(),
        }));
    }
    tokened(call, &body, items)
}

/// A page of a list that is read with POST: `$top` items (default 20), the rest by `skipToken` in the body.
pub(super) fn tokened(call: &Call<'_>, body: &Value, items: Vec<Value>) -> Handled {
    let top = paging::top(call.request)?;
    let skip = match body.get("skipToken").and_then(Value::as_str).filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => token
            .parse::<usize>()
            .map_err(|_| Call::bad_request(&format!("The skip token [{token}] is invalid.")))?,
    };
    let end = skip.saturating_add(top);
    let next = if items.len() > end { end.to_string() } else { String::new() };
    Ok(Reply::ok(
        json!({ "skipToken": next, "value": items.into_iter().skip(skip).take(top).collect::<Vec<_>>() }),
    ))
}

/// Regions and types of all commits for a manager.
fn targets(world: &World, manager: &str) -> Vec<(String, String)> {
    let mut targets: Vec<(String, String)> = Vec::new();
    for deployment in world.network.deployments.iter().filter(|d| d.manager == manager) {
        let target = (deployment.region.clone(), deployment.kind.clone());
        if !targets.contains(&target) {
            targets.push(target);
        }
    }
    targets
}

fn latest<'a>(world: &'a World, manager: &str, region: &str, kind: &str) -> Option<&'a Deployment> {
    let of = |d: &&Deployment| d.manager == manager && d.region == region && d.kind == kind;
    world.network.deployments.iter().rev().find(of)
}

fn finished(world: &World, deployment: &Deployment, at: Timestamp) -> bool {
    deployment.committed.saturating_add(world.lags.deployment).is_ok_and(|done| done <= at)
}

/// The last commit of each region of a manager that is finished and did not fail.
pub(super) fn active(world: &World, manager: &str, kind: &str, at: Timestamp) -> Vec<Deployment> {
    let manager = key(manager);
    let mut found = Vec::new();
    for (region, of) in targets(world, &manager).into_iter().filter(|(_, k)| k == kind) {
        let done = |d: &&Deployment| {
            d.manager == manager
                && d.region == region
                && d.kind == of
                && d.fails.is_none()
                && finished(world, d, at)
        };
        found.extend(world.network.deployments.iter().rev().find(done).cloned());
    }
    found
}

/// Whether the last commit of any region contains the configuration.
pub(super) fn deployed_anywhere(world: &World, manager: &str, configuration: &str) -> bool {
    let manager = key(manager);
    targets(world, &manager).iter().any(|(region, kind)| {
        let last = latest(world, &manager, region, kind);
        last.is_some_and(|d| d.configurations.iter().any(|c| key(c) == key(configuration)))
    })
}

/// Commits all regions without the configuration, as a forced delete does first.
pub(super) fn withdraw(world: &mut World, manager: &str, configuration: &str, at: Timestamp) {
    let manager = key(manager);
    for (region, kind) in targets(world, &manager) {
        let Some(last) = latest(world, &manager, &region, &kind).cloned() else { continue };
        if last.configurations.iter().any(|c| key(c) == key(configuration)) {
            let rest = last.configurations.iter().filter(|c| key(c) != key(configuration)).cloned().collect();
            world.network.deployments.push(Deployment {
                configurations: rest,
                committed: at,
                fails: None,
                ..last
            });
        }
    }
}

/// Adds a deployment that exists from the beginning to those placed before.
pub(super) fn place(world: &mut World, mut deployment: Deployment) {
    let before = latest(world, &deployment.manager, &deployment.region, &deployment.kind);
    if let Some(before) = before {
        deployment.configurations.splice(0..0, before.configurations.iter().cloned());
    }
    world.network.deployments.push(deployment);
}

pub(super) fn texts(body: &Value, name: &str) -> Vec<String> {
    let list = body.get(name).and_then(Value::as_array);
    list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}
