//! A real step meets every failure that Azure and Entra document, with the real client, in the simulated Azure: how
//! the engine classifies it, how it continues, and what the operator reads. The rows are in `failures/table.rs` and
//! the files that it names; the text is in one snapshot.

mod cli;
mod deployments;
mod happenings;
mod missing;
mod newcomers;
mod scenes;
mod sign_ins;
pub(crate) mod stage;
pub(crate) mod table;
mod tokens;

use std::fmt::Write as _;

use scenes::Scene;
use stage::{CENTRAL, FABRIKAM, NINA, Process, Stage, plan};
use table::{Cause, Remedy, Row, Then};
use twinspan_engine::{
    Event, FailureClass, Recorded, RunStatus, Signal, StepError, StepEvent, StepKey, StepState, Wait,
    WaitKind,
};

use crate::notice;

/// The result of a row, as text.
struct Told {
    how: String,
    text: String,
    /// Who can resolve it, and with which command.
    who: Option<String>,
    next: Option<String>,
}

/// The events of step `s`.
fn of_step(events: &[Recorded]) -> Vec<&StepEvent> {
    let own = StepKey::from("s");
    events
        .iter()
        .filter_map(|recorded| match &recorded.event {
            Event::Step { step, event } if *step == own => Some(event),
            _ => None,
        })
        .collect()
}

/// The error of an event, if it has one.
fn error_of(event: &StepEvent) -> Option<&StepError> {
    match event {
        StepEvent::RetryWait { error, .. }
        | StepEvent::Failed { error, .. }
        | StepEvent::UndoStopped { error }
        | StepEvent::Uncertain { error: Some(error), .. } => Some(error),
        _ => None,
    }
}

fn kind_of(class: FailureClass) -> Option<WaitKind> {
    match class {
        FailureClass::Throttled => Some(WaitKind::Limit),
        FailureClass::Propagation => Some(WaitKind::Remote),
        _ => None,
    }
}

fn write_error(text: &mut String, error: &StepError) {
    let _ = writeln!(text, "  what     {error}");
    for cause in &error.causes {
        let _ = writeln!(text, "  because  {cause}");
    }
    if let Some(hint) = &error.hint {
        let _ = writeln!(text, "  do       {hint}");
    }
    let names: Vec<&str> = error.references.iter().map(|(name, _)| name.as_str()).collect();
    if !names.is_empty() {
        let _ = writeln!(text, "  ids      {}", names.join(", "));
    }
}

fn write_wait(text: &mut String, wait: &Wait) {
    let _ = writeln!(text, "  what     {}", wait.what);
    for (label, line) in [("who", &wait.who), ("do", &wait.action), ("or", &wait.otherwise)] {
        if let Some(line) = line {
            let _ = writeln!(text, "  {label:8} {line}");
        }
    }
}

