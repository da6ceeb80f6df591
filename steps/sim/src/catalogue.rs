//! What Azure has beyond this world: names of providers, of resource types and of Graph's collections.
//!
//! For a name in these lists the response is "not simulated"; for any other name it is Azure's response to an unknown name.

/// Resource providers (Microsoft's list "Azure services and resource providers"), in lower case.
const NAMESPACES: &str = "
    dell.storage dynatrace.observability github.network informatica.datamanagement lambdatest.hyperexecute
    microsoft.aad microsoft.aadiam microsoft.addons microsoft.adhybridhealthservice microsoft.advisor
    microsoft.agfoodplatform microsoft.alertsmanagement microsoft.analysisservices microsoft.apicenter
    microsoft.apimanagement microsoft.app microsoft.appassessment microsoft.appcomplianceautomation
    microsoft.appconfiguration microsoft.applink microsoft.appplatform microsoft.attestation
    microsoft.automanage microsoft.automation microsoft.autonomousdevelopmentplatform microsoft.avs
    microsoft.azureactivedirectory microsoft.azurearcdata microsoft.azurefleet microsoft.azurestack
    microsoft.azurestackhci microsoft.azureterraform microsoft.batch microsoft.billing microsoft.billingbenefits
    microsoft.bing microsoft.blueprint microsoft.botservice microsoft.cache microsoft.capacity microsoft.carbon
    microsoft.cdn microsoft.certificateregistration microsoft.changeanalysis microsoft.chaos
    microsoft.classiccompute microsoft.classicinframigrate microsoft.classicnetwork microsoft.classicstorage
    microsoft.classicsubscription microsoft.cloudhealth microsoft.cloudshell microsoft.codesigning
    microsoft.cognitiveservices microsoft.commerce microsoft.communication microsoft.compute
    microsoft.computeschedule microsoft.confidentialledger microsoft.confluent microsoft.connectedcache
    microsoft.connectedvmwarevsphere microsoft.consumption microsoft.containerinstance
    microsoft.containerregistry microsoft.containerservice microsoft.costmanagement
    microsoft.costmanagementexports microsoft.customerlockbox microsoft.customproviders
    microsoft.d365customerinsights microsoft.dashboard microsoft.databasefleetmanager microsoft.databasewatcher
    microsoft.databox microsoft.databoxedge microsoft.databricks microsoft.datacatalog microsoft.datadog
    microsoft.datafactory microsoft.datalakeanalytics microsoft.datalakestore microsoft.datamigration
    microsoft.dataprotection microsoft.datareplication microsoft.datashare microsoft.dbformariadb
    microsoft.dbformysql microsoft.dbforpostgresql microsoft.desktopvirtualization microsoft.devcenter
    microsoft.devhub microsoft.deviceregistry microsoft.devices microsoft.deviceupdate
    microsoft.devopsinfrastructure microsoft.devtestlab microsoft.digitaltwins microsoft.documentdb
    microsoft.domainregistration microsoft.durabletask microsoft.edge microsoft.edgeorder microsoft.elastic
    microsoft.elasticsan microsoft.eventgrid microsoft.eventhub microsoft.extendedlocation microsoft.fabric
    microsoft.fluidrelay microsoft.guestconfiguration microsoft.hanaonazure microsoft.hardwaresecuritymodules
    microsoft.hdinsight microsoft.healthbot microsoft.healthcareapis microsoft.healthdataaiservices
    microsoft.help microsoft.hybridcloud microsoft.hybridcompute microsoft.hybridconnectivity
    microsoft.hybridcontainerservice microsoft.hybridnetwork microsoft.impact microsoft.importexport
    microsoft.insights microsoft.integrationspaces microsoft.intune microsoft.iotcentral microsoft.iotoperations
    microsoft.keyvault microsoft.kubernetes microsoft.kubernetesconfiguration microsoft.kubernetesruntime
    microsoft.kusto microsoft.labservices microsoft.liftrpilot microsoft.loadtestservice microsoft.logic
    microsoft.machinelearning microsoft.machinelearningservices microsoft.maintenance microsoft.managedidentity
    microsoft.managednetworkfabric microsoft.managedservices microsoft.maps microsoft.marketplace
    microsoft.marketplaceordering microsoft.media microsoft.messagingcatalog microsoft.migrate microsoft.mission
    microsoft.mixedreality microsoft.mobilenetwork microsoft.mobilepacketcore microsoft.monitor
    microsoft.mysqldiscovery microsoft.netapp microsoft.networkcloud microsoft.networkfunction
    microsoft.notificationhubs microsoft.nutanix microsoft.objectstore microsoft.offazure
    microsoft.onlineexperimentation microsoft.openenergyplatform microsoft.operationalinsights
    microsoft.operationsmanagement microsoft.oraclediscovery microsoft.orbital microsoft.peering
    microsoft.policyinsights microsoft.portal microsoft.powerbi microsoft.powerbidedicated
    microsoft.powerplatform microsoft.programmableconnectivity microsoft.providerhub microsoft.purview
    microsoft.quantum microsoft.quota microsoft.recommendationsservice microsoft.recoveryservices
    microsoft.redhatopenshift microsoft.relay microsoft.resourceconnector microsoft.resourcehealth
    microsoft.resourcemover microsoft.resourcenotifications microsoft.saas microsoft.scheduler microsoft.scom
    microsoft.scvmm microsoft.search microsoft.secretsynccontroller microsoft.security microsoft.securitycopilot
    microsoft.securitydevops microsoft.securityinsights microsoft.serialconsole microsoft.servicebus
    microsoft.servicefabric microsoft.servicelinker microsoft.servicenetworking microsoft.services
    microsoft.signalrservice microsoft.softwareplan microsoft.solutions microsoft.sovereign microsoft.sql
    microsoft.sqlvirtualmachine microsoft.standbypool microsoft.storage microsoft.storageactions
    microsoft.storagecache microsoft.storagediscovery microsoft.storagemover microsoft.storagesync
    microsoft.storagetasks microsoft.streamanalytics microsoft.subscription microsoft.support microsoft.synapse
    microsoft.syntex microsoft.testbase microsoft.timeseriesinsights microsoft.toolchainorchestrator
    microsoft.usagebilling microsoft.verifiedid microsoft.videoindexer microsoft.virtualmachineimages
    microsoft.visualstudio microsoft.vmware microsoft.voiceservices microsoft.web microsoft.windowsesu
    microsoft.windowsiot microsoft.workloadmonitor microsoft.workloads mongodb.atlas neon.postgres
    newrelic.observability nginx.nginxplus oracle.database paloaltonetworks.cloudngfw pinecone.vectordb
    purestorage.block qumulo.storage solarwinds.observability
