//! The instances of a plan's nodes: their elements, their names, which of them a reference selects, and what evaluation
//! reads in them.
//!
//! ```text
//! for_each ─elements─▶ ElementPath ─▶ instance_name, Scope (`each`), selection (`needs`, `steps.…`)
//! ```

use indexmap::IndexMap;
use serde_json::Value;

use crate::elements::{Element, ElementPath, ElementsError, elements, names};
use crate::expr::{EvalError, Expr, Scope};
use crate::ids::{IdentityId, NodeId};
use crate::plan::{IdentityDef, Inputs, Need, Node, Plan};

/// Why a `for_each` has no elements.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExpansionError {
    /// Its value cannot be evaluated.
    #[error("`for_each`: {0}")]
    NoValue(EvalError),
    /// Its value cannot name instances.
    #[error(transparent)]
    Elements(ElementsError),
}

impl Node {
    /// The elements of its `for_each`, in the order of the value; none without `for_each`. `around` is the scope of the
    /// instance around them: the elements do not see each other.
    ///
    /// # Errors
    /// The value cannot be evaluated, or cannot name instances.
    pub fn elements(&self, around: &dyn Scope) -> Result<Vec<Element>, ExpansionError> {
        let Some(over) = &self.for_each else { return Ok(Vec::new()) };
        let value = over.eval(around).map_err(ExpansionError::NoValue)?;
        elements(value).map_err(ExpansionError::Elements)
    }

    /// The condition that is evaluated once, before the elements are: a `when` that does not read them.
    pub fn condition_of_all(&self) -> Option<&Expr> {
        self.when.as_ref().filter(|when| self.for_each.is_some() && !when.reads_each())
    }

    /// The condition of one instance.
    pub fn condition_of_one(&self) -> Option<&Expr> {
        self.when.as_ref().filter(|when| self.for_each.is_none() || when.reads_each())
    }
}

impl Need {
    /// Whether the elements of a `for_each` have it, each its own. Any other need of a `for_each` is met before the
    /// elements are known.
    pub fn reads_each(&self) -> bool {
        self.keys.iter().any(Expr::reads_each)
    }
}

impl Plan {
    /// The name of an instance of `node`, unique in its run: `connect[prod].role`. If `path` has no element of `node`, it
    /// is the name of the whole `for_each`.
    pub fn instance_name(&self, node: NodeId, path: &ElementPath) -> String {
        let mut name = String::new();
        let scopes = self.scopes(node);
        for (scope, inside) in path.shared(&scopes).levels() {
            let key = inside.each(0).map_or("", |(key, _)| key);
            name.push_str(&format!("{}[{key}]", self.node(scope).id));
            if scope == node {
                return name;
            }
            name.push('.');
        }
        name.push_str(&self.node(node).id);
        name
    }

    /// The name of each `for_each` around an instance, and the path of its element, outermost first.
    pub fn collections(&self, path: &ElementPath) -> Vec<(String, ElementPath)> {
        let levels = path.levels().into_iter();
        levels.map(|(node, path)| (self.instance_name(node, &path.outer()), path)).collect()
    }

    /// The node of the instance with this name.
    pub fn node_named(&self, name: &str) -> Option<NodeId> {
        let (mut scope, mut found) = (None, None);
        for segment in segments(name) {
            let (id, is_element) = segment.split_once('[').map_or((segment, false), |(id, _)| (id, true));
            let mut nodes = (0..u32::try_from(self.nodes.len()).ok()?).map(NodeId);
            let node = nodes.find(|node| {
                let scopes = self.scopes(*node);
                let around = scopes.iter().rev().find(|scope| *scope != node).copied();
                self.node(*node).id == id && around == scope
            })?;
            if is_element {
                scope = Some(node);
            }
            found = Some(node);
        }
        found
    }

    /// The elements of `path` in which `node` lies, too.
    pub fn path_at(&self, node: NodeId, path: &ElementPath) -> ElementPath {
        path.shared(&self.scopes(node))
    }

    /// Which instances of `node` a reader means, for each `for_each` around `node`, outermost first: a key, or `None` for
    /// all. The reader's own elements are fixed; `keys` choose in those that it does not lie in.
    pub fn selection(&self, node: NodeId, reader: &ElementPath, keys: &[String]) -> Vec<Option<String>> {
        let scopes = self.scopes(node);
        let own = reader.shared(&scopes).levels();
        let own = own.iter().map(|(_, path)| path.each(0).map(|(key, _)| key.to_owned()));
        let mut selected: Vec<Option<String>> = own.chain(keys.iter().cloned().map(Some)).collect();
        selected.resize(scopes.len(), None);
        selected
    }

