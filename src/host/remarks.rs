//! Remarks of the journal that are not errors, written as soon as they are known.

use twinspan_engine::Remarks;

use crate::cli::ui::Ui;
use crate::text::WAIT;

/// Writes the remarks that were not written yet.
pub(crate) fn say(ui: &Ui, remarks: &Remarks) {
    for remark in remarks.take() {
        ui.talk(&format!("{WAIT}warning{WAIT:#}: {remark}"));
    }
}
