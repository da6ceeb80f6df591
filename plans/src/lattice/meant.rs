//! Suggestions for texts in place of an Azure id: the address of a page of the portal, an id without its beginning, a
//! GUID in another notation, the name of a management group.

use super::{check_guid, resource_type};

/// How the id of a management group begins.
const MANAGEMENT_GROUPS: &str = "/providers/Microsoft.Management/managementGroups/";

/// The scope or resource id in a text, if `fits` accepts it.
///
/// An id is never shortened to the id of what contains it: with `ensure: absent` that suggestion would delete far more than
/// was meant. Only the name of a page is left out, which follows the id in an address of the portal.
pub(super) fn resource_id(text: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    let decoded = percent_decoded(text);
    let (candidate, in_portal) = candidate(decoded.trim())?;
    let end = candidate.find(is_after_id).unwrap_or(candidate.len());
    let mut id = candidate[..end].trim_end_matches('/');
    while resource_type(id).is_err() {
        let (shorter, page) = id.rsplit_once('/')?;
        // After `providers` a type and a name must follow, after `resourceGroups` a name: these are no pages.
        let container = ["providers", "resourceGroups"].iter().any(|word| page.eq_ignore_ascii_case(word));
        if !in_portal || container {
            return None;
        }
        id = shorter;
    }
    (id != text && fits(id)).then(|| id.to_owned())
}

/// The text from the beginning of an id on, and whether the text is an address of the portal.
fn candidate(text: &str) -> Option<(String, bool)> {
    let found = ["/subscriptions/", &MANAGEMENT_GROUPS.to_ascii_lowercase()]
        .iter()
        .filter_map(|begin| find_ignoring_case(text, begin))
        .min();
    if let Some(at) = found {
        return Some((text[at..].to_owned(), text[..at].contains('#') || text[..at].contains("portal.")));
    }
    // Pages of the portal about management groups and subscriptions have the name as a parameter.
    let parameters = [
        ("/mgid/", MANAGEMENT_GROUPS),
        ("/subscriptionid/", "/subscriptions/"),
        ("managementgroups/", MANAGEMENT_GROUPS),
    ];
    for (parameter, begin) in parameters {
        if let Some(at) = find_ignoring_case(text, parameter) {
            let name = text[at + parameter.len()..].split('/').next().unwrap_or_default();
            return Some((format!("{begin}{name}"), false));
        }
    }
    if starts_ignoring_case(text, "subscriptions/") {
        return Some((format!("/{text}"), false));
    }
    check_guid(text).is_ok().then(|| (format!("/subscriptions/{text}"), false))
}

/// Whether the character ends an id in an address or in a sentence.
fn is_after_id(c: char) -> bool {
    c.is_whitespace() || "?#&\"'<>".contains(c)
}

/// The scope in a text. A name without a path can only be the name of a management group: a subscription's id is a GUID, and
/// the id of anything else has several parts.
pub(super) fn scope(text: &str) -> Option<String> {
    let name = text.trim();
    let is_name = name.len() <= 90
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || "-_().".contains(c))
        && !is_domain(name);
    let group = || is_name.then(|| format!("{MANAGEMENT_GROUPS}{name}"));
    resource_id(text, |_| true).or_else(group)
}

/// The GUID in a text: in the address of a sign-in page or of the portal, in braces, or without hyphens.
pub(super) fn guid(text: &str) -> Option<String> {
    let decoded = percent_decoded(text);
    let found = decoded
        .split(|c: char| !(c.is_ascii_hexdigit() || c == '-'))
        .find(|word| check_guid(word).is_ok())
        .map(str::to_owned);
    found.or_else(|| {
        let digits = decoded.trim().trim_matches(['{', '}']);
        let plain = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        plain.then(|| {
            let parts = [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]];
            parts.join("-")
        })
    })
}

/// Whether a text looks like the name of a domain.
pub(super) fn is_domain(text: &str) -> bool {
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.contains('.')
        && text.split('.').all(label)
        && text.rsplit('.').next().is_some_and(|top| top.len() > 1)
}

fn find_ignoring_case(text: &str, wanted: &str) -> Option<usize> {
    // ASCII letters have the same length in lower case.
    text.to_ascii_lowercase().find(wanted)
}

fn starts_ignoring_case(text: &str, wanted: &str) -> bool {
    find_ignoring_case(text, wanted) == Some(0)
}

