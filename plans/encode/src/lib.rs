//! One encoder for each place that text is written to. No dependency, no input or output.
//!
//! Names, messages, reasons, tags and file names come from Azure, from plans, from other people and from damaged or imported
//! journals. They are stored and compared as they are, and encoded once, where they are written:
//!
//! | written to | encoder | what text could do otherwise |
//! |---|---|---|
//! | a terminal, a log | [`terminal`] | move the cursor, set the clipboard, hide or reorder what is read |
//! | JSON | [`json`] | the same, once the JSON is printed |
//! | a script for POSIX sh, a suggested command | [`sh`] | run a command |
//! | a script for PowerShell | [`powershell`] | run a command |
//! | a page | [`html`] | run a script, lead elsewhere |
//! | Markdown | [`markdown`] | add markup and links |
//! | a table for spreadsheets | [`csv`] | become a formula |

pub mod characters;
pub mod csv;
pub mod html;
pub mod json;
pub mod markdown;
pub mod powershell;
pub mod sh;
pub mod terminal;
