//! Every refusal that Entra documents: its cause in the simulated world, and what twinspan does then.

use twinspan_engine::{FailureClass, WaitKind};
use twinspan_sim::{Fault, FaultName};

use super::scenes::Scene;
use super::table::{Cause, Remedy, Row, Then, natural, told};

/// Sign-in errors: numbers, meaning, and what twinspan does then.
pub(crate) fn sign_in() -> Vec<Row> {
    use FailureClass::{PlanWrong, Throttled, Transient};
    use Then::{Retries, Stops, Waits};
    let admin = "an Entra administrator of tenant 22222222-0000-0000-0000-00000000000f";
    let person = "target (nina.network@contoso.example) in tenant 22222222-0000-0000-0000-00000000000f";
    let owner = "the owner of application 55555555-0000-0000-0000-00000000000c";
    let home = "an Entra administrator of the home tenant of nina.network@contoso.example";
    let configuration = "the administrator of this machine's configuration";
    let sign_in = "az login --tenant 22222222-0000-0000-0000-00000000000f";
    let who = |who, action| Waits(WaitKind::Person, who, action);
    let credential = |who, action| Waits(WaitKind::Credential, who, action);
    let groups: &[(&[u32], &'static str, Then)] = &[
        (&[50020, 16003], "the user is not in the tenant", who(admin, "/v1.0/invitations")),
        (
            &[50034, 51004, 50014, 90072],
            "the user is not found, or the invitation is not accepted",
            who("nina.network@contoso.example", "accept the invitation"),
        ),
        (&[50076, 50074, 50079, 50072, 50078], "multifactor sign-in is required", who(person, sign_in)),
        (
            &[50158, 53000, 53001, 53003, 53004, 530_032, 50131, 50005],
            "Conditional Access or a security policy blocks it",
            who(admin, "sign-in log of tenant 22222222"),
        ),
        (
            &[500_212],
            "cross-tenant access settings of the home tenant block it",
            who(home, "allow outbound access"),
        ),
        (
            &[500_213],
            "cross-tenant access settings of the tenant block it",
            who(admin, "allow inbound access"),
        ),
        (
            &[50105],
            "the user is not assigned to the application",
            who(admin, "assign nina.network@contoso.example"),
        ),
        (
            &[65001, 90094, 90008],
            "consent to the application is missing",
            who(admin, "/adminconsent?client_id="),
        ),
        (
            &[700_016, 700_011, 500_011, 7_000_229],
            "the application has no service principal in the tenant",
            who(admin, "az ad sp create --id"),
        ),
        (
            &[7_000_215, 70002, 7_000_222, 700_027, 700_021, 700_023, 50013],
            "the secret or certificate is refused",
            credential(configuration, "az ad app credential reset --id"),
        ),
        (
            &[70001, 7_000_112],
            "the application is switched off",
            credential("an application administrator of tenant 22222222", "az ad sp update"),
        ),
        (
            &[700_024],
            "the assertion is too old or from the future",
            credential("the administrator of this machine", "have the platform put a new token"),
        ),
        (
            &[700_211, 700_212, 700_213],
            "the application does not trust the platform's token",
            credential(owner, "az ad app federated-credential create --id"),
        ),
        (&[90002], "there is no such tenant in this cloud", Stops(PlanWrong, "check tenant 22222222")),
        (&[90038, 900_382, 900_432], "the tenant is in another national cloud", Stops(PlanWrong, "[cloud]")),
        (
            &[50194],
            "the application is for its own tenant only",
            credential(owner, "--sign-in-audience AzureADMultipleOrgs"),
        ),
        (
            &[50173, 70008, 700_082, 70043, 50132, 50133, 50089],
            "the sign-in has expired or was revoked",
            who(person, sign_in),
        ),
        (&[70016], "a sign-in elsewhere is not finished", who(person, sign_in)),
    ];
    let mut rows = Vec::new();
    for (numbers, meaning, then) in groups {
        rows.extend(numbers.iter().map(|number| Row {
            code: named(*number).into(),
            case: "",
            meaning,
            scene: Scene::SignIn,
            cause: Cause::Barrier(*number),
            then: *then,
            by_cli: false,
            tenant: None,
            remedy: Remedy::Ends,
        }));
    }
    let passing: &[(&[u32], &'static str, FailureClass)] = &[
        (&[50033, 90006, 90024, 90012, 90033, 90090, 50087], "a temporary failure", Transient),
        (&[90055, 50088, 50196], "too many sign-ins", Throttled),
    ];
    for (numbers, meaning, class) in passing {
        rows.extend(numbers.iter().map(|number| Row {
            code: named(*number).into(),
            case: "",
            meaning,
            scene: Scene::SignIn,
            cause: told("POST", "/oauth2/", &named(*number), 1),
            then: Retries(*class),
            by_cli: false,
            tenant: None,
            remedy: Remedy::Ends,
        }));
    }
    for (code, fault, meaning, class) in [
        ("a sign-in returns 500", FaultName::Status500, "a temporary failure", Transient),
        ("a proxy responds to a sign-in", FaultName::Status503Html, "a temporary failure", Transient),
        ("a sign-in returns 429", FaultName::Throttle, "too many sign-ins", Throttled),
        ("a sign-in gets no response", FaultName::AppliedThenLost, "a temporary failure", Transient),
    ] {
        let cause = Cause::Told(Fault::once("POST", "/oauth2/", fault));
        rows.push(Row { cause, ..natural(code, meaning, Scene::SignIn, Retries(class), Remedy::Ends) });
    }
    rows.extend(super::tokens::sign_in());
    rows
}

/// `AADSTS50020`
fn named(number: u32) -> String {
    format!("AADSTS{number}")
}
