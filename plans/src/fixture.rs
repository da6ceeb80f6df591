//! A catalogue for tests, written by hand, with the kinds of the shipped plans.

use crate::catalog::{Catalog, EffectClass, Field, Identities, KindSpec, Type};
use crate::params::{GivenParams, ParamCheck, ParamMisfit};

/// Parses `name: type`, with `?` after an optional name.
fn fields(text: &str) -> Vec<Field> {
    text.split(',')
        .map(str::trim)
        .filter(|field| !field.is_empty())
        .map(|field| {
            let (name, ty) = field.split_once(':').unwrap_or((field, "string"));
            let name = name.trim();
            Field {
                name: name.trim_end_matches('?').to_owned(),
                ty: ty_of(ty.trim()),
                required: !name.ends_with('?'),
                about: String::new(),
            }
        })
        .collect()
}

fn ty_of(text: &str) -> Type {
    if let Some(inner) = text.strip_prefix("list ") {
        return Type::List(Box::new(ty_of(inner)));
    }
    if let Some(words) = text.strip_prefix("choice ") {
        return Type::Choice(words.split('|').map(str::to_owned).collect());
    }
    match text {
        "any" => Type::Any,
        "int" => Type::Integer,
        "bool" => Type::Boolean,
        "duration" => Type::Duration,
        "id" => Type::ResourceId(None),
        "nm" => Type::ResourceId(Some("Microsoft.Network/networkManagers".into())),
        "vnet" => Type::ResourceId(Some("Microsoft.Network/virtualNetworks".into())),
        "group" => Type::ResourceId(Some("Microsoft.Network/networkManagers/networkGroups".into())),
        "sc" => Type::ResourceId(Some("Microsoft.Network/networkManagers/scopeConnections".into())),
        "nmc" => Type::ResourceId(Some("Microsoft.Network/networkManagerConnections".into())),
        "scope" => Type::Scope,
        "tenant" => Type::TenantId,
        "guid" => Type::Guid,
        "email" => Type::Email,
        "name" => Type::Name,
        "check" => Type::Record(fields("program, args?: list string")),
        _ => Type::String,
    }
}

/// A check for tests: `approval` refuses a text with the word "forbidden".
fn no_forbidden_word(kind: &str, given: &GivenParams<'_>) -> Vec<ParamMisfit> {
    let shown = given.values.get("show").and_then(|show| show.as_str()).filter(|_| kind == "approval");
    let wrong = shown.filter(|text| text.contains("forbidden"));
    let misfit =
        |text: &str| ParamMisfit { path: vec!["show".to_owned()], why: format!("{text:?} is not shown") };
    wrong.map(misfit).into_iter().collect()
}

/// Secrets for tests: every text in a field `pin`, at the first level and in `deep`.
fn pins(value: &serde_json::Value) -> Vec<Vec<String>> {
    let places = [vec!["pin"], vec!["deep", "pin"]];
    let is_text = |place: &&Vec<&str>| {
        value.pointer(&format!("/{}", place.join("/"))).is_some_and(serde_json::Value::is_string)
    };
    places.iter().filter(is_text).map(|place| place.iter().map(|part| (*part).to_owned()).collect()).collect()
}

pub(crate) fn catalog() -> Catalog {
    use EffectClass::{CreateNamed, PostUnsafe, PostWithProbe, PutSame, Read};
    use Identities::{None as NoIdentity, One, Several};
    let kinds = [
        ("avnm.network-manager", Read, One, "id: nm", "id: nm, subscription: scope, name"),
        ("azure.permissions", Read, One, "scope: scope, actions: list string", ""),
        (
            "entra.guest-user",
            PostWithProbe,
            One,
            "email?: email, object_id?: guid, send_invitation?: bool",
            "id: guid, object_id: guid, redeem_url?",
        ),
        ("entra.service-principal", PostWithProbe, One, "app_id: guid", "object_id: guid"),
        (
            "azure.role-assignment",
            CreateNamed,
            One,
            "scope: scope, role, principal: guid, expect_name?, satisfied_by?: choice effective|direct",
            "id: id",
        ),
        ("entra.invitation-accepted", Read, One, "guest: guid", ""),
        ("azure.sign-in", Read, One, "expect_principal?: guid, expect_application?: guid", "object_id: guid"),
        ("azure.scope", Read, One, "scope: scope, expect_name?", "id: scope, name"),
        ("azure.resource-provider", PutSame, One, "scope: scope, namespace", ""),
        ("azure.virtual-networks", Read, One, "ids: list vnet, within?: scope", "ids: list vnet"),
        (
            "avnm.scope-connection",
            PutSame,
            One,
            "network_manager: nm, name: name, tenant: tenant, scope: scope",
            "id: sc, state",
        ),
        (
            "avnm.network-manager-connection",
            PutSame,
            One,
            "scope: scope, name: name, network_manager: nm, scope_connection_state?",
            "id: nmc",
        ),
        (
            "avnm.connection-status",
            Read,
            Several,
            "scope_connection: sc, network_manager_connection: nmc",
            "",
        ),
        ("avnm.network-group", PutSame, One, "network_manager: nm, name: name, member_type?", "id: group"),
        ("avnm.static-member", PutSame, One, "group: group, virtual_network: vnet", "id: id, region?: name"),
        (
            "avnm.member-effect",
            Read,
            Several,
            "group: group, virtual_networks: list vnet, change?: choice add|remove",
            "changes_traffic: bool, summary",
        ),
        ("avnm.group-members", Read, Several, "group: group, expect: list vnet, resource_graph?: bool", ""),
        ("approval", Read, NoIdentity, "show?, by?, not?: choice starter", "by, at, reason?"),
        ("delay", Read, NoIdentity, "for: duration", "began, over"),
        (
            "command",
            PostUnsafe,
            NoIdentity,
            "program, args?: list string, check?: check",
            "exit_code: int, stdout, ran: bool",
        ),
        ("arm.resource", PutSame, One, "id: id, body?: any", "id: id, resource: any"),
    ];
    let kinds = kinds.into_iter().map(|(name, effect, identities, params, outputs)| {
        let spec = KindSpec {
            name: name.to_owned(),
            summary: String::new(),
            effect,
            effect_without: None,
            undo_before: Vec::new(),
            request_window: 0,
            removable: effect != Read && !matches!(name, "azure.resource-provider" | "command"),
            gate: matches!(name, "approval" | "delay"),
            identities,
            auxiliary: name == "avnm.static-member",
            params: fields(params),
            forms: match name {
                "entra.guest-user" => vec![vec!["email".to_owned()], vec!["object_id".to_owned()]],
                _ => Vec::new(),
            },
            secrets: if name == "arm.resource" { vec!["body".to_owned()] } else { Vec::new() },
            guards: false,
            check: ParamCheck::new(move |given| no_forbidden_word(name, given)).with_written_secrets(pins),
            outputs: fields(outputs),
        };
        (name.to_owned(), spec)
    });
    Catalog { kinds: kinds.collect() }
}

/// A small plan with the given steps.
pub(crate) fn plan(steps: &str) -> String {
    format!(
        "twinspan: 1\nname: t\ninputs:\n  word: {{ type: string, default: x }}\n  list: {{ type: list, of: string, default: [a, b] }}\n  \
         flag: {{ type: bool, default: true }}\n  maybe: {{ type: string, optional: true }}\n  tenants:\n    type: map\n    of:\n      \
         id: {{ type: tenant-id }}\n      contact: {{ type: email, optional: true }}\nidentities:\n  me: {{ contact: me@contoso.example }}\n\
         steps:\n{steps}"
    )
}