";

/// Types of Microsoft.Network that this world does not simulate, including child types. A name stands for everything below it.
const NETWORK: &str = "
    applicationgatewayavailablerequestheaders applicationgatewayavailableresponseheaders
    applicationgatewayavailableservervariables applicationgatewayavailablessloptions
    applicationgatewayavailablewafrulesets applicationgateways applicationgatewaywebapplicationfirewallpolicies
    applicationsecuritygroups azurefirewallfqdntags azurefirewalls azurewebcategories bastionhosts
    bgpservicecommunities checkfrontdoornameavailability checktrafficmanagernameavailability
    checktrafficmanagernameavailabilityv2 cloudserviceslots connections customipprefixes ddoscustompolicies
    ddosprotectionplans dnsforwardingrulesets dnsoperationresults dnsoperationstatuses dnsresolverdomainlists
    dnsresolverpolicies dnsresolvers dnszones dscpconfigurations expressroutecircuits
    expressroutecrossconnections expressroutegateways expressrouteports expressrouteportslocations
    expressrouteproviderports expressrouteserviceproviders firewallpolicies frontdoors
    frontdoorwebapplicationfirewallmanagedrulesets frontdoorwebapplicationfirewallpolicies
    getdnsresourcereference internalnotify internalpublicipaddresses ipallocations ipgroups loadbalancers
    localnetworkgateways locations natgateways networkexperimentprofiles networkgroupmemberships
    networkintentpolicies networkinterfaces networkmanagers/commits networkmanagers/ipampools
    networkmanagers/listactivesecurityadminrules networkmanagers/listactivesecurityuserrules
    networkmanagers/listeffectivevirtualnetworks networkmanagers/networkgroups/listeffectivevirtualnetworks
    networkmanagers/routingconfigurations networkmanagers/securityadminconfigurations
    networkmanagers/securityuserconfigurations networkmanagers/verifierworkspaces networkprofiles
    networksecuritygroups networksecurityperimeters networkverifiers networkvirtualappliances
    networkvirtualapplianceskus networkwatchers operations p2svpngateways privatednsoperationresults
    privatednsoperationstatuses privatednszones privatednszonesinternal privateendpointredirectmaps
    privateendpoints privatelinkservices publicipaddresses publicipprefixes routefilters routetables
    securitypartnerproviders serviceendpointpolicies servicegateways trafficmanagergeographichierarchies
    trafficmanagerprofiles trafficmanagerusermetricskeys virtualappliances virtualhubs virtualnetworkappliances
    virtualnetworkgateways virtualnetworks/bastionhosts virtualnetworks/checkipaddressavailability
    virtualnetworks/ddosprotectionstatus virtualnetworks/listdnsforwardingrulesets
    virtualnetworks/listdnsresolvers virtualnetworks/listnetworkmanagereffectivesecurityadminrules
    virtualnetworks/privatednszonelinks virtualnetworks/providers
    virtualnetworks/remotevirtualnetworkpeeringproxies virtualnetworks/subnets/contextualserviceendpointpolicies
    virtualnetworks/subnets/preparenetworkpolicies virtualnetworks/subnets/resourcenavigationlinks
    virtualnetworks/subnets/serviceassociationlinks virtualnetworks/subnets/unpreparenetworkpolicies
    virtualnetworks/taggedtrafficconsumers virtualnetworks/usages virtualnetworks/virtualnetworkpeerings
    virtualnetworktaps virtualrouters virtualwans vpngateways vpnserverconfigurations vpnsites
    webapplicationfirewallpolicies
