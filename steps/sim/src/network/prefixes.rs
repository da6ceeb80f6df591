//! Validates address prefixes of virtual networks and their subnets.
//!
//! Codes and texts are those of Azure (Azure/azure-service-operator#997 for the notation, MicrosoftDocs/azure-docs#123869 for
//! subnets outside and overlapping), unless a comment says that only the rule is documented.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::{Map, Value};

use crate::reply::Reply;

/// Longest prefix of an IPv4 subnet: Azure reserves five addresses of each.
const LONGEST_V4: u8 = 29;
/// The only prefix length of an IPv6 subnet.
const SUBNET_V6: u8 = 64;

/// Ranges that a virtual network cannot have (Azure Virtual Network FAQ): multicast, broadcast, loopback, link-local, and the
/// address of Azure's own services.
const RESERVED: [&str; 5] =
    ["224.0.0.0/4", "255.255.255.255/32", "127.0.0.0/8", "169.254.0.0/16", "168.63.129.16/32"];

/// A block of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    version: u8,
    /// Its first address, at the top of the 128 bits.
    first: u128,
    length: u8,
}

impl Prefix {
    /// Parses address and length; the address may lie within the block.
    fn parse(text: &str) -> Option<(Prefix, u128)> {
        let (address, length) = text.split_once('/')?;
        if length.is_empty() || length.len() > 3 || !length.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let length: u8 = length.parse().ok()?;
        let (version, bits, most) = match address.parse().ok()? {
            IpAddr::V4(v4) => (4, u128::from(u32::from(v4)) << 96, 32),
            IpAddr::V6(v6) => (6, u128::from(v6), 128),
        };
        (length <= most).then(|| (Prefix { version, first: bits & mask(length), length }, bits))
    }

    fn contains(self, other: Prefix) -> bool {
        self.version == other.version
            && self.length <= other.length
            && other.first & mask(self.length) == self.first
    }

    pub(super) fn overlaps(self, other: Prefix) -> bool {
        self.contains(other) || other.contains(self)
    }
}

fn mask(length: u8) -> u128 {
    if length == 0 { 0 } else { u128::MAX << (128 - u32::from(length)) }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            4 => {
                let top = u32::try_from(self.first >> 96).unwrap_or_default();
                write!(f, "{}/{}", Ipv4Addr::from(top), self.length)
            }
            _ => write!(f, "{}/{}", Ipv6Addr::from(self.first), self.length),
        }
    }
}

/// Parses one prefix of the resource with this id.
fn read(text: &str, resource: &str) -> Result<Prefix, Reply> {
    if text.trim().is_empty() {
        let message = format!("Address prefix string for resource {resource} cannot be null or empty.");
        return Err(Reply::error(400, "AddressPrefixStringCannotBeNullOrEmpty", &message));
    }
    let Some((prefix, address)) = Prefix::parse(text) else {
        let message = format!(
            "Address prefix {text} of resource {resource} is not formatted correctly. It should follow CIDR notation, for \
             example 10.0.0.0/24."
        );
        return Err(Reply::error(400, "InvalidAddressPrefixFormat", &message));
    };
    if address != prefix.first {
        let message = format!(
            "The address prefix {text} in resource {resource} has an invalid CIDR notation. For the given prefix length, the \
             address prefix should be {prefix}."
        );
        return Err(Reply::error(400, "InvalidCIDRNotation", &message));
    }
    Ok(prefix)
}

/// The texts of a list; any other element is refused.
fn texts<'a>(list: &'a Value, resource: &str) -> Result<Vec<&'a str>, Reply> {
    let wrong = || {
        let message =
            format!("Cannot parse the request. The address prefixes of {resource} must be a list of texts.");
        Reply::error(400, "InvalidRequestFormat", &message)
    };
    list.as_array().ok_or_else(wrong)?.iter().map(|item| item.as_str().ok_or_else(wrong)).collect()
}

/// The address space of a virtual network with this id. It is documented that its blocks must neither overlap nor be reserved;
/// the codes of these two errors are not.
fn space(properties: &Map<String, Value>, id: &str) -> Result<Vec<Prefix>, Reply> {
    let Some(given) = properties.get("addressSpace").and_then(|space| space.get("addressPrefixes")) else {
        return Ok(Vec::new());
    };
    let mut known: Vec<Prefix> = Vec::new();
    for text in texts(given, id)? {
        let prefix = read(text, id)?;
        if RESERVED
            .iter()
            .filter_map(|reserved| Prefix::parse(reserved))
            .any(|(reserved, _)| reserved.overlaps(prefix))
        {
            let message =
                format!("Address prefix {text} of resource {id} overlaps with a range that is reserved.");
            return Err(Reply::error(400, "AddressPrefixIsReserved", &message));
        }
        if let Some(other) = known.iter().find(|other| other.overlaps(prefix)) {
            let message = format!(
                "Address prefix {prefix} of virtual network {id} overlaps with its address prefix {other}."
            );
            return Err(Reply::error(400, "NetcfgAddressPrefixesOverlap", &message));
        }
        known.push(prefix);
    }
    Ok(known)
}

