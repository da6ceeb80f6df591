//! Computes the effect from what was read.

use std::collections::BTreeSet;

use super::{Change, Output, Overlap, Peering, words};
use crate::avnm::configuration::Configuration;
use crate::avnm::deployment::{self, Active, Goal};
use crate::avnm::network::Network;
use crate::avnm::{Found, addresses, same_path};

/// Limit of members of a connected group, unless Microsoft raised it.
pub(super) const MOST_CONNECTED: usize = 250;
/// Limit of spokes of a hub.
pub(super) const MOST_SPOKES: usize = 1_000;
/// Limit of connected groups for one virtual network.
pub(super) const MOST_GROUPS: usize = 2;

/// A virtual network that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct EffectReading {
    pub(super) id: String,
    pub(super) region: String,
    pub(super) properties: Network,
    /// Configurations in effect on it now.
    pub(super) effective: Vec<Active>,
}

/// A configuration that reaches the group's members in a region.
#[derive(Clone, Debug)]
pub(super) struct Reaching {
    pub(super) id: String,
    pub(super) region: String,
    pub(super) properties: Configuration,
    /// The deployment is in progress; the configuration is not in effect yet.
    pub(super) coming: bool,
}

/// Everything that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownEffects {
    pub(super) change: Change,
    /// Id of the group.
    pub(super) group: String,
    /// Names of the configurations that apply to the group, deployed or not.
    pub(super) applying: Vec<String>,
    pub(super) reaching: Vec<Reaching>,
    /// Deployments of other types.
    pub(super) others: Vec<Goal>,
    /// Regions of the networks that move.
    pub(super) regions: Vec<String>,
    pub(super) moving: Vec<EffectReading>,
    /// Hubs and staying members that could be read.
    pub(super) beside: Vec<EffectReading>,
    /// Ids of hubs and staying members that could not be read.
    pub(super) unread: Vec<String>,
    /// How many members stay in the group.
    pub(super) members: usize,
}

impl EffectReading {
    pub(super) fn new(id: &str, found: Found<Network>) -> Self {
        EffectReading {
            id: id.to_owned(),
            region: deployment::region(&found.location),
            properties: found.properties,
            effective: Vec::new(),
        }
    }

    pub(super) fn name(&self) -> &str {
        name(&self.id)
    }

    fn is_peered_with(&self, other: &str) -> bool {
        self.properties.virtual_network_peerings.iter().any(|peering| same_path(peering.remote(), other))
    }
}

impl Reaching {
    /// `active`: configurations in effect; `configured`: all of the manager, to find those whose deployment is in progress.
    pub(super) fn of(
        group: &str,
        manager: &str,
        configured: &[Found<Configuration>],
        deployments: &[Goal],
        active: Vec<Active>,
    ) -> Vec<Self> {
        let mut all: Vec<Reaching> = active
            .into_iter()
            .map(|Active { id, region, properties }| Reaching {
                id,
                region: deployment::region(&region),
                properties,
                coming: false,
            })
            .collect();
        for deployment in deployments.iter().filter(|of| of.is_connectivity() && of.is_coming()) {
            let region = deployment::region(&deployment.region);
            for id in &deployment.configuration_ids {
                if all.iter().any(|known| same_path(&known.id, id) && known.region == region) {
                    continue;
                }
                let of_id = |found: &&Found<Configuration>| {
                    same_path(&format!("{manager}/connectivityConfigurations/{}", found.name), id)
                };
                if let Some(found) = configured.iter().find(of_id) {
                    let properties = found.properties.clone();
                    all.push(Reaching { id: id.clone(), region: region.clone(), properties, coming: true });
                }
            }
        }
        all.retain(|reaching| reaching.properties.applies_to(group));
        all
    }

    pub(super) fn name(&self) -> &str {
        name(&self.id)
    }

    pub(super) fn hubs(&self) -> impl Iterator<Item = &str> {
        self.properties.hubs()
    }

    pub(super) fn connects_members(&self, group: &str) -> bool {
        self.properties.connects_members(group)
    }
}

/// The last segment of an id.
pub(super) fn name(id: &str) -> &str {
    id.trim_end_matches('/').rsplit('/').next().unwrap_or_default()
}

impl KnownEffects {
    /// The configurations that reach the moving network with the index `at`.
    pub(super) fn reached(&self, at: usize) -> impl Iterator<Item = &Reaching> {
        let region = self.moving.get(at).map(|network| network.region.as_str()).unwrap_or_default();
        self.reaching.iter().filter(move |reaching| reaching.region == region)
    }

    /// Each moving network with each configuration that reaches it.
    fn each(&self) -> impl Iterator<Item = (&EffectReading, &Reaching)> {
        self.moving
            .iter()
            .enumerate()
            .flat_map(|(at, network)| self.reached(at).map(move |reaching| (network, reaching)))
    }

    fn hub_peerings(&self) -> impl Iterator<Item = (&EffectReading, &str)> {
        self.each().flat_map(|(network, reaching)| {
            reaching.hubs().filter(|hub| !same_path(hub, &network.id)).map(move |hub| (network, hub))
        })
    }

    fn added(&self) -> Vec<Peering> {
        let missing = self.hub_peerings().filter(|(network, hub)| !network.is_peered_with(hub));
        let all: BTreeSet<Peering> = missing
            .map(|(network, hub)| Peering {
                virtual_network: network.id.clone(),
                remote: hub.to_owned(),
                name: None,
            })
            .collect();
        all.into_iter().collect()
    }

