//! Reads plan files and their inputs. Every mistake in them ends with [`Exit::PlanInvalid`].

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use twinspan_plans::{Catalog, Diagnostics, Inputs, Plan, RawInputs};

use crate::cli::arguments::InputArgs;
use crate::cli::environment::Environment;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::plan::advice;
use crate::text::Text;

/// A plan file, read and compiled.
pub(crate) struct PlanFile {
    pub(crate) path: PathBuf,
    pub(crate) text: Arc<str>,
    pub(crate) plan: Arc<Plan>,
    pub(crate) warnings: Diagnostics,
}

/// Maximum size of a plan file; the parser's own limit is lower and has a better message.
const LARGEST: u64 = 64 << 20;

/// Reads and compiles the plan at `path`.
pub(crate) fn read(ui: &Ui, path: &Path, catalog: &Catalog) -> Result<PlanFile, CommandError> {
    let bytes = bytes(path, "the plan")?;
    let name = path.display().to_string();
    let document =
        twinspan_plans::parse(&name, &bytes).map_err(|found| invalid(ui, "the plan", path, &found))?;
    let compiled =
        twinspan_plans::compile(&document, catalog).map_err(|found| invalid(ui, "the plan", path, &found))?;
    Ok(PlanFile {
        path: path.to_owned(),
        text: document.source().text.as_str().into(),
        plan: Arc::new(compiled.plan),
        warnings: compiled.warnings,
    })
}

/// The inputs given for `file`: from `--inputs`, else from NAME.inputs.yaml beside the plan (a message says so);
/// `--input-env`
/// overrides them, and `--input` overrides both.
pub(crate) fn given(
    ui: &Ui,
    environment: &Environment,
    file: &PlanFile,
    args: &InputArgs,
) -> Result<RawInputs, CommandError> {
    let mut raw = RawInputs::new();
    for text in &args.inputs {
        match text.split_once('=') {
            Some((input, file)) => {
                let path = Path::new(file);
                let content = bytes(path, "the inputs")?;
                raw.csv(input, file, &content).map_err(|found| invalid(ui, "the inputs", path, &found))?;
            }
            None => add_file(ui, &mut raw, Path::new(text))?,
        }
    }
    if args.inputs.is_empty()
        && let Some(beside) = inputs_beside(&file.path)
    {
        add_file(ui, &mut raw, &beside)?;
        ui.talk(&format!("inputs: {} (found beside the plan)", beside.display()));
    }
    for prefix in &args.input_env {
        add_variables(ui, environment, &mut raw, &file.plan, prefix)?;
    }
    for text in &args.input {
        raw.assignment(text).map_err(|found| diagnosed(ui, "an input is wrong".to_owned(), &found))?;
    }
    Ok(raw)
}

/// The variable `PREFIXNAME` sets the input `name`, without regard to case, and with `_` for `-`.
fn add_variables(
    ui: &Ui,
    environment: &Environment,
    raw: &mut RawInputs,
    plan: &Plan,
    prefix: &str,
) -> Result<(), CommandError> {
    if prefix.is_empty() {
        return Err(CommandError::usage(
            "--input-env needs a prefix: without one every variable would be an input",
        )
        .hint("write, for example, --input-env TWINSPAN_INPUT_"));
    }
    let plain = |name: &str| name.replace('-', "_").to_ascii_lowercase();
    for (variable, value) in environment.beginning_with(prefix) {
        let name = &variable[prefix.len()..];
        match plan.inputs.keys().find(|input| plain(input) == plain(name)) {
            Some(input) => raw.variable(input, &variable, &value),
            None => {
                let known = plan.inputs.keys().map(String::as_str);
                let near = twinspan_plans::nearest(&plain(name), known)
                    .map(|near| format!("; did you mean {prefix}{}?", plain(near).to_ascii_uppercase()))
                    .unwrap_or_default();
                ui.warn(&format!("the plan {} has no input for the variable {variable}{near}", plan.name));
            }
        }
    }
    Ok(())
}

