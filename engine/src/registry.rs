//! The registry of step kinds. Only this module erases their types.

mod bounds;
mod contents;
mod erased;
mod fallback;
mod schema_type;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::Deserialize;
use serde_json::Value;
use twinspan_plans::{Catalog, EffectClass, Field, KindSpec};

use crate::check::{Check, Reading};
use crate::failure::StepError;
use crate::hand_over::HandOver;
use crate::identity::Identity;
use crate::job::{KindRules, Seen};
use crate::kind_meta::KindMeta;
use crate::permission::Permission;
use crate::remote::Remote;
use crate::step::{Step, StepCx};
use crate::wait::Wait;

pub(crate) use erased::DynStep;
use fallback::Registered;

/// All step kinds of a program.
#[derive(Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Kind>,
    remote: Option<Arc<dyn Remote>>,
    catalog: Catalog,
    problems: Vec<String>,
}

/// The properties of one kind.
pub struct Kind {
    step: Arc<dyn DynStep>,
    /// What it declares about itself.
    pub meta: KindMeta,
    /// Parameters that work in the simulator's default world.
    pub example: Value,
    /// JSON Schema of its parameters.
    pub params: Value,
    /// JSON Schema of its outputs.
    pub outputs: Value,
}

impl Registry {
    /// An empty registry, whose kinds are checked as the acting identity only.
    pub fn new() -> Self {
        Registry::default()
    }

    /// An empty registry of kinds of `remote`: where this machine has no credential for the acting identity, another
    /// identity may check ([`KindMeta::checked_by_others`]).
    pub fn of(remote: Arc<dyn Remote>) -> Self {
        Registry { remote: Some(remote), ..Registry::default() }
    }

    /// Adds a kind.
    #[must_use]
    pub fn with<S: Step>(mut self, step: S) -> Self {
        let meta = S::META;
        let params = schema::<S::Params>(false);
        let outputs = schema::<S::Output>(true);
        let (param_fields, param_problems) = schema_type::fields(&params);
        let (output_fields, output_problems) = schema_type::fields(&outputs);
        let mut problems: Vec<String> =
            param_problems.iter().map(|what| format!("parameter {what}")).collect();
        problems.extend(output_problems.iter().map(|what| format!("output {what}")));
        problems.extend(mismatches(&meta, &param_fields, &output_fields));
        let example = written_example::<S>().unwrap_or_else(|why| {
            problems.push(why);
            Value::Null
        });
        let required = param_fields.iter().filter(|field| field.required).map(|field| field.name.clone());
        let check = bounds::check_of::<S>(example.clone(), required.collect());
        let kind = Kind {
            step: Arc::new(Registered::new(step, self.remote.as_ref())),
            meta,
            example,
            params,
            outputs,
        };
        if self.kinds.insert(meta.name, kind).is_some() {
            problems.push("is registered twice".to_owned());
        }
        self.problems.extend(problems.into_iter().map(|what| format!("{}, {what}", meta.name)));
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let spec = KindSpec {
            secrets: owned(meta.secrets),
            guards: meta.guards.is_some(),
            check,
            name: meta.name.to_owned(),
            summary: meta.summary.to_owned(),
            effect: meta.effect,
            effect_without: meta.effect_without.map(|(parameter, effect)| (parameter.to_owned(), effect)),
            removable: meta.removable,
            gate: meta.gate,
            request_window: meta.request_window.as_secs(),
            undo_before: owned(meta.undo_before),
            identities: meta.identities,
            auxiliary: meta.auxiliary,
            params: param_fields,
            forms: meta.exactly_one_of.iter().map(|form| owned(form)).collect(),
            outputs: output_fields,
        };
        self.catalog.kinds.insert(meta.name.to_owned(), spec);
        self
    }

    /// Adds a kind that only reads.
    #[must_use]
    pub fn check<K: Check>(self, kind: K) -> Self {
        self.with(Reading(kind))
    }

