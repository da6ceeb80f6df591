//! Access to the process's environment; no other module reads it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// Environment variables of the process, or of a test.
#[derive(Clone, Debug)]
pub(crate) enum Environment {
    /// The environment of the process.
    Process,
    /// Variables of a test.
    #[cfg_attr(not(test), expect(dead_code, reason = "made by tests only"))]
    Memory(BTreeMap<String, String>),
}

impl Environment {
    /// A variable that is set and not empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.get_os(name).and_then(|value| value.into_string().ok())
    }

    /// A variable as a path.
    pub(crate) fn path(&self, name: &str) -> Option<PathBuf> {
        self.get_os(name).map(PathBuf::from)
    }

    #[expect(clippy::disallowed_methods, reason = "this file owns the environment")]
    fn get_os(&self, name: &str) -> Option<OsString> {
        let value = match self {
            Environment::Process => std::env::var_os(name)?,
            Environment::Memory(variables) => OsString::from(variables.get(name)?),
        };
        (!value.is_empty()).then_some(value)
    }

    /// Variables whose names begin with `prefix` and that are set and not empty, by name; values that are not Unicode
    /// are skipped.
    pub(crate) fn beginning_with(&self, prefix: &str) -> Vec<(String, String)> {
        let all: BTreeMap<String, String> = match self {
            Environment::Process => std::env::vars_os()
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
            Environment::Memory(variables) => variables.clone(),
        };
        all.into_iter().filter(|(name, value)| name.starts_with(prefix) && !value.is_empty()).collect()
    }

    /// The path of this program's executable.
    pub(crate) fn program() -> std::io::Result<PathBuf> {
        std::env::current_exe()
    }

    /// A switch: set, and neither `0` nor `false`.
    pub(crate) fn is_on(&self, name: &str) -> bool {
        self.get(name).is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// A folder of the XDG base directories: `variable`, or `fallback` below the home folder.
    fn xdg(&self, variable: &str, fallback: &str) -> Option<PathBuf> {
        self.path(variable)
            .filter(|path| path.is_absolute())
            .or_else(|| Some(self.path("HOME")?.join(fallback)))
            .map(|path| path.join("twinspan"))
    }

    /// The default folder of the journal.
    pub(crate) fn state_folder(&self) -> Option<PathBuf> {
        self.xdg("XDG_STATE_HOME", ".local/state")
    }

    /// The folder of the user's own configuration.
    pub(crate) fn configuration_folder(&self) -> Option<PathBuf> {
        self.xdg("XDG_CONFIG_HOME", ".config")
    }
}

#[cfg(test)]
mod tests {
    use super::Environment;

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        Environment::Memory(pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect())
    }

    #[test]
    fn an_empty_variable_counts_as_unset() {
        assert_eq!(environment(&[("NO_COLOR", "")]).get("NO_COLOR"), None);
        assert!(!environment(&[("CI", "false")]).is_on("CI"));
        assert!(environment(&[("CI", "true")]).is_on("CI"));
    }

    #[test]
    fn xdg_folders_must_be_absolute() {
        let state = |pairs: &[(&str, &str)]| environment(pairs).state_folder();
        assert_eq!(state(&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")]), Some("/s/twinspan".into()));
        assert_eq!(
            state(&[("XDG_STATE_HOME", "s"), ("HOME", "/h")]),
            Some("/h/.local/state/twinspan".into())
        );
        assert_eq!(state(&[]), None);
    }
}
