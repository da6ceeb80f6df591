//! Ownership of configuration files. A file that another account may change or create is refused, because it decides
//! which
//! hosts get a secret and which programs run as the operator.

use std::path::Path;

use crate::cli::environment::Environment;
use crate::cli::error::CommandError;
use crate::cli::exit::Exit;

/// How far a file is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trust {
    /// The operator named it with `--config` or `TWINSPAN_CONFIG`. It is read without an ownership check.
    Named,
    /// It is in the operator's configuration folder or home folder.
    Own,
    /// It was found in the working folder or above, and may come from a checkout.
    Found,
}

impl Trust {
    /// Whether the file may run programs and name hosts that get secrets.
    pub(super) fn is_full(self) -> bool {
        self != Trust::Found
    }
}

/// Owner, group and mode of a file, a folder or a symbolic link.
#[derive(Clone, Copy, Debug)]
struct Facts {
    owner: u32,
    group: u32,
    mode: u32,
}

/// The account that runs this program.
#[derive(Clone, Copy, Debug)]
struct Account {
    user: u32,
    group: u32,
    /// The user who called `sudo`.
    caller: Option<u32>,
}

/// Why a file is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Problem {
    Owner,
    Writable,
}

impl Account {
    fn judge(self, facts: Facts, is_folder: bool) -> Result<(), Problem> {
        let trusted = |user: u32| user == self.user || user == 0 || self.caller == Some(user);
        if !trusted(facts.owner) {
            return Err(Problem::Owner);
        }
        // In a folder with the sticky bit only the owner of a file may rename it, and the owner of the file is checked,
        // too.
        let sticky = is_folder && facts.mode & 0o1000 != 0;
        // The account's private group, as many systems create it for each account, or root's group.
        let own_group = facts.group == 0 || (facts.group == self.group && self.group == self.user);
        let others = facts.mode & 0o002 != 0 || (facts.mode & 0o020 != 0 && !own_group);
        if others && !sticky { Err(Problem::Writable) } else { Ok(()) }
    }
}

/// Refuses `file`, opened at `path`, if another account may change it or may have created it.
#[cfg(unix)]
pub(super) fn check(
    path: &Path,
    file: &std::fs::File,
    environment: &Environment,
) -> Result<(), CommandError> {
    use std::fs::{Metadata, metadata, symlink_metadata};
    use std::os::unix::fs::MetadataExt as _;

    let user = rustix::process::geteuid().as_raw();
    let caller = environment.get("SUDO_UID").and_then(|text| text.parse().ok()).filter(|_| user == 0);
    let account = Account { user, group: rustix::process::getegid().as_raw(), caller };
    let judge = |path: &Path, known: std::io::Result<Metadata>| {
        let known = known.map_err(|error| unreadable(path, &error))?;
        let facts = Facts { owner: known.uid(), group: known.gid(), mode: known.mode() };
        account
            .judge(facts, known.is_dir())
            .map_err(|problem| refusal(path, facts, known.is_dir(), problem, account))
    };
    judge(path, file.metadata())?;
    let target = path.canonicalize().map_err(|error| unreadable(path, &error))?;
    // The owner of a link decides what it points to, so that owner is checked, too.
    let link = symlink_metadata(path).map_err(|error| unreadable(path, &error))?;
    if link.is_symlink() {
        let facts = Facts { owner: link.uid(), group: link.gid(), mode: 0 };
        account.judge(facts, false).map_err(|problem| refusal(path, facts, false, problem, account))?;
    }
    let own_folder = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    for folder in [own_folder.parent(), target.parent()].into_iter().flatten() {
        judge(folder, metadata(folder))?;
    }
    Ok(())
}

/// Other platforms have no check: twinspan drives no runs there.
#[cfg(not(unix))]
pub(super) fn check(_: &Path, _: &std::fs::File, _: &Environment) -> Result<(), CommandError> {
    Ok(())
}

fn unreadable(path: &Path, error: &std::io::Error) -> CommandError {
    CommandError::file(Exit::Usage, "the configuration", path, error)
}

fn refusal(path: &Path, facts: Facts, is_folder: bool, problem: Problem, account: Account) -> CommandError {
    let shown = path.display();
    let what = if is_folder { format!("the folder {shown}") } else { shown.to_string() };
    let Facts { owner, group, mode } = facts;
    let mode = mode & 0o7777;
    let word = twinspan_encode::sh::word(&shown.to_string());
    let (why, repair) = match problem {
        Problem::Owner => (
            format!("belongs to uid {owner}, and neither to you (uid {}) nor to root", account.user),
            format!("if it is yours: sudo chown {} {word}", account.user),
        ),
        Problem::Writable => (
            format!("may be changed by others (owner uid {owner}, group gid {group}, mode {mode:04o})"),
            format!("chmod go-w {word}"),
        ),
    };
    let holds = if is_folder { "; its twinspan.toml is not read" } else { "; it is not read" };
    CommandError::usage(format!("the configuration cannot be trusted: {what} {why}{holds}"))
        .hint(repair)
        .hint("or name the configuration to use with --config FILE (--config /dev/null: none)")
}

#[cfg(test)]
mod tests {
    use super::*;

    const ME: Account = Account { user: 1000, group: 1000, caller: None };

    fn judged(account: Account, owner: u32, group: u32, mode: u32, is_folder: bool) -> Result<(), Problem> {
        account.judge(Facts { owner, group, mode }, is_folder)
    }

    #[test]
    fn only_the_account_and_root_are_obeyed() {
        for (owner, wanted) in
            [(1000, Ok(())), (0, Ok(())), (65_534, Err(Problem::Owner)), (1001, Err(Problem::Owner))]
        {
            assert_eq!(judged(ME, owner, 1000, 0o644, false), wanted, "{owner}");
        }
        let root = Account { user: 0, group: 0, caller: None };
        assert_eq!(judged(root, 1000, 1000, 0o644, false), Err(Problem::Owner));
        assert_eq!(judged(Account { caller: Some(1000), ..root }, 1000, 1000, 0o644, false), Ok(()));
    }

    #[test]
    fn nothing_that_others_may_write_is_obeyed() {
        for (group, mode, is_folder, wanted) in [
            (1000, 0o600, false, Ok(())),
            // The account's own group, as many systems have it, with umask 002.
            (1000, 0o664, false, Ok(())),
            (0, 0o664, false, Ok(())),
            (100, 0o664, false, Err(Problem::Writable)),
            (1000, 0o646, false, Err(Problem::Writable)),
            (1000, 0o755, true, Ok(())),
            (0, 0o1777, true, Ok(())),
            (0, 0o777, true, Err(Problem::Writable)),
            (100, 0o2775, true, Err(Problem::Writable)),
            // The sticky bit has no effect on a file.
            (1000, 0o1666, false, Err(Problem::Writable)),
        ] {
            assert_eq!(judged(ME, 1000, group, mode, is_folder), wanted, "{group} {mode:o} {is_folder}");
        }
        // If accounts share a primary group, it is not a private group.
        let staff = Account { group: 20, ..ME };
        assert_eq!(judged(staff, 1000, 20, 0o664, false), Err(Problem::Writable));
    }
}
