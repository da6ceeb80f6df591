//! When two halves of a connection become one, and when they stop being it.
//!
//! A scope connection (the manager's half) and a network manager connection (the scope's half) link when each names
//! the other: same manager, same scope, and the tenant that the scope really lies in. Nothing happens between
//! requests, so everything that fell due is decided, in the order of its due time, before a request is handled.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::resource::{Kind, Link, Resource};
use crate::hierarchy::{Place, key};
use crate::lies::Lie;
use crate::world::World;

/// Something that falls due: these halves are decided together.
struct Due {
    at: Timestamp,
    halves: Vec<String>,
    by_own_scope: bool,
}

/// Decides everything that has fallen due.
pub(crate) fn settle(world: &mut World, at: Timestamp) {
    world.network.purge(at);
    let mut due = pairs(world);
    due.extend(shortcuts(world));
    due.retain(|d| d.at <= at);
    due.sort_by(|a, b| (a.at, &a.halves).cmp(&(b.at, &b.halves)));
    for d in due {
        decide(world, &d);
    }
}

fn half(world: &World, key: &str) -> Option<Resource> {
    world.network.get(key).cloned()
}

fn lag(world: &World, since: Timestamp) -> Timestamp {
    since.saturating_add(world.lags.connected).unwrap_or(since)
}

/// The scope that a half is about.
fn scope_of(half: &Resource) -> String {
    match half.kind {
        Kind::ScopeConnection => key(half.text("resourceId")),
        _ => key(scope_above(&half.id)),
    }
}

/// The manager that a half is about.
fn manager_of(half: &Resource) -> String {
    match half.kind {
        Kind::ScopeConnection => {
            let id = key(&half.id);
            id.split("/scopeconnections/").next().unwrap_or_default().to_owned()
        }
        _ => key(half.text("networkManagerId")),
    }
}

fn scope_above(id: &str) -> &str {
    id.rfind("/providers/").map_or("", |at| id.get(..at).unwrap_or_default())
}

/// Whether the two halves name each other.
fn matches(world: &World, ours: &Resource, theirs: &Resource) -> bool {
    let scope = scope_of(theirs);
    let tenant = world.hierarchy.tenant_of(&scope);
    scope == scope_of(ours)
        && manager_of(ours) == manager_of(theirs)
        && tenant.is_some_and(|tenant| tenant.eq_ignore_ascii_case(ours.text("tenantId")))
}

fn pairs(world: &World) -> Vec<Due> {
    let open = |r: &&Resource| matches!(r.link, Link::Pending | Link::Connected);
    let mut due = Vec::new();
    let is_pending = |kind| world.network.all(kind).any(|half| half.link == Link::Pending);
    // Mostly nothing waits, and this is asked before every request.
    if !is_pending(Kind::ScopeConnection) && !is_pending(Kind::Connection) {
        return due;
    }
    let mut by_meaning: HashMap<(String, String), Vec<&Resource>> = HashMap::new();
    for theirs in world.network.all(Kind::Connection).filter(open) {
        by_meaning.entry((scope_of(theirs), manager_of(theirs))).or_default().push(theirs);
    }
    for ours in world.network.all(Kind::ScopeConnection).filter(open) {
        for theirs in by_meaning.get(&(scope_of(ours), manager_of(ours))).into_iter().flatten() {
            let waiting = ours.link == Link::Pending || theirs.link == Link::Pending;
            if waiting && matches(world, ours, theirs) {
                let at = lag(world, ours.since.max(theirs.since));
                due.push(Due { at, halves: vec![key(&ours.id), key(&theirs.id)], by_own_scope: false });
            }
        }
    }
    due
}

/// Halves that need no other: the manager's own scope covers them, or the world lies.
fn shortcuts(world: &World) -> Vec<Due> {
    let mut due = Vec::new();
    let halves = world.network.all(Kind::ScopeConnection).chain(world.network.all(Kind::Connection));
    for half in halves.filter(|h| h.link == Link::Pending) {
        let by_own_scope = half.shortcut && covered_by_own_scope(world, half);
        if by_own_scope || world.tells(Lie::OneHalfEnough) {
            due.push(Due { at: lag(world, half.since), halves: vec![key(&half.id)], by_own_scope });
        }
    }
    due
}

fn covered_by_own_scope(world: &World, half: &Resource) -> bool {
    let scope = scope_of(half);
    let Some(manager) = world.network.get(&manager_of(half)) else { return false };
    // The tenant that a scope connection names is not asked: no recording shows that it would be.
    own_scopes(manager).iter().any(|own| world.hierarchy.within(&scope, own))
}

/// Keys of the management groups and subscriptions in a manager's own scope.
pub(super) fn own_scopes(manager: &Resource) -> Vec<String> {
    let scopes = manager.properties.get("networkManagerScopes");
    ["managementGroups", "subscriptions"]
        .into_iter()
        .filter_map(|kind| scopes.and_then(|s| s.get(kind)).and_then(Value::as_array))
        .flatten()
        .filter_map(Value::as_str)
        .map(key)
        .collect()
}