    /// The identities that a step can use: those of the plan, and of the blocks around it.
    pub fn visible_identities(&self, step: NodeId) -> impl Iterator<Item = (IdentityId, &IdentityDef)> {
        let around = self.headings(step);
        let all = (0..).map(IdentityId).zip(&self.identities);
        all.filter(move |(_, known)| known.declared_in.is_none_or(|block| around.contains(&block)))
    }

    /// The elements in which an identity is evaluated that a step in `path` uses: those of the block that declares it.
    pub fn path_of_identity(&self, definition: &IdentityDef, path: &ElementPath) -> ElementPath {
        definition.declared_in.map(|block| self.path_at(block, path)).unwrap_or_default()
    }
}

impl IdentityDef {
    /// Its attributes that have a value, as text.
    ///
    /// # Errors
    /// The name of the attribute that cannot be evaluated, and why.
    pub fn attributes_in(&self, scope: &dyn Scope) -> Result<Vec<(String, String)>, (String, EvalError)> {
        let mut attributes = Vec::with_capacity(self.attributes.len());
        for (name, expr) in &self.attributes {
            match expr.eval(scope).map_err(|error| (name.clone(), error))? {
                Some(Value::String(text)) => {
                    attributes.push((name.clone(), IdentityDef::normal(name, text)));
                }
                Some(other) => attributes.push((name.clone(), other.to_string())),
                None => {}
            }
        }
        let about = self.about.iter().map(|about| ("about".to_owned(), about.clone()));
        attributes.extend(about);
        Ok(attributes)
    }
}

/// Whether a person who writes `wanted` means the instance `name`: keys are named as in `needs`.
pub fn is_same_instance(wanted: &str, name: &str) -> bool {
    let (wanted, name) = (segments(wanted), segments(name));
    wanted.len() == name.len()
        && wanted.iter().zip(&name).all(|(wanted, name)| {
            match (wanted.split_once('['), name.split_once('[')) {
                (Some((wanted_id, wanted)), Some((id, key))) => {
                    let keys = wanted.strip_suffix(']').zip(key.strip_suffix(']'));
                    wanted_id.eq_ignore_ascii_case(id) && keys.is_some_and(|(wanted, key)| names(wanted, key))
                }
                (None, None) => wanted.eq_ignore_ascii_case(name),
                _ => false,
            }
        })
}

/// Splits a name at its dots, except dots inside brackets: `connect[a.b].role` has two segments.
fn segments(name: &str) -> Vec<&str> {
    let mut inside = false;
    name.split(|letter: char| {
        match letter {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        letter == '.' && !inside
    })
    .collect()
}

/// What is known before a run: the inputs, and the elements that follow from them. Outputs are absent.
#[derive(Clone, Debug)]
pub struct InputScope<'a> {
    inputs: &'a IndexMap<String, Value>,
    path: ElementPath,
}

impl<'a> InputScope<'a> {
    /// The scope of an instance in `path`.
    pub fn new(inputs: &'a Inputs, path: ElementPath) -> Self {
        InputScope::of(&inputs.0, path)
    }

    /// The scope inside an element of `node`.
    #[must_use]
    pub fn inside(&self, node: NodeId, element: Element) -> Self {
        InputScope { inputs: self.inputs, path: self.path.inside(node, element) }
    }

    pub(crate) fn of(inputs: &'a IndexMap<String, Value>, path: ElementPath) -> Self {
        InputScope { inputs, path }
    }
}

