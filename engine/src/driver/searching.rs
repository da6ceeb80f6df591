//! The search before an undo: a separate task, because it reads many steps.

use std::sync::Arc;

use super::{Driver, News};
use crate::error::BackendError;
use crate::event::Event;
use crate::search::search;

impl Driver {
    /// Begins the search of a run, unless it is running. It reads the durable journal: events still in memory are not about
    /// steps that never began.
    pub(super) fn search(&mut self, slot: usize) -> Result<(), BackendError> {
        let Some(performer) = self.performer.clone().filter(|_| !self.stopping) else { return Ok(()) };
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        if run.searching.is_some() {
            return Ok(());
        }
        let state = self.place.replay(run.id)?;
        let sender = self.sender.clone();
        let performer = Arc::clone(&performer);
        let task = tokio::spawn(async move {
            let events = search(&state, &performer).await;
            // The receiver is this driver's own.
            drop(sender.send(News::Searched { slot, events }));
        });
        run.searching = Some(task.abort_handle());
        self.flights += 1;
        Ok(())
    }

    /// Records the search's events, unless it was aborted.
    pub(super) fn searched(&mut self, slot: usize, events: Vec<Event>) -> Result<(), BackendError> {
        let clock = self.clock.read();
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        if run.searching.take().is_none() {
            return Ok(());
        }
        self.flights = self.flights.saturating_sub(1);
        self.touched.insert(slot);
        // A pause or another signal came in between: the search is repeated when the run continues.
        if !run.state.search_is_due() || !run.state.may_send() {
            return Ok(());
        }
        for event in events {
            run.record(event, clock)?;
        }
        Ok(())
    }

    /// Aborts all searches: nothing new begins.
    pub(super) fn search_no_more(&mut self) {
        for run in self.live.iter_mut().flatten() {
            if let Some(task) = run.searching.take() {
                task.abort();
                self.flights = self.flights.saturating_sub(1);
            }
        }
    }
}
