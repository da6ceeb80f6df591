//! The hand-over script for POSIX sh and the Azure CLI. It uses only `az rest` and other core commands, no extension.
//! Base
//! addresses come from `az cloud show`, so the script works in every cloud in which the CLI is signed in.

use std::fmt::Write as _;

use twinspan_encode::sh;
use twinspan_engine::{Act, Create, Find, Fits, Removal, Request, Variable};
use twinspan_steps::GRAPH;
use uuid::Uuid;

use super::page::{HandOverView, Page, TaskView};
use super::remark::{comment, one_line};
use super::words::{self, filled, readable};

const HEAD: &str = r#"set -eu

# shown: text from outside, without characters that control a terminal.
hidden=$(printf 's/\302[\200-\237]/?/g;s/\342\200[\213-\217\250-\256]/?/g;s/\342\201[\240-\257]/?/g')
shown() { LC_ALL=C tr -d '\000-\010\013-\037\177' | LC_ALL=C sed "$hidden"; }
say() { printf '%s\n' "$*" | shown >&2; }
problem=$(mktemp)
trap 'rm -f "$problem"' EXIT
trap 'exit 1' HUP INT TERM

# look RESOURCE URL QUERY: stores the query's result in $found; empty if not found. Any other error ends the script.
look() {
  if found=$(az rest --method get --resource "$1" --url "$2" --query "$3" --output tsv 2>"$problem"); then
    if [ "$found" = None ]; then found=; fi
  elif grep -qi -e 'not found' -e 'notfound' "$problem"; then
    found=
  else
    shown <"$problem" >&2
    exit 1
  fi
}

# send METHOD RESOURCE URL BODY QUERY NOT-YET THERE: stores the query's result in $found. An error that matches
# NOT-YET is retried for ten minutes; an error that matches THERE counts as success.
send() {
  tries=0
  until found=$(az rest --method "$1" --resource "$2" --url "$3" ${4:+--body "$4"} \
    ${auxiliary:+--headers "$auxiliary"} --query "$5" --output tsv 2>"$problem"); do
    if [ -n "$7" ] && grep -qE "$7" "$problem"; then
      found=
      return 0
    fi
    if [ -z "$6" ] || [ "$tries" -ge 60 ] || ! grep -qE "$6" "$problem"; then
      shown <"$problem" >&2
      exit 1
    fi
    tries=$((tries + 1))
    say '  not yet; again in 10 seconds'
    sleep 10
  done
}

line() { printf '%s\n' "$found" | sed -n "$1p"; }

# word TEXT: quotes a shell word. back RESOURCE URL: prints the command that deletes the resource.
word() { printf "'%s'" "$(printf '%s' "$1" | sed "s/'/'\\\\''/g")"; }
back() { printf 'az rest --method delete --resource %s --url %s\n' "$(word "$1")" "$(word "$2")" | shown; }
"#;

const UUID5: &str = r#"
sha1() {
  if command -v sha1sum >/dev/null; then sha1sum; elif command -v shasum >/dev/null; then shasum; else openssl dgst -sha1 -r; fi
}

# uuid5 NAMESPACE TEXT: the UUID (version 5) of TEXT; NAMESPACE as octal escapes.
uuid5() {
  digest=$({ printf "$1"; printf '%s' "$2"; } | sha1 | cut -c1-32)
  variant=$(printf '%x' "$((0x$(printf '%s' "$digest" | cut -c17) & 3 | 8))")
  printf '%s-%s-5%s-%s%s-%s\n' "$(printf '%s' "$digest" | cut -c1-8)" "$(printf '%s' "$digest" | cut -c9-12)" \
    "$(printf '%s' "$digest" | cut -c14-16)" "$variant" "$(printf '%s' "$digest" | cut -c18-20)" \
    "$(printf '%s' "$digest" | cut -c21-32)"
}
"#;

const BASES: &str = r#"
arm=$(az cloud show --query endpoints.resourceManager --output tsv)
arm=${arm%/}
graph=$(az cloud show --query endpoints.microsoftGraphResourceId --output tsv)
graph=${graph%/}
auxiliary=
"#;

/// The whole script.
pub(crate) fn script(view: &HandOverView) -> String {
    let mut text = String::from("#!/bin/sh\n");
    let mut say = |line: &str| comment(&mut text, line);
    say(&view.summary);
    if let Some(document) = &view.document {
        say(document);
    }
    say(&format!(
        "What {} has to do, in run {} of plan {}, written by twinspan {}.",
        view.identity,
        view.short,
        view.plan,
        env!("CARGO_PKG_VERSION")
    ));
    say("It may be run any number of times: existing resources are not changed. It contains no secret.");
    say("Needed: the Azure CLI (https://aka.ms/azure-cli), signed in to the tenant that the script names.");
    text.push_str(HEAD);
    if view.pages.iter().any(names_something) {
        text.push_str(UUID5);
    }
    text.push_str(BASES);
    if view.is_empty() {
        text.push_str("\nsay 'There is nothing left to do.'\n");
    }
    for page in &view.pages {
        section(&mut text, view, page);
    }
    text
}

