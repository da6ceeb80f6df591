//! Who sends a request, as its tokens say.

use jiff::Timestamp;

/// What kind of principal a role can be given to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PrincipalKind {
    User,
    ServicePrincipal,
}

impl PrincipalKind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            PrincipalKind::User => "User",
            PrincipalKind::ServicePrincipal => "ServicePrincipal",
        }
    }
}

/// The holder of one token.
#[derive(Clone, Debug)]
pub(crate) struct Holder {
    /// Tenant that issued the token; lower case.
    pub(crate) tenant: String,
    /// Object id in that tenant; lower case.
    pub(crate) object_id: String,
    /// What error messages call it: sign-in name or application id.
    pub(crate) name: String,
    pub(crate) kind: PrincipalKind,
    pub(crate) issued: Timestamp,
}

/// The holder of the token in `Authorization` and those of the auxiliary tokens, all valid.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    pub(crate) holder: Holder,
    pub(crate) auxiliary: Vec<Holder>,
}

impl Caller {
    /// The caller as that tenant knows it: its own token, or an auxiliary one.
    pub(crate) fn in_tenant(&self, tenant: &str) -> Option<&Holder> {
        std::iter::once(&self.holder).chain(&self.auxiliary).find(|h| h.tenant.eq_ignore_ascii_case(tenant))
    }
}
