//! The command line: global options, and one variant for each module of `commands`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Run ordered changes across Azure tenants, one durable step at a time
#[derive(Debug, Parser)]
#[command(
    name = "twinspan",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 changes (preview), 3 not found, 4 sign-in refused, 5 waiting, 6 gave up waiting, \
                  7 held, 8 other plan or inputs, 9 drift, 64 usage, 65 plan invalid, 70 bug, 74 journal, 130/143 stopped. `twinspan explain exit-codes` \
                  lists them."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

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

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a plan without network access
    Validate(commands::validate::Args),
    /// Show what a run would find and do in both tenants; nothing is written
    #[command(visible_alias = "what-if")]
    Preview(commands::preview::Args),
    /// Show in which order the steps of a plan run, and why
    Graph(commands::graph::Args),
    /// Rehearse a plan against a simulated Azure, in virtual time
    Rehearse(commands::rehearse::Args),
    /// Start a run of a plan and drive it
    Run(commands::run::Args),
    /// Bring a plan about: resume its open run, verify what is done, or start a run where something changed
    ///
    /// For pipelines: the same command line every time. The run key identifies the runs of one rollout. `apply` resumes
    /// the open
    /// run of the key if its plan and inputs are the given ones; with another plan or other inputs it exits with 8, and
    /// shows the
    /// differences. If the last run of the key is done and nothing changed, `apply` verifies it: exit code 0, or 9
    /// after drift.
    /// Otherwise it starts a run. Resources that ended runs of the key created are unchanged, or updated in place, and
    /// stay owned by
    /// those runs. `apply` returns as soon as the run waits only for people, approvals, permissions or credentials (5).
    Apply(commands::apply::Args),
    /// Resume runs, also after a crash, a reboot or a pause
    Resume(commands::resume::Args),
    /// Pause a run: send no further request until it is resumed
    Pause(commands::pause::Args),
    /// Cancel a run: begin no further step
    Cancel(commands::cancel::Args),
    /// Approve a step that waits for approval
    Approve(commands::approve::Args),
    /// Reject a step that waits for approval
    Reject(commands::reject::Args),
    /// Retry now what waits, retries or has failed
    Retry(commands::retry::Args),
    /// Skip a step
    Skip(commands::skip::Args),
    /// Resolve a step that needs a decision
    Decide(commands::decide::Args),
    /// Provide an output that cannot be read; it is a claim until a check proves it
    Provide(commands::provide::Args),
    /// Show what an identity still has to do, as a page or a script for its owner
    HandOver(commands::hand_over::Args),
    /// Undo a run: delete what it created, in reverse order
    Undo(commands::undo::Args),
    /// Verify a run: read everything again that it proved, and report drift; nothing is written
    ///
    /// Runs every check of every finished step again, with the original parameters and identities, and records the
    /// result with
    /// the run; if another process drives the run, that process records it. Exit code 0: in sync; 9: drift; 5: a
    /// resource could not
    /// be read, and no drift as far as is known.
    Verify(commands::verify::Args),
    /// Repair drift in a run, also in one that is done
    ///
    /// Checks everything first, shows what it would create, overwrite or delete and who owns it, and asks for
    /// confirmation. The run
    /// continues at these steps only, and ends again. Resources of other runs are left to a decision.
    Repair(commands::repair::Args),
    /// List the runs of the journal
    List(commands::list::Args),
    /// Show the status of a run
    Show(commands::show::Args),
    /// Show the events of a run
    Events(commands::events::Args),
    /// Show the evidence for one step
    Why(commands::why::Args),
    /// Wait until a run reaches a state; for scripts
    Wait(commands::wait::Args),
    /// List the step kinds, or describe one
    Steps(commands::steps::Args),
    /// Print the JSON Schema of plan files
    Schema(commands::schema::Args),
    /// Explain a code of a diagnostic
    Explain(commands::explain::Args),
    /// Serve the simulated Azure on loopback
    Sim(commands::sim::Args),
    /// Write a starter plan, its inputs and a configuration
    Init(commands::init::Args),
    /// Show each setting in force and its source, or sign in as each identity
    Config(commands::config::Args),
    /// Copy the journal to one file while it is in use, and verify the copy
    Backup(commands::backup::Args),
    /// Show what a journal lost, and accept the loss
    Recover(commands::recover::Args),
    /// Check the journal, this machine and the configuration
    Doctor(commands::doctor::Args),
    /// Print completions for a shell
    Completions(commands::completions::Args),
    /// Print the manual: every page, or the page of one command
    Man(commands::man::Args),
    /// Print the words that may come next on a command line, for the shells' completions
    #[command(hide = true)]
    Candidates(commands::candidates::Args),
    /// Run the program of a `command` step; the driver starts this command
    #[command(hide = true)]
    Supervise(commands::supervise::Args),
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
