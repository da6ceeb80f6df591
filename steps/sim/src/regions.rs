//! Azure's regions.

use serde_json::{Value, json};

use crate::reply::Reply;

/// Name, display name and geography group of the public cloud's regions.
const REGIONS: [(&str, &str, &str); 61] = [
    ("eastus", "East US", "US"),
    ("southcentralus", "South Central US", "US"),
    ("westus2", "West US 2", "US"),
    ("westus3", "West US 3", "US"),
    ("australiaeast", "Australia East", "Asia Pacific"),
    ("southeastasia", "Southeast Asia", "Asia Pacific"),
    ("northeurope", "North Europe", "Europe"),
    ("swedencentral", "Sweden Central", "Europe"),
    ("uksouth", "UK South", "Europe"),
    ("westeurope", "West Europe", "Europe"),
    ("centralus", "Central US", "US"),
    ("southafricanorth", "South Africa North", "Africa"),
    ("centralindia", "Central India", "Asia Pacific"),
    ("eastasia", "East Asia", "Asia Pacific"),
    ("indonesiacentral", "Indonesia Central", "Asia Pacific"),
    ("japaneast", "Japan East", "Asia Pacific"),
    ("japanwest", "Japan West", "Asia Pacific"),
    ("koreacentral", "Korea Central", "Asia Pacific"),
    ("malaysiawest", "Malaysia West", "Asia Pacific"),
    ("newzealandnorth", "New Zealand North", "Asia Pacific"),
    ("canadacentral", "Canada Central", "Canada"),
    ("austriaeast", "Austria East", "Europe"),
    ("belgiumcentral", "Belgium Central", "Europe"),
    ("denmarkeast", "Denmark East", "Europe"),
    ("francecentral", "France Central", "Europe"),
    ("germanywestcentral", "Germany West Central", "Europe"),
    ("italynorth", "Italy North", "Europe"),
    ("norwayeast", "Norway East", "Europe"),
    ("polandcentral", "Poland Central", "Europe"),
    ("spaincentral", "Spain Central", "Europe"),
    ("switzerlandnorth", "Switzerland North", "Europe"),
    ("mexicocentral", "Mexico Central", "Mexico"),
    ("uaenorth", "UAE North", "Middle East"),
    ("brazilsouth", "Brazil South", "South America"),
    ("chilecentral", "Chile Central", "South America"),
    ("eastus2euap", "East US 2 EUAP", "US"),
    ("centraluseuap", "Central US EUAP", "US"),
    ("israelcentral", "Israel Central", "Middle East"),
    ("qatarcentral", "Qatar Central", "Middle East"),
    ("eastus2", "East US 2", "US"),
    ("northcentralus", "North Central US", "US"),
    ("westus", "West US", "US"),
    ("westcentralus", "West Central US", "US"),
    ("southafricawest", "South Africa West", "Africa"),
    ("australiacentral", "Australia Central", "Asia Pacific"),
    ("australiacentral2", "Australia Central 2", "Asia Pacific"),
    ("australiasoutheast", "Australia Southeast", "Asia Pacific"),
    ("jioindiacentral", "Jio India Central", "Asia Pacific"),
    ("jioindiawest", "Jio India West", "Asia Pacific"),
    ("koreasouth", "Korea South", "Asia Pacific"),
    ("southindia", "South India", "Asia Pacific"),
    ("westindia", "West India", "Asia Pacific"),
    ("canadaeast", "Canada East", "Canada"),
    ("francesouth", "France South", "Europe"),
    ("germanynorth", "Germany North", "Europe"),
    ("norwaywest", "Norway West", "Europe"),
    ("switzerlandwest", "Switzerland West", "Europe"),
    ("swedensouth", "Sweden South", "Europe"),
    ("ukwest", "UK West", "Europe"),
    ("uaecentral", "UAE Central", "Middle East"),
    ("brazilsoutheast", "Brazil Southeast", "South America"),
];

/// A region in the form for comparison: `West US 2` is `westus2`.
pub(crate) fn normal(region: &str) -> String {
    region.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

/// Whether the region exists, by name or display name.
pub(crate) fn exists(region: &str) -> bool {
    let wanted = normal(region);
    REGIONS.iter().any(|(name, ..)| *name == wanted)
}

/// The names, as refusals list them.
pub(crate) fn names(separator: &str) -> String {
    REGIONS.map(|(name, ..)| name).join(separator)
}

/// The display names, as resource types list them.
pub(crate) fn display_names() -> Vec<&'static str> {
    REGIONS.iter().map(|(_, display, _)| *display).collect()
}

/// Returns 400 for a location without resource groups (code and text: Azure/azure-cli#16368, #7602).
pub(crate) fn check_for_group(location: &str) -> Result<(), Reply> {
    if exists(location) {
        return Ok(());
    }
    let message = format!(
        "The provided location '{location}' is not available for resource group. List of available regions is '{}'.",
        names(",")
    );
    Err(Reply::gateway_error(400, "LocationNotAvailableForResourceGroup", &message))
}

/// Returns 400 for a location without resources of this type (code and text: Azure/azure-cli#4231, #14837).
pub(crate) fn check_for_type(location: &str, kind: &str) -> Result<(), Reply> {
    if exists(location) {
        return Ok(());
    }
    let message = format!(
        "The provided location '{location}' is not available for resource type '{kind}'. List of available regions for the \
         resource type is '{}'.",
        names(",")
    );
    Err(Reply::gateway_error(400, "LocationNotAvailableForResourceType", &message))
}

/// The list of regions of a subscription (its id).
pub(crate) fn listed(subscription: &str) -> Vec<Value> {
    let shown = |(name, display, geography): &(&str, &str, &str)| {
        json!({
            "id": format!("{subscription}/locations/{name}"),
            "name": name,
            "type": "Region",
            "displayName": display,
            "regionalDisplayName": format!("({geography}) {display}"),
            "metadata": { "regionType": "Physical", "regionCategory": "Recommended", "geographyGroup": geography },
        })
    };
    REGIONS.iter().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_spellings_of_a_region_are_its_name_and_its_display_name() {
        for (name, display, _) in REGIONS {
            assert_eq!(normal(display), name);
            assert!(exists(name) && exists(display) && exists(&display.to_uppercase()));
            assert_eq!(REGIONS.iter().filter(|(other, ..)| *other == name).count(), 1, "{name}");
        }
        for wrong in ["", "westeuropa", "europe", "global", "west europe 1"] {
            assert!(!exists(wrong), "{wrong}");
        }
    }
}
