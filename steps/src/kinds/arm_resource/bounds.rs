//! Rules that Azure applies to a resource, as far as Microsoft documents them: for every resource, and for virtual networks
//! and subnets.

use std::collections::{BTreeMap, HashMap};

use ipnet::IpNet;
use serde_json::{Map, Value};
use twinspan_engine::{Clash, Ensure, Misfit};

use super::Params;
use super::paths::written_secrets;
use super::secrets::reference;
use crate::azure::merging::field;
use crate::ids::{ResourceId, is_plain_name, not_a_manager_name};
use crate::kinds::bounds::{SUBNET, VIRTUAL_NETWORK, not_a_region, tags};

/// Longest prefix of a subnet that is reserved for a service, by the subnet's name.
const SIZES: [(&str, u8); 4] = [
    ("AzureBastionSubnet", 26),
    ("AzureFirewallSubnet", 26),
    ("AzureFirewallManagementSubnet", 26),
    ("RouteServerSubnet", 27),
];

/// Longest prefix of any subnet: Azure reserves five addresses of each.
const SMALLEST: u8 = 29;

/// Everything in `params` that Azure would refuse.
pub(super) fn misfits(params: &Params, ensure: Ensure) -> Vec<Misfit> {
    let mut all = Vec::new();
    if !is_api_version(&params.api_version) {
        let why = format!(
            "{:?} is not an api-version, such as 2024-10-01 or 2024-10-01-preview",
            params.api_version
        );
        all.push(Misfit::new(&["api_version"], why));
    }
    for (position, path) in params.write_only.iter().enumerate() {
        if !path.is_in(&params.body) {
            let why = format!(
                "it names {path}, which `body` does not have: write the path as in `body`, such as /properties/sharedKey"
            );
            all.push(Misfit::new(&["write_only", "body"], why).within(position));
        }
    }
    // Plans are stored in the journal, printed and shared.
    for place in written_secrets(&Value::Object(params.body.clone())) {
        let why = "it is a secret written as text: declare an input with `secret: true` and refer to it as the whole value";
        all.push(place.into_iter().fold(Misfit::new(&["body"], why), Misfit::within));
    }
    if ensure == Ensure::Absent {
        return all;
    }
    all.extend(not_a_name(&params.id).map(|why| Misfit::new(&["id"], why)));
    if let Some((name, Value::String(location))) = field(&params.body, "location")
        && let Some(why) = not_a_region(location)
        && !location.eq_ignore_ascii_case("global")
    {
        all.push(Misfit::new(&["body"], why).within(name));
    }
    if let Some((name, Value::Object(given))) = field(&params.body, "tags") {
        let texts = given.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
        for (tag, why) in tags::wrong(texts, 50) {
            let misfit = Misfit::new(&["body"], why).within(name);
            all.push(match tag {
                Some(tag) => misfit.within(tag),
                None => misfit,
            });
        }
    }
    all.extend(prefixes(params));
    all
}

fn is_api_version(text: &str) -> bool {
    let date = text.get(..10).is_some_and(|date| {
        date.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        })
    });
    let rest = text.get(10..).unwrap_or_default();
    date && (rest.is_empty()
        || (rest.len() > 1
            && rest.starts_with('-')
            && rest[1..].chars().all(|c| c.is_ascii_alphanumeric() || c == '.')))
}

