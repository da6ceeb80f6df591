//! Interprets a sign-in refusal of Microsoft Entra: the class of the error, who can resolve it, and how.
//!
//! The field `error` is often coarse (`invalid_grant` means both an expired sign-in and a blocked one), so the AADSTS
//! code decides. An unknown code falls back to `error`.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;
use twinspan_encode::sh;
use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

use super::cloud::{Cloud, Service};
use super::credentials::Credential;
use super::party::Party;
use super::pauses;
use super::sign_in_refusal::Refusal;

/// The cause of a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum SignInCase {
    /// The user is not in the tenant.
    NotInvited,
    /// The user was invited and has not accepted, or cannot be found.
    NotAccepted,
    /// A second factor is required, or its registration.
    SecondFactor,
    /// The sign-in has expired or was revoked.
    SignInAgain,
    /// Conditional Access or another security policy blocks the sign-in.
    ConditionalAccess,
    /// The tenant does not trust the device claims of the user's home tenant.
    DeviceTrust,
    /// The network or the device allows sign-in to some tenants only.
    TenantRestrictions,
    /// The guest user is disabled in the tenant.
    GuestDisabled,
    /// The user is disabled in the home tenant.
    AccountDisabled,
    /// Too many wrong passwords, or a blocked IP address.
    Locked,
    /// The home tenant considers the user compromised.
    HomeRisk,
    /// The password has expired or is wrong.
    Password,
    /// The cross-tenant access settings of the home tenant block the sign-in.
    OutboundBlocked,
    /// The cross-tenant access settings of the tenant itself block the sign-in.
    InboundBlocked,
    /// The user may not use the application.
    NotAssigned,
    /// Consent to the application is missing.
    Consent,
    /// The application, or the requested resource, has no service principal in the tenant.
    NoServicePrincipal,
    /// The secret, certificate or assertion is refused.
    BadCredential,
    /// The assertion is expired or not yet valid: one of the two clocks is wrong.
    AssertionTime,
    /// The application does not trust the issuer of the federated token for this subject.
    NotFederated,
    /// The application is disabled.
    Disabled,
    /// The tenant does not exist in this cloud.
    NoTenant,
    /// The user or tenant is in another national cloud.
    OtherCloud,
    /// The application accepts sign-ins of its own tenant only.
    SingleTenant,
    /// A sign-in elsewhere is not finished.
    Unfinished,
    /// Transient.
    Transient,
    /// Too many requests.
    Slow,
}

const CASES: [(SignInCase, &[u32]); 27] = [
    (SignInCase::NotInvited, &[50020, 16003, 500211]),
    (SignInCase::NotAccepted, &[50034, 51004, 50014, 90072]),
    (SignInCase::SecondFactor, &[50076, 50074, 50079, 50072, 50078]),
    (
        SignInCase::ConditionalAccess,
        &[
            50158, 53000, 53001, 53002, 53003, 53004, 53009, 53010, 530003, 530021, 530032, 50097, 50129,
            50131, 50155, 50005,
        ],
    ),
    (SignInCase::DeviceTrust, &[530004]),
    (SignInCase::TenantRestrictions, &[500021, 5000211]),
    (SignInCase::GuestDisabled, &[500571]),
    (SignInCase::AccountDisabled, &[50057]),
    (SignInCase::Locked, &[50053]),
    (SignInCase::HomeRisk, &[53011]),
    (SignInCase::Password, &[50055, 50126, 50135, 50144]),
    (SignInCase::OutboundBlocked, &[500212]),
    (SignInCase::InboundBlocked, &[500213]),
    (SignInCase::NotAssigned, &[50105]),
    (SignInCase::Consent, &[65001, 65004, 90094, 90095, 90008]),
    (SignInCase::NoServicePrincipal, &[700016, 700011, 500011, 7000229]),
    (SignInCase::BadCredential, &[7000215, 70002, 7000222, 700027, 700021, 700023, 50013]),
    (SignInCase::AssertionTime, &[700024]),
    (SignInCase::NotFederated, &[700211, 700212, 700213]),
    (SignInCase::Disabled, &[70001, 7000112, 500014]),
    (SignInCase::NoTenant, &[90002, 50128]),
    (SignInCase::OtherCloud, &[90038, 900382, 900432]),
    (SignInCase::SingleTenant, &[50194]),
    (SignInCase::SignInAgain, &[50173, 70008, 700082, 70043, 50132, 50133, 50089]),
    (SignInCase::Slow, &[50088, 50196]),
    (SignInCase::Transient, &[50033, 90006, 90024, 90012, 90033, 90055, 90090, 50087]),
    (SignInCase::Unfinished, &[70016]),
];

