//! Overlap of address spaces.

use ipnet::IpNet;

/// The first prefix of `one` that overlaps a prefix of `other`, and that prefix. Texts that are not prefixes come from the
/// service and are ignored.
pub(crate) fn overlap<'a>(one: &'a [String], other: &'a [String]) -> Option<(&'a str, &'a str)> {
    one.iter().find_map(|mine| {
        let theirs = other.iter().find(|theirs| share(mine, theirs))?;
        Some((mine.as_str(), theirs.as_str()))
    })
}

fn share(one: &str, other: &str) -> bool {
    match (one.trim().parse::<IpNet>(), other.trim().parse::<IpNet>()) {
        // If two prefixes share an address, one contains the other. Prefixes of different families never do.
        (Ok(one), Ok(other)) => one.contains(&other.trunc()) || other.contains(&one.trunc()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefixes(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn prefixes_overlap_when_one_holds_the_other() {
        for (one, other, shared) in [
            ("10.1.0.0/16", "10.1.4.0/22", Some(("10.1.0.0/16", "10.1.4.0/22"))),
            ("10.1.4.0/22", "10.1.0.0/16", Some(("10.1.4.0/22", "10.1.0.0/16"))),
            ("10.0.0.0/16 10.2.0.0/16", "10.9.0.0/16 10.2.9.0/24", Some(("10.2.0.0/16", "10.2.9.0/24"))),
            ("10.0.0.0/16", "10.1.0.0/16", None),
            ("10.0.0.0/15", "10.1.0.0/16", Some(("10.0.0.0/15", "10.1.0.0/16"))),
            // Written with host bits.
            ("10.1.2.3/16", "10.1.200.0/24", Some(("10.1.2.3/16", "10.1.200.0/24"))),
            ("fd00:db8::/32", "fd00:db8:1::/48", Some(("fd00:db8::/32", "fd00:db8:1::/48"))),
            ("fd00:db8::/48", "fd00:db9::/48", None),
            ("0.0.0.0/0", "::/0", None),
            ("10.0.0.0/8", "nonsense", None),
            ("", "10.0.0.0/8", None),
        ] {
            assert_eq!(overlap(&prefixes(one), &prefixes(other)), shared, "{one} and {other}");
        }
    }
}
