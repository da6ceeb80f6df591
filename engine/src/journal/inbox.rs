//! Signals of other accounts: files in a folder beside the journal. The owner of a file is the actor; a name in its text is
//! only compared with that.
//!
//! The sender writes a file under a name that no driver reads, then renames it: the owner's driver sees a complete file or
//! none. The driver puts the signal into the journal's inbox under the id in the name, and removes the file when that is
//! durable. A file that remains after a crash has an id that the journal knows, and is only removed.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::place::with_suffix;
use crate::accounts::Group;
use crate::error::BackendError;
use crate::ids::{RunId, SignalId};
use crate::journal::Remarks;
use crate::signal::{Actor, Signal, SignalRow};

/// Mode of the folder: the group may write, each account may remove only its own files (sticky), and a new file belongs to
/// the group.
pub(crate) const MODE: u32 = 0o3770;
/// The version of the file format.
const FORMAT: u32 = 1;
/// Largest size of a signal.
const LONGEST: u64 = 64 * 1024;
/// Largest number of files that are taken in at a time.
const AT_ONCE: usize = 256;
const SUFFIX: &str = ".signal";

/// The inbox folder of a journal for signals of other accounts.
pub(crate) fn folder_of(journal: &Path) -> PathBuf {
    with_suffix(journal, ".inbox")
}

/// The folder for refused files: only its owner may read it.
fn refused_folder_of(journal: &Path) -> PathBuf {
    with_suffix(journal, ".refused")
}

/// The content of a signal file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Letter {
    format: u32,
    id: SignalId,
    run: RunId,
    /// The sender as the text states it: refused if the file has another owner.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    actor: Option<Actor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    signal: Signal,
}

/// Whether another account may send it: instructions to a run, except those that start a process or record results.
fn is_for_others(signal: &Signal) -> bool {
    match signal {
        Signal::Pause
        | Signal::Resume
        | Signal::Cancel
        | Signal::Approve { .. }
        | Signal::Reject { .. }
        | Signal::Retry { .. }
        | Signal::Skip { .. }
        | Signal::Decide { .. }
        | Signal::Provide { .. } => true,
        Signal::Undo
        | Signal::Forward
        | Signal::Prune { .. }
        | Signal::UpdatedSince { .. }
        | Signal::Repair { .. }
        | Signal::Verified { .. } => false,
    }
}

/// A signal file that was read.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) file: PathBuf,
    pub(crate) signal: SignalRow,
}

/// The inbox folder, as the owner of the journal sees it.
pub(crate) struct Inbox {
    journal: PathBuf,
    folder: PathBuf,
    group: Group,
    remarks: Remarks,
    /// Files that could be neither taken in nor moved: reported once.
    stuck: Mutex<BTreeSet<PathBuf>>,
    busy: AtomicBool,
}

impl Inbox {
    pub(crate) fn new(journal: &Path, group: Group, remarks: Remarks) -> Self {
        Inbox {
            journal: journal.to_owned(),
            folder: folder_of(journal),
            group,
            remarks,
            stuck: Mutex::default(),
            busy: AtomicBool::new(false),
        }
    }

    /// Whether files may be waiting.
    pub(crate) fn has_files(&self) -> bool {
        !self.names().is_empty()
    }

    /// Runs `work`, unless another call is running it now.
    pub(crate) fn alone(self: &Arc<Self>, work: impl FnOnce(&Inbox)) {
        if !self.busy.swap(true, Ordering::AcqRel) {
            work(self);
            self.busy.store(false, Ordering::Release);
        }
    }

    /// Names of signal files, in the order of their ids, which is the order of creation; unfinished ones begin with a dot.
    fn names(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.folder) else { return Vec::new() };
        let stuck = self.stuck.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<PathBuf> = entries
            .filter_map(|entry| Some(entry.ok()?.path()))
            .filter(|path| {
                !path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
                    && !stuck.contains(path)
            })
            .collect();
        names.sort();
        names.truncate(AT_ONCE);
        names
    }

    /// Reads the waiting signals; moves refused files away.
    pub(crate) fn receive(&self) -> Vec<Received> {
        let mut received = Vec::new();
        for file in self.names() {
            match system::read(&file, &self.journal, &self.group)
                .and_then(|(owner, text)| judge(&file, owner, &text))
            {
                Ok(Some(signal)) => received.push(Received { file, signal }),
                Ok(None) => {}
                Err(why) => self.set_aside(&file, &why),
            }
        }
        received
    }

    /// Moves a refused file to where no other account reaches it, without opening it.
    pub(crate) fn set_aside(&self, file: &Path, why: &str) {
        let folder = refused_folder_of(&self.journal);
        let name = file.file_name().unwrap_or_default();
        let mut kept = folder.join(name);
        let mut number = 1;
        while fs::symlink_metadata(&kept).is_ok() {
            number += 1;
            kept = with_suffix(&folder.join(name), &format!(".{number}"));
        }
        let moved = super::place::make_folder(&folder).and_then(|()| fs::rename(file, &kept));
        let at = file.display();
        match moved {
            Ok(()) => self.remarks.put(format!("{at} is refused: {why}; it is kept as {}", kept.display())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                self.stuck.lock().unwrap_or_else(PoisonError::into_inner).insert(file.to_owned());
                self.remarks.put(format!("{at} is refused: {why}; it cannot be moved ({error}): remove it"));
            }
        }
    }
}