impl Refusal {
    fn case(&self) -> Option<SignInCase> {
        let numbered = CASES
            .iter()
            .find(|(_, numbers)| self.codes.iter().any(|code| numbers.contains(code)))
            .map(|(case, _)| *case);
        let error = self.error.as_deref().unwrap_or_default();
        match (error, numbered) {
            ("temporarily_unavailable", Some(SignInCase::Slow)) => numbered,
            ("temporarily_unavailable" | "server_error", _) => Some(SignInCase::Transient),
            (_, Some(_)) => numbered,
            ("interaction_required" | "login_required", None) => Some(SignInCase::SignInAgain),
            // Coarse: without a code the sign-in has expired; with an unknown code only the message tells the cause.
            ("invalid_grant", None) if self.codes.is_empty() => Some(SignInCase::SignInAgain),
            ("consent_required", None) => Some(SignInCase::Consent),
            ("invalid_client", None) => Some(SignInCase::BadCredential),
            ("unauthorized_client" | "invalid_resource", None) => Some(SignInCase::NoServicePrincipal),
            ("authorization_pending" | "slow_down", None) => Some(SignInCase::Unfinished),
            ("access_denied", None) => Some(SignInCase::ConditionalAccess),
            (_, None) => None,
        }
    }
}

/// The error for a refused sign-in, with who can resolve it and how. `came`: when the application was given its service
/// principal, if that was recent.
pub(crate) fn refused(
    party: Party<'_>,
    credential: &Credential,
    cloud: &Cloud,
    refusal: &Refusal,
    came: Option<Timestamp>,
) -> StepError {
    if let (Some(SignInCase::NoServicePrincipal), Some(at)) = (refusal.case(), came) {
        return not_known_yet(party, credential, refusal, at);
    }
    let code = refusal.code();
    let status = refusal.status.unwrap_or_default();
    let case = match status {
        429 => Some(SignInCase::Slow),
        500.. => refusal.case().filter(|case| *case == SignInCase::Slow).or(Some(SignInCase::Transient)),
        _ => refusal.case(),
    };
    let tenant = party.tenant;
    let application = credential.client_id().unwrap_or("the application");
    let account = match (&refusal.account, party.contact, credential.client_id()) {
        (Some(account), ..) => account.clone(),
        (None, Some(contact), _) => contact.to_owned(),
        (None, None, Some(client)) => format!("application {client}"),
        (None, None, None) => "the account".to_owned(),
    };
    let contact = account.as_str();
    let sign_in = cloud.az_login(tenant, credential.azure_config_dir());
    let home = format!("an Entra administrator of the home tenant of {contact}");
    let admin = format!("an Entra administrator of tenant {tenant}");
    // Only the Azure CLI signs in as the person at this machine.
    let holder = match credential {
        Credential::AzureCli { .. } => party.you(),
        _ => party.person(),
    };
    // Text, class, who resolves it, and how.
    let (seen, class, who, action) = match case {
        Some(SignInCase::NotInvited) => (
            "the account is not in the tenant",
            FailureClass::NeedsPerson,
            admin,
            invite(cloud, &sign_in, party.contact.unwrap_or("ADDRESS")),
        ),
        Some(SignInCase::NotAccepted) => (
            "the account is not found in the tenant, or its invitation is not accepted",
            FailureClass::NeedsPerson,
            format!("{contact}, or {admin}"),
            format!("accept the invitation to tenant {tenant}, or have it sent again; then {sign_in}"),
        ),
        Some(SignInCase::SecondFactor) => {
            ("multifactor sign-in required", FailureClass::NeedsPerson, holder, sign_in)
        }
        Some(SignInCase::SignInAgain) => {
            ("the sign-in has expired", FailureClass::NeedsPerson, holder, sign_in)
        }
        Some(SignInCase::Unfinished) => {
            ("a sign-in is not finished", FailureClass::NeedsPerson, holder, sign_in)
        }
        Some(SignInCase::ConditionalAccess) => (
            "blocked by Conditional Access",
            FailureClass::NeedsPerson,
            admin,
            format!(
                "open the failed sign-in of {contact} in the sign-in log of tenant {tenant}: it names the policy"
            ),
        ),
        Some(SignInCase::DeviceTrust) => (
            "the tenant does not trust the device claims of the account's home tenant",
            FailureClass::NeedsPerson,
            admin,
            format!(
                "trust compliant devices of the home tenant of {contact} (or leave {contact} out of the policy): Entra admin centre, External \
                 Identities, Cross-tenant access settings, inbound trust settings"
            ),
        ),
        Some(SignInCase::TenantRestrictions) => (
            "a tenant restriction of the network or of the device does not let the account sign in to this tenant",
            FailureClass::NeedsPerson,
            "the administrator of the network (proxy) or device that this machine is on".to_owned(),
            format!(
                "allow tenant {tenant} in the tenant restrictions (the proxy's header Restrict-Access-To-Tenants, or the cross-tenant access settings of \
                 the home tenant), or run twinspan resume on another network"
            ),
        ),
        Some(SignInCase::GuestDisabled) => (
            "the guest account is disabled in the tenant",
            FailureClass::NeedsPerson,
            admin,
            format!(
                "enable {contact} again: Entra admin centre of tenant {tenant}, Users, {contact}, Account status"
            ),
        ),
        Some(SignInCase::AccountDisabled) => (
            "the account is disabled",
            FailureClass::NeedsPerson,
            home,
            format!("enable {contact} again, or sign in with another account: {sign_in}"),
        ),
        Some(SignInCase::Locked) => (
            "the account is locked after too many sign-ins, or its address is blocked",
            FailureClass::NeedsPerson,
            format!("{contact}, or {home}"),
            format!(
                "wait until the lock ends (minutes), or have it unlocked, or use another network; then {sign_in}"
            ),
        ),
        Some(SignInCase::HomeRisk) => (
            "blocked because the account's home tenant reports it at risk",
            FailureClass::NeedsPerson,
            home,
            format!(
                "open {contact} in Entra ID Protection (Risky users) of the home tenant, and dismiss or remedy the risk"
            ),
        ),
        Some(SignInCase::Password) => (
            "the password has expired or is wrong",
            FailureClass::NeedsPerson,
            holder,
            format!("set a new password (https://aka.ms/sspr); then {sign_in}"),
        ),
        Some(SignInCase::OutboundBlocked) => (
            "blocked by the cross-tenant access settings of the account's home tenant",
            FailureClass::NeedsPerson,
            home,
            format!(
                "allow outbound access to tenant {tenant}: Entra admin centre, External Identities, Cross-tenant access settings"
            ),
        ),
        Some(SignInCase::InboundBlocked) => (
            "blocked by the cross-tenant access settings of the tenant",
            FailureClass::NeedsPerson,
            admin,
            format!(
                "allow inbound access for the home tenant of {contact}: Entra admin centre, External Identities, Cross-tenant access settings"
            ),
        ),
        Some(SignInCase::NotAssigned) => (
            "the account is not assigned to the application",
            FailureClass::NeedsPerson,
            admin,
            format!(
                "assign {contact} to the application named in the message: Entra admin centre, Enterprise applications, Users and groups"
            ),
        ),
        Some(SignInCase::Consent) => (
            "consent to the application is missing",
            FailureClass::NeedsPerson,
            admin,
            consent(cloud, tenant, credential),
        ),
        Some(SignInCase::NoServicePrincipal) => (
            "the application has no service principal in the tenant",
            FailureClass::NeedsPerson,
            admin,
            match credential.client_id() {
                Some(client) => format!("{sign_in} && az ad sp create --id {client}"),
                None => consent(cloud, tenant, credential),
            },
        ),
        Some(SignInCase::BadCredential) => (
            "the application's secret or certificate is refused",
            FailureClass::Credential,
            "the administrator of this machine's configuration".to_owned(),
            renew(credential, application, party.name),
        ),
        Some(SignInCase::AssertionTime) => (
            "refused: the client assertion is expired or not yet valid",
            FailureClass::Credential,
            "the administrator of this machine".to_owned(),
            match credential {
                Credential::ClientCertificate { .. } => {
                    "set this machine's clock right (timedatectl)".to_owned()
                }
                _ => format!("have the platform put a new token where identity {} reads it", party.name),
            },
        ),
        Some(SignInCase::NotFederated) => (
            "refused: the application does not trust this platform's token",
            FailureClass::Credential,
            format!("the owner of application {application}"),
            federate(application, &refusal.description),
        ),
        Some(SignInCase::Disabled) => (
            "refused: the application is disabled",
            FailureClass::Credential,
            format!("an application administrator of tenant {tenant}"),
            format!("{sign_in} && az ad sp update --id {application} --set accountEnabled=true"),
        ),
        Some(SignInCase::SingleTenant) => (
            "refused: the application is for its own tenant only",
            FailureClass::Credential,
            format!("the owner of application {application}"),
            format!("az ad app update --id {application} --sign-in-audience AzureADMultipleOrgs"),
        ),
        Some(SignInCase::NoTenant) => (
            "there is no such tenant in this cloud",
            FailureClass::PlanWrong,
            String::new(),
            format!(
                "check tenant {tenant} of identity {} in the inputs, and [cloud] in twinspan.toml",
                party.name
            ),
        ),
        Some(SignInCase::OtherCloud) => (
            "the tenant is in another national cloud, and tenants of two clouds cannot be connected",
            FailureClass::PlanWrong,
            String::new(),
            "check [cloud] in twinspan.toml".to_owned(),
        ),
        Some(SignInCase::Transient) => {
            ("Entra is temporarily unavailable", FailureClass::Transient, String::new(), String::new())
        }
        Some(SignInCase::Slow) => {
            ("Entra is throttling requests", FailureClass::Throttled, String::new(), String::new())
        }
        None => (
            "the sign-in is refused",
            FailureClass::NeedsPerson,
            holder,
            match (credential, refusal.codes.first()) {
                // Another sign-in may well be refused for the same reason.
                (Credential::AzureCli { .. }, Some(number)) => {
                    format!(
                        "open {}/error?code={number} and do what Entra says there; then {sign_in}",
                        cloud.login()
                    )
                }
                (Credential::AzureCli { .. }, None) => sign_in,
                _ => format!("check the credential of identity {} in twinspan.toml", party.name),
            },
        ),
    };
    let sentence = refusal.sentence();
    let said = if sentence.is_empty() { String::new() } else { format!(": {sentence}") };
    let mut error =
        StepError::new(class, format!("sign-in as {party}: {seen} ({code}){said}")).code(code.clone());
    error.references = refusal.references();
    error.retry_after = match case {
        // Entra's loop and telephone limits last minutes; retrying sooner prolongs them.
        Some(SignInCase::Slow) => pauses::believed(refusal.retry_after).0.or(Some(Duration::from_mins(5))),
        _ => pauses::believed(refusal.retry_after).0,
    };
    if !action.is_empty() {
        error = error.hint(action.clone());
    }
    let kind = match class {
        FailureClass::NeedsPerson => WaitKind::Person,
        FailureClass::Credential => WaitKind::Credential,
        _ => return error,
    };
    let log = match case {
        Some(
            SignInCase::OutboundBlocked
            | SignInCase::AccountDisabled
            | SignInCase::HomeRisk
            | SignInCase::Locked
            | SignInCase::Password,
        ) => "the account's home tenant".to_owned(),
        _ => format!("tenant {tenant}"),
    };
    let otherwise = format!(
        "{} of {log}: sign-in log{}{}",
        if kind == WaitKind::Person { "the Entra administrator" } else { "an application administrator" },
        refusal.correlation.as_ref().map(|id| format!(", correlation id {id}")).unwrap_or_default(),
        refusal.timestamp.as_ref().map(|at| format!(", {at}")).unwrap_or_default(),
    );
    // An expiry is a known cause, so the wait names it.
    let seen = match case {
        Some(SignInCase::BadCredential) if refusal.codes.contains(&7_000_222) => {
            "the application's secret has expired"
        }
        _ => seen,
    };
    let asked_as = match (credential, &refusal.account) {
        (Credential::AzureCli { .. }, Some(account)) => format!("; the Azure CLI is signed in as {account}"),
        (Credential::AzureCli { .. }, None) => {
            "; the signed-in account of the Azure CLI is not known (az account list --all)".to_owned()
        }
        _ => String::new(),
    };
    let said = said.trim_end_matches('.');
    let wait = Wait::new(kind, format!("{seen} ({code}){said}{asked_as}"))
        .who(who)
        .action(action)
        .otherwise(otherwise);
    error.wait(if kind == WaitKind::Credential { wait.refused() } else { wait })
}

