//! Waits: what a step waits for, who can end it, and how. A wait is not an error.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What a step waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitKind {
    /// A person has to do something.
    Person,
    /// A named person has to approve.
    Approval,
    /// This machine has no credential for the identity.
    Credential,
    /// A permission is missing, not yet effective, or expired.
    Permission,
    /// The remote needs time.
    Remote,
    /// A change window has to open.
    Window,
    /// A rate limit.
    Limit,
    /// Another run claims the same resource.
    Claim,
    /// A durable timer of the plan.
    Timer,
    /// A program on this machine has to end.
    Program,
}

/// Who may approve.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Approvers {
    /// Identities of the plan, or persons; empty: anyone who may use the journal.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by: Vec<String>,
    /// The person who started the run may not approve.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub not_starter: bool,
}

impl WaitKind {
    /// Whether a person has to act before the wait ends; the other kinds end by themselves.
    pub fn needs_a_person(self) -> bool {
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

/// A wait with its texts for people: what is missing, who can end it, what they do, and what then happens.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// What the step waits for.
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
    /// Whom to contact, and with which reference, when the action does not help.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otherwise: Option<String>,
    /// Time until the next check; `None`: the engine's schedule for the kind of wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_check: Option<Duration>,
    /// For an approval: who may approve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approvers: Option<Approvers>,
    /// For a credential: this machine has one, and it is refused. Without one, another person's credential is needed.
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
            next_check: None,
            approvers: None,
            refused: false,
        }
    }

    /// A wait for the approval of one of `approvers`.
    pub fn approval(what: impl Into<String>, approvers: Approvers) -> Self {
        let by = match &approvers.by[..] {
            [] if approvers.not_starter => "any person".to_owned(),
            [] => "any person with access to this journal".to_owned(),
            by => by.join(" or "),
        };
        let who = match approvers.not_starter {
            true if approvers.by.is_empty() => format!("{by} except the one who started the run"),
            true => format!("{by} (not the one who started the run)"),
            false => by,
        };
        Wait { approvers: Some(approvers), ..Wait::new(WaitKind::Approval, what).who(who) }
    }

    /// The remote needs time.
    pub fn remote(what: impl Into<String>) -> Self {
        Wait::new(WaitKind::Remote, what)
    }

    /// Marks that this machine's own credential is refused.
    #[must_use]
    pub fn refused(mut self) -> Self {
        self.refused = true;
        self
    }

    /// Adds who can end it.
    #[must_use]
    pub fn who(mut self, who: impl Into<String>) -> Self {
        self.who = Some(who.into());
        self
    }

    /// Adds what that person does.
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

    /// Adds whom to contact when the action does not help.
    #[must_use]
    pub fn otherwise(mut self, otherwise: impl Into<String>) -> Self {
        self.otherwise = Some(otherwise.into());
        self
    }

    /// Sets the time until the next check.
    #[must_use]
    pub fn next_check(mut self, after: Duration) -> Self {
        self.next_check = Some(after);
        self
    }
}
