//! Names in the simulator's default world, for the examples of step kinds. The simulator has its own list; conformance
//! tests compare the two.

use crate::ids::{
    ConnectionScope, ConnectivityConfigurations, Email, Guid, NetworkGroups, NetworkManagers, ResourceId,
    TenantId,
};

pub(crate) const TARGET_TENANT: TenantId = TenantId::known(0x22222222_0000_0000_0000_00000000000f);
/// Client id of the multi-tenant application.
pub(crate) const APPLICATION: Guid = Guid::known(0x33333333_0000_0000_0000_00000000000a);
/// Object id of the target tenant's own administrator.
pub(crate) const TARGET_ADMINISTRATOR: Guid = Guid::known(0xffffffff_1111_0000_0000_000000000001);
pub(crate) const TARGET_NAME: &str = "fabrikam-prod-weu";
pub(crate) const CONNECTION: &str = "to-central";
pub(crate) const CONFIGURATION: &str = "hub-and-spoke";

pub(crate) const MANAGER: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group";
const GROUP: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group/networkGroups/ng-spokes";
const CONFIGURATION_ID: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/networkManagers/nm-group/connectivityConfigurations/hub-and-spoke";
const HUB: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network/virtualNetworks/vnet-hub";
const SPOKE: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app";

pub(crate) fn manager() -> ResourceId<NetworkManagers> {
    ResourceId::known(MANAGER)
}

pub(crate) fn group() -> ResourceId<NetworkGroups> {
    ResourceId::known(GROUP)
}

pub(crate) fn configuration() -> ResourceId<ConnectivityConfigurations> {
    ResourceId::known(CONFIGURATION_ID)
}

pub(crate) fn hub() -> ResourceId {
    ResourceId::known(HUB)
}

pub(crate) fn spoke() -> ResourceId {
    ResourceId::known(SPOKE)
}

pub(crate) fn target() -> ConnectionScope {
    ConnectionScope::known("/subscriptions/bbbbbbbb-0000-0000-0000-000000000001")
}

pub(crate) fn central() -> ConnectionScope {
    ConnectionScope::known("/subscriptions/aaaaaaaa-0000-0000-0000-000000000001")
}

pub(crate) fn administrator() -> Email {
    Email::known("nina.network@contoso.example")
}
