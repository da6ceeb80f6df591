//! Markdown: the summary that a pipeline shows beside its log.

use std::fmt::Write as _;

use twinspan_encode::characters::is_active;

use crate::report::view::{RunView, StepView};

/// The summary of these runs.
pub(super) fn text(views: &[RunView]) -> String {
    let mut text = String::new();
    for view in views {
        run(&mut text, view);
    }
    text
}

fn run(text: &mut String, view: &RunView) {
    let _ = writeln!(text, "## {}: {}\n", plain(&view.name), plain(&view.status.words));
    let _ = writeln!(text, "Run `{}`, started {} by {}.", view.run, view.started, plain(&view.starter));
    if !view.key.is_empty() {
        let labels: String =
            view.labels.iter().map(|(name, value)| format!(", {} = {}", plain(name), plain(value))).collect();
        let _ = writeln!(text, "Key {}{labels}.", plain(&view.key));
    }
    let applicable = view.counts.steps - view.counts.condition_false;
    let _ = writeln!(text, "\n{} of {applicable} steps are done.\n", view.counts.done);
    text.push_str("| step | state | what |\n|---|---|---|\n");
    for step in &view.steps {
        let _ = writeln!(
            text,
            "| {} | {} | {} |",
            plain(&step.step),
            plain(step.state_words()),
            plain(&what(step))
        );
    }
    for waiting in &view.waiting {
        let who = waiting.wait.who.as_deref().map(|who| format!("{who}: ")).unwrap_or_default();
        let _ = writeln!(
            text,
            "\n**Waiting** {}: {}",
            plain(&waiting.step),
            plain(&format!("{who}{}", waiting.wait.what))
        );
        if let Some(action) = &waiting.wait.action {
            let _ = writeln!(text, "\n{}", code(action));
        }
    }
    if !view.next.is_empty() {
        text.push_str("\nNext:\n\n");
        for next in &view.next {
            let _ = writeln!(text, "{}", code(next));
        }
    }
    text.push('\n');
}

/// The description of a step besides its state.
fn what(step: &StepView) -> String {
    if let Some(decision) = &step.decision {
        return decision.what.clone();
    }
    if let Some(error) = step.error.as_ref().filter(|_| !step.is_done()) {
        return error.to_string();
    }
    if let Some(created_by) = &step.created_by {
        return format!("created by run {created_by}");
    }
    step.reason.clone().or_else(|| step.title.clone()).unwrap_or_default()
}

/// Escapes text for Markdown: it contains no markup, link or new row.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '\n' | '\r' | '\t' => out.push(' '),
            letter if is_active(letter) => {
                let _ = write!(out, "\\\\u{{{:x}}}", u32::from(letter));
            }
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            letter if letter.is_ascii_punctuation() && !"/.,;:-'()=%".contains(letter) => {
                out.push('\\');
                out.push(letter);
            }
            letter => out.push(letter),
        }
    }
    out
}

/// A command, indented as code.
fn code(text: &str) -> String {
    let letters = text.chars().map(|letter| match letter {
        letter if is_active(letter) => ' ',
        letter => letter,
    });
    format!("    {}", letters.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_text_is_markup() {
        assert_eq!(plain("members[a]"), "members\\[a\\]");
        assert_eq!(plain("a | b\n# c"), "a \\| b \\# c");
        assert_eq!(plain("<img src=x> `id` \u{1b}[2J"), "&lt;img src=x&gt; \\`id\\` \\\\u{1b}\\[2J");
        let active: String = ('\0'..=char::MAX).filter(|letter| is_active(*letter)).collect();
        assert!(!plain(&active).contains(is_active) && !code(&active).contains(is_active));
        assert_eq!(plain("a\u{2028}b\u{2029}"), "a\\\\u{2028}b\\\\u{2029}");
        assert_eq!(code("twinspan x\n# y\u{202e}"), "    twinspan x # y ");
    }
}
