//! Differences between API versions.

use crate::request::Request;

/// The response format of an API version. Versions are dates, so they are compared as text; a version newer than all known
/// ones gets the newest format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Dialect {
    /// 2021-02-01-preview.
    First,
    /// 2021-05-01-preview.
    Second,
    /// 2022-02-01-preview and 2022-04-01-preview.
    LatePreview,
    /// 2022-01-01: the first version that is not a preview; the previews of 2022 have an older format.
    Ga,
    /// Newer versions, until the next.
    Current,
    /// 2023-11-01 and later: a virtual network that is written without `subnets` keeps them.
    KeptSubnets,
    /// 2024-03-01 and later: virtual networks have policies for private endpoints.
    EndpointPolicies,
    /// 2024-07-01 and later: deleting a configuration is a long-running operation.
    Latest,
}

impl Dialect {
    pub(super) fn of(request: &Request) -> Dialect {
        let version = request.api_version().unwrap_or_default().to_ascii_lowercase();
        let preview = version.ends_with("-preview");
        match version.get(..10).unwrap_or_default() {
            date if preview && date < "2021-05-01" => Dialect::First,
            date if preview && date < "2022-01-01" => Dialect::Second,
            date if preview && date < "2023-01-01" => Dialect::LatePreview,
            date if date <= "2022-01-01" => Dialect::Ga,
            date if date < "2023-11-01" => Dialect::Current,
            date if date < "2024-03-01" => Dialect::KeptSubnets,
            date if date < "2024-07-01" => Dialect::EndpointPolicies,
            _ => Dialect::Latest,
        }
    }

    /// Previews: `displayName`, an empty `location` for resources without one, groups with their members, and a connection
    /// in the manager's own scope waits for its other side. Until 2022 the service used this format for 2022-01-01, too.
    pub(super) fn preview(self) -> bool {
        self < Dialect::Ga
    }

    /// Until 2022-01-01: a member's region is its `location`.
    pub(super) fn early(self) -> bool {
        self <= Dialect::Ga
    }

    pub(super) fn keeps_subnets(self) -> bool {
        self >= Dialect::KeptSubnets
    }

    pub(super) fn knows_endpoint_policies(self) -> bool {
        self >= Dialect::EndpointPolicies
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn previews_of_2022_are_older_in_shape_than_the_release_of_that_year() {
        let of = |version: &str| {
            let uri = format!("https://a/?api-version={version}");
            let request = http::Request::builder().uri(uri).body(Bytes::new()).unwrap();
            Dialect::of(&Request::new(request, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH))
        };
        assert_eq!(of("2021-02-01-preview"), Dialect::First);
        assert_eq!(of("2021-05-01-preview"), Dialect::Second);
        assert_eq!(of("2022-04-01-Preview"), Dialect::LatePreview);
        assert_eq!(of("2022-01-01"), Dialect::Ga);
        assert_eq!(of("2023-09-01"), Dialect::Current);
        assert_eq!(of("2023-11-01"), Dialect::KeptSubnets);
        assert_eq!(of("2024-05-01"), Dialect::EndpointPolicies);
        assert_eq!(of("2024-10-01"), Dialect::Latest);
        assert_eq!(of("2031-01-01"), Dialect::Latest);
    }
}
