//! Diagnostics as text for people. Only this module uses `annotate-snippets`.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Padding, Renderer, Snippet};
use twinspan_encode::terminal;

use crate::diagnostic::{Diagnostic, Diagnostics, Label, Place, Severity};

/// Maximum length of a line that is drawn; for longer lines only line and column are given.
const LONGEST_LINE: usize = 4096;

impl Diagnostics {
    /// The diagnostics as text in the style of a compiler; `colour` adds ANSI codes.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let renderer = renderer.decor_style(DecorStyle::Ascii);
        let mut text = String::new();
        let (shown, left) = self.shown();
        for diagnostic in shown {
            let groups = groups(diagnostic);
            text.push_str(&renderer.render(&groups));
            text.push_str("\n\n");
        }
        for (code, count) in left {
            text.push_str(&format!("… and {count} more of {code}\n\n"));
        }
        text
    }
}

fn groups(diagnostic: &Diagnostic) -> Vec<Group<'_>> {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(diagnostic.message.as_str()).id(diagnostic.code);
    let mut group = match &diagnostic.primary {
        None => title.element(Padding),
        Some(primary) => {
            let mut group = Group::with_title(title);
            group = draw(group, primary, AnnotationKind::Primary, &diagnostic.secondary);
            for other in &diagnostic.secondary {
                if other.place.source != primary.place.source || too_long(&other.place) {
                    group = draw(group, other, AnnotationKind::Context, &[]);
                }
            }
            group
        }
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    if let Some(suggestion) = &diagnostic.suggestion {
        group = group.element(Level::HELP.message(format!("did you mean `{suggestion}`?")));
    }
    vec![group]
}

/// Draws `label` and those of `others` in the same text. Only the lines around the labels are passed on, because a file may
/// have ten megabytes.
fn draw<'a>(mut group: Group<'a>, label: &'a Label, kind: AnnotationKind, others: &'a [Label]) -> Group<'a> {
    let source = &label.place.source;
    if too_long(&label.place) {
        let (line, column) = label.place.line_column();
        let place = format!("{}:{line}:{column}", terminal::line(&source.name));
        let text = if label.text.is_empty() { place } else { format!("{place}: {}", label.text) };
        return group.element(Level::NOTE.message(text));
    }
    let same: Vec<&Label> =
        others.iter().filter(|o| o.place.source == *source && !too_long(&o.place)).collect();
    let first =
        same.iter().map(|o| o.place.span.start).min().unwrap_or(usize::MAX).min(label.place.span.start);
    let last = same.iter().map(|o| o.place.span.end).max().unwrap_or(0).max(label.place.span.end);
    let text = source.text.as_str();
    let start = text[..first].rfind('\n').map_or(0, |at| at + 1);
    let end = text[last..].find('\n').map_or(text.len(), |at| last + at);
    let line_start = text[..start].bytes().filter(|byte| *byte == b'\n').count() + 1;
    let span = |place: &Place| (place.span.start - start)..(place.span.end - start);
    let annotation = |kind: AnnotationKind, label: &'a Label| {
        let annotation = kind.span(span(&label.place));
        if label.text.is_empty() { annotation } else { annotation.label(label.text.as_str()) }
    };
    let mut snippet = Snippet::source(&text[start..end])
        .path(terminal::line(&source.name).into_owned())
        .line_start(line_start)
        .annotation(annotation(kind, label));
    for other in same {
        snippet = snippet.annotation(annotation(AnnotationKind::Context, other));
    }
    group = group.element(snippet);
    group
}

fn too_long(place: &Place) -> bool {
    let text = place.source.text.as_str();
    let start = text[..place.span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[place.span.start..].find('\n').map_or(text.len(), |at| place.span.start + at);
    end - start > LONGEST_LINE || place.span.end > end + LONGEST_LINE
}
