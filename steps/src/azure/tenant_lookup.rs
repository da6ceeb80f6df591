//! Finds the tenant in which a domain is verified. The sign-in service publishes it in the OpenID configuration of the domain
//! (Microsoft Learn, "OpenID Connect on the Microsoft identity platform").

use bytes::Bytes;
use http::Request;
use serde_json::Value;
use uuid::Uuid;

use super::Azure;

impl Azure {
    /// Id of the tenant in which `domain` is verified; `None` if no tenant of this cloud has it.
    ///
    /// # Errors
    /// A text why it is unknown: no response, or an unexpected one.
    pub async fn tenant_of_domain(&self, domain: &str) -> Result<Option<String>, String> {
        let address = format!("{}/{}/v2.0/.well-known/openid-configuration", self.cloud.login(), domain);
        let request = Request::get(address).body(Bytes::new()).map_err(|error| error.to_string())?;
        let response = self.wire.send(request, false).await.map_err(|fault| fault.to_string())?;
        let body: Value = serde_json::from_slice(response.body()).unwrap_or_default();
        if response.status().is_success() {
            return tenant(&body).map(Some).ok_or_else(|| "the issuer names no tenant".to_owned());
        }
        // AADSTS90002: tenant not found. AADSTS900021 and AADSTS90051: not a valid tenant name.
        let unknown = body["error"] == "invalid_tenant"
            || body["error_codes"].as_array().is_some_and(|codes| codes.contains(&90002.into()));
        if unknown { Ok(None) } else { Err(format!("the sign-in service replied {}", response.status())) }
    }
}

/// The tenant in `https://login.microsoftonline.com/GUID/v2.0`.
fn tenant(configuration: &Value) -> Option<String> {
    let issuer = configuration["issuer"].as_str()?;
    issuer.split('/').find_map(|part| Uuid::try_parse(part).ok()).map(|id| id.to_string())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::azure::scripted::Bench;

    const TENANT: &str = "22222222-0000-0000-0000-00000000000f";

    #[tokio::test]
    async fn a_domain_belongs_to_a_tenant_or_to_none_or_the_lookup_fails() {
        for (status, reply, found) in [
            (
                200,
                json!({ "issuer": format!("https://login.microsoftonline.com/{TENANT}/v2.0") }),
                Ok(Some(TENANT)),
            ),
            (
                200,
                json!({ "issuer": "https://login.microsoftonline.com/{tenantid}/v2.0" }),
                Err("names no tenant"),
            ),
            (400, json!({ "error": "invalid_tenant", "error_codes": [90002] }), Ok(None)),
            (503, json!({}), Err("503")),
        ] {
            let bench = Bench::new();
            bench.script.answer(status, &reply);
            let said = bench.azure.tenant_of_domain("fabrikam.example").await;
            match (said, found) {
                (Ok(said), Ok(found)) => assert_eq!(said.as_deref(), found, "{reply}"),
                (Err(said), Err(found)) => assert!(said.contains(found), "{said}"),
                (said, _) => panic!("{status} {reply}: {said:?}"),
            }
            let asked = bench.script.requests().pop().unwrap().address;
            assert!(asked.ends_with("/fabrikam.example/v2.0/.well-known/openid-configuration"), "{asked}");
        }
    }
}
