//! Classifies a 401: what is wrong with the token, and who can get a valid one.

use azure_core::base64;
use http::{HeaderMap, header};
use serde_json::Value;
use twinspan_encode::sh;
use twinspan_engine::{FailureClass, StepError, Wait, WaitKind};

use super::cloud::{Cloud, Service};
use super::credentials::Credential;
use super::party::Party;
use super::refusal::{Sender, Situation};
use super::words::Words;

/// Longer challenges are not put into a command.
const LONGEST_CHALLENGE: usize = 4096;

/// Whether a new token of the same kind may resolve the refusal.
pub(super) fn is_stale_token(headers: &HeaderMap) -> bool {
    !asks_for_claims(challenge(headers).unwrap_or_default())
}

/// Whether the response has a claims challenge: only another sign-in resolves the refusal, whatever the status.
pub(super) fn wants_claims(headers: &HeaderMap) -> bool {
    asks_for_claims(challenge(headers).unwrap_or_default())
}

/// The error for a refusal whose text asks for a second factor.
pub(super) fn second_factor(
    situation: &Situation<'_>,
    headers: &HeaderMap,
    words: &Words,
    seen: String,
) -> StepError {
    let sender = blamed(situation, &words.message).first().copied().unwrap_or(&situation.sender);
    let claims = challenge(headers).and_then(claims_in);
    too_weak(situation, sender, claims.as_deref(), seen)
}

/// Classifies a 401, or another refusal with a claims challenge.
pub(super) fn unauthorized(
    situation: &Situation<'_>,
    headers: &HeaderMap,
    words: &Words,
    seen: String,
) -> StepError {
    let challenge = challenge(headers).unwrap_or_default();
    let blamed = blamed(situation, &words.message);
    if asks_for_claims(challenge) {
        // If the response does not say whose token is insufficient, it is that of the acting identity.
        let sender = blamed.first().copied().unwrap_or(&situation.sender);
        return too_weak(situation, sender, claims_in(challenge).as_deref(), seen);
    }
    if words.code == "InvalidAuthenticationTokenTenant" {
        return wrong_tenant(situation.sender.party, challenge, words, seen);
    }
    let stuck: Vec<&Sender<'_>> = blamed.iter().copied().filter(|sender| sender.is_stuck()).collect();
    if !stuck.is_empty() {
        return given_again(situation, &stuck, words, seen);
    }
    let names: Vec<String> = blamed.iter().map(|sender| sender.party.to_string()).collect();
    StepError::new(FailureClass::Transient, seen).hint(format!(
        "the token of {} was refused; the next attempt uses {}; if this continues, the administrator of this machine's configuration \
         compares [cloud] in twinspan.toml with the cloud of that tenant, and this machine's clock (timedatectl)",
        names.join(" or of "),
        if names.len() == 1 { "a new one" } else { "new ones" }
    ))
}

impl Sender<'_> {
    /// Whether the Azure CLI signs in as a person; it can also sign in as an application.
    fn is_person_of_cli(&self) -> bool {
        matches!(self.credential, Credential::AzureCli { .. })
            && self.claims.principal_type() != Some("ServicePrincipal")
    }

    fn application(&self) -> Option<&str> {
        self.credential.client_id().or(self.claims.application())
    }

    /// The command that gets a new token for this sender.
    fn sign_in(&self, situation: &Situation<'_>, claims: Option<&str>) -> String {
        let tenant = self.party.tenant;
        if self.is_person_of_cli() {
            return situation.cloud.az_login_for(self, situation.service, claims);
        }
        let application = self.application().unwrap_or("APPLICATION");
        format!(
            "az account clear && az login --service-principal --tenant {} --username {} --allow-no-subscriptions",
            sh::word(tenant),
            sh::word(application)
        )
    }

    /// Whether the Azure CLI returns the refused token from its cache, which only a person can clear.
    fn is_stuck(&self) -> bool {
        self.same_token && matches!(self.credential, Credential::AzureCli { .. })
    }
}

/// The senders of the token in question: those of the tenants that Azure names, otherwise all.
fn blamed<'s>(situation: &'s Situation<'_>, message: &str) -> Vec<&'s Sender<'s>> {
    let message = message.to_ascii_lowercase();
    let all = || std::iter::once(&situation.sender).chain(situation.auxiliary);
    let named: Vec<&Sender<'_>> =
        all().filter(|sender| message.contains(&sender.party.tenant.to_ascii_lowercase())).collect();
    if named.is_empty() { all().collect() } else { named }
}

