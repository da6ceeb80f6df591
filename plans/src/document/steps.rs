//! The section `steps`: steps and blocks, and parts of the format that are not supported yet.

use crate::diagnostic::Diagnostic;
use crate::ids::Ensure;
use crate::plan::RetryPolicy;
use crate::yaml::{Entry, Node, Value};

use super::decode::{Decoder, Fields, Text};
use super::{ApprovalDecl, BlockDecl, Body, NodeDecl, StepDecl};

const STEP: &[&str] = &[
    "id",
    "title",
    "note",
    "uses",
    "as",
    "auxiliary",
    "with",
    "needs",
    "when",
    "for_each",
    "ensure",
    "retry",
    "timeout",
    "give_up_after",
    "remind",
    "approval",
    "barrier",
    "window",
];
const BLOCK: &[&str] = &[
    "id",
    "title",
    "note",
    "needs",
    "when",
    "for_each",
    "identities",
    "parallel",
    "waves",
    "halt_after",
    "window",
    "steps",
];
/// Keys that only a block with `for_each` may have.
const SCOPE_ONLY: [&str; 4] = ["identities", "parallel", "waves", "halt_after"];

impl Decoder {
    pub(super) fn nodes(&mut self, node: &Node) -> Vec<NodeDecl> {
        let items = self.list(node, "`steps`").unwrap_or_default();
        if items.is_empty() && matches!(node.value, Value::List(_)) {
            self.wrong(node, "`steps` has no step", "add at least one step, or remove the block");
        }
        items.iter().filter_map(|item| self.node(item)).collect()
    }

    fn node(&mut self, node: &Node) -> Option<NodeDecl> {
        let entries = self.entries(node, "a step")?;
        let has = |key: &str| entries.iter().find(|entry| entry.key == key);
        let is_block = match (has("uses"), has("steps")) {
            (Some(uses), Some(steps)) => {
                let diagnostic = Diagnostic::error("TS0106", "this has `uses` and `steps`")
                    .at(self.place(&steps.key_span), "makes it a block")
                    .and_at(self.place(&uses.key_span), "makes it a step")
                    .help("a step has `uses`, a block has `steps`: remove one of them");
                self.problem(diagnostic);
                return None;
            }
            (None, None) => {
                let head = entries.first().map_or(node.span.clone(), |entry| entry.key_span.clone());
                let close = entries.iter().find_map(|entry| {
                    crate::diagnostic::nearest(&entry.key, ["uses", "steps"]).map(|near| (entry, near))
                });
                let mut diagnostic = Diagnostic::error("TS0106", "this has neither `uses` nor `steps`").help(
                    "a step names its kind in `uses` (`twinspan steps` lists them); a block has `steps`",
                );
                diagnostic = match close {
                    Some((entry, near)) => {
                        diagnostic.suggestion = Some(near.to_owned());
                        diagnostic.at(self.place(&entry.key_span), "not known")
                    }
                    None => diagnostic.at(self.place(&head), "this entry"),
                };
                self.problem(diagnostic);
                return None;
            }
            (_, steps) => steps.is_some(),
        };
        let fields = self.fields(node, is_block)?;
        let id = match fields.get("id") {
            Some(id) => self.identifier(id, "the id")?,
            None => {
                self.missing(&fields, "id", "add `id:`, a word that is unique in the plan");
                // Its parts are checked anyway, under a name that no reference can have.
                Text { value: String::new(), span: fields.head() }
            }
        };
        if let Some(entry) = fields.entry("window") {
            self.text(&entry.value);
            self.not_yet(entry, "remove it; start the run, or `resume` it, when the window is open");
        }
        Some(NodeDecl {
            title: fields.get("title").and_then(|node| self.string(node)),
            note: fields.get("note").and_then(|node| self.string(node)),
            needs: fields.get("needs").map(|node| self.texts(node, "`needs`")).unwrap_or_default(),
            when: fields.get("when").cloned(),
            for_each: fields.get("for_each").cloned(),
            body: if is_block {
                Body::Block(self.block(&fields))
            } else {
                Body::Step(Box::new(self.step(&fields)?))
            },
            id,
        })
    }

