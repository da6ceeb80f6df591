//! One module for each command.

pub(crate) mod apply;
pub(crate) mod approve;
pub(crate) mod backup;
pub(crate) mod cancel;
pub(crate) mod candidates;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod config_check;
pub(crate) mod config_show;
pub(crate) mod decide;
pub(crate) mod doctor;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod graph;
pub(crate) mod hand_over;
pub(crate) mod init;
pub(crate) mod list;
pub(crate) mod man;
pub(crate) mod pause;
pub(crate) mod preview;
pub(crate) mod provide;
pub(crate) mod recover;
pub(crate) mod rehearse;
pub(crate) mod reject;
pub(crate) mod repair;
pub(crate) mod resume;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod schema;
pub(crate) mod show;
pub(crate) mod sim;
pub(crate) mod skip;
pub(crate) mod steps;
pub(crate) mod supervise;
pub(crate) mod undo;
pub(crate) mod validate;
pub(crate) mod verify;
pub(crate) mod wait;
pub(crate) mod why;

use crate::app::App;
use crate::arguments::Command;
use crate::cloud_notice;
use crate::error::CommandError;
use crate::exit::Exit;
use crate::remarks;
use crate::ui::Ui;

/// Runs the selected command.
pub(crate) async fn run(ui: &Ui, app: &App, command: Command) -> Result<Exit, CommandError> {
    cloud_notice::say(ui, app, &command)?;
    let result = perform(ui, app, command).await;
    remarks::say(ui, &app.remarks);
    result
}

async fn perform(ui: &Ui, app: &App, command: Command) -> Result<Exit, CommandError> {
    match command {
        Command::Validate(args) => validate::run(ui, app, args).await,
        Command::Preview(args) => preview::run(ui, app, args).await,
        Command::Verify(args) => verify::run(ui, app, args).await,
        Command::Graph(args) => graph::run(ui, app, args).await,
        Command::Rehearse(args) => rehearse::run(ui, app, args).await,
        Command::Run(args) => run::run(ui, app, args).await,
        Command::Apply(args) => apply::run(ui, app, args).await,
        Command::Resume(args) => resume::run(ui, app, args).await,
        Command::Pause(args) => pause::run(ui, app, args).await,
        Command::Cancel(args) => cancel::run(ui, app, args).await,
        Command::Approve(args) => approve::run(ui, app, args).await,
        Command::Reject(args) => reject::run(ui, app, args).await,
        Command::Repair(args) => repair::run(ui, app, args).await,
        Command::Retry(args) => retry::run(ui, app, args).await,
        Command::Skip(args) => skip::run(ui, app, args).await,
        Command::Decide(args) => decide::run(ui, app, args).await,
        Command::Provide(args) => provide::run(ui, app, args).await,
        Command::HandOver(args) => hand_over::run(ui, app, args).await,
        Command::Undo(args) => undo::run(ui, app, args).await,
        Command::List(args) => list::run(ui, app, args).await,
        Command::Show(args) => show::run(ui, app, args).await,
        Command::Events(args) => events::run(ui, app, args).await,
        Command::Wait(args) => wait::run(ui, app, args).await,
        Command::Why(args) => why::run(ui, app, args).await,
        Command::Steps(args) => steps::run(ui, app, args).await,
        Command::Schema(args) => schema::run(ui, app, args).await,
        Command::Explain(args) => explain::run(ui, app, args).await,
        Command::Sim(args) => sim::run(ui, app, args).await,
        Command::Init(args) => init::run(ui, app, args).await,
        Command::Config(args) => config::run(ui, app, args).await,
        Command::Backup(args) => backup::run(ui, app, args).await,
        Command::Recover(args) => recover::run(ui, app, args).await,
        Command::Doctor(args) => doctor::run(ui, app, args).await,
        Command::Completions(args) => completions::run(ui, app, args).await,
        Command::Man(args) => man::run(ui, app, args).await,
        Command::Candidates(args) => candidates::run(ui, app, args).await,
        Command::Supervise(args) => supervise::run(ui, app, args).await,
    }
}
