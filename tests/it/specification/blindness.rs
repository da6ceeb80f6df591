//! Tests of the check itself: it accepts a correct exchange, and finds each single error in it. Among the errors are
//! those of a faulty client: another api-version, a renamed field, a read-only value that is sent.

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};

use super::book;
use crate::notice;

const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group";
const TARGET: &str = "22222222-0000-0000-0000-00000000000f";

/// A correct exchange into which an error can be put.
#[derive(Clone)]
struct Said {
    method: &'static str,
    address: String,
    token: bool,
    sent: Value,
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    received: Value,
}

impl Said {
    fn findings(&self) -> Vec<String> {
        let body =
            |value: &Value| if value.is_null() { Bytes::new() } else { Bytes::from(value.to_string()) };
        let mut request = Request::builder().method(self.method).uri(&self.address);
        if self.token {
            request = request.header("authorization", "Bearer token");
        }
        let request = request.header("content-type", "application/json").body(body(&self.sent)).unwrap();
        let mut answer = Response::builder().status(self.status).header("content-type", "application/json");
        for (name, value) in &self.headers {
            answer = answer.header(*name, *value);
        }
        let answer = answer.body(body(&self.received)).unwrap();
        book::specification().unwrap().check(&request, Some(&answer)).findings
    }

    /// Correct as it is, and with exactly one finding, which contains `wanted`, after `spoil`.
    #[track_caller]
    fn spoilt(&self, wanted: &str, spoil: impl FnOnce(&mut Said)) {
        assert_eq!(self.findings(), [] as [String; 0], "{} {}", self.method, self.address);
        let mut spoilt = self.clone();
        spoil(&mut spoilt);
        let findings = spoilt.findings();
        assert!(
            matches!(&findings[..], [one] if one.contains(wanted)),
            "{wanted:?} was to be found, found {findings:?}"
        );
    }
}

fn address(path: &str) -> String {
    format!("https://management.azure.com{path}?api-version=2024-10-01")
}

fn scope_connection() -> Said {
    let id = format!("{MANAGER}/scopeConnections/to-central");
    let given =
        json!({ "tenantId": TARGET, "resourceId": "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001" });
    let mut properties = given.clone();
    properties["connectionState"] = json!("Pending");
    Said {
        method: "PUT",
        address: address(&id),
        token: true,
        sent: json!({ "properties": given }),
        status: 200,
        headers: Vec::new(),
        received: json!({ "id": id, "name": "to-central", "type": "t", "properties": properties }),
    }
}

#[test]
fn each_single_mistake_in_a_write_is_found() {
    if book::specification().is_none() {
        return notice::no_azure_data();
    }
    let right = scope_connection();
    right.spoilt("2023-09-01 is sent, 2024-10-01 is checked", |said| {
        said.address = said.address.replace("2024-10-01", "2023-09-01");
    });
    right.spoilt("no operation has this method and path", |said| {
        said.address = said.address.replace("/scopeConnections/", "/scopeConnection/");
    });
    right.spoilt("no operation has this method and path", |said| said.method = "POST");
    right
        .spoilt("path networkManagerName", |said| said.address = said.address.replace("/nm-group/", "/-nm/"));
    right.spoilt("query force: is not described", |said| said.address.push_str("&force=true"));
    right.spoilt("no bearer token", |said| said.token = false);
    right.spoilt("body: is missing", |said| said.sent = Value::Null);
    right.spoilt("'tenant' was unexpected", |said| {
        let tenant = said.sent["properties"].as_object_mut().unwrap().remove("tenantId").unwrap();
        said.sent["properties"]["tenant"] = tenant;
    });
    right.spoilt("'connectionState' was unexpected", |said| {
        said.sent["properties"]["connectionState"] = json!("Connected");
    });
    right.spoilt("'etag' was unexpected", |said| said.sent["etag"] = json!(""));
    right.spoilt("request body: /properties/resourceId value is not of type", |said| {
        said.sent["properties"]["resourceId"] = json!(["/subscriptions/b"]);
    });
}

