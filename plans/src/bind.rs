//! Inputs: checks the given values against the declarations of the plan.
//!
//! ```text
//! --input, --inputs ─RawInputs─▶ value (types, places) ─▶ defaults ─▶ needed (what applicable steps read) ─▶ Inputs
//! ```

mod csv;
mod given;
mod needed;
mod places;
mod table;
mod value;

use std::collections::BTreeSet;

use indexmap::IndexMap;
use serde_json::Value as Json;

use crate::catalog::Type;
use crate::diagnostic::{Diagnostic, Diagnostics, Place};
use crate::elements::{ElementPath, names};
use crate::expr::{Template, inputs_of_expr};
use crate::instance::InputScope;
use crate::plan::{InputDef, Inputs, Plan};

pub use given::{RawInputs, ReadFile};
pub use needed::KnownParams;

impl Type {
    /// Checks that a value is of this type; the error says why it is not.
    pub fn check(&self, value: &Json) -> Result<(), String> {
        value::check_json(self, value)
    }
}

/// Inputs that fit their plan.
#[derive(Clone, Debug)]
pub struct Bound {
    /// The values.
    pub inputs: Inputs,
    /// Warnings about the values.
    pub warnings: Diagnostics,
}

impl Plan {
    /// Checks the given inputs and fills in defaults; reports everything that is missing or wrong at once.
    pub fn bind(&self, given: &RawInputs) -> Result<Inputs, Diagnostics> {
        self.bind_and_warn(given).map(|bound| bound.inputs)
    }

    /// As [`Plan::bind`], also with warnings about valid inputs.
    pub fn bind_and_warn(&self, given: &RawInputs) -> Result<Bound, Diagnostics> {
        let mut problems = Diagnostics::default();
        let mut values: IndexMap<String, Json> = IndexMap::new();
        let mut wrong: BTreeSet<&str> = BTreeSet::new();
        let mut keys = Vec::new();
        let mut places = places::Places::default();
        for (name, given) in &given.values {
            match self.inputs.get_key_value(name) {
                None => problems.push(self.unknown(name, given.name_place())),
                Some((name, def)) => {
                    let lists = &[';'];
                    let path = places::ValuePath::of(name);
                    let mut reader = value::Reader {
                        problems: &mut problems,
                        keys: &mut keys,
                        lists,
                        path,
                        places: &mut places,
                    };
                    match reader.given(name, def, given) {
                        Some(value) => {
                            values.insert(name.clone(), value);
                        }
                        None => {
                            wrong.insert(name);
                        }
                    }
                }
            }
        }
        for (name, def) in &self.inputs {
            let missing = !values.contains_key(name) && !wrong.contains(name.as_str());
            if missing && !def.optional && def.default.is_none() {
                problems.push(missing_input(name, def));
                // A default that reads this input is not reported again.
                wrong.insert(name);
            }
        }
        self.defaults(&mut values, &mut wrong, &mut problems);
        for (name, def) in &self.inputs {
            let Some(default) = def.default.as_ref().filter(|_| !def.optional) else { continue };
            if !values.contains_key(name) && !wrong.contains(name.as_str()) {
                problems.push(default_without_value(name, default, &values));
            }
        }
        for key in keys {
            self.check_key(&values, key, &mut problems);
        }
        // In the order of the plan, not in the order given.
        let inputs: IndexMap<String, Json> = self
            .inputs
            .keys()
            .filter_map(|name| values.swap_remove(name).map(|value| (name.clone(), value)))
            .collect();
        if !problems.has_errors() {
            needed::check(self, &inputs, &places, &mut problems);
        }
        let problems = problems.sorted();
        if problems.has_errors() {
            Err(problems)
        } else {
            Ok(Bound { inputs: Inputs(inputs), warnings: problems })
        }
    }

