//! `/metadata/endpoints`: what clients read first, when they know only the address of Azure Resource
//! Manager.

use serde_json::{Value, json};

use crate::reply::{Handled, Reply};
use crate::request::Request;
use crate::world::World;

/// From this version on the response is one cloud; before, a list of clouds.
const ONE_CLOUD: &str = "2022-09-01";
/// From this version on it is a list; before, the first format, which has few fields.
const LIST: &str = "2019-05-01";

/// azurerm also sends two slashes.
pub(crate) fn is_asked_for(request: &Request) -> bool {
    let words = request.segments();
    matches!(words.as_slice(), [first, second] if first.eq_ignore_ascii_case("metadata") && second.eq_ignore_ascii_case("endpoints"))
}

/// Needs no token.
pub(crate) fn handle(world: &World, request: &Request) -> Handled {
    if request.method != http::Method::GET {
        return Err(Reply::method_not_allowed());
    }
    let version = request.api_version().ok_or_else(Reply::missing_api_version)?;
    // Versions are dates, so they are compared as text; `1.0` is older than every date.
    Ok(Reply::ok(match version {
        "1.0" => first_form(world),
        version if version < LIST => first_form(world),
        version if version < ONE_CLOUD => json!([cloud(world)]),
        _ => cloud(world),
    }))
}

fn authentication(world: &World) -> Value {
    json!({
        "loginEndpoint": format!("{}/", world.hosts.login),
        "audiences": [format!("{}/", world.hosts.arm), world.hosts.arm],
        "tenant": "common",
        "identityProvider": "AAD",
    })
}

fn first_form(world: &World) -> Value {
    json!({
        "galleryEndpoint": "https://gallery.azure.com",
        "graphEndpoint": format!("{}/", world.hosts.graph),
        "portalEndpoint": "https://portal.azure.com",
        "graphAudience": format!("{}/", world.hosts.graph),
        "authentication": authentication(world),
    })
}

fn cloud(world: &World) -> Value {
    let hosts = &world.hosts;
    json!({
        "portal": "https://portal.azure.com",
        "authentication": authentication(world),
        "media": "https://rest.media.azure.net",
        "graphAudience": format!("{}/", hosts.graph),
        "graph": format!("{}/", hosts.graph),
        "name": "TwinspanSimulation",
        "suffixes": {
            "azureDataLakeStoreFileSystem": "azuredatalakestore.net",
            "acrLoginServer": "azurecr.io",
            "sqlServerHostname": "database.windows.net",
            "azureDataLakeAnalyticsCatalogAndJob": "azuredatalakeanalytics.net",
            "keyVaultDns": "vault.azure.net",
            "storage": "core.windows.net",
            "azureFrontDoorEndpointSuffix": "azurefd.net",
            "storageSyncEndpointSuffix": "afs.azure.net",
            "mhsmDns": "managedhsm.azure.net",
            "mysqlServerEndpoint": "mysql.database.azure.com",
            "postgresqlServerEndpoint": "postgres.database.azure.com",
            "mariadbServerEndpoint": "mariadb.database.azure.com",
            "synapseAnalytics": "dev.azuresynapse.net",
            "attestationEndpoint": "attest.azure.net",
        },
        "batch": "https://batch.core.windows.net/",
        "resourceManager": format!("{}/", hosts.arm),
        "vmImageAliasDoc": "https://raw.githubusercontent.com/Azure/azure-rest-api-specs/master/arm-compute/quickstart-templates/aliases.json",
        "sqlManagement": "https://management.core.windows.net:8443/",
        "microsoftGraphResourceId": format!("{}/", hosts.graph),
        "appInsightsResourceId": "https://api.applicationinsights.io",
        "appInsightsTelemetryChannelResourceId": "https://dc.applicationinsights.azure.com/v2/track",
        "attestationResourceId": "https://attest.azure.net",
        "synapseAnalyticsResourceId": "https://dev.azuresynapse.net",
        "logAnalyticsResourceId": "https://api.loganalytics.io",
        "ossrDbmsResourceId": "https://ossrdbms-aad.database.windows.net",
    })
}