fn names_something(page: &Page) -> bool {
    page.tasks.iter().flat_map(|task| &task.task.acts).any(|act| matches!(act, Act::Name { .. }))
}

fn section(text: &mut String, view: &HandOverView, page: &Page) {
    let variables = page.variables();
    text.push('\n');
    comment(text, &format!("---- {} ----", page.place(&view.identity)));
    for line in words::left_out(page) {
        comment(text, &line);
    }
    let tasks: Vec<&TaskView> = page.tasks.iter().filter(|task| task.is_scripted()).collect();
    if tasks.is_empty() {
        return;
    }
    if let Some(tenant) = &page.tenant {
        let sign_in = format!("az login --tenant {tenant} --allow-no-subscriptions");
        let (sign_in, end) = match view.pages.len() {
            1 => (format!("sign in first: {sign_in}"), "; exit 1"),
            _ => (
                format!(
                    "skipped, because the CLI is signed in to another tenant: tenant {tenant} ({sign_in})"
                ),
                "",
            ),
        };
        let (tenant, sign_in) = (quoted(tenant, &[]), quoted(&sign_in, &[]));
        let _ = writeln!(
            text,
            "if [ \"$(az account show --query tenantId --output tsv 2>\"$problem\" || true)\" != {tenant} ]; then\n  \
             say {sign_in}{end}\nelse"
        );
    }
    for task in &tasks {
        text.push('\n');
        comment(text, &format!("{}: {}", task.step, task.why));
        for line in words::before(task) {
            comment(text, &readable(&line, &variables));
        }
        comment(text, &format!("twinspan checks: {}", readable(&task.proof, &variables)));
        let what = readable(&task.task.what, &variables);
        let _ = writeln!(text, "say {}", quoted(&one_line(&format!("{}: {what}", task.step)), &[]));
        for act in &task.task.acts {
            self::act(text, act, &variables);
        }
    }
    let _ = writeln!(
        text,
        "\nsay {}",
        quoted("Done. twinspan checks the result by itself; you need not report it.", &[])
    );
    undoing(text, &tasks, &variables);
    if page.tenant.is_some() {
        text.push_str("fi\n");
    }
}

/// Only printed: a script that deletes resources which it may not have created would be dangerous.
fn undoing(text: &mut String, tasks: &[&TaskView], variables: &[Variable]) {
    let print = "printf '%s\\n'";
    let _ = writeln!(text, "{print} 'To undo it, in this order:'");
    for task in tasks.iter().rev() {
        let back = &task.task.back;
        let words = format!("# {}: {}", task.step, readable(&back.words, variables));
        let _ = writeln!(text, "{print} {}", quoted(&one_line(&words), &[]));
        if let Some(request) = &back.request {
            let base = base(request);
            let target = quoted(&words::target(request), variables);
            let _ = writeln!(text, "back \"${base}\" \"${base}\"{target}");
        }
    }
}

fn act(text: &mut String, act: &Act, variables: &[Variable]) {
    match act {
        Act::Learn { variable, ask, find } => {
            let _ = writeln!(text, "look {}", asked(ask, find, variables));
            let missing = format!("  there is no {}", variable.words);
            let _ = writeln!(text, "if [ -z \"$found\" ]; then say {}; exit 1; fi", quoted(&missing, &[]));
            let _ = writeln!(text, "{}=$(line 1)", variable.name);
        }
        Act::Require { ask, find, missing } => {
            let _ = writeln!(text, "look {}", asked(ask, find, variables));
            let missing = quoted(&format!("  {missing}"), &[]);
            let _ = writeln!(text, "if [ -z \"$found\" ]; then say {missing}; exit 1; fi");
        }
        Act::Name { variable, namespace, text: named } => {
            let _ = writeln!(
                text,
                "{}=$(uuid5 '{}' {})",
                variable.name,
                octal(namespace),
                quoted(named, variables)
            );
        }
        Act::Create(make) => self::make(text, make, variables),
        Act::Remove(removal) => remove(text, removal, variables),
        Act::Command(_) | Act::Person { .. } => {}
    }
}

