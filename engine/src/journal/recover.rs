//! Recovers a journal that lost something, when its owner accepts the loss. Lost data is not replaced: files that do not fit
//! are kept under another name, and the acceptance is recorded in the journal.

use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::access::{self, Access};
use super::file_state::{self, Loss};
use super::place::{self, log_of, with_suffix};
use super::private_copy::PrivateCopy;
use super::session::Session;
use super::sharing::Sharing;
use super::{connect, schema, side_record, unusable};
use crate::error::BackendError;
use crate::journal::Durability;

/// The acceptance of a loss.
#[derive(Clone, Debug)]
pub struct Acceptance {
    /// The person.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// Why, if given.
    pub reason: Option<String>,
    /// Which accounts besides the owner may use the journal afterwards.
    pub sharing: Sharing,
}

/// Returns the loss of the journal at `path`, as the error for using it; `None`: nothing is lost. With `accept`, the loss is
/// recorded and the journal can be used again without the lost data.
pub fn recover(path: &Path, accept: Option<&Acceptance>) -> Result<Option<BackendError>, BackendError> {
    let path = place::prepare(path, false)?;
    let access = Access::of(&path)?;
    if let (Access::Read { owner }, true) = (access, accept.is_some()) {
        return Err(access::only_readable(&path, owner));
    }
    let (_, loss) = file_state::examine(&path)?;
    let loss = match loss {
        Some(loss) => Some(loss),
        // Making the copy checks a journal that this account may only read.
        None if access != Access::Write => return PrivateCopy::new(&path, schema::CURRENT).map(|_| None),
        None if fs::metadata(&path).is_ok_and(|metadata| metadata.len() > 0) => tail(&path)?,
        None => None,
    };
    let Some(loss) = loss else { return Ok(None) };
    if let Some(accept) = accept {
        let sharing =
            if access::belongs_to_another(&path) { Sharing::AsItIs } else { accept.sharing.clone() };
        sharing.expect_possible(&path)?;
        let session = Session::join(&path).map_err(place::not_writable)?;
        if !session.is_alone() {
            return Err(BackendError::Refused {
                message: format!("the journal {} is open in another process", path.display()),
                hint: "end that process first".to_owned(),
            });
        }
        take(&path, &loss, accept)?;
        sharing
            .apply_to_folders(&path)
            .and_then(|()| sharing.apply_to_files(&path))
            .map_err(place::not_writable)?;
    }
    Ok(Some(loss.refusal(&path)))
}

/// The commits that the side record knows beyond the journal.
fn tail(path: &Path) -> Result<Option<Loss>, BackendError> {
    let record = side_record::read(path);
    let (_, connection) = super::identify(path, path, schema::CURRENT)?;
    file_state::lost_tail(record, &connection).map_err(|error| unusable(path, error))
}

fn take(path: &Path, loss: &Loss, accept: &Acceptance) -> Result<(), BackendError> {
    let stamp = accept.at.as_second();
    let aside = |file: &Path| {
        let kept = with_suffix(file, &format!(".lost-{stamp}"));
        match fs::rename(file, kept) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(place::not_writable(error)),
            _ => Ok(()),
        }
    };
    match loss {
        Loss::Gone(_) | Loss::OrphanLog => {
            aside(&log_of(path))?;
            return aside(&side_record::path_of(path));
        }
        Loss::LogForeign => aside(&log_of(path))?,
        // Its commits up to the damage are kept; a copy keeps the rest.
        Loss::LogDamaged { .. } => {
            let kept = with_suffix(&log_of(path), &format!(".lost-{stamp}"));
            fs::copy(log_of(path), kept).map(drop).map_err(place::not_writable)?;
        }
        Loss::Replaced { .. } | Loss::LogMissing | Loss::Tail { .. } => {}
    }
    aside(&side_record::path_of(path))?;
    let fail = |error| unusable(path, error);
    let connection = connect::connect(path, connect::Use::Write(Durability::Full))?;
    let BackendError::Refused { message, .. } = loss.refusal(path) else { return Ok(()) };
    connection
        .execute(
            "INSERT INTO losses (at, actor, reason, what) VALUES (?1, ?2, ?3, ?4)",
            (accept.at.as_microsecond(), &accept.actor, &accept.reason, &message),
        )
        .map_err(fail)?;
    super::session::end(&connection).map(drop).map_err(fail)
}
