//! Sends signals to runs: finds the run and the step, stores the signal, and reports when it is in force.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use twinspan_engine::{
    Actor, Backend, InboxFile, ItemKind, RunId, Signal, SignalId, SignalOutcome, SignalRefused, SignalRow,
    SqliteBackend, StepKey, WaitKind, check_signal,
};
use twinspan_plans::is_same_instance;

use crate::cli::error::CommandError;
use crate::cli::exit::Exit;
use crate::cli::failures;
use crate::cli::json::document;
use crate::cli::ui::Ui;
use crate::host::app::App;
use crate::report::view::{resume, signal_word};
use crate::runs::{self, step_pattern};
use crate::text::{GOOD, Text};

/// Maximum time until a driver takes in a signal. It checks ten times a second; requests in flight finish first.
const PATIENCE: Duration = Duration::from_secs(60);

/// The run that `text` names, or the only open one.
pub(crate) async fn open_run(backend: &SqliteBackend, text: Option<&str>) -> Result<RunId, CommandError> {
    runs::reference::find_or_only(backend, text).await
}

/// The error for a signal that the run does not accept in its present state.
pub(crate) fn refused(refused: SignalRefused) -> CommandError {
    let error = CommandError::usage(refused.what);
    match refused.hint {
        Some(hint) => error.hint(hint),
        None => error,
    }
}

/// Sends a signal, and reports which process took it in.
pub(crate) async fn send(
    ui: &Ui,
    app: &App,
    backend: &Arc<SqliteBackend>,
    run: RunId,
    signal: Signal,
    reason: Option<String>,
) -> Result<Exit, CommandError> {
    let asked = signal_word(&signal);
    // A driver ignores a signal that the run cannot accept, so the sender gets the error here.
    let state = backend.load(run).await.map_err(failures::backend)?;
    let actor = app.sender(backend)?;
    check_signal(&state, &signal, &actor).map_err(refused)?;
    let row = SignalRow { id: SignalId::new(), run, actor: actor.clone(), reason, signal };
    let id = row.id;
    let settled = backend.signal_and_wait(row, PATIENCE).await.map_err(failures::backend)?;
    let (by, words, next) = match &settled {
        SignalOutcome::ByDriver => ("driver", "taken in by its driver".to_owned(), None),
        SignalOutcome::Here => {
            let state = backend.load(run).await.map_err(failures::backend)?;
            ("here", "not running: taken in by this process".to_owned(), resume(&state, run))
        }
        SignalOutcome::NotYet => {
            ("not-yet", "its driver has not taken it in yet; it stays in the inbox".to_owned(), None)
        }
        SignalOutcome::InboxFile(laid) => {
            (if laid.driver.is_some() { "not-yet" } else { "inbox" }, laid_words(laid, &actor), None)
        }
    };
    let file = match &settled {
        SignalOutcome::InboxFile(laid) => Some(&laid.file),
        _ => None,
    };
    let view = document(json!({
        "run": run, "short": run.short(), "signal": asked, "id": id, "actor": actor, "taken": by, "file": file, "next": next,
    }));
    ui.data(&view, || Text::line(&format!("{GOOD}{asked}{GOOD:#}  run {}: {words}", run.short())))?;
    if let Some(next) = next {
        ui.talk(&format!("next: {next}"));
    }
    Ok(match settled {
        SignalOutcome::ByDriver | SignalOutcome::Here => Exit::Done,
        // No run sends anything before the owner's process has taken the signal in, so there is nothing to wait for.
        SignalOutcome::InboxFile(InboxFile { driver: None, .. }) => {
            if let Some(owner) = backend.sends_to() {
                ui.talk(&format!("next: {owner} runs `twinspan resume {}`", run.short()));
            }
            Exit::Done
        }
        SignalOutcome::NotYet | SignalOutcome::InboxFile(_) => Exit::Waiting,
    })
}

/// Which process takes in a signal to another account's journal, and when.
fn laid_words(laid: &InboxFile, actor: &Actor) -> String {
    let InboxFile { file, owner, driver } = laid;
    let at = file.display();
    match driver {
        Some(driver) => format!(
            "put into the inbox as {actor} ({at}); {driver} drives the run and has not taken it in yet: check that {owner} started it \
             with journal.group"
        ),
        None => format!(
            "put into the inbox as {actor} ({at}); the run is not running: {owner}'s next command that writes takes it in"
        ),
    }
}