/// The prefixes of a subnet as its network stores it.
fn of_subnet(subnet: &Value) -> Result<Vec<Prefix>, Reply> {
    let id = subnet["id"].as_str().unwrap_or_default();
    let properties = &subnet["properties"];
    let mut given: Vec<&str> = Vec::new();
    match &properties["addressPrefix"] {
        Value::Null => {}
        Value::String(one) => given.push(one),
        other => return Err(read(&other.to_string(), id).err().unwrap_or_else(|| unreadable(id))),
    }
    if !properties["addressPrefixes"].is_null() {
        given.extend(texts(&properties["addressPrefixes"], id)?);
    }
    // Addresses can come from a pool instead.
    let pooled = properties["ipamPoolPrefixAllocations"].as_array().is_some_and(|pools| !pools.is_empty());
    if given.is_empty() && !pooled {
        given.push("");
    }
    let mut prefixes: Vec<Prefix> = Vec::new();
    for text in given {
        let prefix = read(text, id)?;
        // The same prefix may be in both properties.
        if !prefixes.contains(&prefix) {
            prefixes.push(prefix);
        }
    }
    Ok(prefixes)
}

fn unreadable(id: &str) -> Reply {
    Reply::error(
        400,
        "InvalidRequestFormat",
        &format!("Cannot parse the request: the address prefix of {id}."),
    )
}

