//! `rehearse`: runs a plan against a simulated Azure, in virtual time.

use std::path::{Path, PathBuf};

use twinspan_sim::{Fault, Lie};
use twinspan_steps::CommandPolicy;

use crate::cli::arguments::InputArgs;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::step_kinds;
use crate::rehearsal::{Next, Props, Stage};
use crate::simulated::{self, WorldChoice};
use crate::{plan, rehearsal};

/// Rehearse a plan against a simulated Azure, in virtual time
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The plan file
    #[arg(value_name = "PLAN")]
    plan: PathBuf,
    #[command(flatten)]
    inputs: InputArgs,
    #[command(flatten)]
    world: WorldChoice,
    /// Inject these faults: a JSON list, as for /_sim/faults
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// The principal type with which an identity of the plan signs in: a user or the application (can be repeated;
    /// default: as
    /// the world or its steps say)
    #[arg(long, value_name = "NAME=user|app")]
    identity: Vec<String>,
    /// Seed of every random choice
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Stop where a run waits for a person, instead of simulating the person
    #[arg(long)]
    manual: bool,
    /// Also rehearse the undo: undo the run at the end
    #[arg(long)]
    undo: bool,
    /// Execute the programs of `command` steps that the configuration allows
    #[arg(long)]
    run_commands: bool,
    /// Make the simulated world wrong on purpose (can be repeated)
    #[arg(long, value_name = "NAME", hide = true)]
    lie: Vec<String>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let described = step_kinds::described()?;
    let file = plan::file::read(ui, &args.plan, described.catalog())?;
    let inputs = plan::file::bind(ui, &file, &plan::file::given(ui, &app.environment, &file, &args.inputs)?)?;
    if !file.warnings.is_empty() {
        ui.talk_text(&plan::file::diagnostics(ui, &file.warnings));
    }
    let commands = match (args.run_commands, &app.configuration()?.command_allow) {
        (false, _) => CommandPolicy::pretend(),
        (true, Some(programs)) => CommandPolicy::allow(programs.iter().cloned()),
        (true, None) => CommandPolicy::deny(),
    };
    let props = Props {
        roles: rehearsal::roles(&args.identity, &file.plan)?,
        world: simulated::world(&args.world, false)?,
        faults: faults(args.faults.as_deref())?,
        lies: args.lie.iter().map(|name| lie(name)).collect::<Result<_, _>>()?,
        seed: args.seed,
        manual: args.manual,
        commands,
        journal: app.journal_flag(),
    };
    let mut stage = Stage::set(&file, inputs, props).await?;
    let mut driven = stage.play(ui).await?;
    if args.undo && driven.stopped.is_none() {
        driven = stage.take_back(ui).await?;
    }
    let next = Next {
        plan: &args.plan,
        inputs: args.inputs.repeated(),
        has_inputs: !file.plan.inputs.is_empty(),
        journal: app.journal_flag(),
    };
    let view = stage.view(&driven, &next).await?;
    ui.data(&view, || view.text(ui.width()))?;
    Ok(driven.stopped.unwrap_or(view.exit()))
}

fn faults(path: Option<&Path>) -> Result<Vec<Fault>, CommandError> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(path)
        .map_err(|error| CommandError::file(Exit::NotFound, "the faults", path, &error))?;
    serde_json::from_str(&text).map_err(|error| {
        CommandError::usage(format!("the faults {} cannot be read", path.display()))
            .cause(&error)
            .hint("a JSON list: [{\"method\":\"PUT\",\"path_contains\":\"…\",\"fault\":\"applied-then-lost\",\"times\":1}]")
    })
}

fn lie(name: &str) -> Result<Lie, CommandError> {
    Lie::from_name(name).ok_or_else(|| {
        let known: Vec<&str> = Lie::ALL.into_iter().map(Lie::name).collect();
        CommandError::usage(format!("the simulated world knows no lie {name}"))
            .hint(format!("known are {}", known.join(", ")))
    })
}
