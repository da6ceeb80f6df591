//! Tokens that are refused although their holders did everything right.

use jiff::SignedDuration;
use twinspan_engine::{FailureClass, WaitKind};
use twinspan_sim::Lags;

use super::happenings::take_role_for;
use super::scenes::Scene;
use super::stage::{CENTRAL, FABRIKAM, Stage};
use super::table::{ALWAYS, Cause, Remedy, Row, Then, natural, told, twice};

/// The token of tenant `central` has expired when the write arrives.
fn own_ends(stage: &Stage) {
    stage.meanwhile("PUT", "/networkGroups/", |stage| stage.world.with(|world| world.end_tokens(CENTRAL)));
}

/// Of the two tokens of a member's request, the one of the other tenant has expired.
fn auxiliary_ends(stage: &Stage) {
    stage.meanwhile("PUT", "/staticMembers/", |stage| stage.world.with(|world| world.end_tokens(FABRIKAM)));
}

pub(crate) fn rows() -> Vec<Row> {
    use FailureClass::{Propagation, Transient};
    use Then::{Retries, Stops, Waits};
    let nina_at_home = "you (nina.network@contoso.example) in tenant 11111111";
    let nina_as_guest = "you (nina.network@contoso.example) in tenant 22222222";
    let by_cli = |code, meaning, scene, cause, then| Row {
        by_cli: true,
        cause: Cause::Natural(cause),
        case: "the Azure CLI signs in",
        ..natural(code, meaning, scene, then, Remedy::Typed)
    };
    vec![
        by_cli(
            "insufficient_claims",
            "Azure asks for a second factor before anything is changed",
            Scene::Group,
            |stage| stage.world.with(|world| world.require_second_factor(CENTRAL, true)),
            Waits(
                WaitKind::Person,
                nina_at_home,
                "az login --tenant 11111111-0000-0000-0000-00000000000c --scope https://arm.twinspan.invalid/.default \
                 --claims-challenge eyJhY2Nlc3NfdG9rZW4iOnsiYWNycyI6eyJlc3NlbnRpYWwiOnRydWUsInZhbHVlcyI6WyJwMSJdfX19",
            ),
        ),
        by_cli(
            "ExpiredAuthenticationToken",
            "a token has expired, and the Azure CLI returns it again",
            Scene::Group,
            own_ends,
            Waits(
                WaitKind::Person,
                nina_at_home,
                "az login --tenant 11111111-0000-0000-0000-00000000000c --scope https://arm.twinspan.invalid/.default",
            ),
        ),
        Row {
            tenant: Some(FABRIKAM),
            case: "only the other tenant's",
            cause: Cause::Natural(auxiliary_ends),
            ..natural(
                "ExpiredAuthenticationToken",
                "one of the tokens has expired; all are renewed",
                Scene::Member,
                Retries(Transient),
                Remedy::Ends,
            )
        },
        Row {
            tenant: Some(FABRIKAM),
            case: "only the other tenant's; the Azure CLI signs in",
            ..by_cli(
                "ExpiredAuthenticationToken",
                "one of the tokens has expired, and the Azure CLI returns it again",
                Scene::Member,
                auxiliary_ends,
                Waits(
                    WaitKind::Person,
                    nina_as_guest,
                    "az login --tenant 22222222-0000-0000-0000-00000000000f --scope https://arm.twinspan.invalid/.default",
                ),
            )
        },
        Row {
            case: "this run assigned the role a moment ago; the Azure CLI signs in",
            ..by_cli(
                "AuthorizationFailed",
                "a permission is not effective yet",
                Scene::ConnectionAfterGrant,
                |stage| take_role_for(stage, 10),
                Retries(Propagation),
            )
        },
        Row {
            case: "for long",
            cause: told("PUT", "/networkGroups/", "InvalidAuthenticationToken", ALWAYS),
            then: Stops(Transient, "this machine's clock"),
            ..twice("InvalidAuthenticationToken", "no token is accepted", Transient)
        },
    ]
}

/// For this long, the application's sign-in reports that it is not in the tenant.
fn unknown_for(minutes: i64) -> impl Fn(&Stage) {
    move |stage: &Stage| {
        let application = SignedDuration::from_mins(minutes);
        stage.world.with(|world| world.set_lags(Lags { application, ..world.lags().clone() }));
    }
}

pub(crate) fn sign_in() -> Vec<Row> {
    let row = |case, cause, then, remedy| Row {
        case,
        cause: Cause::Natural(cause),
        ..natural(
            "AADSTS700016",
            "the application has no service principal in the tenant",
            Scene::SignInOfNewcomer,
            then,
            remedy,
        )
    };
    let by_cli = |number: u32, meaning, who, action| Row {
        by_cli: true,
        case: "the Azure CLI signs in",
        code: format!("AADSTS{number}").into(),
        cause: Cause::Barrier(number),
        ..natural("", meaning, Scene::SignIn, Then::Waits(WaitKind::Person, who, action), Remedy::Ends)
    };
    let nina = "you (nina.network@contoso.example) in tenant 22222222-0000-0000-0000-00000000000f";
    let sign_in = "az login --tenant 22222222-0000-0000-0000-00000000000f";
    vec![
        by_cli(50076, "multifactor sign-in is required", nina, sign_in),
        by_cli(700_082, "the sign-in has expired or was revoked", nina, sign_in),
        by_cli(
            53003,
            "Conditional Access or a security policy blocks it",
            "an Entra administrator of tenant 22222222-0000-0000-0000-00000000000f",
            "sign-in log of tenant 22222222",
        ),
        row(
            "this run created it a moment ago",
            |stage| unknown_for(4)(stage),
            Then::Retries(FailureClass::Propagation),
            Remedy::Ends,
        ),
        row(
            "this run created it, and it does not become known",
            |stage| unknown_for(60)(stage),
            Then::Waits(
                WaitKind::Person,
                "an Entra administrator of tenant 22222222-0000-0000-0000-00000000000f",
                "az ad sp create --id 33333333-0000-0000-0000-00000000000a",
            ),
            Remedy::By(|stage| stage.clock.advance(SignedDuration::from_hours(1))),
        ),
    ]
}
