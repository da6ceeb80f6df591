//! Tests against the simulated Entra, which shares no code with the client: certificates, and every documented
//! refusal.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tempfile::TempDir;
use twinspan_engine::{AttemptLog, BoxFuture, Clock, FailureClass, Phase, StepError, WaitKind};
use twinspan_sim::World;

use super::super::scripted::{Bench, CENTRAL, Script};
use super::super::{Cloud, InProcess, SignedIn, TransportFault, Wire};

const APP: &str = "33333333-0000-0000-0000-00000000000a";

/// A simulated world in this process, with its own clock.
struct Simulated {
    world: Mutex<World>,
    now: Mutex<Timestamp>,
}

impl InProcess for Simulated {
    fn call(&self, request: Request<Bytes>) -> BoxFuture<'_, Result<Response<Bytes>, TransportFault>> {
        let now = *self.now.lock().unwrap();
        let answer = self.world.lock().unwrap().handle(request, now);
        Box::pin(async move { Ok(answer.expect("no faults were set")) })
    }
}

struct Stage {
    bench: Bench,
    simulated: Arc<Simulated>,
    folder: TempDir,
}

impl Stage {
    fn new(world: World, credentials: impl FnOnce(PathBuf) -> Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now: Timestamp = "2026-11-23T08:00:00Z".parse().unwrap();
        let simulated = Arc::new(Simulated { world: Mutex::new(world), now: Mutex::new(now) });
        let wire = Wire::in_process(Arc::clone(&simulated) as Arc<dyn InProcess>);
        let credentials = credentials(folder.path().join("app.pem"));
        let cloud = Cloud::named("public").unwrap();
        let bench = Bench::of(Arc::new(Script::default()), cloud, wire, credentials);
        assert_eq!(bench.clock.now(), now);
        Stage { bench, simulated, folder }
    }

    /// The world's application, with a certificate in a file.
    fn with_certificate() -> Self {
        Stage::new(
            World::ready().unwrap(),
            |path| json!({"default": {"credential": "client-certificate", "client_id": APP, "certificate": path}}),
        )
    }

    fn write_pem(&self, pem: &str) {
        std::fs::write(self.folder.path().join("app.pem"), pem).unwrap();
    }

    fn new_certificate(&self) -> String {
        let now = *self.simulated.now.lock().unwrap();
        self.simulated.world.lock().unwrap().new_certificate(APP, now).unwrap()
    }

    async fn sign_in(&self) -> Result<SignedIn, StepError> {
        let log = AttemptLog::new(Phase::Probe);
        let cx = self.bench.cx(Phase::Probe, &log);
        self.bench.azure.sign_in(&cx, &self.bench.central).await
    }
}

/// The two parts of a PEM file.
fn halves(pem: &str) -> (&str, &str) {
    pem.split_at(pem.find("-----BEGIN CERTIFICATE").unwrap())
}

#[tokio::test]
async fn an_application_signs_in_with_its_certificate() {
    let stage = Stage::with_certificate();
    let (first, second) = (stage.new_certificate(), stage.new_certificate());
    let (key, certificate) = halves(&first);
    let (_, other) = halves(&second);
    for pem in [first.clone(), format!("{certificate}{key}"), format!("{other}{key}{certificate}")] {
        stage.write_pem(&pem);
        let who = stage.sign_in().await.unwrap();
        assert_eq!((who.tenant.as_deref(), who.application.as_deref()), (Some(CENTRAL), Some(APP)));
        assert!(who.object_id.is_some());
        assert_eq!(who.expires, "2026-11-23T09:00:00Z".parse().unwrap());
        assert_eq!(who.certificate_ends, Some("2027-02-21T00:00:00Z".parse().unwrap()), "90 days");
    }
}

