//! What a step kind declares about itself: data that the registry, the plan compiler, the rules and the reference read.

use std::time::Duration;

use twinspan_plans::{EffectClass, Identities};

/// The declaration of a step kind. [`KindMeta::reads`] and [`KindMeta::writes`] have the defaults; a kind names only the
/// fields in which it differs.
///
/// ```
/// use twinspan_engine::{Identities, KindMeta};
///
/// const META: KindMeta = KindMeta {
///     identities: Identities::None,
///     gate: true,
///     ..KindMeta::reads("delay", "Wait for a set time")
/// };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KindMeta {
    /// Name in `uses`.
    pub name: &'static str,
    /// One line, imperative.
    pub summary: &'static str,
    /// How the write behaves when it is sent twice or its response is lost.
    pub effect: EffectClass,
    /// A parameter without which the write behaves differently, and how; `None`: every step of the kind behaves the
    /// same.
    pub effect_without: Option<(&'static str, EffectClass)>,
    /// The consistency delay: after an uncertain write, how long reads must find nothing before the absence is
    /// believed.
    pub consistency_delay: Duration,
    /// How long a request may still take effect after it was sent, when its response did not come: a constant of the
    /// service. Deletes, re-creation, repair and undo wait until it has passed.
    pub request_window: Duration,
    /// How many identities `as` takes.
    pub identities: Identities,
    /// Whether the kind uses `auxiliary`.
    pub auxiliary: bool,
    /// Why undo always keeps what this kind created; `None`: undo deletes it.
    pub retain_on_undo: Option<&'static str>,
    /// Whether the kind supports `ensure: absent`: it can find and delete the resource, whichever run or person
    /// created it.
    pub removable: bool,
    /// Whether a step of this kind is a barrier: the steps written after it in the same list need it, unless the plan
    /// says `barrier: false`.
    pub gate: bool,
    /// Kinds whose steps are undone *after* a step of this kind that they need. Undo otherwise goes backwards through
    /// the needs; some resources must be deleted in the order in which they were created.
    pub undo_before: &'static [&'static str],
    /// The delete delay: how long the resource must stay after other deletes of the same run. With `ensure: absent` it
    /// also counts from the start of the step, because other runs may have deleted something; `None`: no delay.
    pub delete_delay: Option<DeleteDelay>,
    /// Alternative sets of parameters: exactly one of the sets is given, and all of it.
    pub exactly_one_of: &'static [&'static [&'static str]],
    /// Parameters that no write depends on: a hand-over omits those whose values are not known yet.
    pub read_only_params: &'static [&'static str],
    /// Parameters whose fields may hold a secret as their whole value; the kind reads the secret when it sends the
    /// request.
    pub secrets: &'static [&'static str],
    /// The identity attribute by which the guard of the kind compares homes; `None`: the kind has no guard. After the
    /// run's first write, a guard that does not hold stops only steps whose identity has the same value as the guard's
    /// own step.
    pub guards: Option<&'static str>,
    /// Whether another identity of the same home checks the work where this machine has no credential for the acting
    /// identity: for work that a person can do by hand. No other identity ever writes.
    pub checked_by_others: bool,
    /// Outputs that keep changing after the step is done: `verify` does not compare them with the proven values.
    pub volatile_outputs: &'static [&'static str],
}

/// How the one write of a kind behaves. It has no defaults: each field is a property of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteMeta {
    /// [`KindMeta::effect`]
    pub effect: EffectClass,
    /// [`KindMeta::consistency_delay`]
    pub consistency_delay: Duration,
    /// [`KindMeta::request_window`]
    pub request_window: Duration,
}

impl KindMeta {
    /// A kind that only reads.
    pub const fn reads(name: &'static str, summary: &'static str) -> Self {
        let (consistency_delay, request_window) = (Duration::ZERO, Duration::ZERO);
        let read = WriteMeta { effect: EffectClass::Read, consistency_delay, request_window };
        KindMeta::writes(name, summary, read)
    }

    /// A kind that writes.
    pub const fn writes(name: &'static str, summary: &'static str, write: WriteMeta) -> Self {
        KindMeta {
            name,
            summary,
            effect: write.effect,
            effect_without: None,
            consistency_delay: write.consistency_delay,
            request_window: write.request_window,
            identities: Identities::One,
            auxiliary: false,
            retain_on_undo: None,
            removable: false,
            gate: false,
            undo_before: &[],
            delete_delay: None,
            exactly_one_of: &[],
            read_only_params: &[],
            secrets: &[],
            guards: None,
            checked_by_others: !matches!(write.effect, EffectClass::Read),
            volatile_outputs: &[],
        }
    }
}

/// A delete delay: how long a resource must stay after the run's last delete before it is deleted itself, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeleteDelay {
    /// How long.
    pub after: Duration,
    /// Why, for the person who waits: "removed sooner, …".
    pub why: &'static str,
}
