//! Interprets a 404 that names a missing resource, where that is another one than the requested one.

use twinspan_encode::sh;

use super::arm::NETWORK_API as API;
use super::refusal::Situation;
use crate::ids::Guid;

/// The missing resource that the response names, if it is not the requested one.
pub(super) fn missing(path: &str, message: &str) -> Option<String> {
    let between = |before: &str, after: char| {
        let (_, rest) = message.split_once(before)?;
        rest.split_once(after).map(|(inside, _)| inside)
    };
    let id = if let Some(name) = between("Parent resource '", '\'') {
        // The message has only a name: that of the parent of the requested resource.
        let above = path.rsplitn(3, '/').nth(2)?;
        above.rsplit('/').next()?.eq_ignore_ascii_case(name).then(|| above.to_owned())?
    } else if let (Some(kind_and_name), Some(group)) =
        (between("The Resource '", '\''), between("under resource group '", '\''))
    {
        let subscription = path.split('/').nth(2)?;
        format!("/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind_and_name}")
    } else {
        between("Resource [", ']').or_else(|| between("Resource  [", ']'))?.to_owned()
    };
    (id.starts_with("/subscriptions/") && !id.eq_ignore_ascii_case(path)).then_some(id)
}

/// Whether `message` may refer to the resource at `path`: it names no resource, that one, or a parent of it.
pub(super) fn may_be_about(path: &str, message: &str) -> bool {
    let plain = |text: &str| text.trim_matches('/').to_ascii_lowercase();
    let between = |before: &str, after: char| {
        let (_, rest) = message.split_once(before)?;
        rest.split_once(after).map(|(inside, _)| plain(inside))
    };
    let path = format!("/{}/", plain(path));
    // This form of the message has only type and name, and `<null>` for a resource that is in no resource
    // group.
    let typed = between("The Resource '", '\'').filter(|typed| typed.contains('/'));
    if let Some(typed) = typed {
        return path.contains(&format!("/providers/{typed}/"));
    }
    // Microsoft Graph names the object id.
    if let Some(id) = between("Resource '", '\'').filter(|id| id.parse::<Guid>().is_ok()) {
        return path.contains(&format!("/{id}/"));
    }
    match between("Resource [", ']').or_else(|| between("Resource  [", ']')) {
        Some(id) if id.contains('/') => path.starts_with(&format!("/{id}/")),
        _ => true,
    }
}

/// The advice: what is missing, where, and the command that lists what exists.
pub(super) fn hint(situation: &Situation<'_>, id: &str) -> String {
    let after = |name: &str| {
        let mut segments = id.split('/');
        segments.find(|segment| segment.eq_ignore_ascii_case(name))?;
        segments.next()
    };
    let subscription = after("subscriptions").unwrap_or_default();
    // The tenant of another subscription is not known here.
    let own = situation.path.split('/').nth(2).is_some_and(|own| own.eq_ignore_ascii_case(subscription));
    let tenant = if own { format!(" of tenant {}", situation.sender.party.tenant) } else { String::new() };
    let group = after("resourceGroups").map(|group| format!("resource group {group}, ")).unwrap_or_default();
    let typed: Vec<&str> = id.split_once("/providers/").map_or(id, |(_, typed)| typed).split('/').collect();
    let (kind, name) = match typed.as_slice() {
        [.., kind, name] => (*kind, *name),
        _ => ("resource", id),
    };
    let kind = match kind.to_ascii_lowercase().as_str() {
        "networkmanagers" => "network manager",
        "networkgroups" => "network group",
        "connectivityconfigurations" => "connectivity configuration",
        "virtualnetworks" => "virtual network",
        _ => kind,
    };
    let look = match typed.as_slice() {
        [provider, kind, _] => format!(
            "az resource list --subscription {subscription} --resource-type {} --output table",
            sh::word(&format!("{provider}/{kind}"))
        ),
        [provider, .., _] if provider.eq_ignore_ascii_case("Microsoft.Network") => {
            let list = id.rsplit_once('/').map_or(id, |(list, _)| list);
            format!("az rest --method GET --url {}", sh::word(&format!("{list}?api-version={API}")))
        }
        _ => format!("az resource show --ids {}", sh::word(id)),
    };
    format!(
        "{kind} {name} is not in {group}subscription {subscription}{tenant}, and must exist first: if it was created a moment \
         ago it appears soon; otherwise correct the inputs, or create it. List what exists: {look}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const MANAGER: &str =
        "/subscriptions/s-1/resourceGroups/rg/providers/Microsoft.Network/networkManagers/nm";

    #[test]
    fn a_404_about_another_resource_says_nothing() {
        let group = format!("{MANAGER}/networkGroups/g");
        let gateway = |typed: &str, group: &str| {
            format!(
                "The Resource '{typed}' under resource group '{group}' was not found. For more details please go to x"
            )
        };
        let provider = |id: &str| format!("Resource [{id}] does not exist or has been deleted");
        for (words, about) in [
            (gateway("Microsoft.Network/networkManagers/nm/networkGroups/G", "rg"), true),
            (gateway("Microsoft.Network/networkManagers/nm", "rg"), true),
            (gateway("Microsoft.Network/networkManagers/nm", "<null>"), true),
            (gateway("Microsoft.Network/networkManagers/n", "rg"), false),
            (gateway("Microsoft.Network/networkManagers/nm/networkGroups/other", "rg"), false),
            (provider(&group), true),
            (provider(MANAGER), true),
            (provider(&format!("{group}2")), false),
            (provider("/subscriptions/s-2"), false),
            (provider("x"), true),
            ("Not found.".to_owned(), true),
            (String::new(), true),
        ] {
            assert_eq!(may_be_about(&group, &words), about, "{words}");
        }
    }

    #[test]
    fn what_is_missing_is_read_from_each_form_of_the_words_and_is_never_what_was_asked_for() {
        let group = format!("{MANAGER}/networkGroups/g");
        let gateway = "The Resource 'Microsoft.Network/networkManagers/nm' under resource group 'rg' was not found. For more \
                       details please go to https://aka.ms/ARMResourceNotFoundFix";
        let nested =
            "Can not perform requested operation on nested resource. Parent resource 'nm' not found.";
        let provider = format!("Resource [{MANAGER}] does not exist or has been deleted");
        let preview = format!("Resource  [{MANAGER}] does not exist or has been deleted");
        for words in [gateway, nested, &provider, &preview] {
            assert_eq!(missing(&group, words).as_deref(), Some(MANAGER), "{words}");
        }
        for words in [gateway, &provider] {
            assert_eq!(
                missing(&MANAGER.to_uppercase(), words),
                None,
                "it is the requested resource: {words}"
            );
        }
        let other =
            "Can not perform requested operation on nested resource. Parent resource 'other' not found.";
        for words in ["", "Not found.", other, "Resource [x] does not exist", "The Resource 'x"] {
            assert_eq!(missing(&group, words), None, "{words}");
        }
    }
}
