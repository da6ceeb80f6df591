//! Request windows of requests without a response: while one is open, nothing is deleted, created again or believed absent.
//!
//! A kind declares how long a request may still take effect ([`crate::kind_meta::KindMeta::request_window`]). The window counts from
//! the last possible send of the attempt, by the boot-time clock; after a take-over, from the take-over. Neither a read nor a
//! later attempt closes it. Two cases need not wait: a read that finds the wanted resource proves an uncertain create, and a
//! `PutSame` may be sent again, because the late request writes the same.

use std::time::Duration;

use jiff::Timestamp;
use twinspan_plans::EffectClass;

use crate::decide::facts::StepCase;
use crate::decide::limits;
use crate::event::StepEvent;
use crate::ids::ClaimKey;
use crate::job::Fact;
use crate::observation::Evidence;
use crate::observation::Marker;
use crate::state::StepState;
use crate::state::requests::{Requests, Unsettled, later};
use crate::wait::{Wait, WaitKind};

/// Name of the evidence for a resource that undo found absent although this run did not delete it.
pub const NOT_DELETED: &str = "not deleted by this run";

impl StepCase<'_> {
    /// The last request of this sort that may still take effect on this step's claims, its own or another step's.
    fn last_request(
        &self,
        claims: &[ClaimKey],
        pick: fn(&Requests) -> Option<Unsettled>,
    ) -> Option<Unsettled> {
        let claimed = [claims, &self.record.claims].into_iter().flatten();
        let others = self.state.requests_on(claimed, &self.item.key).filter_map(pick);
        others.fold(pick(&self.record.requests), |last, other| later(last, Some(other)))
    }

    fn wait_for(&self, fact: &Fact, request: Option<Unsettled>, then: &str) -> Option<Wait> {
        let request = request?;
        let left = request.left(fact.rules.window, self.now.boot)?;
        let what = format!(
            "attempt {} was sent at {:.0} and its response is not known: it may still take effect until {:.0}; {then}",
            request.attempt,
            request.sent.utc,
            self.later(left),
        );
        Some(Wait::new(WaitKind::Timer, what).next_check(left))
    }

    /// The wait before a delete request: an earlier create could take effect after it and leave the resource in place.
    pub(super) fn before_delete(&self, fact: &Fact, claims: &[ClaimKey]) -> Option<Wait> {
        self.wait_for(fact, self.last_request(claims, Requests::last), "then it is deleted")
    }

    /// The wait before a request that creates or updates: an earlier delete could take effect after it. An earlier create
    /// need not be waited for if it writes the same.
    pub(super) fn before_put(&self, fact: &Fact, claims: &[ClaimKey]) -> Option<Wait> {
        let same = self.step.effect == EffectClass::PutSame;
        let ordered = self.record.decided.is_some() || self.record.only_drifted;
        let pick = if same && !ordered { Requests::last_delete } else { Requests::last };
        self.wait_for(fact, self.last_request(claims, pick), "then it is sent")
    }

    /// The wait before a resource counts as existing: an earlier delete may still remove it.
    pub(super) fn before_proof(&self, fact: &Fact, claims: &[ClaimKey]) -> Option<Wait> {
        let request = self.last_request(claims, Requests::last_delete);
        self.wait_for(fact, request, "then it is verified again")
    }

    /// Confirms an absence. It is believed when several reads agree over a time, when no request can take effect any more,
    /// and, if this run did not delete what it had created, when it has lasted a whole request window.
    pub(super) fn absent(&self, fact: &Fact, then: impl FnOnce(Evidence) -> StepEvent) -> StepEvent {
        let absent = match &self.record.state {
            StepState::Uncertain { absent, .. }
            | StepState::Verifying { absent, .. }
            | StepState::ConfirmingAbsence { absent, .. } => *absent,
            _ => Default::default(),
        };
        let began = fact.began.boot;
        let since = absent.since.unwrap_or(self.now.boot);
        let settle = fact.rules.settle.max(limits::AGREEING);
        let request = self.last_request(&[], Requests::last);
        let passed =
            request.map(|last| last.sent.boot.saturating_add(fact.rules.window).saturating_add(settle));
        let vanished = self.vanished();
        let lasted = vanished.as_ref().map(|_| since.saturating_add(fact.rules.window.max(settle)));
        let settled = passed.max(lasted).unwrap_or(began);
        // A person or a new driver can trigger a read early; such reads in quick succession are no independent proof.
        let span = limits::AGREEING * (limits::GONE - 1);
        let agrees = absent.reads + 1 >= limits::GONE && began >= since.saturating_add(span);
        if agrees && began >= settled {
            let mut evidence = self.evidence(fact, Evidence::of_absence(), Marker::None);
            if let Some(vanished) = vanished {
                evidence.also.insert(NOT_DELETED.to_owned(), vanished);
            }
            return then(evidence);
        }
        let left = settled.saturating_sub(self.now.boot);
        let what = match (vanished, request) {
            (Some(vanished), _) => Some(vanished),
            (None, Some(last)) if !left.is_zero() => Some(format!(
                "not found; attempt {} may still take effect until {:.0}",
                last.attempt,
                self.later(left)
            )),
            (None, _) => None,
        };
        // All but the last of the agreeing reads follow each other closely.
        let soon = absent.reads + 2 < limits::GONE;
        let after = if soon { limits::AGREEING } else { left.max(limits::AGREEING) };
        StepEvent::StillAbsent { read_began: fact.began.utc, next_check: self.later(after), what }
    }

    /// The note about a resource that this run created and did not delete, and that undo does not find.
    fn vanished(&self) -> Option<String> {
        let own = self.record.ownership;
        let deleted = own.removal_accepted || self.record.requests.last_delete().is_some();
        if !own.owed || deleted || self.removes() {
            return None;
        }
        match &self.record.proof {
            Some(proof) => {
                Some(format!("not found, although it was proven at {:.0}", proof.evidence.read_began))
            }
            None if own.accepted => {
                let at = self.record.write_ended.map(|ended| ended.utc);
                let at = at.unwrap_or(Timestamp::UNIX_EPOCH);
                Some(format!("not found, although its request was accepted at {at:.0}"))
            }
            None => None,
        }
    }

    /// When an uncertain create that must not be sent twice counts as not done.
    pub(super) fn not_done_after(&self, fact: &Fact) -> Duration {
        let sent = self.record.write_ended.map(|ended| ended.boot).unwrap_or_default();
        sent.saturating_add(fact.rules.settle.max(fact.rules.window))
    }
}
