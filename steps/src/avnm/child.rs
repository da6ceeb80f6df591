//! Reads, writes and deletes a resource of `Microsoft.Network` under the name that the plan gives it.

use std::sync::Arc;

use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use twinspan_engine::{
    Applied, ClaimKey, Content, Contents, FailureClass, Identity, Marker, Phase, StepCx, StepError, Undone,
};

use super::{API, Found, or_default};
use crate::azure::{Arm, Azure};
use crate::ids::{Description, FoundName, ResourceId, ResourceType};

/// A resource of type `T`, accessed as the acting identity.
pub(crate) struct Child<'a, T: ResourceType> {
    /// Reads and writes it.
    pub(crate) arm: Arm<'a>,
    /// Its id.
    pub(crate) id: ResourceId<T>,
    cx: &'a StepCx<'a>,
}

/// What a read of the resource returned.
pub(crate) struct Read<P> {
    /// Its properties.
    pub(crate) properties: P,
    /// Time since its last write, by the service's own clock; `None` if it is not known.
    pub(crate) age: Option<SignedDuration>,
}

impl<'a, T: ResourceType> Child<'a, T> {
    pub(crate) fn new(azure: &'a Azure, cx: &'a StepCx<'a>, id: ResourceId<T>) -> Result<Self, StepError> {
        let arm = azure.arm(cx, cx.identity()?).about([id.path()]);
        Ok(Child { arm, id, cx })
    }

    /// Sends the token of `identity` as an auxiliary token.
    #[must_use]
    pub(crate) fn auxiliary(mut self, identity: &'a Identity) -> Self {
        self.arm = self.arm.auxiliary(identity);
        self
    }

    /// Reads the resource; `None` if it does not exist.
    pub(crate) async fn read<P: Default + DeserializeOwned>(&self) -> Result<Option<Read<P>>, StepError> {
        let found = self.arm.get_dated::<Found<P>>(self.id.path(), API).await?;
        Ok(found.map(|(found, at)| Read { age: found.system_data.age(at), properties: found.properties }))
    }

    /// Reads the resource, or an equivalent one under another name in the same collection (which another principal created).
    /// Of several equivalent ones it returns the one with the lowest `rank`.
    ///
    /// Before a write it lists the collection, and one list serves all steps with resources in it. After a write it reads the
    /// resource by name, which costs the same however large the collection is.
    pub(crate) async fn or_twin<P: Clone + Default + DeserializeOwned + Send + Sync + 'static>(
        &self,
        cx: &StepCx<'_>,
        same: impl Fn(&P) -> bool,
        rank: impl Fn(&P) -> u8,
    ) -> Result<Option<(FoundName, Read<P>)>, StepError> {
        let own = FoundName::from(self.id.name());
        if cx.phase != Phase::Probe
            && let Some(found) = self.read().await?
        {
            return Ok(Some((own, found)));
        }
        let (beside, _) = self.id.path().rsplit_once('/').unwrap_or_default();
        let all: Arc<Vec<Found<P>>> = self.arm.shared_list(beside, API).await?;
        if cx.phase == Phase::Probe
            && all.iter().any(|found| found.name.eq_ignore_ascii_case(own.as_str()))
            && let Some(found) = self.read().await?
        {
            return Ok(Some((own, found)));
        }
        let twins = all.iter().filter(|found| same(&found.properties));
        let twin = twins.min_by(|one, other| {
            (rank(&one.properties), &one.name).cmp(&(rank(&other.properties), &other.name))
        });
        let Some(twin) = twin else { return Ok(None) };
        Ok(Some((
            FoundName::from(twin.name.as_str()),
            Read { properties: twin.properties.clone(), age: None },
        )))
    }

    /// Sends the create or update request. The response is ignored: it always says Pending with an empty etag. `merges`:
    /// fields that `body` does not have are kept.
    pub(crate) async fn write(self, mut body: Value, merges: bool) -> Result<Applied, StepError> {
        let path = self.id.path();
        if !merges {
            self.arm.put(path, API, &body).await?;
            return Ok(Applied::default());
        }
        let said = body.pointer("/properties/description").and_then(Value::as_str);
        let bare = said.is_some_and(|said| said == self.cx.describe(""));
        if bare && let Some(found) = self.read::<Described>().await? {
            body["properties"]["description"] =
                self.cx.describe(unmarked(&found.properties.description)).into();
        }
        self.arm.put_over(path, API, &body, &[]).await?;
        Ok(Applied::default())
    }

    /// Sends the delete request, without `force`, which would delete what others have built on the resource.
    pub(crate) async fn remove(self) -> Result<Undone, StepError> {
        self.arm.delete(self.id.path(), API, &[]).await?;
        Ok(Undone::Removed)
    }
}

/// Only the description of a resource.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Described {
    #[serde(deserialize_with = "or_default")]
    description: String,
}

/// A description without the marker at its end.
fn unmarked(description: &str) -> &str {
    match Marker::in_description(Some(description)) {
        Marker::Of(_) => description.rsplit_once("[twinspan:").map_or("", |(words, _)| words.trim_end()),
        _ => description.trim_end(),
    }
}

/// Lists the contents of a resource's collections; `None` if the resource does not exist. `what`: their name for people.
pub(crate) async fn held(
    arm: &Arm<'_>,
    above: &str,
    collections: &[&str],
    what: &'static str,
    words: impl Fn(&Held) -> String,
) -> Result<Option<Contents>, StepError> {
    let mut items = Vec::new();
    for collection in collections {
        let listed: Vec<Held> = match arm.list(&format!("{above}/{collection}"), API, &[]).await {
            Ok(listed) => listed,
            Err(error) if error.class == FailureClass::ReplicationLag => return Ok(None),
            Err(error) => return Err(error),
        };
        let each =
            listed.iter().map(|held| Content { key: ClaimKey(held.id.to_lowercase()), words: words(held) });
        items.extend(each);
    }
    Ok(Some(Contents { what, items }))
}

/// An element of such a collection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Held {
    /// Its id.
    #[serde(deserialize_with = "or_default")]
    pub(crate) id: String,
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    /// Properties of a static member; empty for other elements.
    #[serde(deserialize_with = "or_default")]
    pub(crate) properties: Names,
}

/// Properties of a static member.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Names {
    #[serde(deserialize_with = "or_default")]
    pub(crate) resource_id: String,
}

/// Lists the static members of a network group, which Azure deletes with the group.
pub(crate) async fn members(arm: &Arm<'_>, group: &str) -> Result<Option<Contents>, StepError> {
    held(arm, group, &["staticMembers"], "static members", |member| {
        format!("{} ({})", member.properties.resource_id, member.name)
    })
    .await
}

/// Lists the contents of a network manager.
pub(crate) async fn of_manager(arm: &Arm<'_>, manager: &str) -> Result<Option<Contents>, StepError> {
    const COLLECTIONS: [&str; 3] = ["networkGroups", "connectivityConfigurations", "scopeConnections"];
    held(arm, manager, &COLLECTIONS, "content", |held| held.id.clone()).await
}

/// The description to write: the plan's text and the run's marker.
pub(crate) fn description(cx: &StepCx<'_>, words: Option<&Description>) -> String {
    cx.describe(words.map(Description::as_str).unwrap_or_default())
}