/// Why Azure refuses to create a resource with this id.
fn not_a_name(id: &ResourceId) -> Option<String> {
    let group_rule = |name: &str| {
        let plain = |c: char| c.is_alphanumeric() || "_-.()".contains(c);
        let good = name.chars().count() <= 90 && name.chars().all(plain) && !name.ends_with('.');
        (!good).then(|| {
            format!(
                "{name:?} is not the name of a resource group: 1 to 90 letters, digits, '_', '-', '.', '(' and ')', not \
                 ending with '.'"
            )
        })
    };
    if let Some(why) = id.resource_group().and_then(group_rule) {
        return Some(why);
    }
    let (name, kind) = (id.name(), id.resource_type().to_ascii_lowercase());
    let network = |most: usize| {
        (!is_plain_name(name, most)).then(|| {
            format!(
                "{name:?} is not a name for a resource of type {}: 1 to {most} letters, digits, '_', '.', '-', beginning with a \
                 letter or digit and ending with a letter, digit or '_'",
                id.resource_type()
            )
        })
    };
    let storage = || {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        let good = (3..=24).contains(&name.len()) && name.chars().all(plain);
        (!good).then(|| {
            format!("{name:?} is not the name of a storage account: 3 to 24 lowercase letters and digits")
        })
    };
    match kind.as_str() {
        "" => None,
        "microsoft.network/networkmanagers" => not_a_manager_name(name),
        "microsoft.network/virtualnetworks" => network(64),
        // DNS zones and records have naming rules of their own.
        kind if kind.contains("dnszones") || kind.contains("dnsresolver") => None,
        kind if kind.starts_with("microsoft.network/") => network(80),
        "microsoft.storage/storageaccounts" => storage(),
        _ => {
            let good = name.chars().count() <= 260;
            (!good).then(|| format!("{name:?} is longer than any name in Azure (260 characters)"))
        }
    }
}

/// An address prefix, and its place in the body.
struct Prefix<'a> {
    text: &'a str,
    net: Option<IpNet>,
    place: Vec<String>,
}

impl Prefix<'_> {
    fn misfit(&self, why: String) -> Misfit {
        self.place.iter().fold(Misfit::new(&["body"], why), |misfit, part| misfit.within(part))
    }

    /// Where it stands, the parameter first.
    fn path(&self) -> Vec<String> {
        std::iter::once("body".to_owned()).chain(self.place.iter().cloned()).collect()
    }

    /// Why the text is not the prefix of a network.
    fn wrong(&self) -> Option<Misfit> {
        let why = match self.net {
            None => format!("{:?} is not a prefix, such as 10.1.2.0/24", self.text),
            Some(net) if net.trunc() != net => {
                format!("{} has bits of a host: the prefix is {}", self.text, net.trunc())
            }
            Some(_) => return None,
        };
        Some(self.misfit(why))
    }
}

/// Checks the prefixes of a virtual network or of a subnet.
fn prefixes(params: &Params) -> Vec<Misfit> {
    let Some((at, Value::Object(properties))) = field(&params.body, "properties") else { return Vec::new() };
    let at = vec![at.clone()];
    if params.id.is_a("Microsoft.Network/virtualNetworks/subnets") {
        return subnet(params.id.name(), properties, &at).1;
    }
    if !params.id.is_a("Microsoft.Network/virtualNetworks") {
        return Vec::new();
    }
    let mut all = Vec::new();
    let space = match field(properties, "addressSpace") {
        Some((name, Value::Object(space))) => {
            list(space, &["addressPrefixes"], &[at.as_slice(), std::slice::from_ref(name)].concat())
        }
        _ => Vec::new(),
    };
    all.extend(space.iter().filter_map(Prefix::wrong));
    all.extend(too_small(&space, SMALLEST, "a virtual network"));
    all.extend(overlaps(&space.iter().collect::<Vec<_>>()));
    let Some((list_name, Value::Array(subnets))) = field(properties, "subnets") else { return all };
    let mut inner: Vec<Prefix<'_>> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for (position, item) in subnets.iter().enumerate() {
        let Value::Object(item) = item else { continue };
        let place = [at.as_slice(), &[list_name.clone(), position.to_string()]].concat();
        let name = field(item, "name").and_then(|(_, name)| name.as_str()).unwrap_or_default();
        if !name.is_empty() && !is_plain_name(name, 80) {
            let why = format!("{name:?} is not the name of a subnet: 1 to 80 letters, digits, '_', '.', '-'");
            all.push(
                place
                    .iter()
                    .fold(Misfit::new(&["body"], why), |misfit, part| misfit.within(part))
                    .within("name"),
            );
        }
        if !name.is_empty() && names.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            let why = format!("a subnet {name:?} is listed twice");
            all.push(
                place
                    .iter()
                    .fold(Misfit::new(&["body"], why), |misfit, part| misfit.within(part))
                    .within("name"),
            );
        }
        names.push(name.to_owned());
        let Some((own, Value::Object(properties))) = field(item, "properties") else { continue };
        let (found, wrong) =
            subnet(name, properties, &[place.as_slice(), std::slice::from_ref(own)].concat());
        all.extend(wrong);
        for prefix in found {
            let outside = prefix.net.is_some_and(|net| {
                !space.iter().any(|space| space.net.is_some_and(|space| space.contains(&net)))
            });
            if outside && !space.is_empty() {
                all.push(prefix.misfit(format!(
                    "{} does not lie in the address space of the virtual network",
                    prefix.text
                )));
            }
            inner.push(prefix);
        }
    }
    all.extend(overlaps(&inner.iter().collect::<Vec<_>>()));
    all
}

