//! What a person at a terminal sees: live lines while steps wait, and lines no wider than the terminal.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::program::{Ended, Home, shipped, wait_for};

/// A pseudo-terminal with a program on it.
pub(crate) struct Terminal {
    child: Ended,
    shown: String,
    news: Receiver<Vec<u8>>,
}

impl Terminal {
    /// Runs the program on a terminal that is `columns` wide.
    fn run(home: &Home, columns: u16, arguments: &[&str]) -> Terminal {
        Terminal::start(home.command(arguments), columns)
    }

    /// Starts `command` on a terminal that is `columns` wide.
    pub(crate) fn start(mut command: Command, columns: u16) -> Terminal {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let size = Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&master, size).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let no_terminal_of_ours = i32::try_from(OpenptFlags::NOCTTY.bits()).unwrap();
        let mut options = OpenOptions::new();
        options.read(true).write(true).custom_flags(no_terminal_of_ours);
        let side = || Stdio::from(options.open(OsStr::from_bytes(name.to_bytes())).unwrap());
        command.env("TERM", "xterm-256color").stdin(side()).stdout(side()).stderr(side());
        let child = Ended(command.spawn().unwrap());
        // Until the command is dropped this process also holds the program's side of the terminal open.
        drop(command);
        let (sender, news) = channel();
        let mut reader = File::from(master);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // When the program's side is closed, reading fails: that is the end.
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                if sender.send(bytes[..count].to_vec()).is_err() {
                    break;
                }
            }
        });
        Terminal { child, shown: String::new(), news }
    }

    /// Reads until all of `words` were shown.
    #[track_caller]
    pub(crate) fn until(&mut self, words: &[&str]) {
        let what = format!("{words:?} on the terminal");
        wait_for(&what, Duration::from_secs(30), || {
            self.read();
            let shown = without_escapes(&self.shown);
            words.iter().all(|words| shown.contains(words)).then_some(())
        });
    }

    /// Reads to the end; returns the exit code.
    #[track_caller]
    pub(crate) fn end(&mut self) -> Option<i32> {
        let status = wait_for("the program's end", Duration::from_secs(60), || {
            self.read();
            self.child.0.try_wait().unwrap()
        });
        while let Ok(bytes) = self.news.recv() {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
        status.code()
    }

    /// Everything that was written to the terminal.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }

    fn read(&mut self) {
        while let Ok(bytes) = self.news.try_recv() {
            self.shown.push_str(&String::from_utf8_lossy(&bytes));
        }
    }

    /// The lines that remain on the terminal, without colours.
    fn lines(&self) -> Vec<String> {
        let plain = without_escapes(&self.shown);
        // A live line is overwritten from its beginning: the text that was written last stays.
        plain
            .split('\n')
            .map(|line| line.trim_end_matches('\r').rsplit('\r').next().unwrap().to_owned())
            .collect()
    }
}

/// Text without colours and cursor movements.
fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        if letter == '\u{1b}' {
            // `ESC [ … letter`: everything up to the letter belongs to it.
            letters.find(|letter| letter.is_ascii_alphabetic());
        } else {
            plain.push(letter);
        }
    }
    plain
}

const GATED: &str = "\
twinspan: 1
name: gated
summary: A timer and a gate
steps:
  - { id: rest, uses: delay, barrier: false, with: { for: 1h } }
  - { id: go, uses: approval, with: { show: the list } }
";

#[test]
fn each_step_that_moves_has_a_live_line_that_counts_and_goes_away() {
    let home = Home::new();
    let plan = home.write("plan.yaml", GATED);
    let mut terminal = Terminal::run(&home, 100, &["run", &plan]);
    // Each line says what the step waits for, on whom, for how long, and when it is checked next; it counts.
    terminal.until(&["rest (0 s, next check in", "go (1 s, next check in", "go (2 s, next check in"]);
    terminal.until(&["waits for any person with access to this journal: approval: the list"]);
    let run = home.run(&["list", "--output", "json"]).expect(0).json();
    let run = run["runs"][0]["short"].as_str().unwrap().to_owned();
    // A person approves in another window: the live line goes away, and the event stays.
    home.run(&["approve", &run, "go"]).expect(0);
    terminal.until(&["approve go by", "approved", "done        go"]);
    home.run(&["skip", &run, "rest"]).expect(0);
    assert_eq!(terminal.end(), Some(0), "{}", terminal.shown);
    let lines = terminal.lines();
    assert!(
        lines.iter().any(|line| line.contains("2 of 2 steps") || line.contains("done, 1 skipped")),
        "{lines:#?}"
    );
    let last = lines.iter().rposition(|line| line.contains("next check in"));
    let closing = lines.iter().rposition(|line| line.starts_with("status")).unwrap();
    assert!(last.is_none_or(|last| last < closing), "a live line stayed: {lines:#?}");
    assert!(!terminal.shown.contains("still running"), "a terminal needs no heartbeat");
}

