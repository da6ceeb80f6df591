//! YAML with positions. Only this module uses `serde-saphyr`; the rest of the crate uses [`Node`].
//!
//! The reader limits size, depth and aliases before it recurses, so that no text can exhaust the stack or the memory.

mod flow;

use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, de};
use serde_json::Number;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};
use serde_saphyr::{Error, Location, Spanned};

use crate::diagnostic::{Diagnostic, Place, Source};

/// Maximum size of a file.
pub(crate) const MAX_BYTES: usize = 10 * 1024 * 1024;
/// Maximum nesting of lists and mappings. Deeper plans do not occur; the limit bounds the recursion.
const MAX_DEPTH: usize = 64;
/// Stack size for reading: about ten times what that depth needs.
const STACK: usize = 32 * 1024 * 1024;
/// Maximum number of values that aliases repeat in total.
const MAX_REPEATED: usize = 100_000;

/// A value with its position.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) value: Value,
}

/// A YAML value. Only plain numbers and booleans are read as such: `no`, `on`, `012` are text.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key: String,
    pub(crate) key_span: Range<usize>,
    pub(crate) value: Node,
}

impl Node {
    /// The name of its type in messages.
    pub(crate) fn what(&self) -> &'static str {
        match &self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Number(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a mapping",
        }
    }

    /// The value as JSON, without positions.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.value {
            Value::Null => serde_json::Value::Null,
            Value::Bool(truth) => (*truth).into(),
            Value::Number(number) => serde_json::Value::Number(number.clone()),
            Value::Text(text) => text.as_str().into(),
            Value::List(items) => items.iter().map(Node::to_json).collect(),
            Value::Map(entries) => {
                entries.iter().map(|entry| (entry.key.clone(), entry.value.to_json())).collect()
            }
        }
    }
}

/// Creates a source from bytes, which must be UTF-8 and not too large.
pub(crate) fn source(name: &str, bytes: &[u8]) -> Result<Arc<Source>, Diagnostic> {
    if bytes.len() > MAX_BYTES {
        let megabytes = bytes.len() / (1024 * 1024);
        let source = Arc::new(Source { name: name.to_owned(), text: String::new() });
        return Err(Diagnostic::error("TS0002", format!("the file has {megabytes} MB, more than 10 MB"))
            .at(Place::new(&source, 0..0), "")
            .help("give the plan file itself; keep large tables in separate CSV files"));
    }
    if let Some(encoding) = other_encoding(bytes) {
        let source = Arc::new(Source { name: name.to_owned(), text: String::new() });
        return Err(Diagnostic::error("TS0003", format!("the file is {encoding} text, not UTF-8"))
            .at(Place::new(&source, 0..0), "")
            .help("save it as UTF-8 in your editor"));
    }
    match std::str::from_utf8(bytes) {
        // A byte order mark is not part of the text.
        Ok(text) => {
            let text = text.strip_prefix('\u{feff}').unwrap_or(text).to_owned();
            Ok(Arc::new(Source { name: name.to_owned(), text }))
        }
        Err(error) => {
            let at = error.valid_up_to();
            let text = String::from_utf8_lossy(bytes).into_owned();
            let source = Arc::new(Source { name: name.to_owned(), text });
            Err(Diagnostic::error("TS0003", "the file is not UTF-8 text")
                .at(Place::new(&source, at..at + 3), "this byte is not part of a UTF-8 character")
                .help("save the file as UTF-8 in your editor"))
        }
    }
}

/// Detects an encoding other than UTF-8, by its byte order mark or by zero bytes at every second position.
fn other_encoding(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Some("UTF-32"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Some("UTF-16"),
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => Some("UTF-16"),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => Some("UTF-16"),
        _ => None,
    }
}

