//! `candidates`: the words that may come next on a command line. Not for people: the shells' completions call it.

use std::path::Path;

use twinspan_engine::{Backend, Choice, Filter, RunState, Signal, SqliteBackend, StepKey, check_signal};

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::step_kinds;
use crate::text::Text;
use crate::{plan, runs};

/// Print the words that may come next on a command line
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The words after `twinspan`, the last of them unfinished or empty
    #[arg(value_name = "WORD", trailing_var_arg = true, allow_hyphen_values = true)]
    words: Vec<String>,
}

/// Commands that take a step, and how many more words follow it.
const OF_STEP: [(&str, usize); 8] = [
    ("approve", 0),
    ("reject", 0),
    ("retry", 0),
    ("skip", 0),
    ("why", 0),
    ("repair", 0),
    ("provide", 0),
    ("decide", 1),
];

/// Commands that take a run.
const OF_RUN: [&str; 10] =
    ["resume", "pause", "cancel", "show", "events", "verify", "undo", "hand-over", "wait", "report"];

/// Commands that take a plan.
const OF_PLAN: [&str; 4] = ["run", "preview", "rehearse", "validate"];

/// The command line before the word that is completed.
struct Line<'a> {
    verb: &'a str,
    /// Words that are neither options nor values of options.
    words: Vec<&'a str>,
    /// The option whose value is completed.
    option: Option<&'a str>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let Some((last, before)) = args.words.split_last() else { return Ok(Exit::Done) };
    // Nothing readable means no candidates: errors would disturb a line that is being typed.
    let candidates = candidates(ui, app, before).await.unwrap_or_default();
    let fitting: Vec<&String> = candidates.iter().filter(|word| word.starts_with(last.as_str())).collect();
    for word in fitting {
        ui.text(&Text::line(word))?;
    }
    Ok(Exit::Done)
}

async fn candidates(ui: &Ui, app: &App, before: &[String]) -> Option<Vec<String>> {
    let line = Line::of(&app.command_line(), before)?;
    let word = line.words.len();
    match (line.verb, line.option) {
        ("hand-over", Some("--as")) => {
            let state = state(app, line.words.first().copied()).await?;
            Some(state.plan().identities.iter().map(|identity| identity.name.clone()).collect())
        }
        (verb, Some("--input")) if OF_PLAN.contains(&verb) => {
            let described = step_kinds::described().ok()?;
            let file = plan::file::read(ui, Path::new(line.words.first()?), described.catalog()).ok()?;
            Some(file.plan.inputs.keys().map(|name| format!("{name}=")).collect())
        }
        (_, Some(_)) => None,
        ("steps", None) if word == 0 => {
            Some(step_kinds::described().ok()?.kinds().map(|kind| kind.meta.name.to_owned()).collect())
        }
        ("man" | "help", None) if word == 0 => {
            let cli = app.command_line();
            let shown = cli.get_subcommands().filter(|command| !command.is_hide_set());
            Some(shown.map(|command| command.get_name().to_owned()).collect())
        }
        (verb, None) if OF_RUN.contains(&verb) && (word == 0 || verb == "resume") => runs(app).await,
        (verb, None) => {
            let (_, more) = OF_STEP.iter().find(|(of_step, _)| *of_step == verb)?;
            of_step(app, verb, &line.words, *more).await
        }
    }
}

/// `[RUN] STEP [CHOICE]`
async fn of_step(app: &App, verb: &str, words: &[&str], more: usize) -> Option<Vec<String>> {
    let backend = app.reader().ok()??;
    let named = match words.first() {
        Some(word) => runs::reference::find(&*backend, word).await.ok(),
        None => None,
    };
    let steps = |state: &RunState| -> Vec<String> {
        let separator = if verb == "provide" { "." } else { "" };
        state.steps().map(|item| format!("{}{separator}", item.key())).collect()
    };
    match (words, named) {
        // The first word is a run, or a step of the only open one.
        ([], _) => {
            let mut all = runs(app).await.unwrap_or_default();
            if let Some(state) = state(app, None).await {
                all.extend(steps(&state));
            }
            Some(all)
        }
        ([_], Some(_)) => Some(steps(&state(app, words.first().copied()).await?)),
        ([step], None) | ([_, step], Some(_)) if more > 0 => {
            let run = named.and(words.first().copied());
            Some(choices(&state(app, run).await?, step))
        }
        _ => None,
    }
}

/// The choices that the step accepts now.
fn choices(state: &RunState, step: &str) -> Vec<String> {
    let actor = twinspan_engine::Actor(String::new());
    let known = [
        (Choice::Adopt, "adopt"),
        (Choice::Abort, "abort"),
        (Choice::Overwrite, "overwrite"),
        (Choice::Recreate, "recreate"),
    ];
    let fits = |choice| {
        let signal = Signal::Decide { step: StepKey::from(step), choice };
        check_signal(state, &signal, &actor).is_ok()
    };
    known.into_iter().filter(|(choice, _)| fits(*choice)).map(|(_, word)| word.to_owned()).collect()
}

async fn runs(app: &App) -> Option<Vec<String>> {
    let backend = app.reader().ok()??;
    let runs = backend.list(Filter::default()).await.ok()?;
    Some(runs.iter().map(|summary| summary.run.short()).collect())
}

async fn state(app: &App, run: Option<&str>) -> Option<RunState> {
    let backend: std::sync::Arc<SqliteBackend> = app.reader().ok()??;
    let run = runs::reference::find_or_latest(&*backend, run).await.ok()?;
    backend.load(run).await.ok()
}

impl<'a> Line<'a> {
    /// Parses the words before the completed one; `None`: they contain no command.
    fn of(cli: &clap::Command, before: &'a [String]) -> Option<Self> {
        let mut words = Vec::new();
        let mut verb = None;
        let mut option = None;
        for word in before.iter().map(String::as_str) {
            if option.take().is_some() {
                continue;
            }
            if word.starts_with('-') {
                let of_verb = verb.and_then(|verb| cli.find_subcommand(verb));
                option = takes_value(cli, of_verb, word).then_some(word);
            } else if verb.is_none() {
                verb = Some(word);
            } else {
                words.push(word);
            }
        }
        Some(Line { verb: verb?, words, option })
    }
}

/// Whether the next word is the value of this option.
fn takes_value(cli: &clap::Command, of_verb: Option<&clap::Command>, word: &str) -> bool {
    let Some(name) = word.strip_prefix("--").filter(|name| !name.contains('=')) else { return false };
    let known = of_verb.into_iter().chain([cli]).flat_map(clap::Command::get_arguments);
    let mut named = known.filter(|argument| argument.get_long() == Some(name));
    named.next().is_some_and(|argument| argument.get_action().takes_values())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::Line;
    // The real options, as only the whole command line says which of them take a value.
    use crate::dispatch::Cli;

    #[test]
    fn options_and_their_values_are_no_words() {
        let cli = Cli::command();
        let line = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let before = line("--journal j.db decide 1a2b --reason why step");
        let read = Line::of(&cli, &before).unwrap();
        assert_eq!((read.verb, &read.words[..], read.option), ("decide", &["1a2b", "step"][..], None));
        let before = line("hand-over 1a2b --as");
        assert_eq!(Line::of(&cli, &before).unwrap().option, Some("--as"));
        let before = line("undo --yes");
        assert_eq!(Line::of(&cli, &before).unwrap().option, None, "a flag takes no value");
        assert!(Line::of(&cli, &line("--journal j.db")).is_none());
    }
}
