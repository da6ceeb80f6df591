//! One resource of the provider under a name that the plan gives: read, written and removed alike, whatever it is.

use std::sync::Arc;

use jiff::SignedDuration;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use twinspan_engine::{
    Applied, ClaimKey, Content, Contents, FailureClass, Identity, Marker, Phase, StepCx, StepError, Undone,
};

use super::{API, Body, Found, or_default};
use crate::azure::{Arm, Azure};
use crate::ids::{Description, FoundName, ResourceId, ResourceType};

/// One such resource, as the identity that acts.
pub(crate) struct Child<'a, T: ResourceType> {
    arm: Arm<'a>,
    id: ResourceId<T>,
    cx: &'a StepCx<'a>,
}

/// What was read of it.
pub(crate) struct Read<P> {
    /// What it says of itself.
    pub(crate) properties: P,
    /// How long ago it was written, by the service's own clock; `None`: it does not say.
    pub(crate) age: Option<SignedDuration>,
}

impl<'a, T: ResourceType> Child<'a, T> {
    pub(crate) fn new(azure: &'a Azure, cx: &'a StepCx<'a>, id: ResourceId<T>) -> Result<Self, StepError> {
        let arm = azure.arm(cx, cx.identity()?).about([id.path()]);
        Ok(Child { arm, id, cx })
    }

    /// Sends `identity`'s token along.
    #[must_use]
    pub(crate) fn auxiliary(mut self, identity: &'a Identity) -> Self {
        self.arm = self.arm.auxiliary(identity);
        self
    }

    /// `None`: it is not there.
    pub(crate) async fn read<P: Default + DeserializeOwned>(&self) -> Result<Option<Read<P>>, StepError> {
        let found = self.arm.get_dated::<Found<P>>(self.id.path(), API).await?;
        Ok(found.map(|(found, at)| Read { age: found.system_data.age(at), properties: found.properties }))
    }

    /// The resource, or one that stands beside it under another name and means the same: what somebody else made first. The
    /// best one by `rank` (lowest first), where there are several.
    ///
    /// Before a write the list tells all of it, and one list serves every step that looks for its own resource in it. After a
    /// write the resource is read by its name, which costs the same however many others there are.
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

    /// The one write. What it answers is not looked at: it says Pending, and an empty etag, whatever is there then.
    pub(crate) async fn write(self, properties: impl Serialize + Sync) -> Result<Applied, StepError> {
        let (path, mut body) = (self.id.path(), written(&Body { properties })?);
        if !self.cx.overwrites {
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

    /// The one write that takes it back. Without `force`, which takes along what others have built on it.
    pub(crate) async fn remove(self) -> Result<Undone, StepError> {
        self.arm.delete(self.id.path(), API, &[]).await?;
        Ok(Undone::Removed)
    }
}

/// The words that stand in a resource.
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

fn written(body: &impl Serialize) -> Result<Value, StepError> {
    serde_json::to_value(body)
        .map_err(|error| StepError::new(FailureClass::Bug, format!("a body cannot be written: {error}")))
}

/// What a collection below a resource holds; `None`: the resource is gone. `what`: as people know it.
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

/// Something in such a collection.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Held {
    /// Its id.
    #[serde(deserialize_with = "or_default")]
    pub(crate) id: String,
    /// Its name.
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    /// What a member names.
    #[serde(deserialize_with = "or_default")]
    pub(crate) properties: Names,
}

/// What a member names.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Names {
    #[serde(deserialize_with = "or_default")]
    pub(crate) resource_id: String,
}

/// Static members of a network group: Azure deletes them with it.
pub(crate) async fn members(arm: &Arm<'_>, group: &str) -> Result<Option<Contents>, StepError> {
    held(arm, group, &["staticMembers"], "static members", |member| {
        format!("{} ({})", member.properties.resource_id, member.name)
    })
    .await
}

/// What a network manager holds.
pub(crate) async fn of_manager(arm: &Arm<'_>, manager: &str) -> Result<Option<Contents>, StepError> {
    const COLLECTIONS: [&str; 3] = ["networkGroups", "connectivityConfigurations", "scopeConnections"];
    held(arm, manager, &COLLECTIONS, "content", |held| held.id.clone()).await
}

/// Whoever writes it claims it.
pub(crate) fn claims<T: ResourceType>(id: Result<ResourceId<T>, StepError>) -> Vec<ClaimKey> {
    id.iter().map(|id| ClaimKey(id.key())).collect()
}

/// The description that is written: the plan's words and this run's marker.
pub(crate) fn description(cx: &StepCx<'_>, words: Option<&Description>) -> String {
    cx.describe(words.map(Description::as_str).unwrap_or_default())
}