/// Reads one YAML document; `None`: it is empty.
pub(crate) fn read(source: &Arc<Source>) -> Result<Option<Node>, Diagnostic> {
    let text = source.text.as_str();
    if is_blank(text) {
        return Ok(None);
    }
    if let Some(tab) = indenting_tab(text) {
        return Err(Diagnostic::error("TS0005", "a tab is used for indentation")
            .at(Place::new(source, tab..tab + 1), "tab")
            .help("indent with spaces; YAML does not allow tabs"));
    }
    // The deserializer recurses for each level, with large frames in a debug build. It runs on a thread with its own
    // stack, so
    // that the permitted depth does not depend on the caller's thread.
    let read = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("plan file".to_owned()).stack_size(STACK);
        let handle = thread.spawn_scoped(scope, || deserialize(source)).ok()?;
        handle.join().ok()
    });
    read.unwrap_or_else(|| {
        Err(Diagnostic::error("TS0004", "the file could not be read as YAML")
            .at(Place::new(source, 0..0), "the parser failed")
            .help("check indentation, quotes and brackets, one part of the file at a time"))
    })
}

fn deserialize(source: &Arc<Source>) -> Result<Option<Node>, Diagnostic> {
    let text = source.text.as_str();
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_depth: MAX_DEPTH,
            flow_nesting_limit: MAX_DEPTH * 2,
            max_events: 4_000_000,
            max_nodes: 2_000_000,
            max_documents: 2,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_REPEATED,
            max_replay_stack_depth: 16,
        },
        duplicate_keys: DuplicateKeyPolicy::Error,
        merge_keys: MergeKeyPolicy::Error,
        non_finite_float_policy: NonFiniteFloatPolicy::AsString,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        with_snippet: false,
    };
    match serde_saphyr::from_str_with_options::<Spanned<Tree>>(text, options) {
        Ok(tree) => Ok(Some(node(tree, text))),
        Err(error) => Err(explain_error(source, &error)),
    }
}

fn is_blank(text: &str) -> bool {
    text.lines().all(|line| {
        let line = line.trim();
        line.is_empty() || line.starts_with('#') || line == "---" || line == "..."
    })
}

/// A tab in the indentation of a line. Block scalars may contain such lines after their own indentation, so only a tab
/// before
/// a key or an item counts.
fn indenting_tab(text: &str) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let rest = line[indent..].trim_end();
        let leads = rest.starts_with("- ") || rest == "-" || rest.ends_with(':') || rest.contains(": ");
        if let Some(tab) = line[..indent].find('\t')
            && leads
        {
            return Some(at + tab);
        }
        at += line.len();
    }
    None
}

fn explain_error(source: &Arc<Source>, error: &Error) -> Diagnostic {
    let location = error.without_snippet().location().unwrap_or(Location::UNKNOWN);
    explain_error_at(source, error, location)
}

/// The diagnostic for an error at `location`. What an alias repeats was accepted where its anchor is, so an error in it is one
/// of the alias, which the outermost error names.
fn explain_error_at(source: &Arc<Source>, error: &Error, location: Location) -> Diagnostic {
    let error = error.without_snippet();
    let text = source.text.as_str();
    let span = error_span(text, &location);
    let place = Place::new(source, span);
    if let Error::AliasError { error, .. } = error {
        return explain_error_at(source, error, location);
    }
    let limit = |message: &str, label: &str, help: &str| {
        Diagnostic::error("TS0006", message).at(place.clone(), label).help(help)
    };
    match error {
        Error::DuplicateMappingKey { key, .. } => {
            let key = key.as_deref().unwrap_or("this key");
            Diagnostic::error("TS0007", format!("the key `{key}` is written twice"))
                .at(place, "second time")
                .help("keep one of them")
        }
        Error::Budget { breach, .. } => match breach {
            BudgetBreach::Depth { .. } => limit(
                "the file is nested too deeply",
                "deeper than 64 levels",
                "a plan needs fewer than 64 levels",
            ),
            BudgetBreach::Documents { .. } => several_documents(place),
            _ => limit(
                "the file contains too many values",
                "too much up to here",
                "split it into several plans",
            ),
        },
        Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. }
        | Error::AliasReplayCounterOverflow { .. } => limit(
            "the aliases of the file repeat too much",
            "this alias",
            "write the repeated part out, or use inputs and `for_each`",
        ),
        Error::RecursiveReferencesRequireWeakTypes { .. } => {
            limit("an anchor refers to itself", "here", "remove the alias inside its own anchor")
        }
        Error::MultipleDocuments { .. } => several_documents(place),
        Error::UnknownAnchor { .. } => Diagnostic::error("TS0004", "there is no anchor of this name")
            .at(place, "this alias")
            .help("text that begins with `*` must be quoted"),
        Error::MergeKeyNotAllowed { .. } => {
            Diagnostic::error("TS0004", "merge keys (`<<`) are not supported")
                .at(place, "here")
                .help("write the keys out")
        }
        Error::NullIntoString { .. } => key_must_be_text(place),
        Error::Unexpected { expected, .. } if expected.contains("string") => key_must_be_text(place),
        _ => syntax_error(source, error, place),
    }
}