/// Parses the signal file of account `owner`; `None`: the file is gone.
fn judge(file: &Path, owner: Option<u32>, text: &[u8]) -> Result<Option<SignalRow>, String> {
    let Some(owner) = owner else { return Ok(None) };
    let letter: Letter =
        serde_json::from_slice(text).map_err(|error| format!("it is no signal ({error})"))?;
    if letter.format != FORMAT {
        return Err(format!("its format {} is not known", letter.format));
    }
    let named = file.file_name().and_then(|name| name.to_str()?.strip_suffix(SUFFIX)?.parse().ok());
    if named != Some(letter.id.0) {
        return Err("its name is not the id of its signal".to_owned());
    }
    let actor = Actor(crate::accounts::name_of(owner));
    if let Some(claimed) = letter.actor.filter(|claimed| *claimed != actor) {
        return Err(format!("it says to be from {claimed} and belongs to {actor}"));
    }
    if !is_for_others(&letter.signal) {
        return Err("only the owner of the journal may ask for this".to_owned());
    }
    let Letter { id, run, reason, signal, .. } = letter;
    Ok(Some(SignalRow { id, run, actor, reason, signal }))
}

/// Writes a signal file into the inbox folder of another account's journal, durably. Returns its path.
pub(crate) fn lay(journal: &Path, row: &SignalRow) -> Result<PathBuf, BackendError> {
    let refused = |message: String, hint: String| Err(BackendError::Refused { message, hint });
    if !is_for_others(&row.signal) {
        return refused(
            format!("the journal {} belongs to another account", journal.display()),
            "only its owner may ask for this".to_owned(),
        );
    }
    let folder = folder_of(journal);
    let letter = Letter {
        format: FORMAT,
        id: row.id,
        run: row.run,
        actor: None,
        reason: row.reason.clone(),
        signal: row.signal.clone(),
    };
    let text = serde_json::to_vec(&letter).map_err(crate::error::unencodable)?;
    if text.len() as u64 > LONGEST {
        return refused(
            format!("a signal of another account may have {LONGEST} bytes; this one has {}", text.len()),
            "give a shorter reason or smaller values".to_owned(),
        );
    }
    let (unfinished, file) =
        (folder.join(format!(".{}{SUFFIX}", row.id.0)), folder.join(format!("{}{SUFFIX}", row.id.0)));
    let written = system::write(&unfinished, &text, &folder).and_then(|()| {
        fs::rename(&unfinished, &file)?;
        super::place::sync_folder(&file)
    });
    let Err(error) = written else { return Ok(file) };
    drop(fs::remove_file(&unfinished));
    let me = crate::accounts::own_account();
    match error.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied => refused(
            format!(
                "the journal {} accepts no signals from {me} ({}: {error})",
                journal.display(),
                folder.display()
            ),
            format!(
                "its owner lets a group send signals: `[journal]` `group = \"NAME\"`, {me} a member of it, and one command of \
                 the owner that writes, such as `twinspan resume`; docs/guides/colleagues.md"
            ),
        ),
        _ => refused(
            format!("the signal cannot be written to {}: {error}", folder.display()),
            "make room on the disk of the journal, then try again".to_owned(),
        ),
    }
}

