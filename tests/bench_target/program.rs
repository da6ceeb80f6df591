//! `bench-target`: the engine behind the contract of a benchmark that also runs other durable engines.
//!
//! It does what `twinspan run` does, without Azure: runs are accepted by [`SqliteBackend`], driven by its driver, and every
//! step goes through probe, `Intended`, write, verify, `Done`. The one step kind writes a record of 16 bytes into the file
//! of effects, from which the benchmark tells what really ran, when, and how often. Build it with
//! `cargo build --release --example bench-target`; `docs/reference/performance.md` says how it is used and what it showed.

mod arguments;
mod audit;
mod effects;
mod idle;
mod record_step;
#[cfg(test)]
mod tests;
mod workload;

use std::error::Error;
use std::io::{Read, Write};
use std::process::ExitCode;
use std::sync::Arc;

use arguments::{Arguments, Workload};
use effects::Effects;

/// Any reason to stop; it is only shown.
type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let arguments = match Arguments::parse(std::env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(what) => return failed(&what),
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&*error),
    }
}

fn failed(error: &dyn Error) -> ExitCode {
    let mut text = format!("bench-target: {error}\n");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("  because: {error}\n"));
        cause = error.source();
    }
    // If standard error cannot be written either, only the exit code is left.
    drop(std::io::stderr().write_all(text.as_bytes()));
    ExitCode::FAILURE
}

fn run(arguments: &Arguments) -> Result<(), Failure> {
    std::fs::create_dir_all(&arguments.folder)?;
    let effects = Arc::new(Effects::open(&arguments.effects)?);
    // The same runtime as the program's.
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let tell = |event: &str| {
        let (time, busy) = (effects::monotonic(), effects::busy());
        say(&format!("{{\"ev\":\"{event}\",\"t_ns\":{time},\"cpu_ns\":{busy}}}\n"))
    };
    let backend = match arguments.workload {
        Workload::Audit => {
            let audit = runtime.block_on(audit::audit(arguments, &effects))?;
            return say(&format!("{audit}\n"));
        }
        Workload::Idle { workflows } => return runtime.block_on(idle::idle(arguments, workflows, &tell)),
        Workload::Fresh { .. } | Workload::Resume => {
            runtime.block_on(workload::perform(arguments, effects, &tell))?
        }
    };
    // The benchmark measures this process until it closes standard input.
    std::io::stdin().read_to_end(&mut Vec::new())?;
    drop(backend);
    Ok(())
}

fn say(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(line.as_bytes())?;
    Ok(out.flush()?)
}
