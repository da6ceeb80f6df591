//! The bytes of one commit: its events, and the digests of its side data.

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeSeq, Serializer};
use serde_json::{Value, json};
use twinspan_plans::Digest;

use super::packed::{Unreadable, pack, unpack};
use crate::attempt_log::Exchange;
use crate::event::{Event, Recorded, StepEvent};
use crate::ids::{Seq, StepKey};
use crate::observation::Phase;

/// Truncates to whole microseconds, the resolution of the journal.
pub(crate) fn whole_microseconds(at: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(at.as_microsecond()).unwrap_or(at)
}

/// First byte of every body; another encoding gets another value.
const FORMAT: u8 = 1;
/// Initial capacity of a body: the size for one step of a chain.
const TYPICAL: usize = 384;
/// Largest transcript: a longer one loses the bodies of its requests, then whole requests.
const LONGEST_TRANSCRIPT: usize = 64 * 1024;

/// The kinds of side data: stored beside the events, with its digest in the chain, so that an export may omit or shorten it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SideKind {
    /// Requests and responses of an attempt.
    Transcript,
    /// What only the response to a write carries. Sensitive.
    Receipt,
}

impl SideKind {
    pub(crate) fn number(self) -> i64 {
        match self {
            SideKind::Transcript => 0,
            SideKind::Receipt => 1,
        }
    }
}

/// Side data of a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Side {
    pub(crate) kind: SideKind,
    /// The event that it belongs to, or the one after it.
    pub(crate) seq: Seq,
    pub(crate) body: Vec<u8>,
}

/// Requests and responses of one attempt of a step.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Transcript {
    /// The step.
    pub step: StepKey,
    /// The phase.
    pub phase: Phase,
    /// Number of the attempt.
    pub attempt: u32,
    /// Requests and responses, redacted. If it would be too long, bodies are omitted, and then whole requests.
    pub exchanges: Vec<Exchange>,
}

/// A commit, packed.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    /// Sequence number of its first event.
    pub(crate) seq: Seq,
    /// Time of its first event, in microseconds.
    pub(crate) at: i64,
    /// Time of its last event.
    pub(crate) last: i64,
    pub(crate) body: Vec<u8>,
    pub(crate) side: Vec<Side>,
}

/// The content of one commit, in the order of its bytes.
struct Body<'a> {
    events: &'a [Recorded],
    /// Events that are stored in another form: their receipts are side data.
    changed: &'a [(Seq, Event)],
    side: &'a [Side],
    base: i64,
}

impl Serialize for Body<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all = serializer.serialize_seq(Some(1 + self.side.len()))?;
        all.serialize_element(&Events(self))?;
        for side in self.side {
            all.serialize_element(&Digest::of(&side.body))?;
        }
        all.end()
    }
}

struct Events<'a>(&'a Body<'a>);

impl Serialize for Events<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Body { events, changed, base, .. } = self.0;
        let mut items = serializer.serialize_seq(Some(2 * events.len()))?;
        for recorded in *events {
            items.serialize_element(&(recorded.at.as_microsecond() - base))?;
            let other = changed.iter().find(|(seq, _)| *seq == recorded.seq);
            items.serialize_element(other.map_or(&recorded.event, |(_, event)| event))?;
        }
        items.end()
    }
}

/// Packs the events of one commit; `None` when there are none.
pub(crate) fn pack_commit(
    events: &[Recorded],
    transcripts: &[Transcript],
) -> Result<Option<Packed>, serde_json::Error> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else { return Ok(None) };
    let base = first.at.as_microsecond();
    let mut side = Vec::new();
    for transcript in transcripts {
        side.push(Side { kind: SideKind::Transcript, seq: first.seq, body: pack_transcript(transcript)? });
    }
    let mut changed = Vec::new();
    for recorded in events {
        if let Some((event, receipt)) = without_receipt(&recorded.event) {
            let mut body = Vec::new();
            pack(receipt, 0, &mut body)?;
            side.push(Side { kind: SideKind::Receipt, seq: recorded.seq, body });
            changed.push((recorded.seq, event));
        }
    }
    let mut body = Vec::with_capacity(TYPICAL);
    body.push(FORMAT);
    pack(&Body { events, changed: &changed, side: &side, base }, base, &mut body)?;
    Ok(Some(Packed { seq: first.seq, at: base, last: last.at.as_microsecond(), body, side }))
}

