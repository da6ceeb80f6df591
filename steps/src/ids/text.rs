//! Ids and texts without structure.

use std::borrow::Cow;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use twinspan_engine::parse_duration;
use uuid::Uuid;

use super::NotValid;

/// A tenant's id. Domain names are not accepted: unlike an id, they can be reassigned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TenantId(Uuid);

/// A GUID: an object id, an application id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Guid(Uuid);

/// A name that a plan gives to a resource. It must follow Azure's rule, because the resource may be created under it. A name
/// that was found in Azure is a [`FoundName`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ResourceName(String);

/// A name that was found in Azure: used as found, without any rule.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FoundName(String);

/// A description of a resource of Azure Virtual Network Manager. It fits together with the marker that twinspan adds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Description(String);

/// A mail address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Email(String);

/// An address that begins with `https://`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Url(String);

/// `30s`, `10m`, `24h`, `2d`, or several of them: `1h30m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HumanDuration(Duration);

/// The text form of all these types: parsed by `FromStr`, shown by `Display`.
macro_rules! as_text {
    ($name:ident, $schema:literal) => {
        impl TryFrom<String> for $name {
            type Error = NotValid;

            fn try_from(text: String) -> Result<Self, NotValid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "x-twinspan-type": $schema })
            }
        }
    };
}

as_text!(TenantId, "tenant-id");
as_text!(Guid, "guid");
as_text!(ResourceName, "name");
as_text!(FoundName, "name");
as_text!(Description, "string");
as_text!(Email, "email");
as_text!(Url, "url");
as_text!(HumanDuration, "duration");

