//! The hand-over page as HTML: one file without external content and scripts, to print or mail.

use std::fmt::Write as _;

use twinspan_encode::html;
use twinspan_engine::{Act, Variable};

use super::page::{HandOverView, Page, TaskView};
use super::remark::one_line;
use super::text::request;
use super::words::{self, readable};

const STYLE: &str = "\
body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1a1a1a;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.2rem;margin-top:2.5rem;border-top:2px solid #1a1a1a;padding-top:.5rem}
h3{font-size:1.05rem;margin-top:1.8rem}
dl{display:grid;grid-template-columns:8rem 1fr;gap:.3rem 1rem;margin:0}dt{color:#555}dd{margin:0}
code,pre{font:14px/1.4 ui-monospace,monospace;overflow-wrap:anywhere;white-space:pre-wrap}
pre{background:#f4f4f4;padding:.6rem;margin:.3rem 0}
section{break-inside:avoid}
@media print{body{margin:0;max-width:none;font-size:12px}pre{border:1px solid #ccc;background:none}}
";

/// The whole page.
pub(crate) fn page(view: &HandOverView) -> String {
    let title = format!("What {} has to do: {}", view.identity, view.summary);
    let mut text = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n<style>\n{STYLE}</style>\n\
         </head>\n<body>\n<h1>{title}</h1>\n",
        title = escaped(&title)
    );
    let _ = writeln!(
        text,
        "<p>Plan <code>{}</code>, run <code>{}</code>. You need not install anything. The run waits; twinspan checks \
         what is done here, and continues the run by itself.</p>",
        escaped(&view.plan),
        escaped(&view.short)
    );
    if let Some(document) = &view.document {
        // The plan's author wrote it, so it becomes a link only if it is a valid one.
        let words = escaped(document);
        let _ = match html::link(document) {
            Some(link) => writeln!(text, "<p>It follows <a href=\"{link}\">{words}</a>.</p>"),
            None => writeln!(text, "<p>It follows {words}.</p>"),
        };
    }
    if view.is_empty() {
        text.push_str("<p>There is nothing left to do.</p>\n");
    }
    for page in &view.pages {
        one(&mut text, view, page);
    }
    text.push_str("</body>\n</html>\n");
    text
}

fn one(text: &mut String, view: &HandOverView, page: &Page) {
    let _ = writeln!(text, "<h2>For {}</h2>", escaped(&page.place(&view.identity)));
    if let Some(about) = &view.about {
        let _ = writeln!(text, "<p>{}</p>", escaped(about));
    }
    let variables = page.variables();
    for (position, task) in page.tasks.iter().enumerate() {
        let _ = writeln!(text, "<section>\n<h3>{}. {}</h3>\n<dl>", position + 1, escaped(&task.why));
        section(text, task, &variables);
        text.push_str("</dl>\n</section>\n");
    }
    if !page.not_yet.is_empty() {
        text.push_str("<h3>Later</h3>\n<ul>\n");
        for later in &page.not_yet {
            let _ = writeln!(text, "<li>{}: {}</li>", escaped(&later.why), escaped(&later.until));
        }
        text.push_str("</ul>\n");
    }
    if !page.tasks.is_empty() {
        let _ = writeln!(
            text,
            "<p>The same as a script, which may be run any number of times: <code>{}</code> (Azure CLI) or \
             <code>{}</code>.</p>",
            escaped(&words::command(&view.short, &view.identity, "az")),
            escaped(&words::command(&view.short, &view.identity, "powershell"))
        );
    }
}

fn section(text: &mut String, task: &TaskView, variables: &[Variable]) {
    let shown = |text: &str| escaped(&readable(text, variables));
    let mut row = |name: &str, cell: String| {
        let _ = writeln!(text, "<dt>{name}</dt><dd>{cell}</dd>");
    };
    row("What", shown(&task.task.what));
    if !task.after.is_empty() {
        row("After", shown(&task.after.join(", ")));
    }
    if let Some(by_hand) = &task.task.by_hand {
        row("By hand", shown(by_hand));
    }
    for act in &task.task.acts {
        match act {
            Act::Create(make) => {
                let mut sent = shown(&request(&make.write));
                if let Some(tenant) = &make.write.auxiliary {
                    let _ =
                        write!(sent, "\nx-ms-authorization-auxiliary: a token of tenant {}", escaped(tenant));
                }
                if let Some(body) = &make.write.body {
                    let body = serde_json::to_string_pretty(body).unwrap_or_else(|_| words::body(body));
                    let _ = write!(sent, "\n{}", html::text(&readable(&body, variables)));
                }
                row("As a request", format!("<pre>{sent}</pre>"));
                if let Some((_, to)) = &make.pass_on {
                    row("Pass on", format!("the link in the response, to {}", escaped(to)));
                }
            }
            Act::Remove(removal) => {
                row("As a request", format!("<pre>{}</pre>", shown(&request(&removal.request))));
            }
            Act::Command(command) => row("With", format!("<code>{}</code>", shown(command))),
            Act::Require { missing, .. } => row("Only if", format!("not: {}", shown(missing))),
            Act::Person { .. } | Act::Learn { .. } | Act::Name { .. } => {}
        }
    }
    row(
        "Least privilege",
        task.task.privilege.iter().map(|line| shown(line)).collect::<Vec<_>>().join("<br>"),
    );
    row("Proof", shown(&task.proof));
    let request = task.task.back.request.as_ref().map(|back| format!("<pre>{}</pre>", shown(&request(back))));
    row("Undo", format!("{}{}", shown(&task.task.back.words), request.unwrap_or_default()));
}

/// Text from outside, escaped and on one line.
fn escaped(text: &str) -> String {
    html::text(&one_line(text))
}
