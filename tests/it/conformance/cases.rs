//! The case of each kind: its own example, and a world in which everything that the example needs exists, except
//! what the kind creates. A kind that is not named here acts as `central` in the shipped world and needs no other
//! steps first.

use serde_json::{Value, json};
use twinspan_engine::{EffectClass, Identities, Registry};
use twinspan_sim::World;

/// One step of a plan.
#[derive(Clone, Debug)]
pub(crate) struct Act {
    pub(crate) kind: String,
    pub(crate) params: Value,
    pub(crate) identities: Vec<&'static str>,
    pub(crate) auxiliary: Option<&'static str>,
    /// `ensure: absent`.
    pub(crate) absent: bool,
}

/// A kind in one setting.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    /// The kind, and the setting if there are several.
    pub(crate) name: String,
    pub(crate) world: fn() -> World,
    /// Steps that another run carries out beforehand.
    pub(crate) first: Vec<Act>,
    pub(crate) act: Act,
    pub(crate) effect: EffectClass,
    /// Why undo keeps what the step created.
    pub(crate) keeps: Option<&'static str>,
    /// The first probe finds it as wanted, though its kind may write.
    pub(crate) only_found: bool,
}

impl Case {
    /// The same resource, created by another run beforehand and now to be deleted.
    fn removed(&self) -> Case {
        let mut first = self.first.clone();
        first.push(self.act.clone());
        Case {
            name: format!("{}, absent", self.name),
            first,
            act: Act { absent: true, ..self.act.clone() },
            keeps: Some("the plan deleted it"),
            only_found: false,
            ..self.clone()
        }
    }
}

/// One way to try a kind.
#[derive(Clone)]
struct Setting {
    /// Added to the kind's name.
    way: &'static str,
    world: fn() -> World,
    identities: &'static [&'static str],
    auxiliary: Option<&'static str>,
    /// Kinds whose examples are carried out first, each in its first setting.
    first: &'static [&'static str],
    /// Used instead of the example.
    params: Option<Value>,
    only_found: bool,
}

const USUAL: Setting = Setting {
    way: "",
    world: shipped,
    identities: &["central"],
    auxiliary: None,
    first: &[],
    params: None,
    only_found: false,
};

const NETWORK: &str = "/subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg-network/providers/Microsoft.Network";
const SPOKE: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg-app/providers/Microsoft.Network/virtualNetworks/vnet-app";
/// In parameters: a file that no other test uses.
pub(crate) const SCRATCH: &str = "{scratch}";

fn settings(kind: &str) -> Vec<Setting> {
    let target_admin = Setting { identities: &["target-admin"], ..USUAL };
    match kind {
        "avnm.network-manager" => vec![
            Setting { only_found: true, ..USUAL },
            Setting {
                way: "made",
                params: Some(json!({
                    "id": format!("{NETWORK}/networkManagers/nm-second"),
                    "create": {
                        "location": "westeurope",
                        "scopes": ["/subscriptions/aaaaaaaa-0000-0000-0000-000000000001"],
                        "scope_accesses": ["SecurityAdmin"],
                    },
                })),
                ..USUAL
            },
        ],
        "avnm.network-manager-connection" => {
            vec![Setting { world: ready, identities: &["target"], ..USUAL }]
        }
        "avnm.connection-status" => vec![Setting {
            world: ready,
            identities: &["central", "target"],
            first: &["avnm.scope-connection", "avnm.network-manager-connection"],
            ..USUAL
        }],
        "avnm.static-member" => vec![
            Setting { first: &["avnm.network-group"], ..USUAL },
            Setting {
                way: "across tenants",
                world: ready,
                auxiliary: Some("target"),
                first: &[
                    "avnm.scope-connection",
                    "avnm.network-manager-connection",
                    "avnm.connection-status",
                    "avnm.network-group",
                ],
                params: Some(json!({
                    "group": format!("{NETWORK}/networkManagers/nm-group/networkGroups/ng-spokes"),
                    "virtual_network": SPOKE,
                })),
                ..USUAL
            },
        ],
        "avnm.group-members" => {
            let usual = Setting { first: &["avnm.network-group", "avnm.static-member"], ..USUAL };
            let params = json!({
                "group": format!("{NETWORK}/networkManagers/nm-group/networkGroups/ng-spokes"),
                "expect": [format!("{NETWORK}/virtualNetworks/vnet-hub")],
                "resource_graph": true,
            });
            vec![usual.clone(), Setting { way: "resource graph", params: Some(params), ..usual }]
        }
        "avnm.members-in-scope" => vec![
            USUAL,
            Setting {
                way: "management group",
                first: &["avnm.network-group", "avnm.static-member"],
                identities: &["central", "target-admin"],
                params: Some(json!({
                    "network_manager": format!("{NETWORK}/networkManagers/nm-group"),
                    "scope": "/providers/Microsoft.Management/managementGroups/mg-fabrikam",
                    "expect": "none",
                })),
                ..USUAL
            },
        ],
        "avnm.member-effect" => vec![Setting {
            world: ready,
            identities: &["central", "target"],
            first: &["avnm.network-group"],
            ..USUAL
        }],
        "avnm.connectivity-configuration" => vec![
            Setting { first: &["avnm.network-group"], ..USUAL },
            Setting {
                way: "hub across tenants",
                world: ready,
                auxiliary: Some("target"),
                first: &[
                    "avnm.scope-connection",
                    "avnm.network-manager-connection",
                    "avnm.connection-status",
                    "avnm.network-group",
                ],
                params: Some(json!({
                    "network_manager": format!("{NETWORK}/networkManagers/nm-group"),
                    "name": "hub-and-spoke",
                    "topology": "hub-and-spoke",
                    "groups": [{ "group": format!("{NETWORK}/networkManagers/nm-group/networkGroups/ng-spokes") }],
                    "hub": SPOKE,
                })),
                ..USUAL
            },
        ],
        "avnm.deployment" => {
            vec![Setting { first: &["avnm.network-group", "avnm.connectivity-configuration"], ..USUAL }]
        }
        "azure.resource-provider" => vec![
            Setting { only_found: true, ..USUAL },
            Setting { way: "not registered", world: unregistered, ..USUAL },
        ],
        "azure.role-assignment" => {
            let by_guid = json!({
                "scope": "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001",
                "role": "4d97b98b-1d4f-4787-a291-c67834d212e7",
                "principal": "ffffffff-1111-0000-0000-000000000001",
            });
            vec![
                target_admin.clone(),
                Setting { way: "role by its id", params: Some(by_guid), ..target_admin },
            ]
        }
        "azure.scope"
        | "azure.sign-in"
        | "azure.virtual-networks"
        | "entra.guest-user"
        | "entra.invitation-accepted"
        | "entra.service-principal" => vec![target_admin],
        // The example's file is shared by the whole machine; this one also counts how often the program ran.
        "command" => vec![Setting {
            params: Some(json!({
                "program": "/bin/sh",
                "args": ["-c", format!("echo ran >> '{SCRATCH}'")],
                "check": { "program": "/usr/bin/test", "args": ["-e", SCRATCH] },
            })),
            ..USUAL
        }],
        _ => vec![USUAL],
    }
}