#[test]
fn in_a_pipe_and_under_ci_there_is_no_live_line() {
    let home = Home::new();
    let plan = home.write("plan.yaml", GATED.replace("1h", "1s").replace("  - { id: go", "  # - { id: go"));
    let said = home.run(&["run", &plan]).expect(0);
    assert!(!said.err.contains('\u{1b}') && !said.err.contains("waits for"), "{}", said.err);
    let mut terminal = Terminal::run(&home, 100, &["run", &plan, "--non-interactive"]);
    assert_eq!(terminal.end(), Some(0), "{}", terminal.shown);
    assert!(!terminal.shown.contains("waits for"), "{}", terminal.shown);
}

/// The deepest column at which text begins.
const WIDEST_INDENT: usize = 52;

#[test]
fn no_line_is_wider_than_the_terminal_but_what_is_to_be_copied() {
    for columns in [80_u16, 120] {
        let home = Home::new();
        let mut terminal =
            Terminal::run(&home, columns, &["rehearse", &shipped("cross-tenant-connection.yaml")]);
        assert_eq!(terminal.end(), Some(0), "{}", terminal.shown);
        let lines = terminal.lines();
        assert!(lines.len() > 60, "{lines:#?}");
        for line in &lines {
            let words = line.split_whitespace().map(|word| word.chars().count());
            // A command or a link is not wrapped, nor is a word that is wider than its column.
            let copied =
                ["do   ", "link ", "open ", "next ", "inputs:"].iter().any(|label| line.contains(label))
                    || words.max().unwrap_or(0) + WIDEST_INDENT > usize::from(columns);
            assert!(line.chars().count() <= usize::from(columns) || copied, "{columns}: {line}");
        }
        let text = lines.join("\n");
        assert!(
            text.contains("/staticMembers/vnet-hub-d06ab663")
                && !text.contains("networkManagers/nm-group/networkGroups/ng-spokes/staticMembers/"),
            "{text}"
        );
        assert!(text.contains("whole ids: --output json"), "{text}");
    }
    // Output to a pipe is complete.
    let said = Home::new().run(&["rehearse", &shipped("cross-tenant-connection.yaml")]).expect(0);
    assert!(said.out.contains(
        "/providers/Microsoft.Network/networkManagers/nm-group/networkGroups/ng-spokes/staticMembers/vnet-hub-d06ab663\n"
    ));
    assert!(!said.out.contains("whole ids"), "{}", said.out);
}

/// The README's example output. `TWINSPAN_UPDATE_DOCS=1` rewrites it.
#[test]
fn the_readme_shows_what_a_rehearsal_says() {
    let home = Home::new();
    let plan = "plans/library/cross-tenant-connection.yaml";
    let whole = shipped("cross-tenant-connection.yaml");
    let mut terminal = Terminal::run(&home, 130, &["rehearse", &whole]);
    assert_eq!(terminal.end(), Some(0), "{}", terminal.shown);
    let said = terminal.lines().iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n");
    // Progress comes before; the README shows the result.
    let ends = said.split_once("\nrehearsal  ").expect("it ends with the rehearsal's own page").1;
    let said = format!("rehearsal  {}\n", ends.replace(&whole, plan).trim());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("every id is whole):\n```\n", "```\nThe tests:");
    let parts = readme.split_once(begin).and_then(|(before, rest)| Some((before, rest.split_once(end)?)));
    let (before, (there, after)) = parts.expect("the README shows a rehearsal");
    if there == said {
        return;
    }
    let update = std::env::vars_os().any(|(name, _)| name == "TWINSPAN_UPDATE_DOCS");
    assert!(
        update,
        "the README is stale: run the tests with TWINSPAN_UPDATE_DOCS=1; a rehearsal says\n{said}"
    );
    fs::write(&path, format!("{before}{begin}{said}{end}{after}")).unwrap();
}