/// Plays a row; returns what the operator read.
async fn play(stage: &Stage, process: &Process, row: &Row, number: u64) -> Told {
    let name = format!("{} {}", row.code, row.case);
    match &row.cause {
        Cause::Told(fault) => stage.world.with(|world| world.add_faults([fault.clone()])),
        Cause::Barrier(code) => stage.world.with(|world| world.set_barrier(NINA, FABRIKAM, Some(*code))),
        Cause::Natural(happens) => happens(stage),
    }
    let run = process.start(plan(&row.scene.steps()), number).await;
    let mut status = process.drive(run).await;
    if row.scene == Scene::GroupUndone {
        assert!(matches!(status, RunStatus::Done { .. }), "{name}: {status:?}");
        process.signal(run, Signal::Undo).await;
        status = process.drive(run).await;
    }
    let events = process.events(run).await;
    let events = of_step(&events);
    let mut text = String::new();
    let (mut ends, mut next_act) = (None, None);
    let through = |status: &RunStatus| matches!(status, RunStatus::Done { .. } | RunStatus::Undone);
    let how = match row.then {
        Then::GoesOn => {
            assert!(through(&status), "{name}: {status:?}\n{events:#?}");
            let troubled = events.iter().any(|event| error_of(event).is_some());
            assert!(!troubled, "{name}: {events:#?}");
            "no failure: continues".to_owned()
        }
        Then::Retries(class) => {
            assert!(through(&status), "{name}: {status:?}\n{events:#?}");
            let errors: Vec<&StepError> = events.iter().filter_map(|event| error_of(event)).collect();
            let waits: Vec<&Wait> = events
                .iter()
                .filter_map(|event| match event {
                    StepEvent::Waiting { wait, .. } if Some(wait.kind) == kind_of(class) => Some(wait),
                    _ => None,
                })
                .collect();
            match (waits.first(), errors.first()) {
                (Some(wait), _) => write_wait(&mut text, wait),
                (None, Some(error)) => {
                    assert_eq!(error.class, class, "{name}: {error:?}");
                    write_error(&mut text, error);
                }
                (None, None) => panic!("{name}: it was not noticed: {events:#?}"),
            }
            let others = events
                .iter()
                .any(|event| matches!(event, StepEvent::Waiting { wait, .. } if wait.kind.needs_a_person()));
            assert!(!others, "{name}: no person has to act: {events:#?}");
            match class {
                FailureClass::Throttled => "waits as requested, and continues by itself",
                FailureClass::Propagation if row.scene == Scene::SignInOfNewcomer => {
                    "signs in again, for 10 minutes"
                }
                FailureClass::Propagation if row.by_cli => "checks again, for 15 minutes",
                FailureClass::Propagation => "checks again with a new token, for 15 minutes",
                _ if errors.iter().any(|error| error.certainty == twinspan_engine::Certainty::Unknown) => {
                    "reads whether the write took effect, and continues by itself"
                }
                _ => "retries by itself",
            }
            .to_owned()
        }
        Then::Waits(kind, who, action) => {
            let RunStatus::Waiting { .. } = &status else { panic!("{name}: {status:?}\n{events:#?}") };
            let state = process.state(run).await;
            let waits = state.waits();
            let [open] = waits.as_slice() else { panic!("{name}: {events:#?}") };
            let wait = open.wait;
            assert_eq!(wait.kind, kind, "{name}: {wait:?}");
            assert!(wait.who.as_ref().unwrap().contains(who), "{name}: who? {wait:#?}");
            assert!(wait.action.as_ref().unwrap().contains(action), "{name}: does what? {wait:#?}");
            assert!(wait.otherwise.is_some() || kind == WaitKind::Person, "{name}: and if refused again?");
            write_wait(&mut text, wait);
            (ends, next_act) = (wait.who.clone(), wait.action.clone());
            let who = match kind {
                WaitKind::Permission => "waits for permission",
                WaitKind::Credential => "waits for a credential",
                _ => "waits for a person",
            };
            format!("{who}, checks again by itself")
        }
        Then::Stops(class, next) => {
            let state = process.state(run).await;
            let state = state.find(&StepKey::from("s")).unwrap().state().cloned();
            let Some(StepState::Failed { error, .. } | StepState::UndoStopped { error }) = &state else {
                panic!("{name}: {state:?}\n{events:#?}")
            };
            assert_eq!(error.class, class, "{name}: {error:?}");
            let hint = error.hint.as_deref().unwrap_or_default();
            assert!(hint.contains(next), "{name}: what is next? {error:#?}");
            next_act = Some(hint.to_owned());
            write_error(&mut text, error);
            if matches!(row.remedy, Remedy::Nothing) {
                "stops: the plan or the inputs have to change".to_owned()
            } else {
                "stops; `retry` continues".to_owned()
            }
        }
    };
    check_words(&name, row, &text);
    check_ids(process, run, row, &name);

    // Then the cause ends, and the run continues: by itself, or after a signal.
    stage.world.with(|world| {
        world.clear_faults();
        world.set_barrier(NINA, FABRIKAM, None);
    });
    match row.remedy {
        Remedy::Nothing => return Told { how, text, who: ends, next: next_act },
        Remedy::Ends => {}
        Remedy::By(remedy) => remedy(stage),
        Remedy::Typed if through(&status) => {}
        Remedy::Typed => {
            let typed = next_act.as_deref().unwrap();
            // Typing takes a person a minute.
            stage.clock.advance(jiff::SignedDuration::from_mins(1));
            let plain: Vec<&str> = typed
                .split(" && ")
                .map(|command| command.split(" --scope").next().unwrap_or_default())
                .collect();
            stage.cli.types(&plain.join(" && "));
            let status = process.drive(run).await;
            assert!(matches!(status, RunStatus::Waiting { .. }), "{name}: less was enough: {status:?}");
            stage.cli.types(typed);
        }
    }
    if matches!(row.then, Then::Stops(..)) {
        process.signal(run, Signal::Retry { step: None }).await;
    }
    if !through(&status) {
        let status = process.drive(run).await;
        assert!(through(&status), "{name}: does not continue when the cause has ended: {status:?}");
    }
    Told { how, text, who: ends, next: next_act }
}

