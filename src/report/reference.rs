//! `docs/reference`, generated from the program. A test compares it with the files in the repository.

use std::fmt::Write as _;

use twinspan_plans::{Catalog, EffectClass, Field, Identities, KindSpec, Type};

use crate::cli::exit::Exit;
use crate::host::step_kinds;

const MADE: &str = "<!-- Generated from the program; a test keeps it up to date. Do not edit. -->\n";

/// Every generated file: its path below `docs/reference`, and its text. `cli` is the command line.
pub(crate) fn generated(cli: clap::Command) -> Result<Vec<(&'static str, String)>, String> {
    let registry = step_kinds::described().map_err(|error| error.message)?;
    let catalog = registry.catalog();
    Ok(vec![
        ("cli.md", command_line(cli)),
        ("exit-codes.md", exit_codes()),
        ("steps.md", steps(catalog)),
        ("plan.schema.json", plan_schema(catalog)),
    ])
}

/// The JSON Schema of plan files; ends with a line feed.
pub(crate) fn plan_schema(catalog: &Catalog) -> String {
    let schema = twinspan_plans::schema(catalog);
    format!("{schema:#}\n")
}

fn exit_codes() -> String {
    let mut text = format!("{MADE}# Exit codes\n\n| code | name | meaning |\n|---|---|---|\n");
    for exit in Exit::ALL {
        let _ = writeln!(text, "| {} | `{}` | {} |", exit.code(), exit.name(), exit.about());
    }
    text
}

fn command_line(cli: clap::Command) -> String {
    let mut text = format!("{MADE}# Command line\n");
    let mut root = cli.term_width(100);
    root.build();
    let _ = write!(text, "\n```text\n{}```\n", trimmed(&root.render_long_help().to_string()));
    for command in root.get_subcommands_mut() {
        let name = command.get_name().to_owned();
        let mut shown = command.clone().term_width(100);
        for global in ["journal", "config", "output", "color", "non_interactive", "actor", "quiet", "verbose"]
        {
            shown = shown.mut_arg(global, |arg| arg.hide(true));
        }
        let help = trimmed(&shown.render_long_help().to_string());
        let _ = write!(text, "\n## {name}\n\n```text\n{help}```\n");
    }
    text
}

/// Removes white space at the ends of lines and of the text.
fn trimmed(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    format!("{}\n", lines.join("\n").trim_end())
}

fn steps(catalog: &Catalog) -> String {
    let mut text = format!("{MADE}# Step kinds\n\n| kind | does |\n|---|---|\n");
    for kind in catalog.kinds.values() {
        let anchor = kind.name.replace('.', "");
        let _ = writeln!(text, "| [`{}`](#{anchor}) | {} |", kind.name, kind.summary);
    }
    for kind in catalog.kinds.values() {
        let _ = write!(text, "\n## {}\n\n{}\n\n", kind.name, kind.summary);
        let _ = writeln!(text, "{}\n", behaviour(kind));
        fields_table(&mut text, "with", &kind.params, true);
        fields_table(&mut text, "outputs", &kind.outputs, false);
    }
    format!("{}\n", text.trim_end())
}

fn behaviour(kind: &KindSpec) -> String {
    let mut text = format!("{} {}", who(kind.identities), effect(kind.effect));
    if let Some((parameter, other)) = &kind.effect_without {
        let _ = write!(text, " Without `{parameter}`: {}", lowered(effect(*other)));
    }
    if kind.auxiliary {
        text.push_str(" `auxiliary` names the identity whose token is sent in addition.");
    }
    if kind.removable {
        text.push_str(" With `ensure: absent` it deletes the resource.");
    }
    if kind.request_window > 0 {
        let _ = write!(
            text,
            " A request without a response may still take effect for {} s; undo, deletes, re-creation and repair wait for that.",
            kind.request_window
        );
    }
    if !kind.forms.is_empty() {
        let names = |form: &Vec<String>| {
            form.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
        };
        let forms: Vec<String> = kind.forms.iter().map(names).collect();
        let _ = write!(text, " Give {}.", forms.join(", or "));
    }
    text
}

fn fields_table(text: &mut String, title: &str, fields: &[Field], given: bool) {
    if fields.is_empty() {
        return;
    }
    let _ = writeln!(text, "| {title} | type | | about |\n|---|---|---|---|");
    for field in fields {
        let word = match (given, field.required) {
            (true, true) => "required",
            (true, false) | (false, true) => "",
            (false, false) => "may be absent",
        };
        let about = field.about.replace('\n', " ").replace('|', "\\|");
        let _ = writeln!(text, "| `{}` | {} | {word} | {about} |", field.name, type_text(&field.ty));
    }
    text.push('\n');
}

/// The description of one kind for a terminal.
pub(crate) fn kind_text(kind: &KindSpec) -> String {
    let mut text = format!("{}\n{}\n\n{}\n", kind.name, kind.summary, behaviour(kind));
    for (title, fields, given) in [("with", &kind.params, true), ("outputs", &kind.outputs, false)] {
        if fields.is_empty() {
            continue;
        }
        let _ = writeln!(text, "\n{title}:");
        let width = fields.iter().map(|field| field.name.len()).max().unwrap_or(0);
        for field in fields {
            let mark = match (given, field.required) {
                (true, true) => " (required)",
                (true, false) | (false, true) => "",
                (false, false) => " (may be absent)",
            };
            let about = field.about.lines().next().unwrap_or_default();
            let _ = writeln!(text, "  {:width$}  {}{mark}  {about}", field.name, type_text(&field.ty));
        }
    }
    text
}

fn who(identities: Identities) -> &'static str {
    match identities {
        Identities::None => "No identity signs in.",
        Identities::One => "`as` is one identity.",
        Identities::Several => "`as` is one identity or more: it reads in several tenants.",
    }
}

/// The sentence with a lowercase first letter, to follow a colon.
fn lowered(sentence: &str) -> String {
    let mut letters = sentence.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

fn effect(effect: EffectClass) -> &'static str {
    match effect {
        EffectClass::Read => "It only reads.",
        EffectClass::PutSame => "Its write may be repeated: the same body under the same name.",
        EffectClass::CreateNamed => {
            "It creates under a deterministic name; an existing resource is compared and adopted."
        }
        EffectClass::PostWithProbe => "Its effect is looked up before the write is ever repeated.",
        EffectClass::PostUnsafe => "Its write is never repeated by the engine: a person decides.",
    }
}

pub(crate) fn type_text(ty: &Type) -> String {
    match ty {
        Type::Any => "anything".to_owned(),
        Type::String => "string".to_owned(),
        Type::Integer => "integer".to_owned(),
        Type::Boolean => "boolean".to_owned(),
        Type::Duration => "duration".to_owned(),
        Type::ResourceId(None) => "resource-id".to_owned(),
        Type::ResourceId(Some(of)) => format!("resource-id of {of}"),
        Type::Scope => "scope".to_owned(),
        Type::TenantId => "tenant-id".to_owned(),
        Type::Guid => "guid".to_owned(),
        Type::Email => "email".to_owned(),
        Type::Url => "url".to_owned(),
        Type::Name => "name".to_owned(),
        Type::Choice(words) => words.join(" or "),
        Type::KeyOf(map) => format!("key of {map}"),
        Type::List(item) => format!("list of {}", type_text(item)),
        Type::Map(item) => format!("map of {}", type_text(item)),
        Type::Record(fields) => {
            let fields: Vec<String> =
                fields.iter().map(|field| format!("{}: {}", field.name, type_text(&field.ty))).collect();
            format!("{{ {} }}", fields.join(", "))
        }
    }
}