/// Returns 400 unless address space and subnets of a virtual network are consistent. `properties` are those to be stored.
pub(super) fn check(properties: &Map<String, Value>, id: &str) -> Result<(), Reply> {
    let space = space(properties, id)?;
    let network = id.rsplit('/').next().unwrap_or_default();
    let mut taken: Vec<Prefix> = Vec::new();
    let mut names: Vec<String> = Vec::new();
    for subnet in properties.get("subnets").and_then(Value::as_array).into_iter().flatten() {
        let name = subnet["name"].as_str().unwrap_or_default();
        let refused = |code: &str, why: &str| {
            Err(Reply::error(400, code, &format!("Subnet '{name}' is not valid {why}")))
        };
        if names.contains(&name.to_ascii_lowercase()) {
            return refused(
                "DuplicateResourceName",
                &format!("because virtual network '{network}' has two of that name."),
            );
        }
        names.push(name.to_ascii_lowercase());
        let own = of_subnet(subnet)?;
        for prefix in &own {
            let long_enough =
                if prefix.version == 4 { prefix.length <= LONGEST_V4 } else { prefix.length == SUBNET_V6 };
            if !long_enough {
                return refused("NetcfgInvalidSubnet", &format!("in virtual network '{network}'."));
            }
            if !space.iter().any(|space| space.contains(*prefix)) {
                return refused(
                    "NetcfgSubnetRangeOutsideVnet",
                    &format!(
                        "because its IP address range is outside the IP address range of virtual network '{network}'."
                    ),
                );
            }
            if taken.iter().any(|other| other.overlaps(*prefix)) {
                return refused(
                    "NetcfgSubnetRangesOverlap",
                    &format!(
                        "because its IP address range overlaps with that of an existing subnet in virtual network \
                         '{network}'."
                    ),
                );
            }
            taken.push(*prefix);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(space: &Value, subnets: &[(&str, Value)]) -> Result<(), (String, String)> {
        let subnets: Vec<Value> = subnets
            .iter()
            .map(|(name, properties)| json!({ "name": name, "id": format!("/vnet/subnets/{name}"), "properties": properties }))
            .collect();
        let properties = json!({ "addressSpace": { "addressPrefixes": space }, "subnets": subnets });
        check(properties.as_object().unwrap(), "/vnet").map_err(|refused| {
            let crate::reply::Body::Json(body) = &refused.body else { panic!("a refusal has a body") };
            assert_eq!(refused.status, 400);
            (body["error"]["code"].as_str().unwrap_or_default().to_owned(), refused.message())
        })
    }

    fn code(space: &Value, subnets: &[(&str, Value)]) -> String {
        checked(space, subnets).err().map(|(code, _)| code).unwrap_or_default()
    }

    #[test]
    fn an_address_space_is_made_of_blocks_that_do_not_overlap() {
        for right in [
            json!([]),
            json!(["10.0.0.0/8"]),
            json!(["10.0.0.0/16", "10.1.0.0/16", "192.168.0.0/24"]),
            json!(["10.0.0.0/16", "fd00:db8:deca::/48"]),
        ] {
            assert_eq!(code(&right, &[]), "", "{right}");
        }
        for (wrong, wanted) in [
            (json!(["10.0.0.0"]), "InvalidAddressPrefixFormat"),
            (json!(["10.0.0.0/33"]), "InvalidAddressPrefixFormat"),
            (json!(["10.0.0.0/+8"]), "InvalidAddressPrefixFormat"),
            (json!(["10.0.0/24"]), "InvalidAddressPrefixFormat"),
            (json!(["10.0.0.256/24"]), "InvalidAddressPrefixFormat"),
            (json!(["fd00::/129"]), "InvalidAddressPrefixFormat"),
            (json!(["westeurope"]), "InvalidAddressPrefixFormat"),
            (json!([""]), "AddressPrefixStringCannotBeNullOrEmpty"),
            (json!("10.0.0.0/16"), "InvalidRequestFormat"),
            (json!([10]), "InvalidRequestFormat"),
            (json!(["10.0.0.1/16"]), "InvalidCIDRNotation"),
            (json!(["fd00::1/48"]), "InvalidCIDRNotation"),
            (json!(["10.0.0.0/16", "10.0.128.0/24"]), "NetcfgAddressPrefixesOverlap"),
            (json!(["10.0.128.0/24", "10.0.0.0/16"]), "NetcfgAddressPrefixesOverlap"),
            (json!(["10.0.0.0/16", "10.0.0.0/16"]), "NetcfgAddressPrefixesOverlap"),
            (json!(["169.254.0.0/24"]), "AddressPrefixIsReserved"),
            (json!(["0.0.0.0/0"]), "AddressPrefixIsReserved"),
        ] {
            assert_eq!(code(&wrong, &[]), wanted, "{wrong}");
        }
        let (_, words) = checked(&json!(["10.0.0.1/16"]), &[]).unwrap_err();
        assert!(words.ends_with("the address prefix should be 10.0.0.0/16."), "{words}");
    }

    #[test]
    fn subnets_lie_in_their_network_and_not_in_each_other() {
        let space = json!(["10.0.0.0/16", "fd00:db8:deca::/48"]);
        let one = |prefix: &str| json!({ "addressPrefix": prefix });
        let many = |prefixes: &[&str]| json!({ "addressPrefixes": prefixes });
        for right in [
            vec![("a", one("10.0.0.0/24")), ("b", one("10.0.1.0/24"))],
            vec![("a", many(&["10.0.0.0/24", "fd00:db8:deca:1::/64"]))],
            vec![("a", json!({ "addressPrefix": "10.0.0.0/24", "addressPrefixes": ["10.0.0.0/24"] }))],
            vec![("a", json!({ "ipamPoolPrefixAllocations": [{}] }))],
            vec![("a", one("10.0.0.0/16"))],
            vec![("a", one("10.0.0.8/29"))],
        ] {
            assert_eq!(code(&space, &right), "", "{right:?}");
        }
        for (wrong, wanted) in [
            (vec![("a", one("10.1.0.0/24"))], "NetcfgSubnetRangeOutsideVnet"),
            (vec![("a", one("10.0.0.0/15"))], "NetcfgSubnetRangeOutsideVnet"),
            (vec![("a", many(&["10.0.0.0/24", "10.2.0.0/24"]))], "NetcfgSubnetRangeOutsideVnet"),
            (vec![("a", one("fd00:db8:decb:1::/64"))], "NetcfgSubnetRangeOutsideVnet"),
            (vec![("a", one("10.0.0.0/24")), ("b", one("10.0.0.128/25"))], "NetcfgSubnetRangesOverlap"),
            (vec![("a", one("10.0.0.128/25")), ("b", one("10.0.0.0/24"))], "NetcfgSubnetRangesOverlap"),
            (vec![("a", many(&["10.0.0.0/24", "10.0.0.0/25"]))], "NetcfgSubnetRangesOverlap"),
            (vec![("a", one("10.0.0.0/24")), ("A", one("10.0.1.0/24"))], "DuplicateResourceName"),
            (vec![("a", one("10.0.0.0/30"))], "NetcfgInvalidSubnet"),
            (vec![("a", one("fd00:db8:deca:1::/72"))], "NetcfgInvalidSubnet"),
            (vec![("a", one("10.0.0.0"))], "InvalidAddressPrefixFormat"),
            (vec![("a", one("10.0.0.1/24"))], "InvalidCIDRNotation"),
            (vec![("a", json!({}))], "AddressPrefixStringCannotBeNullOrEmpty"),
            (vec![("a", json!({ "addressPrefix": 10 }))], "InvalidAddressPrefixFormat"),
            (vec![("a", json!({ "addressPrefixes": "10.0.0.0/24" }))], "InvalidRequestFormat"),
        ] {
            assert_eq!(code(&space, &wrong), wanted, "{wrong:?}");
        }
    }
}
