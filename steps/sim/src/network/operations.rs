//! Long-running operations and their signed URLs.

use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::call::Call;
use crate::reply::{Handled, Reply};

/// The final response of an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// 204.
    Done,
    /// 404 by the gateway, because the parent of the URL is deleted: how a deleted manager reports success.
    ParentGone,
}

/// A long-running operation.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// The parent of its URL, as written.
    pub(super) under: String,
    pub(super) end: End,
    /// Earliest time of completion.
    pub(super) done: Timestamp,
    /// Number of polls that still report it as running.
    pub(super) polls: u32,
    /// Number of polls so far.
    pub(super) looked: u64,
}

/// Lengths of the parameters in recorded URLs.
const CERTIFICATE: usize = 2575;
const SIGNATURE: usize = 342;
const HASH: usize = 43;

/// Starts an operation; returns its URL.
pub(super) fn begin(call: &mut Call<'_>, under: &str, operation: Operation) -> String {
    let id = call.world.draw().to_string();
    let address = address(call, under, &id, 0);
    call.world.network.operations.insert(id, operation);
    address
}

/// `GET …/operationResults/{id}`.
pub(super) fn poll(call: &mut Call<'_>, id: &str) -> Handled {
    let at = call.request.at;
    let Some(operation) = call.world.network.operations.get_mut(&id.to_ascii_lowercase()) else {
        return Err(call.provider_not_found(&call.request.path.clone()));
    };
    operation.looked += 1;
    let going_on = operation.polls > 0 || at < operation.done;
    operation.polls = operation.polls.saturating_sub(1);
    let operation = operation.clone();
    if going_on {
        let next = address(call, &operation.under, id, operation.looked);
        return Ok(Reply::accepted(&next).with("retry-after", "1"));
    }
    match operation.end {
        End::Done => Ok(Reply::empty(204)),
        End::ParentGone => Err(call.gateway_not_found(&operation.under)),
    }
}

/// The next URL of an operation, as long as a real one; each poll returns a new one.
fn address(call: &Call<'_>, under: &str, id: &str, looked: u64) -> String {
    let version = crate::request::encode(call.request.api_version().unwrap_or_default());
    // Ticks of .NET, the unit of `t`.
    let ticks = call.request.at.as_nanosecond() / 100 + 621_355_968_000_000_000 + i128::from(looked);
    let filler = |what: &str, length: usize| filler(&format!("{what} {id} {ticks}"), length);
    format!(
        "{}{under}/operationResults/{id}?api-version={version}&t={ticks}&c={}&s={}&h={}",
        call.world.hosts.arm,
        filler("certificate", CERTIFICATE),
        filler("signature", SIGNATURE),
        filler("hash", HASH),
    )
}

/// Letters and digits that depend on `what`.
fn filler(what: &str, length: usize) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut out = String::with_capacity(length);
    let mut block = 0_u32;
    while out.len() < length {
        let digest = Sha256::digest(format!("{what} {block}").as_bytes());
        let letters = digest.iter().filter_map(|b| LETTERS.get(usize::from(b & 63)));
        out.extend(letters.take(length - out.len()).map(|b| char::from(*b)));
        block += 1;
    }
    out
}
