//! The command line: one variant for each module of `commands`, and the call of the selected one.

use clap::{Parser, Subcommand};

use crate::cli::arguments::Global;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::commands;
use crate::host::app::App;
use crate::host::{cloud_notice, remarks};

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
    /// Print the help of the program, or of one command
    Help(commands::help::Args),
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

impl Command {
    /// Whether it sends requests to the configured cloud.
    fn sends_requests(&self) -> bool {
        match self {
            Command::Preview(_)
            | Command::Run(_)
            | Command::Apply(_)
            | Command::Resume(_)
            | Command::Repair(_)
            | Command::HandOver(_)
            | Command::Undo(_)
            | Command::Verify(_) => true,
            Command::Config(args) => args.signs_in(),
            Command::Validate(_)
            | Command::Graph(_)
            | Command::Rehearse(_)
            | Command::Pause(_)
            | Command::Cancel(_)
            | Command::Approve(_)
            | Command::Reject(_)
            | Command::Retry(_)
            | Command::Skip(_)
            | Command::Decide(_)
            | Command::Provide(_)
            | Command::List(_)
            | Command::Show(_)
            | Command::Events(_)
            | Command::Why(_)
            | Command::Wait(_)
            | Command::Steps(_)
            | Command::Schema(_)
            | Command::Explain(_)
            | Command::Sim(_)
            | Command::Init(_)
            | Command::Backup(_)
            | Command::Recover(_)
            | Command::Doctor(_)
            | Command::Completions(_)
            | Command::Help(_)
            | Command::Man(_)
            | Command::Candidates(_)
            | Command::Supervise(_) => false,
        }
    }
}

/// Runs the selected command.
pub(crate) async fn run(ui: &Ui, app: &App, command: Command) -> Result<Exit, CommandError> {
    if command.sends_requests() {
        cloud_notice::say(ui, app)?;
    }
    let result = perform(ui, app, command).await;
    remarks::say(ui, &app.remarks);
    result
}

async fn perform(ui: &Ui, app: &App, command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Validate(args) => commands::validate::run(ui, app, args).await,
        Command::Preview(args) => commands::preview::run(ui, app, args).await,
        Command::Verify(args) => commands::verify::run(ui, app, args).await,
        Command::Graph(args) => commands::graph::run(ui, app, args).await,
        Command::Rehearse(args) => commands::rehearse::run(ui, app, args).await,
        Command::Run(args) => commands::run::run(ui, app, args).await,
        Command::Apply(args) => commands::apply::run(ui, app, args).await,
        Command::Resume(args) => commands::resume::run(ui, app, args).await,
        Command::Pause(args) => commands::pause::run(ui, app, args).await,
        Command::Cancel(args) => commands::cancel::run(ui, app, args).await,
        Command::Approve(args) => commands::approve::run(ui, app, args).await,
        Command::Reject(args) => commands::reject::run(ui, app, args).await,
        Command::Repair(args) => commands::repair::run(ui, app, args).await,
        Command::Retry(args) => commands::retry::run(ui, app, args).await,
        Command::Skip(args) => commands::skip::run(ui, app, args).await,
        Command::Decide(args) => commands::decide::run(ui, app, args).await,
        Command::Provide(args) => commands::provide::run(ui, app, args).await,
        Command::HandOver(args) => commands::hand_over::run(ui, app, args).await,
        Command::Undo(args) => commands::undo::run(ui, app, args).await,
        Command::List(args) => commands::list::run(ui, app, args).await,
        Command::Show(args) => commands::show::run(ui, app, args).await,
        Command::Events(args) => commands::events::run(ui, app, args).await,
        Command::Wait(args) => commands::wait::run(ui, app, args).await,
        Command::Why(args) => commands::why::run(ui, app, args).await,
        Command::Steps(args) => commands::steps::run(ui, app, args).await,
        Command::Schema(args) => commands::schema::run(ui, app, args).await,
        Command::Explain(args) => commands::explain::run(ui, app, args).await,
        Command::Sim(args) => commands::sim::run(ui, app, args).await,
        Command::Init(args) => commands::init::run(ui, app, args).await,
        Command::Config(args) => commands::config::run(ui, app, args).await,
        Command::Backup(args) => commands::backup::run(ui, app, args).await,
        Command::Recover(args) => commands::recover::run(ui, app, args).await,
        Command::Doctor(args) => commands::doctor::run(ui, app, args).await,
        Command::Completions(args) => commands::completions::run(ui, app, args).await,
        Command::Help(args) => commands::help::run(ui, app, args).await,
        Command::Man(args) => commands::man::run(ui, app, args).await,
        Command::Candidates(args) => commands::candidates::run(ui, app, args).await,
        Command::Supervise(args) => commands::supervise::run(ui, app, args).await,
    }
}