    /// The same kinds with request windows of at most `longest`: for tests that kill the program and must not wait.
    #[must_use]
    pub fn with_request_windows_within(mut self, longest: Duration) -> Self {
        for kind in self.kinds.values_mut() {
            kind.meta.request_window = kind.meta.request_window.min(longest);
        }
        self
    }

    /// The catalog for the compiler.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// Every kind, by name.
    pub fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.values()
    }

    /// One kind.
    pub fn kind(&self, name: &str) -> Option<&Kind> {
        self.kinds.get(name)
    }

    /// Errors in the declarations of kinds; a test requires that there are none.
    pub fn problems(&self) -> &[String] {
        &self.problems
    }
}

impl Kind {
    pub(crate) fn step(&self) -> &Arc<dyn DynStep> {
        &self.step
    }

    /// Checks a step with these parameters once, as the driver does: in a probe, with its precondition.
    ///
    /// # Errors
    /// The parameters do not fit, or the check failed.
    pub async fn check(&self, cx: &StepCx<'_>, params: &Value) -> Result<Seen, StepError> {
        self.step.look(cx, params, false).await
    }

    /// What a person does instead of a step with these parameters.
    pub fn hand_over(&self, cx: &StepCx<'_>, params: &Value) -> Result<HandOver, StepError> {
        self.step.hand_over(cx, params)
    }

    /// The wait that a step will enter, whatever its parameters.
    pub fn expected_wait(&self, identity: &Identity) -> Option<Wait> {
        self.step.expected_wait(identity)
    }

    /// Permissions that a step with these parameters needs.
    pub fn permissions(&self, cx: &StepCx<'_>, params: &Value) -> Result<Vec<Permission>, StepError> {
        self.step.permissions(cx, params)
    }

    /// The constants that the engine's rules need.
    pub fn rules(&self) -> KindRules {
        KindRules {
            settle: self.meta.consistency_delay,
            window: self.meta.request_window,
            keeps: self.meta.retain_on_undo,
            delete_delay: self.meta.delete_delay,
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("name", &self.meta.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

/// What a kind declares that does not fit its parameters and outputs, or itself.
fn mismatches(meta: &KindMeta, params: &[Field], outputs: &[Field]) -> Vec<String> {
    let has = |fields: &[Field], name: &str| fields.iter().any(|field| field.name == name);
    let mut all = Vec::new();
    for name in meta.volatile_outputs.iter().filter(|name| !has(outputs, name)) {
        all.push(format!("no output {name} that could change"));
    }
    for name in meta.secrets.iter().filter(|name| !has(params, name)) {
        all.push(format!("no parameter {name} that could hold a secret"));
    }
    for name in meta.read_only_params.iter().chain(meta.exactly_one_of.iter().copied().flatten()) {
        if !has(params, name) {
            all.push(format!("no parameter {name}"));
        }
    }
    if let Some((parameter, _)) = meta.effect_without
        && params.iter().all(|field| field.name != parameter || field.required)
    {
        all.push(format!("{parameter} is not an optional parameter"));
    }
    if meta.removable && (meta.effect == EffectClass::Read || meta.retain_on_undo.is_some()) {
        all.push("cannot be removable: it creates nothing, or undo keeps it".to_owned());
    }
    all
}

/// The example, written as a plan gives it. Examples are built without validation, so it is read back as well.
fn written_example<S: Step>() -> Result<Value, String> {
    let written =
        serde_json::to_value(S::example()).map_err(|error| format!("example cannot be written: {error}"))?;
    let again = S::Params::deserialize(&written)
        .and_then(serde_json::to_value)
        .map_err(|error| format!("example cannot be read: {error}"))?;
    if again == written { Ok(written) } else { Err(format!("example is read as {again}")) }
}

/// The schema for writing (outputs) or reading (parameters): a field with a default is required only for writing.
fn schema<T: JsonSchema>(written: bool) -> Value {
    let settings = SchemaSettings::draft2020_12();
    let settings = if written { settings.for_serialize() } else { settings };
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
