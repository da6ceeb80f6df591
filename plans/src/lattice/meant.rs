//! Suggestions for texts in place of an Azure id: the address of a page of the portal, an id without its beginning, a
//! GUID in
//! another notation.

use super::{check_guid, resource_type};

/// The longest scope or resource id in a text that `fits` accepts.
pub(super) fn resource_id(text: &str, fits: impl Fn(&str) -> bool) -> Option<String> {
    let decoded = percent_decoded(text);
    let found = ["/subscriptions/", "/providers/microsoft.management/managementgroups/"]
        .iter()
        .filter_map(|begin| find_ignoring_case(&decoded, begin))
        .min();
    let candidate = match found {
        Some(at) => decoded[at..].to_owned(),
        None if starts_ignoring_case(&decoded, "subscriptions/") => format!("/{decoded}"),
        None if check_guid(decoded.trim()).is_ok() => format!("/subscriptions/{}", decoded.trim()),
        None => return None,
    };
    let end =
        candidate.find(|c: char| c.is_whitespace() || "?#&\"'<>".contains(c)).unwrap_or(candidate.len());
    let mut id = candidate[..end].trim_end_matches('/');
    // In the portal's addresses the name of a page follows the resource id.
    while !id.is_empty() {
        if id != text && resource_type(id).is_ok() && fits(id) {
            return Some(id.to_owned());
        }
        id = &id[..id.rfind('/')?];
    }
    None
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
        assert_eq!(resource_id(&network, |id| id == network), None, "the text itself is not suggested");
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
