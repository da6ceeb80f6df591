//! Recorded sessions of real clients with real Azure, sent again to this world: it must answer as Azure did.
//!
//! The recordings are data beside the project; `TWINSPAN_AZURE_DATA` says where.

#![expect(clippy::unwrap_used, reason = "a recording that cannot be read fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use twinspan_sim::World;

#[path = "../../../tests/it/fidelity.rs"]
mod fidelity;
#[path = "../../../tests/it/notice.rs"]
mod notice;

const TENANT: &str = "11111111-0000-0000-0000-00000000000c";
const SUBSCRIPTION: &str = "aaaaaaaa-0000-0000-0000-000000000001";
const ARM: &str = "https://management.azure.com";

/// Tenants that the recordings name.
const RECORDED_TENANTS: [&str; 2] =
    ["54826b22-38d6-4fb2-bad9-b7b93a3e9c5a", "72f988bf-86f1-41af-91ab-2d7cd011db47"];

/// Fields whose value is compared; of all others only that they are there.
const COMPARED: [&str; 14] = [
    "type",
    "name",
    "connectionState",
    "description",
    "tenantId",
    "resourceId",
    "networkManagerId",
    "memberType",
    "commitType",
    "code",
    "isGlobal",
    "connectivityTopology",
    "nextLink",
    "skipToken",
];

/// Types that this world has.
const KINDS: [&str; 13] = [
    "networkmanagers",
    "networkmanagers/scopeconnections",
    "networkmanagerconnections",
    "networkmanagers/networkgroups",
    "networkmanagers/networkgroups/staticmembers",
    "networkmanagers/connectivityconfigurations",
    "networkmanagers/commit",
    "networkmanagers/listdeploymentstatus",
    "networkmanagers/listactiveconnectivityconfigurations",
    "virtualnetworks/listnetworkmanagereffectiveconnectivityconfigurations",
    "networkmanagers/operationresults",
    "networkmanagers/networkgroups/operationresults",
    "networkmanagers/connectivityconfigurations/operationresults",
];

const AT_ONCE: &str = "removals that Azure did at once and this world does in the background, or the other way round: Azure did the very \
     same call in both ways; compared is that it ends as done";
const OF_OTHERS: &str = "lists without the connections that other tests had left in that subscription";
const SETTLING: &str = "states of a change that had settled in the one and not yet in the other: when it does was a matter of luck";

const FAILED: &str = "states of a member that failed, with a virtual network that the session does not show: why is not recorded; \
     in this world a member fails whose virtual network is gone";
const OTHER_FIELDS: &str = "answers of 2022 and before, without `displayName`, `location`, `systemData`, `memberType`, `groupMembers`, \
     `conditionalMembership` and a member's `provisioningState`: the service shows or leaves out others since, at the same \
     api-versions; this world does as it does since";

/// What `OTHER_FIELDS` says, as differences are worded.
const FIELDS_OF_2022: [&str; 8] = [
    ".displayName: missing",
    ".location: missing",
    ".location: not recorded",
    ".systemData: not recorded",
    ".memberType: not recorded",
    ".groupMembers: not recorded",
    ".conditionalMembership: not recorded",
    ".properties.provisioningState: not recorded",
];

#[derive(Default)]
struct Tally {
    checked: usize,
    /// By type and method.
    asked: BTreeMap<String, usize>,
    excluded: BTreeMap<String, usize>,
    /// Where less than all is compared, and why.
    looser: BTreeMap<&'static str, usize>,
    /// Of those that are known to differ, which did.
    other_fields: BTreeSet<&'static str>,
    mismatches: Vec<String>,
}

/// What one exchange is found to be.
#[derive(Default)]
struct Findings {
    differences: Vec<String>,
    looser: Vec<&'static str>,
}

impl Findings {
    fn differs(&mut self, difference: String) {
        self.differences.push(difference);
    }
}

impl Tally {
    fn exclude(&mut self, reason: &str) {
        *self.excluded.entry(reason.to_owned()).or_default() += 1;
    }
}

struct Session {
    world: World,
    now: Timestamp,
    token: String,
}

struct Got {
    status: u16,
    location: Option<String>,
    /// Who refused.
    cause: Option<String>,
    body: Value,
}