fn hyphenated(text: &str) -> Option<Uuid> {
    // Uuid also parses braces, `urn:uuid:` and 32 bare digits; Azure accepts none of them in a path.
    (text.len() == 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

impl FromStr for TenantId {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        hyphenated(text).map(TenantId).ok_or_else(|| NotValid::new(text, "a tenant id (a GUID)"))
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl FromStr for Guid {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        hyphenated(text).map(Guid).ok_or_else(|| NotValid::new(text, "a GUID"))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.as_hyphenated().fmt(f)
    }
}

impl TenantId {
    /// An id known at compile time.
    pub(crate) const fn known(id: u128) -> Self {
        TenantId(Uuid::from_u128(id))
    }
}

impl Guid {
    /// An id known at compile time.
    pub(crate) const fn known(id: u128) -> Self {
        Guid(Uuid::from_u128(id))
    }
}

impl From<Uuid> for Guid {
    fn from(id: Uuid) -> Self {
        Guid(id)
    }
}

impl ResourceName {
    /// A name known at compile time; a test validates every one.
    pub(crate) fn known(name: &'static str) -> Self {
        ResourceName(name.to_owned())
    }

    /// The name as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ResourceName {
    type Err = NotValid;

    /// Azure states a rule for network managers (see `not_a_manager_name`) but none for resources in them. Those follow the
    /// general rule of Microsoft.Network for names.
    fn from_str(text: &str) -> Result<Self, NotValid> {
        if is_plain_name(text, 80) {
            Ok(ResourceName(text.to_owned()))
        } else {
            Err(NotValid::new(
                text,
                "a resource name: 1 to 80 letters, digits, '_', '.', '-', beginning with a letter or digit and \
                 ending with a letter, digit or '_'",
            ))
        }
    }
}

/// Whether the text has up to `most` letters, digits, `_`, `.`, `-`, begins with a letter or digit and ends with one or with
/// `_`.
pub(crate) fn is_plain_name(text: &str, most: usize) -> bool {
    let bytes = text.as_bytes();
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    bytes.len() <= most
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(|byte| byte.is_ascii_alphanumeric() || *byte == b'_')
        && bytes.iter().all(inner)
}

/// Why Azure would refuse this name for a network manager.
pub(crate) fn not_a_manager_name(name: &str) -> Option<String> {
    (!is_plain_name(name, 64)).then(|| {
        format!(
            "a network manager cannot be created as {name:?}: its name has 1 to 64 letters, digits, '_', '.', '-', begins \
             with a letter or digit and ends with a letter, digit or '_'"
        )
    })
}

impl FoundName {
    /// The name as found.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&ResourceName> for FoundName {
    fn from(name: &ResourceName) -> Self {
        FoundName(name.0.clone())
    }
}

impl From<&str> for FoundName {
    fn from(name: &str) -> Self {
        FoundName(name.to_owned())
    }
}

impl FromStr for FoundName {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        Ok(FoundName::from(text))
    }
}

impl fmt::Display for FoundName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for FoundName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for FoundName {}

impl Description {
    /// Azure's limit, as Microsoft's own modules state it, in UTF-16 units.
    const LONGEST: usize = 500;
    /// Length of ` [twinspan:12345678]`, which is appended.
    const MARKER: usize = 20;

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Description {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        if text.encode_utf16().count() <= Description::LONGEST - Description::MARKER {
            Ok(Description(text.to_owned()))
        } else {
            Err(NotValid::new(
                text,
                "a description of up to 480 characters: Azure allows 500, and the run's marker has 20",
            ))
        }
    }
}

impl fmt::Display for Description {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for ResourceName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for ResourceName {}

impl Email {
    /// An address known at compile time; a test validates every one.
    pub(crate) fn known(address: &'static str) -> Self {
        Email(address.to_owned())
    }

    /// The address as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The form for comparison.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// A character before the `@` that Entra refuses in an invitation.
    pub fn not_invitable(&self) -> Option<char> {
        let (local, _) = self.0.rsplit_once('@')?;
        local.chars().find(|c| "~!#$%^&*()+=[]{}\\/|;:\"<>?,".contains(*c))
    }
}

impl FromStr for Email {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        let plain = |part: &str| {
            !part.is_empty() && part.chars().all(|c| !c.is_whitespace() && !c.is_control() && c != '@')
        };
        match text.split_once('@') {
            Some((local, domain)) if plain(local) && plain(domain) && text.len() <= 320 => {
                Ok(Email(text.to_owned()))
            }
            _ => Err(NotValid::new(text, "a mail address")),
        }
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for Email {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for Email {}

impl Hash for Email {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl Url {
    /// The address as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Url {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        let valid =
            text.strip_prefix("https://").is_some_and(|rest| !rest.is_empty() && !rest.starts_with('/'))
                && !text.chars().any(|c| c.is_whitespace() || c.is_control());
        if valid { Ok(Url(text.to_owned())) } else { Err(NotValid::new(text, "an address (https://…)")) }
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Units, largest first, in seconds.
const UNITS: [(&str, u64); 4] = [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)];

impl HumanDuration {
    /// The duration.
    pub fn get(self) -> Duration {
        self.0
    }
}

impl From<Duration> for HumanDuration {
    fn from(duration: Duration) -> Self {
        HumanDuration(duration)
    }
}

impl FromStr for HumanDuration {
    type Err = NotValid;

    fn from_str(text: &str) -> Result<Self, NotValid> {
        parse_duration(text)
            .map(HumanDuration)
            .ok_or_else(|| NotValid::new(text, "a duration such as 30s, 10m, 24h or 2d"))
    }
}

impl fmt::Display for HumanDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut rest, milliseconds) = (self.0.as_secs(), self.0.subsec_millis());
        if rest == 0 && milliseconds == 0 {
            return f.write_str("0s");
        }
        for (unit, size) in UNITS {
            if rest >= size {
                write!(f, "{}{unit}", rest / size)?;
                rest %= size;
            }
        }
        if milliseconds > 0 {
            write!(f, "{milliseconds}ms")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_compare_by_value_and_take_only_the_plain_form() {
        let upper: Guid = "AAAAAAAA-0000-0000-0000-00000000000C".parse().unwrap();
        assert_eq!(upper, "aaaaaaaa-0000-0000-0000-00000000000c".parse().unwrap());
        assert_eq!(upper.to_string(), "aaaaaaaa-0000-0000-0000-00000000000c");
        for wrong in ["", "x", "aaaaaaaa00000000000000000000000c", "{aaaaaaaa-0000-0000-0000-00000000000c}"] {
            assert!(wrong.parse::<Guid>().is_err(), "{wrong:?}");
            assert!(wrong.parse::<TenantId>().is_err(), "{wrong:?}");
        }
        assert_eq!(
            "contoso.example".parse::<TenantId>().unwrap_err().to_string(),
            "\"contoso.example\" is not a tenant id (a GUID)"
        );
    }

    #[test]
    fn what_was_found_is_taken_as_it_is() {
        for name in ["x".repeat(76), "a b".to_owned(), "-ä.".to_owned()] {
            let found: FoundName = serde_json::from_value(serde_json::json!(name)).unwrap();
            assert_eq!(found.as_str(), name);
        }
        assert_eq!(FoundName::from("TF-weu"), FoundName::from("tf-WEU"));
    }

    #[test]
    fn a_description_leaves_room_for_the_marker() {
        let run = twinspan_engine::RunId(Uuid::from_u128(1));
        assert_eq!(format!(" {}", run.marker()).len(), Description::MARKER);
        assert!("d".repeat(480).parse::<Description>().is_ok());
        let long = "d".repeat(481).parse::<Description>().unwrap_err().to_string();
        assert!(long.contains("up to 480 characters") && long.len() < 300, "{long}");
        assert!("\u{1F600}".repeat(241).parse::<Description>().is_err(), "two units each");
    }

    #[test]
    fn a_name_keeps_to_the_rule_of_microsoft_network() {
        let longest = "n".repeat(80);
        for right in ["a", "to-central", "ng_spokes.1_", longest.as_str()] {
            assert!(right.parse::<ResourceName>().is_ok(), "{right:?}");
        }
        let too_long = "n".repeat(81);
        assert!(
            not_a_manager_name(&"n".repeat(64)).is_none() && not_a_manager_name(&"n".repeat(65)).is_some()
        );
        for wrong in ["", "-a", "a-", "a.", "a b", "a/b", "ä", "a?x=1", too_long.as_str()] {
            assert!(wrong.parse::<ResourceName>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn addresses() {
        let nina: Email = "Nina.Network@contoso.example".parse().unwrap();
        assert_eq!(nina, "nina.network@contoso.example".parse().unwrap());
        assert_eq!(nina.not_invitable(), None);
        assert_eq!("nina+x@contoso.example".parse::<Email>().unwrap().not_invitable(), Some('+'));
        for wrong in ["", "nina", "@x", "x@", "a@b@c", "a b@c"] {
            assert!(wrong.parse::<Email>().is_err(), "{wrong:?}");
        }
        assert!("https://example.com/x".parse::<Url>().is_ok());
        for wrong in ["http://example.com", "https://", "https:///x", "https://a b"] {
            assert!(wrong.parse::<Url>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn durations_are_read_and_shown() {
        for (text, milliseconds, shown) in [
            ("30s", 30_000, "30s"),
            ("90m", 5_400_000, "1h30m"),
            ("1h30m", 5_400_000, "1h30m"),
            ("2d", 172_800_000, "2d"),
            ("1w", 604_800_000, "7d"),
            ("1s 250ms", 1_250, "1s250ms"),
            ("10ms", 10, "10ms"),
            ("0s", 0, "0s"),
        ] {
            let duration: HumanDuration = text.parse().unwrap();
            assert_eq!(duration.get(), Duration::from_millis(milliseconds));
            assert_eq!(duration.to_string(), shown);
        }
        for wrong in ["", "5", "m", "5 m", "-5m", "5y", "99999999999999999999s", "99999d", "5é"] {
            assert!(wrong.parse::<HumanDuration>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn schemas_name_the_plan_type() {
        let schema = serde_json::to_value(schemars::schema_for!(Option<TenantId>)).unwrap();
        assert_eq!(schema["x-twinspan-type"], "tenant-id");
        let schema = serde_json::to_value(schemars::schema_for!(Vec<Guid>)).unwrap();
        assert_eq!(schema["items"]["x-twinspan-type"], "guid");
    }
}
