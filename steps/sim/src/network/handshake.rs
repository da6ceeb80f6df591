//! Decides when the two sides of a connection connect, and when they disconnect.
//!
//! A scope connection (the manager's side) and a network manager connection (the scope's side) connect if each names
//! the other: same manager, same scope, and the actual tenant of the scope. Nothing happens between requests, so
//! before each request all due decisions are made, in the order of their due times.

use indexmap::IndexMap;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::resource::{Kind, Link, Resource};
use crate::hierarchy::{Place, key};
use crate::lies::Lie;
use crate::world::World;

/// A due decision about these connection sides together.
struct Due {
    at: Timestamp,
    halves: Vec<String>,
    by_own_scope: bool,
}

/// Makes all due decisions.
pub(crate) fn settle(world: &mut World, at: Timestamp) {
    world.network.purge(at);
    let mut due = pairs(world, at);
    due.extend(shortcuts(world, at));
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

/// The scope of a connection side.
pub(super) fn scope_of(half: &Resource) -> String {
    match half.kind {
        Kind::ScopeConnection => key(half.text("resourceId")),
        _ => key(scope_above(&half.id)),
    }
}

/// The manager of a connection side.
pub(super) fn manager_of(half: &Resource) -> String {
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

/// Whether the two sides name each other.
fn matches(world: &World, ours: &Resource, theirs: &Resource) -> bool {
    let scope = scope_of(theirs);
    let tenant = world.hierarchy.tenant_of(&scope);
    scope == scope_of(ours)
        && manager_of(ours) == manager_of(theirs)
        && tenant.is_some_and(|tenant| tenant.eq_ignore_ascii_case(ours.text("tenantId")))
}

/// Pending sides that may connect at `at`: none connects before its own delay has passed.
fn ripe(world: &World, at: Timestamp) -> impl Iterator<Item = &Resource> {
    world.network.pending().filter(move |half| lag(world, half.since) <= at)
}

fn pairs(world: &World, at: Timestamp) -> Vec<Due> {
    let mut due = Vec::new();
    for half in ripe(world, at) {
        let other = other_kind(half.kind);
        for partner in world.network.linked(scope_of(half), manager_of(half), other) {
            // Two Pending sides would be found twice.
            let found_before = half.kind == Kind::Connection && partner.link == Link::Pending;
            let (ours, theirs) = in_order(half, partner);
            if !found_before && matches(world, ours, theirs) {
                let at = lag(world, ours.since.max(theirs.since));
                due.push(Due { at, halves: vec![key(&ours.id), key(&theirs.id)], by_own_scope: false });
            }
        }
    }
    due
}

fn other_kind(kind: Kind) -> Kind {
    match kind {
        Kind::ScopeConnection => Kind::Connection,
        _ => Kind::ScopeConnection,
    }
}

/// The manager's side first.
fn in_order<'a>(half: &'a Resource, partner: &'a Resource) -> (&'a Resource, &'a Resource) {
    match half.kind {
        Kind::ScopeConnection => (half, partner),
        _ => (partner, half),
    }
}

/// Sides that need no other: the manager's own scope contains the scope, or the world's lies say so.
fn shortcuts(world: &World, at: Timestamp) -> Vec<Due> {
    let mut due = Vec::new();
    for half in ripe(world, at) {
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
    // The tenant in a scope connection is not checked: no recording shows that Azure does.
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
    // An earlier decision may have changed these sides.
    let open = halves.iter().all(|h| matches!(h.link, Link::Pending | Link::Connected));
    if !open || halves.iter().all(|h| h.link == Link::Connected) {
        return;
    }
    let taken = !due.by_own_scope && halves.iter().any(|h| taken_by_another(world, h));
    let link = if taken { Link::Conflict } else { Link::Connected };
    for key in &due.halves {
        world.network.change(key, |resource| {
            resource.link = link;
            resource.by_own_scope = due.by_own_scope;
        });
    }
}

/// Whether another manager with a common feature already manages the same scope.
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

/// Whether the manager manages `scope` through a connection.
fn holds(world: &World, manager: &str, scope: &str) -> bool {
    connected_scopes(world, manager).iter().any(|(_, held)| *held == key(scope))
}

/// Tenants and scopes that the manager manages through connections, as keys.
fn connected_scopes(world: &World, manager: &str) -> Vec<(String, String)> {
    if world.tells(Lie::EagerConnected) {
        return Vec::new();
    }
    let connected = |r: &&Resource| r.link == Link::Connected && !r.by_own_scope;
    let ours =
        world.network.below(manager, Kind::ScopeConnection).filter(|r| r.gone.is_none()).filter(connected);
    ours.map(|r| (r.text("tenantId").to_owned(), scope_of(r))).collect()
}

/// The scopes in other tenants that a manager shows.
pub(super) fn cross_tenant_scopes(world: &World, manager: &Resource) -> Vec<Value> {
    let mut shown: IndexMap<String, (String, Vec<String>, Vec<String>)> = IndexMap::new();
    let connected = |r: &&Resource| r.link == Link::Connected && !r.by_own_scope && r.gone.is_none();
    if world.tells(Lie::EagerConnected) {
        return Vec::new();
    }
    for half in world.network.below(&manager.id, Kind::ScopeConnection).filter(connected) {
        let tenant = half.text("tenantId").to_owned();
        let (_, groups, subscriptions) =
            shown.entry(tenant.to_ascii_lowercase()).or_insert_with(|| (tenant, Vec::new(), Vec::new()));
        let id = format!("/{}", half.text("resourceId").trim_matches('/'));
        match Place::of(&id) {
            Place::ManagementGroup(_) => groups.push(id),
            _ => subscriptions.push(id),
        }
    }
    let show = |(tenant, groups, subscriptions): (String, Vec<String>, Vec<String>)| json!({ "tenantId": tenant, "managementGroups": groups, "subscriptions": subscriptions });
    shown.into_values().map(show).collect()
}

/// Whether configurations of the manager are effective at `id`: its own scope or a connected one contains it.
pub(super) fn in_effect(world: &World, manager: &Resource, id: &str) -> bool {
    own_scopes(manager).iter().any(|own| world.hierarchy.within(id, own))
        || connected_scopes(world, &manager.id).iter().any(|(_, scope)| world.hierarchy.within(id, scope))
}

/// The connection state that a side shows.
pub(super) fn state(world: &World, half: &Resource) -> &'static str {
    if half.link == Link::Pending && world.tells(Lie::EagerConnected) {
        return Link::Connected.name();
    }
    half.link.name()
}

/// Ends the connection of a side that was deleted or now names another resource. Its other side becomes Revoked,
/// unless another connected side still matches that.
pub(super) fn half_removed(world: &mut World, removed: &str, at: Timestamp) {
    let Some(half) = world.network.seen(removed).cloned() else { return };
    world.network.disconnected.insert(manager_of(&half), at);
    if half.link != Link::Connected || half.by_own_scope {
        return;
    }
    let still_held = |world: &World, partner: &Resource| {
        let holders = world.network.linked(scope_of(partner), manager_of(partner), half.kind);
        let mut others = holders.filter(|h| key(&h.id) != key(removed) && h.link == Link::Connected);
        others.any(|holder| {
            let (ours, theirs) = in_order(holder, partner);
            matches(world, ours, theirs)
        })
    };
    let partners: Vec<String> = world
        .network
        .linked(scope_of(&half), manager_of(&half), other_kind(half.kind))
        .filter(|p| p.link == Link::Connected && !p.by_own_scope)
        .filter(|p| {
            let (ours, theirs) = in_order(&half, p);
            matches(world, ours, theirs)
        })
        .filter(|p| !still_held(world, p))
        .map(|p| key(&p.id))
        .collect();
    for partner in partners {
        world.network.change(&partner, |partner| partner.link = Link::Revoked);
    }
}
