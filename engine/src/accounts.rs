//! Operating-system accounts and groups: names and numbers. On other platforms they are unknown.

use std::path::{Path, PathBuf};

use crate::signal::Actor;

/// A group of accounts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    name: String,
    id: u32,
}

impl Group {
    /// Finds a group by name or number.
    pub fn find(name: &str) -> Option<Group> {
        let id = system::group_id(name).or_else(|| name.parse().ok())?;
        Some(Group { name: name.to_owned(), id })
    }

    /// The name or number by which it was found.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its number.
    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    /// The first folder above `folder` that members of the group cannot enter; `None`: they can reach it.
    pub fn is_kept_from(&self, folder: &Path) -> Option<PathBuf> {
        let whole = std::path::absolute(folder).ok()?;
        let mut above: Vec<&Path> = whole.ancestors().skip(1).collect();
        above.reverse();
        above.into_iter().find(|part| !system::lets_through(part, self.id)).map(Path::to_owned)
    }

    /// Whether this process may give its files to the group: it is a member, or root.
    pub fn has_this_account(&self) -> bool {
        system::is_root() || system::groups().contains(&self.id)
    }
}

/// Name of the account with this number; `uid N` if it has none.
pub(crate) fn name_of(account: u32) -> String {
    system::account_name(account).unwrap_or_else(|| format!("uid {account}"))
}

/// The account that runs this process, as the system reports it, independent of the environment.
pub fn own_account() -> Actor {
    Actor(system::own_id().map_or_else(|| "unknown".to_owned(), name_of))
}

/// Number of the account that runs this process; `None`: this platform has none.
pub(crate) fn own_id() -> Option<u32> {
    system::own_id()
}

#[cfg(unix)]
mod system {
    use std::fs;
    use std::path::Path;
    use std::process::{Command, Stdio};

    /// The program that also queries directories of accounts (LDAP, SSSD). The C library's functions for that are not safe to
    /// call, so its own program is used.
    const GETENT: [&str; 2] = ["/usr/bin/getent", "/bin/getent"];

    pub(super) fn own_id() -> Option<u32> {
        Some(rustix::process::geteuid().as_raw())
    }

    pub(super) fn is_root() -> bool {
        rustix::process::geteuid().is_root()
    }

    /// Groups of this process.
    pub(super) fn groups() -> Vec<u32> {
        let more = rustix::process::getgroups().unwrap_or_default();
        more.into_iter().chain([rustix::process::getegid()]).map(|group| group.as_raw()).collect()
    }

    /// Whether members of `group` may enter a folder. If its metadata cannot be read: yes.
    pub(super) fn lets_through(folder: &Path, group: u32) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let Ok(metadata) = fs::metadata(folder) else { return true };
        let bit = if metadata.gid() == group { 0o010 } else { 0o001 };
        metadata.mode() & bit != 0
    }

    pub(super) fn group_id(name: &str) -> Option<u32> {
        entry("/etc/group", "group", |fields| fields.first() == Some(&name), name)?.get(2)?.parse().ok()
    }

    pub(super) fn account_name(account: u32) -> Option<String> {
        let number = account.to_string();
        let found = entry("/etc/passwd", "passwd", |fields| fields.get(2) == Some(&&*number), &number)?;
        found.into_iter().next().filter(|name| !name.is_empty())
    }

    /// The fields of the matching entry, from the file or, if it has none, from the directory.
    fn entry(file: &str, database: &str, fits: impl Fn(&[&str]) -> bool, key: &str) -> Option<Vec<String>> {
        let find = |text: &str| {
            text.lines()
                .map(|line| line.split(':').collect::<Vec<_>>())
                .find(|fields| fits(fields))
                .map(|fields| fields.into_iter().map(str::to_owned).collect::<Vec<String>>())
        };
        find(&fs::read_to_string(file).unwrap_or_default()).or_else(|| find(&ask(database, key)?))
    }

    fn ask(database: &str, key: &str) -> Option<String> {
        let program = GETENT.iter().find(|program| fs::metadata(program).is_ok())?;
        // A name that begins with a dash is not an option.
        let asked = Command::new(program)
            .args([database, "--", key])
            .env_clear()
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .ok()?;
        String::from_utf8(asked.stdout).ok()
    }
}

#[cfg(not(unix))]
mod system {
    pub(super) fn own_id() -> Option<u32> {
        None
    }

    pub(super) fn is_root() -> bool {
        false
    }

    pub(super) fn groups() -> Vec<u32> {
        Vec::new()
    }

    pub(super) fn lets_through(_folder: &std::path::Path, _group: u32) -> bool {
        true
    }

    pub(super) fn group_id(_name: &str) -> Option<u32> {
        None
    }

    pub(super) fn account_name(_account: u32) -> Option<String> {
        None
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_found_by_its_name_or_its_number_and_an_account_by_its_number() {
        assert_eq!(name_of(0), "root");
        assert_eq!(name_of(4_123_456_789), "uid 4123456789");
        assert_eq!(Group::find("4123456789").map(|group| group.id()), Some(4_123_456_789));
        for unknown in ["", "no-such-group-here", "--help", "-1"] {
            assert_eq!(Group::find(unknown), None, "{unknown}");
        }
        // The first group in the machine's file.
        let list = std::fs::read_to_string("/etc/group").unwrap_or_default();
        if let Some((name, id)) = list.lines().next().and_then(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            Some((*fields.first()?, fields.get(2)?.parse::<u32>().ok()?))
        }) {
            assert_eq!(Group::find(name).map(|group| group.id()), Some(id));
        }
    }
}
