//! Microsoft Graph: the entities of the CSDL file, and the few requests about them. The file in the data folder
//! contains invitations and users; service principals are listed here by hand from Microsoft's reference.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Map, Value};

use super::checking::{is_json, parsed, query};

/// Properties of `microsoft.graph.servicePrincipal` that are sent or read here (graph-rest-1.0, resource type
/// servicePrincipal; `az ad sp show` prints `createdDateTime`); the CSDL subset does not contain it.
const SERVICE_PRINCIPAL: [(&str, &str); 9] = [
    ("accountEnabled", "Edm.Boolean"),
    ("appDisplayName", "Edm.String"),
    ("appId", "Edm.String"),
    ("appOwnerOrganizationId", "Edm.Guid"),
    ("createdDateTime", "Edm.DateTimeOffset"),
    ("displayName", "Edm.String"),
    ("servicePrincipalNames", "Collection(Edm.String)"),
    ("servicePrincipalType", "Edm.String"),
    ("signInAudience", "Edm.String"),
];

/// OData query options that lists and objects accept.
const OPTIONS: [&str; 5] = ["$select", "$filter", "$top", "$count", "$skiptoken"];

#[derive(Clone, Debug)]
struct Property {
    kind: String,
    nullable: bool,
    navigation: bool,
}

type Entity = BTreeMap<String, Property>;

/// Entity and complex types by name.
pub(super) struct Entities(BTreeMap<String, Entity>);

impl Entities {
    pub(super) fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut types: BTreeMap<String, Entity> = BTreeMap::new();
        let mut current = String::new();
        for tag in text.split('<').skip(1) {
            let (name, _) = tag.split_once([' ', '>']).unwrap_or((tag, ""));
            let attribute = |wanted: &str| {
                let (_, rest) = tag.split_once(&format!(" {wanted}=\""))?;
                rest.split_once('"').map(|(value, _)| value.to_owned())
            };
            match name {
                "EntityType" | "ComplexType" => {
                    current = attribute("Name").unwrap();
                    types.insert(current.clone(), Entity::new());
                }
                "Property" | "NavigationProperty" => {
                    let property = Property {
                        kind: attribute("Type").unwrap(),
                        nullable: attribute("Nullable").as_deref() != Some("false"),
                        navigation: name == "NavigationProperty",
                    };
                    types.get_mut(&current).unwrap().insert(attribute("Name").unwrap(), property);
                }
                _ => {}
            }
        }
        let by_hand = SERVICE_PRINCIPAL.map(|(name, kind)| {
            (name.to_owned(), Property { kind: kind.to_owned(), nullable: true, navigation: false })
        });
        types.insert("servicePrincipal".to_owned(), by_hand.into());
        // `graph.entity`, from which all of them inherit.
        for name in ["invitation", "user", "servicePrincipal"] {
            let id = Property { kind: "Edm.String".to_owned(), nullable: false, navigation: false };
            types
                .get_mut(name)
                .unwrap_or_else(|| panic!("no {name} in the CSDL"))
                .insert("id".to_owned(), id);
        }
        Entities(types)
    }

    pub(super) fn check(
        &self,
        request: &Request<Bytes>,
        path: &str,
        answer: Option<&Response<Bytes>>,
    ) -> (Result<String, &'static str>, Vec<String>) {
        let mut findings = Vec::new();
        let words: Vec<&str> = path.split('/').filter(|word| !word.is_empty()).collect();
        let method = request.method().as_str();
        let (entity, one) = match (method, &words[..]) {
            ("POST", ["v1.0", "invitations"]) => ("invitation", true),
            ("GET", ["v1.0", "users"]) => ("user", false),
            ("GET" | "DELETE", ["v1.0", "users", _]) => ("user", true),
            ("GET", ["v1.0", "servicePrincipals"]) => ("servicePrincipal", false),
            ("POST", ["v1.0", "servicePrincipals"])
            | ("GET" | "DELETE", ["v1.0", "servicePrincipals", _]) => ("servicePrincipal", true),
            _ => {
                return (
                    Err("unknown"),
                    vec!["request: nothing of Microsoft Graph has this path".to_owned()],
                );
            }
        };
        let name = format!("Graph {method} {entity}{}", if one { "" } else { " list" });
        for (option, value) in query(request) {
            self.option(entity, &option, &value, &mut findings);
        }
        let mut find = |what: String| findings.push(format!("request body: {what}"));
        match (parsed(request.body()), method) {
            (Ok(Some(body)), "POST") => {
                self.entity(entity, "", &body, true, &mut find);
                if !is_json(request.headers()) {
                    find("its content-type is not application/json".to_owned());
                }
            }
            (Ok(None), "GET" | "DELETE") => {}
            _ => find("not what this method takes".to_owned()),
        }
        if let Some(answer) = answer {
            let status = answer.status().as_u16();
            self.answer(entity, one, method, answer, &mut |what| {
                findings.push(format!("response {status}: {what}"));
            });
        }
        (Ok(name), findings)
    }

    fn option(&self, entity: &str, option: &str, value: &str, findings: &mut Vec<String>) {
        if !OPTIONS.contains(&option.to_ascii_lowercase().as_str()) {
            findings.push(format!("request query {option}: no option of OData that is meant here"));
        }
        let known = &self.0[entity];
        let words = match option {
            "$select" => value.split(',').map(str::to_owned).collect(),
            "$filter" => filtered(value),
            _ => Vec::new(),
        };
        for word in words.iter().filter(|word| !known.contains_key(*word)) {
            findings.push(format!("request query {option}: {entity} has no {word}"));
        }
    }

    fn answer(
        &self,
        entity: &str,
        one: bool,
        method: &str,
        answer: &Response<Bytes>,
        find: &mut dyn FnMut(String),
    ) {
        let status = answer.status().as_u16();
        let wanted = match method {
            "POST" => 201,
            "DELETE" => 204,
            _ => 200,
        };
        let body = match parsed(answer.body()) {
            Ok(body) => body,
            Err(error) => return find(error),
        };
        match (status, body) {
            (400.., Some(body)) => error(&body, find),
            (_, None) if status == wanted && method == "DELETE" => {}
            (_, Some(Value::Object(body))) if status == wanted && method != "DELETE" => {
                if one {
                    self.fields(entity, "", &body, false, find);
                } else {
                    for item in body["value"].as_array().into_iter().flatten() {
                        self.entity(entity, "/value/*", item, false, find);
                    }
                    if !body["value"].is_array() {
                        find("no list in value".to_owned());
                    }
                    for field in
                        body.keys().filter(|field| *field != "value" && !field.starts_with("@odata."))
                    {
                        find(format!("{field} is not described"));
                    }
                }
            }
            (_, body) => find(format!("{wanted} was expected, with body: {}", body.is_some())),
        }
    }

    fn entity(&self, name: &str, place: &str, value: &Value, sent: bool, find: &mut dyn FnMut(String)) {
        match value {
            Value::Object(fields) => self.fields(name, place, fields, sent, find),
            _ => find(format!("{place} is no {name}")),
        }
    }

    fn fields(
        &self,
        name: &str,
        place: &str,
        fields: &Map<String, Value>,
        sent: bool,
        find: &mut dyn FnMut(String),
    ) {
        let Some(known) = self.0.get(name) else {
            return find(format!("{place}: no type {name} in the CSDL"));
        };
        for (field, value) in fields {
            if field.starts_with("@odata.") && !sent {
                continue;
            }
            let place = format!("{place}/{field}");
            let Some(property) = known.get(field) else {
                find(format!("{place}: {name} has no such property"));
                continue;
            };
            if value.is_null() {
                if !property.nullable {
                    find(format!("{place} is null"));
                }
                continue;
            }
            self.value(&property.kind, &place, value, sent, find);
        }
        for (field, property) in known {
            // Only what a client provides is required: the service generates `id`, and a response may be a
            // selection.
            if sent
                && !property.nullable
                && !property.navigation
                && field != "id"
                && !fields.contains_key(field)
            {
                find(format!("{place}/{field} is missing"));
            }
        }
    }

    fn value(&self, kind: &str, place: &str, value: &Value, sent: bool, find: &mut dyn FnMut(String)) {
        if let Some(item) = kind.strip_prefix("Collection(").and_then(|kind| kind.strip_suffix(')')) {
            match value {
                Value::Array(items) => {
                    items.iter().for_each(|value| self.value(item, &format!("{place}/*"), value, sent, find));
                }
                _ => find(format!("{place} is no collection")),
            }
            return;
        }
        let fits = match kind {
            "Edm.String" => value.is_string(),
            "Edm.Boolean" => value.is_boolean(),
            "Edm.Guid" => value.as_str().is_some_and(|text| uuid::Uuid::try_parse(text).is_ok()),
            "Edm.DateTimeOffset" => {
                value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok())
            }
            _ => {
                let name = kind.strip_prefix("graph.").unwrap_or(kind);
                return self.entity(name, place, value, sent, find);
            }
        };
        if !fits {
            find(format!("{place} is no {kind}"));
        }
    }
}