/// Prefixes of one subnet, and what is wrong with them.
fn subnet<'a>(
    name: &str,
    properties: &'a Map<String, Value>,
    at: &[String],
) -> (Vec<Prefix<'a>>, Vec<Misfit>) {
    let found = list(properties, &["addressPrefix", "addressPrefixes"], at);
    let mut wrong: Vec<Misfit> = found.iter().filter_map(Prefix::wrong).collect();
    let least = SIZES
        .iter()
        .find(|(known, _)| known.eq_ignore_ascii_case(name))
        .map_or(SMALLEST, |(_, least)| *least);
    let what = if least == SMALLEST { "a subnet".to_owned() } else { format!("the subnet {name}") };
    wrong.extend(too_small(&found, least, &what));
    for prefix in &found {
        if let Some(IpNet::V6(net)) = prefix.net
            && net.prefix_len() != 64
        {
            wrong.push(prefix.misfit(format!("{}: a subnet has exactly a /64 of IPv6", prefix.text)));
        }
    }
    (found, wrong)
}

fn too_small(prefixes: &[Prefix<'_>], least: u8, what: &str) -> Vec<Misfit> {
    let small = prefixes
        .iter()
        .filter(|prefix| matches!(prefix.net, Some(IpNet::V4(net)) if net.prefix_len() > least));
    small
        .map(|prefix| prefix.misfit(format!("{} is too small for {what}: at least a /{least}", prefix.text)))
        .collect()
}

fn overlaps(prefixes: &[&Prefix<'_>]) -> Vec<Misfit> {
    let mut all = Vec::new();
    for (position, one) in prefixes.iter().enumerate() {
        let Some(net) = one.net else { continue };
        let shares = |other: &&&Prefix<'_>| {
            other.net.is_some_and(|other| other.contains(&net) || net.contains(&other))
        };
        if let Some(other) = prefixes[..position].iter().find(shares) {
            all.push(one.misfit(format!("{} overlaps {}", one.text, other.text)));
        }
    }
    all
}

/// A virtual network of the plan.
struct Network<'a> {
    step: usize,
    /// Its address space; `None`: a part of it is known only while the plan runs.
    space: Option<Vec<Prefix<'a>>>,
}

/// A subnet of the plan, as a step of its own or in the body of its network.
struct Subnet<'a> {
    step: usize,
    name: &'a str,
    prefixes: Vec<Prefix<'a>>,
    /// Its network's body holds it: that body is checked by itself.
    inline: bool,
}