impl Session {
    /// A ready world and its application in the central tenant.
    fn new() -> Session {
        let mut world = World::ready().unwrap();
        let application = world.application().unwrap();
        let now: Timestamp = "2026-11-23T09:00:00Z".parse().unwrap();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={ARM}/.default",
            application.client_id, application.client_secret
        );
        let request =
            http::Request::post(format!("https://login.microsoftonline.com/{TENANT}/oauth2/v2.0/token"))
                .body(Bytes::from(form))
                .unwrap();
        let answer = world.handle(request, now).unwrap();
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        let token = answer["access_token"].as_str().unwrap().to_owned();
        Session { world, now, token }
    }

    /// Sends a request three seconds after the one before, which is more than any lag of the ready world.
    fn send(&mut self, method: &str, url: &str, body: &Value) -> Got {
        self.now = self.now.checked_add(SignedDuration::from_secs(3)).unwrap();
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        let request = http::Request::builder()
            .method(method)
            .uri(url)
            .header("authorization", format!("Bearer {}", self.token))
            .body(body)
            .unwrap();
        let answer = self.world.handle(request, self.now).unwrap();
        let header = |name| answer.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
        let (location, cause) = (header("location"), header("x-ms-failure-cause"));
        let body = serde_json::from_slice(answer.body()).unwrap_or(Value::Null);
        Got { status: answer.status().as_u16(), location, cause, body }
    }

    fn put(&mut self, path: &str, version: &str, body: &Value) {
        let got = self.send("PUT", &format!("{ARM}{path}?api-version={version}"), body);
        assert!(got.status < 300, "{path}: {} {}", got.status, got.body);
    }
}

#[test]
fn recorded_sessions_get_the_answers_that_azure_gave() {
    let Some(data) = notice::azure_data() else { return notice::no_azure_data() };
    let mut files: Vec<_> = std::fs::read_dir(data.join("recordings"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "jsonl"))
        .collect();
    files.sort();
    let mut tally = Tally::default();
    for file in &files {
        replay(file, &mut tally);
    }
    let mut report =
        format!("{} exchanges of {} recorded sessions are answered alike.\n\n", tally.checked, files.len());
    report.push_str("| type, and what was asked | exchanges |\n|---|---|\n");
    for (asked, count) in &tally.asked {
        report.push_str(&format!("| {asked} | {count} |\n"));
    }
    report.push_str("\nLeft out:\n\n");
    for (reason, count) in &tally.excluded {
        report.push_str(&format!("- {count}: {reason}\n"));
    }
    notice::say(&format!(
        "recorded traffic: {} exchanges of {} sessions replayed",
        tally.checked,
        files.len()
    ));
    report.push_str("\nCompared less strictly:\n\n");
    for (reason, count) in &tally.looser {
        report.push_str(&format!("- {count}: {reason}\n"));
    }
    println!("{report}");
    for mismatch in &tally.mismatches {
        println!("MISMATCH {mismatch}");
    }
    assert!(tally.mismatches.is_empty(), "{} exchanges differ", tally.mismatches.len());
    let needless: Vec<_> =
        FIELDS_OF_2022.iter().filter(|field| !tally.other_fields.contains(**field)).collect();
    assert!(needless.is_empty(), "no session needs these any more: {needless:?}");
    assert!(tally.checked > 500, "too few to mean anything: {}", tally.checked);
    fidelity::keep(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), "recorded sessions", &report);
}

fn replay(file: &Path, tally: &mut Tally) {
    let name = file.file_stem().unwrap().to_string_lossy().into_owned();
    let exchanges = read(file);
    let mut session = Session::new();
    prepare(&mut session, &exchanges);
    let written = written(&exchanges);
    let mut at = 0;
    while let Some(exchange) = exchanges.get(at) {
        at += 1;
        // What follows at the operation's address belongs to this exchange.
        let mut last = exchange["status"].as_u64().unwrap();
        while let Some(poll) = exchanges.get(at).filter(|e| is_poll(e)) {
            last = poll["status"].as_u64().unwrap();
            at += 1;
            tally.exclude("looks at an operation's address: followed by this world's own addresses instead");
        }
        if let Some(reason) = excluded(exchange) {
            tally.exclude(&reason);
            continue;
        }
        if before_shortcut(&name) && exchange["response_body"].to_string().contains("\"connectionState\"") {
            tally.exclude(
                "only the connectionState of these, all else is compared: recorded in 2022 with api-version 2022-01-01, \
                 when a connection in the manager's own scope still waited; the same version answers otherwise since 2023-10",
            );
        }
        let mut found = Findings::default();
        check(&mut session, exchange, last, &written, &mut found);
        let Findings { mut differences, looser } = found;
        for why in looser {
            *tally.looser.entry(why).or_default() += 1;
        }
        tally.checked += 1;
        let above = if exchange["path"].as_str().unwrap().starts_with("/providers/") {
            "management group: "
        } else {
            ""
        };
        let asked =
            format!("{above}{} {}", kind(exchange).unwrap_or_default(), exchange["method"].as_str().unwrap());
        *tally.asked.entry(asked).or_default() += 1;
        if before_shortcut(&name) {
            differences.retain(|d| !d.contains(".connectionState: "));
        }
        let all = differences.len();
        differences.retain(|difference| {
            let known =
                FIELDS_OF_2022.iter().find(|field| other_fields(&name) && difference.contains(**field));
            tally.other_fields.extend(known);
            known.is_none()
        });
        if differences.len() < all {
            *tally.looser.entry(OTHER_FIELDS).or_default() += 1;
        }
        if !differences.is_empty() {
            let path = exchange["path"].as_str().unwrap();
            let tail: String = path.chars().skip(path.len().saturating_sub(90)).collect();
            let method = exchange["method"].as_str().unwrap();
            tally.mismatches.push(format!(
                "{name}#{} {method} {tail}: {}",
                exchange["seq"],
                differences.join("; ")
            ));
        }
    }
}