";

/// Types of Microsoft.Authorization.
const AUTHORIZATION: &str = "
    accessreviewhistorydefinitions accessreviewscheduledefinitions accessreviewschedulesettings
    acquirepolicytoken attributenamespaces checkaccess classicadministrators dataaliases datapolicymanifests denyassignments
    diagnosticsettings diagnosticsettingscategories elevateaccess eligiblechildresources enablementassignments
    findorphanroleassignments locks operations operationstatus permissions policyassignments policydefinitions
    policyexemptions policysetdefinitions policytokens privatelinkassociations provideroperations
    resourcemanagementprivatelinks roleassignmentapprovals roleassignments roleassignmentscheduleinstances
    roleassignmentschedulerequests roleassignmentschedules roleassignmentsusagemetrics roledefinitions
    roleeligibilityscheduleinstances roleeligibilityschedulerequests roleeligibilityschedules
    rolemanagementalertconfigurations rolemanagementalertdefinitions rolemanagementalertoperations
    rolemanagementalerts rolemanagementpolicies rolemanagementpolicyassignments variables
";

/// Types of Microsoft.Management, including management groups.
const MANAGEMENT: &str = "
    checknameavailability entities getentities managementgroups operationresults operations resources
    servicegroups starttenantbackfill tenantbackfillstatus
";

/// Types of Microsoft.Resources and Microsoft.ResourceGraph.
const RESOURCES: &str = "
    builtintemplatespecs bulkdelete calculatetemplatehash changes checkpolicycompliance checkresourcename
    checkzonepeers databoundaries deployments deploymentscripts deploymentstacks generatequery links locations
    mobobrokers notifyresourcejobs operationresults operations operationsstatus providers queries
    resourcechanges resourcegroups resources resourceshistory snapshots subscriptionfeatureregistrations
    subscriptions tags templatespecs tenants