/// Subnets that do not lie in the address space that another step gives their virtual network, or that overlap another
/// step's subnet of the same network.
pub(super) fn clashes(all: &[&Params]) -> Vec<Clash> {
    let mut networks: HashMap<String, Network<'_>> = HashMap::new();
    let mut subnets: BTreeMap<String, Vec<Subnet<'_>>> = BTreeMap::new();
    for (step, params) in all.iter().enumerate() {
        let Some((at, Value::Object(properties))) = field(&params.body, "properties") else { continue };
        let at = vec![at.clone()];
        if params.id.is_a(SUBNET) {
            let prefixes = list(properties, &["addressPrefix", "addressPrefixes"], &at);
            let network = params.id.above(1).to_ascii_lowercase();
            let name = params.id.name();
            subnets.entry(network).or_default().push(Subnet { step, name, prefixes, inline: false });
        } else if params.id.is_a(VIRTUAL_NETWORK) {
            let key = params.id.key();
            networks.insert(key.clone(), Network { step, space: space(properties, &at) });
            let Some((list_name, Value::Array(items))) = field(properties, "subnets") else { continue };
            for (position, item) in items.iter().enumerate() {
                let Value::Object(item) = item else { continue };
                let name = field(item, "name").and_then(|(_, name)| name.as_str());
                let (Some(name), Some((own, Value::Object(properties)))) = (name, field(item, "properties"))
                else {
                    continue;
                };
                let place = [at.as_slice(), &[list_name.clone(), position.to_string(), own.clone()]].concat();
                let prefixes = list(properties, &["addressPrefix", "addressPrefixes"], &place);
                subnets.entry(key.clone()).or_default().push(Subnet { step, name, prefixes, inline: true });
            }
        }
    }
    let mut found = Vec::new();
    for (network, subnets) in &subnets {
        if let Some(network) = networks.get(network) {
            found.extend(
                subnets.iter().filter(|subnet| !subnet.inline).flat_map(|subnet| outside(subnet, network)),
            );
        }
        // Those of the network's body first: a step of its own is what is to be changed.
        let mut ordered: Vec<&Subnet<'_>> = subnets.iter().collect();
        ordered.sort_by_key(|subnet| (!subnet.inline, subnet.step));
        for (position, one) in ordered.iter().enumerate() {
            let others = ordered[..position]
                .iter()
                .filter(|other| !(one.inline && other.inline || one.name.eq_ignore_ascii_case(other.name)));
            found.extend(others.filter_map(|other| overlap(one, other)));
        }
    }
    found
}

/// The address space of a virtual network, where all of it is known.
fn space<'a>(properties: &'a Map<String, Value>, at: &[String]) -> Option<Vec<Prefix<'a>>> {
    let Some((name, Value::Object(space))) = field(properties, "addressSpace") else { return None };
    let Some((_, Value::Array(items))) = field(space, "addressPrefixes") else { return None };
    let prefixes = list(space, &["addressPrefixes"], &[at, std::slice::from_ref(name)].concat());
    (!prefixes.is_empty() && prefixes.len() == items.len()).then_some(prefixes)
}

fn outside(subnet: &Subnet<'_>, network: &Network<'_>) -> Vec<Clash> {
    let Some(space) = &network.space else { return Vec::new() };
    let lies = |net: IpNet| space.iter().any(|space| space.net.is_some_and(|space| space.contains(&net)));
    let texts: Vec<&str> = space.iter().map(|prefix| prefix.text).collect();
    let wrong = subnet.prefixes.iter().filter(|prefix| prefix.net.is_some_and(|net| !lies(net)));
    let clash = |prefix: &Prefix<'_>| Clash {
        step: subnet.step,
        path: prefix.path(),
        why: format!(
            "{} does not lie in the address space of its virtual network: {}",
            prefix.text,
            texts.join(", ")
        ),
        other: network.step,
        other_path: space.first().map(Prefix::path).unwrap_or_default(),
    };
    wrong.map(clash).collect()
}

fn overlap(one: &Subnet<'_>, other: &Subnet<'_>) -> Option<Clash> {
    one.prefixes.iter().find_map(|prefix| {
        let net = prefix.net?;
        let shares =
            |other: &&Prefix<'_>| other.net.is_some_and(|other| other.contains(&net) || net.contains(&other));
        let shared = other.prefixes.iter().find(shares)?;
        Some(Clash {
            step: one.step,
            path: prefix.path(),
            why: format!("{} overlaps {} of the subnet {}", prefix.text, shared.text, other.name),
            other: other.step,
            other_path: shared.path(),
        })
    })
}

