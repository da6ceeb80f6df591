//! The hand-over: the remaining tasks of an identity in a run, for people without twinspan. One structure, four views.
//!
//! ```text
//! RunState ─foresee─▶ what each kind says ─▶ HandOverView, a page for each tenant ─┬─▶ text, JSON
//!                                                                                 ├─▶ HTML
//!                                                                                 ├─▶ POSIX sh with the Azure CLI
//!                                                                                 └─▶ PowerShell with Az
//! ```

mod az;
mod html;
mod line;
mod marker;
mod page;
mod powershell;
mod remark;
mod text;
mod words;

pub(crate) use az::script as az;
pub(crate) use html::page as html;
pub(crate) use line::line;
pub(crate) use page::HandOverView;
pub(crate) use powershell::script as powershell;
pub(crate) use text::text;
