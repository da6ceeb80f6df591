//! Shared by the views: requests on one line, values that are not known yet, percent-encoding.

use serde_json::Value;
use twinspan_engine::{Request, Variable};
use twinspan_steps::GRAPH;

use crate::cli::suggest;

/// `text` with the result of `put` in place of each value that is not known yet.
pub(super) fn filled(text: &str, variables: &[Variable], put: impl Fn(&Variable) -> String) -> String {
    let mut text = text.to_owned();
    for variable in variables {
        if text.contains(&variable.stand_in) {
            text = text.replace(&variable.stand_in, &put(variable));
        }
    }
    text
}

/// `text` for people, with words for values that are not known yet: `<object id of the guest>`.
pub(super) fn readable(text: &str, variables: &[Variable]) -> String {
    filled(text, variables, |variable| format!("<{}>", variable.words))
}

/// The product name of the service.
pub(super) fn service(request: &Request) -> &'static str {
    if request.service == GRAPH { "Microsoft Graph" } else { "Azure Resource Manager" }
}

/// Path and query as they are sent.
pub(super) fn target(request: &Request) -> String {
    let mut text = encoded(&request.path, "-_.~/:@!$&'()*+,;=%");
    for (position, (name, value)) in request.query.iter().enumerate() {
        text.push(if position == 0 { '?' } else { '&' });
        text.push_str(name);
        text.push('=');
        text.push_str(&encoded(value, "-_.~/:,@()"));
    }
    text
}

/// Percent-encodes a part of an address; letters, digits and the characters in `plain` are kept.
fn encoded(text: &str, plain: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || plain.as_bytes().contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A body on one line.
pub(super) fn body(body: &Value) -> String {
    body.to_string()
}

/// Conditions of a task: the steps before it, and the privileges that it needs.
pub(super) fn before(task: &super::page::TaskView) -> Vec<String> {
    let after = (!task.after.is_empty()).then(|| format!("comes after {}", task.after.join(", ")));
    let needs = task.task.privilege.iter().enumerate();
    let needs = needs.map(|(position, privilege)| match position {
        0 => format!("needs {privilege}"),
        _ => format!("      {privilege}"),
    });
    after.into_iter().chain(needs).collect()
}

/// The command that writes the script of `format`.
pub(super) fn command(run: &str, identity: &str, format: &str) -> String {
    suggest::command(&["hand-over", run, "--as", identity, "--format", format])
}

/// Lines that name the steps which a script does not contain, and why.
pub(super) fn left_out(page: &super::page::Page) -> Vec<String> {
    let later = page.not_yet.iter().map(|later| {
        format!(
            "Not in here: {} ({}): {}. Create the hand-over again after that.",
            later.step, later.why, later.until
        )
    });
    let by_person = page.tasks.iter().filter_map(|task| {
        use twinspan_engine::Act;
        let what = task.task.acts.iter().find_map(|act| match act {
            Act::Person { .. } => Some("only a person can do it".to_owned()),
            Act::Command(command) => Some(format!("the operator of the plan records it: {command}")),
            Act::Learn { .. } | Act::Require { .. } | Act::Name { .. } | Act::Create(_) | Act::Remove(_) => {
                None
            }
        })?;
        Some(format!("Not in here: {} ({}): {what}.", task.step, task.task.what))
    });
    later.chain(by_person).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_encoded_and_the_rest_stays_readable() {
        let request = Request {
            path: "/v1.0/users".to_owned(),
            query: vec![
                ("$filter", "mail eq 'o''neill+x@contoso.example'".to_owned()),
                ("$select", "id".to_owned()),
            ],
            ..Request::default()
        };
        let wanted = "/v1.0/users?$filter=mail%20eq%20%27o%27%27neill%2Bx@contoso.example%27&$select=id";
        assert_eq!(target(&request), wanted);
    }
}