impl Scope for InputScope<'_> {
    fn input(&self, name: &str) -> Option<&Value> {
        self.inputs.get(name)
    }

    fn path(&self) -> &ElementPath {
        &self.path
    }

    fn outputs(&self, _node: NodeId, _keys: &[String]) -> Option<Value> {
        None
    }

    fn run_id(&self) -> &str {
        ""
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::fixture;

    const PLAN: &str = "twinspan: 1\nname: p\nsummary: s\ninputs:\n  all: { type: list, of: string }\n  on: { type: bool }\nsteps:\n  \
         - id: outer\n    for_each: ${{ inputs.all }}\n    when: ${{ inputs.on }}\n    steps:\n      \
         - id: heading\n        steps:\n          \
         - { id: inner, for_each: \"${{ inputs.all }}\", when: \"${{ each.value == 'a.b' }}\", uses: approval, with: { show: \"${{ each.outer.key }}\" } }\n          \
         - { id: other, uses: approval, with: { show: x } }\n  \
         - { id: last, uses: approval, needs: [\"outer[x]\"], with: { show: x } }\n";

    fn plan() -> Plan {
        let document = crate::parse("plan.yaml", PLAN.as_bytes()).unwrap();
        let compiled = crate::compile(&document, &fixture::catalog());
        compiled.map_err(|found| found.render(false)).unwrap_or_else(|text| panic!("{text}")).plan
    }

    fn node(plan: &Plan, id: &str) -> NodeId {
        let at = plan.nodes.iter().position(|node| node.id == id).unwrap();
        NodeId(u32::try_from(at).unwrap())
    }

    fn path(of: &[(NodeId, &str)]) -> ElementPath {
        let inside = |path: ElementPath, (node, key): &(NodeId, &str)| {
            path.inside(*node, ((*key).to_owned(), json!(key)))
        };
        of.iter().fold(ElementPath::default(), inside)
    }

    #[test]
    fn a_name_leads_back_to_its_node() {
        let plan = plan();
        let [outer, inner, other, last] = ["outer", "inner", "other", "last"].map(|id| node(&plan, id));
        let both = path(&[(outer, "x"), (inner, "a.b")]);
        for (node, path, name) in [
            (outer, ElementPath::default(), "outer"),
            (outer, path(&[(outer, "x")]), "outer[x]"),
            (inner, path(&[(outer, "x")]), "outer[x].inner"),
            (inner, both.clone(), "outer[x].inner[a.b]"),
            (other, both.clone(), "outer[x].other"),
            (last, both.clone(), "last"),
        ] {
            assert_eq!(plan.instance_name(node, &path), name);
            assert_eq!(plan.node_named(name), Some(node), "{name}");
        }
        assert_eq!(plan.node_named("outer[x].last"), None);
        let names: Vec<String> = plan.collections(&both).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["outer", "outer[x].inner"]);
    }

    #[test]
    fn an_instance_is_named_by_its_key_in_any_case_or_by_the_id_of_its_resource() {
        let id = "/subscriptions/b/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/Hub.1";
        let name = format!("connect[Prod].members[{}].add", crate::elements::element_key(id));
        for wanted in [name.clone(), name.to_uppercase(), format!("connect[prod].members[{id}/].add")] {
            assert!(is_same_instance(&wanted, &name), "{wanted}");
        }
        for wanted in ["connect[Prod]", "connect[Prod].members.add", "connect[Test].members[x].add"] {
            assert!(!is_same_instance(wanted, &name), "{wanted}");
        }
    }

    #[test]
    fn a_reader_means_its_own_elements_and_keys_choose_in_the_others() {
        let plan = plan();
        let [outer, inner, last] = ["outer", "inner", "last"].map(|id| node(&plan, id));
        let reader = path(&[(outer, "x")]);
        let selected = |node, reader: &ElementPath, keys: &[&str]| {
            let keys: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
            let selected = plan.selection(node, reader, &keys).into_iter();
            selected.map(|key| key.unwrap_or_else(|| "*".to_owned())).collect::<Vec<_>>()
        };
        assert_eq!(selected(inner, &reader, &[]), ["x", "*"]);
        assert_eq!(selected(inner, &reader, &["a"]), ["x", "a"]);
        assert_eq!(selected(inner, &ElementPath::default(), &["a"]), ["a", "*"]);
        assert_eq!(selected(last, &reader, &[]), [] as [&str; 0]);
    }

    #[test]
    fn a_condition_belongs_to_the_elements_only_if_it_reads_them() {
        let plan = plan();
        let conditions = |id| {
            let node = plan.node(node(&plan, id));
            (node.condition_of_all().is_some(), node.condition_of_one().is_some())
        };
        assert_eq!(conditions("outer"), (true, false));
        assert_eq!(conditions("inner"), (false, true));
        assert_eq!(conditions("other"), (false, false));
    }
}