/// The tenant in which the step's identity acts.
fn tenant_of(scene: Scene) -> &'static str {
    match scene {
        Scene::Group
        | Scene::GroupUndone
        | Scene::GroupUnregistered
        | Scene::ManagerWithoutGroup
        | Scene::GroupWithoutManager
        | Scene::MemberWithoutGroup
        | Scene::Member
        | Scene::MemberAfterGrant
        | Scene::Deployment
        | Scene::MemberAlone
        | Scene::GuestDenied
        | Scene::ScopeElsewhere
        | Scene::ScopeNowhere => CENTRAL,
        Scene::Connection
        | Scene::ConnectionAfterGrant
        | Scene::ConnectionOfGroup
        | Scene::Role
        | Scene::RoleOfGuest
        | Scene::Guest
        | Scene::Scope
        | Scene::ScopeAfterGrant
        | Scene::SignIn
        | Scene::SignInOfNewcomer => FABRIKAM,
    }
}

/// The text names a tenant, and contains no raw JSON or internal names.
fn check_words(name: &str, row: &Row, text: &str) {
    if matches!(row.then, Then::GoesOn) {
        return;
    }
    // The argument of a command is quoted as it is.
    let argument =
        |part| Some(part).and_then(|part: &str| part.split_once("}'")).map_or(part, |(_, rest)| rest);
    let read: String = text.split("--body '").map(argument).collect();
    let read: String = read.split("--parameters '").map(argument).collect();
    let read: String = read
        .split("--claims-challenge ")
        .map(|part| {
            part.strip_prefix("eyJ").and_then(|part| part.split_once('\n')).map_or(part, |(_, rest)| rest)
        })
        .collect();
    for raw in ["{\"", "\\u00", "eyJ", "Trace ID", "}]"] {
        assert!(!read.contains(raw), "{name}: {raw} is read:\n{text}");
    }
    // The engine's own words speak of no tenant: the write was accepted where the step says.
    let engine = text.contains("accepted, but not found yet");
    let tenant = row.tenant.unwrap_or_else(|| tenant_of(row.scene));
    assert!(engine || text.contains(tenant), "{name}: in which tenant? {tenant}\n{text}");
}

/// `why` shows the request that failed, with the ids that find it in Azure's logs.
fn check_ids(process: &Process, run: twinspan_engine::RunId, row: &Row, name: &str) {
    let transcripts = process.transcripts(run);
    let refused = transcripts.iter().flat_map(|transcript| &transcript.exchanges).filter(|exchange| {
        let said = exchange.received.as_ref().map(ToString::to_string).unwrap_or_default();
        exchange.status.is_some_and(|status| status >= 400) && said.contains(row.code.as_ref())
    });
    let mut seen = 0;
    // A sign-in with the Azure CLI has no ids but those in its message.
    let refused_cli = transcripts.iter().flat_map(|transcript| &transcript.exchanges).filter(|exchange| {
        exchange.verb == "az"
            && exchange.received.as_ref().is_some_and(|received| received["succeeded"] == false)
    });
    for exchange in refused_cli {
        let names: Vec<&str> = exchange.references.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["correlation_id", "trace_id", "timestamp"], "{name}");
        seen += 1;
    }
    for exchange in refused {
        let names: Vec<&str> = exchange.references.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.contains(&"x-ms-request-id"), "{name}: {names:?}");
        seen += 1;
    }
    let spoken = !row.code.contains(' ')
        && !matches!(row.code.as_ref(), "insufficient_claims" | "FeatureNotRegistered");
    assert!(seen > 0 || !spoken, "{name}: no exchange in the record: {transcripts:#?}");
}

/// A row as it was read: its code, the text after the code, and its line in the reference.
struct Entry {
    code: String,
    read: String,
    line: String,
}

