//! Requests sent directly to the simulator, operation by operation, also those that no step sends: with a body, in
//! pages, without a token, with a token of the other tenant, without an api-version, and for missing resources.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use twinspan_sim::World;

use super::book::{Book, Ends};
use super::checking::Specification;
use super::operations::Operation;

const CENTRAL: &str = "11111111-0000-0000-0000-00000000000c";
const TARGET: &str = "22222222-0000-0000-0000-00000000000f";
const NETWORK: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network";
const ARM: &str = "https://management.azure.com";

/// The path segment for each name of the templates.
fn value(name: &str) -> &'static str {
    match name {
        "subscriptionId" => "aaaaaaaa-0000-0000-0000-000000000001",
        "resourceGroupName" | "sourceResourceGroupName" => "rg-network",
        "networkManagerName" => "nm-group",
        "managementGroupId" | "groupId" => "CliMgmtGroup",
        "virtualNetworkName" => "vnet-hub",
        "resourceProviderNamespace" => "Microsoft.Network",
        "scope" => "subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network",
        "roleAssignmentName" => "5a9d5b0e-6f0f-4c3c-9a53-3d7b7f1f0001",
        "roleDefinitionId" => "4d97b98b-1d4f-4787-a291-c67834d212e7",
        "parentResourcePath" => "",
        "resourceType" => "virtualNetworks",
        "resourceName" => "vnet-hub",
        _ => "swept",
    }
}

/// Bodies that fit the world; otherwise the official example's is sent.
fn body(operation: &str) -> Option<Value> {
    let scope = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001";
    let manager = format!("{NETWORK}/networkManagers/nm-group");
    Some(match operation {
        "NetworkManagers_CreateOrUpdate" => json!({
            "location": "westeurope", "tags": { "a": "b" },
            "properties": {
                "description": "swept",
                "networkManagerScopes": { "subscriptions": [scope] },
                "networkManagerScopeAccesses": ["Connectivity"],
            },
        }),
        "NetworkManagers_Patch" => json!({ "tags": { "c": "d" } }),
        "ScopeConnections_CreateOrUpdate" => json!({ "properties": {
            "tenantId": TARGET, "resourceId": "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001", "description": "swept",
        } }),
        "SubscriptionNetworkManagerConnections_CreateOrUpdate"
        | "ManagementGroupNetworkManagerConnections_CreateOrUpdate" => {
            json!({ "properties": { "networkManagerId": manager, "description": "swept" } })
        }
        "NetworkGroups_CreateOrUpdate" => {
            json!({ "properties": { "description": "swept", "memberType": "VirtualNetwork" } })
        }
        "StaticMembers_CreateOrUpdate" => {
            json!({ "properties": { "resourceId": format!("{NETWORK}/virtualNetworks/vnet-hub") } })
        }
        "ConnectivityConfigurations_CreateOrUpdate" => json!({ "properties": {
            "description": "swept", "connectivityTopology": "HubAndSpoke", "isGlobal": "True",
            "hubs": [{ "resourceId": format!("{NETWORK}/virtualNetworks/vnet-hub"), "resourceType": "Microsoft.Network/virtualNetworks" }],
            "appliesToGroups": [{
                "networkGroupId": format!("{manager}/networkGroups/swept"), "groupConnectivity": "DirectlyConnected",
                "useHubGateway": "False", "isGlobal": "False",
            }],
        } }),
        "NetworkManagerCommits_Post" => json!({
            "targetLocations": ["westeurope"], "commitType": "Connectivity",
            "configurationIds": [format!("{manager}/connectivityConfigurations/swept")],
        }),
        "NetworkManagerDeploymentStatus_List" => {
            json!({ "regions": ["westeurope"], "deploymentTypes": ["Connectivity"] })
        }
        "ListActiveConnectivityConfigurations" => json!({ "regions": ["westeurope"] }),
        "ListNetworkManagerEffectiveConnectivityConfigurations" => json!({}),
        "VirtualNetworks_CreateOrUpdate" => json!({
            "location": "westeurope", "properties": { "addressSpace": { "addressPrefixes": ["10.77.0.0/16"] } },
        }),
        "Subnets_CreateOrUpdate" => json!({ "properties": { "addressPrefix": "10.77.1.0/24" } }),
        "RoleAssignments_Create" => json!({ "properties": {
            "roleDefinitionId": format!("{scope}/providers/Microsoft.Authorization/roleDefinitions/4d97b98b-1d4f-4787-a291-c67834d212e7"),
            "principalId": "cccccccc-2222-0000-0000-000000000001", "principalType": "ServicePrincipal",
        } }),
        "ResourceGroups_CreateOrUpdate" => json!({ "location": "westeurope" }),
        "Resources" => {
            json!({ "subscriptions": ["aaaaaaaa-0000-0000-0000-000000000001"], "query": "networkresources" })
        }
        _ => return None,
    })
}

struct Broom<'a> {
    world: World,
    now: Timestamp,
    book: &'a Book,
    specification: &'a Specification,
    /// Operations that the simulator says do not exist, although the files describe them.
    denied: Vec<String>,
}

