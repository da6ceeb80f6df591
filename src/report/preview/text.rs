//! The text output of a preview.

use twinspan_steps::readiness::{Allowance, Ending};

use super::step::{State, StepView};
use super::tenant::{RightsView, ScopeView, SignInView, TenantView};
use super::{Counts, HeadingView, PreviewView};
use crate::report::graph::OrderView;
use crate::report::view::{Page, counted, span, stamp};
use crate::text::{BAD, DIM, GOOD, STRONG, Style, Text, WAIT, Width};

/// Width of the column of the state; the step's text follows.
const STATE: usize = 16;

/// Width of the column of labels.
const LABEL: usize = 14;

impl PreviewView {
    pub(crate) fn text(&self, width: Width) -> Text {
        let mut page = Page::new(width);
        page.line(9, &format!("{STRONG}preview{STRONG:#}  {}", self.summary));
        if let Some(document) = &self.document {
            page.whole(&format!("{DIM}{document}{DIM:#}"));
        }
        let steps = self.headings.iter().flat_map(|heading| &heading.steps);
        let names = steps.map(|step| step.step.chars().count()).max().unwrap_or(0).min(32).min(width.part(4));
        let mut shown: &[String] = &[];
        for heading in &self.headings {
            heading.write(&mut page, shown, names);
            shown = &heading.path;
        }
        for tenant in &self.tenants {
            tenant.write(&mut page);
        }
        page.line(0, "");
        page.append(&OrderView::text_of(&self.order, width));
        page.line(0, "");
        page.line(11, &format!("{STRONG}{:10}{STRONG:#} {}", "steps", self.counts.words()));
        page.line(11, &format!("{:10} nothing: {}, no writes", "changed", counted(self.reads, "read")));
        for command in &self.next {
            page.whole(&format!("{STRONG}{:10}{STRONG:#} {command}", "next"));
        }
        page.into_text()
    }
}

impl Counts {
    fn words(&self) -> String {
        let all = [
            (self.unchanged, "unchanged"),
            (self.would_create, "would be created"),
            (self.would_change, "would be changed"),
            (self.would_remove, "would be removed"),
            (self.waits, "would be waited for"),
            (self.needs_decision, "need a decision"),
            (self.unknown, "not known yet"),
            (self.fails, "would fail"),
            (self.condition_false, "skipped (condition false)"),
        ];
        let words: Vec<String> = all
            .iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, words)| format!("{count} {words}"))
            .collect();
        words.join(", ")
    }
}

impl HeadingView {
    fn write(&self, page: &mut Page, shown: &[String], names: usize) {
        for (depth, title) in self.path.iter().enumerate() {
            if shown.get(depth) != Some(title) {
                page.line(0, "");
                let left = 2 * depth;
                page.line(left, &format!("{:left$}{STRONG}{title}{STRONG:#}", ""));
            }
        }
        for note in &self.notes {
            page.line(2, &format!("  {DIM}{note}{DIM:#}"));
        }
        for step in &self.steps {
            step.write(page, names);
        }
    }
}

impl StepView {
    fn write(&self, page: &mut Page, names: usize) {
        let (style, word) = match self.state {
            State::ConditionFalse => (DIM, "skipped"),
            State::Unchanged => (GOOD, "unchanged"),
            State::WouldCreate => (WAIT, "would create"),
            State::WouldChange => (BAD, "would change"),
            State::WouldDelete => (BAD, "would remove"),
            State::Waits => (WAIT, "waits"),
            State::NeedsDecision => (BAD, "needs decision"),
            State::Unknown => (DIM, "unknown"),
            State::Fails => (BAD, "would fail"),
        };
        let title = self.title.as_deref().unwrap_or(&self.kind);
        let line = format!("  {style}{word:14}{style:#} {:names$}  {title}", self.step);
        page.line(2 + 14 + 1 + names + 2, &line);
        let mut detail = |label: &str, text: &str| {
            let indent = STATE + 1 + LABEL;
            page.line(indent, &format!("{:STATE$} {DIM}{label:LABEL$}{DIM:#}{text}", ""));
        };
        if let Some(what) = &self.what {
            detail("what", what);
        }
        if !self.after.is_empty() {
            detail("after", &self.after.join(", "));
        }
        if let Some(id) = self.id.as_deref().filter(|_| self.state == State::Unchanged) {
            detail("there", id);
        }
        for difference in &self.differences {
            let (field, wanted, found) = (&difference.field, &difference.wanted, &difference.found);
            detail("differs", &format!("{field}: wanted {wanted}, found {found}"));
        }
        if let Some(decision) = &self.decision {
            detail("why", &decision.what);
            detail("ask", &decision.advice);
        }
        if let Some(why) = &self.why {
            detail("why", why);
        }
        if let Some(error) = &self.error {
            detail("why", &error.message);
            if let Some(hint) = &error.hint {
                detail("do", hint);
            }
        }
        if let Some(wait) = &self.wait {
            detail("why", &wait.what);
            if let Some(who) = &wait.who {
                detail("will wait for", who);
            }
            // Not wrapped, because people copy it.
            if let Some(action) = &wait.action {
                let begun = if wait.once_begun { "   (after the run has begun)" } else { "" };
                page.whole(&format!("{:STATE$} {DIM}{:LABEL$}{DIM:#}{action}{DIM}{begun}{DIM:#}", "", "do"));
            }
        }
    }
}

