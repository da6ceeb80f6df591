//! The page as text, for the operator's screen: the only view that may show a link which is sensitive.

use std::fmt::Write as _;

use twinspan_engine::{Act, Request, Variable};

use super::page::{HandOverView, Page, TaskView};
use super::words::{self, readable};
use crate::ui::{DIM, STRONG};

/// Everything, for a terminal.
pub(crate) fn text(view: &HandOverView) -> String {
    let mut text = format!("{STRONG}hand-over{STRONG:#}  {} (run {})\n", view.summary, view.short);
    if let Some(document) = &view.document {
        let _ = writeln!(text, "{DIM}{document}{DIM:#}");
    }
    if view.is_empty() {
        let _ = writeln!(text, "\nThere is nothing left to do for {}.", view.identity);
    }
    for page in &view.pages {
        one(&mut text, view, page);
    }
    text
}

fn one(text: &mut String, view: &HandOverView, page: &Page) {
    let _ = writeln!(text, "\n{STRONG}For {}{STRONG:#}", page.place(&view.identity));
    if let Some(about) = &view.about {
        let _ = writeln!(text, "{about}");
    }
    let variables = page.variables();
    for (position, task) in page.tasks.iter().enumerate() {
        let _ = writeln!(text, "\n{STRONG}{}. {}{STRONG:#}  ({})", position + 1, task.why, task.step);
        section(text, task, &variables);
    }
    for later in &page.not_yet {
        let _ = writeln!(text, "\n{STRONG}later: {}{STRONG:#}  ({})", later.why, later.step);
        let _ = writeln!(text, "   {:9} {}", "because", later.until);
    }
    if !page.looks.is_empty() {
        let _ = writeln!(text, "\ntwinspan itself looks, as soon as it can sign in:");
        for look in &page.looks {
            let _ = writeln!(text, "   {}  ({})", look.why, look.step);
        }
    }
    if page.tasks.is_empty() {
        return;
    }
    let (run, identity) = (&view.short, &view.identity);
    let _ = writeln!(text, "\n{:12} {}", "as a script", words::command(run, identity, "az"));
    let _ = writeln!(text, "{:12} {}", "", words::command(run, identity, "powershell"));
    let _ = writeln!(text, "{:12} {}", "as a page", words::command(run, identity, "html"));
    let _ = writeln!(
        text,
        "{:12} nothing: the run sees it and goes on by itself, or with `twinspan resume {run}`",
        "then"
    );
}

fn section(text: &mut String, task: &TaskView, variables: &[Variable]) {
    let shown = |text: &str| readable(text, variables);
    let mut line = |label: &str, what: &str| {
        let _ = writeln!(text, "   {label:9} {}", shown(what));
    };
    line("do", &task.task.what);
    if !task.after.is_empty() {
        line("after", &task.after.join(", "));
    }
    for act in &task.task.acts {
        match act {
            Act::Make(make) => {
                line("sends", &request(&make.write));
                if let Some(body) = &make.write.body {
                    line("", &words::body(body));
                }
                if let Some(tenant) = &make.write.auxiliary {
                    line("", &format!("with a token of tenant {tenant} in x-ms-authorization-auxiliary"));
                }
                if let Some((_, to)) = &make.pass_on {
                    line("pass on", &format!("the link in the answer, to {to}"));
                }
            }
            Act::Command(command) => line("with", command),
            Act::Person { link: Some(link) } => line("open", link),
            Act::Require { missing, .. } => line("only if", &format!("not: {missing}")),
            Act::Person { link: None } | Act::Learn { .. } | Act::Name { .. } => {}
        }
    }
    if let Some(by_hand) = &task.task.by_hand {
        line("by hand", by_hand);
    }
    for (position, privilege) in task.task.privilege.iter().enumerate() {
        line(if position == 0 { "needs" } else { "" }, privilege);
    }
    line("seen by", &task.proof);
    line("take back", &task.task.back.words);
    if let Some(back) = &task.task.back.request {
        line("", &request(back));
    }
}

/// `PUT /subscriptions/…  (Azure Resource Manager)`
pub(super) fn request(request: &Request) -> String {
    format!("{} {}  ({})", request.verb, words::target(request), words::service(request))
}
