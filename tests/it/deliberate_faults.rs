//! Faults that are put into the program on purpose, one at a time, and the test that each of them makes fail. This
//! shows what the tests would miss; the list is `docs/reference/deliberate-faults.md`.
//!
//! Each fault needs a build, so this test runs only on request: `cargo test --test it deliberate -- --ignored
//! --nocapture`. Without it the list is checked: each fault still fits its file, each test still exists.

mod list;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use list::{End, FAULTS, Fault};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

impl Fault {
    /// The file's text with the fault in it.
    fn put_into(&self, text: &str) -> Result<String, String> {
        match text.matches(self.from).count() {
            1 => Ok(text.replacen(self.from, self.to, 1)),
            times => Err(format!("{:?}: {:?} occurs {times} times in {}", self.what, self.from, self.file)),
        }
    }

    /// Name of the test's function.
    fn function(&self) -> &str {
        self.test.rsplit("::").next().unwrap_or(self.test)
    }

    /// Runs the test in the tree at `tree`; returns whether it passed, or an error if it did not run.
    fn passes(&self, tree: &Path, target: &Path) -> Result<bool, String> {
        let output = Command::new(env!("CARGO"))
            .current_dir(tree)
            .env("CARGO_TARGET_DIR", target)
            .args(["test", "--offline", "--quiet", "-p", self.package])
            .args(self.binary)
            .args(["--", "--exact", "--format=pretty", self.test])
            .output()
            .map_err(|error| error.to_string())?;
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if said.contains(&format!("test {} ... ok", self.test)) {
            return Ok(true);
        }
        if said.contains(&format!("test {} ... FAILED", self.test)) {
            return Ok(false);
        }
        Err(format!(
            "{:?}: {} did not run:\n{said}\n{}",
            self.what,
            self.test,
            String::from_utf8_lossy(&output.stderr)
        ))
    }
}

#[test]
fn each_fault_fits_its_file_and_each_test_exists() {
    let mut wrong = Vec::new();
    for fault in FAULTS {
        let text = fs::read_to_string(root().join(fault.file)).unwrap_or_default();
        if let Err(why) = fault.put_into(&text) {
            wrong.push(why);
        }
        let tests = fs::read_to_string(root().join(fault.tests)).unwrap_or_default();
        if !tests.contains(&format!("fn {}(", fault.function())) {
            wrong.push(format!("{:?}: {} has no test {}", fault.what, fault.tests, fault.function()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_lists_every_fault() {
    let page = root().join("docs/reference/deliberate-faults.md");
    let wanted = page_of(FAULTS);
    if std::env::vars_os().any(|(name, _)| name == "TWINSPAN_UPDATE_DOCS") {
        fs::write(&page, &wanted).unwrap();
    }
    let there = fs::read_to_string(&page).unwrap_or_default();
    assert!(there == wanted, "it is stale: run the tests with TWINSPAN_UPDATE_DOCS=1");
}

fn page_of(faults: &[Fault]) -> String {
    let mut page = String::from(
        "<!-- Generated from tests/it/deliberate_faults/list.rs; TWINSPAN_UPDATE_DOCS=1 cargo test regenerates it. -->\n\n\
         # Deliberate faults\n\n\
         A test that cannot fail proves nothing. Each fault below is put into a copy of the program, one at a time, and the test \
         beside it must turn red; without the fault it must be green. One command does that for all of them (it builds once \
         a fault; tests marked *data* need `TWINSPAN_AZURE_DATA`):\n\n\
         ```sh\ncargo test --test it deliberate -- --ignored --nocapture\n```\n",
    );
    for (end, title) in [(End::Simulator, "In the simulated Azure"), (End::Client, "In the program")] {
        let _ = write!(page, "\n## {title}\n\n| fault | where | turns red |\n|---|---|---|\n");
        for fault in faults.iter().filter(|fault| fault.end == end) {
            let data = if fault.data { " (*data*)" } else { "" };
            let _ = writeln!(
                page,
                "| {} | `{}` | `{}` in `{}`{data} |",
                fault.what,
                fault.file,
                fault.function(),
                fault.tests
            );
        }
    }
    page
}

/// Copies everything that is built, without build output.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name();
        if name == "target" || name == ".git" {
            continue;
        }
        let (path, copied) = (entry.path(), to.join(&name));
        if entry.file_type().unwrap().is_dir() {
            copy(&path, &copied);
        } else {
            fs::copy(&path, &copied).unwrap();
        }
    }
}

#[test]
#[ignore = "builds the program once for each fault: several minutes"]
fn each_fault_turns_its_test_red() {
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("twinspan");
    copy(root(), &tree);
    let target: PathBuf = root().join("target/deliberate-faults");
    let with_data = std::env::vars_os().any(|(name, _)| name == "TWINSPAN_AZURE_DATA");
    let (can_be_tried, left_out): (Vec<&Fault>, Vec<&Fault>) =
        FAULTS.iter().partition(|fault| with_data || !fault.data);
    let mut wrong = Vec::new();
    for fault in &can_be_tried {
        match fault.passes(&tree, &target) {
            Ok(true) => {}
            Ok(false) => wrong.push(format!("{:?}: {} is red without it", fault.what, fault.test)),
            Err(why) => wrong.push(why),
        }
    }
    let mut red = 0;
    for fault in can_be_tried {
        let path = tree.join(fault.file);
        let right = fs::read_to_string(&path).unwrap();
        fs::write(&path, fault.put_into(&right).unwrap()).unwrap();
        match fault.passes(&tree, &target) {
            Ok(false) => {
                red += 1;
                println!("red: {} <- {}", fault.test, fault.what);
            }
            Ok(true) => wrong.push(format!("{:?}: {} stays green", fault.what, fault.test)),
            Err(why) => wrong.push(why),
        }
        fs::write(&path, right).unwrap();
    }
    let left_out = left_out.len();
    println!(
        "{red} of {} deliberate faults turn their test red, {left_out} left out without data",
        FAULTS.len()
    );
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
