//! Pages of lists.

use serde_json::{Value, json};

use crate::reply::Reply;
use crate::request::{Request, encode};

/// One page of `items` in the format of Azure Virtual Network Manager: `$top` from 1 to 20, default 20, the rest through
/// `nextLink` with `$skipToken`. On the last page `nextLink` is an empty string, never absent. Only items on the page are
/// rendered.
pub(crate) fn page<T>(
    request: &Request,
    arm: &str,
    items: impl Iterator<Item = T>,
    show: impl Fn(T) -> Value,
) -> Result<Value, Reply> {
    let top = top(request)?;
    let skip = match request.query("$skipToken") {
        None => 0,
        Some(text) => text.parse::<usize>().map_err(|_| {
            Reply::error(400, "InvalidSkipToken", &format!("The skip token '{text}' is invalid."))
        })?,
    };
    let mut items = items.skip(skip);
    let value: Vec<Value> = items.by_ref().take(top).map(show).collect();
    let next = if items.next().is_some() {
        let version = encode(request.api_version().unwrap_or_default());
        format!("{arm}{}?api-version={version}&$top={top}&$skipToken={}", request.path, skip + top)
    } else {
        String::new()
    };
    Ok(json!({ "value": value, "nextLink": next }))
}

/// Number of items on a page of Azure Virtual Network Manager.
pub(crate) fn top(request: &Request) -> Result<usize, Reply> {
    let Some(text) = request.query("$top") else { return Ok(20) };
    text.parse::<usize>().ok().filter(|n| (1..=20).contains(n)).ok_or_else(|| {
        Reply::error(400, "InvalidParameter", &format!("The value of $top '{text}' must be from 1 to 20."))
    })
}

/// One page in the format of Azure Resource Manager: `$top` items, default 1000; the rest follows at `nextLink`, which is
/// absent on the last page.
pub(crate) fn linked(request: &Request, arm: &str, all: Vec<Value>) -> Result<Value, Reply> {
    let number = |name: &str, least: usize, most: usize, usual: usize| match request.query(name) {
        None => Ok(usual),
        Some(text) => text.parse().ok().filter(|n| (least..=most).contains(n)).ok_or_else(|| {
            let message = format!("The value '{text}' of the query parameter '{name}' is invalid.");
            Reply::gateway_error(400, "InvalidQueryParameterValue", &message)
        }),
    };
    let top = number("$top", 1, 1000, 1000)?;
    let skip = number("$skiptoken", 0, usize::MAX, 0)?;
    let more = all.len() > skip.saturating_add(top);
    let mut page = json!({ "value": all.into_iter().skip(skip).take(top).collect::<Vec<_>>() });
    if more {
        let others = request.query.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("$skiptoken"));
        let query: Vec<String> = others.map(|(name, value)| format!("{name}={}", encode(value))).collect();
        let next = skip.saturating_add(top);
        page["nextLink"] = json!(format!("{arm}{}?{}&$skiptoken={next}", request.path, query.join("&")));
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use jiff::Timestamp;

    fn request(query: &str) -> Request {
        let uri = format!("https://management.azure.com/things?api-version=2024-10-01{query}");
        let request = http::Request::builder().uri(uri).body(Bytes::new()).unwrap();
        Request::new(request, Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn pages_chain_and_end_in_an_empty_link() {
        let items: Vec<Value> = (0..45).map(|n| json!(n)).collect();
        let mut got = Vec::new();
        let mut query = String::new();
        loop {
            let page =
                page(&request(&query), "https://management.azure.com", items.iter(), Value::clone).unwrap();
            got.extend(page["value"].as_array().unwrap().iter().cloned());
            let next = page["nextLink"].as_str().unwrap().to_owned();
            match next.split_once("2024-10-01") {
                None => break,
                Some((_, rest)) => query = rest.to_owned(),
            }
        }
        assert_eq!(got, items);
    }

    #[test]
    fn top_outside_1_to_20_is_refused() {
        for bad in ["0", "21", "x"] {
            let refused =
                page(&request(&format!("&$top={bad}")), "", std::iter::empty(), |item: &Value| item.clone())
                    .unwrap_err();
            assert_eq!(refused.status, 400, "{bad}");
        }
    }
}