#[test]
fn each_single_mistake_in_an_answer_is_found() {
    if book::specification().is_none() {
        return notice::no_azure_data();
    }
    let right = scope_connection();
    right.spoilt("this status is not described", |said| said.status = 202);
    right.spoilt("response 200 body: is missing", |said| said.received = Value::Null);
    right.spoilt("/properties/connectionState", |said| {
        said.received["properties"]["connectionState"] = json!("Linked");
    });
    right.spoilt("'linked' was unexpected", |said| said.received["properties"]["linked"] = json!(true));
    right.spoilt("'message' was unexpected", |said| {
        said.status = 403;
        said.received =
            json!({ "error": { "code": "AuthorizationFailed", "message": "no" }, "message": "no" });
    });
    let removal = Said { method: "DELETE", sent: Value::Null, received: Value::Null, ..scope_connection() };
    removal.spoilt("none is described", |said| said.received = json!({ "id": "x" }));
    let group = Said {
        address: address(&format!("{MANAGER}/networkGroups/ng-spokes")),
        status: 202,
        headers: vec![("location", "https://management.azure.com/x")],
        ..removal
    };
    group.spoilt("header location: is missing", |said| said.headers.clear());
    let manager = Said {
        address: address(MANAGER),
        sent: json!({ "location": "westeurope", "properties": {
            "networkManagerScopes": { "subscriptions": [] }, "networkManagerScopeAccesses": ["Connectivity"] } }),
        received: json!({ "id": MANAGER, "location": "westeurope", "properties": { "networkManagerScopes": {} } }),
        ..scope_connection()
    };
    manager.spoilt("\"networkManagerScopes\" is a required property", |said| {
        said.sent["properties"].as_object_mut().unwrap().remove("networkManagerScopes");
    });
    manager.spoilt("/properties/networkManagerScopeAccesses/*", |said| {
        said.sent["properties"]["networkManagerScopeAccesses"] = json!(["Telepathy"]);
    });
    let list = Said {
        method: "GET",
        address: format!("{}&$top=20", address(&format!("{MANAGER}/scopeConnections"))),
        sent: Value::Null,
        received: json!({ "value": [scope_connection().received], "nextLink": "" }),
        ..scope_connection()
    };
    list.spoilt("query $top", |said| said.address = said.address.replace("$top=20", "$top=21"));
    list.spoilt("/value/*/properties", |said| said.received["value"][0]["properties"]["a"] = json!(1));
}

#[test]
fn each_single_mistake_towards_graph_is_found() {
    if book::specification().is_none() {
        return notice::no_azure_data();
    }
    let invitation = Said {
        method: "POST",
        address: "https://graph.microsoft.com/v1.0/invitations".to_owned(),
        sent: json!({ "invitedUserEmailAddress": "nina@contoso.example", "inviteRedirectUrl": "https://x.example" }),
        status: 201,
        received: json!({ "id": "1", "status": "PendingAcceptance", "invitedUser": { "id": "2" } }),
        ..scope_connection()
    };
    invitation.spoilt("/inviteRedirectUrl is missing", |said| {
        said.sent.as_object_mut().unwrap().remove("inviteRedirectUrl");
    });
    invitation
        .spoilt("invitation has no such property", |said| said.sent["email"] = json!("nina@contoso.example"));
    invitation.spoilt("/sendInvitationMessage is no Edm.Boolean", |said| {
        said.sent["sendInvitationMessage"] = json!("true");
    });
    invitation.spoilt("201 was expected", |said| said.status = 200);
    let users = Said {
        method: "GET",
        address: "https://graph.microsoft.com/v1.0/users?$filter=mail%20eq%20'a'&$select=id,mail".to_owned(),
        sent: Value::Null,
        status: 200,
        received: json!({ "@odata.context": "c", "value": [{ "id": "1", "mail": null }] }),
        ..invitation
    };
    users.spoilt("user has no email", |said| said.address = said.address.replace("mail%20eq", "email%20eq"));
    users.spoilt("user has no state", |said| said.address = said.address.replace("id,mail", "id,state"));
    users.spoilt("/value/*/id is null", |said| said.received["value"][0]["id"] = Value::Null);
    users.spoilt("user has no such property", |said| said.received["value"][0]["email"] = json!("a"));
}