/// Moves the receipt out of the event; the event keeps a mark that there is one.
fn without_receipt(event: &Event) -> Option<(Event, &Value)> {
    match event {
        Event::Step {
            step,
            event: StepEvent::Accepted { attempt, phase, ended, receipt: Some(receipt), acted_as },
        } => {
            let kept = StepEvent::Accepted {
                attempt: *attempt,
                phase: *phase,
                ended: *ended,
                receipt: Some(json!("receipt-kept")),
                acted_as: acted_as.clone(),
            };
            Some((Event::Step { step: step.clone(), event: kept }, receipt))
        }
        _ => None,
    }
}

fn pack_transcript(transcript: &Transcript) -> Result<Vec<u8>, serde_json::Error> {
    let base = transcript.exchanges.first().map_or(0, |exchange| exchange.began.as_microsecond());
    let packed = |transcript: &Transcript| {
        let mut body = base.to_be_bytes().to_vec();
        pack(transcript, base, &mut body)?;
        Ok::<_, serde_json::Error>(body)
    };
    let body = packed(transcript)?;
    if body.len() <= LONGEST_TRANSCRIPT {
        return Ok(body);
    }
    let mut shorter = transcript.clone();
    for exchange in &mut shorter.exchanges {
        exchange.sent = None;
        exchange.received = None;
    }
    let mut body = packed(&shorter)?;
    while body.len() > LONGEST_TRANSCRIPT && !shorter.exchanges.is_empty() {
        shorter.exchanges.truncate(shorter.exchanges.len() / 2);
        body = packed(&shorter)?;
    }
    Ok(body)
}

/// Reads a transcript.
pub(crate) fn unpack_transcript(bytes: &[u8]) -> Result<Transcript, Unreadable> {
    let (base, rest) = bytes.split_first_chunk::<8>().ok_or(Unreadable::Short)?;
    serde_json::from_value(unpack(rest, i64::from_be_bytes(*base))?).map_err(|_| Unreadable::Unknown)
}

/// The events of a commit and the digests of its side data.
#[derive(Debug)]
pub(crate) struct Unpacked {
    pub(crate) events: Vec<Recorded>,
    pub(crate) side: Vec<Digest>,
}

/// Reads the events of a commit.
pub(crate) fn unpack_commit(seq: Seq, base: i64, body: &[u8]) -> Result<Unpacked, Unreadable> {
    let rest = match body.split_first() {
        Some((&FORMAT, rest)) => rest,
        Some(_) => return Err(Unreadable::Unknown),
        None => return Err(Unreadable::Short),
    };
    let Value::Array(all) = unpack(rest, base)? else { return Err(Unreadable::Malformed) };
    let mut all = all.into_iter();
    let Some(Value::Array(items)) = all.next() else { return Err(Unreadable::Malformed) };
    let mut events = Vec::with_capacity(items.len() / 2);
    let mut items = items.into_iter();
    let mut next = seq.0;
    while let Some(since) = items.next() {
        let at = since.as_i64().and_then(|since| base.checked_add(since)).ok_or(Unreadable::Malformed)?;
        let at = Timestamp::from_microsecond(at).map_err(|_| Unreadable::Malformed)?;
        let event = serde_json::from_value(items.next().ok_or(Unreadable::Short)?)
            .map_err(|_| Unreadable::Unknown)?;
        events.push(Recorded { seq: Seq(next), at, event });
        next = next.checked_add(1).ok_or(Unreadable::Malformed)?;
    }
    if events.is_empty() {
        return Err(Unreadable::Short);
    }
    let side = all
        .map(|digest| digest.as_str().and_then(Digest::parse).ok_or(Unreadable::Malformed))
        .collect::<Result<_, _>>()?;
    Ok(Unpacked { events, side })
}

/// Restores the receipt of an event from `bytes`.
pub(crate) fn restore_receipt(event: &mut Event, bytes: &[u8]) -> Result<(), Unreadable> {
    if let Event::Step { event: StepEvent::Accepted { receipt: receipt @ Some(_), .. }, .. } = event {
        *receipt = Some(unpack(bytes, 0)?);
    }
    Ok(())
}
