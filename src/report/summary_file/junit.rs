//! JUnit XML: a suite for each run, a case for each step. Cases are named after steps, so that a pipeline shows the
//! history
//! of each step.

use std::fmt::Write as _;

use twinspan_encode::characters::is_active;

use crate::report::view::{RunView, StepView};

/// The summary of these runs.
pub(super) fn text(views: &[RunView]) -> String {
    let mut text = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n");
    for view in views {
        suite(&mut text, view);
    }
    text.push_str("</testsuites>\n");
    text
}

fn suite(text: &mut String, view: &RunView) {
    let results: Vec<(&StepView, Verdict)> =
        view.steps.iter().map(|step| (step, Verdict::of(step))).collect();
    let count =
        |wanted: &dyn Fn(&Verdict) -> bool| results.iter().filter(|(_, verdict)| wanted(verdict)).count();
    let _ = writeln!(
        text,
        "  <testsuite name=\"{}\" id=\"{}\" timestamp=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\">",
        xml(&view.name),
        view.run,
        view.started,
        results.len(),
        count(&|verdict| matches!(verdict, Verdict::Failed(_))),
        count(&|verdict| matches!(verdict, Verdict::Skipped(_))),
    );
    text.push_str("    <properties>\n");
    let mut property = |name: &str, value: &str| {
        let _ = writeln!(text, "      <property name=\"{}\" value=\"{}\"/>", xml(name), xml(value));
    };
    property("run", &view.run);
    property("status", &view.status.words);
    property("key", &view.key);
    for (name, value) in &view.labels {
        property(&format!("label.{name}"), value);
    }
    text.push_str("    </properties>\n");
    for (step, verdict) in results {
        case(text, view, step, &verdict);
    }
    text.push_str("  </testsuite>\n");
}

fn case(text: &mut String, view: &RunView, step: &StepView, verdict: &Verdict) {
    let open = format!("    <testcase classname=\"{}\" name=\"{}\"", xml(&view.name), xml(&step.step));
    let _ = match verdict {
        Verdict::Done => writeln!(text, "{open}/>"),
        Verdict::Failed(why) => {
            writeln!(text, "{open}><failure message=\"{}\">{}</failure></testcase>", xml(why), xml(why))
        }
        Verdict::Skipped(why) => writeln!(text, "{open}><skipped message=\"{}\"/></testcase>", xml(why)),
    };
}

/// The result of a test case.
enum Verdict {
    Done,
    Failed(String),
    Skipped(String),
}

impl Verdict {
    fn of(step: &StepView) -> Self {
        if step.is_done() || step.state == "undone" {
            return Verdict::Done;
        }
        if let Some(decision) = &step.decision {
            return Verdict::Failed(format!("needs a decision: {}", decision.what));
        }
        match (step.state, &step.error, &step.waiting) {
            ("failed" | "undo-stopped", Some(error), _) => Verdict::Failed(error.to_string()),
            ("failed" | "undo-stopped", None, _) => Verdict::Failed("failed".to_owned()),
            (_, _, Some(waiting)) => Verdict::Skipped(format!("waiting: {}", waiting.wait.what)),
            (state, _, _) => {
                let why = step.reason.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                Verdict::Skipped(format!("{state}{why}"))
            }
        }
    }
}

/// Escapes text for XML. Characters that XML 1.0 forbids or that control a terminal are written as their code point.
fn xml(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            '\n' => out.push_str("&#10;"),
            '\t' => out.push_str("&#9;"),
            letter if is_active(letter) => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(letter));
            }
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{is_active, xml};

    #[test]
    fn nothing_of_a_text_is_markup_or_a_control() {
        let hostile = "</failure><x a='1' b=\"2\">&\u{1b}]52;c;x\u{7}\u{9b}31m\u{202e}\u{0}\u{ffff}\n";
        let active: String = ('\0'..=char::MAX).filter(|letter| is_active(*letter)).collect();
        assert!(!xml(&active).contains(is_active));
        let safe = xml(hostile);
        assert!(safe.chars().all(|letter| !letter.is_control() && letter != '<' && letter != '"'), "{safe}");
        assert!(safe.starts_with("&lt;/failure&gt;&lt;x a=&apos;1&apos;"), "{safe}");
        assert!(
            safe.contains("\\u{1b}]52") && safe.contains("\\u{9b}31m") && safe.contains("\\u{202e}"),
            "{safe}"
        );
    }
}
