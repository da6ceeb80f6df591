//! `config`: shows or checks the configuration.

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::ui::Ui;
use crate::commands::{config_check, config_show};
use crate::host::app::App;

/// Show each setting in force and its source, or sign in as each identity; secrets are not shown
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Exit codes of --check: 0 signed in or without a credential here, 1 no response, 4 refused, 64 nothing to try."
)]
pub(crate) struct Args {
    /// Sign in as each identity, and show its account, tenant and expiry
    #[arg(long)]
    check: bool,
    #[command(flatten)]
    sign_ins: config_check::CheckArgs,
}

impl Args {
    /// Whether it sends requests.
    pub(crate) fn signs_in(&self) -> bool {
        self.check
    }
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    if args.check {
        return config_check::run(ui, app, args.sign_ins).await;
    }
    if args.sign_ins.is_given() {
        return Err(CommandError::usage("a plan, inputs and tenants need --check")
            .hint("twinspan config --check PLAN --inputs FILE"));
    }
    config_show::run(ui, app).await
}
