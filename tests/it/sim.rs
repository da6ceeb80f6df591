//! The files that `sim` writes for its users.

use std::fs;
use std::time::Duration;

use crate::azure::Azure;
use crate::program::{Ended, Home, wait_for};

fn folder(home: &Home, name: &str) {
    fs::create_dir(home.path().join(name)).unwrap();
}

#[test]
fn sim_leaves_a_foreign_configuration_alone_and_writes_its_own_again() {
    let home = Home::new();
    folder(&home, "mine");
    home.write("mine/twinspan.toml", "# by hand\n");
    let said = home.run(&["sim", "--configure", "mine"]).expect(64);
    assert!(
        said.err.contains("exists already") && said.err.contains("--configure takes a folder"),
        "{}",
        said.err
    );
    let kept = |file: &str| fs::read_to_string(home.path().join(file)).unwrap();
    assert_eq!(kept("mine/twinspan.toml"), "# by hand\n");
    assert!(!home.path().join("mine/target.secret").exists(), "nothing is written beside it");
    // A simulator has other ports after each start.
    let azure = Azure::start(&[]);
    folder(&home, "again");
    home.write("again/twinspan.toml", azure.configuration());
    home.write("again/central.secret", "of an earlier start, for everyone to read");
    let ready = home.path().join("ready.json");
    let arguments = ["sim", "--configure", "again", "--ready", ready.to_str().unwrap()];
    let _second = Ended(home.command(&arguments).spawn().unwrap());
    wait_for("the second simulator", Duration::from_secs(30), || ready.exists().then_some(()));
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&ready).unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "the ready file holds secrets, too");
    for secret in fs::read_dir(home.path().join("again")).unwrap().map(|entry| entry.unwrap()) {
        if secret.file_name().to_str().unwrap().ends_with(".secret") {
            let mode = std::os::unix::fs::PermissionsExt::mode(&secret.metadata().unwrap().permissions());
            assert_eq!(mode & 0o077, 0, "{:?} has mode {mode:o}", secret.path());
        }
    }
    let arm = |text: &str| text.lines().find(|line| line.starts_with("arm = ")).unwrap().to_owned();
    assert_ne!(arm(&kept("again/twinspan.toml")), arm(&azure.configuration()));
}