/// Sends a request for every operation of the files; returns those that this world supports.
pub(super) fn sweep(specification: &Specification, book: &Arc<Book>) -> BTreeSet<String> {
    let world = World::ready().unwrap();
    let now = "2026-11-23T09:00:00Z".parse().unwrap();
    let mut broom = Broom { world, now, book, specification, denied: Vec::new() };
    let (central, target) = (broom.token(CENTRAL), broom.token(TARGET));
    let mut operations: Vec<&Operation> = specification.operations.iter().collect();
    operations.sort_by_key(|operation| {
        let depth = operation.template.matches('/').count();
        match operation.method.as_str() {
            // The configuration names a group.
            "PUT" if operation.id == "ConnectivityConfigurations_CreateOrUpdate" => (0, depth + 1),
            "PUT" => (0, depth),
            "POST" if operation.id == "NetworkManagerCommits_Post" => (1, depth),
            "GET" | "HEAD" => (2, depth),
            "PATCH" => (3, depth),
            "POST" => (4, depth),
            _ => (5, 100 - depth),
        }
    });
    let mut swept = BTreeSet::new();
    for operation in operations {
        // Unregistering a namespace would delete everything else with it.
        if operation.id == "Providers_Unregister" {
            continue;
        }
        let path = operation.template.split('/').map(filled).collect::<Vec<_>>().join("/").replace("//", "/");
        let address = format!("{ARM}{path}?api-version={}", operation.version);
        let body = body(&operation.id).or_else(|| broom.example(operation));
        if broom.answers(operation, &address, body.as_ref(), &central) {
            swept.insert(operation.id.clone());
            broom.refusals(operation, &path, body.as_ref(), (&central, &target));
        }
    }
    let denied = &broom.denied;
    assert!(
        denied.is_empty(),
        "{} operations that Azure has do not exist in the simulator:\n{}",
        denied.len(),
        denied.join("\n")
    );
    swept
}

fn filled(segment: &str) -> &str {
    let name = segment.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    name.map_or(segment, |name| value(name))
}

impl Broom<'_> {
    fn token(&mut self, tenant: &str) -> String {
        let application = self.world.application().unwrap();
        let form = format!(
            "grant_type=client_credentials&client_id={}&client_secret={}&scope={ARM}/.default",
            application.client_id, application.client_secret
        );
        let address = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
        let request = Request::post(address).body(Bytes::from(form)).unwrap();
        let answer: Value =
            serde_json::from_slice(self.world.handle(request, self.now).unwrap().body()).unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }

    fn send(&mut self, method: &str, address: &str, token: &str, body: Option<&Value>) -> Response<Bytes> {
        let (request, answer) = self.ask(method, address, token, body);
        self.book.note(&request, Some(&answer), Ends::Simulator);
        answer
    }

    /// Three seconds after the request before, which is more than any delay of this world.
    fn ask(
        &mut self,
        method: &str,
        address: &str,
        token: &str,
        body: Option<&Value>,
    ) -> (Request<Bytes>, Response<Bytes>) {
        self.now = self.now.checked_add(SignedDuration::from_secs(3)).unwrap();
        let mut request = Request::builder().method(method).uri(address);
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = body.map_or_else(Bytes::new, |body| Bytes::from(body.to_string()));
        let request = request.body(body).unwrap();
        let asked = request.clone();
        (asked, self.world.handle(request, self.now).unwrap())
    }

    /// The body of the first official example.
    fn example(&self, operation: &Operation) -> Option<Value> {
        let parameter = operation.parameters.iter().find(|parameter| parameter.place == "body")?;
        let file = operation.examples.first()?;
        let example = self.specification.documents().follow(file, "")?;
        example.value["parameters"].get(&parameter.name).cloned()
    }

    /// Whether the world supports the operation. An unsupported one's response is not Azure's, and is not checked.
    fn answers(&mut self, operation: &Operation, address: &str, body: Option<&Value>, token: &str) -> bool {
        let (request, answer) = self.ask(&operation.method, address, token, body);
        if !answer.status().is_success() {
            let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            let code = body.pointer("/error/code").and_then(Value::as_str).unwrap_or_default();
            let message = body.pointer("/error/message").and_then(Value::as_str).unwrap_or_default();
            let is_denied = ["InvalidResourceType", "InvalidResourceNamespace", "MethodNotAllowed"]
                .contains(&code)
                || message.starts_with("No address ");
            if is_denied {
                self.denied.push(format!("{} {address}: {code} {message}", operation.id));
            }
            return false;
        }
        self.book.note(&request, Some(&answer), Ends::Simulator);
        self.follow(&answer, token);
        if operation.parameters.iter().any(|parameter| parameter.name == "$top") && operation.method == "GET"
        {
            let mut next = Some(format!("{address}&$top=1"));
            for _ in 0..20 {
                let Some(address) = next.take() else { break };
                let page: Value = serde_json::from_slice(self.send("GET", &address, token, None).body())
                    .unwrap_or_default();
                next = page["nextLink"].as_str().filter(|link| !link.is_empty()).map(str::to_owned);
            }
        }
        true
    }

    /// Polls an accepted operation until it has ended.
    fn follow(&mut self, answer: &Response<Bytes>, token: &str) {
        let location = |answer: &Response<Bytes>| {
            let location = answer.headers().get("location")?.to_str().ok()?.to_owned();
            (answer.status().as_u16() == 202).then_some(location)
        };
        let mut next = location(answer);
        for _ in 0..40 {
            let Some(address) = next.take() else { break };
            next = location(&self.send("GET", &address, token, None));
        }
    }

    /// Every refusal that does not depend on the kind.
    fn refusals(&mut self, operation: &Operation, path: &str, body: Option<&Value>, tokens: (&str, &str)) {
        let (method, version) = (operation.method.as_str(), operation.version.as_str());
        let address = format!("{ARM}{path}?api-version={version}");
        self.send(method, &address, "", body);
        self.send(method, &address, "no.token.atall", body);
        self.send(method, &address, tokens.1, body);
        self.send(method, &format!("{ARM}{path}"), tokens.0, body);
        // A write would create the resource, and a DELETE was just sent.
        if method == "GET" {
            for (from, to) in [("/nm-group", "/absent"), ("/swept", "/absent"), ("/rg-network", "/absent")] {
                if path.contains(from) {
                    self.send(method, &address.replace(from, to), tokens.0, None);
                }
            }
        }
    }
}