/// The inputs beside a plan: `NAME.inputs.yaml` beside `NAME.yaml`.
fn inputs_beside(plan: &Path) -> Option<PathBuf> {
    let beside = plan.with_extension("inputs.yaml");
    beside.is_file().then_some(beside)
}

/// Adds inputs from a YAML or JSON file; files that it names are read relative to its folder.
fn add_file(ui: &Ui, raw: &mut RawInputs, path: &Path) -> Result<(), CommandError> {
    let content = bytes(path, "the inputs")?;
    let folder = path.parent().unwrap_or(Path::new("."));
    let mut read = |name: &str| std::fs::read(folder.join(name)).map_err(|error| error.to_string());
    raw.file(&path.display().to_string(), &content, &mut read)
        .map_err(|found| invalid(ui, "the inputs", path, &found))
}

/// Checks inputs against the plan, and writes warnings and advice.
pub(crate) fn bind(ui: &Ui, file: &PlanFile, raw: &RawInputs) -> Result<Inputs, CommandError> {
    let bound = file.plan.bind_and_warn(raw).map_err(|found| {
        diagnosed(ui, format!("the inputs of {} do not fit its plan", file.path.display()), &found)
            .hint("give them with --inputs FILE or --input NAME=VALUE")
    })?;
    if !bound.warnings.is_empty() {
        ui.say(&diagnostics(ui, &bound.warnings));
    }
    advice::say(ui, &advice::of(&file.plan, &bound.inputs));
    Ok(bound.inputs)
}

fn bytes(path: &Path, what: &str) -> Result<Vec<u8>, CommandError> {
    let exit = |error: &io::Error| match error.kind() {
        io::ErrorKind::NotFound => Exit::NotFound,
        _ => Exit::PlanInvalid,
    };
    let refuse = |error: io::Error| CommandError::file(exit(&error), what, path, &error);
    let size = std::fs::metadata(path).map_err(refuse)?.len();
    if size > LARGEST {
        return Err(CommandError::new(
            Exit::PlanInvalid,
            format!("{what} {} is too large: {} MB", path.display(), size >> 20),
        ));
    }
    std::fs::read(path).map_err(refuse)
}

fn invalid(ui: &Ui, what: &str, path: &Path, found: &Diagnostics) -> CommandError {
    let errors = found.iter().filter(|one| one.severity == twinspan_plans::Severity::Error).count();
    let mistakes = if errors == 1 { "mistake" } else { "mistakes" };
    diagnosed(ui, format!("{what} {} has {errors} {mistakes}", path.display()), found)
}

/// Diagnostics as text for people.
pub(crate) fn diagnostics(ui: &Ui, found: &Diagnostics) -> Text {
    let plain = found.render(false);
    if ui.colored() { Text::rendered(&plain, found.render(true)) } else { Text::document(plain.trim_end()) }
}

fn diagnosed(ui: &Ui, message: String, found: &Diagnostics) -> CommandError {
    let code = found.first_error().map(|first| first.code);
    let mut error =
        CommandError::new(Exit::PlanInvalid, message).findings(diagnostics(ui, found), found.to_json());
    for domain in found.iter().filter_map(|one| one.domain.as_deref()) {
        if !error.domains.iter().any(|known| known == domain) {
            error.domains.push(domain.to_owned());
        }
    }
    match code {
        Some(code) => error.hint(format!("`twinspan explain {code}` shows details")),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::environment::Environment;
    use crate::cli::ui::Manner;
    use twinspan_plans::{Diagnostic, Severity};

    #[test]
    fn the_hint_names_the_error_and_not_a_warning_before_it() {
        let environment = Environment::Memory([].into());
        let ui = Ui::new(Manner::default(), &environment);
        let one = |code, severity| Diagnostic {
            code,
            severity,
            message: "x".to_owned(),
            primary: None,
            secondary: Vec::new(),
            help: None,
            suggestion: None,
            domain: None,
        };
        let found = Diagnostics(vec![one("TS0212", Severity::Warning), one("TS0201", Severity::Error)]);
        let error = invalid(&ui, "the plan", Path::new("plan.yaml"), &found);
        assert_eq!(error.hints, ["`twinspan explain TS0201` shows details"]);
    }
}