/// The session with this world's tenant and subscription in the places of the recorded ones.
fn read(file: &Path) -> Vec<Value> {
    let mut text = std::fs::read_to_string(file).unwrap();
    for tenant in RECORDED_TENANTS {
        text = text.replace(tenant, TENANT);
    }
    // The ready world has one management group that this application may use.
    text = text.replace("/managementGroups/anotherMG/", "/managementGroups/CliMgmtGroup/");
    let mut recorded = BTreeSet::new();
    for (at, found) in text.match_indices("/subscriptions/") {
        let id = text.get(at + found.len()..at + found.len() + 36).unwrap_or_default();
        if id.len() == 36 && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-') {
            recorded.insert(id.to_owned());
        }
    }
    for id in recorded {
        text = text.replace(&id, SUBSCRIPTION);
    }
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Makes the resource groups and virtual networks that were there before the session began.
fn prepare(session: &mut Session, exchanges: &[Value]) {
    let text = exchanges.iter().map(Value::to_string).collect::<Vec<_>>().join("\n");
    let mut groups = BTreeSet::new();
    let mut networks = BTreeSet::new();
    for (at, _) in text.match_indices("/subscriptions/") {
        let id: String = text.get(at..).unwrap().chars().take_while(|c| !"\"?\\ ]".contains(*c)).collect();
        let parts: Vec<&str> = id.split('/').collect();
        if parts.get(3).is_some_and(|p| p.eq_ignore_ascii_case("resourceGroups")) && parts.len() > 4 {
            groups.insert(parts[4].to_owned());
        }
        if parts.get(7).is_some_and(|p| p.eq_ignore_ascii_case("virtualNetworks")) && parts.len() > 8 {
            networks.insert((parts[4].to_owned(), parts[8].to_owned()));
        }
    }
    let root = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups");
    for group in groups {
        session.put(&format!("{root}/{group}"), "2021-04-01", &serde_json::json!({ "location": "eastus2" }));
    }
    for (group, network) in networks {
        let body = serde_json::json!({
            "location": "eastus2", "properties": { "addressSpace": { "addressPrefixes": ["10.9.0.0/16"] } },
        });
        let path = format!("{root}/{group}/providers/Microsoft.Network/virtualNetworks/{network}");
        session.put(&path, "2024-05-01", &body);
    }
}

/// Ids, in lower case, that the session itself wrote.
fn written(exchanges: &[Value]) -> BTreeSet<String> {
    let puts = exchanges.iter().filter(|e| e["method"] == "PUT");
    puts.map(|e| e["path"].as_str().unwrap().to_ascii_lowercase()).collect()
}

/// `networkmanagers/networkgroups` of a path; none: not of this provider.
fn kind(exchange: &Value) -> Option<String> {
    let path = exchange["path"].as_str().unwrap().to_ascii_lowercase();
    let rest = path.rsplit_once("/providers/microsoft.network/")?.1.to_owned();
    Some(rest.split('/').step_by(2).collect::<Vec<_>>().join("/"))
}

fn is_poll(exchange: &Value) -> bool {
    exchange["path"].as_str().unwrap().contains("/operationResults/")
}

/// Sessions of that day were recorded in 2022.
fn before_shortcut(name: &str) -> bool {
    name.contains(".2023-01-03_")
}

/// Sessions of 2022 and before: the service answers the same api-versions with other fields since. The transcribed ones are
/// of 2022 too.
fn other_fields(name: &str) -> bool {
    name.contains(".2021-")
        || name.contains(".2022-")
        || before_shortcut(name)
        || name.ends_with(".transcribed")
}

