//! The command line: global options, and one variant for each file in `commands/`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands;

/// Runs ordered changes that span Azure tenants, one durable step at a time
#[derive(Debug, Parser)]
#[command(
    name = "twinspan",
    version,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Exit codes: 0 done, 1 failed, 2 changes (preview), 3 not found, 4 sign-in refused, 5 waiting, 6 gave up waiting, \
                  7 held, 8 other plan or inputs, 9 drift, 64 usage, 65 plan invalid, 70 bug, 74 journal, 130/143 stopped. `twinspan explain exit-codes` \
                  says more."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
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
    /// Use colour
    #[arg(long, global = true, value_name = "WHEN")]
    pub(crate) color: Option<Color>,
    /// Never ask anything, and show no live lines (also when CI is set)
    #[arg(long, global = true)]
    pub(crate) non_interactive: bool,
    /// Record this name as the one who acts (default: the user of this machine)
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) actor: Option<String>,
    /// Write nothing on stderr but warnings, questions and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub(crate) quiet: bool,
    /// Say more on stderr (can be repeated)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

/// How results are printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people
    #[default]
    Text,
    /// One JSON document
    Json,
    /// One JSON object a line
    Jsonl,
}

/// When colour is used.
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

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Check a plan without any network access
    Validate(commands::validate::Args),
    /// Look at both tenants, and tell what a run would find and do; nothing is written
    #[command(visible_alias = "what-if")]
    Preview(commands::preview::Args),
    /// Show in which order the steps of a plan run, and why
    Graph(commands::graph::Args),
    /// Carry out a plan against a simulated Azure, in virtual time
    Rehearse(commands::rehearse::Args),
    /// Start a run of a plan and drive it
    Run(commands::run::Args),
    /// Bring a plan about: resume its open run, verify what is done, or start a run where something changed
    ///
    /// The same line every time, for pipelines. The run key ties the runs of one rollout together. An open run of the key with
    /// this plan and these inputs is resumed; one with another plan or other inputs is exit code 8, with what differs. Where
    /// the last run of the key is done and nothing changed, everything is read again: 0, or 9 where something has drifted.
    /// Otherwise a run is started, in which what ended runs of the key created is unchanged or updated in place; it stays
    /// theirs. It returns as soon as only people, approvals, permissions or credentials are waited for (5).
    Apply(commands::apply::Args),
    /// Drive runs on, also after a crash, a reboot or a pause
    Resume(commands::resume::Args),
    /// Send nothing more until the run is resumed
    Pause(commands::pause::Args),
    /// Begin nothing more, for good
    Cancel(commands::cancel::Args),
    /// Let a step that waits for approval go on
    Approve(commands::approve::Args),
    /// Refuse a step that waits for approval
    Reject(commands::reject::Args),
    /// Try again now what waits, retries or has failed
    Retry(commands::retry::Args),
    /// Leave a step out
    Skip(commands::skip::Args),
    /// Settle a step that needs a decision
    Decide(commands::decide::Args),
    /// State an output that cannot be read: a claim, until a check proves it
    Provide(commands::provide::Args),
    /// Show what an identity has to do, as a page or a script for its owner
    HandOver(commands::hand_over::Args),
    /// Take back what a run made
    Undo(commands::undo::Args),
    /// Read everything again that a run proved, and say what has drifted; sends nothing
    ///
    /// Every check of every step that is done is made again, with the parameters of then and as the same identities. What was
    /// found is recorded with the run; where somebody drives it just now, that driver records it. Exit code 0: all as it was
    /// proven; 9: something has drifted; 5: something could not be read, and nothing has drifted as far as is known.
    Verify(commands::verify::Args),
    /// Mend what has drifted in a run, also in one that is done
    ///
    /// Looks at everything first, shows what it would make, write over or remove and whose that is, and asks. The run begins
    /// again at these steps only, and ends once more. What another run made is left to a decision.
    Repair(commands::repair::Args),
    /// List the runs of the journal
    List(commands::list::Args),
    /// Show where a run stands
    Show(commands::show::Args),
    /// Show what happened in a run
    Events(commands::events::Args),
    /// Show the evidence for one step
    Why(commands::why::Args),
    /// Wait until a run stands as asked; for scripts
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
    /// Show each setting in force and where it was said, or sign in as each identity
    Config(commands::config::Args),
    /// Copy the journal to one file while it is in use, and verify the copy
    Backup(commands::backup::Args),
    /// Say what a journal lost, and accept the loss
    Recover(commands::recover::Args),
    /// Look the journal, this machine and the configuration over
    Doctor(commands::doctor::Args),
    /// Print completions for a shell
    Completions(commands::completions::Args),
    /// Print the manual: every page, or that of one command
    Man(commands::man::Args),
    /// Print what may come next on a command line; the shells' completions ask for it
    #[command(hide = true)]
    Candidates(commands::candidates::Args),
    /// Run the program of a `command` step; a driver starts this itself
    #[command(hide = true)]
    Supervise(commands::supervise::Args),
}

/// Values for a plan's inputs.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct InputArgs {
    /// Give one input (can be repeated)
    #[arg(long = "input", value_name = "NAME=VALUE")]
    pub(crate) input: Vec<String>,
    /// Take inputs from a YAML or JSON file, or one map from a CSV file (can be repeated; default: NAME.inputs.yaml beside
    /// the plan NAME.yaml, where there is one)
    #[arg(long = "inputs", value_name = "FILE|NAME=FILE.csv")]
    pub(crate) inputs: Vec<String>,
    /// Take inputs from environment variables: with PREFIX `TS_`, TS_TARGET_SCOPE gives target_scope (can be repeated).
    /// --input wins over it; of a secret only the name of the variable is kept
    #[arg(long = "input-env", value_name = "PREFIX")]
    pub(crate) input_env: Vec<String>,
}

impl InputArgs {
    /// Whether any was given.
    pub(crate) fn is_given(&self) -> bool {
        !self.input.is_empty() || !self.inputs.is_empty() || !self.input_env.is_empty()
    }
}

/// What ties a run to others, and what it is called.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct RolloutArgs {
    /// Tie the runs of one rollout together (default: the plan's name and its inputs of type tenant-id and scope)
    #[arg(long, value_name = "NAME")]
    pub(crate) key: Option<String>,
    /// Give the run a label, for lists and reports (can be repeated)
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) label: Vec<String>,
}

/// A run, or the only open one.
#[derive(Clone, Debug, Args)]
pub(crate) struct OptionalRunArg {
    /// Id of the run: whole, its beginning, or its last eight digits (default: the only open run)
    #[arg(value_name = "RUN")]
    pub(crate) run: Option<String>,
}

/// A step of a run, or of the only open one.
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

/// Why somebody acts.
#[derive(Clone, Debug, Args)]
pub(crate) struct ReasonArg {
    /// Record why
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
}
