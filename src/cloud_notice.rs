//! Notices before requests are sent: the cloud, if it is not Azure's public cloud, and settings of the configuration
//! that are
//! ignored.

use crate::app::App;
use crate::arguments::Command;
use crate::clouds;
use crate::configuration::settings;
use crate::error::CommandError;
use crate::ui::{STRONG, Text, Ui};

/// Writes the notices, for commands that send requests.
pub(crate) fn say(ui: &Ui, app: &App, command: &Command) -> Result<(), CommandError> {
    if !reaches_the_cloud(command) {
        return Ok(());
    }
    for ignored in &app.configuration()?.ignored {
        ui.warn(&ignored.to_string());
    }
    let cloud = clouds::cloud(&app.configuration()?.cloud)?;
    if cloud.name() == "public" {
        return Ok(());
    }
    let hosts = cloud.addresses().map(|(service, address)| format!("{service} {address}")).join(", ");
    let said = settings(app.layers()?).into_iter().find(|setting| setting.key == "cloud.name");
    let from = said.map(|setting| format!(" ({})", setting.from.text())).unwrap_or_default();
    let notice = format!("{STRONG}cloud {}{STRONG:#}, not the public one: {hosts}{from}", cloud.name());
    ui.say(&Text::line(&notice));
    Ok(())
}

fn reaches_the_cloud(command: &Command) -> bool {
    match command {
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
        | Command::Man(_)
        | Command::Candidates(_)
        | Command::Supervise(_) => false,
    }
}