/// Why an exchange is not checked.
fn excluded(exchange: &Value) -> Option<String> {
    let Some(kind) = kind(exchange) else { return Some("not about Microsoft.Network".to_owned()) };
    if !KINDS.contains(&kind.as_str()) {
        let kind = if kind.contains("security") {
            "security configurations".to_owned()
        } else if kind.contains("routing") {
            "routing configurations".to_owned()
        } else {
            format!("type {kind}")
        };
        return Some(format!("{kind}: not part of this world, since no step sends them"));
    }
    if exchange["status"] == 400 {
        return Some("refused because a preview feature of 2022 was not registered".to_owned());
    }
    None
}

fn check(
    session: &mut Session,
    exchange: &Value,
    last: u64,
    written: &BTreeSet<String>,
    found: &mut Findings,
) {
    let method = exchange["method"].as_str().unwrap();
    let query: Vec<String> = exchange["query"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap()))
        .collect();
    let url = format!("{ARM}{}?{}", exchange["path"].as_str().unwrap(), query.join("&"));
    let got = session.send(method, &url, &exchange["request_body"]);
    let wanted = exchange["status"].as_u64().unwrap();
    let status = u64::from(got.status);
    let mut end = got.status;
    let mut next = got.location.clone();
    for _ in 0..40 {
        let Some(location) = next.take().filter(|_| end == 202) else { break };
        let poll = session.send("GET", &location, &Value::Null);
        if poll.status == 202 && poll.location.as_ref() == Some(&location) {
            found.differs("the operation's address did not change".to_owned());
        }
        (end, next) = (poll.status, poll.location);
    }
    let end = u64::from(end);
    if status == wanted && end == last {
        // As recorded, from its beginning to its end.
    } else if method == "DELETE"
        && [(200, 202), (202, 200)].contains(&(wanted, status))
        && [200, 204, 404].contains(&end)
    {
        found.looser.push(AT_ONCE);
    } else {
        found
            .differs(format!("{status} ended with {end}, recorded {wanted} ended with {last}: {}", got.body));
    }
    let cause = |headers: &Value| headers["x-ms-failure-cause"].as_str().map(str::to_owned);
    let recorded = cause(&exchange["response_headers"]);
    if recorded != got.cause {
        found.differs(format!("x-ms-failure-cause {:?}, recorded {recorded:?}", got.cause));
    }
    if found.differences.is_empty() && !exchange["response_body"].is_null() {
        let wanted = own_items(&exchange["response_body"], written, found);
        compare("body", &wanted, &got.body, found);
    }
}

/// A list without what others had left behind.
fn own_items(body: &Value, written: &BTreeSet<String>, found: &mut Findings) -> Value {
    let mut body = body.clone();
    if let Some(items) = body.get_mut("value").and_then(Value::as_array_mut) {
        let all = items.len();
        items.retain(|item| match item.get("id").and_then(Value::as_str) {
            Some(id) => {
                let id = id.to_ascii_lowercase();
                written.contains(&id) || !id.contains("/networkmanagerconnections/")
            }
            None => true,
        });
        if items.len() < all {
            found.looser.push(OF_OTHERS);
        }
    }
    body
}

fn compare(place: &str, wanted: &Value, got: &Value, found: &mut Findings) {
    match (wanted, got) {
        (Value::Object(wanted), Value::Object(got)) => {
            for (key, value) in wanted {
                field(place, key, value, got, found);
            }
            for key in got.keys().filter(|key| !wanted.contains_key(*key)) {
                found.differs(format!("{place}.{key}: not recorded"));
            }
        }
        (Value::Array(wanted), Value::Array(got)) if wanted.len() == got.len() => {
            for (at, (wanted, got)) in wanted.iter().zip(got).enumerate() {
                compare(&format!("{place}[{at}]"), wanted, got, found);
            }
        }
        (Value::Object(_) | Value::Array(_), _) => {
            found.differs(format!("{place}: recorded {wanted}, got {got}"));
        }
        _ => {}
    }
}

fn field(place: &str, key: &str, wanted: &Value, got: &Map<String, Value>, found: &mut Findings) {
    let place = format!("{place}.{key}");
    let Some(there) = got.get(key) else {
        found.differs(format!("{place}: missing"));
        return;
    };
    let moving = |v: &Value| v.as_str().is_some_and(|s| ["Updating", "Succeeded", "Failed"].contains(&s));
    let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_ascii_lowercase);
    let same = plain(wanted) == plain(there);
    if wanted.is_object() || wanted.is_array() {
        compare(&place, wanted, there, found);
    } else if key == "provisioningState" && !same && moving(wanted) && moving(there) {
        found.looser.push(if wanted == "Failed" { FAILED } else { SETTLING });
    } else if (key == "provisioningState" || COMPARED.contains(&key)) && !same {
        found.differs(format!("{place}: recorded {wanted}, got {there}"));
    }
}