    /// Add: existing peerings that the configuration replaces. Remove: peerings that the configuration created.
    fn removed(&self) -> Vec<Peering> {
        let mut all: BTreeSet<Peering> = BTreeSet::new();
        for (network, reaching) in self.each() {
            let of_manager = |remote: &str| reaching.hubs().any(|hub| same_path(hub, remote));
            for peering in &network.properties.virtual_network_peerings {
                let goes = match self.change {
                    Change::Add => reaching.properties.delete_existing_peering.0 && !peering.is_managed(),
                    Change::Remove => peering.is_managed() && of_manager(peering.remote()),
                };
                if goes {
                    all.insert(Peering {
                        virtual_network: network.id.clone(),
                        remote: peering.remote().to_owned(),
                        name: Some(peering.name.clone()),
                    });
                }
            }
        }
        all.into_iter().collect()
    }

    fn overlaps(&self) -> Vec<Overlap> {
        let mut all: Vec<Overlap> = Vec::new();
        let mut compare = |network: &EffectReading, other: &EffectReading, hub: bool| {
            let (mine, theirs) = (network.properties.prefixes(), other.properties.prefixes());
            let Some((prefix, other_prefix)) = addresses::overlap(mine, theirs) else { return };
            let known = all.iter().any(|known| {
                (same_path(&known.virtual_network, &network.id) && same_path(&known.other, &other.id))
                    || (same_path(&known.virtual_network, &other.id) && same_path(&known.other, &network.id))
            });
            if !known {
                all.push(Overlap {
                    virtual_network: network.id.clone(),
                    prefix: prefix.to_owned(),
                    other: other.id.clone(),
                    other_prefix: other_prefix.to_owned(),
                    hub,
                });
            }
        };
        let everybody: Vec<&EffectReading> = self.moving.iter().chain(&self.beside).collect();
        for (network, reaching) in self.each() {
            for other in everybody.iter().filter(|other| !same_path(&other.id, &network.id)) {
                let is_hub = reaching.hubs().any(|hub| same_path(hub, &other.id));
                let connected = reaching.connects_members(&self.group)
                    && (reaching.properties.across_regions(&self.group) || other.region == network.region);
                if is_hub || connected {
                    compare(network, other, is_hub);
                }
            }
        }
        all
    }

    /// Counts the networks that get their first deployed configuration, or that lose their last.
    fn billing(&self) -> u32 {
        let changes = |network: &EffectReading, mut reached: Box<dyn Iterator<Item = &Reaching> + '_>| {
            match self.change {
                Change::Add => network.effective.is_empty() && reached.next().is_some(),
                Change::Remove => {
                    let reached: Vec<&Reaching> = reached.collect();
                    let ours = |active: &Active| reached.iter().any(|of| same_path(&of.id, &active.id));
                    !reached.is_empty() && network.effective.iter().all(ours)
                }
            }
        };
        let count = self
            .moving
            .iter()
            .enumerate()
            .filter(|(at, network)| changes(network, Box::new(self.reached(*at))))
            .count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    fn limits(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.change == Change::Remove {
            return all;
        }
        let group = name(&self.group);
        let after = self.members + self.moving.len();
        if self.reaching.iter().any(|of| of.connects_members(&self.group)) && after > MOST_CONNECTED {
            all.push(format!(
                "group {group} will have {after} members, but a connected group may have {MOST_CONNECTED} unless Microsoft \
                 raised your limit"
            ));
        }
        if self.reaching.iter().any(|of| of.properties.has_hubs()) && after > MOST_SPOKES {
            all.push(format!(
                "group {group} will have {after} members, but a hub may have {MOST_SPOKES} spokes"
            ));
        }
        for (at, network) in self.moving.iter().enumerate() {
            let connecting = |of: &&Reaching| of.connects_members(&self.group);
            let new = self.reached(at).filter(connecting).count();
            // Azure does not return which of a network's groups are connected; those of a mesh always are.
            let before = network.effective.iter().filter(|active| !active.properties.has_hubs()).count();
            if new > 0 && before + new > MOST_GROUPS {
                all.push(format!(
                    "{} will be in {} connected groups, but {MOST_GROUPS} are allowed",
                    network.name(),
                    before + new
                ));
            }
        }
        all
    }

    pub(super) fn judged(self) -> Output {
        let mut output = Output {
            changes_traffic: self.each().next().is_some() || !self.others.is_empty(),
            peerings_added: if self.change == Change::Add { self.added() } else { Vec::new() },
            peerings_removed: self.removed(),
            overlaps: if self.change == Change::Add { self.overlaps() } else { Vec::new() },
            limits: self.limits(),
            unread: self.unread.clone(),
            ..Output::default()
        };
        match self.change {
            Change::Add => output.newly_billed = self.billing(),
            Change::Remove => output.no_longer_billed = self.billing(),
        }
        let ids: BTreeSet<&str> = self.each().map(|(_, reaching)| reaching.id.as_str()).collect();
        output.configurations = ids.into_iter().filter_map(|id| id.parse().ok()).collect();
        let regions: BTreeSet<&str> = self.each().map(|(_, reaching)| reaching.region.as_str()).collect();
        output.regions = regions.into_iter().map(str::to_owned).collect();
        output.summary = words::summary(&self, &output);
        output
    }
}