";

/// Path segments below a subscription or a resource group without a provider.
const BELOW_SUBSCRIPTION: &str = "
    checkzonepeers exporttemplate moveresources operationresults providerpermissions resourcetypes tagnames
    validatemoveresources
";

/// Collections and singletons of Microsoft Graph v1.0 in lower case.
const GRAPH: &str = "
    $batch $metadata administrativeunits agreements appcatalogs applications applicationtemplates auditlogs
    authenticationmethodconfigurations authenticationmethodspolicy certificatebasedauthconfiguration chats
    communications compliance connections contacts contracts datapolicyoperations deviceappmanagement
    devicemanagement devices directory directoryobjects directoryroles directoryroletemplates domaindnsrecords
    domains drive drives education employeeexperience external filteroperators grouplifecyclepolicies groups
    groupsettings groupsettingtemplates identity identitygovernance identityprotection identityproviders
    informationprotection invitations localizations oauth2permissiongrants organization permissiongrants places
    planner policies print privacy reports rolemanagement schemaextensions scopedrolememberships search security
    serviceprincipals shares sites solutions storage subscribedskus subscriptions teams teamstemplates teamwork
    tenantrelationships users
";

/// Whether a list contains a name, ignoring case.
fn has(list: &str, name: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether Azure has this resource provider.
pub(crate) fn is_namespace(name: &str) -> bool {
    has(NAMESPACES, name)
}

/// Whether Azure has this resource type in a provider that this world simulates in part. `words`: the segments after the
/// namespace, types and names alternating, in lower case.
pub(crate) fn is_type(namespace: &str, words: &[&str]) -> bool {
    let kinds: Vec<&str> = words.iter().step_by(2).copied().collect();
    let known = match namespace.to_ascii_lowercase().as_str() {
        "microsoft.network" => NETWORK,
        "microsoft.authorization" => AUTHORIZATION,
        "microsoft.management" => MANAGEMENT,
        "microsoft.resources" | "microsoft.resourcegraph" => RESOURCES,
        // Its types are read as preview features, at any scope.
        "microsoft.features" => return true,
        _ => return false,
    };
    (1..=kinds.len()).any(|length| {
        let path = kinds.get(..length).unwrap_or_default().join("/");
        has(known, &path)
    })
}

/// Whether Azure has this segment below a subscription or a resource group.
pub(crate) fn is_below_subscription(word: &str) -> bool {
    has(BELOW_SUBSCRIPTION, word)
}

/// Whether Microsoft Graph has this collection.
pub(crate) fn is_graph(collection: &str) -> bool {
    has(GRAPH, collection.split('(').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_lower_case_in_order_and_stand_once() {
        for list in [NAMESPACES, NETWORK, AUTHORIZATION, MANAGEMENT, RESOURCES, BELOW_SUBSCRIPTION, GRAPH] {
            let names: Vec<&str> = list.split_ascii_whitespace().collect();
            assert!(names.is_sorted_by(|a, b| a < b), "{names:?}");
            assert_eq!(list, list.to_ascii_lowercase());
        }
    }

    #[test]
    fn a_type_stands_for_what_lies_below_it() {
        assert!(is_type("Microsoft.Network", &["loadbalancers", "lb", "backendaddresspools", "p"]));
        assert!(is_type("Microsoft.Network", &["networkmanagers", "m", "ipampools", "p", "staticcidrs"]));
        assert!(!is_type("Microsoft.Network", &["networkmanagers", "m", "networkgroup", "g"]));
        assert!(!is_type("Microsoft.Network", &["loadbalancer", "lb"]));
        assert!(!is_type("Microsoft.Compute", &["virtualmachines"]));
        assert!(is_namespace("Microsoft.Compute") && !is_namespace("Microsoft.Nothing"));
        assert!(is_graph("groups") && is_graph("directoryRoles(x='y')") && !is_graph("nothing"));
    }
}
