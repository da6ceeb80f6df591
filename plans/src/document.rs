//! A plan file as written: every part with its place. [`crate::compile`] gives it its meaning.

mod decode;
mod inputs;
mod steps;

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::Type;
use crate::diagnostic::{Diagnostic, Diagnostics, Place, Source};
use crate::digest::Digest;
use crate::ids::Ensure;
use crate::plan::RetryPolicy;
use crate::yaml;

pub(crate) use decode::{Decoder, Text};
pub(crate) use inputs::TYPE_NAMES;

/// A parsed plan file. [`crate::compile`] reports errors in its structure together with errors in its meaning.
#[derive(Clone, Debug)]
pub struct Document {
    pub(crate) source: Arc<Source>,
    /// Errors in its structure.
    pub(crate) problems: Diagnostics,
    pub(crate) name: String,
    pub(crate) summary: String,
    pub(crate) link: Option<String>,
    pub(crate) inputs: Vec<InputDecl>,
    pub(crate) identities: Vec<IdentityDecl>,
    pub(crate) nodes: Vec<NodeDecl>,
}

impl Document {
    /// Name and text of the file.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// The plan's `name`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Digest of the text as written; `Plan.digest` is the digest of the meaning.
    pub fn text_digest(&self) -> Digest {
        Digest::of(self.source.text.as_bytes())
    }
}

/// An entry of `inputs`.
#[derive(Clone, Debug)]
pub(crate) struct InputDecl {
    pub(crate) name: Text,
    pub(crate) ty: Type,
    pub(crate) default: Option<yaml::Node>,
    pub(crate) optional: bool,
    pub(crate) secret: bool,
    pub(crate) about: Option<String>,
}

/// An entry of `identities`.
#[derive(Clone, Debug)]
pub(crate) struct IdentityDecl {
    pub(crate) name: Text,
    /// `tenant`, `contact`.
    pub(crate) attributes: Vec<(Text, Text)>,
    pub(crate) about: Option<String>,
}

/// A step or a block.
#[derive(Clone, Debug)]
pub(crate) struct NodeDecl {
    pub(crate) id: Text,
    pub(crate) title: Option<String>,
    pub(crate) note: Option<String>,
    pub(crate) needs: Vec<Text>,
    pub(crate) when: Option<yaml::Node>,
    pub(crate) for_each: Option<yaml::Node>,
    pub(crate) body: Body,
}

#[derive(Clone, Debug)]
pub(crate) enum Body {
    Step(Box<StepDecl>),
    Block(BlockDecl),
}

#[derive(Clone, Debug)]
pub(crate) struct BlockDecl {
    pub(crate) identities: Vec<IdentityDecl>,
    pub(crate) parallel: Option<u32>,
    pub(crate) halt_after: Option<u32>,
    pub(crate) nodes: Vec<NodeDecl>,
}

#[derive(Clone, Debug)]
pub(crate) struct StepDecl {
    pub(crate) uses: Text,
    pub(crate) identities: Vec<Text>,
    pub(crate) auxiliary: Option<Text>,
    pub(crate) with: Option<yaml::Node>,
    pub(crate) ensure: Ensure,
    /// Place of `ensure`.
    pub(crate) ensure_span: Option<Range<usize>>,
    pub(crate) retry: RetryPolicy,
    pub(crate) timeout: Option<Duration>,
    pub(crate) give_up_after: Option<Duration>,
    pub(crate) remind: Option<Duration>,
    pub(crate) approval: Option<ApprovalDecl>,
    /// The value, and its place.
    pub(crate) barrier: Option<(bool, Range<usize>)>,
}

#[derive(Clone, Debug)]
pub(crate) struct ApprovalDecl {
    pub(crate) by: Vec<Text>,
    pub(crate) not_starter: bool,
}

/// Parses a plan file. Fails only if it has no readable structure: not UTF-8, not YAML, too large, too deep.
pub fn parse(name: &str, text: &[u8]) -> Result<Document, Diagnostics> {
    let source = yaml::source(name, text)?;
    let Some(root) = yaml::read(&source)? else {
        return Err(Diagnostic::error("TS0001", "the plan file is empty")
            .at(Place::new(&source, 0..0), "")
            .help("a plan begins with `twinspan: 1`; `twinspan init` writes one to start from")
            .into());
    };
    let mut decoder = Decoder::new(&source);
    let Some(map) = decoder.map(&root, "a plan file", TOP) else {
        return Err(decoder.problems);
    };
    let mut document = Document {
        source: Arc::clone(&source),
        problems: Diagnostics::default(),
        name: String::new(),
        summary: String::new(),
        link: None,
        inputs: Vec::new(),
        identities: Vec::new(),
        nodes: Vec::new(),
    };
    match map.get("twinspan") {
        None => decoder.missing(&map, "twinspan", "begin the file with `twinspan: 1`"),
        Some(node) => {
            if node.to_json() != serde_json::json!(1) {
                decoder.problem(
                    Diagnostic::error("TS0104", "this version of the plan format is not known")
                        .at(decoder.place(&node.span), "must be 1")
                        .help("write `twinspan: 1`, or use a newer twinspan"),
                );
            }
        }
    }
    match map.get("name") {
        None => decoder.missing(&map, "name", "add `name:`, a short word such as `cross-tenant-connection`"),
        Some(node) => {
            if let Some(name) = decoder.identifier(node, "the plan's name") {
                document.name = name.value;
            }
        }
    }
    document.summary = map.get("summary").and_then(|node| decoder.string(node)).unwrap_or_default();
    document.link = map.get("document").and_then(|node| decoder.string(node));
    if let Some(node) = map.get("inputs") {
        document.inputs = decoder.inputs(node);
    }
    if let Some(node) = map.get("identities") {
        document.identities = decoder.identities(node);
    }
    decoder.later_top(&map);
    match map.get("steps") {
        None => decoder.missing(&map, "steps", "add `steps:` with at least one step"),
        Some(node) => document.nodes = decoder.nodes(node),
    }
    document.problems = decoder.problems;
    Ok(document)
}

const TOP: &[&str] =
    &["twinspan", "name", "summary", "document", "inputs", "identities", "steps", "change", "windows"];
