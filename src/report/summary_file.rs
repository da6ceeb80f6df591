//! `--report FILE`: a summary of runs for other programs, as JUnit or Markdown.

mod junit;
mod markdown;

use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::report::view::RunView;

/// A file for a summary.
pub(crate) struct SummaryFile {
    path: PathBuf,
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    JUnit,
    Markdown,
}

impl Format {
    /// The format by the file's extension; summary files of pipelines often have none.
    fn of(path: &Path) -> Self {
        let xml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("xml"));
        if xml { Format::JUnit } else { Format::Markdown }
    }
}

impl SummaryFile {
    /// Refuses a file that cannot be written before anything is sent.
    pub(crate) fn at(path: &Path) -> Result<Self, CommandError> {
        fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(path)
            .map_err(|error| CommandError::file(Exit::Usage, "the report", path, &error))?;
        Ok(SummaryFile { path: path.to_owned(), format: Format::of(path) })
    }

    /// Writes the summary of these runs.
    pub(crate) fn write(&self, views: &[RunView]) -> Result<(), CommandError> {
        fs::write(&self.path, self.text(views))
            .map_err(|error| CommandError::file(Exit::Failed, "the report", &self.path, &error))
    }

    fn text(&self, views: &[RunView]) -> String {
        match self.format {
            Format::JUnit => junit::text(views),
            Format::Markdown => markdown::text(views),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_says_the_format() {
        for (name, format) in [
            ("a.xml", Format::JUnit),
            ("a.XML", Format::JUnit),
            ("a.md", Format::Markdown),
            ("step_summary_1f3a", Format::Markdown),
        ] {
            assert_eq!(Format::of(Path::new(name)), format, "{name}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let error = SummaryFile::at(&folder.path().join("none/report.xml")).err().unwrap();
        assert_eq!(error.exit, Exit::Usage);
    }
}