/// The error for a service principal that is not replicated yet: Azure completes this by itself.
fn not_known_yet(party: Party<'_>, credential: &Credential, refusal: &Refusal, at: Timestamp) -> StepError {
    let code = refusal.code();
    let application = credential.client_id().unwrap_or("the application");
    let seen = format!("sign-in as {party}: the application has no service principal in the tenant ({code})");
    let mut error = StepError::new(FailureClass::Propagation, seen).code(code).wait(Wait::remote(format!(
        "the service principal of application {application}, created in tenant {} at {at}, is not replicated in Entra yet (a \
         few minutes; each check is a new sign-in)",
        party.tenant
    )));
    error.references = refusal.references();
    error
}

fn invite(cloud: &Cloud, sign_in: &str, address: &str) -> String {
    let graph = cloud.base(Service::Graph).as_str().trim_end_matches('/');
    let body = json!({"invitedUserEmailAddress": address, "inviteRedirectUrl": "https://portal.azure.com"});
    format!(
        "{sign_in} && az rest --method POST --url {graph}/v1.0/invitations --body {}",
        sh::word(&body.to_string())
    )
}

/// How to renew the application's credential.
fn renew(credential: &Credential, application: &str, identity: &str) -> String {
    match credential {
        Credential::ClientCertificate { certificate, .. } => format!(
            "az ad app credential reset --id {application} --append --cert @{}, with the certificate alone in that file",
            sh::word(&certificate.with_extension("cer").display().to_string())
        ),
        Credential::WorkloadIdentity { .. } | Credential::AzurePipelines { .. } => format!(
            "compare the federated credentials of application {application} with the platform's token: az ad app \
             federated-credential list --id {application}"
        ),
        _ => format!(
            "az ad app credential reset --id {application} --append, and put the new secret where identity {identity} \
             reads it"
        ),
    }
}

