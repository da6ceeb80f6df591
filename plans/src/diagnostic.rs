//! Diagnostics: what is wrong with a text, where, and what to do.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};

/// Maximum number of diagnostics shown for one code; the others are counted.
const MOST_OF_A_KIND: usize = 20;

/// A text of a person: a plan, an inputs file, one `--input`.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// Name shown in messages, usually the path as given.
    pub name: String,
    /// The text.
    pub text: String,
}

/// A range in a [`Source`].
#[derive(Clone, PartialEq, Eq)]
pub struct Place {
    /// The text.
    pub source: Arc<Source>,
    /// The range in bytes.
    pub span: Range<usize>,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (line, column) = self.line_column();
        write!(f, "{}:{line}:{column}", self.source.name)
    }
}

impl Place {
    /// A place; the span is limited to the text and to whole characters.
    pub fn new(source: &Arc<Source>, span: Range<usize>) -> Self {
        let text = &source.text;
        let floor = |mut at: usize| {
            at = at.min(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            at
        };
        let start = floor(span.start);
        let end = floor(span.end).max(start);
        Place { source: Arc::clone(source), span: start..end }
    }

    /// The place in a copy of the text in which the range is masked, because a secret must not be shown.
    pub(crate) fn hidden(source: &Arc<Source>, span: Range<usize>) -> Self {
        let Place { span, .. } = Place::new(source, span);
        let stars: String = source.text[span.clone()]
            .chars()
            .flat_map(|c| {
                // One byte for each byte, so that all places stay valid.
                let star = if c == '\n' { '\n' } else { '*' };
                std::iter::repeat_n(star, c.len_utf8())
            })
            .collect();
        let mut text = source.text.clone();
        text.replace_range(span.clone(), &stars);
        Place { source: Arc::new(Source { name: source.name.clone(), text }), span }
    }

    /// Line and column of the start, both from 1; the column counts characters.
    pub fn line_column(&self) -> (usize, usize) {
        let before = &self.source.text[..self.span.start];
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or(before).chars().count() + 1;
        (line, column)
    }
}

/// The severity of a diagnostic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The plan cannot be used.
    Error,
    /// The plan can be used.
    Warning,
}

/// A place with a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub place: Place,
    /// The text.
    pub text: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, for example `TS0107`; [`crate::explain`] explains it.
    pub code: &'static str,
    /// The severity.
    pub severity: Severity,
    /// What is wrong, as a lowercase fragment.
    pub message: String,
    /// The place; `None` if there is no text, or if nothing was given.
    pub primary: Option<Label>,
    /// Related places.
    pub secondary: Vec<Label>,
    /// What to do next.
    pub help: Option<String>,
    /// What was probably meant.
    pub suggestion: Option<String>,
    /// A domain given in place of a tenant id; a caller with network access can look the id up.
    pub domain: Option<Box<str>>,
}

impl Diagnostic {
    pub(crate) fn error(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic {
            code,
            severity: Severity::Error,
            message: message.into(),
            primary: None,
            secondary: Vec::new(),
            help: None,
            suggestion: None,
            domain: None,
        }
    }

    pub(crate) fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Diagnostic { severity: Severity::Warning, ..Diagnostic::error(code, message) }
    }

    pub(crate) fn at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.primary = Some(Label { place, text: label.into() });
        self
    }

    pub(crate) fn and_at(mut self, place: Place, label: impl Into<String>) -> Self {
        self.secondary.push(Label { place, text: label.into() });
        self
    }

    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Suggests the nearest of `known`, if it is near enough.
    pub(crate) fn did_you_mean<'a>(mut self, word: &str, known: impl IntoIterator<Item = &'a str>) -> Self {
        self.suggestion = nearest(word, known).map(str::to_owned);
        self
    }

    /// The diagnostic as JSON: `code`, `severity`, `message`, `file`, `line`, `column`, `end_line`, `end_column`,
    /// `label`,
    /// `related`, `help`, `did_you_mean`.
    pub fn to_json(&self) -> Value {
        let mut json = json!({
            "code": self.code,
            "severity": match self.severity { Severity::Error => "error", Severity::Warning => "warning" },
            "message": self.message,
        });
        if let Some(label) = &self.primary {
            label_json(&mut json, label);
        }
        if !self.secondary.is_empty() {
            let related = self.secondary.iter().map(|label| {
                let mut json = json!({});
                label_json(&mut json, label);
                json
            });
            json["related"] = related.collect();
        }
        if let Some(help) = &self.help {
            json["help"] = help.as_str().into();
        }
        if let Some(suggestion) = &self.suggestion {
            json["did_you_mean"] = suggestion.as_str().into();
        }
        json
    }
}

