//! Tests of the benchmark itself: it measures the engine's real path, and a kill repeats no effect.

use std::path::Path;
use std::sync::Arc;

use twinspan_engine::{CutPoint, CutPoints, Durability, Recorded};

use crate::arguments::{Arguments, Misuse, Workload};
use crate::audit::{Audit, audit};
use crate::effects::{Effect, Effects};
use crate::workload::{perform, perform_until};

fn arguments(folder: &Path, workload: &str) -> Arguments {
    let folder = folder.to_str().unwrap();
    let given =
        ["--workload", workload, "--dir", folder, "--workflows", "20", "--steps", "5", "--sync", "off"];
    Arguments::parse(given.map(str::to_owned)).unwrap()
}

fn effects(arguments: &Arguments) -> Arc<Effects> {
    Arc::new(Effects::open(&arguments.effects).unwrap())
}

/// Cuts the journal off after this many commits.
struct After(u64);

impl CutPoints for After {
    fn cut(&self, commit: u64, point: CutPoint, _events: &[Recorded]) -> bool {
        commit == self.0 && point == CutPoint::BeforeCommit
    }
}

#[tokio::test]
async fn a_journal_cut_off_anywhere_is_finished_with_every_effect_once() {
    let mut uncertain = 0;
    for commit in 1.. {
        let folder = tempfile::tempdir().unwrap();
        let asked = arguments(&folder.path().join("journal"), "W2");
        std::fs::create_dir(&asked.folder).unwrap();
        let cut: Arc<dyn CutPoints> = Arc::new(After(commit));
        let first = perform_until(&asked, effects(&asked), Some(cut), &|_| Ok(())).await;
        let whole = first.is_ok();
        drop(first);
        let resumed = Arguments { workload: Workload::Resume, ..asked.clone() };
        drop(perform(&resumed, effects(&resumed), &|_| Ok(())).await.unwrap());
        let found = audit(&asked, &effects(&asked)).await.unwrap();
        // Runs that were not accepted before the cut do not exist.
        assert_eq!(found.effects, found.runs * 5, "cut at commit {commit}");
        uncertain += found.uncertain;
        if whole {
            assert_eq!(found.runs, 20);
            break;
        }
    }
    assert!(uncertain > 0, "no cut hit a write: the test proves nothing");
}

#[tokio::test]
async fn an_audit_notices_an_effect_too_many_and_one_too_few() {
    let folder = tempfile::tempdir().unwrap();
    let asked = arguments(&folder.path().join("journal"), "W2");
    std::fs::create_dir(&asked.folder).unwrap();
    let ledger = effects(&asked);
    drop(perform(&asked, Arc::clone(&ledger), &|_| Ok(())).await.unwrap());
    let whole = audit(&asked, &effects(&asked)).await.unwrap();
    assert_eq!((whole.runs, whole.effects, whole.uncertain), (20, 100, 0));
    assert!(matches!(whole, Audit { commits: 120..200, .. }), "{whole}");

    let records = std::fs::read(&asked.effects).unwrap();
    std::fs::write(&asked.effects, &records[16..]).unwrap();
    let error = audit(&asked, &effects(&asked)).await.unwrap_err().to_string();
    assert!(error.contains("never made"), "{error}");

    std::fs::write(&asked.effects, &records).unwrap();
    ledger.append(Effect { workflow: 3, step: 3 }).unwrap();
    let error = audit(&asked, &effects(&asked)).await.unwrap_err().to_string();
    assert!(error.contains("made twice"), "{error}");

    std::fs::write(&asked.effects, &records).unwrap();
    ledger.append(Effect { workflow: 99, step: 0 }).unwrap();
    let error = audit(&asked, &effects(&asked)).await.unwrap_err().to_string();
    assert!(error.contains("I1"), "{error}");
}

#[test]
fn of_an_argument_given_twice_the_last_counts() {
    let given = ["--workload", "FILL", "--sync", "full", "--dir", "d", "--sync", "off"].map(str::to_owned);
    let arguments = Arguments::parse(given).unwrap();
    assert_eq!(arguments.durability, Durability::Off);
    assert_eq!(arguments.workload, Workload::Fresh { workflows: 10_000, steps: 10 });
    assert_eq!(arguments.effects, Path::new("d.effects"));
    let unknown = Arguments::parse(["--speed".to_owned(), "9".to_owned()]);
    assert!(matches!(unknown, Err(Misuse::Unknown(_))), "{unknown:?}");
}
