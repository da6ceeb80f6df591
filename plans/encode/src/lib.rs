//! One encoder for each kind of output. No dependencies, no input or output.
//!
//! Names, messages, reasons, tags and file names come from Azure, from plans, from people and from damaged or imported
//! journals.
//! They are stored and compared unchanged, and encoded once, when they are written:
//!
//! | written to | encoder | risk of unencoded text |
//! |---|---|---|
//! | a terminal, a log | [`terminal`] | move the cursor, set the clipboard, hide or reorder what is read |
//! | JSON | [`json`] | the same, when the JSON is printed |
//! | a script for POSIX sh, a suggested command | [`sh`] | run a command |
//! | a script for PowerShell | [`powershell`] | run a command |
//! | a page | [`html`] | run a script, link to another site |
//! | Markdown | [`markdown`] | add markup and links |
//! | a table for spreadsheets | [`csv`] | be evaluated as a formula |

pub mod characters;
pub mod csv;
pub mod html;
pub mod json;
pub mod markdown;
pub mod powershell;
pub mod sh;
pub mod terminal;