#[cfg(unix)]
mod system {
    use std::fs::{File, Metadata, OpenOptions, Permissions};
    use std::io::{Read as _, Write as _};
    use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};

    use super::*;

    /// Owner and content of a file that may be a signal. It opens only a regular file, never through a link, and checks the
    /// file that it opened. An owner of `None`: the file is gone.
    pub(super) fn read(path: &Path, journal: &Path, group: &Group) -> Result<(Option<u32>, Vec<u8>), String> {
        use rustix::fs::{Mode, OFlags};
        let gone = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => Ok((None, Vec::new())),
            _ => Err(format!("it cannot be read: {error}")),
        };
        let named = match fs::symlink_metadata(path) {
            Ok(named) => named,
            Err(error) => return gone(error),
        };
        if !named.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        // Non-blocking, in case the file is replaced by a pipe at this moment.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(error) => return gone(error.into()),
        };
        let metadata = file.metadata().map_err(|error| format!("it cannot be read: {error}"))?;
        let keeper =
            fs::metadata(journal).map_err(|error| format!("the journal cannot be read: {error}"))?.uid();
        judge(&metadata, keeper, group)?;
        let mut text = Vec::new();
        file.take(LONGEST + 1)
            .read_to_end(&mut text)
            .map_err(|error| format!("it cannot be read: {error}"))?;
        if text.len() as u64 > LONGEST {
            return Err(too_long());
        }
        Ok((Some(metadata.uid()), text))
    }

    fn too_long() -> String {
        format!("it is longer than {LONGEST} bytes")
    }

    /// Checks that only its owner can have written the file.
    fn judge(metadata: &Metadata, keeper: u32, group: &Group) -> Result<(), String> {
        if !metadata.is_file() {
            return Err("it is not a regular file".to_owned());
        }
        if metadata.nlink() != 1 {
            return Err("it has another name (a hard link)".to_owned());
        }
        if metadata.gid() != group.id() {
            return Err(format!("it belongs to group {} and not to {}", metadata.gid(), group.name()));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(format!(
                "others than its owner may write to it (mode {:04o})",
                metadata.mode() & 0o7777
            ));
        }
        if metadata.uid() == keeper {
            return Err("it belongs to the owner of the journal, who sends signals directly".to_owned());
        }
        if metadata.len() > LONGEST {
            return Err(too_long());
        }
        Ok(())
    }

    /// Writes a new file that the group of `folder` may read, durably.
    pub(super) fn write(path: &Path, text: &[u8], folder: &Path) -> io::Result<()> {
        let wanted = fs::symlink_metadata(folder)?;
        if !wanted.is_dir() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "it is not a folder"));
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
        file.write_all(text)?;
        if file.metadata()?.gid() != wanted.gid() {
            std::os::unix::fs::fchown(&file, None, Some(wanted.gid()))?;
        }
        // Independent of this account's umask.
        file.set_permissions(Permissions::from_mode(0o640))?;
        file.sync_all()
    }
}

/// Other platforms have no inbox folder.
#[cfg(not(unix))]
mod system {
    use super::*;

    pub(super) fn read(
        _path: &Path,
        _journal: &Path,
        _group: &Group,
    ) -> Result<(Option<u32>, Vec<u8>), String> {
        Err("this platform has no accounts to tell apart".to_owned())
    }

    pub(super) fn write(_path: &Path, _text: &[u8], _folder: &Path) -> io::Result<()> {
        Err(io::Error::new(io::ErrorKind::NotFound, "this platform has no accounts to tell apart"))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The result for a file of root.
    fn judged(name: &str, text: &str) -> Result<String, String> {
        let file = Path::new("/inbox").join(name);
        judge(&file, Some(0), text.as_bytes()).map(|row| row.expect("it is there").actor.0)
    }

    #[test]
    fn the_owner_of_a_file_asks_and_its_text_claims_nothing_else() {
        let id = "01936f6e-0000-7000-8000-000000000001";
        let run = "01936f6e-0000-7000-8000-000000000002";
        let letter = json!({ "format": 1, "id": id, "run": run, "signal": "pause" });
        let name = format!("{id}.signal");
        let with = |field: &str, value: serde_json::Value| {
            let mut letter = letter.clone();
            letter[field] = value;
            judged(&name, &letter.to_string())
        };
        assert_eq!(judged(&name, &letter.to_string()).as_deref(), Ok("root"));
        assert_eq!(with("actor", json!("root")).as_deref(), Ok("root"));
        for (result, why) in [
            (with("actor", json!("grace")), "says to be from grace and belongs to root"),
            (with("format", json!(2)), "format 2"),
            (with("id", json!(run)), "its name is not the id"),
            (with("signal", json!("undo")), "only the owner"),
            (with("signal", json!({ "prune": { "steps": [], "by": run } })), "only the owner"),
            (with("signal", json!("explode")), "no signal"),
            (with("sudo", json!(true)), "no signal"),
            (judged("x.signal", &letter.to_string()), "its name is not the id"),
            (judged(id, &letter.to_string()), "its name is not the id"),
            (judged(&name, "{"), "no signal"),
            (judged(&name, ""), "no signal"),
        ] {
            assert!(result.as_ref().is_err_and(|said| said.contains(why)), "{why}: {result:?}");
        }
    }
}