/// Reads each place until the resource is found.
fn look(text: &mut String, places: &[(Request, Find)], variables: &[Variable]) {
    for (position, (ask, find)) in places.iter().enumerate() {
        let look = format!("look {}", asked(ask, find, variables));
        let _ = match position {
            0 => writeln!(text, "{look}"),
            _ => writeln!(text, "if [ -z \"$found\" ]; then {look}; fi"),
        };
    }
}

fn remove(text: &mut String, removal: &Removal, variables: &[Variable]) {
    look(text, &removal.look, variables);
    text.push_str("if [ -n \"$found\" ]; then\n");
    if let Some(variable) = &removal.found {
        let _ = writeln!(text, "  {}=$(line 1)", variable.name);
    }
    let base = base(&removal.request);
    let target = quoted(&words::target(&removal.request), variables);
    let _ = writeln!(text, "  send delete \"${base}\" \"${base}\"{target} '' id '' ''");
    text.push_str("  say '  deleted'\nelse\n  say '  it does not exist'\nfi\n");
}

fn make(text: &mut String, make: &Create, variables: &[Variable]) {
    look(text, &make.look, variables);
    let indent = if make.look.is_empty() { "" } else { "  " };
    if !make.look.is_empty() {
        text.push_str("if [ -n \"$found\" ]; then\n  say \"  it exists: $(line 1)\"\nelse\n");
    }
    if let Some(tenant) = &make.write.auxiliary {
        let tenant = quoted(tenant, variables);
        let _ = writeln!(
            text,
            "{indent}auxiliary=\"x-ms-authorization-auxiliary=Bearer $(az account get-access-token --tenant {tenant} \
             --resource \"$arm/\" --query accessToken --output tsv)\""
        );
    }
    let request = &make.write;
    let base = base(request);
    let body = request.body.as_ref().map(words::body).unwrap_or_default();
    // The first line is the value for later steps, the second the value to pass on.
    let yields = make.yields.as_ref().map_or("id", |(_, field)| field);
    let query = match make.pass_on {
        Some((field, _)) => format!("[{yields}, {field}]"),
        None => yields.to_owned(),
    };
    let _ = writeln!(
        text,
        "{indent}send {} \"${base}\" \"${base}\"{} \\\n{indent}  {} {} '{}' '{}'",
        request.verb.to_ascii_lowercase(),
        quoted(&words::target(request), variables),
        quoted(&body, variables),
        quoted(&query, &[]),
        make.not_yet.join("|"),
        make.there.join("|"),
    );
    if request.auxiliary.is_some() {
        let _ = writeln!(text, "{indent}auxiliary=");
    }
    let _ = writeln!(text, "{indent}say '  done'");
    if let Some((_, to)) = &make.pass_on {
        let words = quoted(&format!("  pass this link on to {to}: "), &[]);
        let _ = writeln!(text, "{indent}say {words}\"$(line 2)\"");
    }
    if !make.look.is_empty() {
        text.push_str("fi\n");
    }
    if let Some((variable, _)) = &make.yields {
        let _ = writeln!(text, "{}=$(line 1)", variable.name);
    }
}

fn base(request: &Request) -> &'static str {
    if request.service == GRAPH { "graph" } else { "arm" }
}

/// The arguments of the shell function `look`.
fn asked(request: &Request, find: &Find, variables: &[Variable]) -> String {
    let base = base(request);
    format!(
        "\"${base}\" \"${base}\"{} \\\n  {}",
        quoted(&words::target(request), variables),
        quoted(&query(find), variables)
    )
}

/// The JMESPath query for a search.
pub(super) fn query(find: &Find) -> String {
    let conditions: Vec<String> = find
        .having
        .iter()
        .map(|(field, fits)| {
            let text = |value: &str| value.replace('\\', "\\\\").replace('\'', "\\'");
            match fits {
                Fits::Is(value) => format!("{field} == '{}'", text(value)),
                // A missing field has no end to compare.
                Fits::EndsWith(value) => format!("{field} && ends_with({field}, '{}')", text(value)),
            }
        })
        .collect();
    let list = find.list.unwrap_or("[@]");
    match (find.list, conditions.is_empty()) {
        (None, true) => find.take.to_owned(),
        (Some(_), true) => format!("{list}[].{} | [0]", find.take),
        (_, false) => format!("{list}[?{}].{} | [0]", conditions.join(" && "), find.take),
    }
}

/// A quoted word of the shell; variables stand outside of the quotes.
pub(super) fn quoted(text: &str, variables: &[Variable]) -> String {
    filled(&sh::quoted(text), variables, |variable| format!("'\"${}\"'", variable.name))
}

fn octal(namespace: &Uuid) -> String {
    namespace.as_bytes().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "\\{byte:03o}");
        text
    })
}
