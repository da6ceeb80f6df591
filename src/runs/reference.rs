//! Finds the run that an argument names: by its whole id, its beginning, its last eight digits, or by being the only
//! one.

use twinspan_engine::{Backend, Filter, RunId, RunSummary};

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;

/// The run that `text` names.
pub(crate) async fn find(backend: &dyn Backend, text: &str) -> Result<RunId, CommandError> {
    if let Ok(id) = uuid::Uuid::parse_str(text) {
        return Ok(RunId(id));
    }
    let runs = backend.list(Filter::default()).await.map_err(failures::backend)?;
    let matching: Vec<&RunSummary> = runs.iter().filter(|summary| matches(summary.run, text)).collect();
    match &matching[..] {
        [] => Err(CommandError::not_found(format!("there is no run {text} in this journal"))
            .hint("`twinspan list` shows the runs; use --journal PATH for another journal")),
        [one] => Ok(one.run),
        _ => Err(several(&format!("{text} may be {} runs", matching.len()), matching)),
    }
}

/// The run that `text` names, or the only open one.
pub(crate) async fn find_or_only(backend: &dyn Backend, text: Option<&str>) -> Result<RunId, CommandError> {
    if let Some(text) = text {
        return find(backend, text).await;
    }
    let open = backend.list(Filter { open: true, ..Filter::default() }).await.map_err(failures::backend)?;
    match &open[..] {
        [] => Err(CommandError::not_found("there is no open run in this journal")
            .hint("`twinspan list` shows those that ended")),
        [one] => Ok(one.run),
        open => Err(several_runs(&format!("{} runs are open", open.len()), open)),
    }
}

/// The run that `text` names, or the only open one, or the only one of the journal.
pub(crate) async fn find_or_latest(backend: &dyn Backend, text: Option<&str>) -> Result<RunId, CommandError> {
    let open = backend.list(Filter { open: true, ..Filter::default() }).await.map_err(failures::backend)?;
    match (text, &open[..]) {
        (None, []) => find_or_only_of_all(backend, None).await,
        _ => find_or_only(backend, text).await,
    }
}

/// The run that `text` names, or the only one of the journal, ended or not.
pub(crate) async fn find_or_only_of_all(
    backend: &dyn Backend,
    text: Option<&str>,
) -> Result<RunId, CommandError> {
    if let Some(text) = text {
        return find(backend, text).await;
    }
    let runs = backend.list(Filter::default()).await.map_err(failures::backend)?;
    match &runs[..] {
        [] => Err(CommandError::not_found("there is no run in this journal")),
        [only] => Ok(only.run),
        several => Err(several_runs(&format!("there are {} runs", several.len()), several)),
    }
}

fn matches(run: RunId, text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    !text.is_empty()
        && (run.0.to_string().starts_with(&text)
            || run.0.simple().to_string().starts_with(&text)
            || run.short().starts_with(&text))
}

/// The error that lists runs, one of which has to be chosen.
pub(crate) fn several_runs(message: &str, runs: &[RunSummary]) -> CommandError {
    several(message, runs)
}

fn several<'a>(message: &str, runs: impl IntoIterator<Item = &'a RunSummary>) -> CommandError {
    let mut error = CommandError::new(Exit::Usage, format!("{message}: name one"));
    for summary in runs.into_iter().take(20) {
        error = error.hint(format!("{} {} (started {})", summary.run, summary.name, summary.started));
    }
    error
}

#[cfg(test)]
mod tests {
    use super::matches;
    use twinspan_engine::RunId;

    #[test]
    fn beginnings_and_the_last_eight_digits_name_a_run() {
        let run = RunId(uuid::Uuid::from_u128(0x0193_5a00_0000_7000_8000_0000_1a2b_3c4d));
        for text in ["01935a00", "01935a00-0000", "01935a000000", "1a2b3c4d", "1A2B3C4D", "1a2b"] {
            assert!(matches(run, text), "{text}");
        }
        for text in ["", "2b3c4d", "01935b"] {
            assert!(!matches(run, text), "{text}");
        }
    }
}