    fn unknown(&self, name: &str, place: Place) -> Diagnostic {
        let known: Vec<&str> = self.inputs.keys().map(String::as_str).collect();
        Diagnostic::error("TS0401", format!("the plan `{}` has no input `{name}`", self.name))
            .at(place, "not declared")
            .help(if known.is_empty() {
                "it has no inputs".to_owned()
            } else {
                format!("it has: {}", known.join(", "))
            })
            .did_you_mean(name, known)
    }

    /// Fills in defaults, each after the inputs that it reads.
    fn defaults<'p>(
        &'p self,
        values: &mut IndexMap<String, Json>,
        wrong: &mut BTreeSet<&'p str>,
        problems: &mut Diagnostics,
    ) {
        let mut open: Vec<(&str, &InputDef, &Template)> = self
            .inputs
            .iter()
            .filter(|(name, _)| !values.contains_key(*name) && !wrong.contains(name.as_str()))
            .filter_map(|(name, def)| Some((name.as_str(), def, def.default.as_ref()?)))
            .collect();
        while !open.is_empty() {
            let waiting: BTreeSet<&str> = open.iter().map(|(name, ..)| *name).collect();
            let (ready, rest): (Vec<_>, Vec<_>) = open
                .into_iter()
                .partition(|(_, _, default)| inputs_of(default).iter().all(|name| !waiting.contains(name)));
            if ready.is_empty() {
                // Circular defaults are refused by `compile`.
                break;
            }
            for (name, def, default) in ready {
                if inputs_of(default).iter().any(|read| wrong.contains(read)) {
                    wrong.insert(name);
                    continue;
                }
                let scope = InputScope::of(values, ElementPath::default());
                match default.resolve(&scope) {
                    Ok(None) => {}
                    Ok(Some(value)) => match value::check_json(&def.ty, &value) {
                        Ok(()) => {
                            values.insert(name.to_owned(), value);
                        }
                        Err(why) => {
                            wrong.insert(name);
                            problems.push(
                                Diagnostic::error(
                                    "TS0403",
                                    format!("the default of `{name}` does not fit: {why}"),
                                )
                                .help(format!("set `{name}`, or correct the input that its default reads")),
                            );
                        }
                    },
                    Err(error) => {
                        wrong.insert(name);
                        problems.push(
                            Diagnostic::error(
                                "TS0403",
                                format!("the default of `{name}` has no value: {error}"),
                            )
                            .help(format!("set `{name}`, or correct the input that its default reads")),
                        );
                    }
                }
            }
            open = rest;
        }
    }

    fn check_key(&self, values: &IndexMap<String, Json>, key: value::KeyUse, problems: &mut Diagnostics) {
        let Some(Json::Object(map)) = values.get(&key.map) else { return };
        if !map.keys().any(|known| names(&key.key, known)) {
            let known: Vec<&str> = map.keys().map(String::as_str).take(10).collect();
            problems.push(
                Diagnostic::error("TS0404", format!("`{}` has no key `{}`{}", key.map, key.key, key.where_))
                    .at(key.place, "not a key")
                    .help(format!("its keys: {}", known.join(", ")))
                    .did_you_mean(&key.key, map.keys().map(String::as_str)),
            );
        }
    }
}

fn missing_input(name: &str, def: &InputDef) -> Diagnostic {
    let about = def.about.as_deref().map(|about| format!(" ({about})")).unwrap_or_default();
    let help = match (&def.ty, def.secret) {
        (_, true) => format!("add `{name}: {{ env: VARIABLE }}` to the inputs file (or `file:`, `command:`)"),
        (Type::Map(_), _) => format!("add `{name}:` to the inputs file, or give --inputs {name}=FILE.csv"),
        (Type::List(_), _) => format!("add `{name}:` with a list to the inputs file"),
        _ => format!("give --input {name}=VALUE, or add `{name}:` to the inputs file"),
    };
    Diagnostic::error("TS0402", format!("the input `{name}` is missing: {}{about}", def.ty)).help(help)
}

