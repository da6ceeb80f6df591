//! A resource of Azure Virtual Network Manager under the name that the plan gives it. A kind describes the resource once:
//! what is sent, what a person is told, which resource is claimed and which permissions are needed follow from this description.

use std::collections::BTreeMap;
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use twinspan_engine::{
    Act, Applied, Back, ClaimKey, Contents, EffectClass, Ensure, FailureClass, Find, Guarded, HandOver,
    Identity, KindMeta, Misfit, Observed, Permission, Readiness, Request, Step, StepCx, StepError, Task,
    Undone, WriteMeta,
};

use crate::avnm::child::Child;
use crate::avnm::{API, Body};
use crate::azure::{ARM_REQUEST_WINDOW, Azure, people};
use crate::hand_over;
use crate::hierarchy;
use crate::ids::{ResourceId, ResourceType};
use crate::kinds::reads_and_changes;

/// A resource that is written with one PUT under its own id, and deleted with one DELETE. [`Named`] makes it a step kind.
pub(crate) trait NamedResource: Send + Sync + 'static {
    /// What the kind declares about itself; [`meta`] has the properties of the service.
    const META: KindMeta;
    /// The resource type, as permissions name it.
    const TYPE: &'static str = <Self::Id as ResourceType>::TYPE;
    /// Whether an update keeps the fields of the resource that the plan does not describe.
    const MERGES: bool = true;

    /// Parameters, after references are resolved.
    type Params: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// Outputs that later steps read.
    type Output: Serialize + DeserializeOwned + JsonSchema + Send + Sync;
    /// The type of its id.
    type Id: ResourceType;

    /// [`Step::example`]
    fn example() -> Self::Params;

    /// The id that the resource has, or gets.
    fn id(params: &Self::Params) -> Result<ResourceId<Self::Id>, StepError>;

    /// The id under which it was found: undo deletes this one.
    fn found(output: &Self::Output) -> &ResourceId<Self::Id>;

    /// The properties in the request body.
    fn properties(cx: &StepCx<'_>, params: &Self::Params) -> impl Serialize;

    /// Reads the resource and compares it with the parameters.
    fn observe(
        child: &Child<'_, Self::Id>,
        cx: &StepCx<'_>,
        params: &Self::Params,
    ) -> impl Future<Output = Result<Observed<Self::Output>, StepError>> + Send;

    /// What only the kind knows of the hand-over.
    fn by_hand(cx: &StepCx<'_>, params: &Self::Params) -> Result<ByHand, StepError>;

    /// The identity whose token goes along with the write.
    fn auxiliary<'c>(cx: &StepCx<'c>, params: &Self::Params) -> Option<&'c Identity> {
        let _ = (cx, params);
        None
    }

    /// Whether the step may change the resource. One that is only found has no owner, and any number of runs may share it.
    fn changes(cx: &StepCx<'_>, params: &Self::Params) -> bool {
        let _ = (cx, params);
        true
    }

    /// [`Step::misfits`]
    fn misfits(params: &Self::Params) -> Vec<Misfit> {
        let _ = params;
        Vec::new()
    }

    /// [`Step::precondition`]
    fn precondition(
        azure: &Azure,
        cx: &StepCx<'_>,
        params: &Self::Params,
    ) -> impl Future<Output = Result<Readiness, StepError>> + Send {
        let _ = (azure, cx, params);
        std::future::ready(Ok(Readiness::Ready))
    }

    /// [`Step::contents`]
    fn contents(
        azure: &Azure,
        cx: &StepCx<'_>,
        found: &Self::Output,
    ) -> impl Future<Output = Result<Option<Contents>, StepError>> + Send {
        let _ = (azure, cx, found);
        std::future::ready(Ok(Some(Contents::default())))
    }

    /// [`Step::permissions`]; the default is [`needed`].
    fn permissions(cx: &StepCx<'_>, params: &Self::Params) -> Result<Vec<Permission>, StepError> {
        needed::<Self>(cx, params)
    }
}