/// Sends one signal for each step that matches `pattern` and accepts it now, and reports their number.
pub(crate) async fn send_all(
    ui: &Ui,
    app: &App,
    backend: &Arc<SqliteBackend>,
    run: RunId,
    pattern: &str,
    signal: impl Fn(StepKey) -> Signal,
    reason: Option<String>,
) -> Result<Exit, CommandError> {
    let state = backend.load(run).await.map_err(failures::backend)?;
    let keys: Vec<StepKey> = state.steps().map(|item| item.key().clone()).collect();
    let named: Vec<&StepKey> = keys.iter().filter(|key| step_pattern::fits(pattern, &key.0)).collect();
    if named.is_empty() {
        let error = CommandError::not_found(format!("no step of run {} matches {pattern}", run.short()));
        let near = step_pattern::nearest(pattern, keys.iter().map(|key| &*key.0));
        return Err(match near {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error.hint(format!("`twinspan show {}` lists its steps", run.short())),
        });
    }
    let actor = app.sender(backend)?;
    let mut fitting = Vec::new();
    let mut refused = None;
    for key in &named {
        let signal = signal((*key).clone());
        match check_signal(&state, &signal, &actor) {
            Ok(()) => fitting.push(signal),
            Err(why) => refused = Some(why),
        }
    }
    let Some(last) = fitting.pop() else {
        let what = refused.map_or_else(String::new, |refused| format!(": {}", refused.what));
        return Err(CommandError::usage(format!(
            "none of {} steps that match {pattern} accepts this{what}",
            named.len()
        )));
    };
    let count = fitting.len() + 1;
    for signal in fitting {
        let row =
            SignalRow { id: SignalId::new(), run, actor: actor.clone(), reason: reason.clone(), signal };
        backend.signal(row).await.map_err(failures::backend)?;
    }
    ui.talk(&format!("{count} of {} steps that match {pattern} accept this", named.len()));
    // Sending the last signal takes in the whole inbox.
    send(ui, app, backend, run, last, reason).await
}

/// The step of the run that `text` names.
pub(crate) async fn step(backend: &SqliteBackend, run: RunId, text: &str) -> Result<StepKey, CommandError> {
    let state = backend.load(run).await.map_err(failures::backend)?;
    let key = StepKey::from(text);
    if state.find(&key).is_some_and(|item| item.kind() == ItemKind::Step) {
        return Ok(key);
    }
    // Keys are compared without case: `connect[PROD].role` names `connect[prod].role` if only one step has that name.
    let mut same = state.steps().map(|item| item.key()).filter(|known| is_same_instance(text, &known.0));
    if let (Some(one), None) = (same.next(), same.next()) {
        return Ok(one.clone());
    }
    let mut error = CommandError::not_found(format!("run {} has no step {text}", run.short()));
    let near: Vec<String> = state
        .steps()
        .map(|item| item.key().to_string())
        .filter(|known| known.contains(text) || text.contains(known.as_str()))
        .take(5)
        .collect();
    if !near.is_empty() {
        error = error.hint(format!("did you mean {}?", near.join(", ")));
    }
    Err(error.hint(format!("`twinspan show {}` lists its steps", run.short())))
}

/// The step that `text` names, if it waits for approval.
pub(crate) async fn step_waiting_for_approval(
    backend: &SqliteBackend,
    run: RunId,
    text: &str,
) -> Result<StepKey, CommandError> {
    let key = step(backend, run, text).await?;
    let state = backend.load(run).await.map_err(failures::backend)?;
    let waits = state.find(&key).and_then(|item| item.open_wait());
    if waits.is_some_and(|open| open.wait.kind == WaitKind::Approval) {
        return Ok(key);
    }
    let name = state.find(&key).and_then(|item| item.state()).map_or("unknown", |state| state.name());
    let waiting: Vec<String> = state
        .waits()
        .into_iter()
        .filter(|open| open.wait.kind == WaitKind::Approval)
        .map(|open| open.step.key().to_string())
        .collect();
    let error = CommandError::usage(format!("step {key} does not wait for approval: it is {name}"));
    Err(match waiting[..] {
        [] => error.hint("no step of this run waits for approval now"),
        _ => error.hint(format!("these steps wait for approval: {}", waiting.join(", "))),
    })
}
