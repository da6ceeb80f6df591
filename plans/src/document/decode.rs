//! Decoding of the syntax tree: shapes that all parts of a plan share.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use crate::diagnostic::{Diagnostic, Diagnostics, Place, Source};
use crate::duration::parse_duration;
use crate::reference::{has_reference, is_word};
use crate::yaml::{Entry, Node, Value};

/// Text with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Text {
    pub(crate) value: String,
    pub(crate) span: Range<usize>,
}

/// Decodes a syntax tree and collects errors.
pub(crate) struct Decoder {
    source: Arc<Source>,
    pub(crate) problems: Diagnostics,
}

/// A mapping whose keys were checked.
pub(crate) struct Fields<'a> {
    entries: &'a [Entry],
    span: Range<usize>,
}

impl<'a> Fields<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<&'a Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    pub(crate) fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// The place that represents the mapping: its first key.
    pub(crate) fn head(&self) -> Range<usize> {
        self.entries.first().map_or(self.span.clone(), |entry| entry.key_span.clone())
    }
}

impl Decoder {
    pub(crate) fn new(source: &Arc<Source>) -> Self {
        Decoder { source: Arc::clone(source), problems: Diagnostics::default() }
    }

    pub(crate) fn place(&self, span: &Range<usize>) -> Place {
        Place::new(&self.source, span.clone())
    }

    pub(crate) fn hidden(&self, span: &Range<usize>) -> Place {
        Place::hidden(&self.source, span.clone())
    }

    pub(crate) fn problem(&mut self, diagnostic: Diagnostic) {
        self.problems.push(diagnostic);
    }