/// Decodes `%2F` to `/`; anything else is unchanged.
fn percent_decoded(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let digits = bytes.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) if bytes[at] == b'%' => {
                decoded.push(byte);
                at += 3;
            }
            _ => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GUID: &str = "bbbbbbbb-0000-0000-0000-000000000001";

    #[test]
    fn ids_are_found_in_addresses_of_the_portal() {
        let scope = format!("/subscriptions/{GUID}");
        let network = format!("{scope}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v");
        let any = |text: &str| resource_id(text, |_| true);
        for (text, meant) in [
            (format!("https://portal.azure.com/#@contoso.com/resource{scope}/overview"), Some(scope.clone())),
            (
                format!("https://portal.azure.com/#@contoso.com/resource{network}/addressSpace"),
                Some(network.clone()),
            ),
            (
                format!("https://portal.azure.com/#view/x/id/{}", network.replace('/', "%2F")),
                Some(network.clone()),
            ),
            (format!("https://management.azure.com{network}?api-version=2024-05-01"), Some(network.clone())),
            (network[1..].to_owned(), Some(network.clone())),
            (format!("{network}/"), Some(network.clone())),
            (GUID.to_owned(), Some(scope.clone())),
            ("https://portal.azure.com/".to_owned(), None),
            ("fabrikam".to_owned(), None),
            ("é/subscriptions/ü".to_owned(), None),
        ] {
            assert_eq!(any(&text), meant, "{text}");
        }
        assert_eq!(any(&network), None, "the text itself is not suggested");
    }

    #[test]
    fn a_management_group_is_found_in_an_address_and_by_its_name() {
        let group = "/providers/Microsoft.Management/managementGroups/mg-corp";
        let page = "Microsoft_Azure_Resources/ManagmentGroupDrilldownMenuBlade/~/overview";
        for text in [
            format!("https://portal.azure.com/#view/{page}/tenantId/{GUID}/mgId/mg-corp/mgDisplayName/Corp"),
            format!("https://portal.azure.com/#view/{page}/mgId/mg-corp"),
            format!("https://management.azure.com{group}?api-version=2023-04-01"),
            format!("https://portal.azure.com/#@contoso.com/resource{group}/overview"),
            group[1..].to_owned(),
            "managementGroups/mg-corp".to_owned(),
            "mg-corp".to_owned(),
            " mg-corp ".to_owned(),
        ] {
            assert_eq!(scope(&text).as_deref(), Some(group), "{text}");
        }
        assert_eq!(scope(GUID), Some(format!("/subscriptions/{GUID}")));
        assert_eq!(
            scope(&format!("https://portal.azure.com/#view/x/SubscriptionBlade/subscriptionId/{GUID}/y")),
            Some(format!("/subscriptions/{GUID}"))
        );
        for text in ["", "contoso.com", "two words", "/mg-corp", "mg/corp", "https://portal.azure.com/"] {
            assert_eq!(scope(text), None, "{text}");
        }
        assert_eq!(resource_id("mg-corp", |_| true), None, "a name may be that of any resource");
    }

    #[test]
    fn a_container_is_never_suggested() {
        let group = format!("/subscriptions/{GUID}/resourceGroups/rg1");
        let network = format!("{group}/providers/Microsoft.Network/virtualNetworks/v");
        let portal = "https://portal.azure.com/#@contoso.com/resource";
        for id in [
            format!("{group}/providers/Microsoft.Network/virtualNetworks"),
            format!("{group}/providers/Microsoft.Network"),
            format!("{group}/providers"),
            format!("{network}/providers/Microsoft.Authorization/roleAssignments"),
            format!("/subscriptions/{GUID}/resourceGroups"),
        ] {
            for begin in ["", portal, "https://management.azure.com"] {
                for end in ["", "/", "?api-version=2024-05-01"] {
                    let text = format!("{begin}{id}{end}");
                    assert_eq!(scope(&text), None, "{text}");
                    assert_eq!(resource_id(&text, |_| true), None, "{text}");
                }
            }
        }
        // A list of subnets; in the portal this is a page of the virtual network.
        let subnets = format!("{network}/subnets");
        assert_eq!(resource_id(&subnets, |_| true), None);
        assert_eq!(resource_id(&format!("https://management.azure.com{subnets}"), |_| true), None);
        assert_eq!(resource_id(&format!("{portal}{subnets}"), |_| true), Some(network.clone()));
        // A complete id of another type.
        let wanted = |id: &str| id == network;
        assert_eq!(resource_id(&format!("{subnets}/default"), wanted), None);
        assert_eq!(resource_id(&format!("{portal}{subnets}/default/overview"), wanted), None);
    }

    #[test]
    fn tenants_are_found_in_addresses_and_other_forms() {
        let tenant = "11111111-0000-0000-0000-00000000000c";
        for text in [
            format!("https://login.microsoftonline.com/{tenant}/v2.0"),
            format!("https://portal.azure.com/#@{tenant}/resource"),
            format!("{{{tenant}}}"),
            tenant.replace('-', ""),
            format!("/tenants/{tenant}"),
        ] {
            assert_eq!(guid(&text).as_deref(), Some(tenant), "{text}");
        }
        assert_eq!(guid("contoso.com"), None);
        assert!(is_domain("contoso.onmicrosoft.com") && is_domain("bücher.example"));
        for text in ["contoso", "a b.c", ".com", "a..b", "nina@contoso.com", "https://contoso.com"] {
            assert!(!is_domain(text), "{text}");
        }
    }
}
