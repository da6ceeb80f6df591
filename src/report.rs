//! What the program shows: views of runs, previews, graphs, hand-over pages, summary files, and the reference.
//!
//! ```text
//! view ─┬─▶ graph, hand_over ─▶ preview
//!       └─▶ repair_preview, undo_preview, summary_file
//! ```

pub(crate) mod graph;
pub(crate) mod hand_over;
pub(crate) mod preview;
pub(crate) mod reference;
pub(crate) mod repair_preview;
pub(crate) mod summary_file;
pub(crate) mod undo_preview;
pub(crate) mod view;
