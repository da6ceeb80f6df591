//! The user interface: results on stdout, messages on stderr, through one writer. It writes [`Text`], which contains no
//! active
//! terminal sequences, and JSON, which it encodes itself.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;
use serde_json::Value;

use crate::cli::arguments::{Color, Output};
use crate::cli::environment::Environment;
use crate::cli::error::CommandError;
use crate::cli::json::{SCHEMA, compact, pretty};
use crate::text::{BAD, STRONG, Text, WAIT, Width};

/// An output stream.
struct Stream {
    to: Mutex<Box<dyn Write + Send>>,
    colored: bool,
}

impl Stream {
    fn new(to: impl Write + Send + 'static, colored: bool) -> Self {
        Stream { to: Mutex::new(Box::new(to)), colored }
    }

    fn write(&self, text: &str) -> io::Result<()> {
        let mut to = self.to.lock().unwrap_or_else(PoisonError::into_inner);
        to.write_all(text.as_bytes())?;
        to.flush()
    }
}

/// Output settings, resolved once from flags, environment and configuration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) output: Output,
    pub(crate) color: Color,
    pub(crate) non_interactive: bool,
    pub(crate) verbose: u8,
    /// Suppresses progress and remarks; warnings, questions and errors are still written.
    pub(crate) quiet: bool,
}

/// Stdout and stderr, with their settings.
pub(crate) struct Ui {
    manner: Manner,
    stdout: Stream,
    stderr: Stream,
    live: Option<MultiProgress>,
    interactive: bool,
    width: Width,
    talk_width: Width,
}

