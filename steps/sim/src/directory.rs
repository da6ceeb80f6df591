//! Tenants with their users and applications.

use std::collections::BTreeSet;

use indexmap::IndexMap;
use jiff::Timestamp;

/// State of a guest's invitation.
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
    /// `None` for a member who was never invited.
    pub(crate) external: Option<ExternalState>,
    pub(crate) external_changed: Option<Timestamp>,
    pub(crate) created: Timestamp,
    /// Names of its Graph permissions.
    pub(crate) graph: BTreeSet<String>,
}

/// An application's service principal in one tenant.
#[derive(Clone, Debug)]
pub(crate) struct ServicePrincipal {
    /// Lower case.
    pub(crate) id: String,
    pub(crate) app_id: String,
    pub(crate) display_name: String,
    pub(crate) created: Timestamp,
    /// Names of its Graph permissions.
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
    /// Whether this tenant has verified the domain.
    pub(crate) fn has_domain(&self, domain: &str) -> bool {
        self.domain.eq_ignore_ascii_case(domain)
    }

    pub(crate) fn user_by_mail(&self, mail: &str) -> Option<&User> {
        self.users.values().find(|u| u.mail.eq_ignore_ascii_case(mail))
    }

    pub(crate) fn service_principal_of(&self, app_id: &str) -> Option<&ServicePrincipal> {
        self.service_principals.values().find(|p| p.app_id.eq_ignore_ascii_case(app_id))
    }

    /// When the principal with this object id was created.
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

/// A person who signs in with a secret, which is possible only in the simulator.
#[derive(Clone, Debug)]
pub(crate) struct Person {
    /// Names of this person's identities in plans and the ready file.
    pub(crate) identities: Vec<String>,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    /// Mail address, also as a guest in other tenants.
    pub(crate) mail: String,
    /// Home tenant, lower case.
    pub(crate) home: String,
}

/// A registered application.
#[derive(Clone, Debug)]
pub(crate) struct Application {
    /// Names of its identities in plans and the ready file.
    pub(crate) identities: Vec<String>,
    pub(crate) app_id: String,
    pub(crate) client_secret: String,
    pub(crate) display_name: String,
    /// Tenant of the registration, lower case.
    pub(crate) home: String,
    pub(crate) multi_tenant: bool,
    /// Certificates (DER) whose keys may sign client assertions.
    pub(crate) certificates: Vec<Vec<u8>>,
    /// Trusted federated tokens.
    pub(crate) federated: Vec<Federated>,
}

/// A federated credential: issuer, subject and audience of tokens that an application may sign in with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Federated {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    pub(crate) audience: String,
}

/// A policy that refuses a sign-in, with its AADSTS code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Barrier {
    /// Client id; lower case.
    pub(crate) client_id: String,
    /// Tenant; lower case.
    pub(crate) tenant: String,
    pub(crate) code: u32,
}

/// An invitation mail.
#[derive(Clone, Debug)]
pub(crate) struct Mail {
    pub(crate) tenant: String,
    pub(crate) to: String,
    pub(crate) at: Timestamp,
}

/// All tenants, people and applications.
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

    /// The person with the identity `identity` in plans, preferably one whose home is `tenant`.
    pub(crate) fn person_for(&self, identity: &str, tenant: Option<&str>) -> Option<&Person> {
        let called = || self.people.iter().filter(|p| p.identities.iter().any(|i| i == identity));
        let at_home = tenant.and_then(|t| called().find(|p| p.home.eq_ignore_ascii_case(t)));
        at_home.or_else(|| called().next())
    }
}