fn decide(world: &mut World, due: &Due) {
    let Some(halves) = due.halves.iter().map(|k| half(world, k)).collect::<Option<Vec<_>>>() else { return };
    // An earlier decision may have changed what this one was about.
    let open = halves.iter().all(|h| matches!(h.link, Link::Pending | Link::Connected));
    if !open || halves.iter().all(|h| h.link == Link::Connected) {
        return;
    }
    let taken = !due.by_own_scope && halves.iter().any(|h| taken_by_another(world, h));
    let link = if taken { Link::Conflict } else { Link::Connected };
    for key in &due.halves {
        if let Some(resource) = world.network.get_mut(key) {
            resource.link = link;
            resource.by_own_scope = due.by_own_scope;
        }
    }
}

/// Whether another manager with one of the same features has the very scope already.
fn taken_by_another(world: &World, half: &Resource) -> bool {
    let scope = scope_of(half);
    let own = manager_of(half);
    let Some(manager) = world.network.get(&own) else { return false };
    let accesses = manager.texts("networkManagerScopeAccesses");
    world.network.all(Kind::Manager).filter(|other| key(&other.id) != own).any(|other| {
        let shared = other
            .texts("networkManagerScopeAccesses")
            .iter()
            .any(|theirs| accesses.iter().any(|ours| ours.eq_ignore_ascii_case(theirs)));
        shared && (own_scopes(other).contains(&scope) || holds(world, &other.id, &scope))
    })
}

/// Whether the manager has `scope` through connected halves.
fn holds(world: &World, manager: &str, scope: &str) -> bool {
    connected_scopes(world, manager).iter().any(|(_, held)| *held == key(scope))
}

/// Tenants and scopes that the manager has through connected halves, as keys.
fn connected_scopes(world: &World, manager: &str) -> Vec<(String, String)> {
    if world.tells(Lie::EagerConnected) {
        return Vec::new();
    }
    let connected = |r: &&Resource| r.link == Link::Connected && !r.by_own_scope;
    let ours =
        world.network.below(manager, Kind::ScopeConnection).filter(|r| r.gone.is_none()).filter(connected);
    ours.map(|r| (r.text("tenantId").to_owned(), scope_of(r))).collect()
}

/// What a manager shows as its scopes in other tenants.
pub(super) fn cross_tenant_scopes(world: &World, manager: &Resource) -> Vec<Value> {
    let mut shown: Vec<(String, Vec<String>, Vec<String>)> = Vec::new();
    let connected = |r: &&Resource| r.link == Link::Connected && !r.by_own_scope && r.gone.is_none();
    if world.tells(Lie::EagerConnected) {
        return Vec::new();
    }
    for half in world.network.below(&manager.id, Kind::ScopeConnection).filter(connected) {
        let tenant = half.text("tenantId").to_owned();
        let at = shown.iter().position(|(t, ..)| t.eq_ignore_ascii_case(&tenant)).unwrap_or_else(|| {
            shown.push((tenant, Vec::new(), Vec::new()));
            shown.len() - 1
        });
        let Some((_, groups, subscriptions)) = shown.get_mut(at) else { continue };
        let id = format!("/{}", half.text("resourceId").trim_matches('/'));
        match Place::of(&id) {
            Place::ManagementGroup(_) => groups.push(id),
            _ => subscriptions.push(id),
        }
    }
    let show = |(tenant, groups, subscriptions): (String, Vec<String>, Vec<String>)| json!({ "tenantId": tenant, "managementGroups": groups, "subscriptions": subscriptions });
    shown.into_iter().map(show).collect()
}

/// Whether what the manager is told about `id` has an effect there: its own scope or a connected one covers it.
pub(super) fn in_effect(world: &World, manager: &Resource, id: &str) -> bool {
    own_scopes(manager).iter().any(|own| world.hierarchy.within(id, own))
        || connected_scopes(world, &manager.id).iter().any(|(_, scope)| world.hierarchy.within(id, scope))
}

/// What a half says about itself.
pub(super) fn state(world: &World, half: &Resource) -> &'static str {
    if half.link == Link::Pending && world.tells(Lie::EagerConnected) {
        return Link::Connected.name();
    }
    half.link.name()
}

/// A half is gone, or is about something else from now on: what it was connected to no longer is, unless another half
/// still holds it.
pub(super) fn half_removed(world: &mut World, removed: &str, at: Timestamp) {
    let Some(half) = world.network.seen(removed).cloned() else { return };
    world.network.disconnected.insert(manager_of(&half), at);
    if half.link != Link::Connected || half.by_own_scope {
        return;
    }
    let (same, other) = match half.kind {
        Kind::ScopeConnection => (Kind::ScopeConnection, Kind::Connection),
        _ => (Kind::Connection, Kind::ScopeConnection),
    };
    let pairs = |world: &World, one: &Resource, two: &Resource| match one.kind {
        Kind::ScopeConnection => matches(world, one, two),
        _ => matches(world, two, one),
    };
    let partners: Vec<String> = world
        .network
        .all(other)
        .filter(|p| p.link == Link::Connected && !p.by_own_scope && pairs(world, &half, p))
        .filter(|p| {
            let still =
                |h: &Resource| key(&h.id) != key(removed) && h.link == Link::Connected && pairs(world, h, p);
            !world.network.all(same).any(still)
        })
        .map(|p| key(&p.id))
        .collect();
    for partner in partners {
        if let Some(partner) = world.network.get_mut(&partner) {
            partner.link = Link::Revoked;
        }
    }
}
