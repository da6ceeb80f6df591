//! Compatibility of types: between [`Type`]s, and between a type and text of people.

mod meant;

use std::borrow::Cow;
use std::fmt;

use crate::catalog::Type;
use crate::diagnostic::nearest;
use crate::duration::parse_duration;

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Type::Any => f.write_str("anything"),
            Type::String => f.write_str("string"),
            Type::Integer => f.write_str("int"),
            Type::Boolean => f.write_str("bool"),
            Type::Duration => f.write_str("duration"),
            Type::ResourceId(None) => f.write_str("resource-id"),
            Type::ResourceId(Some(of)) => write!(f, "resource-id of {of}"),
            Type::Scope => f.write_str("scope"),
            Type::TenantId => f.write_str("tenant-id"),
            Type::Guid => f.write_str("guid"),
            Type::Email => f.write_str("email"),
            Type::Url => f.write_str("url"),
            Type::Name => f.write_str("name"),
            Type::Choice(words) => write!(f, "choice of {}", words.join(", ")),
            Type::KeyOf(map) => write!(f, "key of {map}"),
            Type::List(inner) => write!(f, "list of {inner}"),
            Type::Map(inner) => write!(f, "map of {inner}"),
            Type::Record(fields) => {
                let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
                write!(f, "record of {}", names.join(", "))
            }
        }
    }
}

/// A type with its article, for messages.
pub(crate) fn article(ty: &Type) -> String {
    match ty {
        Type::Any => "a value".to_owned(),
        Type::Integer => "a whole number".to_owned(),
        Type::Boolean => "true or false".to_owned(),
        Type::Choice(words) => format!("one of {}", words.join(", ")),
        Type::String => "text".to_owned(),
        Type::Email => "a mail address".to_owned(),
        _ => format!("a {ty}"),
    }
}

/// Whether the values of the type are text.
pub(crate) fn is_text(ty: &Type) -> bool {
    !matches!(ty, Type::Any | Type::Integer | Type::Boolean | Type::List(_) | Type::Map(_) | Type::Record(_))
}

/// Whether a value of type `from` may be used where `to` is expected.
pub(crate) fn assignable(from: &Type, to: &Type) -> bool {
    use Type::{
        Any, Choice, Guid, KeyOf, List, Map, Name, Record, ResourceId, Scope, String as Text, TenantId,
    };
    match (from, to) {
        (_, Any) | (Any, _) => true,
        (from, to) if from == to => true,
        (from, Text) => is_text(from),
        (TenantId, Guid) => true,
        // A resource id without a type may have any type; the step checks it.
        (ResourceId(None), ResourceId(_)) | (ResourceId(_), ResourceId(None)) => true,
        (ResourceId(Some(from)), ResourceId(Some(to))) => from.eq_ignore_ascii_case(to),
        (ResourceId(_), Scope) | (Scope, ResourceId(None)) => true,
        (Choice(from), Choice(to)) => from.iter().all(|word| to.contains(word)),
        (KeyOf(_) | Choice(_), Name) => true,
        (List(from), List(to)) | (Map(from), Map(to)) => assignable(from, to),
        (Record(fields), Map(to)) => fields.iter().all(|field| assignable(&field.ty, to)),
        (Record(from), Record(to)) => {
            to.iter().all(|wanted| match from.iter().find(|field| field.name == wanted.name) {
                Some(field) => assignable(&field.ty, &wanted.ty) && (field.required || !wanted.required),
                None => !wanted.required,
            })
        }
        _ => false,
    }
}

/// Why a text is not a value of a type, and what to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Misfit {
    pub(crate) why: String,
    pub(crate) help: String,
    pub(crate) suggestion: Option<String>,
    /// The text, if it is a domain in place of a tenant id.
    pub(crate) domain: Option<String>,
}

impl Misfit {
    fn new(why: impl Into<String>, help: impl Into<String>) -> Self {
        Misfit { why: why.into(), help: help.into(), suggestion: None, domain: None }
    }

    fn meant(mut self, suggestion: Option<String>) -> Self {
        self.suggestion = suggestion;
        self
    }
}

