//! Pages of lists. Both services link to the next page; one returns "" on the last page.

use std::collections::BTreeSet;

use azure_core::http::Url;
use serde::Deserialize;
use twinspan_engine::{FailureClass, StepError};

use super::cloud::{Cloud, Service};
use super::party::Party;

/// More pages than any list of these services has.
const MOST_PAGES: usize = 5_000;

/// One page. `value` is required: a response without it is not an empty list.
#[derive(Debug, Deserialize)]
pub(crate) struct Page<T> {
    pub(crate) value: Vec<T>,
    #[serde(default, rename = "nextLink", alias = "@odata.nextLink", alias = "@nextLink")]
    pub(crate) next: Option<String>,
}

/// Follows the pages of one list.
pub(crate) struct Pages<'a> {
    cloud: &'a Cloud,
    service: Service,
    party: Party<'a>,
    seen: BTreeSet<String>,
}

impl<'a> Pages<'a> {
    pub(crate) fn from(cloud: &'a Cloud, service: Service, party: Party<'a>, first: &Url) -> Self {
        Pages { cloud, service, party, seen: BTreeSet::from([first.to_string()]) }
    }

    /// URL of the next page; `None` after the last one.
    pub(crate) fn next(&mut self, link: Option<&str>) -> Result<Option<Url>, StepError> {
        let Some(link) = link.map(str::trim).filter(|link| !link.is_empty()) else { return Ok(None) };
        let wrong = |class, what: String| StepError::new(class, format!("list as {}: {what}", self.party));
        let url = Url::parse(link).map_err(|_| {
            wrong(FailureClass::Transient, "the link to the next page is not an address".to_owned())
        })?;
        if !self.cloud.owns(self.service, &url) {
            let host = url.host_str().unwrap_or("an unnamed host");
            let what = format!(
                "the link to the next page points to {host}, which is not {} of the {} cloud; no token is sent there",
                self.service.name(),
                self.cloud.name()
            );
            return Err(wrong(FailureClass::PlanWrong, what)
                .hint("check [cloud] in twinspan.toml, and whether a proxy changes responses"));
        }
        if !self.seen.insert(url.to_string()) || self.seen.len() > MOST_PAGES {
            let what = format!("its pages do not end (after {})", self.seen.len());
            return Err(wrong(FailureClass::Transient, what));
        }
        Ok(Some(url))
    }
}
