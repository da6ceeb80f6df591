//! The predicted effect as text, for a person to read before approving.

use std::collections::BTreeSet;

use super::judgement::{KnownEffects, Reaching, name};
use super::{Change, Output, Overlap, Peering};
use crate::azure::people;

/// How many items of a list are named; the rest is counted. The outputs contain all of them.
const NAMED: usize = 10;

/// The summary where no network moves.
pub(super) fn nothing_moves(change: Change, group: &str) -> String {
    match change {
        Change::Add => {
            format!("All of these virtual networks are already members of {group}; nothing changes.")
        }
        Change::Remove => format!("None of these virtual networks is a member of {group}; nothing changes."),
    }
}

fn count(number: usize, thing: &str) -> String {
    if number == 1 { format!("1 {thing}") } else { format!("{number} {thing}s") }
}

pub(super) fn summary(known: &KnownEffects, output: &Output) -> String {
    let group = name(&known.group);
    let networks = people::named(NAMED, known.moving.iter().map(|network| network.name().to_owned()), ", ");
    let number = known.moving.len();
    let moves = match (known.change, number) {
        (Change::Add, 1) => "joins",
        (Change::Add, _) => "join",
        (Change::Remove, 1) => "leaves",
        (Change::Remove, _) => "leave",
    };
    let mut sentences = vec![format!("{} {moves} {group}: {networks}", count(number, "virtual network"))];
    if output.regions.is_empty() {
        sentences.extend(nothing_deployed(known));
    } else {
        sentences.extend(deployed(known, output));
        sentences.extend(unreached(known));
    }
    sentences.extend(others(known));
    sentences.join(". ") + "."
}

fn nothing_deployed(known: &KnownEffects) -> Vec<String> {
    let group = name(&known.group);
    let regions = people::named(NAMED, known.regions.iter().cloned(), ", ");
    let mut said = vec![format!(
        "No connectivity configuration that applies to {group} is deployed in {regions}{}",
        if known.others.is_empty() { ": no traffic changes now" } else { "" }
    )];
    if known.change == Change::Add {
        let applying = match &known.applying[..] {
            [] => String::new(),
            names => {
                format!(" (of {})", people::named(NAMED, names.iter().map(|name| format!("'{name}'")), ", "))
            }
        };
        said.push(format!("A later deployment{applying} to {group} will reach them"));
    }
    said
}

fn deployed(known: &KnownEffects, output: &Output) -> Vec<String> {
    let mut said = Vec::new();
    let mut told: BTreeSet<(String, bool)> = BTreeSet::new();
    for reaching in known.reaching.iter().filter(|of| output.regions.contains(&of.region)) {
        if !told.insert((reaching.id.to_lowercase(), reaching.coming)) {
            continue;
        }
        let same = |of: &&Reaching| {
            of.coming == reaching.coming
                && of.id.eq_ignore_ascii_case(&reaching.id)
                && output.regions.contains(&of.region)
        };
        let regions = known.reaching.iter().filter(same).map(|of| of.region.clone());
        let begins = if reaching.coming { "Being deployed" } else { "Deployed" };
        said.push(format!(
            "{begins} in {}: {}",
            people::named(NAMED, regions, ", "),
            configuration(known, reaching)
        ));
    }
    match known.change {
        Change::Add => said.extend(joining(known, output)),
        Change::Remove => said.extend(leaving(output)),
    }
    said
}

/// Describes a configuration: "hub-and-spoke 'spokes' (hub vnet-hub; members reach each other directly)".
fn configuration(known: &KnownEffects, reaching: &Reaching) -> String {
    let across =
        if reaching.properties.across_regions(&known.group) { ", from region to region too" } else { "" };
    if !reaching.properties.has_hubs() {
        return format!("mesh '{}': members reach each other directly{across}", reaching.name());
    }
    let hubs = people::named(NAMED, reaching.hubs().map(|hub| name(hub).to_owned()), ", ");
    let mut more = String::new();
    if reaching.properties.through_gateway(&known.group) {
        more.push_str("; spokes leave through its gateway");
    }
    if reaching.connects_members(&known.group) {
        more.push_str(&format!("; members reach each other directly{across}"));
    }
    format!("hub-and-spoke '{}' (hub {hubs}{more})", reaching.name())
}

