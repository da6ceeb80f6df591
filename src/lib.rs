//! The command line of twinspan: connects plans, engine, steps and the simulator.
//!
//! ```text
//! arguments ─▶ commands/<verb> ─▶ plans, engine, steps ─▶ view ─▶ ui (text | JSON) ─▶ exit code
//! ```
//!
//! Each folder uses only those to its left:
//!
//! ```text
//! text ─▶ cli ─┬─▶ host ─▶ plan, report ─▶ progress ─▶ runs ─┬─▶ rehearsal, doctor ─▶ commands ─▶ dispatch
//!              └─▶ simulated ────────────────────────────────┘
//! ```
//!
//! Only [`main`] is for the binary; [`reference()`] is for the test that keeps `docs/reference` up to date, and
//! [`InProcessWorld`] for tests of step kinds against the simulator.

mod cli;
mod commands;
mod dispatch;
mod doctor;
mod host;
mod plan;
mod progress;
mod rehearsal;
mod report;
#[cfg(test)]
mod robustness;
mod runs;
mod simulated;
mod text;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use twinspan_encode::characters::is_active;

use cli::arguments::{Color, Global, Output};
use cli::environment::Environment;
use cli::error::CommandError;
use cli::exit::Exit;
use cli::ui::{Manner, Ui};
use cli::{diagnostics, panics};
use dispatch::Cli;
use host::app::App;
use report::reference::generated;
use text::Text;

pub use simulated::InProcessWorld;

/// Runs one command and returns the exit code. Nothing is created before the command line is parsed.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args: Vec<OsString> = args.into_iter().collect();
    let environment = Environment::Process;
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error, &args, &environment).into(),
    };
    panics::install(cli.global.verbose > 0);
    let manner = match manner(&cli.global, &environment) {
        Ok(manner) => manner,
        Err(error) => {
            Ui::new(Manner::default(), &environment).error(&error);
            return error.exit.into();
        }
    };
    let ui = Ui::new(manner, &environment);
    diagnostics::install(manner.verbose);
    let result = run(&ui, environment, cli);
    let exit = match result {
        Ok(exit) => exit,
        Err(error) => {
            ui.error(&error);
            error.exit
        }
    };
    panics::exit(exit).into()
}

fn run(ui: &Ui, environment: Environment, cli: Cli) -> Result<Exit, CommandError> {
    let folder = std::env::current_dir()
        .map_err(|error| CommandError::usage("the current folder cannot be used").cause(&error))?;
    let app = App::new(environment, folder, cli.global, Cli::command);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .map_err(|error| CommandError::new(Exit::Failed, "no threads can be created").cause(&error))?;
    let result = runtime.block_on(dispatch::run(ui, &app, cli.command));
    // A stopped task may hang in a system call; it must not keep the process alive.
    runtime.shutdown_background();
    result
}

/// Every page of `docs/reference`: its path below that folder, and its text. For the test that keeps them up to date.
///
/// # Errors
/// The message of an error in the registry of step kinds.
pub fn reference() -> Result<Vec<(&'static str, String)>, String> {
    generated(Cli::command())
}

/// Output settings: flags, then environment.
fn manner(global: &Global, environment: &Environment) -> Result<Manner, CommandError> {
    use clap::ValueEnum;
    fn variable<T: ValueEnum>(environment: &Environment, name: &str) -> Result<Option<T>, CommandError> {
        let Some(text) = environment.get(name) else { return Ok(None) };
        T::from_str(&text, false).map(Some).map_err(|_| {
            let known: Vec<String> = T::value_variants()
                .iter()
                .filter_map(|value| Some(value.to_possible_value()?.get_name().to_owned()))
                .collect();
            CommandError::usage(format!("{name}={text} is not known; known are {}", known.join(", ")))
        })
    }
    Ok(Manner {
        output: global.output.or(variable::<Output>(environment, "TWINSPAN_OUTPUT")?).unwrap_or_default(),
        color: global.color.or(variable::<Color>(environment, "TWINSPAN_COLOR")?).unwrap_or_default(),
        non_interactive: global.non_interactive || environment.is_on("TWINSPAN_NON_INTERACTIVE"),
        verbose: global.verbose,
        quiet: global.quiet || environment.is_on("TWINSPAN_QUIET"),
    })
}

/// Handles a command line that was not parsed: `--help` and `--version` are written to stdout, everything else is an
/// error.
fn not_understood(error: &clap::Error, args: &[OsString], environment: &Environment) -> Exit {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is not a failure here either.
            let _ = error.print();
            Exit::Done
        }
        _ if wants_json(args) => {
            let manner = Manner { output: Output::Json, ..Manner::default() };
            let text = error.render().to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text).trim();
            let (message, rest) = text.split_once('\n').unwrap_or((text, ""));
            let mut shown = CommandError::usage(message);
            shown
                .hints
                .extend(rest.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned));
            Ui::new(manner, environment).error(&shown);
            Exit::Usage
        }
        _ => {
            // The text repeats the arguments, which may come from a script.
            let text = error.render();
            let acts = |word: &OsString| word.to_string_lossy().contains(is_active);
            let text = match args.iter().any(acts) {
                true => Text::line(text.to_string().trim_end()),
                false => Text::rendered(&text.to_string(), text.ansi().to_string()),
            };
            Ui::new(Manner::default(), environment).talk_text(&text);
            Exit::Usage
        }
    }
}

/// Whether the unparsed command line selects JSON output.
fn wants_json(args: &[OsString]) -> bool {
    let words: Vec<_> = args.iter().filter_map(|word| word.to_str()).collect();
    words.iter().any(|word| word.starts_with("--output=json"))
        || words.windows(2).any(|pair| pair[0] == "--output" && pair[1].starts_with("json"))
}
