//! Directory objects of any type, read by id.

use serde_json::{Value, json};

use crate::caller::Holder;
use crate::graph::{error, method_not_allowed, service_principals, users};
use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// Most ids in one request.
const MOST: usize = 1000;

/// `POST /directoryObjects/getByIds`: a read. Ids that do not exist are omitted.
pub(super) fn get_by_ids(world: &World, holder: &Holder, request: &Request) -> Handled {
    if request.method != http::Method::POST {
        return Err(method_not_allowed(request));
    }
    users::require_reader(world, holder, request)?;
    let bad = |message: &str| error(request, 400, "Request_BadRequest", message);
    let body = request.json().map_err(|_| bad("Unable to read JSON request payload."))?;
    let texts = |name: &str| -> Vec<&str> {
        body.get(name).and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect()
    };
    let (ids, types) = (texts("ids"), texts("types"));
    if ids.is_empty() || ids.len() > MOST {
        return Err(bad("The number of ids must be from 1 to 1000."));
    }
    let kinds = [
        ("user", users::seen(world, holder, request)),
        ("servicePrincipal", service_principals::seen(world, holder, request)),
    ];
    let mut value = Vec::new();
    for (kind, objects) in kinds {
        let asked = types.is_empty()
            || types
                .iter()
                .any(|t| t.eq_ignore_ascii_case(kind) || t.eq_ignore_ascii_case("directoryObject"));
        let wanted =
            |o: &Value| ids.iter().any(|id| o["id"].as_str().is_some_and(|own| own.eq_ignore_ascii_case(id)));
        for mut object in objects.into_iter().filter(|o| asked && wanted(o)) {
            object["@odata.type"] = json!(format!("#microsoft.graph.{kind}"));
            value.push(object);
        }
    }
    let context = format!("{}/v1.0/$metadata#directoryObjects", world.hosts.graph);
    Ok(Reply::ok(json!({ "@odata.context": context, "value": value })))
}