    /// Checks the keys of a step or a block; a key that belongs to the other is reported as such.
    fn fields<'a>(&mut self, node: &'a Node, is_block: bool) -> Option<Fields<'a>> {
        let (known, other, what, whose) =
            if is_block { (BLOCK, STEP, "a block", "a step") } else { (STEP, BLOCK, "a step", "a block") };
        let all: Vec<&str> =
            known.iter().chain(other.iter().filter(|key| !known.contains(key))).copied().collect();
        let known_to_both: Vec<&str> = known.to_vec();
        let entries = self.entries(node, what)?;
        for entry in entries {
            let key = entry.key.as_str();
            if known.contains(&key) {
                continue;
            }
            let diagnostic = if all.contains(&key) {
                Diagnostic::error("TS0109", format!("`{key}` belongs to {whose}, not to {what}"))
                    .at(self.place(&entry.key_span), "has no effect here")
                    .help(format!("remove it, or move it to {whose}"))
            } else {
                Diagnostic::error("TS0101", format!("{what} has no key `{key}`"))
                    .at(self.place(&entry.key_span), "not known")
                    .help(format!("known keys: {}", known.join(", ")))
                    .did_you_mean(key, known_to_both.iter().copied())
            };
            self.problem(diagnostic);
        }
        // The keys were checked above, so all of them are accepted here.
        let keys: Vec<&str> = entries.iter().map(|entry| entry.key.as_str()).collect();
        self.map(node, what, &keys)
    }

    fn block(&mut self, fields: &Fields<'_>) -> BlockDecl {
        if fields.get("for_each").is_none() {
            for entry in SCOPE_ONLY.iter().filter_map(|key| fields.entry(key)) {
                let diagnostic = Diagnostic::error(
                    "TS0109",
                    format!("`{}` belongs to a block with `for_each`", entry.key),
                )
                .at(self.place(&entry.key_span), "this block is a heading")
                .help("add `for_each`, or remove it; identities of a heading are declared at the top");
                self.problem(diagnostic);
            }
        }
        if let Some(entry) = fields.entry("waves") {
            self.waves(entry);
            self.not_yet(entry, "remove it, and limit the block with `parallel` and `halt_after`");
        }
        BlockDecl {
            identities: fields.get("identities").map(|node| self.identities(node)).unwrap_or_default(),
            parallel: fields.get("parallel").and_then(|node| self.count(node)),
            halt_after: fields.get("halt_after").and_then(|node| self.count(node)),
            nodes: fields.get("steps").map(|node| self.nodes(node)).unwrap_or_default(),
        }
    }

    fn step(&mut self, fields: &Fields<'_>) -> Option<StepDecl> {
        let ensure = match fields.entry("ensure") {
            None => (Ensure::Present, None),
            Some(entry) => (self.ensure(entry), Some(entry.value.span.clone())),
        };
        Some(StepDecl {
            uses: fields.get("uses").and_then(|node| self.text(node))?,
            identities: fields.get("as").map(|node| self.texts(node, "`as`")).unwrap_or_default(),
            auxiliary: fields.get("auxiliary").and_then(|node| self.text(node)),
            with: fields.get("with").filter(|node| !matches!(node.value, Value::Null)).cloned(),
            ensure: ensure.0,
            ensure_span: ensure.1,
            retry: fields.get("retry").map(|node| self.retry(node)).unwrap_or_default(),
            timeout: fields.get("timeout").and_then(|node| self.duration(node)),
            give_up_after: fields.get("give_up_after").and_then(|node| self.duration(node)),
            remind: fields.get("remind").and_then(|node| self.duration(node)),
            approval: fields.get("approval").and_then(|node| self.approval(node)),
            barrier: fields
                .entry("barrier")
                .map(|entry| (self.boolean(&entry.value), entry.key_span.clone())),
        })
    }

    fn ensure(&mut self, entry: &Entry) -> Ensure {
        match &entry.value.value {
            Value::Text(word) if word == "present" => Ensure::Present,
            Value::Text(word) if word == "absent" => Ensure::Absent,
            _ => {
                let help = "write `ensure: absent` if the resource is to be deleted, else omit `ensure`";
                self.wrong(&entry.value, "`ensure` is `present` or `absent`", help);
                Ensure::Present
            }
        }
    }

    fn retry(&mut self, node: &Node) -> RetryPolicy {
        let Some(fields) = self.map(node, "`retry`", &["attempts", "first", "cap", "within"]) else {
            return RetryPolicy::default();
        };
        RetryPolicy {
            attempts: fields.get("attempts").and_then(|node| self.count(node)),
            first: fields.get("first").and_then(|node| self.duration(node)),
            cap: fields.get("cap").and_then(|node| self.duration(node)),
            within: fields.get("within").and_then(|node| self.duration(node)),
        }
    }

    /// Decodes `true`, an identity, or `{ by: …, not: starter }`.
    fn approval(&mut self, node: &Node) -> Option<ApprovalDecl> {
        match &node.value {
            Value::Bool(true) => Some(ApprovalDecl { by: Vec::new(), not_starter: false }),
            Value::Bool(false) => None,
            Value::Text(_) => {
                let by = self.text(node)?;
                Some(ApprovalDecl { by: vec![by], not_starter: false })
            }
            _ => {
                let fields = self.map(node, "`approval`", &["by", "not"])?;
                let by = fields.get("by").map(|node| self.texts(node, "`by`")).unwrap_or_default();
                let not_starter = match fields.get("not") {
                    None => false,
                    Some(Node { value: Value::Text(word), .. }) if word == "starter" => true,
                    Some(node) => {
                        self.wrong(node, "`not` is `starter`", "write `not: starter`, or remove it");
                        false
                    }
                };
                Some(ApprovalDecl { by, not_starter })
            }
        }
    }

    /// Checks the structure of `waves`, so that other errors in a plan that uses it are reported, too.
    fn waves(&mut self, entry: &Entry) {
        let Some(fields) = self.map(&entry.value, "`waves`", &["by", "bake", "approve", "waiting"]) else {
            return;
        };
        if let Some(node) = fields.get("bake") {
            self.duration(node);
        }
        if let Some(node) = fields.get("approve") {
            self.approval(node);
        }
        match fields.get("waiting") {
            None => {}
            Some(Node { value: Value::Text(word), .. })
                if matches!(word.as_str(), "left-behind" | "hold") => {}
            Some(node) => self.wrong(node, "`waiting` is `left-behind` or `hold`", "write one of the two"),
        }
        match fields.entry("by").map(|by| &by.value) {
            None => self.missing(&fields, "by", "name the waves, for example `by: ${{ each.value.ring }}`"),
            Some(Node { value: Value::Text(_) | Value::List(_), .. }) => {}
            Some(node) => {
                self.wrong(node, "`by` is a reference or a list", "write `by: ${{ each.value.ring }}`")
            }
        }
    }

    /// Reports `change` and `windows` at the top level as not supported yet, and checks their structure.
    pub(super) fn later_top(&mut self, fields: &Fields<'_>) {
        if let Some(entry) = fields.entry("change") {
            if let Some(change) = self.map(&entry.value, "`change`", &["required"])
                && let Some(required) = change.get("required")
            {
                self.boolean(required);
            }
            self.not_yet(entry, "remove it; name the ticket in the plan's `summary`");
        }
        if let Some(entry) = fields.entry("windows") {
            for window in self.entries(&entry.value, "`windows`").unwrap_or_default() {
                let Some(window) = self.map(&window.value, "a window", &["days", "from", "to", "zone"])
                else {
                    continue;
                };
                for key in ["from", "to", "zone"] {
                    if let Some(node) = window.get(key) {
                        self.text(node);
                    }
                }
                if let Some(node) = window.get("days") {
                    self.texts(node, "`days`");
                }
            }
            self.not_yet(entry, "remove it; start the run, or `resume` it, when the window is open");
        }
    }
}
