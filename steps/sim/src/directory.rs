//! Tenants and the people and applications they know.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use jiff::Timestamp;

/// How far a guest's invitation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExternalState {
    PendingAcceptance,
    Accepted,
}

impl ExternalState {
    pub(crate) fn name(self) -> &'static str {
        match self {
            ExternalState::PendingAcceptance => "PendingAcceptance",
            ExternalState::Accepted => "Accepted",
        }
    }
}

/// A user object in one tenant.
#[derive(Clone, Debug)]
pub(crate) struct User {
    /// Lower case.
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) mail: String,
    pub(crate) principal_name: String,
    /// None: a member that was never invited.
    pub(crate) external: Option<ExternalState>,
    pub(crate) external_changed: Option<Timestamp>,
    pub(crate) created: Timestamp,
    /// Names of Graph permissions held.
    pub(crate) graph: BTreeSet<String>,
}

/// An application's face in one tenant.
#[derive(Clone, Debug)]
pub(crate) struct ServicePrincipal {
    /// Lower case.
    pub(crate) id: String,
    pub(crate) app_id: String,
    pub(crate) display_name: String,
    pub(crate) created: Timestamp,
    /// Names of Graph permissions held.
    pub(crate) graph: BTreeSet<String>,
}

/// A tenant's directory.
#[derive(Clone, Debug)]
pub(crate) struct Tenant {
    /// Lower case.
    pub(crate) id: String,
    pub(crate) display_name: String,
    pub(crate) domain: String,
    /// By object id.
    pub(crate) users: IndexMap<String, User>,
    /// By object id.
    pub(crate) service_principals: IndexMap<String, ServicePrincipal>,
}

impl Tenant {
    /// Whether a domain is one that this tenant has verified.
    pub(crate) fn has_domain(&self, domain: &str) -> bool {
        self.domain.eq_ignore_ascii_case(domain)
    }

    pub(crate) fn user_by_mail(&self, mail: &str) -> Option<&User> {
        self.users.values().find(|u| u.mail.eq_ignore_ascii_case(mail))
    }

    pub(crate) fn service_principal_of(&self, app_id: &str) -> Option<&ServicePrincipal> {
        self.service_principals.values().find(|p| p.app_id.eq_ignore_ascii_case(app_id))
    }

    /// Since when there is a principal with this object id.
    pub(crate) fn principal_created(&self, id: &str) -> Option<Timestamp> {
        let id = id.to_ascii_lowercase();
        let user = self.users.get(&id).map(|u| u.created);
        user.or_else(|| self.service_principals.get(&id).map(|p| p.created))
    }

    /// Graph permissions of the principal with this object id.
    pub(crate) fn graph_permissions(&self, id: &str) -> Option<&BTreeSet<String>> {
        let user = self.users.get(id).map(|u| &u.graph);
        user.or_else(|| self.service_principals.get(id).map(|p| &p.graph))
    }
}

/// Somebody who signs in with a secret: only a simulator lets people do that.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// Names by which plans and the ready file call this person.
    pub(crate) identities: Vec<String>,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// Address, also as a guest elsewhere.
    pub(crate) mail: String,
    /// Tenant of the account, lower case.
    pub(crate) home: String,
}

/// A registered application.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    /// Names by which plans and the ready file call it.
    pub(crate) identities: Vec<String>,
    pub(crate) app_id: String,
    pub(crate) client_secret: String,
    pub(crate) display_name: String,
    /// Tenant of the registration, lower case.
    pub(crate) home: String,
    pub(crate) multi_tenant: bool,
    /// Certificates (DER) whose key may sign assertions that stand for a secret.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// Tokens of others that stand for a secret.
    pub(crate) federated: Vec<Federated>,
}

/// A federated credential: whose token, about whom and for whom, an application may sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Federated {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
}

/// A refusal of sign-in that policy makes, by AADSTS number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// Client id; lower case.
    pub(crate) client_id: String,
    /// Tenant; lower case.
    pub(crate) tenant: String,
    pub(crate) code: u32,
}

/// An invitation's mail.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) tenant: String,
    pub(crate) to: String,
    pub(crate) at: Timestamp,
}

/// All tenants, and everybody who can sign in.
#[derive(Clone, Default)]
pub(crate) struct Directory {
    /// By id.
    pub(crate) tenants: IndexMap<String, Tenant>,
    pub(crate) people: Vec<Person>,
    pub(crate) applications: Vec<Application>,
    pub(crate) barriers: Vec<Barrier>,
    pub(crate) mails: Vec<Mail>,
}

impl Directory {
    /// A tenant by id or domain.
    pub(crate) fn tenant(&self, id_or_domain: &str) -> Option<&Tenant> {
        let wanted = id_or_domain.to_ascii_lowercase();
        self.tenants
            .get(&wanted)
            .or_else(|| self.tenants.values().find(|t| t.domain.eq_ignore_ascii_case(&wanted)))
    }

    pub(crate) fn person(&self, client_id: &str) -> Option<&Person> {
        self.people.iter().find(|p| p.client_id.eq_ignore_ascii_case(client_id))
    }

    pub(crate) fn application(&self, app_id: &str) -> Option<&Application> {
        self.applications.iter().find(|a| a.app_id.eq_ignore_ascii_case(app_id))
    }

    pub(crate) fn application_mut(&mut self, app_id: &str) -> Option<&mut Application> {
        self.applications.iter_mut().find(|a| a.app_id.eq_ignore_ascii_case(app_id))
    }

    pub(crate) fn barrier(&self, client_id: &str, tenant: &str) -> Option<u32> {
        let fits = |b: &&Barrier| {
            b.client_id.eq_ignore_ascii_case(client_id) && b.tenant.eq_ignore_ascii_case(tenant)
        };
        self.barriers.iter().find(fits).map(|b| b.code)
    }

    /// The person whom plans call `identity`, preferably one at home in `tenant`.
    pub(crate) fn person_for(&self, identity: &str, tenant: Option<&str>) -> Option<&Person> {
        let called = || self.people.iter().filter(|p| p.identities.iter().any(|i| i == identity));
        let at_home = tenant.and_then(|t| called().find(|p| p.home.eq_ignore_ascii_case(t)));
        at_home.or_else(|| called().next())
    }
}