impl Ui {
    pub(crate) fn new(manner: Manner, environment: &Environment) -> Self {
        let choose = |terminal: bool| match manner.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if environment.get("NO_COLOR").is_some() => false,
            Color::Auto if environment.is_on("CLICOLOR_FORCE") => true,
            Color::Auto => terminal && environment.get("TERM").is_none_or(|term| term != "dumb"),
        };
        let talks_to_terminal = io::stderr().is_terminal();
        let unattended = manner.non_interactive || environment.is_on("CI");
        let live = (talks_to_terminal
            && !unattended
            && !manner.quiet
            && environment.get("TERM").is_none_or(|term| term != "dumb"))
        .then(|| MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(8)));
        Ui {
            manner,
            stdout: Stream::new(io::stdout(), choose(io::stdout().is_terminal())),
            stderr: Stream::new(io::stderr(), choose(talks_to_terminal)),
            live,
            interactive: talks_to_terminal && io::stdin().is_terminal() && !unattended,
            width: Width::of_stdout(),
            talk_width: Width::of_stderr(),
        }
    }

    /// A user interface without colours whose streams a test can read.
    #[cfg(test)]
    pub(crate) fn overheard(output: Output) -> (Self, Overheard) {
        let manner = Manner { output, color: Color::Never, non_interactive: true, ..Manner::default() };
        let heard = Overheard::default();
        let ui = Ui {
            stdout: Stream::new(heard.clone(), false),
            stderr: Stream::new(heard.clone(), false),
            width: Width::WHOLE,
            talk_width: Width::WHOLE,
            ..Ui::new(manner, &Environment::Memory([].into()))
        };
        (ui, heard)
    }

    pub(crate) fn output(&self) -> Output {
        self.manner.output
    }

    pub(crate) fn verbose(&self) -> u8 {
        self.manner.verbose
    }

    /// Whether stderr is written with colours.
    pub(crate) fn colored(&self) -> bool {
        self.stderr.colored
    }

    /// Maximum length of a line on stdout.
    pub(crate) fn width(&self) -> Width {
        self.width
    }

    /// Maximum length of a line on stderr.
    pub(crate) fn talk_width(&self) -> Width {
        self.talk_width
    }

    /// Whether a question may be asked interactively.
    pub(crate) fn interactive(&self) -> bool {
        self.interactive
    }

    /// The live progress lines, if stderr is a terminal.
    pub(crate) fn live(&self) -> Option<&MultiProgress> {
        self.live.as_ref()
    }

    /// Writes the result in the selected output format.
    pub(crate) fn data<T: Serialize>(
        &self,
        view: &T,
        text: impl FnOnce() -> Text,
    ) -> Result<(), CommandError> {
        match self.manner.output {
            Output::Text => self.text(&text()),
            Output::Json => self.print(&pretty(view)?),
            Output::Jsonl => self.line(view),
        }
    }

    /// Writes one JSON object on one line.
    pub(crate) fn line<T: Serialize>(&self, view: &T) -> Result<(), CommandError> {
        self.print(&compact(view)?)
    }

    /// Writes text to stdout.
    pub(crate) fn text(&self, text: &Text) -> Result<(), CommandError> {
        self.print(&text.painted(self.stdout.colored))
    }

    fn print(&self, text: &str) -> Result<(), CommandError> {
        let write = || self.stdout.write(text);
        match &self.live {
            Some(live) => live.suspend(write)?,
            None => write()?,
        }
        Ok(())
    }

    /// Writes a message line to stderr. A closed stderr is not an error.
    pub(crate) fn talk(&self, line: &str) {
        self.talk_text(&Text::line(line));
    }

    /// Writes message lines to stderr.
    pub(crate) fn talk_text(&self, text: &Text) {
        if !self.manner.quiet {
            self.say(text);
        }
    }

    /// Writes a warning to stderr, also with `--quiet`.
    pub(crate) fn warn(&self, warning: &str) {
        self.say(&Text::line(&format!("{WAIT}warning{WAIT:#}: {warning}")));
    }

    /// Writes lines to stderr, also with `--quiet`.
    pub(crate) fn say(&self, text: &Text) {
        let text = text.painted(self.stderr.colored);
        let text = text.trim_end_matches('\n');
        // A closed stream is ignored: the message has no reader.
        let write = || drop(self.stderr.write(&format!("{text}\n")));
        match &self.live {
            Some(live) => live.suspend(write),
            None => write(),
        }
    }

    /// Asks a yes-or-no question. Without a terminal the result is `false`.
    pub(crate) fn confirm(&self, question: &str) -> bool {
        if !self.interactive {
            return false;
        }
        self.say(&Text::line(&format!("{question} [y/N] ")));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).is_ok()
            && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// Writes an error in the selected format: JSON on stdout, or text on stderr.
    pub(crate) fn error(&self, error: &CommandError) {
        if error.broken_pipe {
            return;
        }
        if self.manner.output != Output::Text {
            let view = ErrorView::from(error);
            let printed = match self.manner.output {
                Output::Json => pretty(&view),
                _ => compact(&view),
            };
            if let Ok(text) = printed {
                // With a closed stream the exit code still reports the error.
                let _ = self.print(&text);
            }
            return;
        }
        if let Some(findings) = &error.findings {
            self.say(&findings.text);
            self.say(&Text::line(""));
        }
        self.say(&Text::line(&format!("{BAD}Error:{BAD:#} {}", error.message)));
        for cause in &error.causes {
            self.say(&Text::line(&format!("Caused by: {cause}")));
        }
        for hint in &error.hints {
            self.say(&Text::line(&format!("{STRONG}Hint:{STRONG:#} {hint}")));
        }
    }
}

#[derive(Serialize)]
struct ErrorView<'a> {
    schema: u32,
    error: ErrorBody<'a>,
}

#[derive(Serialize)]
struct ErrorBody<'a> {
    exit: u8,
    kind: &'static str,
    message: &'a str,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    causes: &'a [String],
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    hints: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    diagnostics: Option<&'a Value>,
}

impl<'a> From<&'a CommandError> for ErrorView<'a> {
    fn from(error: &'a CommandError) -> Self {
        ErrorView {
            schema: SCHEMA,
            error: ErrorBody {
                exit: error.exit.code(),
                kind: error.exit.name(),
                message: &error.message,
                causes: &error.causes,
                hints: &error.hints,
                diagnostics: error.findings.as_ref().map(|findings| &findings.data),
            },
        }
    }
}

/// Everything written to both streams.
#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct Overheard(std::sync::Arc<Mutex<Vec<u8>>>);

#[cfg(test)]
impl Overheard {
    /// Takes what was written since the last call.
    pub(crate) fn take(&self) -> String {
        String::from_utf8(std::mem::take(&mut self.0.lock().unwrap())).unwrap()
    }
}

#[cfg(test)]
impl Write for Overheard {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