fn joining(known: &KnownEffects, output: &Output) -> Vec<String> {
    let mut said = Vec::new();
    if !output.peerings_added.is_empty() {
        let ends =
            |peering: &Peering| format!("{} ↔ {}", name(&peering.remote), name(&peering.virtual_network));
        said.push(format!(
            "Peerings will be created: {}",
            people::named(NAMED, output.peerings_added.iter().map(ends), ", ")
        ));
    }
    if !output.peerings_removed.is_empty() {
        said.push(format!(
            "Existing peerings will be deleted (deleteExistingPeering): {}",
            people::named(NAMED, output.peerings_removed.iter().map(existing), ", ")
        ));
    }
    if !output.overlaps.is_empty() {
        let refused = known.reaching.iter().any(|of| of.properties.refuses_overlap());
        let overlap = |overlap: &Overlap| {
            let effect = match (overlap.hub, refused) {
                (true, _) => "Azure creates no peering between them",
                (false, true) => "Azure does not connect them",
                (false, false) => "traffic between them is dropped",
            };
            format!(
                "{} {} and {} {}: {effect}",
                name(&overlap.virtual_network),
                overlap.prefix,
                name(&overlap.other),
                overlap.other_prefix
            )
        };
        said.push(format!(
            "Address spaces overlap: {}",
            people::named(NAMED, output.overlaps.iter().map(overlap), "; ")
        ));
    }
    if !output.unread.is_empty() {
        said.push(format!(
            "Not compared, because no identity of this step can read them: {}",
            people::named(NAMED, output.unread.iter().map(|id| name(id).to_owned()), ", ")
        ));
    }
    said.extend(output.limits.iter().map(|limit| format!("Limit: {limit}")));
    let perhaps = if known.others.is_empty() { "" } else { "up to " };
    said.push(match output.newly_billed {
        0 => "Billing: nothing more, each already has a deployed configuration".to_owned(),
        more => format!(
            "Billing: Virtual Network Manager is charged per virtual network with a deployed configuration: {perhaps}{more} \
             more"
        ),
    });
    said
}

fn existing(peering: &Peering) -> String {
    let named = peering.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    format!("{} ↔ {}{named}", name(&peering.virtual_network), name(&peering.remote))
}

fn leaving(output: &Output) -> Vec<String> {
    let mut said =
        vec!["They lose these configurations, and security and routing rules of the group".to_owned()];
    if !output.peerings_removed.is_empty() {
        said.push(format!(
            "Peerings will be deleted: {}",
            people::named(NAMED, output.peerings_removed.iter().map(existing), ", ")
        ));
    }
    if output.no_longer_billed > 0 {
        said.push(format!(
            "Billing: {} fewer with a deployed configuration",
            count(usize::try_from(output.no_longer_billed).unwrap_or(usize::MAX), "virtual network")
        ));
    }
    said
}

/// Names the networks in regions where no configuration of this group is deployed.
fn unreached(known: &KnownEffects) -> Option<String> {
    let beside: Vec<String> = known
        .moving
        .iter()
        .enumerate()
        .filter(|(at, _)| known.reached(*at).next().is_none())
        .map(|(_, network)| format!("{} ({})", network.name(), network.region))
        .collect();
    (!beside.is_empty())
        .then(|| format!("Nothing is deployed where these lie: {}", people::named(NAMED, beside, ", ")))
}

fn others(known: &KnownEffects) -> Option<String> {
    if known.others.is_empty() {
        return None;
    }
    let each = known.others.iter().map(|deployment| {
        let names = people::named(
            NAMED,
            deployment.configuration_ids.iter().map(|id| format!("'{}'", name(id))),
            ", ",
        );
        format!("{} {names} in {}", deployment.deployment_type, deployment.region)
    });
    Some(format!(
        "Also deployed there, possibly for {}: {}; whether their rules reach these virtual networks is not checked",
        name(&known.group),
        people::named(NAMED, each, "; ")
    ))
}
