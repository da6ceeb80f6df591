//! Words that the journal writes as one number. Their order is the format: new ones go to the end, none is ever removed.

/// The words; the first 128 take one byte as a name of a field.
pub(crate) const WORDS: &[&str] = &[
    // events
    "step", "event", "intended", "accepted", "done", "attempt", "phase", "digest", "pre_image", "was_absent", "epoch",
    "claims", "ended", "receipt", "output", "origin", "evidence", "read_began", "write_ended", "seen", "marker",
    "read", "also", "verb", "target", "status", "already-so", "waiting", "wait", "look_again", "deadline",
    "needs-decision", "decision", "uncertain", "error", "still-absent", "retry-wait", "failures", "until", "failed",
    "skipped", "cancelled", "approved", "rejected", "undone", "kept", "undo-stopped", "reason", "by", "at",
    "run-started", "driver-took", "driver", "program", "stolen", "expanded", "item", "elements", "not-applicable",
    "signal-taken", "id", "actor", "signal", "acknowledged", "in_flight", "run-ended", "outcome", "run", "name", "plan",
    "inputs", "starter", "paused", "seed",
    // values of events
    "probe", "apply", "verify", "undo-probe", "undo", "undo-verify", "no-place", "none", "of", "found-in-place", "made",
    "changed", "observed", "claimed", "succeeded",
    // failures, waits, decisions
    "class", "certainty", "message", "code", "hint", "causes", "references", "retry_after", "kind", "what", "who",
    "action", "link", "otherwise", "advice", "differences", "field", "wanted", "found", "secs", "nanos", "not-done",
    "unknown", "throttled", "transient", "conflict-retryable", "replication-lag", "propagation", "credential",
    "needs-person", "permission", "policy", "plan-wrong", "bug", "person", "approval", "remote", "window", "limit",
    "claim", "timer",
    // transcripts
    "exchanges", "began", "identity", "write", "sent", "received", "GET", "PUT", "POST", "PATCH", "DELETE", "HEAD",
    // signals
    "pause", "resume", "cancel", "approve", "reject", "retry", "skip", "values", "decide", "choice", "provide", "value",
    "adopt", "overwrite", "recreate", "abort",
    // statuses
    "queued", "running", "draining", "on", "halted", "undecided", "interrupted", "undoing",
    // outputs of many kinds
    "type", "properties", "description", "location", "ok", "state", "true", "false", "receipt-kept",
];

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn each_word_is_there_once_and_has_a_number_of_one_byte() {
        assert!(WORDS.len() <= 256, "{} words", WORDS.len());
        let mut seen = HashSet::new();
        for word in WORDS {
            assert!(seen.insert(word), "{word} is there twice");
        }
    }

    /// A released word keeps its number: journals of every version are read.
    #[test]
    fn words_keep_their_numbers() {
        for (number, word) in [(0, "step"), (8, "pre_image"), (40, "skipped"), (74, "probe"), (89, "class")] {
            assert_eq!(WORDS[number], word);
        }
    }
}