impl TenantView {
    fn write(&self, page: &mut Page) {
        page.line(0, "");
        page.line(0, &format!("{STRONG}Tenant {}{STRONG:#}", self.tenant));
        for sign_in in &self.sign_ins {
            sign_in.write(page);
        }
        for permissions in &self.permissions {
            permissions.write(page);
        }
        for scope in &self.scopes {
            scope.write(page);
        }
        let mut who: Option<&str> = None;
        let mut number = 0;
        for task in &self.tasks {
            if who != Some(&task.who) {
                who = Some(&task.who);
                number = 0;
                page.line(2, &format!("  {STRONG}{} has to:{STRONG:#}", task.who));
            }
            number += 1;
            page.line(0, "");
            let mut line = |label: &str, text: &str, whole: bool| {
                let text = format!("{:7}{DIM}{label:LABEL$}{DIM:#}{text}", "");
                if whole {
                    page.whole(&text);
                } else {
                    page.line(7 + LABEL, &text);
                }
            };
            let after = match task.after.as_slice() {
                [] => String::new(),
                after => format!("; after {}", after.join(", ")),
            };
            let for_steps = match task.steps.as_slice() {
                [] => String::new(),
                steps => format!("  ({}{after})", steps.join(", ")),
            };
            line(&format!("{number}."), &format!("{}{for_steps}", task.what), false);
            if let Some(command) = &task.command {
                line("do", command, true);
            }
            if let Some(portal) = &task.portal {
                line("or by hand", portal, false);
            }
            for (position, privilege) in task.least_privilege.iter().enumerate() {
                line(if position == 0 { "no more than" } else { "" }, privilege, false);
            }
            if let Some(otherwise) = &task.otherwise {
                line("otherwise", otherwise, false);
            }
        }
    }
}

fn line(page: &mut Page, style: Style, word: &str, text: &str) {
    page.line(STATE + 1, &format!("  {style}{word:14}{style:#} {text}"));
}

impl SignInView {
    fn write(&self, page: &mut Page) {
        let (style, word) = match self.state {
            "signed-in" => (GOOD, "signed in"),
            "no-credential" => (WAIT, "no credential"),
            "refused" => (BAD, "refused"),
            _ => (BAD, "no response"),
        };
        let mut facts: Vec<String> = Vec::new();
        facts.extend(self.account.clone());
        facts.extend(self.object_id.as_ref().map(|id| format!("object id {id}")));
        facts.extend(self.application.as_ref().map(|id| format!("application {id}")));
        facts.extend(self.credential.map(str::to_owned));
        facts.extend(self.why.clone());
        let contact = self.contact.as_deref().map(|contact| format!(" ({contact})")).unwrap_or_default();
        line(page, style, word, &format!("{}{contact}: {}", self.identity, facts.join(", ")));
    }
}

impl RightsView {
    fn write(&self, page: &mut Page) {
        let who = &self.identity;
        let scope = &self.scope;
        match &self.allowance {
            Allowance::Allowed { ending } => {
                let may = match self.actions.as_slice() {
                    [one] => format!("{who} may do {one} on {scope}"),
                    all => format!(
                        "{who} may do all {} that its steps need on {scope}",
                        counted(all.len(), "action")
                    ),
                };
                match ending {
                    Ending::Lasting => line(page, GOOD, "allowed", &may),
                    Ending::Soon(ends) => {
                        let until = format!(
                            "{may}, until {} only: the role {} ends in {}",
                            stamp(ends.at),
                            ends.role,
                            span(ends.in_seconds)
                        );
                        line(page, WAIT, "ends soon", &until);
                    }
                    Ending::Unknown { why } => {
                        line(page, GOOD, "allowed", &format!("{may}; it is not known until when: {why}"));
                    }
                }
            }
            Allowance::Missing { missing, covered_by, .. } => {
                let given = match (self.given_by.as_slice(), covered_by) {
                    ([], None) => String::new(),
                    ([], Some(above)) => format!("; included in the role assignment at {above}"),
                    (steps, _) => format!("; step {} assigns a role there", steps.join(", ")),
                };
                let style = if self.given_by.is_empty() { BAD } else { WAIT };
                line(
                    page,
                    style,
                    "missing",
                    &format!("{who} may not do {} on {scope}{given}", missing.join(", ")),
                );
            }
            Allowance::Unknown { why } => {
                let given = match self.given_by.as_slice() {
                    [] => String::new(),
                    steps => format!("; step {} assigns a role there", steps.join(", ")),
                };
                line(page, DIM, "unknown", &format!("what {who} may do on {scope}{given}: {why}"));
            }
        }
    }
}

impl ScopeView {
    fn write(&self, page: &mut Page) {
        for conflicting_manager in &self.managers {
            let state =
                conflicting_manager.state.as_deref().map(|state| format!(", {state}")).unwrap_or_default();
            let text = format!(
                "{} has another network manager: {} through {}{state}; {}",
                self.scope,
                conflicting_manager.network_manager,
                conflicting_manager.through,
                conflicting_manager.means
            );
            line(page, BAD, "conflict", &text);
        }
        let looked = match self.looked.as_slice() {
            [] => String::new(),
            looked => format!("searched: {}", looked.join(", ")),
        };
        match &self.unknown {
            Some(why) => {
                let none = match (self.managers.is_empty(), looked.is_empty()) {
                    (true, false) => format!("; none was found, {looked}"),
                    _ => String::new(),
                };
                let text = format!(
                    "whether another network manager manages {}; not searched: {why}{none}",
                    self.scope
                );
                line(page, DIM, "unknown", &text);
            }
            None if self.managers.is_empty() => {
                let text = format!("no other network manager was found on {} ({looked})", self.scope);
                line(page, GOOD, "free", &text);
            }
            None => {}
        }
    }
}
