//! Query options of Graph requests: `$filter`, `$search`, `$orderby`, `$select` and so on.
//!
//! Which of them need `ConsistencyLevel: eventual`, and the texts of the refusals, are from Microsoft's "Advanced query
//! capabilities on Microsoft Entra ID objects".

use serde_json::{Value, json};

use super::filter::{self, Problem};
use super::{error, search};
use crate::not_simulated;
use crate::reply::{Body, Handled, Reply};
use crate::request::{Request, encode};
use crate::world::World;

/// One entity type of Graph.
pub(super) struct Entity {
    /// `users`
    pub(super) collection: &'static str,
    /// `user`
    pub(super) name: &'static str,
    /// Properties that are returned without `$select`.
    pub(super) usual: &'static [&'static str],
    /// Other properties of the type in v1.0, simulated or not; names separated by white space.
    pub(super) others: &'static str,
    /// Properties that can be sorted by in any query, and those that need an advanced query.
    pub(super) sortable: (&'static [&'static str], &'static [&'static str]),
}

impl Entity {
    fn has(&self, name: &str) -> bool {
        let mut all = self.usual.iter().copied().chain(self.others.split_ascii_whitespace());
        all.any(|known| known.eq_ignore_ascii_case(name))
    }

    fn require(&self, request: &Request, name: &str) -> Result<(), Reply> {
        if self.has(name) {
            return Ok(());
        }
        let message =
            format!("Could not find a property named '{name}' on type 'microsoft.graph.{}'.", self.name);
        Err(error(request, 400, "BadRequest", &message))
    }
}

const MORE: &str = "Refer to https://aka.ms/graph-docs/advanced-queries for more information";

fn unsupported(request: &Request, message: &str) -> Reply {
    error(request, 400, "Request_UnsupportedQuery", message)
}

/// `ConsistencyLevel: eventual`
fn is_eventual(request: &Request) -> bool {
    request.header("consistencylevel").is_some_and(|level| level.eq_ignore_ascii_case("eventual"))
}

fn counts(request: &Request) -> bool {
    request.query("$count").is_some_and(|count| count.eq_ignore_ascii_case("true"))
}

/// Checks the query options: refuses those that Graph does not have, and those that this world does not simulate.
fn check_options(request: &Request, entity: &Entity, simulated: &[&str]) -> Result<(), Reply> {
    for (name, _) in request.query.iter().filter(|(name, _)| name.starts_with('$')) {
        let name = name.to_ascii_lowercase();
        match name.as_str() {
            known if simulated.contains(&known) => {}
            // Graph has no numbered pages of directory objects.
            "$skip" => return Err(unsupported(request, "'$skip' is not supported by the service.")),
            "$expand" | "$apply" | "$compute" | "$format" | "$deltatoken" => {
                return Err(not_simulated::graph(request, &format!("`{name}` of {}", entity.collection)));
            }
            "$filter" | "$search" | "$orderby" | "$top" | "$count" | "$skiptoken" => {
                return Err(error(
                    request,
                    400,
                    "BadRequest",
                    &format!("The query option '{name}' cannot be applied here."),
                ));
            }
            _ => {
                let message = format!("The query parameter '{name}' is not supported.");
                return Err(error(request, 400, "BadRequest", &message));
            }
        }
    }
    Ok(())
}

/// The properties in `$select`, or the usual ones. A property that this world does not simulate is `null`, like an unset one.
fn select(request: &Request, object: &Value, entity: &Entity) -> Value {
    let own = |name: &str| {
        let found = object.as_object().into_iter().flatten().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map_or_else(|| (name.to_owned(), Value::Null), |(own, value)| (own.clone(), value.clone()))
    };
    match request.query("$select") {
        None => Value::Object(entity.usual.iter().map(|name| own(name)).collect()),
        Some(list) => {
            Value::Object(list.split(',').map(str::trim).filter(|name| !name.is_empty()).map(own).collect())
        }
    }
}

fn check_select(request: &Request, entity: &Entity) -> Result<(), Reply> {
    let asked = request.query("$select").unwrap_or_default();
    asked
        .split(',')
        .map(str::trim)
        .filter(|name| !name.is_empty())
        .try_for_each(|name| entity.require(request, name))
}

/// The response for one object, with the properties in `$select`.
pub(super) fn object(world: &World, request: &Request, object: &Value, entity: &Entity) -> Handled {
    check_options(request, entity, &["$select"])?;
    check_select(request, entity)?;
    let context = format!("{}/v1.0/$metadata#{}/$entity", world.hosts.graph, entity.collection);
    let mut body = json!({ "@odata.context": context });
    if let (Some(body), Value::Object(fields)) = (body.as_object_mut(), select(request, object, entity)) {
        body.extend(fields);
    }
    Ok(Reply::ok(body))
}

/// `…/$count`: the number of objects.
pub(super) fn count(request: &Request, objects: &[Value], entity: &Entity) -> Handled {
    check_options(request, entity, &["$filter", "$search"])?;
    if !is_eventual(request) {
        return Err(error(request, 400, "Request_BadRequest", "$count is not currently supported."));
    }
    let found = found(request, objects, entity, true)?.len().to_string();
    let body = Body::Other { content_type: "text/plain", bytes: found.into() };
    Ok(Reply { body, ..Reply::empty(200) })
}

