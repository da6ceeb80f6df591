//! `docs/reference` is generated from the program. `TWINSPAN_UPDATE_DOCS=1` regenerates it.

use std::fs;
use std::path::Path;

#[test]
fn the_reference_is_up_to_date() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference");
    let update = std::env::vars_os().any(|(name, _)| name == "TWINSPAN_UPDATE_DOCS");
    let mut stale = Vec::new();
    for (name, text) in twinspan::reference().unwrap() {
        let path = folder.join(name);
        if fs::read_to_string(&path).is_ok_and(|there| there == text) {
            continue;
        }
        if update {
            fs::create_dir_all(&folder).unwrap();
            fs::write(&path, text).unwrap();
        } else {
            stale.push(name);
        }
    }
    assert!(stale.is_empty(), "{stale:?} are stale: run the tests with TWINSPAN_UPDATE_DOCS=1");
}
