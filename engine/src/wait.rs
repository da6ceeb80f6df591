//! Waiting is not an error: what a step waits for, who can end it, and how.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitKind {
    /// A person has to do something.
    Person,
    /// A named person has to approve.
    Approval,
    /// This machine has no credential for the identity.
    Credential,
    /// A right is missing, not yet effective, or ended.
    Permission,
    /// The other side needs time.
    Remote,
    /// A change window has to open.
    Window,
    /// A rate limit.
    Limit,
    /// Another run claims the same thing.
    Claim,
    /// A durable timer of the plan itself.
    Timer,
    /// A program on this machine has to end.
    Program,
}

/// Who may open a gate.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    /// Identities of the plan, or persons; empty: anyone who may use the journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// Whoever started the run may not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_starter: bool,
}

impl WaitKind {
    /// Whether somebody has to act before it ends; the others end by themselves.
    pub fn needs_somebody(self) -> bool {
        match self {
            WaitKind::Person | WaitKind::Approval | WaitKind::Credential | WaitKind::Permission => true,
            WaitKind::Remote
            | WaitKind::Window
            | WaitKind::Limit
            | WaitKind::Claim
            | WaitKind::Timer
            | WaitKind::Program => false,
        }
    }
}

/// One wait, worded for people. Every wait looks the same: what, who, what to do, and what then happens by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What is waited for.
    pub kind: WaitKind,
    /// What was seen: "multifactor sign-in required (AADSTS50076)".
    pub what: String,
    /// Who can end it: "nina@contoso.example in fabrikam".
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// What that person does: a command, or an instruction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// A link to open. Sensitive ones (a redeem link) are kept in the receipt and shown, not exported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
    /// Whom to ask, and with which reference, when the action does not help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// When to look again; `None`: the engine's schedule for the kind of wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub look_again: Option<Duration>,
    /// Of a gate: who may open it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Approvers>,
    /// Of a credential: this machine has one, and it is not accepted. Having none is a wait for somebody else.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

impl Wait {
    /// A wait of `kind` for `what`.
    pub fn new(kind: WaitKind, what: impl Into<String>) -> Self {
        Wait {
            kind,
            what: what.into(),
            who: None,
            action: None,
            link: None,
            otherwise: None,
            look_again: None,
            approvers: None,
            refused: false,
        }
    }

    /// A gate that one of `approvers` opens.
    pub fn approval(what: impl Into<String>, approvers: Approvers) -> Self {
        let by = match &approvers.by[..] {
            [] if approvers.not_starter => "anybody".to_owned(),
            [] => "anybody who may use this journal".to_owned(),
            by => by.join(" or "),
        };
        let who = match approvers.not_starter {
            true if approvers.by.is_empty() => format!("{by} but who started the run"),
            true => format!("{by} (not who started the run)"),
            false => by,
        };
        Wait { approvers: Some(approvers), ..Wait::new(WaitKind::Approval, what).who(who) }
    }

    /// The other side needs time.
    pub fn remote(what: impl Into<String>) -> Self {
        Wait::new(WaitKind::Remote, what)
    }

    /// Says that this machine's own credential is not accepted.
    #[must_use]
    pub fn refused(mut self) -> Self {
        self.refused = true;
        self
    }

    /// Says who can end it.
    #[must_use]
    pub fn who(mut self, who: impl Into<String>) -> Self {
        self.who = Some(who.into());
        self
    }

    /// Says what that person does.
    #[must_use]
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Adds a link to open.
    #[must_use]
    pub fn link(mut self, link: impl Into<String>) -> Self {
        self.link = Some(link.into());
        self
    }

    /// Says whom to ask when the action does not help.
    #[must_use]
    pub fn otherwise(mut self, otherwise: impl Into<String>) -> Self {
        self.otherwise = Some(otherwise.into());
        self
    }

    /// Looks again after this time.
    #[must_use]
    pub fn look_again(mut self, after: Duration) -> Self {
        self.look_again = Some(after);
        self
    }
}
