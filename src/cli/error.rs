//! The error type of commands: exit code, message, causes, and hints.

use std::error::Error;
use std::io;

use serde_json::Value;

use crate::cli::exit::Exit;
use crate::text::Text;

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct CommandError {
    pub(crate) exit: Exit,
    /// A lowercase fragment that names the resource, file or run.
    pub(crate) message: String,
    /// Outermost first.
    pub(crate) causes: Vec<String>,
    /// What the operator does next.
    pub(crate) hints: Vec<String>,
    /// Findings in a plan, in a configuration …: rendered for people, and as data.
    pub(crate) findings: Option<Box<Findings>>,
    /// Domains that were given where the id of a tenant is wanted.
    pub(crate) domains: Vec<String>,
    /// The reader closed stdout: not an error, but a reason to stop.
    pub(crate) broken_pipe: bool,
}

/// Several findings, reported together.
#[derive(Debug)]
pub(crate) struct Findings {
    /// For people.
    pub(crate) text: Text,
    /// For programs.
    pub(crate) data: Value,
}

impl CommandError {
    pub(crate) fn new(exit: Exit, message: impl Into<String>) -> Self {
        CommandError {
            exit,
            message: message.into(),
            causes: Vec::new(),
            hints: Vec::new(),
            findings: None,
            domains: Vec::new(),
            broken_pipe: false,
        }
    }

    pub(crate) fn usage(message: impl Into<String>) -> Self {
        CommandError::new(Exit::Usage, message)
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        CommandError::new(Exit::NotFound, message)
    }

    pub(crate) fn bug(message: impl Into<String>) -> Self {
        CommandError::new(Exit::Bug, message).hint("this is a bug in twinspan; please report it")
    }

    #[must_use]
    pub(crate) fn cause(mut self, error: &(dyn Error + 'static)) -> Self {
        self.causes.push(error.to_string());
        let mut at = error.source();
        while let Some(source) = at {
            self.causes.push(source.to_string());
            at = source.source();
        }
        self
    }

    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    #[must_use]
    pub(crate) fn findings(mut self, text: Text, data: Value) -> Self {
        self.findings = Some(Box::new(Findings { text, data }));
        self
    }

    /// A file that cannot be read or written.
    pub(crate) fn file(exit: Exit, what: &str, path: &std::path::Path, error: &io::Error) -> Self {
        CommandError::new(exit, format!("{what} {} cannot be used", path.display())).cause(error)
    }
}

/// For writing results: a closed pipe is not a failure.
impl From<io::Error> for CommandError {
    fn from(error: io::Error) -> Self {
        let broken_pipe = error.kind() == io::ErrorKind::BrokenPipe;
        let exit = if broken_pipe { Exit::Done } else { Exit::Failed };
        CommandError { broken_pipe, ..CommandError::new(exit, "the output cannot be written").cause(&error) }
    }
}
