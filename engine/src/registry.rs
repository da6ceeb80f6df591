//! The registry of step kinds. Only this module erases their types.

mod bounds;
mod contents;
mod erased;
mod schema_type;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::Value;
use twinspan_plans::{Catalog, EffectClass, KindSpec};

use crate::failure::StepError;
use crate::hand_over::HandOver;
use crate::identity::Identity;
use crate::job::KindRules;
use crate::permission::Permission;
use crate::step::{DeleteDelay, Step, StepCx};
use crate::wait::Wait;

pub(crate) use erased::DynStep;

/// All step kinds of a program.
#[derive(Default)]
pub struct Registry {
    kinds: BTreeMap<&'static str, Kind>,
    catalog: Catalog,
    problems: Vec<String>,
}

/// The properties of one kind.
pub struct Kind {
    step: Arc<dyn DynStep>,
    /// Name in `uses`.
    pub name: &'static str,
    /// One line.
    pub summary: &'static str,
    /// The effect class of its write.
    pub effect: EffectClass,
    /// The consistency delay: after an uncertain write, how long an absence must last before it is believed.
    pub settle: Duration,
    /// The request window: how long a request may still take effect when its response did not come.
    pub request_window: Duration,
    /// Why undo always keeps what it created; `None`: undo deletes it.
    pub keeps: Option<&'static str>,
    /// Whether it supports `ensure: absent`.
    pub removable: bool,
    /// The delete delay, if it has one.
    pub delete_delay: Option<DeleteDelay>,
    /// Parameters that no write depends on.
    pub only_checked: &'static [&'static str],
    /// The identity attribute by which its guards apply to some steps and not to others; `None`: it has no guard.
    pub guards_by: Option<&'static str>,
    /// Outputs that keep changing after the step is done.
    pub moving: &'static [&'static str],
    /// Parameters that work in the simulator's default world.
    pub example: Value,
    /// JSON Schema of its parameters.
    pub params: Value,
    /// JSON Schema of its outputs.
    pub outputs: Value,
}

impl Registry {
    /// An empty registry.
    pub fn new() -> Self {
        Registry::default()
    }

    /// Adds a kind.
    #[must_use]
    pub fn with<S: Step>(mut self, step: S) -> Self {
        let params = schema::<S::Params>(false);
        let outputs = schema::<S::Output>(true);
        let (param_fields, param_problems) = schema_type::fields(&params);
        let (output_fields, output_problems) = schema_type::fields(&outputs);
        self.problems.extend(param_problems.iter().map(|what| format!("{}, parameter {what}", S::KIND)));
        self.problems.extend(output_problems.iter().map(|what| format!("{}, output {what}", S::KIND)));
        let unknown =
            S::VOLATILE_OUTPUTS.iter().filter(|name| output_fields.iter().all(|field| field.name != **name));
        self.problems.extend(unknown.map(|name| format!("{}, no output {name} that could change", S::KIND)));
        if let Some((parameter, _)) = S::EFFECT_WITHOUT
            && param_fields.iter().all(|field| field.name != parameter || field.required)
        {
            self.problems.push(format!("{}, {parameter} is not an optional parameter", S::KIND));
        }
        let example = serde_json::to_value(S::example()).unwrap_or_else(|error| {
            self.problems.push(format!("{}, example cannot be written: {error}", S::KIND));
            Value::Null
        });
        if S::REMOVABLE && (S::EFFECT == EffectClass::Read || S::RETAIN_ON_UNDO.is_some()) {
            self.problems
                .push(format!("{} cannot be removable: it creates nothing, or undo keeps it", S::KIND));
        }
        let required = param_fields.iter().filter(|field| field.required).map(|field| field.name.clone());
        let check = bounds::check_of::<S>(example.clone(), required.collect());
        let kind = Kind {
            step: Arc::new(step),
            name: S::KIND,
            summary: S::SUMMARY,
            effect: S::EFFECT,
            settle: S::CONSISTENCY_DELAY,
            request_window: S::REQUEST_WINDOW,
            keeps: S::RETAIN_ON_UNDO,
            removable: S::REMOVABLE,
            only_checked: S::READ_ONLY_PARAMS,
            delete_delay: S::DELETE_DELAY,
            moving: S::VOLATILE_OUTPUTS,
            guards_by: S::GUARDS,
            example,
            params,
            outputs,
        };
        if self.kinds.insert(S::KIND, kind).is_some() {
            self.problems.push(format!("{} is registered twice", S::KIND));
        }
        for name in S::SECRETS {
            if param_fields.iter().all(|field| field.name != *name) {
                self.problems.push(format!("{}, no parameter {name} that could hold a secret", S::KIND));
            }
        }
        let spec = KindSpec {
            secrets: S::SECRETS.iter().map(|name| (*name).to_owned()).collect(),
            guards: S::GUARDS.is_some(),
            check,
            name: S::KIND.to_owned(),
            summary: S::SUMMARY.to_owned(),
            effect: S::EFFECT,
            effect_without: S::EFFECT_WITHOUT.map(|(parameter, effect)| (parameter.to_owned(), effect)),
            removable: S::REMOVABLE,
            gate: S::GATE,
            request_window: S::REQUEST_WINDOW.as_secs(),
            undo_before: S::UNDO_BEFORE.iter().map(|kind| (*kind).to_owned()).collect(),
            identities: S::IDENTITIES,
            auxiliary: S::AUXILIARY,
            params: param_fields,
            forms: S::EXACTLY_ONE_OF
                .iter()
                .map(|form| form.iter().map(|name| (*name).to_owned()).collect())
                .collect(),
            outputs: output_fields,
        };
        self.catalog.kinds.insert(S::KIND.to_owned(), spec);
        self
    }

    /// The same kinds with request windows of at most `longest`: for tests that kill the program and must not wait.
    #[must_use]
    pub fn with_request_windows_within(mut self, longest: Duration) -> Self {
        for kind in self.kinds.values_mut() {
            kind.request_window = kind.request_window.min(longest);
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
            settle: self.settle,
            window: self.request_window,
            keeps: self.keeps,
            delete_delay: self.delete_delay,
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Registry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Registry").field("kinds", &self.kinds).finish_non_exhaustive()
    }
}

/// The schema for writing (outputs) or reading (parameters): a field with a default is required only for writing.
fn schema<T: JsonSchema>(written: bool) -> Value {
    let settings = SchemaSettings::draft2020_12();
    let settings = if written { settings.for_serialize() } else { settings };
    settings.into_generator().into_root_schema_for::<T>().to_value()
}