    /// Decodes a mapping whose keys must be among `known`.
    pub(crate) fn map<'a>(&mut self, node: &'a Node, what: &str, known: &[&str]) -> Option<Fields<'a>> {
        let entries = self.entries(node, what)?;
        for entry in entries {
            if !known.contains(&entry.key.as_str()) {
                let diagnostic = Diagnostic::error("TS0101", format!("{what} has no key `{}`", entry.key))
                    .at(self.place(&entry.key_span), "not known")
                    .help(format!("known keys: {}", known.join(", ")))
                    .did_you_mean(&entry.key, known.iter().copied());
                self.problem(diagnostic);
            }
        }
        Some(Fields { entries, span: node.span.clone() })
    }

    /// Decodes a mapping whose keys are names of the plan.
    pub(crate) fn entries<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a [Entry]> {
        match &node.value {
            Value::Map(entries) => Some(entries),
            _ => {
                self.wrong(
                    node,
                    &format!("{what} is a mapping"),
                    "write `key: value` lines, indented by two spaces",
                );
                None
            }
        }
    }

    pub(crate) fn list<'a>(&mut self, node: &'a Node, what: &str) -> Option<&'a [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            _ => {
                self.wrong(node, &format!("{what} is a list"), "write one line `- …` for each item");
                None
            }
        }
    }

    /// Decodes one text or a list of texts.
    pub(crate) fn texts(&mut self, node: &Node, what: &str) -> Vec<Text> {
        match &node.value {
            Value::List(items) => items.iter().filter_map(|item| self.text(item)).collect(),
            Value::Text(_) => self.text(node).into_iter().collect(),
            _ => {
                self.wrong(node, &format!("{what} is text or a list of texts"), "write `[one, two]`");
                Vec::new()
            }
        }
    }

    pub(crate) fn text(&mut self, node: &Node) -> Option<Text> {
        match &node.value {
            Value::Text(text) => Some(Text { value: text.clone(), span: node.span.clone() }),
            Value::Number(_) | Value::Bool(_) => {
                let written = self.source.text.get(node.span.clone()).unwrap_or_default().to_owned();
                self.wrong(node, "text is expected here", &format!("write it in quotes: \"{written}\""));
                None
            }
            _ => {
                self.wrong(node, "text is expected here", "write text, in quotes if it contains `: ` or `#`");
                None
            }
        }
    }

    /// Decodes text for people, in which references are not evaluated.
    pub(crate) fn string(&mut self, node: &Node) -> Option<String> {
        let text = self.text(node)?;
        if has_reference(&text.value) {
            let diagnostic = Diagnostic::warning("TS0212", "references are not evaluated in this text")
                .at(self.place(&text.span), "shown as it is written")
                .help("the id of an instance is shown beside the title");
            self.problem(diagnostic);
        }
        Some(text.value)
    }

    pub(crate) fn boolean(&mut self, node: &Node) -> bool {
        match &node.value {
            Value::Bool(truth) => *truth,
            _ => {
                self.wrong(node, "`true` or `false` is expected here", "write `true` or `false`");
                false
            }
        }
    }

    /// Decodes a whole number of at least 1.
    pub(crate) fn count(&mut self, node: &Node) -> Option<u32> {
        let number = match &node.value {
            Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            _ => None,
        };
        if !matches!(number, Some(1..)) {
            let diagnostic = Diagnostic::error("TS0112", "a whole number of at least 1 is expected here")
                .at(self.place(&node.span), "not such a number")
                .help("write, for example, `5`");
            self.problem(diagnostic);
            return None;
        }
        number
    }

    pub(crate) fn duration(&mut self, node: &Node) -> Option<Duration> {
        let found = match &node.value {
            Value::Text(text) => parse_duration(text),
            _ => None,
        };
        if found.is_none() {
            let diagnostic = Diagnostic::error("TS0108", "a duration is expected here")
                .at(self.place(&node.span), "not a duration")
                .help("write a number and a unit: `30s`, `10m`, `24h`, `2d`, or several: `1h30m`");
            self.problem(diagnostic);
        }
        found
    }

    /// Decodes an id or a name: letters, digits, `-` and `_`, beginning with a letter.
    pub(crate) fn identifier(&mut self, node: &Node, what: &str) -> Option<Text> {
        let text = self.text(node)?;
        self.check_identifier(&text, what).then_some(text)
    }

    pub(crate) fn check_identifier(&mut self, text: &Text, what: &str) -> bool {
        let value = text.value.as_str();
        let good = value.starts_with(|first: char| first.is_ascii_alphabetic())
            && value.bytes().all(is_word)
            && value.len() <= 64
            && !matches!(value, "or" | "and" | "not" | "true" | "false");
        if !good {
            let diagnostic = Diagnostic::error("TS0105", format!("{what} `{value}` cannot be used as a name"))
                .at(self.place(&text.span), "not a name")
                .help("use up to 64 letters, digits, `-` and `_`, beginning with a letter; not `or`, `and`, `not`, `true`, `false`");
            self.problem(diagnostic);
        }
        good
    }

    pub(crate) fn wrong(&mut self, node: &Node, message: &str, help: &str) {
        let found = if matches!(node.value, Value::Null) { "this is empty" } else { "" };
        let label = if found.is_empty() { format!("this is {}", node.what()) } else { found.to_owned() };
        let diagnostic = Diagnostic::error("TS0103", message).at(self.place(&node.span), label).help(help);
        self.problem(diagnostic);
    }

    pub(crate) fn missing(&mut self, fields: &Fields<'_>, key: &str, help: &str) {
        let diagnostic = Diagnostic::error("TS0102", format!("`{key}` is missing"))
            .at(self.place(&fields.head()), "in the mapping that begins here")
            .help(help);
        self.problem(diagnostic);
    }

    /// Reports a key that the format defines but this version does not support.
    pub(crate) fn not_yet(&mut self, entry: &Entry, instead: &str) {
        let diagnostic = Diagnostic::error("TS0110", format!("`{}` is not yet supported", entry.key))
            .at(self.place(&entry.key_span), "part of the format, but not yet supported")
            .help(instead);
        self.problem(diagnostic);
    }
}
