//! Parts of `docs/reference/azure-fidelity.md` that a test writes, each between two comments that name it.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// Tests that run at the same time write one after the other.
static PAGE: Mutex<()> = Mutex::new(());

/// Compares the part called `name` with `text`; `TWINSPAN_UPDATE_DOCS=1` rewrites it.
#[track_caller]
pub(crate) fn keep(root: &Path, name: &str, text: &str) {
    let _page = PAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let path = root.join("docs/reference/azure-fidelity.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->"));
    let parts = page.split_once(&begin).and_then(|(before, rest)| Some((before, rest.split_once(&end)?)));
    assert!(parts.is_some(), "no part {name} in {}", path.display());
    let Some((before, (there, after))) = parts else { return };
    let wanted = format!("\n{}\n\n", text.trim());
    if there == wanted {
        return;
    }
    let update = std::env::vars_os().any(|(name, _)| name == "TWINSPAN_UPDATE_DOCS");
    assert!(
        update,
        "part {name} of {} is stale: run with TWINSPAN_UPDATE_DOCS=1; it is\n{text}",
        path.display()
    );
    fs::write(&path, format!("{before}{begin}{wanted}{end}{after}")).unwrap();
}