/// Checks a text against a type.
pub(crate) fn check_text(text: &str, ty: &Type) -> Result<(), Misfit> {
    match ty {
        Type::Any | Type::String => Ok(()),
        Type::TenantId => check_tenant(text),
        Type::Guid => check_guid(text).map_err(|misfit| misfit.meant(meant::guid(text))),
        Type::Duration => parse_duration(text).map(|_| ()).ok_or_else(|| {
            Misfit::new("not a duration", "write a number and a unit: `30s`, `10m`, `24h`, `2d`")
        }),
        Type::ResourceId(of) => check_resource_id(text, of.as_deref()),
        Type::Scope => check_scope(text),
        Type::Email => {
            let good = text.split_once('@').is_some_and(|(user, host)| {
                !user.is_empty()
                    && !host.is_empty()
                    && !host.contains('@')
                    && !text.contains(char::is_whitespace)
            });
            good.then_some(()).ok_or_else(|| Misfit::new("not a mail address", "write `name@domain`"))
        }
        Type::Url => {
            let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
            let good = rest.is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace));
            good.then_some(()).ok_or_else(|| Misfit::new("not a web address", "write `https://…`"))
        }
        Type::Name => {
            let good = !text.is_empty()
                && text.chars().count() <= 128
                && !text.chars().any(|c| c.is_whitespace() || c.is_control() || "/\\?#%&".contains(c));
            good.then_some(()).ok_or_else(|| {
                Misfit::new(
                    "not a name",
                    "use up to 128 characters without spaces and without `/ \\ ? # % &`",
                )
            })
        }
        Type::Choice(words) => {
            if words.iter().any(|word| word == text) {
                return Ok(());
            }
            let mut misfit =
                Misfit::new("not one of the choices", format!("write one of {}", words.join(", ")));
            misfit.suggestion = nearest(text, words.iter().map(String::as_str)).map(str::to_owned);
            Err(misfit)
        }
        Type::KeyOf(map) if text.is_empty() => {
            Err(Misfit::new("empty", format!("write a key of the input `{map}`")))
        }
        Type::KeyOf(_) => Ok(()),
        Type::Integer => Err(Misfit::new("text, not a whole number", "write a number without quotes")),
        Type::Boolean => Err(Misfit::new("text, not `true` or `false`", "write `true` or `false`")),
        Type::List(_) => {
            Err(Misfit::new("text, not a list", "write a list: `[ … ]`, or one line `- …` for each"))
        }
        Type::Map(_) | Type::Record(_) => Err(Misfit::new("text, not a mapping", "write `key: value` lines")),
    }
}

fn check_guid(text: &str) -> Result<(), Misfit> {
    let good = text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        });
    good.then_some(())
        .ok_or_else(|| Misfit::new("not a GUID", "write it as 00000000-0000-0000-0000-000000000000"))
}

fn check_tenant(text: &str) -> Result<(), Misfit> {
    check_guid(text).map_err(|misfit| {
        if !meant::is_domain(text) {
            return misfit.meant(meant::guid(text));
        }
        let misfit = Misfit::new(
            "a domain, not the id of a tenant",
            format!(
                "write the tenant's id, a GUID: it is part of the issuer that \
                 `curl https://login.microsoftonline.com/{text}/v2.0/.well-known/openid-configuration` prints"
            ),
        );
        Misfit { domain: Some(text.to_owned()), ..misfit }
    })
}

fn check_resource_id(text: &str, of: Option<&str>) -> Result<(), Misfit> {
    let example = format!(
        "write the complete id: /subscriptions/…/resourceGroups/…/providers/{}/NAME",
        of.unwrap_or("Microsoft.Network/virtualNetworks")
    );
    let is_wanted = |found: &str| of.is_none_or(|of| of.eq_ignore_ascii_case(found));
    let why = match resource_type(text) {
        Ok(found) if is_wanted(&found) => return Ok(()),
        Ok(found) => format!("the id of a {found}, not of a {}", of.unwrap_or_default()),
        Err(why) => why.into_owned(),
    };
    let fits = |id: &str| resource_type(id).is_ok_and(|found| is_wanted(&found));
    Err(Misfit::new(why, example).meant(meant::resource_id(text, fits)))
}

fn check_scope(text: &str) -> Result<(), Misfit> {
    let help =
        "write /subscriptions/GUID, /providers/Microsoft.Management/managementGroups/NAME, or a resource id";
    let misfit = |why| Misfit::new(why, help).meant(meant::scope(text));
    resource_type(text).map(|_| ()).map_err(misfit)
}

/// The type of a resource id: the namespace after the last `providers`, and the types after the namespace.
fn resource_type(id: &str) -> Result<String, Cow<'static, str>> {
    let Some(rest) = id.strip_prefix('/') else { return Err("does not begin with `/`".into()) };
    if id.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("contains a blank".into());
    }
    // `…/virtualNetworks/` lacks the name; that says more than the `/` at its end.
    let ended = rest.strip_suffix('/').map(|rest| rest.split('/').collect::<Vec<_>>());
    if let Some(name) = ended.as_deref().and_then(nameless) {
        return Err(name_is_missing(name));
    }
    let segments: Vec<&str> = rest.split('/').collect();
    if segments.iter().any(|segment| segment.is_empty()) {
        return Err("contains an empty part (`//`, or `/` at its end)".into());
    }
    let is =
        |at: usize, word: &str| segments.get(at).is_some_and(|segment| segment.eq_ignore_ascii_case(word));
    if is(0, "subscriptions") && segments.get(1).is_none_or(|guid| check_guid(guid).is_err()) {
        return Err("the subscription is not a GUID".into());
    }
    if let Some(name) = nameless(&segments) {
        return Err(name_is_missing(name));
    }
    if let Some(parts) = after_providers(&segments) {
        if parts.len() < 3 {
            return Err(
                "not a complete resource id: namespace, types and names must follow `providers`".into()
            );
        }
        let types = parts[1..].iter().step_by(2).fold(parts[0].to_owned(), |all, ty| all + "/" + ty);
        return Ok(types);
    }
    match segments.len() {
        2 if is(0, "subscriptions") => Ok("Microsoft.Resources/subscriptions".to_owned()),
        4 if is(0, "subscriptions") && is(2, "resourceGroups") => {
            Ok("Microsoft.Resources/resourceGroups".to_owned())
        }
        _ => Err("not a complete resource id".into()),
    }
}

