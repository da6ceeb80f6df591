//! Microsoft's own clients against `twinspan sim`, over HTTPS with its root certificate. The programs and their
//! pinned packages are in `tests/clients/`; each prints what it checked.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;

use crate::azure::Azure;
use crate::azure_cli::{self, AzureCli};
use crate::notice;
use crate::program::{self, Home, Said};

/// A file of `tests/clients/`.
pub(crate) fn client(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients").join(path)
}

/// Python with the pinned packages.
fn python() -> Option<PathBuf> {
    program::wanted("TWINSPAN_PYTHON", "a Python with the packages of tests/clients/python")
        .map(PathBuf::from)
}

/// Node.js, new enough for the pinned packages.
fn node() -> Option<PathBuf> {
    program::wanted("TWINSPAN_NODE", "Node.js").map(PathBuf::from)
}

/// A program without this machine's environment.
pub(crate) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    // No files are left beside the sources.
    command.env_clear().env("PYTHONDONTWRITEBYTECODE", "1");
    command
}

/// What a client prints about this world.
pub(crate) fn play(azure: &Azure, mut command: Command) -> Said {
    let home = Home::new();
    command
        .arg(home.write("ready.json", azure.ready.to_string()))
        .current_dir(home.path())
        .env("HOME", home.path())
        .env("NODE_EXTRA_CA_CERTS", azure.ready["ca_file"].as_str().unwrap());
    let output = command.output().unwrap();
    Said {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

/// Prints the client's count of checks, and panics with its whole output unless every check passes.
#[track_caller]
pub(crate) fn every_check_holds(what: &str, azure: &Azure, command: Command) {
    let said = play(azure, command).expect(0);
    let counted = said.out.lines().last().unwrap_or_default();
    let passed = counted.split(' ').next().and_then(|number| number.parse::<usize>().ok());
    assert!(passed.is_some_and(|passed| passed > 0), "nothing was checked: {said:#?}");
    notice::say(&format!("{what}: {counted}"));
}

fn javascript(node: &Path) -> Command {
    let flow = client("javascript/flow.js");
    let folder = flow.with_file_name("");
    assert!(folder.join("node_modules").is_dir(), "run `npm ci` in {}", folder.display());
    let mut command = command(node);
    command.arg(flow);
    command
}

#[test]
fn the_python_clients_do_the_whole_flow() {
    let Some(python) = python() else { return };
    let mut command = command(&python);
    command.arg(client("python/flow.py"));
    every_check_holds("Python, whole flow", &Azure::start(&[]), command);
}

#[test]
fn an_older_python_client_does_its_core_in_every_api_version() {
    let Some(python) = python() else { return };
    // A folder with the older version, which has the same name, comes first in the path.
    let older = python.ancestors().nth(2).unwrap_or(Path::new("/")).join("older");
    assert!(
        older.join("azure/mgmt/network").is_dir(),
        "{} lacks the packages of tests/clients/python/older.txt (pip install --no-deps --target)",
        older.display()
    );
    let mut command = command(&python);
    command.env("PYTHONPATH", older).arg(client("python/versions.py"));
    every_check_holds("Python, api-versions", &Azure::start(&["--ready-world"]), command);
}

#[test]
fn the_javascript_clients_do_the_core_of_the_flow() {
    let Some(node) = node() else { return };
    every_check_holds("JavaScript", &Azure::start(&["--ready-world"]), javascript(&node));
}

/// These checks can fail: each lie of the simulator is detected by a client that was not written for this project.
/// (A role that never takes effect is not: the ready world has its roles already.)
#[test]
fn a_simulator_that_is_wrong_is_noticed_by_an_official_client() {
    let Some(node) = node() else { return };
    for (lie, scene) in [
        ("any-tenant-token", "sign-in is refused with Entra's messages"),
        ("one-half-enough", "both sides become Connected, after the response"),
        ("eager-connected", "both sides become Connected, after the response"),
        ("no-auxiliary-check", "a member of another tenant needs that tenant's token too"),
        ("member-never-settles", "a member of another tenant needs that tenant's token too"),
        ("empty-list", "a member of another tenant needs that tenant's token too"),
        ("delete-deletes-nothing", "groups are listed in pages, and an empty body creates one"),
    ] {
        let azure = Azure::start(&["--ready-world"]);
        azure.post("/_sim/lies", &json!({ lie: true }));
        let said = play(&azure, javascript(&node)).expect(1);
        assert!(said.out.contains(&format!("FAILED  {scene}")), "{lie}: {said:#?}");
    }
}

/// The target's own administrator prepares everything, then the central tenant uses it. (What the Azure CLI does for network
/// managers is in an extension; the requests go through `az rest`, as in the scripts of `hand-over`.)
#[test]
fn the_azure_cli_prepares_the_target_and_adds_a_member_across_tenants() {
    const GUEST: &str = "nina.network@contoso.example";
    let Some(program) = azure_cli::program() else { return };
    let (azure, home) = (Azure::start(&[]), Home::new());
    let cli = AzureCli::new(program, &azure, &home);
    let text = |pointer: &str| azure.ready.pointer(pointer).unwrap().as_str().unwrap().to_owned();
    let (central, target) = (text("/tenants/central/id"), text("/tenants/target/id"));
    let (app, graph, arm) = (text("/client_id"), text("/graph"), text("/arm"));
    let scope = format!("/subscriptions/{}", text("/tenants/target/subscription"));

    cli.sign_in("target-admin", &target);
    assert_eq!(cli.json(&["account", "list", "--query", "[].tenantId"]), json!([target]));
    assert_eq!(cli.json(&["group", "list", "--query", "[].name"]), json!(["rg-app", "rg-data"]));
    assert_eq!(cli.json(&["group", "exists", "-n", "rg-none"]), json!(false));
    let refused = cli.refused(&["group", "show", "-n", "rg-none"]);
    assert!(refused.contains("(ResourceGroupNotFound)"), "{refused}");
    cli.az(&["provider", "register", "-n", "Microsoft.Network", "--wait"]);
    let listed =
        cli.json(&["provider", "list", "--query", "[?namespace=='Microsoft.Network'].registrationState"]);
    assert_eq!(listed, json!(["Registered"]));
    let networks = cli.json(&["network", "vnet", "list", "--query", "[].id"]);
    assert_eq!(networks, azure.ready["tenants"]["target"]["virtual_networks"]);

    // The guest, as the portal would invite it; and the service principal of the application in this tenant.
    let body = json!({ "invitedUserEmailAddress": GUEST, "inviteRedirectUrl": "https://portal.azure.com" })
        .to_string();
    let invitations = format!("{graph}/v1.0/invitations");
    let sent =
        cli.json(&["rest", "--method", "post", "--url", &invitations, "--resource", &graph, "--body", &body]);
    assert_eq!(sent["status"], "PendingAcceptance");
    azure.redeem(GUEST);
    let found = cli.json(&["ad", "user", "list", "--query", "[].mail"]);
    assert_eq!(found, json!(["iam@fabrikam.example", GUEST]));
    assert_eq!(cli.json(&["ad", "sp", "create", "--id", &app, "--query", "appId"]), json!(app));
    azure.advance("61s");
    let guest = sent["invitedUser"]["id"].as_str().unwrap();
    let role = [
        "role",
        "assignment",
        "create",
        "--role",
        "Network Contributor",
        "--scope",
        &scope,
        "--query",
        "principalType",
    ];
    let typed = [&role[..], &["--assignee-object-id", guest, "--assignee-principal-type", "User"]].concat();
    assert_eq!(cli.json(&typed), "User");
    assert_eq!(cli.json(&[&role[..], &["--assignee", &app]].concat()), "ServicePrincipal");
    let listed = cli.json(&[
        "role",
        "assignment",
        "list",
        "--scope",
        &scope,
        "--include-inherited",
        "--query",
        "[].[principalName, roleDefinitionName]",
    ]);
    let upn = "nina.network_contoso.example#EXT#@fabrikam.example";
    let wanted = json!([
        ["iam@fabrikam.example", "Owner"],
        [upn, "Network Contributor"],
        [app, "Network Contributor"],
    ]);
    assert_eq!(listed, wanted);

    // The CLI adds no auxiliary token to `az rest`; the caller does.
    azure.advance("11m");
    cli.sign_in("app", &target);
    let token = cli.json(&["account", "get-access-token", "--query", "accessToken"]);
    cli.sign_in("app", &central);
    let manager = format!(
        "{arm}/subscriptions/{}/resourceGroups/{}/providers/Microsoft.Network/networkManagers/{}",
        text("/tenants/central/subscription"),
        text("/tenants/central/resource_group"),
        text("/tenants/central/network_manager"),
    );
    let group = format!("{manager}/networkGroups/ng-az?api-version=2024-07-01");
    cli.az(&["rest", "--method", "put", "--url", &group, "--body", "{}"]);
    let member = format!("{manager}/networkGroups/ng-az/staticMembers/vnet-app?api-version=2022-01-01");
    let body = json!({ "properties": { "resourceId": networks[0] } }).to_string();
    let put = ["rest", "--method", "put", "--url", &member, "--body", &body];
    let refused = cli.refused(&put);
    assert!(refused.contains("LinkedAuthorizationFailed"), "{refused}");
    let header = format!("x-ms-authorization-auxiliary=Bearer {}", token.as_str().unwrap());
    let made = cli.json(&[&put[..], &["--headers", &header]].concat());
    assert_eq!(made["properties"]["provisioningState"], "Updating", "{made:#}");
}
