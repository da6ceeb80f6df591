//! Runs one phase of a kind against a scripted Azure: for tests of what is sent, and of how a response is judged.

use std::time::Duration;

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use twinspan_engine::{
    Applied, AttemptLog, Contents, Ensure, Exchange, Guarded, HandOver, Identity, Observed, Permission,
    Phase, Readiness, Step, StepCx, StepError, Undone,
};

use crate::azure::scripted::Bench;

/// A bench, and the settings in which this attempt differs from a usual one.
pub(crate) struct Attempt<'a> {
    pub(crate) bench: &'a Bench,
    pub(crate) phase: Phase,
    /// The identities; default: `central`.
    pub(crate) identities: Option<Vec<Identity>>,
    pub(crate) auxiliary: bool,
    pub(crate) receipt: Option<Value>,
    pub(crate) needed_receipts: Vec<Value>,
    /// Whether the plan wants the resource present or absent.
    pub(crate) ensure: Ensure,
    /// Number of the attempt.
    pub(crate) attempt: u32,
    /// Time limit of the attempt.
    pub(crate) timeout: Duration,
    pub(crate) overwrites: bool,
    /// How long the step has been ready.
    pub(crate) waited: Duration,
    /// Start of the period whose shared reads this attempt may use.
    pub(crate) reads_from: Timestamp,
}

impl<'a> Attempt<'a> {
    pub(crate) fn new(bench: &'a Bench, phase: Phase) -> Self {
        Attempt {
            bench,
            phase,
            identities: None,
            auxiliary: false,
            receipt: None,
            needed_receipts: Vec::new(),
            ensure: Ensure::Present,
            attempt: 1,
            timeout: Duration::from_secs(60),
            overwrites: false,
            waited: Duration::ZERO,
            reads_from: Timestamp::MAX,
        }
    }

    /// A probe before a delete that the plan orders.
    pub(crate) fn removing(bench: &'a Bench) -> Self {
        Attempt { ensure: Ensure::Absent, ..Attempt::new(bench, Phase::UndoProbe) }
    }

    fn cx<'x>(&'x self, log: &'x AttemptLog) -> StepCx<'x> {
        let usual = self.bench.cx(self.phase, log);
        StepCx {
            identities: self.identities.as_deref().unwrap_or(usual.identities),
            auxiliary: usual.auxiliary.filter(|_| self.auxiliary),
            receipt: self.receipt.as_ref(),
            needed_receipts: &self.needed_receipts,
            ensure: self.ensure,
            attempt: self.attempt,
            timeout: self.timeout,
            overwrites: self.overwrites,
            reads_from: self.reads_from,
            since: usual.since.checked_sub(self.waited).unwrap(),
            waited: self.waited,
            ..usual
        }
    }

    pub(crate) async fn check<S: Step>(
        &self,
        kind: &S,
        params: &S::Params,
    ) -> Result<Observed<S::Output>, StepError> {
        Ok(self.check_and_warn(kind, params).await?.0)
    }

    /// The same, with the warnings.
    pub(crate) async fn check_and_warn<S: Step>(
        &self,
        kind: &S,
        params: &S::Params,
    ) -> Result<(Observed<S::Output>, Vec<String>), StepError> {
        // The engine validates the parameters before a probe.
        if self.phase == Phase::Probe
            && let Some(misfit) = S::misfits(params, self.ensure).first()
        {
            return Err(StepError::plan_wrong(format!("`{}`: {}", misfit.about[0], misfit.why)));
        }
        let log = AttemptLog::new(self.phase);
        let observed = kind.check(&self.cx(&log), params).await?;
        Ok((observed, log.take_warnings()))
    }

    pub(crate) async fn contents<S: Step>(
        &self,
        kind: &S,
        params: &S::Params,
        found: &S::Output,
    ) -> Result<Option<Contents>, StepError> {
        let log = AttemptLog::new(self.phase);
        kind.contents(&self.cx(&log), params, found).await
    }

    pub(crate) async fn precondition<S: Step>(
        &self,
        kind: &S,
        params: &S::Params,
    ) -> Result<Readiness, StepError> {
        let log = AttemptLog::new(self.phase);
        kind.precondition(&self.cx(&log), params).await
    }

    pub(crate) async fn apply<S: Step>(&self, kind: &S, params: &S::Params) -> Result<Applied, StepError> {
        let log = AttemptLog::new(Phase::Apply);
        kind.apply(&self.cx(&log), params).await
    }

    /// Applies, and returns the recorded exchanges.
    pub(crate) async fn transcript<S: Step>(&self, kind: &S, params: &S::Params) -> Vec<Exchange> {
        let log = AttemptLog::new(Phase::Apply);
        kind.apply(&self.cx(&log), params).await.unwrap();
        log.into_exchanges()
    }

    pub(crate) async fn guard<S: Step>(&self, kind: &S, known: &Value) -> Result<Guarded, StepError> {
        let log = AttemptLog::new(self.phase);
        kind.guard(&self.cx(&log), known).await
    }

    pub(crate) fn hand_over<S: Step>(&self, kind: &S, params: &S::Params) -> Result<HandOver, StepError> {
        let log = AttemptLog::new(self.phase);
        kind.hand_over(&self.cx(&log), params)
    }

    pub(crate) fn permissions<S: Step>(
        &self,
        kind: &S,
        params: &S::Params,
    ) -> Result<Vec<Permission>, StepError> {
        let log = AttemptLog::new(self.phase);
        kind.permissions(&self.cx(&log), params)
    }

    pub(crate) async fn undo<S: Step>(
        &self,
        kind: &S,
        params: &S::Params,
        found: &S::Output,
    ) -> Result<Undone, StepError> {
        let log = AttemptLog::new(Phase::Undo);
        kind.undo(&self.cx(&log), params, found).await
    }
}

/// Parameters, deserialized as those of a plan.
pub(crate) fn params<T: DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).unwrap()
}

/// The requests that were sent, as `VERB /path?query`, with some characters decoded.
pub(crate) fn asked(bench: &Bench) -> Vec<String> {
    bench
        .script
        .requests()
        .iter()
        .map(|request| {
            let path = request.address.splitn(4, '/').nth(3).unwrap();
            let path = path.replace("%20", " ").replace("%27", "'").replace("%2B", "+");
            format!("{} /{path}", request.verb)
        })
        .collect()
}

/// Body of the last request.
pub(crate) fn body(bench: &Bench) -> Value {
    bench.script.requests().last().unwrap().body.clone()
}

/// The one wait that a check reports.
pub(crate) fn wait<O: std::fmt::Debug>(observed: Observed<O>) -> twinspan_engine::Wait {
    match observed {
        Observed::Converging { wait, .. } => wait,
        other => panic!("no wait but {other:?}"),
    }
}
