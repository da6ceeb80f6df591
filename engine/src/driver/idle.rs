//! Waiting: for responses, for the next timer, for people. An idle run costs nothing.

use std::time::Duration;

use super::Driver;
use crate::clock::pause;
use crate::error::BackendError;

/// The journal is checked for changes by other processes at most this often: a signal is seen within this time.
const LOOK: Duration = Duration::from_millis(100);
/// The journal is checked at least this often, also without a change notification.
const LONGEST_LOOK: Duration = Duration::from_secs(10);

impl Driver {
    /// After a stop request, nothing new begins.
    pub(super) fn hear_stop(&mut self) {
        if self.stop.asked() > 0 && !self.stopping {
            self.stopping = true;
            self.ready.clear();
            self.want_no_more();
            self.watch_no_more();
            self.search_no_more();
            for (slot, run) in self.live.iter_mut().enumerate() {
                if let Some(run) = run {
                    run.clear_queue();
                    self.touched.insert(slot);
                }
            }
        }
    }

    /// Waits until something is to be done.
    pub(super) async fn wait(&mut self) -> Result<(), BackendError> {
        if self.clock.is_virtual() { self.wait_virtually().await } else { self.wait_really().await }
    }

    async fn wait_really(&mut self) -> Result<(), BackendError> {
        let now = tokio::time::Instant::now();
        let mut until = if self.stirred { self.next_look } else { self.next_look + LONGEST_LOOK };
        if let Some((at, _)) = self.lingering.front() {
            until = until.min(*at);
        }
        if let Some(std::cmp::Reverse((at, _))) = self.timers.peek() {
            let left = at.saturating_sub(self.clock.boot());
            until = until.min(now + left);
        }
        if let Some(at) = self.next_lease_time() {
            until = until.min(at);
        }
        let level = self.stop.asked().saturating_add(1);
        let news = tokio::select! {
            biased;
            news = self.news.recv() => news,
            () = self.stop.asked_for(level) => None,
            () = self.watch.stirs(), if !self.stirred => {
                self.stirred = true;
                None
            }
            () = pause(until.saturating_duration_since(now)) => None,
        };
        if let Some(news) = news {
            self.hear(news)?;
        }
        self.look_around()
    }

    /// Handles due timers, events held back long enough, and signals.
    fn look_around(&mut self) -> Result<(), BackendError> {
        let now = tokio::time::Instant::now();
        self.wake_due();
        self.keep_leases()?;
        while let Some((_, slot)) = self.lingering.pop_front_if(|(at, _)| *at <= now) {
            self.end_lingering(slot)?;
        }
        if now >= self.next_look && self.stirred || now >= self.next_look + LONGEST_LOOK {
            self.next_look = now + LOOK;
            self.stirred = false;
            self.look_for_signals()?;
        }
        Ok(())
    }

    fn end_lingering(&mut self, slot: usize) -> Result<(), BackendError> {
        let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        run.lingering = false;
        if run.has_news() && !run.is_committing() { self.commit(slot, false) } else { Ok(()) }
    }

    fn look_for_signals(&mut self) -> Result<(), BackendError> {
        self.place.journal.expect_in_place()?;
        self.lock.renew();
        self.place.journal.take_letters_in_soon();
        if self.watch.changed()? {
            self.take_signals(None)?;
            if self.all && !self.stopping {
                self.ask_for_open()?;
            }
        }
        Ok(())
    }

    fn wake_due(&mut self) {
        let now = self.clock.boot();
        while let Some(std::cmp::Reverse((at, slot))) = self.timers.peek().copied() {
            if at > now {
                break;
            }
            self.timers.pop();
            if let Some(run) = self.live.get_mut(slot).and_then(Option::as_mut)
                && run.wake == Some(at)
            {
                run.wake = None;
                self.touched.insert(slot);
            }
        }
    }

    /// Advances virtual time only when nothing is in flight, no commit is pending and no lease is being acquired.
    async fn wait_virtually(&mut self) -> Result<(), BackendError> {
        if self.commits > 0 || self.flights > 0 {
            if let Some(news) = self.news.recv().await {
                self.hear(news)?;
            }
            return Ok(());
        }
        if !self.lingering.is_empty() {
            for (_, slot) in std::mem::take(&mut self.lingering) {
                self.end_lingering(slot)?;
            }
            return Ok(());
        }
        self.look_for_signals()?;
        if !self.touched.is_empty()
            || !self.posting.is_empty()
            || !self.asked.is_empty()
            || !self.news.is_empty()
        {
            return Ok(());
        }
        // A stale timer (its run is gone or has another wake-up time) must not advance the time.
        while let Some(std::cmp::Reverse((at, slot))) = self.timers.peek().copied() {
            if self.live.get(slot).and_then(Option::as_ref).is_some_and(|run| run.wake == Some(at)) {
                self.clock.sleep(at.saturating_sub(self.clock.boot())).await;
                self.wake_due();
                // A long rehearsal still receives a stop request.
                tokio::task::yield_now().await;
                return Ok(());
            }
            self.timers.pop();
        }
        let level = self.stop.asked().saturating_add(1);
        tokio::select! {
            () = self.stop.asked_for(level) => {}
            () = pause(LOOK) => {}
        }
        Ok(())
    }
}