/// The error for a key that is not text; only keys must be text.
fn key_must_be_text(place: Place) -> Diagnostic {
    Diagnostic::error("TS0004", "a key must be text")
        .at(place, "this key")
        .help("write a word, or quote it; `~`, lists and mappings cannot be keys")
}

fn several_documents(place: Place) -> Diagnostic {
    Diagnostic::error("TS0004", "the file contains more than one YAML document")
        .at(place, "another document begins here")
        .help("one file is one plan: remove what follows `---`")
}

fn syntax_error(source: &Arc<Source>, error: &Error, place: Place) -> Diagnostic {
    // `{ id: ${{ … }} }` is valid in many pipeline formats, and the parser's message does not name the cause.
    if let Some(found) = flow::unquoted_reference(&source.text) {
        let reference = &source.text[found.clone()];
        return Diagnostic::error("TS0008", "a reference inside `{ }` or `[ ]` must be quoted")
            .help(format!("write \"{reference}\""))
            .at(Place::new(source, found), "YAML interprets these braces itself");
    }
    let text = error.to_string();
    let lower = text.to_lowercase();
    if lower.contains("recursion") || lower.contains("nesting") || lower.contains("depth") {
        return Diagnostic::error("TS0006", "the file is nested too deeply")
            .at(place, "too deep here")
            .help("a plan needs fewer than 64 levels");
    }
    if source.text[place.span.start..].starts_with('\t') || lower.contains("tab") && lower.contains("indent")
    {
        return Diagnostic::error("TS0005", "a tab is used where YAML requires spaces")
            .at(place, "here")
            .help("use spaces; YAML does not allow tabs");
    }
    // The first line is the message; it is cut before its position, which the diagnostic has itself.
    let sentence = text.lines().next().unwrap_or("cannot be read").trim();
    let sentence = sentence.split(" at line ").next().unwrap_or(sentence).trim_end_matches([':', ',', ' ']);
    let help = if lower.contains("mapping values") || lower.contains("colon") || sentence.contains(": ") {
        "text that contains `: ` or begins with one of `{ [ & * ! | > ' \" % @` must be quoted"
    } else {
        "check indentation, quotes and brackets near this place"
    };
    Diagnostic::error("TS0004", format!("this is not valid YAML: {}", lower_first(sentence)))
        .at(place, "")
        .help(help)
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match chars.next() {
        Some(first) => first.to_lowercase().chain(chars).collect(),
        None => String::new(),
    }
}

/// The bytes of a location; an error of the parser may have only a line and a column.
fn error_span(text: &str, location: &Location) -> Range<usize> {
    if let Some(start) = location.span().byte_offset() {
        let start = usize::try_from(start).unwrap_or(usize::MAX).min(text.len());
        let len = usize::try_from(location.span().byte_len().unwrap_or(0)).unwrap_or(0);
        return start..start.saturating_add(len.max(1)).min(text.len());
    }
    let (line, column) = (location.line(), location.column());
    if line == 0 {
        return 0..0;
    }
    let line = usize::try_from(line - 1).unwrap_or(usize::MAX);
    let column = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut start = 0;
    for (number, content) in text.split_inclusive('\n').enumerate() {
        if number == line {
            let within = content.char_indices().nth(column).map_or(content.trim_end().len(), |(at, _)| at);
            let at = start + within;
            return at..(at + 1).min(text.len());
        }
        start += content.len();
    }
    text.len()..text.len()
}

/// The deserializer's result, which becomes a [`Node`] with positions.
enum Tree {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Spanned<Tree>>),
    Map(Vec<(Spanned<String>, Spanned<Tree>)>),
}