/// The objects that match `$filter` and `$search`.
fn found<'a>(
    request: &Request,
    objects: &'a [Value],
    entity: &Entity,
    advanced: bool,
) -> Result<Vec<&'a Value>, Reply> {
    let filter = match request.query("$filter") {
        None => None,
        Some(text) => Some(filter::parse(text).map_err(|problem| match problem {
            Problem::Invalid(why) => unsupported(request, &format!("Invalid filter clause: {why}.")),
            Problem::NotSimulated(what) => not_simulated::graph(request, &what),
        })?),
    };
    if let Some(filter) = &filter {
        filter.properties().into_iter().try_for_each(|name| entity.require(request, name))?;
        if let Some(needed) = filter.advanced().filter(|_| !advanced) {
            return Err(unsupported(request, &missing(needed, is_eventual(request))));
        }
    }
    let search = match request.query("$search") {
        None => None,
        Some(_) if !is_eventual(request) => {
            return Err(unsupported(
                request,
                "Request with $search query parameter only works through MSGraph with a special request header: \
                 'ConsistencyLevel: eventual'",
            ));
        }
        Some(text) => {
            let search = search::parse(text).map_err(|why| {
                error(request, 400, "Request_BadRequest", &format!("Invalid search clause: {why}."))
            })?;
            search.properties().into_iter().try_for_each(|name| entity.require(request, name))?;
            Some(search)
        }
    };
    let fits = |object: &&Value| {
        filter.as_ref().is_none_or(|filter| filter.fits(object))
            && search.as_ref().is_none_or(|search| search.fits(object))
    };
    Ok(objects.iter().filter(fits).collect())
}

/// The refusal of a filter that needs an advanced query.
fn missing(needed: filter::Advanced, eventual: bool) -> String {
    match needed {
        filter::Advanced::EndsWith if !eventual => format!(
            "Operator 'endsWith' is not supported because the 'ConsistencyLevel:eventual' header is missing. {MORE}"
        ),
        filter::Advanced::NotEquals => {
            "Unsupported property filter clause operator 'NotEqualsMatch'.".to_owned()
        }
        filter::Advanced::Not | filter::Advanced::EndsWith => format!(
            "Operator '{}' is not supported because the required parameters might be missing. Try adding $count=true query \
             parameter and ConsistencyLevel:eventual header. {MORE}",
            if needed == filter::Advanced::Not { "Not" } else { "endsWith" }
        ),
    }
}

/// The response for a collection: filtered, searched and sorted, in pages of `$top` (default 100). It has a count only if the
/// request is an advanced query.
pub(super) fn collection(world: &World, request: &Request, objects: &[Value], entity: &Entity) -> Handled {
    let simulated = ["$filter", "$search", "$orderby", "$select", "$top", "$count", "$skiptoken"];
    check_options(request, entity, &simulated)?;
    check_select(request, entity)?;
    let advanced = is_eventual(request) && counts(request);
    let mut found = found(request, objects, entity, advanced)?;
    sort(request, &mut found, entity, advanced)?;
    let top = match request.query("$top") {
        None => 100,
        Some(text) => text.parse::<usize>().ok().filter(|top| (1..=999).contains(top)).ok_or_else(|| {
            let message =
                format!("Invalid page size specified: '{text}'. Must be between 1 and 999 inclusive.");
            error(request, 400, "Request_BadRequest", &message)
        })?,
    };
    let skip = match request.query("$skiptoken") {
        None => 0,
        Some(text) => text.parse::<usize>().map_err(|_| {
            error(request, 400, "Directory_ExpiredPageToken", "The specified page token value is invalid.")
        })?,
    };
    let page: Vec<Value> = found.iter().skip(skip).take(top).map(|o| select(request, o, entity)).collect();
    let mut body =
        json!({ "@odata.context": format!("{}/v1.0/$metadata#{}", world.hosts.graph, entity.collection) });
    if advanced {
        body["@odata.count"] = json!(found.len());
    }
    let end = skip.saturating_add(top);
    if found.len() > end {
        let others = request.query.iter().filter(|(key, _)| !key.eq_ignore_ascii_case("$skiptoken"));
        let query: Vec<String> = others
            .map(|(key, value)| format!("{key}={}", encode(value)))
            .chain([format!("$skiptoken={end}")])
            .collect();
        body["@odata.nextLink"] = json!(format!("{}{}?{}", world.hosts.graph, request.path, query.join("&")));
    }
    body["value"] = json!(page);
    Ok(Reply::ok(body))
}

fn sort(request: &Request, found: &mut [&Value], entity: &Entity, advanced: bool) -> Result<(), Reply> {
    let Some(order) = request.query("$orderby").map(str::trim).filter(|order| !order.is_empty()) else {
        return Ok(());
    };
    let words: Vec<&str> = order.split_whitespace().collect();
    let (name, descending) = match words.as_slice() {
        [name] => (*name, false),
        [name, way] if way.eq_ignore_ascii_case("asc") => (*name, false),
        [name, way] if way.eq_ignore_ascii_case("desc") => (*name, true),
        _ => return Err(unsupported(request, "Sorting not supported for current query.")),
    };
    entity.require(request, name)?;
    let (plain, advanced_only) = entity.sortable;
    let is_in = |list: &[&str]| list.iter().any(|known| known.eq_ignore_ascii_case(name));
    if !is_in(plain) && !is_in(advanced_only) {
        return Err(unsupported(
            request,
            &format!("Unsupported sort property '{name}' for '{}'.", entity.name),
        ));
    }
    let narrowed = request.query("$filter").is_some() || request.query("$search").is_some();
    if (narrowed || !is_in(plain)) && !advanced {
        return Err(unsupported(request, "Sorting not supported for current query."));
    }
    let key = |object: &Value| {
        let own = object.as_object().into_iter().flatten().find(|(own, _)| own.eq_ignore_ascii_case(name));
        own.and_then(|(_, value)| value.as_str()).unwrap_or_default().to_lowercase()
    };
    found.sort_by_key(|object| key(object));
    if descending {
        found.reverse();
    }
    Ok(())
}