/// The declaration of a child of a network manager, or of a connection to one.
pub(crate) const fn meta(name: &'static str, summary: &'static str) -> KindMeta {
    let write = WriteMeta {
        effect: EffectClass::PutSame,
        consistency_delay: Duration::from_secs(10),
        request_window: ARM_REQUEST_WINDOW,
    };
    KindMeta { removable: true, ..KindMeta::writes(name, summary, write) }
}

/// Permissions to read and to write or delete the resource at its container; while it is only found, to read it.
pub(crate) fn needed<K: NamedResource + ?Sized>(
    cx: &StepCx<'_>,
    params: &K::Params,
) -> Result<Vec<Permission>, StepError> {
    let (id, own) = (K::id(params)?, cx.identity()?);
    if K::changes(cx, params) {
        return Ok(reads_and_changes(cx, own, container::<K>(&id), K::TYPE));
    }
    Ok(Permission::each(own, container::<K>(&id), &[&format!("{}/read", K::TYPE)]))
}

/// What only the kind knows of the hand-over of a resource.
#[derive(Default)]
pub(crate) struct ByHand {
    /// The task, imperative: "Create the network group ng-spokes in …".
    pub(crate) what: String,
    /// Where in the Azure portal.
    pub(crate) portal: String,
    /// Permissions that are needed besides the one to write the resource, in words.
    pub(crate) privilege: Vec<String>,
    /// Outputs that are known before the resource exists, besides its id and name.
    pub(crate) outputs: Vec<(&'static str, Value)>,
    /// What a script does before the write.
    pub(crate) before: Vec<Act>,
    /// How a script finds the resource; `None`: by its id.
    pub(crate) look: Option<(Request, Find)>,
    /// How the result is shown; `None`: a read of the resource.
    pub(crate) proof: Option<String>,
    /// What undo does, and when; `None`: the usual words.
    pub(crate) back: Option<String>,
}

/// The one write: `apply` sends it, and a hand-over has a person send it.
struct Put<'c, T: ResourceType> {
    id: ResourceId<T>,
    body: Value,
    auxiliary: Option<&'c Identity>,
}

impl<'c, T: ResourceType> Put<'c, T> {
    fn of<K: NamedResource<Id = T>>(cx: &StepCx<'c>, params: &K::Params) -> Result<Self, StepError> {
        let body = serde_json::to_value(Body { properties: K::properties(cx, params) });
        let body = body.map_err(|error| {
            StepError::new(
                FailureClass::Bug,
                format!("a body of {} cannot be written: {error}", K::META.name),
            )
        })?;
        Ok(Put { id: K::id(params)?, body, auxiliary: K::auxiliary(cx, params) })
    }

    /// The same write as a request of a person.
    fn request(&self) -> Result<Request, StepError> {
        let auxiliary = self.auxiliary.map(people::tenant).transpose()?.map(|tenant| tenant.to_string());
        let request = hand_over::arm("PUT", self.id.path(), API);
        Ok(Request { auxiliary, body: Some(self.body.clone()), ..request })
    }
}

/// Whether the resource lies in no other resource: it then extends a scope.
fn extends_a_scope<K: NamedResource + ?Sized>() -> bool {
    K::TYPE.matches('/').count() == 1
}

/// The resource or the scope that contains the resource.
fn container<K: NamedResource + ?Sized>(id: &ResourceId<K::Id>) -> &str {
    if extends_a_scope::<K>() {
        return id.path().rsplit_once("/providers/").map_or("", |(scope, _)| scope);
    }
    id.above(1)
}

/// A [`NamedResource`] as a [`Step`].
pub(crate) struct Named<K> {
    azure: Arc<Azure>,
    kind: PhantomData<K>,
}

impl<K: NamedResource> Named<K> {
    pub(crate) fn new(azure: &Arc<Azure>) -> Self {
        Named { azure: Arc::clone(azure), kind: PhantomData }
    }
}

