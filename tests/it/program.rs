//! Runs the real program as a user would: with its own folder and journal, and nothing of this machine's
//! environment.

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::notice;

/// A user's folder.
pub(crate) struct Home {
    dir: TempDir,
}

/// One event of a run.
#[derive(Clone, Debug)]
pub(crate) struct Happened {
    /// Empty for an event of the run itself.
    pub(crate) step: String,
    /// `intended`, `driver-took` …
    pub(crate) name: String,
    pub(crate) fields: Value,
}

/// Output and exit code of a command.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// stdout as one JSON document.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out)
            .unwrap_or_else(|error| panic!("stdout is not JSON ({error}): {self:#?}"))
    }

    /// Panics with the whole output unless the exit code is `code`.
    #[track_caller]
    pub(crate) fn expect(self, code: i32) -> Said {
        assert_eq!(self.code, Some(code), "stdout:\n{}\nstderr:\n{}", self.out, self.err);
        self
    }
}

/// The shipped plan of this name.
pub(crate) fn shipped(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("plans/library").join(name).to_str().unwrap().to_owned()
}

impl Home {
    pub(crate) fn new() -> Home {
        Home { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(crate) fn journal(&self) -> PathBuf {
        self.path().join("state").join("journal.db")
    }

    /// Writes a file and returns its path.
    pub(crate) fn write(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path().join(name);
        fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the search path is all that the program gets of this machine"
    )]
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_twinspan"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env_clear()
            .env("HOME", self.path())
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("TWINSPAN_JOURNAL", self.journal())
            .env("TWINSPAN_REQUEST_WINDOW", "2")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// Runs to the end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        let output = self.command(arguments).output().unwrap();
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// The events of the only run, oldest first.
    pub(crate) fn events(&self) -> Vec<Happened> {
        let document = self.run(&["events", "--output", "json"]).expect(0).json();
        let events = document["events"].as_array().unwrap().iter().map(|event| {
            let about = &event["event"];
            let (step, about) = match about.get("step") {
                Some(step) => (step["step"].as_str().unwrap().to_owned(), &step["event"]),
                None => (String::new(), about),
            };
            let name = match about {
                Value::Object(fields) => fields.keys().next().unwrap().clone(),
                name => name.as_str().unwrap().to_owned(),
            };
            Happened { step, fields: about[&name].clone(), name }
        });
        events.collect()
    }

    /// Runs until the program has written its `lines`-th line to stderr, then kills it. An error with the output if
    /// the program ended by itself before.
    pub(crate) fn run_and_kill(&self, arguments: &[&str], lines: usize) -> Result<(), Said> {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut reader = BufReader::new(child.stderr.take().unwrap());
        let mut err = String::new();
        for _ in 0..lines {
            if reader.read_line(&mut err).unwrap() == 0 {
                let mut out = String::new();
                child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
                return Err(Said { code: child.wait().unwrap().code(), out, err });
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        Ok(())
    }
}

/// Polls `ready` often; panics with `what` after `limit`.
#[expect(
    clippy::disallowed_methods,
    reason = "another process is waited for: only the real clock bounds that"
)]
#[track_caller]
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut ready: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = ready() {
            return found;
        }
        assert!(began.elapsed() < limit, "waited {limit:?} for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A process that is observed while it runs.
pub(crate) struct Watched {
    child: Ended,
    out: PathBuf,
    err: PathBuf,
}

impl Watched {
    /// Starts the process; its output goes to files, as the test does not read pipes while it runs.
    pub(crate) fn start(home: &Home, name: &str, arguments: &[&str]) -> Watched {
        let file = |what: &str| home.path().join(format!("{name}.{what}"));
        let (out, err) = (file("out"), file("err"));
        let mut command = home.command(arguments);
        command.stdout(fs::File::create(&out).unwrap()).stderr(fs::File::create(&err).unwrap());
        Watched { child: Ended(command.spawn().unwrap()), out, err }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.0.id()
    }

    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        let kill = format!("kill -{name} {}", self.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().unwrap().success(), "{kill}");
    }

    /// Whether the process has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.0.try_wait().unwrap().is_some()
    }

    /// Waits for the process to end.
    #[track_caller]
    pub(crate) fn end(mut self) -> Said {
        let status =
            wait_for("the program to end", Duration::from_secs(120), || self.child.0.try_wait().unwrap());
        let code = status.code();
        let text = |path: &Path| fs::read_to_string(path).unwrap();
        Said { code, out: text(&self.out), err: text(&self.err) }
    }
}

/// Kills a child process when the test ends, also after a panic.
pub(crate) struct Ended(pub(crate) Child);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// The program of others that an environment variable names for a test; `None`, with a notice, if it is not set.
pub(crate) fn wanted(variable: &str, what: &str) -> Option<OsString> {
    let found = notice::named(variable);
    if found.is_none() {
        notice::skipped(&format!("{variable} does not name {what}"));
    }
    found
}
