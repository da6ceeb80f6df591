//! Arguments that several commands have: the global options, inputs, labels, a run, a step, a reason.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::suggest::word;

/// The options of every command.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// Use this journal instead of the one in the user's state folder
    #[arg(long, global = true, value_name = "PATH")]
    pub(crate) journal: Option<PathBuf>,
    /// Use this configuration instead of the project's twinspan.toml
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// Print results as text, as one JSON document, or as JSON lines
    #[arg(long, global = true, value_name = "FORMAT")]
    pub(crate) output: Option<Output>,
    /// When to use colour
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
    /// Ask no question, and show no live lines (also when CI is set)
    #[arg(long, global = true)]
    pub(crate) non_interactive: bool,
    /// Record this name as the actor (default: the user of this machine)
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Write only warnings, questions and errors to stderr
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Write more to stderr (can be repeated)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// The format of results.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON object per line
    Jsonl,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal, unless NO_COLOR is set; CLICOLOR_FORCE forces it
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Values for a plan's inputs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct InputArgs {
    /// Set one input (can be repeated)
    #[arg(long = "input", value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// Read inputs from a YAML or JSON file, or one map from a CSV file (can be repeated; default: NAME.inputs.yaml
    /// beside
    /// the plan NAME.yaml, if it exists)
    #[arg(long = "inputs", value_name = "FILE|NAME=FILE.csv")]
    pub(crate) inputs: Vec<String>,
    /// Read inputs from environment variables: with PREFIX `TS_`, TS_TARGET_SCOPE sets target_scope (can be repeated).
    /// --input takes precedence; of a secret only the name of the variable is stored
    #[arg(long = "input-env", value_name = "PREFIX")]
    pub(crate) input_env: Vec<String>,
}

impl InputArgs {
    /// Whether any input was given.
    pub(crate) fn is_given(&self) -> bool {
        !self.input.is_empty() || !self.inputs.is_empty() || !self.input_env.is_empty()
    }

    /// The same arguments for another command, each after a space; empty: none were given. No secret is among them: of a
    /// secret only a reference may be given.
    pub(crate) fn repeated(&self) -> String {
        let flags = [("--input", &self.input), ("--inputs", &self.inputs), ("--input-env", &self.input_env)];
        let given = flags.iter().flat_map(|(flag, values)| values.iter().map(move |value| (flag, value)));
        given.map(|(flag, value)| format!(" {flag} {}", word(value))).collect()
    }
}

/// Key and labels of a run.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RolloutArgs {
    /// The run key: identifies the runs of one rollout (default: the plan's name and its inputs of type tenant-id and
    /// scope)
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// Give the run a label, for lists and reports (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
}

/// A run; default: the only open run.
#[derive(Clone, Debug, Args)]
pub(crate) struct OptionalRunArg {
    /// Id of the run: whole, its beginning, or its last eight digits (default: the only open run)
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
}

/// A step of a run; default: of the only open run.
#[derive(Clone, Debug, Args)]
#[command(allow_missing_positional = true)]
pub(crate) struct StepArg {
    /// Id of the run: whole, its beginning, or its last eight digits (default: the only open run)
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
    /// The step
    #[arg(value_name = "STEP", required = true)]
    pub(crate) step: String,
}

/// The reason for an action.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReasonArg {
    /// Record the reason
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}
