//! The supervisor process: starts one program, limits its time, and records its outcome.
//!
//! Its standard input is the lock file of the attempt. It has its own session, so that neither Ctrl-C at the terminal
//! nor the death of the driver reaches it or the program. SIGTERM ends the program with its process group.

use std::fs::File;
use std::io::{self, Seek as _};
use std::os::fd::AsFd as _;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{Child, Command};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use twinspan_engine::{Clock as _, SystemClock};

use super::record::{End, Note, Order, Outcome, append, order, sync_folder, write_outcome};
use crate::azure::scrub;

/// This much of each output stream is kept; the rest is read and dropped, so that a verbose program does not fill the
/// journal.
pub(crate) const KEPT: usize = 16 * 1024;

/// Time between SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(10);

/// How often to check whether processes of an ended program's group are left.
const LOOK: Duration = Duration::from_millis(50);

/// Time limit for reading what an ended program left in a stream; output of other processes is not awaited.
const DRAIN: Duration = Duration::from_secs(1);

/// Supervises the program that the lock file on standard input names, until it has ended.
///
/// # Errors
/// If standard input is not the lock file of an attempt, or the outcome cannot be written.
pub async fn supervise() -> io::Result<()> {
    // Fails only for the leader of a process group, which then stays in its session; the driver just started this
    // process.
    let _ = rustix::process::setsid();
    let mut terminate = signal(SignalKind::terminate())?;
    // A descriptor above the three standard streams, which the program and its children inherit: the attempt stays
    // locked while one of them lives.
    let mut lock = File::from(rustix::io::dup(io::stdin().as_fd())?);
    lock.rewind()?;
    let order = order(&lock)?;
    let began = SystemClock.now();
    append(&mut lock, &Note::Starting { at: began })?;
    lock.sync_all()?;
    sync_folder(&order.outcome)?;
    let outcome = |end, stdout, stderr| Outcome { end, stdout, stderr, began, ended: SystemClock.now() };
    let mut child = match start(&order) {
        Ok(child) => child,
        Err(error) => {
            let end = End::NotStarted(error.to_string());
            return write_outcome(&order.outcome, &outcome(end, String::new(), String::new()));
        }
    };
    if let Some(process) = child.id() {
        append(&mut lock, &Note::Started { process })?;
    }
    let stdout = Kept::of(child.stdout.take());
    let stderr = Kept::of(child.stderr.take());
    let group = child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
    let end = tokio::select! {
        status = ended(&mut child, &stdout, &stderr) => of_status(status?),
        () = passed(order.timeout) => stop(&mut child, group, End::TimeOut).await?,
        _ = terminate.recv() => stop(&mut child, group, End::Stopped).await?,
    };
    write_outcome(&order.outcome, &outcome(end, stdout.take().await, stderr.take().await))
}

fn start(order: &Order) -> io::Result<Child> {
    Command::new(&order.program)
        .args(&order.args)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Waits until the program has ended and nothing writes to its streams any more.
async fn ended(child: &mut Child, stdout: &Kept, stderr: &Kept) -> io::Result<ExitStatus> {
    let status = child.wait().await?;
    stdout.ended().await;
    stderr.ended().await;
    Ok(status)
}

fn of_status(status: ExitStatus) -> End {
    use std::os::unix::process::ExitStatusExt as _;
    match (status.code(), status.signal()) {
        (Some(code), _) => End::Exit(code),
        (None, signal) => End::Signal(signal.unwrap_or_default()),
    }
}

async fn passed(time: Duration) {
    let _elapsed = timeout(time, std::future::pending::<()>()).await;
}

/// Ends the program and its process group: SIGTERM, and after a while SIGKILL for what is left.
async fn stop(child: &mut Child, group: Option<Pid>, why: End) -> io::Result<End> {
    let Some(group) = group else {
        child.kill().await?;
        return Ok(why);
    };
    // An error means that no process is left, which is the goal.
    let _ = rustix::process::kill_process_group(group, Signal::TERM);
    let gone = async {
        child.wait().await?;
        while rustix::process::test_kill_process_group(group).is_ok() {
            passed(LOOK).await;
        }
        Ok(())
    };
    match timeout(GRACE, gone).await {
        Ok(gone) => gone.map(|()| why),
        Err(_) => {
            let _ = rustix::process::kill_process_group(group, Signal::KILL);
            child.wait().await?;
            Ok(why)
        }
    }
}

/// The beginning of a stream's content, while the stream is read to its end.
struct Kept {
    text: Arc<Mutex<Vec<u8>>>,
    reading: tokio::sync::watch::Receiver<bool>,
    task: JoinHandle<()>,
}

impl Kept {
    fn of(stream: Option<impl AsyncRead + Unpin + Send + 'static>) -> Self {
        let text = Arc::new(Mutex::new(Vec::new()));
        let (over, reading) = tokio::sync::watch::channel(false);
        let kept = Arc::clone(&text);
        let task = tokio::spawn(async move {
            if let Some(mut stream) = stream {
                let mut buffer = vec![0; 8 * 1024];
                while let Ok(read @ 1..) = stream.read(&mut buffer).await {
                    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
                    let room = KEPT.saturating_sub(kept.len());
                    kept.extend_from_slice(&buffer[..read.min(room)]);
                }
            }
            over.send_replace(true);
        });
        Kept { text, reading, task }
    }

    /// Waits until the stream has ended.
    async fn ended(&self) {
        // The sender is dropped only with its task, which reports the end before.
        let _ = self.reading.clone().wait_for(|over| *over).await;
    }

    /// The kept text, without secrets.
    async fn take(self) -> String {
        let _elapsed = timeout(DRAIN, self.ended()).await;
        self.task.abort();
        let kept = self.text.lock().unwrap_or_else(PoisonError::into_inner);
        scrub(&String::from_utf8_lossy(&kept))
    }
}
