//! `config`: each setting in force, and its source.

use clap::ValueEnum;
use serde::Serialize;
use serde_json::{Value, json};

use crate::cli::arguments::{Color, Output};
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::json::SCHEMA;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::configuration::{Origin, Setting, settings, variable};
use crate::report::view::Page;
use crate::text::{DIM, Text};

#[derive(Serialize)]
struct ConfigView {
    schema: u32,
    settings: Vec<Setting>,
}

pub(crate) async fn run(ui: &Ui, app: &App) -> Result<Exit, CommandError> {
    let mut settings = settings(app.layers()?);
    let set = |key: &str| settings.iter().any(|setting| setting.key == key);
    let mut more = ways_of_talking(app);
    if !set("cloud.name") {
        more.push(default("cloud.name", json!("public")));
    }
    if !set("command.allow") {
        more.push(default("command.allow", json!([])));
    }
    let journal = json!(app.journal()?);
    match &app.global().journal {
        Some(_) => {
            settings.retain(|setting| setting.key != "journal");
            more.push(Setting { from: flag("journal"), ..default("journal", journal) });
        }
        None if !set("journal") => more.push(default("journal", journal)),
        None => {}
    }
    settings.extend(more);
    settings.sort_by(|one, other| one.key.cmp(&other.key));
    let view = ConfigView { schema: SCHEMA, settings };
    ui.data(&view, || text(ui, &view.settings))?;
    Ok(Exit::Done)
}

/// Settings that only flags and the environment can set.
fn ways_of_talking(app: &App) -> Vec<Setting> {
    let global = app.global();
    let name = |value: Option<clap::builder::PossibleValue>| {
        value.map(|value| json!(value.get_name())).unwrap_or_default()
    };
    let quiet = global.non_interactive.then(|| json!(true));
    let actor = |value: &String| json!(value);
    vec![
        said(app, "output", global.output.map(|value| name(value.to_possible_value())), || {
            name(Output::default().to_possible_value())
        }),
        said(app, "color", global.color.map(|value| name(value.to_possible_value())), || {
            name(Color::default().to_possible_value())
        }),
        said(app, "non-interactive", quiet, || json!(app.environment.is_on("CI"))),
        said(app, "actor", global.actor.as_ref().map(actor), || json!(app.actor())),
    ]
}

fn said(app: &App, key: &str, given: Option<Value>, otherwise: impl FnOnce() -> Value) -> Setting {
    let name = variable(key);
    match (given, app.environment.get(&name)) {
        (Some(value), _) => Setting { key: key.to_owned(), value, from: flag(key) },
        (None, Some(value)) => {
            Setting { key: key.to_owned(), value: json!(value), from: Origin::Environment { name } }
        }
        (None, None) => default(key, otherwise()),
    }
}

fn flag(key: &str) -> Origin {
    Origin::Flag { name: format!("--{key}") }
}

fn default(key: &str, value: Value) -> Setting {
    Setting { key: key.to_owned(), value, from: Origin::Default }
}

fn text(ui: &Ui, settings: &[Setting]) -> Text {
    let values: Vec<String> = settings.iter().map(|setting| words(&setting.value)).collect();
    let longest = |texts: &mut dyn Iterator<Item = usize>, most: usize| texts.max().unwrap_or(0).min(most);
    let keys = longest(&mut settings.iter().map(|setting| setting.key.chars().count()), 48);
    let width = longest(&mut values.iter().map(|value| value.chars().count()), 40);
    let mut page = Page::new(ui.width());
    for (setting, value) in settings.iter().zip(&values) {
        let from = setting.from.text();
        page.line(keys + 2, &format!("{:keys$}  {value:width$}  {DIM}{from}{DIM:#}", setting.key));
    }
    page.into_text()
}

/// A value as people write it.
fn words(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.is_empty() => "none".to_owned(),
        Value::Array(items) => items.iter().map(words).collect::<Vec<_>>().join(", "),
        // The source of a secret.
        Value::Object(fields) => {
            let place = fields.iter().map(|(kind, value)| format!("({kind} {})", words(value)));
            place.collect::<Vec<_>>().join(" ")
        }
        other => other.to_string(),
    }
}