#[tokio::test]
async fn a_certificate_that_has_ended_is_not_sent_and_the_wait_says_so() {
    let stage = Stage::with_certificate();
    stage.write_pem(&stage.new_certificate());
    stage.bench.clock.advance(std::time::Duration::from_hours(91 * 24));
    let asked = stage.simulated.world.lock().unwrap().requests().len();
    let error = stage.sign_in().await.unwrap_err();
    assert_eq!(error.class, FailureClass::Credential);
    assert!(
        error.message.ends_with("cannot be used: it expired at 2027-02-21T00:00:00Z"),
        "{}",
        error.message
    );
    assert!(error.wait.unwrap().action.unwrap().contains("app.pem"));
    assert_eq!(stage.simulated.world.lock().unwrap().requests().len(), asked);
}

#[tokio::test]
async fn a_certificate_that_is_not_registered_or_a_clock_that_is_wrong_is_refused_with_what_to_do() {
    let stage = Stage::with_certificate();
    stage.new_certificate();
    let stranger = World::ready().unwrap().new_certificate(APP, stage.bench.clock.now()).unwrap();
    stage.write_pem(&stranger);
    let error = stage.sign_in().await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (FailureClass::Credential, Some("AADSTS700027")));
    assert!(
        error.wait.unwrap().action.unwrap().starts_with(&format!("az ad app credential reset --id {APP}"))
    );

    stage.write_pem(&stage.new_certificate());
    let wrong = stage.simulated.now.lock().unwrap().checked_add(SignedDuration::from_mins(11)).unwrap();
    *stage.simulated.now.lock().unwrap() = wrong;
    let error = stage.sign_in().await.unwrap_err();
    assert_eq!((error.class, error.code.as_deref()), (FailureClass::Credential, Some("AADSTS700024")));
    assert!(error.hint.unwrap().contains("clock"));
}

#[tokio::test]
async fn a_file_that_is_no_certificate_with_its_key_says_what_is_wrong_and_nothing_of_what_is_in_it() {
    let stage = Stage::with_certificate();
    let (first, second) = (stage.new_certificate(), stage.new_certificate());
    let (key, certificate) = halves(&first);
    let (_, other) = halves(&second);
    let encrypted = key.replace("PRIVATE KEY", "ENCRYPTED PRIVATE KEY");
    let short = format!("-----BEGIN PRIVATE KEY-----\nQ0FOQVJZ\n-----END PRIVATE KEY-----\n{certificate}");
    let curve =
        format!("-----BEGIN EC PRIVATE KEY-----\nQ0FOQVJZ\n-----END EC PRIVATE KEY-----\n{certificate}");
    for (pem, said) in [
        ("hunter2", "contains no private key in PEM form"),
        (certificate, "contains no private key in PEM form"),
        (key, "contains no certificate in PEM form"),
        (&format!("{key}{other}"), "its certificate belongs to another key"),
        (&format!("{encrypted}{certificate}"), "its key is encrypted"),
        (&curve, "its key is not an RSA key"),
        (&short, "its key is not an RSA key of 2048 to 8192 bits"),
    ] {
        stage.write_pem(pem);
        let error = stage.sign_in().await.unwrap_err();
        assert_eq!(error.class, FailureClass::Credential, "{error:?}");
        assert!(error.message.contains(said), "{said}: {}", error.message);
        assert!(error.message.contains("app.pem"), "{}", error.message);
        let text = format!("{error:?}");
        for part in ["hunter2", "Q0FOQVJZ", key.lines().nth(3).unwrap()] {
            assert!(!text.contains(part), "{text}");
        }
        assert!(error.wait.unwrap().action.unwrap().contains("app.pem"));
    }
    std::fs::remove_file(stage.folder.path().join("app.pem")).unwrap();
    let error = stage.sign_in().await.unwrap_err();
    assert!(error.message.contains("cannot be read from file"), "{}", error.message);
}

/// The refusals in Microsoft's reference, by who can resolve them.
const PERSON: &[u32] =
    &[50076, 50074, 50079, 50072, 50078, 50173, 70008, 700082, 70043, 50132, 50133, 50089, 70016];