/// The error for a default that reads an optional input without a value.
fn default_without_value(name: &str, default: &Template, values: &IndexMap<String, Json>) -> Diagnostic {
    let read: Vec<String> = inputs_of(default)
        .into_iter()
        .filter(|read| !values.contains_key(*read))
        .map(|read| format!("`{read}`"))
        .collect();
    let message = format!("the default of `{name}` has no value: it reads {}, not given", read.join(" and "));
    Diagnostic::error("TS0402", message)
        .help(format!("give --input {name}=VALUE, or the input that its default reads"))
}

/// The names of the inputs that a template reads.
fn inputs_of(template: &Template) -> BTreeSet<&str> {
    fn of_template<'a>(template: &'a Template, found: &mut BTreeSet<&'a str>) {
        match template {
            Template::Expr(expr) => inputs_of_expr(expr, found),
            Template::List(items) => items.iter().for_each(|item| of_template(item, found)),
            Template::Map(entries) => entries.iter().for_each(|(_, entry)| of_template(entry, found)),
            Template::Secret(name) => drop(found.insert(name)),
        }
    }
    let mut found = BTreeSet::new();
    of_template(template, &mut found);
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn library(name: &str) -> Vec<u8> {
        std::fs::read(format!("{}/library/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
    }

    fn plan(text: &[u8]) -> Plan {
        let document = crate::parse("plan.yaml", text).unwrap();
        let compiled = crate::compile(&document, &fixture::catalog());
        compiled.map_err(|found| found.render(false)).unwrap_or_else(|text| panic!("{text}")).plan
    }

    fn no_file(name: &str) -> Result<Vec<u8>, String> {
        Err(format!("unexpected file {name}"))
    }

    fn bind(plan: &Plan, yaml: &str) -> Result<Json, String> {
        let mut raw = RawInputs::new();
        raw.file("inputs.yaml", yaml.as_bytes(), &mut no_file).map_err(|found| found.render(false))?;
        let inputs = plan.bind(&raw).map_err(|found| found.render(false))?;
        Ok(serde_json::to_value(inputs).unwrap())
    }

    #[test]
    fn shipped_inputs_fit_their_plans() {
        for (name, inputs) in [
            ("cross-tenant-connection", "cross-tenant-connection"),
            ("cross-tenant-connection", "cross-tenant-connection.service-principal"),
            ("cross-tenant-connection", "cross-tenant-connection.management-group"),
            ("hello-durable", "hello-durable"),
            ("unattended-service-principal", "unattended-service-principal"),
        ] {
            let plan = plan(&library(&format!("{name}.yaml")));
            let text = String::from_utf8(library(&format!("{inputs}.inputs.yaml"))).unwrap();
            let bound = bind(&plan, &text).unwrap_or_else(|text| panic!("{text}"));
            if name == "cross-tenant-connection" {
                assert_eq!(
                    bound["role_scope"], bound["target_scope"],
                    "a default that refers to another input"
                );
                assert_eq!(bound["connection_name"], "to-central");
            }
        }
    }

    const FLEET: &str = "twinspan: 1\nname: fleet\ninputs:\n  tenants:\n    type: map\n    of:\n      id: { type: tenant-id }\n      contact: { type: email, optional: true }\n  \
        targets:\n    type: map\n    of:\n      tenant: { type: key-of, of: tenants }\n      scope: { type: scope }\n      ring: { type: choice, of: [pilot, rest] }\n      networks: { type: list, of: resource-id }\n  \
        who: { type: email, optional: true }\n  ask: { type: bool, default: false }\n  pause: { type: duration, default: 1m }\n  count: { type: int, optional: true }\n  \
        token: { type: string, secret: true, optional: true }\nidentities:\n  central: { contact: \"${{ inputs.who or 'noreply@contoso.example' }}\" }\nsteps:\n  - id: mail\n    uses: entra.guest-user\n    as: central\n    \
        when: ${{ inputs.ask }}\n    with: { email: \"${{ inputs.who }}\" }\n  - id: rest\n    uses: delay\n    with: { for: \"${{ inputs.pause }}\" }\n  - id: connect\n    for_each: ${{ inputs.targets }}\n    \
        identities:\n      target: { tenant: \"${{ inputs.tenants[each.value.tenant].id }}\" }\n    steps:\n      - id: look\n        uses: azure.scope\n        as: target\n        with: { scope: \"${{ each.value.scope }}\" }\n      \
        - id: networks\n        for_each: ${{ each.value.networks }}\n        uses: approval\n        with: { show: \"${{ each.outer.key }} ${{ each.value }} ${{ inputs.count }}\" }\n  - id: keyed\n    uses: arm.resource\n    as: central\n    with: { id: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg, body: { key: \"${{ inputs.token }}\" } }\n";

    /// Reported at the cell and at the parameter, for each instance; stand-ins of unknown values are ignored.
    #[test]
    fn what_a_kind_does_not_take_is_said_where_it_was_given() {
        let plan = plan(
            "twinspan: 1\nname: names\ninputs:\n  rows:\n    type: map\n    of:\n      name: { type: string }\n  prefix: { type: string, default: a }\nsteps:\n  \
             - id: all\n    for_each: ${{ inputs.rows }}\n    steps:\n      - { id: ask, uses: approval, with: { show: \"${{ each.value.name }}\" } }\n  \
             - { id: made, uses: approval, with: { show: \"${{ inputs.prefix }}-${{ run.id }}\" } }\n"
                .as_bytes(),
        );
        let long = "forbidden";
        let mut raw = RawInputs::new();
        raw.csv("rows", "rows.csv", format!("key,name\none,short\ntwo,{long}\nthree,{long}\n").as_bytes())
            .unwrap();
        let found = plan.bind(&raw).unwrap_err();
        let said: Vec<String> = found.iter().map(|one| one.message.clone()).collect();
        assert_eq!(said.len(), 2, "one for each cell: {said:?}");
        assert!(
            said[0].contains("`show` of the step `all[two].ask`")
                && said[0].ends_with("(row 3, column `name`)"),
            "{said:?}"
        );
        let text = found.render(false);
        assert!(text.contains("rows.csv:3:5") && text.contains("used here"), "{text}");
    }

    /// A plan with one step for each element of `rows`, which shows `show`.
    fn shown(of: &str, show: &str) -> Plan {
        plan(
            format!(
                "twinspan: 1\nname: keys\ninputs:\n  rows: {{ type: map, of: {of} }}\nsteps:\n  - id: all\n    \
                 for_each: ${{{{ inputs.rows }}}}\n    uses: approval\n    with: {{ show: \"{show}\" }}\n"
            )
            .as_bytes(),
        )
    }

    #[test]
    fn a_wrong_value_is_said_at_its_cell_also_if_it_is_the_key_or_the_only_value() {
        let note = "{ note: { type: string, optional: true } }";
        for (of, show, table, place, end) in [
            (note, "${{ each.key }}", "key,note\na,x\nforbidden,y\n", "3:1", "(row 3, column `key`)"),
            (note, "is ${{ each.key }}", "id,note\nforbidden,\n", "2:1", "(row 2, column `id`)"),
            ("string", "${{ each.value }}", "key,note\na,x\nb,forbidden\n", "3:3", "(row 3, column `note`)"),
        ] {
            let mut raw = RawInputs::new();
            raw.csv("rows", "rows.csv", table.as_bytes()).unwrap();
            let found = shown(of, show).bind(&raw).unwrap_err();
            assert!(found.0[0].code == "TS0414" && found.0[0].message.ends_with(end), "{table}: {found:?}");
            let text = found.render(false);
            assert!(text.contains(&format!("rows.csv:{place}")) && text.contains("used here"), "{text}");
        }
        let said = bind(&shown(note, "${{ each.key }}"), "rows:\n  a: {}\n  forbidden: {}\n").unwrap_err();
        assert!(said.contains("inputs.yaml:3:3") && said.contains("used here"), "{said}");
    }

    #[test]
    fn a_key_is_no_pattern() {
        let plan = shown("string", "${{ each.value }}");
        for key in ["*", "a*"] {
            let mut raw = RawInputs::new();
            raw.csv("rows", "rows.csv", format!("key,v\n{key},x\n").as_bytes()).unwrap();
            let said = plan.bind(&raw).unwrap_err().render(false);
            assert!(said.contains("(row 2, column `key`) cannot name an instance"), "{said}");
            let said = bind(&plan, &format!("rows: {{ \"{key}\": x }}\n")).unwrap_err();
            assert!(said.contains("cannot name an instance") && said.contains("remove `*`"), "{said}");
        }
    }

    const VNET: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v";

    fn fleet() -> Plan {
        plan(FLEET.as_bytes())
    }

    fn good() -> String {
        format!(
            "tenants: {{ fabrikam: {{ id: 22222222-0000-0000-0000-00000000000f }} }}\ntargets:\n  prod:\n    tenant: fabrikam\n    \
             scope: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001\n    ring: pilot\n    networks: [{VNET}1, {VNET}2]\n"
        )
    }

    #[test]
    fn values_come_from_files_tables_and_the_command_line() {
        let plan = fleet();
        let mut raw = RawInputs::new();
        let csv = format!(
            "key,tenant,scope,ring,networks\r\nprod,fabrikam,/subscriptions/bbbbbbbb-0000-0000-0000-000000000001,pilot,{VNET}1;{VNET}2\r\n"
        );
        let mut read =
            |name: &str| if name == "targets.csv" { Ok(csv.clone().into_bytes()) } else { no_file(name) };
        let yaml = "tenants: { fabrikam: { id: 22222222-0000-0000-0000-00000000000f } }\ntargets: { file: targets.csv }\ncount: 3\ntoken: { file: token.txt }\n";
        raw.file("inputs.yaml", yaml.as_bytes(), &mut read).unwrap();
        raw.assignment("count=4").unwrap();
        raw.assignment("ask=true").unwrap();
        raw.assignment("who=a=b@contoso.example").unwrap();
        let bound = serde_json::to_value(plan.bind(&raw).unwrap()).unwrap();
        assert_eq!(bound["targets"]["prod"]["networks"][1], format!("{VNET}2"));
        assert_eq!(bound["count"], 4, "what is added later wins");
        assert_eq!(bound["ask"], true);
        assert_eq!(bound["who"], "a=b@contoso.example");
        assert_eq!(bound["pause"], "1m");
        assert_eq!(bound["token"], serde_json::json!({ "file": "token.txt" }), "a secret stays a reference");
        let names: Vec<&String> = bound.as_object().unwrap().keys().collect();
        assert_eq!(
            names,
            ["tenants", "targets", "who", "ask", "pause", "count", "token"],
            "in the plan's order"
        );
        bind(&plan, &good()).unwrap();
        let json = serde_json::to_string(&bound["targets"]).unwrap();
        let again =
            bind(&plan, &format!("{{\"targets\": {json}, \"tenants\": {}}}", bound["tenants"])).unwrap();
        assert_eq!(again["targets"], bound["targets"], "JSON is read like YAML");
    }

    #[test]
    fn every_wrong_input_is_said_with_its_place() {
        let plan = fleet();
        let mut all = String::new();
        let base = good();
        let cases = [
            ("nothing given", String::new()),
            ("unknown input", format!("{base}tenant: x\n")),
            ("wrong types", format!("{base}ask: maybe\npause: 5\ncount: many\nwho: no-address\n")),
            ("list for a map", "tenants: []\ntargets: {}\n".to_owned()),
            ("unknown field, missing field", base.replace("scope:", "scop:")),
            ("choice", base.replace("pilot", "pilott")),
            ("unknown key of a map", base.replace("tenant: fabrikam", "tenant: fabricam")),
            ("key that names no instance", base.replace("prod:", "\"pro d\":")),
            ("wrong item of a list", base.replace(&format!("{VNET}2"), "vnet-2")),
            ("element twice", base.replace("v2]", "V1]").replace("v1]", "V1]")),
            ("reference in a value", format!("{base}who: ${{{{ inputs.x }}}}\n")),
            ("optional input that an applicable step needs", format!("{base}ask: true\n")),
            ("secret written down", format!("{base}token: hunter2\n")),
        ];
        for (name, text) in cases {
            all.push_str(&format!("## {name}\n{}", bind(&plan, &text).unwrap_err()));
        }
        assert!(!all.contains("hunter2"));
        let tables = [
            ("table: unknown and missing column", "key,tenant,scop,ring,networks\n".to_owned()),
            ("table: wrong cells", "key,tenant,scope,ring,networks\na,unknown,/x,third,\nb,fabrikam,,rest,x;y\n".to_owned()),
            ("table: key twice", "key,tenant,scope,ring,networks\na,fabrikam,/subscriptions/bbbbbbbb-0000-0000-0000-000000000001,rest,\na,,,,\n".to_owned()),
            ("table: too many cells", "key,tenant,scope,ring,networks\na,b,c,d,e,f\n".to_owned()),
        ];
        for (name, text) in tables {
            let mut raw = RawInputs::new();
            raw.file("inputs.yaml", base.as_bytes(), &mut no_file).unwrap();
            raw.csv("targets", "targets.csv", text.as_bytes()).unwrap();
            all.push_str(&format!("## {name}\n{}", plan.bind(&raw).unwrap_err().render(false)));
        }
        let mut raw = RawInputs::new();
        all.push_str(&format!(
            "## no equals sign\n{}",
            raw.assignment("identity").unwrap_err().render(false)
        ));
        all.push_str(&format!(
            "## file that cannot be read\n{}",
            raw.file("i.yaml", b"targets: { file: t.csv }\n", &mut |_| Err("no such file".to_owned()))
                .unwrap_err()
                .render(false)
        ));
        raw.csv("who", "who.csv", b"a\nb\n").unwrap();
        all.push_str(&format!("## table for a text\n{}", plan.bind(&raw).unwrap_err().render(false)));
        raw.assignment("token=[hunter2").unwrap();
        let found = plan.bind(&raw).unwrap_err();
        assert!(found.iter().any(|one| one.code == "TS0406"));
        assert!(!found.render(false).contains("hunter2") && !found.to_json().to_string().contains("hunter2"));
        insta::assert_snapshot!("bad_inputs", all);
    }

    #[test]
    fn an_optional_input_is_needed_only_where_a_step_applies() {
        let plan = plan(&library("cross-tenant-connection.yaml"));
        let text = String::from_utf8(library("cross-tenant-connection.inputs.yaml")).unwrap();
        let guest = text.replace("admin_email:", "# admin_email:");
        assert!(bind(&plan, &guest).unwrap_err().contains("the step `guest` needs the input `admin_email`"));
        let app = text.replace("identity:        guest", "identity: service-principal");
        assert!(bind(&plan, &app).unwrap_err().contains("the step `app` needs the input `app_id`"));
    }

    /// The map `targets` of the fleet, read from a table.
    fn targets(table: &str) -> Result<(Json, String), String> {
        let plan = fleet();
        let mut raw = RawInputs::new();
        raw.file(
            "i.yaml",
            b"tenants: { fabrikam: { id: 22222222-0000-0000-0000-00000000000f } }\n",
            &mut no_file,
        )
        .unwrap();
        raw.csv("targets", "targets.csv", table.as_bytes()).map_err(|found| found.render(false))?;
        let bound = plan.bind_and_warn(&raw).map_err(|found| found.render(false))?;
        Ok((serde_json::to_value(&bound.inputs).unwrap()["targets"].clone(), bound.warnings.render(false)))
    }

    const SCOPE: &str = "/subscriptions/bbbbbbbb-0000-0000-0000-00000000000";

    #[test]
    fn tables_as_other_countries_spreadsheets_save_them() {
        let comma = format!("key,tenant,scope,ring,networks\nprod,fabrikam,{SCOPE}1,pilot,{VNET}1;{VNET}2\n");
        let (expected, warnings) = targets(&comma).unwrap();
        assert_eq!(warnings, "");
        for separator in [";", "\t"] {
            let table = comma.replace(';', "|").replace(',', separator);
            let (found, warnings) = targets(&table).unwrap_or_else(|text| panic!("{text}"));
            assert_eq!(found, expected);
            assert!(warnings.contains("in `targets.csv` cells are separated by"), "{warnings}");
        }
        let quoted =
            format!("key;tenant;scope;ring;networks\nprod;fabrikam;{SCOPE}1;pilot;\"{VNET}1;{VNET}2\"\n");
        assert_eq!(targets(&quoted).unwrap().0, expected);
    }

    #[test]
    fn what_is_wrong_with_a_table_is_named() {
        let wrong = |table: &str, what: &str| {
            let said = targets(table).map(|found| panic!("{found:?}")).unwrap_err();
            assert!(said.contains(what), "{table}: {said}");
            assert_eq!(said.matches("error[").count(), 1, "{said}");
        };
        let head = "key,tenant,scope,ring,networks\n";
        wrong(&format!("tenant,scope,ring,networks\nfabrikam,{SCOPE}1,pilot,\n"), "no column for the keys");
        wrong(
            &format!("{head}Prod,fabrikam,{SCOPE}1,pilot,\nprod,fabrikam,{SCOPE}2,pilot,\n"),
            "in another case",
        );
        wrong(
            &format!("key,tenant,scope,ring,networks,\nprod,fabrikam,{SCOPE}1,pilot,,x\n"),
            "column 6 (F) has no name",
        );
        targets(&format!("key,tenant,scope,ring,networks,,\nprod,fabrikam,{SCOPE}1,pilot,,,\n")).unwrap();
        wrong(&format!("{head}prod,fabrikam,,pilot,\n"), "`scope` is empty (row 2, column `scope`)");
        wrong(
            &format!("key|tenant|scope|ring|networks\nprod|fabrikam|{SCOPE}1|pilot|\n"),
            "one column, whose name contains `|`",
        );
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
        for bytes in [utf16("key,tenant"), [vec![0xff, 0xfe], utf16("é,tenant")].concat()] {
            let said = RawInputs::new().csv("targets", "t.csv", &bytes).unwrap_err();
            assert!(said.0[0].message.contains("UTF-16"), "{said}");
            assert!(said.render(false).contains("in Excel as"), "{said}");
            for said in [
                crate::parse("p.yaml", &bytes).unwrap_err(),
                RawInputs::new().file("i.yaml", &bytes, &mut no_file).unwrap_err(),
            ] {
                assert!(said.0[0].message.contains("UTF-16"), "{said}");
                assert!(!said.render(false).contains("Excel"), "a plan or its inputs are no table: {said}");
            }
        }
    }

    #[test]
    fn an_empty_name_in_a_table_is_an_error() {
        let plan = plan(
            b"twinspan: 1\nname: p\ninputs:\n  all:\n    type: map\n    of:\n      name: { type: string }\n      note: { type: string, optional: true }\n\
              steps:\n  - id: a\n    for_each: ${{ inputs.all }}\n    uses: approval\n    with: { show: \"${{ each.value.name }}\" }\n",
        );
        let bound = |table: &str| {
            let mut raw = RawInputs::new();
            raw.csv("all", "t.csv", table.as_bytes()).unwrap();
            plan.bind_and_warn(&raw).map_err(|found| found.render(false))
        };
        assert!(bound("key,name,note\nx,,n\n").unwrap_err().contains("`name` is empty (row 2"));
        assert!(bound("key,name,note\nx,y,\n").unwrap().warnings.is_empty());
        let warnings = bound("key,name,note\n").unwrap().warnings;
        assert!(warnings.render(false).contains("has no rows"), "{}", warnings.render(false));
    }

    #[test]
    fn the_same_scope_under_two_keys_is_a_warning() {
        let table = format!(
            "key,tenant,scope,ring,networks\na,fabrikam,{SCOPE}1,pilot,\nb,fabrikam,{}1,pilot,\n",
            SCOPE.to_uppercase().replace("/SUBSCRIPTIONS", "/subscriptions")
        );
        let (_, warnings) = targets(&table).unwrap();
        assert!(warnings.contains("`a` and `b` have the same `scope`"), "{warnings}");
    }

    #[test]
    fn keys_have_no_case() {
        let plan = fleet();
        let other = good().replace("tenant: fabrikam", "tenant: FABRIKAM");
        bind(&plan, &other).unwrap();
        let twice = good().replace(
            "tenants: { fabrikam:",
            "tenants: { Fabrikam: { id: 22222222-0000-0000-0000-00000000000f }, fabrikam:",
        );
        let said = bind(&plan, &twice).unwrap_err();
        assert!(said.contains("`Fabrikam` and `fabrikam` are the same name in Azure"), "{said}");
        let networks = good().replace(&format!("{VNET}2"), &format!("{}1/", VNET));
        assert!(bind(&plan, &networks).is_err());
    }

    #[test]
    fn a_default_is_missing_only_where_nothing_can_give_it_a_value() {
        let plan = plan(
            b"twinspan: 1\nname: p\ninputs:\n  a: { type: string }\n  b: { type: string, default: \"${{ inputs.a }}\" }\n  \
              c: { type: string, optional: true }\n  d: { type: string, default: \"${{ inputs.c }}\" }\nsteps:\n  - id: s\n    uses: approval\n    \
              with: { show: \"${{ inputs.b }} ${{ inputs.d }}\" }\n",
        );
        let said = bind(&plan, "c: x\n").unwrap_err();
        assert!(said.contains("the input `a` is missing") && !said.contains("`b`"), "{said}");
        let said = bind(&plan, "a: x\n").unwrap_err();
        assert!(said.contains("the default of `d` has no value: it reads `c`"), "{said}");
        assert_eq!(bind(&plan, "a: x\nc: y\n").unwrap()["d"], "y");
    }

    #[test]
    fn variables_give_inputs_and_of_a_secret_only_their_name() {
        let plan = fleet();
        let mut raw = RawInputs::new();
        raw.file("i.yaml", good().as_bytes(), &mut no_file).unwrap();
        raw.variable("count", "PLAN_COUNT", "7");
        raw.variable("who", "PLAN_WHO", "nina@contoso.example");
        raw.variable("token", "PLAN_TOKEN", "the secret itself");
        let bound = serde_json::to_value(plan.bind(&raw).unwrap()).unwrap();
        assert_eq!(bound["count"], 7);
        assert_eq!(bound["who"], "nina@contoso.example");
        assert_eq!(bound["token"], serde_json::json!({ "env": "PLAN_TOKEN" }));
        raw.variable("who", "PLAN_WHO", "no-address");
        let said = plan.bind(&raw).unwrap_err().render(false);
        assert!(said.contains("PLAN_WHO=no-address"), "{said}");
    }

    #[test]
    fn what_was_meant_is_suggested() {
        let plan = fleet();
        let said = |from: &str, to: &str| bind(&plan, &good().replace(from, to)).unwrap_err();
        let scope = format!("scope: {SCOPE}1");
        let meant = format!("did you mean `{SCOPE}1`?");
        for written in [
            format!("scope: {}", &SCOPE[15..]) + "1",
            format!("scope: https://portal.azure.com/#@contoso.example/resource{SCOPE}1/overview"),
        ] {
            let said = said(&scope, &written);
            assert!(said.contains(&meant), "{written}: {said}");
        }
        let said = said("id: 22222222-0000-0000-0000-00000000000f", "id: fabrikam.example");
        assert!(
            said.contains("a domain, not the id of a tenant") && said.contains("openid-configuration"),
            "{said}"
        );
    }
}
