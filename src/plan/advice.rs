//! Advice before a run: no error, but likely to end in a wait.

use serde::Serialize;
use twinspan_plans::{Inputs, Plan};
use twinspan_steps::ids::{Scope, ScopeKind};

use crate::cli::ui::Ui;
use crate::text::Text;

/// One piece of advice for a step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Advice {
    pub(crate) step: String,
    pub(crate) what: String,
    pub(crate) hint: String,
}

/// The advice that plan and inputs allow without network access.
pub(crate) fn of(plan: &Plan, inputs: &Inputs) -> Vec<Advice> {
    let makes = |kind: &str| {
        let mut steps = plan.nodes.iter().filter_map(|node| node.step().map(|step| (node, step)));
        steps.find(|(_, step)| step.uses == kind).map(|(node, _)| node.id.as_str())
    };
    let Some(connection) = makes("avnm.network-manager-connection") else { return Vec::new() };
    let mut advice = Vec::new();
    for known in plan.known_params(inputs) {
        let node = plan.node(known.node);
        if node.step().is_none_or(|step| step.uses != "azure.role-assignment") {
            continue;
        }
        let scope = known.values.get("scope").and_then(|scope| scope.as_str()?.parse::<Scope>().ok());
        let Some(scope) = scope.filter(|scope| scope.kind() == ScopeKind::Below) else { continue };
        let found = Advice {
            step: node.id.clone(),
            what: format!(
                "the role is assigned on {}, which is below a subscription: that allows adding its virtual networks, \
                 but not the step `{connection}`, which needs the role on the subscription or management group itself",
                scope.words()
            ),
            hint: "assign the role there, or make sure that the principal has it already".to_owned(),
        };
        if !advice.contains(&found) {
            advice.push(found);
        }
    }
    advice
}

/// Writes the advice to stderr.
pub(crate) fn say(ui: &Ui, advice: &[Advice]) {
    for advice in advice {
        ui.warn(&format!("step `{}`: {}", advice.step, advice.what));
        ui.say(&Text::line(&format!("  help: {}", advice.hint)));
    }
}
