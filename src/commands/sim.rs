//! `sim`: serves the simulated Azure on loopback, for other programs.

mod configuring;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use twinspan_engine::{Clock, SystemClock};
use twinspan_sim::listener::{Bound, Options, Served, write_ready};

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::interrupts::Interrupts;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::simulated::{self, WorldChoice};
use crate::text::{STRONG, Text};

/// Serve the simulated Azure on loopback
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    world: WorldChoice,
    /// Start with the prerequisites met
    #[arg(long, conflicts_with = "world")]
    ready_world: bool,
    /// The address to listen on; port 0 takes any free ports, port P takes P, P+1 and P+2
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Write the addresses to this file when connections are accepted
    #[arg(long, value_name = "FILE")]
    ready: Option<PathBuf>,
    /// Write the root certificate to this file (default: beside the ready file, or in the temporary folder)
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
    /// Write a `twinspan.toml` and secret files into this folder, with which every identity of the shipped plans signs
    /// in to
    /// this simulator
    #[arg(long, value_name = "FOLDER")]
    configure: Option<PathBuf>,
}

pub(crate) async fn run(ui: &Ui, app: &App, args: Args) -> Result<Exit, CommandError> {
    let mut world = simulated::world(&args.world, args.ready_world)?;
    let ca_file = match (&args.ca, &args.ready) {
        (Some(path), _) => path.clone(),
        (None, Some(ready)) => ready.with_extension("ca.pem"),
        (None, None) => std::env::temp_dir().join(format!("twinspan-sim-{}.ca.pem", std::process::id())),
    };
    // Before the simulator listens: a reader of the ready file may stop this process at once.
    let (mut interrupts, _token) = Interrupts::listen()?;
    let options = Options { listen: args.listen, ca_file, now: SystemClock.now() };
    let refuse = |error| {
        CommandError::new(Exit::Failed, "the simulator cannot be served")
            .cause(&error as &twinspan_sim::listener::ListenError)
    };
    let bound = Bound::bind(&options).await.map_err(refuse)?;
    world.set_hosts(bound.hosts().clone());
    let ready = world.introduction(&bound.ca_file().display().to_string());
    let running = bound.serve(Arc::new(Served::new(world, || SystemClock.now())));
    if let Some(folder) = &args.configure {
        configuring::write(&app.folder.join(folder), &ready)?;
    }
    if let Some(path) = &args.ready {
        write_ready(path, &ready).map_err(refuse)?;
    }
    let address = |name: &str| ready.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    ui.data(&document(ready.clone()), || {
        let mut text = Text::line(&format!("{STRONG}simulated Azure{STRONG:#}"));
        for (label, name) in [("arm", "arm"), ("login", "login"), ("graph", "graph"), ("ca", "ca_file")] {
            text.push_line(&format!("{label:6} {}", address(name)));
        }
        text
    })?;
    ui.talk("Ctrl-C ends it");
    interrupts.next().await;
    running.stop(Duration::from_secs(2)).await;
    // A stop is the normal end.
    Ok(Exit::Done)
}
