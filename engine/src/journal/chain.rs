//! The chain of one run: each commit's hash covers the one before.

use sha2::{Digest as _, Sha256};

use crate::ids::RunId;

/// Hash of a commit, or of nothing before the first.
pub(crate) type Hash = [u8; 32];

/// What stands before the first commit.
pub(crate) const START: Hash = [0; 32];

/// Hash of a commit: of the hash before, of whose it is, where and when, and of all its bytes.
pub(crate) fn link(before: &Hash, run: RunId, seq: u64, at: i64, body: &[u8]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(before);
    hash.update(run.0.as_bytes());
    hash.update(seq.to_be_bytes());
    hash.update(at.to_be_bytes());
    hash.update(body);
    hash.finalize().into()
}