fn shipped() -> World {
    World::shipped().unwrap()
}

fn ready() -> World {
    World::ready().unwrap()
}

fn unregistered() -> World {
    let mut world: Value = serde_json::from_str(World::example_json()).unwrap();
    let central = world.pointer_mut("/tenants/0/subscriptions/0/registered").unwrap();
    *central = json!([]);
    World::from_json(&world.to_string()).unwrap()
}

/// Every setting of every kind.
pub(crate) fn all(registry: &Registry) -> Vec<Case> {
    let act = |kind: &str, setting: &Setting| {
        let known = registry.kind(kind).unwrap_or_else(|| panic!("there is no kind {kind} any more"));
        let identities = match registry.catalog().kinds[kind].identities {
            Identities::None => Vec::new(),
            Identities::One | Identities::Several => setting.identities.to_vec(),
        };
        let params = setting.params.clone().unwrap_or_else(|| known.example.clone());
        Act { kind: kind.to_owned(), params, identities, auxiliary: setting.auxiliary, absent: false }
    };
    let mut cases = Vec::new();
    for kind in registry.kinds() {
        for setting in settings(kind.meta.name) {
            let way = if setting.way.is_empty() { String::new() } else { format!(", {}", setting.way) };
            let made = Case {
                name: format!("{}{way}", kind.meta.name),
                world: setting.world,
                first: setting.first.iter().map(|kind| act(kind, &settings(kind)[0])).collect(),
                act: act(kind.meta.name, &setting),
                effect: kind.meta.effect,
                keeps: kind.meta.retain_on_undo,
                only_found: setting.only_found,
            };
            cases.extend(kind.meta.removable.then(|| made.removed()));
            cases.push(made);
        }
    }
    cases
}

/// A plan of these steps, in this order. JSON is YAML, too.
pub(crate) fn plan(acts: &[&Act], scratch: &str) -> String {
    let steps: Vec<Value> = acts
        .iter()
        .enumerate()
        .map(|(number, act)| {
            let params = act.params.to_string().replace(SCRATCH, scratch);
            let params: Value = serde_json::from_str(&params).unwrap();
            let mut step = json!({ "id": format!("s{number}"), "uses": act.kind, "with": params });
            if act.absent {
                step["ensure"] = json!("absent");
            }
            match act.identities[..] {
                [] => {}
                [one] => step["as"] = json!(one),
                _ => step["as"] = json!(act.identities),
            }
            if let Some(auxiliary) = act.auxiliary {
                step["auxiliary"] = json!(auxiliary);
            }
            if number > 0 {
                step["needs"] = json!([format!("s{}", number - 1)]);
            }
            step
        })
        .collect();
    let [central, target] = ["11111111-0000-0000-0000-00000000000c", "22222222-0000-0000-0000-00000000000f"];
    json!({
        "twinspan": 1,
        "name": "conformance",
        "identities": {
            "central": { "tenant": central },
            "target-admin": { "tenant": target },
            "target": { "tenant": target },
        },
        "steps": steps,
    })
    .to_string()
}