/// The error for a policy that requires a stronger sign-in. Only a sign-in with the challenge satisfies it, and only one for
/// the requested scope replaces the token in the Azure CLI's cache.
fn too_weak(situation: &Situation<'_>, sender: &Sender<'_>, claims: Option<&str>, seen: String) -> StepError {
    let party = sender.party;
    let tenant = party.tenant;
    let log = format!("the Entra administrator of tenant {tenant}: sign-in log");
    let reason = match claims {
        Some(_) => "claims challenge",
        None => "multifactor authentication",
    };
    if sender.is_person_of_cli() {
        let command = sender.sign_in(situation, claims);
        let needs = claims.map_or("", |_| "; --claims-challenge needs Azure CLI 2.76 or newer");
        return StepError::new(FailureClass::NeedsPerson, seen).hint(command.clone()).wait(
            Wait::new(WaitKind::Person, format!("a stronger sign-in is required ({reason})"))
                .who(party.you())
                .action(command)
                .otherwise(format!("{log}{needs}")),
        );
    }
    let application =
        sender.application().map_or("the managed identity".to_owned(), |id| format!("application {id}"));
    let action = format!(
        "open the sign-ins of {application} in the sign-in log of tenant {tenant}: the policy named there requires what an \
         application cannot provide, and must exclude it (Entra admin centre, Conditional Access)"
    );
    StepError::new(FailureClass::NeedsPerson, seen).hint(action.clone()).wait(
        Wait::new(
            WaitKind::Person,
            format!("a stronger sign-in is required of {}, who signs in as {application} ({reason})", party.person()),
        )
        .who(format!("an Entra administrator of tenant {tenant}"))
        .action(action)
        .otherwise(format!(
            "set another credential for [identities.{}.\"{tenant}\"] in twinspan.toml: azure-cli, with which a person signs in",
            party.name
        )),
    )
}

/// The error if the same token was returned again after it was refused.
fn given_again(situation: &Situation<'_>, stuck: &[&Sender<'_>], words: &Words, seen: String) -> StepError {
    let commands: Vec<String> = stuck.iter().map(|sender| sender.sign_in(situation, None)).collect();
    let command = commands.join(" && ");
    let people: Vec<String> = stuck.iter().map(|sender| sender.party.you()).collect();
    let tenants: Vec<&str> = stuck.iter().map(|sender| sender.party.tenant).collect();
    let code = if words.code.is_empty() { "401" } else { &words.code };
    StepError::new(FailureClass::NeedsPerson, seen).hint(command.clone()).wait(
        Wait::new(
            WaitKind::Person,
            format!("Azure refuses the token that the Azure CLI keeps for tenant {} ({code})", tenants.join(" or ")),
        )
        .who(people.join(" and "))
        .action(command)
        .otherwise(
            "the Azure CLI gets another token by itself when that one has expired, which takes about an hour; if that is refused too, \
             compare this machine's clock (timedatectl) and [cloud] in twinspan.toml",
        ),
    )
}

fn wrong_tenant(party: Party<'_>, challenge: &str, words: &Words, seen: String) -> StepError {
    let owner = words
        .message
        .split_once("must match")
        .and_then(|(_, rest)| tenant_in(rest))
        .or_else(|| tenant_in(challenge));
    match owner {
        Some(owner) if !owner.eq_ignore_ascii_case(party.tenant) => StepError::new(FailureClass::PlanWrong, seen)
            .hint(format!(
                "the subscription belongs to tenant {owner}, and identity {} signs in to tenant {}: check which tenant and \
                 which subscription the inputs name",
                party.name, party.tenant
            )),
        Some(_) => StepError::new(FailureClass::Transient, seen)
            .hint("after a subscription has moved to another tenant this takes a while"),
        None => StepError::new(FailureClass::PlanWrong, seen).hint(format!(
            "the subscription does not belong to tenant {}, which identity {} signs in to",
            party.tenant, party.name
        )),
    }
}

impl Cloud {
    /// The sign-in command for exactly the requested scope: a plain `az login` keeps the cached token of that scope and
    /// returns it again.
    pub(super) fn az_login_for(&self, sender: &Sender<'_>, service: Service, claims: Option<&str>) -> String {
        let claims =
            claims.map(|claims| format!(" --claims-challenge {}", sh::word(claims))).unwrap_or_default();
        let options = format!(" --scope {}{claims}", sh::word(&self.scope(service)));
        self.az_login_with(sender.party.tenant, sender.credential.azure_config_dir(), &options)
    }
}