const ADMINISTRATOR: &[u32] = &[
    50020, 16003, 50034, 51004, 50014, 90072, 50158, 53000, 53001, 53003, 53004, 530032, 50131, 50005,
    500213, 50105, 65001, 90094, 90008, 700016, 700011, 500011,
];
const HOME: &[u32] = &[500212];
const CONFIGURATION: &[u32] = &[7000215, 70002, 7000222, 700027, 70001, 50194];
const PLAN: &[u32] = &[90002, 90038, 900382, 900432];
const BY_ITSELF: &[u32] = &[50033, 90006, 90024, 90012, 90033, 90090, 50087];
const SLOWER: &[u32] = &[90055, 50088, 50196];

#[tokio::test]
async fn every_documented_refusal_reaches_the_one_who_can_end_it_and_then_it_goes_on() {
    let person = format!("central (nina@contoso.example) in tenant {CENTRAL}");
    let administrator = format!("an Entra administrator of tenant {CENTRAL}");
    let home = "an Entra administrator of the home tenant of nina@contoso.example".to_owned();
    let stage = Stage::new(
        World::ready().unwrap(),
        |path| json!({"default": {"credential": "client-secret", "client_id": APP, "client_secret": {"file": path}}}),
    );
    let application = stage.simulated.world.lock().unwrap().application().unwrap();
    std::fs::write(stage.folder.path().join("app.pem"), application.client_secret).unwrap();
    let rows: [(&[u32], FailureClass, Option<WaitKind>, &str); 7] = [
        (PERSON, FailureClass::NeedsPerson, Some(WaitKind::Person), &person),
        (ADMINISTRATOR, FailureClass::NeedsPerson, Some(WaitKind::Person), &administrator),
        (HOME, FailureClass::NeedsPerson, Some(WaitKind::Person), &home),
        (CONFIGURATION, FailureClass::Credential, Some(WaitKind::Credential), ""),
        (PLAN, FailureClass::PlanWrong, None, ""),
        (BY_ITSELF, FailureClass::Transient, None, ""),
        (SLOWER, FailureClass::Throttled, Some(WaitKind::Limit), ""),
    ];
    let mut cases = 0;
    for (codes, class, kind, who) in rows {
        for code in codes {
            stage.simulated.world.lock().unwrap().set_barrier(APP, CENTRAL, Some(*code));
            let error = stage.sign_in().await.unwrap_err();
            assert_eq!(error.class, class, "{code}: {error:?}");
            assert_eq!(error.code, Some(format!("AADSTS{code}")));
            assert_eq!(error.wait.as_ref().map(|wait| wait.kind), kind, "{code}");
            if class == FailureClass::Throttled {
                let what = error.wait.unwrap().what;
                assert!(
                    what.starts_with(&format!("rate limit of sign-in to tenant {CENTRAL}: next request at")),
                    "{what}"
                );
                // Until then no step sends a request.
                let asked = stage.simulated.world.lock().unwrap().requests().len();
                assert_eq!(stage.sign_in().await.unwrap_err().class, class);
                assert_eq!(stage.simulated.world.lock().unwrap().requests().len(), asked);
                stage.bench.clock.advance(std::time::Duration::from_mins(5));
            } else if let Some(wait) = error.wait {
                assert!(wait.who.as_ref().unwrap().contains(who), "{code}: {wait:?}");
                assert!(wait.what.contains(&format!("(AADSTS{code}): ")), "{wait:?}");
                assert!(wait.action.is_some_and(|action| !action.is_empty()), "{code}");
                let otherwise = wait.otherwise.unwrap();
                assert!(
                    otherwise.contains(", correlation id ") && otherwise.contains(", 2026-11-23 08:00:00Z")
                );
            }
            cases += 1;
        }
    }
    assert_eq!(cases, 56);
    stage.simulated.world.lock().unwrap().set_barrier(APP, CENTRAL, None);
    stage.sign_in().await.unwrap();
}
