//! The identities of a plan with their tenants, as far as the inputs give them, before a run starts.

use twinspan_engine::Identity;
use twinspan_plans::elements::ElementPath;
use twinspan_plans::{IdentityDef, InputScope, Inputs, NodeId, Plan};

/// The identities of a plan, as far as the inputs give their tenants.
#[derive(Debug, Default)]
pub(crate) struct PlanIdentities {
    /// Each identity in each of its tenants, once.
    pub(crate) known: Vec<Identity>,
    /// Names of identities whose tenant is known only during the run.
    pub(crate) later: Vec<String>,
}

impl PlanIdentities {
    pub(crate) fn of(plan: &Plan, inputs: &Inputs) -> Self {
        let mut found = PlanIdentities::default();
        for definition in &plan.identities {
            if !definition.attributes.contains_key("tenant") {
                continue;
            }
            let scopes = definition.declared_in.map(|node| plan.scopes(node)).unwrap_or_default();
            let before = found.known.len();
            found.add(plan, definition, &scopes, &InputScope::new(inputs, ElementPath::default()));
            let again = found.known.iter().any(|identity| identity.name == definition.name);
            if found.known.len() == before && !again && !found.later.contains(&definition.name) {
                found.later.push(definition.name.clone());
            }
        }
        found
    }

    /// Adds the identity once for each element of the `for_each` nodes in `scopes`.
    fn add(&mut self, plan: &Plan, definition: &IdentityDef, scopes: &[NodeId], given: &InputScope<'_>) {
        let Some((outermost, inner)) = scopes.split_first() else {
            // Errors in the attributes and in the elements are reported by the run.
            let attributes = definition.attributes_in(given).unwrap_or_default().into_iter().collect();
            let identity = Identity { name: definition.name.clone(), attributes };
            if identity.attributes.contains_key("tenant") && !self.known.contains(&identity) {
                self.known.push(identity);
            }
            return;
        };
        for element in plan.node(*outermost).elements(given).unwrap_or_default() {
            self.add(plan, definition, inner, &given.inside(*outermost, element));
        }
    }
}

#[cfg(test)]
mod tests {
    use twinspan_plans::RawInputs;

    use super::*;
    use crate::host::step_kinds;

    fn identities(text: &str, assignments: &[&str]) -> PlanIdentities {
        let registry = step_kinds::described().unwrap();
        let document = twinspan_plans::parse("plan.yaml", text.as_bytes()).unwrap();
        let plan = twinspan_plans::compile(&document, registry.catalog()).unwrap().plan;
        let mut raw = RawInputs::new();
        for assignment in assignments {
            raw.assignment(assignment).unwrap();
        }
        let inputs = plan.bind(&raw).unwrap();
        PlanIdentities::of(&plan, &inputs)
    }

    const TENANTS: [&str; 3] = [
        "11111111-0000-0000-0000-00000000000c",
        "22222222-0000-0000-0000-00000000000f",
        "44444444-0000-0000-0000-00000000000e",
    ];

    #[test]
    fn each_identity_is_found_in_each_of_its_tenants() {
        let text = "twinspan: 1\nname: p\nsummary: s\ninputs:\n  central: { type: tenant-id }\n  targets: { type: list, of: tenant-id }\n\
             identities:\n  central: { tenant: \"${{ inputs.central }}\", contact: nina@contoso.example }\n  boss: { contact: boss@contoso.example }\n\
             steps:\n  - id: each\n    for_each: ${{ inputs.targets }}\n    identities:\n      target: { tenant: \"${{ each.value }}\" }\n    steps:\n\
             \x20     - { id: look, uses: azure.sign-in, as: target }\n      - { id: here, uses: azure.sign-in, as: central }\n";
        let targets = format!("targets=[\"{}\", \"{}\"]", TENANTS[1], TENANTS[2]);
        let found = identities(text, &[&format!("central={}", TENANTS[0]), &targets]);
        let names: Vec<(&str, &str)> = found
            .known
            .iter()
            .map(|identity| (identity.name.as_str(), identity.attributes["tenant"].as_str()))
            .collect();
        assert_eq!(names, [("central", TENANTS[0]), ("target", TENANTS[1]), ("target", TENANTS[2])]);
        assert_eq!(found.known[0].attributes["contact"], "nina@contoso.example");
        assert!(found.later.is_empty(), "{:?}", found.later);
    }

    #[test]
    fn a_tenant_in_two_spellings_is_one_identity() {
        let text = "twinspan: 1\nname: p\nsummary: s\ninputs:\n  targets: { type: map, of: { tenant: { type: tenant-id } } }\nsteps:\n  \
             - id: each\n    for_each: ${{ inputs.targets }}\n    identities:\n      target: { tenant: \"${{ each.value.tenant }}\" }\n    \
             steps:\n      - { id: look, uses: azure.sign-in, as: target }\n";
        let targets = format!(
            "targets={{\"a\": {{\"tenant\": \"{0}\"}}, \"b\": {{\"tenant\": \"{1}\"}}}}",
            TENANTS[1],
            TENANTS[1].to_uppercase()
        );
        let found = identities(text, &[&targets]);
        let tenants: Vec<&str> =
            found.known.iter().map(|identity| identity.attributes["tenant"].as_str()).collect();
        assert_eq!(tenants, [TENANTS[1]]);
    }
}
