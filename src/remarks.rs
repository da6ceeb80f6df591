//! What the journal has to say that is no error, said as soon as it is known.

use twinspan_engine::Remarks;

use crate::ui::{Ui, WAIT};

/// Says what was not said yet.
pub(crate) fn say(ui: &Ui, remarks: &Remarks) {
    for remark in remarks.take() {
        ui.talk(&format!("{WAIT}warning{WAIT:#}: {remark}"));
    }
}
