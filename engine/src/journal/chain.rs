//! The hash chain of one run: each commit's hash covers the previous one.

use sha2::{Digest as _, Sha256};

use crate::ids::RunId;

/// Hash of a commit, or the start value.
pub(crate) type Hash = [u8; 32];

/// The start value before the first commit.
pub(crate) const START: Hash = [0; 32];

/// Hash of a commit: covers the previous hash, the run, its sequence number, its time and its bytes.
pub(crate) fn link(before: &Hash, run: RunId, seq: u64, at: i64, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(run.0.as_bytes());
    hash.update(seq.to_be_bytes());
    hash.update(at.to_be_bytes());
    hash.update(body);
    hash.finalize().into()
}
