//! Arguments of the benchmark program, as its contract defines them.

use std::path::PathBuf;

use twinspan_engine::Durability;

/// What the program does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    /// Starts new workflows and drives all of them to their end: `W1`, `W2`, `FILL`, `COLD`.
    Fresh { workflows: u32, steps: u32 },
    /// Drives the runs that an earlier process left to their end.
    Resume,
    /// Starts new workflows that wait for a person, until standard input is closed.
    Idle { workflows: u32 },
    /// Runs nothing: checks every record of the journal.
    Audit,
}

/// The parsed arguments.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    pub(crate) workload: Workload,
    pub(crate) folder: PathBuf,
    pub(crate) effects: PathBuf,
    pub(crate) durability: Durability,
    /// Number of the first workflow.
    pub(crate) first: u32,
}

/// An argument that the contract does not define, or a wrong value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Misuse {
    #[error(
        "{0} is not an argument; the arguments are --workload --dir --effects --sync --workflows --steps --first-id"
    )]
    Unknown(String),
    #[error("{0} needs a value")]
    Missing(String),
    #[error("{0} {1} is not possible: it takes {2}")]
    Wrong(String, String, &'static str),
}

impl Arguments {
    /// Parses the arguments; of one that is given twice the last counts, as the benchmark relies on.
    pub(crate) fn parse(given: impl IntoIterator<Item = String>) -> Result<Self, Misuse> {
        let mut given = given.into_iter();
        let (mut workload, mut folder, mut effects) = ("W1".to_owned(), PathBuf::from("."), None);
        let (mut durability, mut first) = (Durability::Full, None);
        let (mut workflows, mut steps) = (None, None);
        while let Some(name) = given.next() {
            let value = given.next().ok_or_else(|| Misuse::Missing(name.clone()))?;
            let count = || match value.parse() {
                Ok(count) => Ok(Some(count)),
                Err(_) => Err(Misuse::Wrong(name.clone(), value.clone(), "a whole number")),
            };
            match name.as_str() {
                "--workload" => workload = value,
                "--dir" => folder = PathBuf::from(value),
                "--effects" => effects = Some(PathBuf::from(value)),
                "--sync" => {
                    durability = match value.as_str() {
                        "full" => Durability::Full,
                        "normal" => Durability::Normal,
                        "off" => Durability::Off,
                        _ => return Err(Misuse::Wrong(name, value, "full, normal or off")),
                    }
                }
                "--workflows" => workflows = count()?,
                "--steps" => steps = count()?,
                "--first-id" => first = count()?,
                // There is one mode, and every ready step runs at once.
                "--mode" | "--concurrency" => {}
                _ => return Err(Misuse::Unknown(name)),
            }
        }
        let of = |usual: (u32, u32)| Workload::Fresh {
            workflows: workflows.unwrap_or(usual.0),
            steps: steps.unwrap_or(usual.1),
        };
        let kind = match workload.as_str() {
            "W1" => of((1, 1000)),
            "W2" => of((1000, 10)),
            "FILL" => of((10_000, 10)),
            "COLD" => of((1, 1)),
            "RESUME" => Workload::Resume,
            "IDLE" => Workload::Idle { workflows: workflows.unwrap_or(1000) },
            "AUDIT" => Workload::Audit,
            _ => {
                let wanted = "W1, W2, RESUME, FILL, COLD, IDLE or AUDIT";
                return Err(Misuse::Wrong("--workload".to_owned(), workload, wanted));
            }
        };
        let first = first.unwrap_or(if workload == "COLD" { 1_000_000_000 } else { 0 });
        let effects = effects.unwrap_or_else(|| folder.with_added_extension("effects"));
        Ok(Arguments { workload: kind, folder, effects, durability, first })
    }
}