fn label_json(json: &mut Value, label: &Label) {
    let (line, column) = label.place.line_column();
    let end =
        Place { source: Arc::clone(&label.place.source), span: label.place.span.end..label.place.span.end };
    let (end_line, end_column) = end.line_column();
    json["file"] = label.place.source.name.as_str().into();
    json["line"] = line.into();
    json["column"] = column.into();
    json["end_line"] = end_line.into();
    json["end_column"] = end_column.into();
    json["label"] = label.text.as_str().into();
}

/// The word of `known` that `word` was probably meant to be, by edit distance.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = match word.chars().count() {
        0..=2 => 1,
        3..=5 => 2,
        _ => 3,
    };
    let squash = |text: &str| text.to_lowercase().replace(['_', '-', '.'], "");
    let squashed = squash(word);
    known
        .into_iter()
        .filter(|candidate| *candidate != word)
        .map(|candidate| {
            let distance = strsim::damerau_levenshtein(&squashed, &squash(candidate));
            (distance, strsim::damerau_levenshtein(word, candidate), candidate)
        })
        .filter(|(distance, ..)| *distance <= limit && *distance < squashed.chars().count().max(1))
        .min()
        .map(|(.., candidate)| candidate)
}

/// Diagnostics, sorted by place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnostics(pub Vec<Diagnostic>);

impl Diagnostics {
    pub(crate) fn push(&mut self, diagnostic: Diagnostic) {
        self.0.push(diagnostic);
    }

    /// Iterates over the diagnostics.
    pub fn iter(&self) -> std::slice::Iter<'_, Diagnostic> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.first_error().is_some()
    }

    /// The first error in the order of the places; the warnings before it do not make the plan unusable.
    pub fn first_error(&self) -> Option<&Diagnostic> {
        self.0.iter().find(|diagnostic| diagnostic.severity == Severity::Error)
    }

    /// The diagnostics as JSON, limited like the text; see [`Diagnostic::to_json`]. `more` counts the omitted ones.
    pub fn to_json(&self) -> Value {
        let (shown, left) = self.shown();
        let more = left.iter().map(|(code, count)| {
            json!({ "code": code, "severity": "error", "message": format!("{count} more of this kind"), "more": count })
        });
        shown.into_iter().map(Diagnostic::to_json).chain(more).collect()
    }

    /// The first diagnostics of each code, in order; and the number of omitted ones for each code.
    pub(crate) fn shown(&self) -> (Vec<&Diagnostic>, BTreeMap<&'static str, usize>) {
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        let shown = self.0.iter().filter(|diagnostic| {
            let count = counts.entry(diagnostic.code).or_default();
            *count += 1;
            *count <= MOST_OF_A_KIND
        });
        let shown = shown.collect();
        counts.retain(|_, count| {
            *count = count.saturating_sub(MOST_OF_A_KIND);
            *count > 0
        });
        (shown, counts)
    }

    /// Sorts by place, diagnostics without one first, and removes duplicates.
    pub(crate) fn sorted(mut self) -> Self {
        fn rank(diagnostic: &Diagnostic) -> Option<(&str, usize, usize)> {
            let place = &diagnostic.primary.as_ref()?.place;
            Some((place.source.name.as_str(), place.span.start, place.span.end))
        }
        self.0.sort_by(|a, b| rank(a).cmp(&rank(b)));
        self.0.dedup();
        self
    }
}

impl From<Diagnostic> for Diagnostics {
    fn from(diagnostic: Diagnostic) -> Self {
        Diagnostics(vec![diagnostic])
    }
}

impl IntoIterator for Diagnostics {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Diagnostics {
    type Item = &'a Diagnostic;
    type IntoIter = std::slice::Iter<'a, Diagnostic>;
    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, diagnostic) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("; ")?;
            }
            if let Some(label) = &diagnostic.primary {
                write!(f, "{:?}: ", label.place)?;
            }
            write!(f, "{} ({})", diagnostic.message, diagnostic.code)?;
        }
        Ok(())
    }
}

impl std::error::Error for Diagnostics {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_kind_twenty_are_shown_and_the_rest_is_counted() {
        let one = |code, number: usize| Diagnostic::error(code, format!("wrong {number}"));
        let all =
            Diagnostics((0..1_000).map(|number| one("TS0403", number)).chain([one("TS0407", 1)]).collect());
        let text = all.render(false);
        assert_eq!(text.matches("error[").count(), 21);
        assert!(text.contains("wrong 19") && !text.contains("wrong 20\n"), "{text}");
        assert!(text.ends_with("… and 980 more of TS0403\n\n"), "{text}");
        let json = all.to_json();
        assert_eq!(json.as_array().unwrap().len(), 22);
        assert_eq!(json[21]["more"], 980);
        assert_eq!(json[21]["code"], "TS0403");
    }
}
