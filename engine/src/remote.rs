//! What a registry needs to know about the remote of its kinds.

use crate::failure::StepError;
use crate::hand_over::HandOver;
use crate::identity::Identity;
use crate::step::StepCx;

/// The remote that the kinds of a registry read and write.
pub trait Remote: Send + Sync + 'static {
    /// The identity attribute that names the home of an identity: only identities of the same home may check for each
    /// other.
    fn home(&self) -> &'static str;

    /// Whether this machine has a credential for `identity`. It sends nothing.
    ///
    /// # Errors
    /// The wait for the credential.
    fn serves(&self, cx: &StepCx<'_>, identity: &Identity) -> Result<(), StepError>;

    /// Turns the hand-over of a create into that of a delete.
    ///
    /// # Errors
    /// The hand-over does not say how the resource is deleted: a bug of its kind.
    fn hand_over_of_delete(&self, cx: &StepCx<'_>, create: HandOver) -> Result<HandOver, StepError>;
}