/// The segments after the last `providers`.
fn after_providers<'a, 's>(segments: &'a [&'s str]) -> Option<&'a [&'s str]> {
    let at = segments.iter().rposition(|segment| segment.eq_ignore_ascii_case("providers"))?;
    segments.get(at + 1..)
}

/// The type at the end of an id, if the name after it is missing.
fn nameless<'s>(segments: &[&'s str]) -> Option<&'s str> {
    let last = *segments.last()?;
    let missing = match after_providers(segments) {
        Some(parts) => parts.len() >= 2 && parts.len().is_multiple_of(2),
        None => segments.len() == 3 && last.eq_ignore_ascii_case("resourceGroups"),
    };
    (missing && !last.is_empty()).then_some(last)
}

fn name_is_missing(ty: &str) -> Cow<'static, str> {
    format!("the name after `{ty}` is missing").into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Field;

    const SUBSCRIPTION: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001";

    #[test]
    fn named_texts_are_strings_but_not_the_other_way_round() {
        for ty in [Type::Guid, Type::Scope, Type::Email, Type::Choice(vec!["a".into()]), Type::Duration] {
            assert!(assignable(&ty, &Type::String), "{ty}");
            assert!(!assignable(&Type::String, &ty), "{ty}");
        }
        assert!(!assignable(&Type::Integer, &Type::String));
        assert!(assignable(&Type::TenantId, &Type::Guid));
        assert!(!assignable(&Type::Guid, &Type::TenantId));
    }

    #[test]
    fn resource_ids_keep_their_type() {
        let id = |of: &str| Type::ResourceId(Some(of.to_owned()));
        assert!(assignable(
            &id("Microsoft.Network/virtualNetworks"),
            &id("microsoft.network/VIRTUALNETWORKS")
        ));
        assert!(!assignable(&id("a/b"), &id("a/c")));
        assert!(assignable(&id("a/b"), &Type::Scope));
        assert!(!assignable(&Type::Scope, &id("a/b")));
    }

    #[test]
    fn records_need_what_is_required() {
        let field = |name: &str, required| Field {
            name: name.into(),
            ty: Type::Guid,
            required,
            about: String::new(),
        };
        let both = Type::Record(vec![field("a", true), field("b", false)]);
        assert!(assignable(&both, &Type::Record(vec![field("a", true)])));
        assert!(!assignable(&both, &Type::Record(vec![field("b", true)])));
        assert!(assignable(&both, &Type::Map(Box::new(Type::String))));
    }

    #[test]
    fn texts_are_checked() {
        let vnet = format!("{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v");
        let of = |of: &str| Type::ResourceId(Some(of.to_owned()));
        check_text(&vnet, &of("Microsoft.Network/virtualNetworks")).unwrap();
        check_text(&vnet, &Type::Scope).unwrap();
        check_text(&format!("{vnet}/subnets/s"), &of("Microsoft.Network/virtualNetworks/subnets")).unwrap();
        assert!(
            check_text(&vnet, &of("Microsoft.Network/networkManagers"))
                .unwrap_err()
                .why
                .contains("virtualNetworks")
        );
        check_text(SUBSCRIPTION, &Type::Scope).unwrap();
        check_text("/providers/Microsoft.Management/managementGroups/mg", &Type::Scope).unwrap();
        for bad in [
            "",
            "/",
            "/subscriptions/x",
            "/subscriptions//",
            "fabrikam",
            "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/",
            "/providers/a/b",
        ] {
            assert!(check_text(bad, &Type::Scope).is_err(), "{bad:?}");
        }
        let why = |text: &str| check_text(text, &Type::ResourceId(None)).unwrap_err().why;
        for nameless in [&vnet[..vnet.len() - 2], &vnet[..vnet.len() - 1]] {
            assert_eq!(why(nameless), "the name after `virtualNetworks` is missing", "{nameless}");
        }
        assert_eq!(why(&format!("{vnet}/subnets")), "the name after `subnets` is missing");
        assert_eq!(
            why(&format!("{SUBSCRIPTION}/resourceGroups")),
            "the name after `resourceGroups` is missing"
        );
        assert!(why(&format!("{vnet}/")).contains("empty part"));
        let choice = Type::Choice(vec!["guest".into(), "service-principal".into()]);
        assert_eq!(
            check_text("service_principal", &choice).unwrap_err().suggestion.as_deref(),
            Some("service-principal")
        );
        assert!(check_text("no-address", &Type::Email).is_err());
        assert!(check_text("a b", &Type::Name).is_err());
        assert!(check_text("{11111111-0000-0000-0000-00000000000c}", &Type::Guid).is_err());
    }
}
