//! Names and their scopes.
//!
//! A block with `for_each` opens a scope; a heading does not. A name is resolved in the scope of the reader, then in
//! the
//! enclosing scopes.

use std::collections::HashMap;

use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::document::{Body, Document, IdentityDecl, NodeDecl};
use crate::ids::{IdentityId, NodeId};

/// Position of a scope in [`Names::scopes`]; 0 is the plan itself.
pub(super) type ScopeId = usize;

pub(super) struct Names<'d> {
    pub(super) nodes: Vec<Named<'d>>,
    pub(super) scopes: Vec<NameScope<'d>>,
    /// Every identity, the plan's own first.
    pub(super) identities: Vec<(&'d IdentityDecl, Option<NodeId>)>,
}

/// A node of the document.
pub(super) struct Named<'d> {
    pub(super) decl: &'d NodeDecl,
    pub(super) parent: Option<NodeId>,
    pub(super) children: Vec<NodeId>,
    /// The scope that contains its id.
    pub(super) scope: ScopeId,
    /// The scope that it opens, if it is a block with `for_each`.
    pub(super) inner: Option<ScopeId>,
}

impl Named<'_> {
    pub(super) fn is_collection(&self) -> bool {
        self.decl.for_each.is_some()
    }

    pub(super) fn is_block(&self) -> bool {
        matches!(self.decl.body, Body::Block(_))
    }
}

#[derive(Default)]
pub(super) struct NameScope<'d> {
    pub(super) parent: Option<ScopeId>,
    pub(super) owner: Option<NodeId>,
    names: HashMap<&'d str, NodeId>,
    identities: HashMap<&'d str, IdentityId>,
}

impl<'d> Names<'d> {
    pub(super) fn gather(document: &'d Document, problems: &mut Diagnostics) -> Self {
        let mut names =
            Names { nodes: Vec::new(), scopes: vec![NameScope::default()], identities: Vec::new() };
        names.add_identities(&document.identities, 0, None);
        for decl in &document.nodes {
            names.add(document, decl, None, 0, problems);
        }
        names
    }

    fn add_identities(&mut self, decls: &'d [IdentityDecl], scope: ScopeId, owner: Option<NodeId>) {
        for decl in decls {
            let id = IdentityId(u32::try_from(self.identities.len()).unwrap_or(u32::MAX));
            self.identities.push((decl, owner));
            self.scopes[scope].identities.insert(decl.name.value.as_str(), id);
        }
    }

    fn add(
        &mut self,
        document: &'d Document,
        decl: &'d NodeDecl,
        parent: Option<NodeId>,
        scope: ScopeId,
        problems: &mut Diagnostics,
    ) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Named { decl, parent, children: Vec::new(), scope, inner: None });
        let name = decl.id.value.as_str();
        if let Some(first) = self.scopes[scope].names.get(name).copied() {
            let first = self.node(first).decl.id.span.clone();
            problems.push(
                Diagnostic::error("TS0111", format!("the id `{name}` is used twice"))
                    .at(Place::new(&document.source, decl.id.span.clone()), "second time")
                    .and_at(Place::new(&document.source, first), "first time")
                    .help("ids inside a heading are plan-wide: choose another one"),
            );
        } else if !name.is_empty() {
            self.scopes[scope].names.insert(name, id);
        }
        if let Body::Block(block) = &decl.body {
            let mut within = scope;
            if decl.for_each.is_some() {
                within = self.scopes.len();
                self.scopes.push(NameScope { parent: Some(scope), owner: Some(id), ..NameScope::default() });
                self.nodes[id.0 as usize].inner = Some(within);
                self.add_identities(&block.identities, within, Some(id));
            }
            let children: Vec<NodeId> = block
                .nodes
                .iter()
                .map(|child| self.add(document, child, Some(id), within, problems))
                .collect();
            self.nodes[id.0 as usize].children = children;
        }
        id
    }

    pub(super) fn node(&self, id: NodeId) -> &Named<'d> {
        &self.nodes[id.0 as usize]
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)).map(NodeId)
    }

    /// Resolves a name as seen from `scope`.
    pub(super) fn find(&self, scope: ScopeId, name: &str) -> Option<NodeId> {
        self.outwards(scope).find_map(|scope| scope.names.get(name).copied())
    }

    /// Resolves a name within one scope.
    pub(super) fn within(&self, scope: ScopeId, name: &str) -> Option<NodeId> {
        self.scopes[scope].names.get(name).copied()
    }

    /// The names visible from `scope`, nearest first.
    pub(super) fn visible(&self, scope: ScopeId) -> Vec<&'d str> {
        let mut names: Vec<&str> = Vec::new();
        for scope in self.outwards(scope) {
            let mut here: Vec<&str> = scope.names.keys().copied().collect();
            here.sort_unstable();
            names.extend(here);
        }
        names
    }

    pub(super) fn names_within(&self, scope: ScopeId) -> Vec<&'d str> {
        let mut names: Vec<&str> = self.scopes[scope].names.keys().copied().collect();
        names.sort_unstable();
        names
    }

    pub(super) fn identity(&self, scope: ScopeId, name: &str) -> Option<IdentityId> {
        self.outwards(scope).find_map(|scope| scope.identities.get(name).copied())
    }

    pub(super) fn visible_identities(&self, scope: ScopeId) -> Vec<&'d str> {
        let mut names: Vec<&str> = self.outwards(scope).flat_map(|s| s.identities.keys().copied()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// A block with `for_each` that contains `name`.
    pub(super) fn hidden_in(&self, name: &str) -> Option<NodeId> {
        self.scopes.iter().filter(|scope| scope.names.contains_key(name)).find_map(|scope| scope.owner)
    }

    /// The node `id` and its enclosing nodes, innermost first.
    pub(super) fn ancestry(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        std::iter::successors(Some(id), |id| self.node(*id).parent)
    }

    /// Whether `outer` is `inner` or encloses it.
    pub(super) fn holds(&self, outer: NodeId, inner: NodeId) -> bool {
        self.ancestry(inner).any(|id| id == outer)
    }

    /// The enclosing `for_each` nodes of `id`, itself included, innermost first.
    pub(super) fn collections(&self, id: NodeId) -> impl Iterator<Item = NodeId> + '_ {
        self.ancestry(id).filter(|id| self.node(*id).is_collection())
    }

    fn outwards(&self, scope: ScopeId) -> impl Iterator<Item = &NameScope<'d>> {
        std::iter::successors(Some(&self.scopes[scope]), |scope| {
            scope.parent.map(|parent| &self.scopes[parent])
        })
    }
}
