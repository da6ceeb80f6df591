//! The hand-over page as text, for the operator's screen: the only view that may show a sensitive link.

use twinspan_engine::{Act, Request, Variable};

use super::page::{HandOverView, Page, TaskView};
use super::words::{self, readable};
use crate::report::view;
use crate::text::{DIM, STRONG, Text, Width};

/// Column at which the text of a labelled line begins.
const INDENT: usize = 13;

/// The whole page for a terminal.
pub(crate) fn text(view: &HandOverView, width: Width) -> Text {
    let mut text = view::Page::new(width);
    text.line(11, &format!("{STRONG}hand-over{STRONG:#}  {} (run {})", view.summary, view.short));
    if let Some(document) = &view.document {
        text.whole(&format!("{DIM}{document}{DIM:#}"));
    }
    if view.is_empty() {
        text.gap();
        text.line(0, &format!("There is nothing left to do for {}.", view.identity));
    }
    for page in &view.pages {
        one(&mut text, view, page);
    }
    text.into_text()
}

fn one(text: &mut view::Page, view: &HandOverView, page: &Page) {
    text.gap();
    text.line(0, &format!("{STRONG}For {}{STRONG:#}", page.place(&view.identity)));
    if let Some(about) = &view.about {
        text.line(0, about);
    }
    let variables = page.variables();
    for (position, task) in page.tasks.iter().enumerate() {
        text.gap();
        text.line(3, &format!("{STRONG}{}. {}{STRONG:#}  ({})", position + 1, task.why, task.step));
        section(text, task, &variables);
    }
    for later in &page.not_yet {
        text.gap();
        text.line(3, &format!("{STRONG}later: {}{STRONG:#}  ({})", later.why, later.step));
        labelled(text, "because", &later.until);
    }
    if !page.looks.is_empty() {
        text.gap();
        text.line(0, "twinspan itself checks, as soon as it can sign in:");
        for look in &page.looks {
            text.line(3, &format!("   {}  ({})", look.why, look.step));
        }
    }
    if page.tasks.is_empty() {
        return;
    }
    let (run, identity) = (&view.short, &view.identity);
    text.gap();
    text.whole(&format!("{:12} {}", "as a script", words::command(run, identity, "az")));
    text.whole(&format!("{:12} {}", "", words::command(run, identity, "powershell")));
    text.whole(&format!("{:12} {}", "as a page", words::command(run, identity, "html")));
    let then =
        format!("nothing: twinspan checks it and continues by itself, or with `twinspan resume {run}`");
    text.line(INDENT, &format!("{:12} {then}", "then"));
}

fn labelled(text: &mut view::Page, label: &str, what: &str) {
    text.line(INDENT, &format!("   {label:9} {what}"));
}

fn section(text: &mut view::Page, task: &TaskView, variables: &[Variable]) {
    let mut line = |label: &str, what: &str| labelled(text, label, &readable(what, variables));
    line("do", &task.task.what);
    if !task.after.is_empty() {
        line("after", &task.after.join(", "));
    }
    for act in &task.task.acts {
        match act {
            Act::Create(make) => {
                line("sends", &request(&make.write));
                if let Some(body) = &make.write.body {
                    line("", &words::body(body));
                }
                if let Some(tenant) = &make.write.auxiliary {
                    line("", &format!("with a token of tenant {tenant} in x-ms-authorization-auxiliary"));
                }
                if let Some((_, to)) = &make.pass_on {
                    line("pass on", &format!("the link in the response, to {to}"));
                }
            }
            Act::Remove(removal) => line("sends", &request(&removal.request)),
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
    line("proof", &task.proof);
    line("undo", &task.task.back.words);
    if let Some(back) = &task.task.back.request {
        line("", &request(back));
    }
}

/// `PUT /subscriptions/…  (Azure Resource Manager)`
pub(super) fn request(request: &Request) -> String {
    format!("{} {}  ({})", request.verb, words::target(request), words::service(request))
}
