//! Notices before requests are sent: the cloud, if it is not Azure's public cloud, and settings of the configuration
//! that are
//! ignored.

use crate::cli::error::CommandError;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::host::clouds;
use crate::host::configuration::settings;
use crate::text::{STRONG, Text};

/// Writes the notices.
pub(crate) fn say(ui: &Ui, app: &App) -> Result<(), CommandError> {
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
