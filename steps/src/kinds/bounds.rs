//! Validations that several kinds share.

use twinspan_engine::Misfit;

pub(crate) use crate::avnm::network::TYPE as VIRTUAL_NETWORK;
use crate::ids::ResourceId;

/// Resource type of subnets.
pub(crate) const SUBNET: &str = "Microsoft.Network/virtualNetworks/subnets";

/// Finds ids that are not of virtual networks.
pub(crate) fn not_networks(about: &'static [&'static str], ids: &[ResourceId]) -> Vec<Misfit> {
    not_of(about, ids, &[VIRTUAL_NETWORK], "a virtual network")
}

/// Finds ids of resources that cannot be static members.
pub(crate) fn not_members(about: &'static [&'static str], ids: &[ResourceId]) -> Vec<Misfit> {
    not_of(about, ids, &[VIRTUAL_NETWORK, SUBNET], "a virtual network or a subnet")
}

fn not_of(about: &'static [&'static str], ids: &[ResourceId], types: &[&str], what: &str) -> Vec<Misfit> {
    let wrong = ids.iter().enumerate().filter_map(|(position, id)| {
        let of_type = types.iter().any(|wanted| id.is_a(wanted));
        (!of_type).then(|| Misfit::new(about, format!("{id} is not the id of {what}")).within(position))
    });
    wrong.collect()
}

/// Why a text is not the name of a region.
pub(crate) fn not_a_region(text: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == ' ';
    let good = !text.trim().is_empty() && text.len() <= 64 && text.chars().all(plain);
    (!good).then(|| format!("{text:?} is not the name of a region, such as westeurope"))
}

/// Refuses a guard with an empty name, which would match nothing.
pub(crate) fn blank_guard(expect_name: Option<&str>) -> Vec<Misfit> {
    let blank = expect_name.is_some_and(|name| name.trim().is_empty());
    let why = "it is empty: no subscription or management group has an empty name; omit it, or give the name";
    if blank { vec![Misfit::new(&["expect_name"], why)] } else { Vec::new() }
}

/// Limits of tags.
pub(crate) mod tags {
    /// Tags that Azure refuses: the tag's name, unless the reason concerns all tags, and the reason. At most `most` are allowed.
    pub(crate) fn wrong<'t>(
        tags: impl IntoIterator<Item = (&'t str, &'t str)>,
        most: usize,
    ) -> Vec<(Option<&'t str>, String)> {
        let mut all = Vec::new();
        let mut count = 0;
        for (name, value) in tags {
            count += 1;
            let reserved = ["azure", "microsoft", "windows"];
            let why = if name.is_empty() || name.encode_utf16().count() > 512 {
                "a tag's name has 1 to 512 characters"
            } else if name.chars().any(|c| "<>%&\\?/".contains(c) || c.is_control()) {
                "a tag's name holds none of < > % & \\ ? /"
            } else if reserved.iter().any(|word| name.to_ascii_lowercase().starts_with(word)) {
                "names of tags that begin with azure, microsoft or windows are reserved"
            } else if value.encode_utf16().count() > 256 {
                "a tag's value has up to 256 characters"
            } else {
                continue;
            };
            all.push((Some(name), why.to_owned()));
        }
        if count > most {
            all.push((None, format!("{count} tags: at most {most} can be given here")));
        }
        all
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn limits_of_tags() {
            assert!(wrong([("cost centre", "42"), ("a", "")], 50).is_empty());
            let (long, value) = ("n".repeat(513), "v".repeat(257));
            for tag in
                [("", "x"), (long.as_str(), "x"), ("a/b", "x"), ("Azure-x", "x"), ("a", value.as_str())]
            {
                assert_eq!(wrong([tag], 50).len(), 1, "{}", tag.0);
            }
            assert_eq!(wrong([("a", ""), ("b", "")], 1)[0].0, None);
        }
    }
}