/// Names of properties in a filter: words that are neither operators, functions, lambda variables nor values.
fn filtered(filter: &str) -> Vec<String> {
    let mut outside = String::new();
    for (at, part) in filter.split('\'').enumerate() {
        outside.push_str(if at % 2 == 0 { part } else { " " });
    }
    let words = outside.split(|c: char| !(c.is_ascii_alphanumeric() || "/:".contains(c)));
    words
        .filter(|word| !word.is_empty() && !word.contains(':'))
        .map(|word| word.split('/').next().unwrap_or_default())
        .filter(|word| {
            !["eq", "ne", "or", "and", "not", "in", "startsWith", "true", "false", "null"].contains(word)
        })
        .filter(|word| word.len() > 1)
        .map(str::to_owned)
        .collect()
}

/// `{"error": {"code", "message", "innerError": {"date", "request-id", "client-request-id"}}}`
fn error(body: &Value, find: &mut dyn FnMut(String)) {
    let Some(error) =
        body["error"].as_object().filter(|_| body.as_object().is_some_and(|all| all.len() == 1))
    else {
        return find("its body is not an error alone".to_owned());
    };
    for (field, value) in error {
        let fits = match field.as_str() {
            "code" | "message" => value.as_str().is_some_and(|text| !text.is_empty()),
            "innerError" => value.as_object().is_some_and(|inner| {
                inner.iter().all(|(name, value)| {
                    ["date", "request-id", "client-request-id"].contains(&name.as_str()) && value.is_string()
                })
            }),
            _ => false,
        };
        if !fits {
            find(format!("/error/{field} is not as Microsoft Graph says it"));
        }
    }
    if !error.contains_key("code") || !error.contains_key("message") {
        find("/error has no code or no message".to_owned());
    }
}
