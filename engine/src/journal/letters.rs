//! Takes in signals of other accounts, and sends signals to a journal of another account.

use std::path::PathBuf;
use std::sync::Arc;

use super::inbox::{self, Received};
use super::{Journal, Write, commit, task};
use crate::accounts;
use crate::error::BackendError;
use crate::signal::SignalRow;

impl Journal {
    /// Puts waiting signals of other accounts into the inbox; returns when that is done.
    pub(crate) fn take_letters_in(&self) {
        let Some(inbox) = self.inbox.as_ref().filter(|inbox| inbox.has_files()) else { return };
        inbox.alone(|_| {
            let (done, all_done) = std::sync::mpsc::channel();
            self.post(self.letters(&done));
            drop(done);
            // Each callback holds a sender and drops it.
            while all_done.recv().is_ok() {}
        });
    }

    /// The same in the background: reading them may have to query a directory of accounts.
    pub(crate) fn take_letters_in_soon(self: &Arc<Self>) {
        if self.inbox.as_ref().is_some_and(|inbox| inbox.has_files()) {
            let journal = Arc::clone(self);
            drop(tokio::task::spawn_blocking(move || journal.take_letters_in()));
        }
    }

    /// One write for each waiting signal; its file is removed when the write is durable.
    fn letters(&self, done: &std::sync::mpsc::Sender<()>) -> Vec<Box<dyn Write>> {
        let Some(inbox) = &self.inbox else { return Vec::new() };
        let write = |Received { file, signal }: Received| {
            let (inbox, done) = (Arc::clone(inbox), done.clone());
            let (id, run) = (signal.id, signal.run);
            let body = serde_json::to_string(&signal).ok()?;
            Some(task(
                move |connection| commit::put_signal(connection, id, run, &body),
                move |put| {
                    match put {
                        Ok(true) => {
                            if let Err(error) = std::fs::remove_file(&file) {
                                tracing::debug!(%error, "the file of a signal that was taken in stays behind");
                            }
                        }
                        Ok(false) => {
                            inbox.set_aside(&file, &format!("there is no run {run} in this journal"))
                        }
                        // The file stays; the journal's error is reported elsewhere.
                        Err(error) => tracing::warn!(%error, "a signal of another account was not taken in"),
                    }
                    drop(done);
                },
            ))
        };
        inbox.receive().into_iter().filter_map(write).collect()
    }

    /// The owner of this journal, if it accepts signals of this account only as files.
    pub(crate) fn sends_to(&self) -> Option<String> {
        self.sends_to.map(accounts::name_of)
    }

    /// Writes a signal file into the inbox folder of another account's journal.
    pub(crate) fn lay(&self, signal: &SignalRow) -> Result<PathBuf, BackendError> {
        inbox::lay(&self.path, signal)
    }
}