/// The command that makes the application trust the presented token.
fn federate(application: &str, description: &str) -> String {
    // The description names the values that did not match.
    let named = |label: &str, otherwise: &'static str| {
        let value = description.split_once(label).and_then(|(_, rest)| rest.split('\'').nth(1));
        value.filter(|value| !value.is_empty()).unwrap_or(otherwise).to_owned()
    };
    let parameters = json!({
        "name": "twinspan",
        "issuer": named("issuer", "ISSUER"),
        "subject": named("subject", "SUBJECT"),
        "audiences": ["api://AzureADTokenExchange"],
    });
    format!(
        "az ad app federated-credential create --id {application} --parameters {}",
        sh::word(&parameters.to_string())
    )
}

fn consent(cloud: &Cloud, tenant: &str, credential: &Credential) -> String {
    let login = cloud.login();
    match credential.client_id() {
        Some(client) => format!("open {login}/{tenant}/adminconsent?client_id={client} and consent"),
        None => format!(
            "consent to the application named in the message: Entra admin centre of tenant {tenant}, Enterprise applications"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use FailureClass::{Credential as Config, NeedsPerson, PlanWrong, Throttled, Transient};

    const TENANT: &str = "22222222-0000-0000-0000-00000000000f";

    fn party() -> Party<'static> {
        Party { name: "target", contact: Some("nina@contoso.example"), about: None, tenant: TENANT }
    }

    fn application() -> Credential {
        Credential::ClientSecret {
            client_id: "app-1".into(),
            client_secret: crate::SecretRef::Env("TARGET_SECRET".into()),
        }
    }

    fn answer(status: u16, error: &str, code: u32, credential: &Credential) -> StepError {
        let body = json!({
            "error": error,
            "error_description": format!(
                "AADSTS{code}: What went wrong.\r\nTrace ID: t-1\r\nCorrelation ID: c-1\r\nTimestamp: 2026-11-23 08:31:07Z"
            ),
            "error_codes": [code],
            "timestamp": "2026-11-23 08:31:07Z", "trace_id": "t-1", "correlation_id": "c-1",
        });
        refused(
            party(),
            credential,
            &Cloud::named("public").unwrap(),
            &Refusal::from_json(status, &body).unwrap(),
            None,
        )
    }

    /// The table of refusals: codes, the `error` they come with, class, who acts, and how.
    #[test]
    fn every_known_refusal_says_who_acts_and_how() {
        type Row = (&'static [u32], &'static str, FailureClass, &'static str, &'static str);
        let admin = "an Entra administrator of tenant 22222222";
        let sign_in = "az login --tenant 22222222-0000-0000-0000-00000000000f";
        let rows: &[Row] = &[
            (&[50020, 16003, 500211], "invalid_grant", NeedsPerson, admin, "v1.0/invitations"),
            (&[50034, 51004, 50014, 90072], "invalid_grant", NeedsPerson, "nina@", "accept the invitation"),
            (
                &[50076, 50074, 50079, 50072, 50078],
                "interaction_required",
                NeedsPerson,
                "target (nina@",
                sign_in,
            ),
            (
                &[
                    50158, 53000, 53001, 53002, 53003, 53004, 53009, 53010, 530003, 530021, 530032, 50097,
                    50129, 50131, 50155, 50005,
                ],
                "invalid_grant",
                NeedsPerson,
                admin,
                "sign-in log",
            ),
            (&[530004], "invalid_grant", NeedsPerson, admin, "inbound trust settings"),
            (
                &[500021, 5000211],
                "invalid_grant",
                NeedsPerson,
                "administrator of the network",
                "Restrict-Access-To-Tenants",
            ),
            (&[500571], "invalid_grant", NeedsPerson, admin, "Account status"),
            (&[50057], "invalid_grant", NeedsPerson, "home tenant of nina@", "enable nina@"),
            (&[50053], "invalid_grant", NeedsPerson, "home tenant of nina@", "until the lock ends"),
            (&[53011], "invalid_grant", NeedsPerson, "home tenant of nina@", "Risky users"),
            (&[50055, 50126, 50135, 50144], "invalid_grant", NeedsPerson, "target (nina@", "aka.ms/sspr"),
            (&[53003], "interaction_required", NeedsPerson, admin, "sign-in log"),
            (&[500212], "invalid_grant", NeedsPerson, "home tenant of nina@", "allow outbound access"),
            (&[500213], "invalid_grant", NeedsPerson, admin, "allow inbound access"),
            (&[50105], "invalid_grant", NeedsPerson, admin, "assign nina@"),
            (
                &[65001, 65004, 90094, 90095, 90008],
                "invalid_grant",
                NeedsPerson,
                admin,
                "adminconsent?client_id=app-1",
            ),
            (
                &[700016, 700011, 7000229],
                "unauthorized_client",
                NeedsPerson,
                admin,
                "az ad sp create --id app-1",
            ),
            (&[500011], "invalid_resource", NeedsPerson, admin, "az ad sp create --id app-1"),
            (
                &[7000215, 70002, 7000222, 700027, 700021, 700023, 50013],
                "invalid_client",
                Config,
                "this machine's configuration",
                "az ad app credential reset --id app-1",
            ),
            (&[700024], "invalid_client", Config, "the administrator of this machine", "put a new token"),
            (
                &[700211, 700212, 700213],
                "invalid_client",
                Config,
                "owner of application app-1",
                "az ad app federated-credential create --id app-1",
            ),
            (
                &[70001, 7000112, 500014],
                "unauthorized_client",
                Config,
                "application administrator of tenant 22222222",
                "az ad sp update --id app-1 --set accountEnabled=true",
            ),
            (&[90002, 50128], "invalid_request", PlanWrong, "", "check tenant 22222222"),
            (&[90038, 900382, 900432], "invalid_request", PlanWrong, "", "[cloud]"),
            (&[50194], "invalid_request", Config, "owner of application app-1", "AzureADMultipleOrgs"),
            (
                &[50173, 70008, 700082, 70043, 50132, 50133, 50089],
                "invalid_grant",
                NeedsPerson,
                "target (nina@",
                sign_in,
            ),
            (&[70016], "authorization_pending", NeedsPerson, "target (nina@", sign_in),
            (
                &[50033, 90006, 90024, 90012, 90033, 90055, 90090, 50087],
                "temporarily_unavailable",
                Transient,
                "",
                "",
            ),
            (&[50088, 50196], "temporarily_unavailable", Throttled, "", ""),
        ];
        let mut cases = 0;
        for (codes, error, class, who, action) in rows {
            for code in *codes {
                let failure = answer(400, error, *code, &application());
                let context = format!("AADSTS{code}: {failure:?}");
                assert_eq!(failure.class, *class, "{context}");
                assert!(failure.message.contains(&format!("AADSTS{code}")), "{context}");
                assert!(failure.message.contains(TENANT), "{context}");
                assert_eq!(failure.code, Some(format!("AADSTS{code}")), "{context}");
                assert!(failure.references.contains(&("correlation_id".into(), "c-1".into())), "{context}");
                assert!(!failure.message.contains('\n'), "{context}");
                assert!(failure.hint.clone().unwrap_or_default().contains(action), "{context}");
                match &failure.wait {
                    Some(wait) => {
                        assert!(wait.who.clone().unwrap().contains(who), "{context}");
                        assert!(wait.action.clone().unwrap().contains(action), "{context}");
                        assert!(wait.what.contains(&format!("(AADSTS{code})")), "{context}");
                        let otherwise = wait.otherwise.clone().unwrap();
                        assert!(otherwise.contains("correlation id c-1, 2026-11-23 08:31:07Z"), "{context}");
                    }
                    None => assert!(matches!(class, PlanWrong | Transient | Throttled), "{context}"),
                }
                cases += 1;
            }
        }
        assert_eq!(cases, CASES.iter().map(|(_, numbers)| numbers.len()).sum::<usize>() + 1);
    }

    #[test]
    fn an_unknown_number_falls_back_to_the_error() {
        for (error, class) in [
            ("temporarily_unavailable", Transient),
            ("server_error", Transient),
            ("interaction_required", NeedsPerson),
            ("invalid_grant", NeedsPerson),
            ("consent_required", NeedsPerson),
            ("unauthorized_client", NeedsPerson),
            ("invalid_client", Config),
            ("access_denied", NeedsPerson),
            ("something_new", NeedsPerson),
        ] {
            assert_eq!(answer(400, error, 999_999, &application()).class, class, "{error}");
        }
    }

    #[test]
    fn no_number_without_a_row_ends_in_a_plain_sign_in() {
        for text in ["AADSTS999999: Something new. Trace ID: t Correlation ID: c", "AADSTS50999: Other."] {
            let refusal = Refusal {
                account: Some("nina@contoso.example".to_owned()),
                ..Refusal::from_cli(text).unwrap()
            };
            let cli = Credential::AzureCli { config_dir: Some("/home/nina/.azure-f".into()) };
            let failure = refused(party(), &cli, &Cloud::named("public").unwrap(), &refusal, None);
            let wait = failure.wait.unwrap();
            let action = wait.action.unwrap();
            assert!(action.starts_with("open https://login.microsoftonline.com/error?code="), "{action}");
            assert!(action.contains("export AZURE_CONFIG_DIR=/home/nina/.azure-f; az login"), "{action}");
            assert!(wait.what.contains(refusal.sentence().trim_end_matches('.')), "{}", wait.what);
            assert!(
                wait.what.ends_with("the Azure CLI is signed in as nina@contoso.example"),
                "{}",
                wait.what
            );
        }
    }

    #[test]
    fn the_status_wins_where_it_says_that_nobody_decided() {
        assert_eq!(answer(503, "invalid_grant", 50076, &application()).class, Transient);
        assert_eq!(answer(503, "temporarily_unavailable", 50196, &application()).class, Throttled);
        assert_eq!(answer(429, "invalid_grant", 50076, &application()).class, Throttled);
        assert!(answer(429, "x", 90055, &application()).retry_after.is_some());
    }

    #[test]
    fn a_refused_proof_is_renewed_where_it_comes_from() {
        let certificate =
            Credential::ClientCertificate { client_id: "app-1".into(), certificate: "/keys/app.pem".into() };
        let failure = answer(401, "invalid_client", 700_027, &certificate);
        assert!(
            failure
                .hint
                .unwrap()
                .starts_with("az ad app credential reset --id app-1 --append --cert @/keys/app.cer")
        );
        let failure = answer(401, "invalid_client", 700_024, &certificate);
        assert!(failure.hint.unwrap().contains("clock"));
        let federated = Credential::WorkloadIdentity { client_id: Some("app-1".into()), token_file: None };
        let body = json!({
            "error": "invalid_client", "error_codes": [700211],
            "error_description": "AADSTS700211: No matching federated identity record found for presented assertion \
                issuer 'https://ci.example'.",
        });
        let refusal = Refusal::from_json(401, &body).unwrap();
        let failure = refused(party(), &federated, &Cloud::named("public").unwrap(), &refusal, None);
        let action = failure.hint.unwrap();
        assert!(action.contains(r#""issuer":"https://ci.example","subject":"SUBJECT""#), "{action}");
    }

    #[test]
    fn in_another_cloud_the_cli_is_pointed_there_first() {
        for (name, cli) in [("us-government", "AzureUSGovernment"), ("china", "AzureChinaCloud")] {
            let body = json!({"error": "interaction_required", "error_codes": [50076]});
            let refusal = Refusal::from_json(400, &body).unwrap();
            let cloud = Cloud::named(name).unwrap();
            let failure =
                refused(party(), &Credential::AzureCli { config_dir: None }, &cloud, &refusal, None);
            assert_eq!(
                failure.hint.unwrap(),
                format!("az cloud set --name {cli} && az login --tenant {TENANT} --allow-no-subscriptions")
            );
            let body = json!({"error": "invalid_grant", "error_codes": [65001]});
            let refusal = Refusal::from_json(400, &body).unwrap();
            let failure = refused(party(), &application(), &cloud, &refusal, None);
            assert!(failure.hint.unwrap().contains(cloud.login()));
        }
    }

    #[test]
    fn what_the_azure_cli_prints_is_understood() {
        let text = "ERROR: AADSTS50076: Due to a configuration change made by your administrator, you must use \
                    multi-factor authentication to access 'x'. Trace ID: t-2 Correlation ID: c-2 Timestamp: 2026-11-23 \
                    08:31:07Z\nInteractive authentication is needed. Please run:\naz login";
        let refusal = Refusal::from_cli(text).unwrap();
        let failure = refused(
            party(),
            &Credential::AzureCli { config_dir: None },
            &Cloud::named("public").unwrap(),
            &refusal,
            None,
        );
        assert_eq!(failure.class, NeedsPerson);
        let wait = failure.wait.unwrap();
        assert_eq!(
            wait.what,
            "multifactor sign-in required (AADSTS50076): Due to a configuration change made by your administrator, you must use multi-factor \
             authentication to access 'x'; the signed-in account of the Azure CLI is not known (az account list --all)"
        );
        assert_eq!(wait.who.unwrap(), format!("you (nina@contoso.example) in tenant {TENANT}"));
        assert_eq!(wait.action.unwrap(), format!("az login --tenant {TENANT} --allow-no-subscriptions"));
        assert!(wait.otherwise.unwrap().ends_with("correlation id c-2, 2026-11-23 08:31:07Z"));
    }
}