/// Names of the simulated world, and their replacements in the reference.
const NAMES: &[(&str, &str)] = &[
    (
        "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group/networkGroups/ng-new",
        "RESOURCE",
    ),
    (
        "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app",
        "RESOURCE",
    ),
    (
        "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/providers/Microsoft.Authorization/roleAssignments/3e040504-3c66-55d0-a65d-bf67826ae0ed",
        "RESOURCE",
    ),
    ("11111111-0000-0000-0000-00000000000c", "TENANT"),
    ("22222222-0000-0000-0000-00000000000f", "TENANT"),
    ("aaaaaaaa-0000-0000-0000-000000000001", "SUBSCRIPTION"),
    ("bbbbbbbb-0000-0000-0000-000000000001", "SUBSCRIPTION"),
    ("dddddddd-0000-0000-0000-00000000000d", "SUBSCRIPTION"),
    ("55555555-0000-0000-0000-00000000000c", "APPLICATION"),
    ("33333333-0000-0000-0000-00000000000a", "APPLICATION"),
    ("ffffffff-1111-0000-0000-000000000002", "OBJECT-ID"),
    ("cccccccc-1111-0000-0000-000000000001", "OBJECT-ID"),
    (" (nina.network@contoso.example)", ""),
    ("\"nina.network@contoso.example\"", "\"ADDRESS\""),
    ("nina.network@contoso.example", "the user"),
    ("iam@fabrikam.example", "the user"),
    ("arm.twinspan.invalid", "management.azure.com"),
    ("login.twinspan.invalid", "login.microsoftonline.com"),
    ("graph.twinspan.invalid", "graph.microsoft.com"),
    ("nm-none", "NAME"),
    ("ng-none", "NAME"),
    ("rg-none", "GROUP"),
    ("rg-network", "GROUP"),
    ("mg-fabrikam", "GROUP"),
    ("identity target", "identity IDENTITY"),
    ("identity central", "identity IDENTITY"),
    ("target in tenant", "IDENTITY in tenant"),
    ("central in tenant", "IDENTITY in tenant"),
    ("|", "\\|"),
];

fn general(text: &str) -> String {
    NAMES.iter().fold(text.to_owned(), |text, (name, general)| text.replace(name, general))
}

/// The line in the reference without the code.
fn reference_line(row: &Row, told: &Told) -> String {
    let mut ends = told.who.as_deref().map(|who| format!("{}: ", general(who))).unwrap_or_default();
    ends.push_str(&told.next.as_deref().map(general).unwrap_or_default());
    let of = match row.case {
        "" => general(row.meaning),
        case => format!("{} ({})", general(row.meaning), general(case)),
    };
    format!("{of} | {} | {ends}", told.how)
}

fn reference(title: &str, entries: &[Entry]) -> String {
    let mut text = format!(
        "\n## {title}\n\n| code | what it means | what twinspan does | who resolves it, and how |\n|---|---|---|---|\n"
    );
    let mut codes: Vec<&str> = Vec::new();
    for (position, entry) in entries.iter().enumerate() {
        codes.push(entry.code.split(" (").next().unwrap_or_default());
        if entries.get(position + 1).is_none_or(|next| next.line != entry.line) {
            let _ = writeln!(text, "| {} | {} |", codes.join(", "), entry.line);
            codes.clear();
        }
    }
    text
}

fn entry(row: &Row, told: &Told) -> Entry {
    let case = if row.case.is_empty() { String::new() } else { format!(" ({})", row.case) };
    // Ids that the simulator generates depend on all earlier requests.
    let mut text = told.text.clone();
    let ids = told.text.split("correlation id ").skip(1).filter_map(|part| part.get(..36));
    for id in ids.filter(|id| id.chars().all(|c| c.is_ascii_hexdigit() || c == '-')) {
        text = text.replace(id, "[id]");
    }
    let text = text.replace(&format!("({})", row.code), "(CODE)");
    let read = format!("{}\n  met by   {}\n  then     {}\n{text}", row.meaning, row.scene.words(), told.how);
    Entry { code: format!("{}{case}", row.code), read, line: reference_line(row, told) }
}

/// Consecutive codes with the same text are listed together.
fn written(entries: &[Entry]) -> String {
    let mut text = String::new();
    for (position, Entry { code, read, .. }) in entries.iter().enumerate() {
        let alike = entries.get(position + 1).is_some_and(|next| next.read == *read);
        if alike {
            let _ = write!(text, "{code}, ");
        } else {
            let _ = writeln!(text, "{code}: {read}");
        }
    }
    text
}