/// Prefixes in the fields `names`: each holds one, or a list of them.
fn list<'a>(of: &'a Map<String, Value>, names: &[&str], at: &[String]) -> Vec<Prefix<'a>> {
    let mut all = Vec::new();
    let mut push = |value: &'a Value, place: Vec<String>| {
        if let Value::String(text) = value
            && reference(value).is_none()
        {
            all.push(Prefix { text, net: text.parse().ok(), place });
        }
    };
    for name in names {
        match field(of, name) {
            Some((name, Value::Array(items))) => {
                for (position, item) in items.iter().enumerate() {
                    push(item, [at, &[name.clone(), position.to_string()]].concat());
                }
            }
            Some((name, value)) => push(value, [at, std::slice::from_ref(name)].concat()),
            None => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const GROUP: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-x";

    fn said(id: &str, body: Value) -> Vec<String> {
        let id = format!("{GROUP}{id}");
        let params: Params =
            serde_json::from_value(json!({ "id": id, "api_version": "2024-05-01", "body": body })).unwrap();
        let all = misfits(&params, Ensure::Present);
        all.iter().map(|misfit| format!("{}: {}", misfit.within.join("/"), misfit.why)).collect()
    }

    fn subnet_said(name: &str, prefix: &str) -> Vec<String> {
        let id = format!("/providers/Microsoft.Network/virtualNetworks/v/subnets/{name}");
        said(&id, json!({ "properties": { "addressPrefix": prefix } }))
    }

    #[test]
    fn a_prefix_of_a_subnet_is_a_network_of_enough_size() {
        for good in [
            ("s", "10.1.1.0/24"),
            ("s", "10.1.1.8/29"),
            ("s", "fd00:db8::/64"),
            ("AzureBastionSubnet", "10.0.0.0/26"),
        ] {
            assert_eq!(subnet_said(good.0, good.1), Vec::<String>::new(), "{good:?}");
        }
        for (name, prefix, why) in [
            ("s", "10.1.1.0", "is not a prefix"),
            ("s", "10.1.1.0/33", "is not a prefix"),
            ("s", "10.1.300.0/24", "is not a prefix"),
            ("s", "10.1.1.5/24", "the prefix is 10.1.1.0/24"),
            ("s", "10.1.1.0/30", "at least a /29"),
            ("s", "fd00:db8::/63", "exactly a /64"),
            ("azurebastionsubnet", "10.0.0.0/27", "at least a /26"),
        ] {
            let said = subnet_said(name, prefix);
            assert!(
                said.len() == 1 && said[0].contains(why) && said[0].starts_with("properties/addressPrefix"),
                "{said:?}"
            );
        }
    }

    #[test]
    fn subnets_lie_in_their_network_and_beside_each_other() {
        let network = |space: Value, subnets: Value| {
            said(
                "/providers/Microsoft.Network/virtualNetworks/v",
                json!({ "location": "westeurope", "properties": { "addressSpace": { "addressPrefixes": space }, "subnets": subnets } }),
            )
        };
        let subnet =
            |name: &str, prefix: &str| json!({ "name": name, "properties": { "addressPrefix": prefix } });
        let two = json!([subnet("a", "10.1.0.0/24"), subnet("b", "10.1.1.0/24")]);
        assert!(network(json!(["10.1.0.0/16"]), two).is_empty());
        for (space, subnets, place, why) in [
            (
                json!(["10.1.0.0/16", "10.1.4.0/24"]),
                json!([]),
                "properties/addressSpace/addressPrefixes/1",
                "overlaps 10.1.0.0/16",
            ),
            (
                json!(["10.1.0.1/16"]),
                json!([]),
                "properties/addressSpace/addressPrefixes/0",
                "bits of a host",
            ),
            (
                json!(["10.1.0.0/16"]),
                json!([subnet("a", "10.2.0.0/24")]),
                "properties/subnets/0",
                "does not lie in",
            ),
            (
                json!(["10.1.0.0/16"]),
                json!([subnet("a", "10.1.0.0/24"), subnet("b", "10.1.0.128/25")]),
                "properties/subnets/1/properties/addressPrefix",
                "overlaps 10.1.0.0/24",
            ),
            (
                json!(["10.1.0.0/16"]),
                json!([subnet("a", "10.1.0.0/24"), subnet("A", "10.1.1.0/24")]),
                "properties/subnets/1/name",
                "twice",
            ),
        ] {
            let said = network(space, subnets);
            assert!(said.len() == 1 && said[0].starts_with(place) && said[0].contains(why), "{said:?}");
        }
    }

    #[test]
    fn names_tags_regions_and_versions() {
        let long = "n".repeat(81);
        for (id, wrong) in [
            (format!("/providers/Microsoft.Network/networkManagers/{}", "n".repeat(65)), true),
            (
                format!("/providers/Microsoft.Network/networkManagers/m/networkGroups/{}", "n".repeat(76)),
                false,
            ),
            (format!("/providers/Microsoft.Network/virtualNetworks/v/subnets/{long}"), true),
            (
                "/providers/Microsoft.Network/privateDnsZones/privatelink.blob.core.windows.net".to_owned(),
                false,
            ),
            ("/providers/Microsoft.Storage/storageAccounts/Has-Dash".to_owned(), true),
            ("/providers/Microsoft.Web/sites/x".to_owned(), false),
        ] {
            assert_eq!(said(&id, json!({})).len(), usize::from(wrong), "{id}");
        }
        assert_eq!(
            said("/providers/a.b/c/d", json!({ "location": "west/europe", "tags": { "a?b": "x" } })).len(),
            2
        );
        for (text, good) in [
            ("2024-10-01", true),
            ("2024-10-01-preview", true),
            ("2024-10", false),
            ("1", false),
            ("2024-10-01?x=1", false),
            ("2024-10-01é", false),
        ] {
            assert_eq!(is_api_version(text), good, "{text}");
        }
    }

    /// `step: place: why (other: place)`
    fn clashes_of(steps: &[(&str, Value)]) -> Vec<String> {
        let steps: Vec<Params> = steps
            .iter()
            .map(|(id, body)| {
                let id = format!("{GROUP}/providers/Microsoft.Network/virtualNetworks/{id}");
                serde_json::from_value(json!({ "id": id, "api_version": "2024-05-01", "body": body }))
                    .unwrap()
            })
            .collect();
        let found = clashes(&steps.iter().collect::<Vec<_>>());
        let words = found.iter().map(|clash| {
            let (path, other) = (clash.path.join("/"), clash.other_path.join("/"));
            format!("{}: {path}: {} ({}: {other})", clash.step, clash.why, clash.other)
        });
        words.collect()
    }

    fn net(prefixes: &[&str]) -> Value {
        json!({ "properties": { "addressSpace": { "addressPrefixes": prefixes } } })
    }

    fn sub(prefix: &str) -> Value {
        json!({ "properties": { "addressPrefix": prefix } })
    }

    #[test]
    fn a_subnet_lies_in_the_address_space_that_another_step_gives_its_network() {
        let space = net(&["10.0.0.0/16", "fd00:1::/48"]);
        let good =
            [("v", space.clone()), ("V/subnets/a", sub("10.0.1.0/24")), ("v/subnets/b", sub("fd00:1::/64"))];
        assert_eq!(clashes_of(&good), Vec::<String>::new());
        let elsewhere = [("v", space.clone()), ("w/subnets/a", sub("10.9.1.0/24"))];
        assert_eq!(clashes_of(&elsewhere), Vec::<String>::new(), "of another network");
        let outside = clashes_of(&[("V/subnets/a", sub("10.9.1.0/24")), ("v", space)]);
        assert_eq!(
            outside,
            [
                "0: body/properties/addressPrefix: 10.9.1.0/24 does not lie in the address space of its virtual network: \
                 10.0.0.0/16, fd00:1::/48 (1: body/properties/addressSpace/addressPrefixes/0)"
            ]
        );
        let part = json!({ "properties": { "addressSpace": { "addressPrefixes": ["10.0.0.0/16", null] } } });
        assert_eq!(clashes_of(&[("v", part), ("v/subnets/a", sub("10.9.1.0/24"))]), Vec::<String>::new());
    }

    #[test]
    fn subnets_of_one_network_do_not_overlap_across_steps() {
        let two = [("v/subnets/a", sub("10.0.0.0/23")), ("V/subnets/b", sub("10.0.1.0/24"))];
        let found = clashes_of(&two);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("1: ") && found[0].contains("overlaps 10.0.0.0/23 of the subnet a (0: "),
            "{found:?}"
        );
        let same = [("v/subnets/a", sub("10.0.0.0/24")), ("v/subnets/A", sub("10.0.0.0/24"))];
        assert_eq!(clashes_of(&same), Vec::<String>::new(), "one subnet");
        let mut network = net(&["10.0.0.0/16"]);
        network["properties"]["subnets"] =
            json!([{ "name": "a", "properties": { "addressPrefixes": ["10.0.1.0/24"] } }]);
        let found = clashes_of(&[("v/subnets/b", sub("10.0.1.0/25")), ("v", network)]);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].contains("(1: body/properties/subnets/0/properties/addressPrefixes/0)"),
            "{found:?}"
        );
    }
}