impl<K: NamedResource> Step for Named<K> {
    const META: KindMeta = K::META;

    type Params = K::Params;
    type Output = K::Output;

    fn example() -> K::Params {
        K::example()
    }

    fn misfits(params: &K::Params, _ensure: Ensure) -> Vec<Misfit> {
        K::misfits(params)
    }

    /// A kind that declares a guard of its tenant checks the tenant of its scope.
    async fn guard(&self, cx: &StepCx<'_>, known: &Value) -> Result<Guarded, StepError> {
        match K::META.guards {
            Some(_) => hierarchy::guard(&self.azure, cx, known).await,
            None => Ok(Guarded::Met),
        }
    }

    fn claims(&self, cx: &StepCx<'_>, params: &K::Params) -> Vec<ClaimKey> {
        let id = K::id(params).ok().filter(|_| K::changes(cx, params));
        id.iter().map(|id| ClaimKey(id.key())).collect()
    }

    async fn precondition(&self, cx: &StepCx<'_>, params: &K::Params) -> Result<Readiness, StepError> {
        K::precondition(&self.azure, cx, params).await
    }

    async fn check(&self, cx: &StepCx<'_>, params: &K::Params) -> Result<Observed<K::Output>, StepError> {
        K::observe(&Child::new(&self.azure, cx, K::id(params)?)?, cx, params).await
    }

    async fn apply(&self, cx: &StepCx<'_>, params: &K::Params) -> Result<Applied, StepError> {
        let put = Put::of::<K>(cx, params)?;
        let mut child = Child::new(&self.azure, cx, put.id)?;
        if let Some(auxiliary) = put.auxiliary {
            child = child.auxiliary(auxiliary);
        }
        child.write(put.body, cx.overwrites && K::MERGES).await
    }

    /// Never with `force`: it would also delete what others have built on the resource, or withdraw it from their deployments.
    async fn undo(
        &self,
        cx: &StepCx<'_>,
        _params: &K::Params,
        found: &K::Output,
    ) -> Result<Undone, StepError> {
        Child::new(&self.azure, cx, K::found(found).clone())?.remove().await
    }

    async fn contents(
        &self,
        cx: &StepCx<'_>,
        _params: &K::Params,
        found: &K::Output,
    ) -> Result<Option<Contents>, StepError> {
        K::contents(&self.azure, cx, found).await
    }

    fn hand_over(&self, cx: &StepCx<'_>, params: &K::Params) -> Result<HandOver, StepError> {
        let (put, said) = (Put::of::<K>(cx, params)?, K::by_hand(cx, params)?);
        let (path, within) = (put.id.path(), container::<K>(&put.id));
        let mut outputs =
            BTreeMap::from([("id", hand_over::text(path)), ("name", hand_over::text(put.id.name()))]);
        outputs.extend(said.outputs);
        if !K::changes(cx, params) {
            return Ok(HandOver { outputs, ..HandOver::default() });
        }
        let at = if extends_a_scope::<K>() { "at" } else { "on" };
        let mut privilege = vec![format!("{}/write {at} {within}: Network Contributor", K::TYPE)];
        privilege.extend(said.privilege);
        let look = said.look.unwrap_or_else(|| (hand_over::arm("GET", path, API), hand_over::its("id")));
        let mut acts = said.before;
        acts.push(Act::Create(hand_over::make(look, put.request()?)));
        let back = Back {
            words: said.back.unwrap_or_else(|| hand_over::UNUSED.to_owned()),
            request: Some(hand_over::arm("DELETE", path, API)),
        };
        let task = Task { what: said.what, privilege, by_hand: Some(said.portal), acts, back };
        let proof = said.proof.unwrap_or_else(|| format!("GET {path}"));
        Ok(HandOver { task: Some(task), proof, outputs, actor: None })
    }

    fn permissions(&self, cx: &StepCx<'_>, params: &K::Params) -> Result<Vec<Permission>, StepError> {
        K::permissions(cx, params)
    }
}