/// Plays each row in its own world; reports all errors together.
async fn all(rows: Vec<Row>) -> Vec<Entry> {
    let (mut read, mut wrong) = (Vec::new(), Vec::new());
    let count = rows.len();
    for (number, row) in rows.into_iter().enumerate() {
        let name = format!("{} {}", row.code, row.case);
        let played = tokio::spawn(async move {
            let stage = Stage::set(row.scene.world());
            let process = if row.by_cli { stage.process_by_cli() } else { stage.process() };
            let before = row.scene.before();
            if !before.is_empty() {
                let run = process.start(plan(&before), 99).await;
                let status = process.drive(run).await;
                assert!(
                    matches!(status, RunStatus::Done { .. }),
                    "the steps that prepare the row: {status:?}"
                );
            }
            let told = play(&stage, &process, &row, number as u64 + 1).await;
            entry(&row, &told)
        });
        match played.await {
            Ok(entry) => read.push(entry),
            Err(_) => wrong.push(name),
        }
    }
    assert!(wrong.is_empty(), "{} of {count} rows, see above: {wrong:#?}", wrong.len());
    read
}

const HEAD: &str = "<!-- Generated by a test that plays each failure. Do not edit. -->\n# Failures\n\n\
The refusals of Azure Resource Manager, its providers, Microsoft Graph and Microsoft Entra that are known from documents, \
issues and recorded traffic. A test plays each of them: a step meets it in the simulated Azure, which refuses by itself or \
because a fault was set, and continues after the cause has ended. `twinspan why RUN STEP` shows the request, the response and \
the ids that find it in Azure's logs. Where twinspan *waits*, it checks again by itself; where it *stops*, \
`twinspan retry RUN STEP` continues when the cause has ended.\n";

#[tokio::test]
async fn every_refusal_is_met_and_read_and_ends() {
    let azure = all(table::azure()).await;
    let entra = all(sign_ins::sign_in()).await;
    notice::say(&format!(
        "failures: {} rows of Azure Resource Manager, its providers and Microsoft Graph, {} of Microsoft Entra met",
        azure.len(),
        entra.len()
    ));
    assert!(entra.len() >= 56 && azure.len() >= 60, "{} and {}", entra.len(), azure.len());
    insta::assert_snapshot!("azure", written(&azure));
    insta::assert_snapshot!("entra", written(&entra));

    let text = format!(
        "{HEAD}{}{}",
        reference("Azure Resource Manager, its providers, Microsoft Graph", &azure),
        reference("Microsoft Entra", &entra)
    );
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/reference/failures.md");
    if std::env::vars_os().any(|(name, _)| name == "TWINSPAN_UPDATE_DOCS") {
        std::fs::write(&path, &text).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "docs/reference/failures.md is stale: run the tests with TWINSPAN_UPDATE_DOCS=1");
}

/// The journal knows which step assigned the role and when, so a process that starts in between does not wait for
/// that role.
#[tokio::test]
async fn another_process_knows_that_a_role_was_given_a_moment_ago() {
    let stage = Stage::set(Scene::ConnectionAfterGrant.world());
    happenings::take_role(&stage);
    stage.world.with(|world| {
        let role = jiff::SignedDuration::from_mins(10);
        world.set_lags(twinspan_sim::Lags { role, ..world.lags().clone() });
    });
    let mut steps = Scene::ConnectionAfterGrant.steps();
    steps.insert(1, serde_json::json!({ "id": "hold", "uses": "approval", "needs": ["grant"], "with": { "show": "go on?" } }));
    steps[2]["needs"] = serde_json::json!(["grant", "hold"]);
    let before = stage.process();
    let run = before.start(plan(&steps), 1).await;
    assert!(matches!(before.drive(run).await, RunStatus::Waiting { .. }));
    drop(before);

    let after = stage.process();
    after.signal(run, Signal::Approve { step: StepKey::from("hold"), speaks_for: None }).await;
    let status = after.drive(run).await;
    let events = after.events(run).await;
    let waits = of_step(&events).into_iter().filter_map(|event| match event {
        StepEvent::Waiting { wait, .. } => Some((wait.kind, wait.what.as_str())),
        _ => None,
    });
    let waits: Vec<(WaitKind, &str)> = waits.collect();
    assert!(matches!(status, RunStatus::Done { .. }), "{status:?} {waits:?}");
    let (kind, what) = waits.first().unwrap();
    assert_eq!(*kind, WaitKind::Remote, "{what}");
    assert!(
        what.starts_with("the role that was given to target (nina.network@contoso.example) in tenant 2222"),
        "{what}"
    );
}