fn node(tree: Spanned<Tree>, text: &str) -> Node {
    let span = span(&tree.referenced, text);
    let value = match tree.value {
        Tree::Null => Value::Null,
        Tree::Bool(truth) => Value::Bool(truth),
        Tree::Number(number) => Value::Number(number),
        Tree::Text(text) => Value::Text(text),
        Tree::List(items) => Value::List(items.into_iter().map(|item| node(item, text)).collect()),
        Tree::Map(entries) => Value::Map(
            entries
                .into_iter()
                .map(|(key, value)| Entry {
                    key_span: self::span(&key.referenced, text),
                    key: key.value,
                    value: node(value, text),
                })
                .collect(),
        ),
    };
    Node { span, value }
}

fn span(location: &Location, text: &str) -> Range<usize> {
    let span = error_span(text, location);
    // The parser's spans of collections and of the last scalar of a line may include trailing blanks; cut those off.
    let held = &text.get(span.clone()).unwrap_or_default();
    span.start..span.start + held.trim_end().len()
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Tree;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a YAML value")
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_none<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
                Tree::deserialize(deserializer)
            }
            fn visit_bool<E>(self, truth: bool) -> Result<Tree, E> {
                Ok(Tree::Bool(truth))
            }
            fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
                Ok(Tree::Number(number.into()))
            }
            fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
                Ok(Tree::Number(number.into()))
            }
            fn visit_i128<E>(self, number: i128) -> Result<Tree, E> {
                Ok(Tree::Text(number.to_string()))
            }
            fn visit_u128<E>(self, number: u128) -> Result<Tree, E> {
                Ok(Tree::Text(number.to_string()))
            }
            fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
                Ok(Number::from_f64(number).map_or_else(|| Tree::Text(number.to_string()), Tree::Number))
            }
            fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
                Ok(Tree::Text(text.to_owned()))
            }
            fn visit_string<E>(self, text: String) -> Result<Tree, E> {
                Ok(Tree::Text(text))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = access.next_element()? {
                    items.push(item);
                }
                Ok(Tree::List(items))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = access.next_entry()? {
                    entries.push(entry);
                }
                Ok(Tree::Map(entries))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Result<Option<Node>, Diagnostic> {
        read(&source("plan.yaml", text.as_bytes())?)
    }

    fn json(text: &str) -> serde_json::Value {
        tree(text).unwrap().unwrap().to_json()
    }

    #[test]
    fn only_plain_numbers_and_booleans_are_no_text() {
        let text = "a: no\nb: on\nc: 012\nd: 1_000\ne: y\nf: 2026-11-23\ng: ~\nh: true\ni: 15\nj: 1:30\nk: .inf\nl: \"1\"\n";
        assert_eq!(
            json(text),
            serde_json::json!({
                "a": "no", "b": "on", "c": "012", "d": "1_000", "e": "y", "f": "2026-11-23", "g": null, "h": true,
                "i": 15, "j": "1:30", "k": ".inf", "l": "1",
            })
        );
    }

    #[test]
    fn places_are_those_of_the_text() {
        let text = "a: {b: 'x y', c: [1, \"é\"]} # z\ndé: plain text\ne: |\n  p\n  q\n";
        let Value::Map(entries) = tree(text).unwrap().unwrap().value else { panic!("no mapping") };
        let cut = |span: &Range<usize>| &text[span.clone()];
        assert_eq!(cut(&entries[1].key_span), "dé");
        assert_eq!(cut(&entries[1].value.span), "plain text");
        let Value::Map(inner) = &entries[0].value.value else { panic!("no mapping") };
        assert_eq!(cut(&inner[0].value.span), "'x y'");
        let Value::List(items) = &inner[1].value.value else { panic!("no list") };
        assert_eq!(cut(&items[1].span), "\"é\"");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_text() {
        assert_eq!(json("\u{feff}a: b\n"), serde_json::json!({ "a": "b" }));
    }

    #[test]
    fn a_tab_inside_text_is_no_mistake() {
        assert_eq!(
            json("a: |\n  x\n  \ty\nb: \"c\td\"\n"),
            serde_json::json!({ "a": "x\n\ty\n", "b": "c\td" })
        );
    }
}