fn challenge(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::WWW_AUTHENTICATE)?.to_str().ok()
}

fn asks_for_claims(challenge: &str) -> bool {
    challenge.contains("claims=\"")
}

/// The requested claims, in the base64 form that the Azure CLI reads: the service may omit the padding and use the URL-safe
/// alphabet. `None` if the value is not that, and thus must not be put into a command.
fn claims_in(challenge: &str) -> Option<String> {
    let (_, rest) = challenge.split_once("claims=\"")?;
    let (value, _) = rest.split_once('"')?;
    let letters = value.trim_end_matches('=').replace('+', "-").replace('/', "_");
    if letters.len() > LONGEST_CHALLENGE {
        return None;
    }
    let json = base64::decode_url_safe(letters).ok()?;
    serde_json::from_slice::<Value>(&json).ok()?.is_object().then(|| base64::encode(json))
}

/// The tenant in an issuer's URL: `https://sts.windows.net/TENANT/`.
fn tenant_in(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("https://")?;
    let (_, path) = rest.split_once('/')?;
    let end = path.find(|c: char| !c.is_ascii_hexdigit() && c != '-').unwrap_or(path.len());
    (end == 36).then(|| &path[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_challenge_is_put_into_a_command_in_the_form_that_the_azure_cli_reads() {
        let of = |value: &str| {
            claims_in(&format!("Bearer error=\"insufficient_claims\", claims=\"{value}\", x=\"y\""))
        };
        let plain = r#"{"access_token":{"acrs":{"essential":true,"values":["p1"]}},"x":"??>>"}"#;
        let standard = base64::encode(plain);
        assert!(standard.contains(['+', '/']) && standard.ends_with('='), "a hard one: {standard}");
        let url_safe = standard.replace('+', "-").replace('/', "_");
        for value in [&standard, &url_safe, url_safe.trim_end_matches('=')] {
            assert_eq!(of(value).as_ref(), Some(&standard), "{value}");
        }
        for bad in ["", "$(reboot)", "eyJ", "e30=; reboot", "WzFd", &base64::encode("{".repeat(9))] {
            assert_eq!(of(bad), None, "{bad}");
        }
        let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(LONGEST_CHALLENGE));
        assert_eq!(of(&base64::encode(long)), None);
    }

    /// The Azure CLI also signs in as applications, on build machines.
    #[test]
    fn an_application_in_the_azure_cli_is_told_neither_of_a_second_factor_nor_to_sign_in_as_a_person() {
        let sender = |kind: &str| {
            let claims = serde_json::json!({"idtyp": kind, "appid": "app-1"});
            let party = Party { name: "central", contact: None, about: None, tenant: "t-1" };
            let claims = serde_json::from_value(claims).unwrap();
            Sender { party, claims, credential: Credential::AzureCli { config_dir: None }, same_token: true }
        };
        let (cloud, grants) = (Cloud::named("public").unwrap(), super::super::grants::Grants::default());
        let situation = |sender| Situation {
            cloud: &cloud,
            service: Service::Arm,
            verb: "PUT",
            path: "/x",
            write: true,
            sender,
            auxiliary: &[],
            grants: &grants,
            given: &[],
            now: jiff::Timestamp::UNIX_EPOCH,
            asker: "r s",
        };
        let mut headers = HeaderMap::new();
        let action = |kind, headers: &HeaderMap| {
            let error = unauthorized(&situation(sender(kind)), headers, &Words::default(), String::new());
            error.wait.unwrap().action.unwrap()
        };
        assert_eq!(
            action("app", &headers),
            "az account clear && az login --service-principal --tenant t-1 --username app-1 --allow-no-subscriptions"
        );
        assert!(action("user", &headers).starts_with("az login --tenant t-1 --scope "));
        headers.insert(header::WWW_AUTHENTICATE, "Bearer claims=\"eyJhIjoxfQ\"".parse().unwrap());
        assert!(action("app", &headers).starts_with("open the sign-ins of application app-1 "));
        assert!(
            action("user", &headers).ends_with(" --claims-challenge eyJhIjoxfQ== --allow-no-subscriptions")
        );
    }
}
