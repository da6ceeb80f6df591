//! What people and programs see: data on stdout, talk on stderr, one writer. It takes [`Text`], in which nothing acts on a
//! terminal, and JSON, in which it encodes that itself.

mod style;
mod text;
mod width;

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;
use serde_json::{Value, json};

use crate::arguments::{Color, Output};
use crate::environment::Environment;
use crate::error::CommandError;

pub(crate) use style::{BAD, DIM, GOOD, STRONG, Style, WAIT};
pub(crate) use text::Text;
pub(crate) use width::Width;

/// Where text goes.
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

/// How to talk: settled once, from flags, environment and configuration.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) output: Output,
    pub(crate) color: Color,
    pub(crate) non_interactive: bool,
    pub(crate) verbose: u8,
    /// Progress and remarks are not written; warnings, questions and errors are.
    pub(crate) quiet: bool,
}

/// The two streams.
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

    /// A user interface whose two streams a test can read, without colours.
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

    /// Whether what goes to stderr may carry colour.
    pub(crate) fn colored(&self) -> bool {
        self.stderr.colored
    }

    /// How long a line of the result may be.
    pub(crate) fn width(&self) -> Width {
        self.width
    }

    /// How long a line on stderr may be.
    pub(crate) fn talk_width(&self) -> Width {
        self.talk_width
    }

    /// Whether a question may be asked.
    pub(crate) fn interactive(&self) -> bool {
        self.interactive
    }

    /// Live lines, where stderr is a terminal.
    pub(crate) fn live(&self) -> Option<&MultiProgress> {
        self.live.as_ref()
    }

    /// The result, in the form that was asked for.
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

    /// One JSON object on a line of its own.
    pub(crate) fn line<T: Serialize>(&self, view: &T) -> Result<(), CommandError> {
        self.print(&compact(view)?)
    }

    /// Text on stdout.
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

    /// Talk: a line on stderr. That no process reads it is no failure.
    pub(crate) fn talk(&self, line: &str) {
        self.talk_text(&Text::line(line));
    }

    /// Talk: lines on stderr.
    pub(crate) fn talk_text(&self, text: &Text) {
        if !self.manner.quiet {
            self.say(text);
        }
    }

    /// A warning: a line on stderr, with `--quiet` too.
    pub(crate) fn warn(&self, warning: &str) {
        self.say(&Text::line(&format!("{WAIT}warning{WAIT:#}: {warning}")));
    }

    /// Lines on stderr, with `--quiet` too.
    pub(crate) fn say(&self, text: &Text) {
        let text = text.painted(self.stderr.colored);
        let text = text.trim_end_matches('\n');
        // A closed stream: there is no reader left to tell.
        let write = || drop(self.stderr.write(&format!("{text}\n")));
        match &self.live {
            Some(live) => live.suspend(write),
            None => write(),
        }
    }

    /// Asks a yes-or-no question; no terminal means no.
    pub(crate) fn confirm(&self, question: &str) -> bool {
        if !self.interactive {
            return false;
        }
        self.say(&Text::line(&format!("{question} [y/N] ")));
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).is_ok()
            && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// An error, the way it was asked for: as JSON on stdout, or in words on stderr.
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
                // A closed stream: the exit code still tells.
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
            schema: crate::view::SCHEMA,
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

/// JSON that ends with a line feed.
fn pretty<T: Serialize>(view: &T) -> Result<String, CommandError> {
    let text = serde_json::to_string_pretty(view).map_err(unwritable)?;
    Ok(format!("{}\n", twinspan_encode::json::encoded(&text)))
}

/// JSON on one line.
fn compact<T: Serialize>(view: &T) -> Result<String, CommandError> {
    let text = serde_json::to_string(view).map_err(unwritable)?;
    Ok(format!("{}\n", twinspan_encode::json::encoded(&text)))
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn unwritable(error: serde_json::Error) -> CommandError {
    CommandError::bug("the result cannot be written as JSON").cause(&error)
}

/// An object with `"schema"` first, for results without a struct of their own.
pub(crate) fn document(fields: Value) -> Value {
    let mut whole = json!({ "schema": crate::view::SCHEMA });
    if let (Value::Object(whole), Value::Object(fields)) = (&mut whole, fields) {
        whole.extend(fields);
    }
    whole
}

/// What was written to either stream.
#[cfg(test)]
#[derive(Clone, Default)]
pub(crate) struct Overheard(std::sync::Arc<Mutex<Vec<u8>>>);

#[cfg(test)]
impl Overheard {
    /// What was written since it was asked last.
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
