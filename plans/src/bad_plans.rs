//! Tests of every mistake in a plan and its message. The snapshot is what operators read.

use crate::{Diagnostics, compile, fixture, parse};

fn complaints(text: &[u8]) -> Diagnostics {
    match parse("plan.yaml", text) {
        Err(found) => found,
        Ok(document) => match compile(&document, &fixture::catalog()) {
            Err(found) => found,
            Ok(compiled) => compiled.warnings,
        },
    }
}

fn steps(steps: &str) -> Vec<u8> {
    fixture::plan(steps).into_bytes()
}

fn step(rest: &str) -> Vec<u8> {
    steps(&format!("  - {{ id: a, uses: delay, with: {{ for: 1s }} }}\n  - id: b\n{rest}"))
}

/// Name of the case, expected codes, text.
fn cases() -> Vec<(&'static str, &'static str, Vec<u8>)> {
    let head = |rest: &str| format!("twinspan: 1\nname: t\n{rest}").into_bytes();
    let one = "steps:\n  - { id: a, uses: delay, with: { for: 1s } }\n";
    vec![
        ("empty", "TS0001", b"# nothing\n\n".to_vec()),
        ("not UTF-8", "TS0003", b"twinspan: 1\nname: \xff\xfe\n".to_vec()),
        ("not YAML", "TS0004", b"twinspan: 1\nname: a: b\n".to_vec()),
        ("two documents", "TS0004", b"twinspan: 1\n---\ntwinspan: 1\n".to_vec()),
        ("key that is no text", "TS0004", b"twinspan: 1\n? [a, b]\n: c\n".to_vec()),
        ("merge key", "TS0004", b"a: &a { x: 1 }\nb: { <<: *a }\n".to_vec()),
        ("unknown anchor", "TS0004", b"twinspan: 1\nname: *x\n".to_vec()),
        ("tab", "TS0005", b"twinspan: 1\nsteps:\n\t- id: a\n".to_vec()),
        ("duplicate key", "TS0007", b"twinspan: 1\nname: a\nname: b\n".to_vec()),
        (
            "unquoted reference in a flow mapping",
            "TS0008",
            step("    uses: command\n    with: { program: /bin/echo, args: [ ${{ inputs.word }} ] }\n"),
        ),
        ("not a mapping", "TS0103", b"- a\n- b\n".to_vec()),
        ("no version, no name, no steps", "TS0102 TS0102 TS0102", b"summary: x\n".to_vec()),
        ("another version", "TS0104", format!("twinspan: 2\nname: t\n{one}").into_bytes()),
        ("unknown key at the top", "TS0101", head(&format!("sumary: x\n{one}"))),
        ("unknown key of a step", "TS0101", step("    uses: delay\n    neds: [a]\n    with: { for: 1s }\n")),
        ("neither step nor block", "TS0106", step("    use: delay\n")),
        ("step and block", "TS0106", step("    uses: delay\n    steps: []\n")),
        ("no id", "TS0102", steps("  - uses: delay\n    with: { for: 1s }\n")),
        ("bad id", "TS0105", steps("  - { id: 1st step, uses: delay, with: { for: 1s } }\n")),
        ("no step", "TS0103", head("steps: []\n")),
        ("number for text", "TS0103", head(&format!("summary: 12\n{one}"))),
        (
            "key of a block on a step",
            "TS0109",
            step("    uses: delay\n    parallel: 3\n    with: { for: 1s }\n"),
        ),
        (
            "identities of a heading",
            "TS0109",
            steps(
                "  - id: h\n    identities: { x: { contact: a@b.example } }\n    steps:\n      - { id: a, uses: delay, with: { for: 1s } }\n",
            ),
        ),
        ("bad duration", "TS0108", step("    uses: delay\n    timeout: 5 minutes\n    with: { for: 1s }\n")),
        (
            "bad count",
            "TS0112",
            steps(
                "  - id: h\n    for_each: [x]\n    parallel: 0\n    steps:\n      - { id: a, uses: delay, with: { for: 1s } }\n",
            ),
        ),
        (
            "not yet: waves, window, windows, change",
            "TS0110 TS0110 TS0110 TS0110",
            head(
                "change: { required: true }\nwindows:\n  w: { days: [tue], from: \"20:00\", to: \"23:00\", zone: Europe/Berlin }\nsteps:\n  - id: h\n    \
                 for_each: [x]\n    window: w\n    waves: { by: \"${{ each.value }}\", bake: 24h, waiting: left-behind }\n    steps:\n      - id: a\n        uses: delay\n        \
                 with: { for: 1s }\n",
            ),
        ),
        (
            "deletes what its kind never creates",
            "TS0312",
            step("    uses: delay\n    ensure: absent\n    with: { for: 1s }\n"),
        ),
        (
            "neither present nor absent",
            "TS0103",
            step("    uses: delay\n    ensure: gone\n    with: { for: 1s }\n"),
        ),
        (
            "reads what is removed",
            "TS0213",
            step(
                "    uses: avnm.network-group\n    as: me\n    ensure: absent\n    with: { network_manager: /subscriptions/aaaaaaaa-0000-0000-0000-000000000001/resourceGroups/rg/providers/Microsoft.Network/networkManagers/nm, name: g }\n  - id: c\n    \
                 uses: command\n    with: { program: \"${{ steps.b.id }}\" }\n",
            ),
        ),
        (
            "neither form of the parameters, and both",
            "TS0313 TS0313",
            step(
                "    uses: entra.guest-user\n    as: me\n    with: { send_invitation: true }\n  - id: c\n    uses: entra.guest-user\n    as: me\n    \
                 with: { email: a@b.example, object_id: ffffffff-1111-0000-0000-000000000001 }\n",
            ),
        ),
        ("unknown type", "TS0107", head(&format!("inputs:\n  a: {{ type: tenantid, default: x }}\n{one}"))),
        (
            "choice of nothing",
            "TS0107",
            head(&format!("inputs:\n  a: {{ type: choice, default: x }}\n{one}")),
        ),
        (
            "key of no map",
            "TS0107",
            head(&format!("inputs:\n  a: {{ type: key-of, of: nets, default: x }}\n{one}")),
        ),
        (
            "default of the wrong type",
            "TS0311",
            head(&format!("inputs:\n  a: {{ type: guid, default: x }}\n{one}")),
        ),
        (
            "defaults in a circle",
            "TS0307 TS0307",
            head(&format!(
                "inputs:\n  a: {{ type: string, default: \"${{{{ inputs.b }}}}\" }}\n  b: {{ type: string, default: \"${{{{ inputs.a }}}}\" }}\n{one}"
            )),
        ),
        (
            "duplicate id",
            "TS0111",
            step(
                "    uses: delay\n    with: { for: 1s }\n  - id: h\n    steps:\n      - { id: a, uses: delay, with: { for: 1s } }\n",
            ),
        ),
        ("unknown kind", "TS0301", step("    uses: dellay\n    with: { for: 1s }\n")),
        ("unknown parameter", "TS0302 TS0303", step("    uses: delay\n    with: { four: 1s }\n")),
        ("missing parameters", "TS0303 TS0303", step("    uses: azure.resource-provider\n    as: me\n")),
        ("parameter of the wrong type", "TS0311", step("    uses: delay\n    with: { for: soon }\n")),
        ("number for a name", "TS0311", step("    uses: command\n    with: { program: 12 }\n")),
        ("nothing for a parameter", "TS0311", step("    uses: command\n    with:\n      program:\n")),
        ("choice", "TS0311", step("    uses: approval\n    with: { not: the-starter }\n")),
        (
            "unknown identity",
            "TS0304",
            step(
                "    uses: azure.scope\n    as: mee\n    with: { scope: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001 }\n",
            ),
        ),
        (
            "no identity",
            "TS0305",
            step(
                "    uses: azure.scope\n    with: { scope: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001 }\n",
            ),
        ),
        ("an identity too many", "TS0305", step("    uses: delay\n    as: me\n    with: { for: 1s }\n")),
        (
            "two identities",
            "TS0305",
            step(
                "    uses: azure.scope\n    as: [me, me]\n    with: { scope: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001 }\n",
            ),
        ),
        (
            "auxiliary",
            "TS0306",
            step(
                "    uses: azure.scope\n    as: me\n    auxiliary: me\n    with: { scope: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001 }\n",
            ),
        ),
        (
            "reference that cannot be read",
            "TS0201",
            step("    uses: approval\n    with: { show: \"${{ inputs.word && inputs.flag }}\" }\n"),
        ),
        (
            "reference not closed",
            "TS0201",
            step("    uses: approval\n    with: { show: \"x ${{ inputs.word\" }\n"),
        ),
        ("unknown root", "TS0202", step("    uses: approval\n    with: { show: \"${{ input.word }}\" }\n")),
        ("bare input", "TS0202", step("    uses: approval\n    with: { show: \"${{ word }}\" }\n")),
        ("unknown input", "TS0203", step("    uses: approval\n    with: { show: \"${{ inputs.wrod }}\" }\n")),
        (
            "unknown step",
            "TS0202",
            step("    uses: approval\n    with: { show: \"${{ steps.aa.began }}\" }\n"),
        ),
        (
            "unknown output",
            "TS0204",
            step("    uses: approval\n    with: { show: \"${{ steps.a.began_at }}\" }\n"),
        ),
        ("no output named", "TS0204", step("    uses: approval\n    with: { show: \"${{ steps.a }}\" }\n")),
        ("each outside", "TS0205", step("    uses: approval\n    with: { show: \"${{ each.key }}\" }\n")),
        (
            "type of a reference",
            "TS0207",
            step("    uses: delay\n    with: { for: \"${{ inputs.word }}\" }\n"),
        ),
        (
            "alternatives of several types",
            "TS0207",
            step("    uses: approval\n    with: { show: \"${{ inputs.list or inputs.word }}\" }\n"),
        ),
        (
            "never equal",
            "TS0207",
            step("    uses: delay\n    when: ${{ inputs.flag == 'yes' }}\n    with: { for: 1s }\n"),
        ),
        (
            "when without braces",
            "TS0207",
            step("    uses: delay\n    when: inputs.flag\n    with: { for: 1s }\n"),
        ),
        (
            "when of text",
            "TS0207",
            step("    uses: delay\n    when: ${{ inputs.word }}\n    with: { for: 1s }\n"),
        ),
        (
            "item of a list",
            "TS0210",
            step("    uses: approval\n    with: { show: \"${{ inputs.list[0] }}\" }\n"),
        ),
        (
            "map by dot",
            "TS0210",
            step("    uses: approval\n    with: { show: \"${{ inputs.tenants.fabrikam.id }}\" }\n"),
        ),
        (
            "output of a conditional step",
            "TS0208",
            steps(
                "  - { id: a, uses: delay, when: \"${{ inputs.flag }}\", with: { for: 1s } }\n  - id: b\n    uses: approval\n    with: { show: \"${{ steps.a.began }}\" }\n",
            ),
        ),
        (
            "output of a step in a conditional heading",
            "TS0208",
            steps(
                "  - id: h\n    when: ${{ inputs.flag }}\n    steps:\n      - { id: a, uses: delay, with: { for: 1s } }\n  - id: b\n    uses: approval\n    \
                 when: ${{ not inputs.flag }}\n    with: { show: \"${{ steps.a.began }}\" }\n",
            ),
        ),
        (
            "steps of another block",
            "TS0206 TS0206 TS0202 TS0308",
            steps(
                "  - id: each-tenant\n    for_each: ${{ inputs.tenants }}\n    steps:\n      - { id: a, uses: delay, with: { for: 1s } }\n  - id: b\n    uses: approval\n    \
                 needs: [a, \"each-tenant[x].aa\"]\n    with: { show: \"${{ steps.each-tenant.a.began }}\" }\n  - id: c\n    uses: approval\n    \
                 with: { show: \"${{ steps.each-tenant['x'].b.began }}\" }\n",
            ),
        ),
        (
            "steps in an identity",
            "TS0209",
            head(
                "identities:\n  x: { tenant: \"${{ steps.a.began }}\" }\nsteps:\n  - { id: a, uses: delay, with: { for: 1s } }\n",
            ),
        ),
        ("unknown need", "TS0308", step("    uses: delay\n    needs: [c]\n    with: { for: 1s }\n")),
        (
            "need that cannot be read",
            "TS0201",
            step("    uses: delay\n    needs: [\"a b\"]\n    with: { for: 1s }\n"),
        ),
        (
            "key of a single step",
            "TS0210",
            step("    uses: delay\n    needs: [\"a[x]\"]\n    with: { for: 1s }\n"),
        ),
        ("needs itself", "TS0309", step("    uses: delay\n    needs: [b]\n    with: { for: 1s }\n")),
        ("reads itself", "TS0309", step("    uses: approval\n    with: { show: \"${{ steps.b.by }}\" }\n")),
        (
            "needs the block around it",
            "TS0309 TS0309",
            steps(
                "  - id: h\n    needs: [a]\n    steps:\n      - { id: a, uses: delay, needs: [h], with: { for: 1s } }\n",
            ),
        ),
        (
            "circle",
            "TS0307",
            steps(
                "  - { id: a, uses: delay, needs: [c], with: { for: 1s } }\n  - { id: b, uses: delay, needs: [a], with: { for: 1s } }\n  - id: c\n    uses: approval\n    \
                 with: { show: \"${{ steps.b.began }}\" }\n",
            ),
        ),
        (
            "barrier that needs a later step",
            "TS0314",
            steps(
                "  - { id: g, uses: approval, needs: [a], with: {} }\n  - { id: a, uses: command, with: { program: /a } }\n",
            ),
        ),
        (
            "barrier that needs a later step through an earlier one",
            "TS0314",
            steps(
                "  - { id: a, uses: command, needs: [z], with: { program: /a } }\n  - id: ask\n    steps:\n      - { id: g, uses: delay, needs: [a], with: { for: 1s } }\n  \
                 - id: work\n    steps:\n      - { id: z, uses: command, with: { program: /a } }\n",
            ),
        ),
        (
            "barrier on another kind",
            "TS0109",
            steps("  - { id: a, uses: command, barrier: false, with: { program: /a } }\n"),
        ),
        (
            "circle through headings",
            "TS0307",
            steps(
                "  - id: one\n    needs: [two]\n    steps:\n      - { id: a, uses: delay, with: { for: 1s } }\n  - id: two\n    steps:\n      \
                 - { id: b, uses: delay, needs: [a], with: { for: 1s } }\n",
            ),
        ),
        (
            "element twice",
            "TS0410",
            step("    uses: delay\n    for_each: [x, y, x]\n    with: { for: 1s }\n"),
        ),
        (
            "for_each of a text",
            "TS0207",
            step("    uses: delay\n    for_each: ${{ inputs.word }}\n    with: { for: 1s }\n"),
        ),
        (
            "secret with a default",
            "TS0406",
            head(&format!("inputs:\n  a: {{ type: string, secret: true, default: x }}\n{one}")),
        ),
        (
            "secrets where none may be",
            "TS0214 TS0214 TS0214 TS0214 TS0214 TS0214 TS0214",
            head(
                "inputs:\n  psk: { type: string, secret: true }\n  copy: { type: string, default: \"${{ inputs.psk }}\" }\nidentities:\n  me: { contact: me@contoso.example }\n\
                 steps:\n  - { id: a, uses: approval, with: { show: \"key ${{ inputs.psk }} ${{ inputs.copy }}\" } }\n  - { id: b, uses: delay, when: \"${{ inputs.psk == 'x' }}\", with: { for: 1s } }\n  \
                 - { id: c, uses: command, with: { program: /a, args: [\"${{ inputs.psk }}\"] } }\n  \
                 - id: d\n    uses: arm.resource\n    as: me\n    with:\n      id: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg\n      \
                 body: { key: \"${{ inputs.psk }}\", text: \"a ${{ inputs.psk }}\", either: \"${{ inputs.psk or 'x' }}\", $secret: { env: PSK } }\n",
            ),
        ),
        (
            "secrets that are written out, or no secrets",
            "TS0215 TS0215 TS0215",
            head(
                "inputs:\n  psk: { type: string, secret: true }\n  word: { type: string, default: x }\n  flag: { type: bool, default: true }\nidentities:\n  me: { contact: me@contoso.example }\n\
                 steps:\n  - id: d\n    uses: arm.resource\n    as: me\n    with:\n      id: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg\n      \
                 body: { pin: abc, deep: { pin: \"p-${{ inputs.word }}\" } }\n  \
                 - id: e\n    uses: arm.resource\n    as: me\n    with:\n      id: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg2\n      \
                 body: { pin: \"${{ inputs.psk }}\", deep: { pin: \"${{ steps.d.id }}\" } }\n  \
                 - id: f\n    uses: arm.resource\n    as: me\n    with:\n      id: /subscriptions/bbbbbbbb-0000-0000-0000-000000000001/resourceGroups/rg3\n      \
                 body: { pin: \"${{ inputs.flag }}\", deep: { pin: 5 } }\n",
            ),
        ),
        (
            "value that the kind does not take",
            "TS0414",
            step("    uses: approval\n    with: { show: a forbidden word }\n"),
        ),
        (
            "warnings",
            "TS0310 TS0212",
            head(
                "inputs:\n  unused: { type: string }\nsteps:\n  - { id: a, uses: delay, title: \"${{ inputs.unused }}\", with: { for: 1s } }\n",
            ),
        ),
        (
            "many at once",
            "TS0101 TS0107 TS0301 TS0203 TS0308",
            head(
                "owner: me\ninputs:\n  a: { type: strng }\nsteps:\n  - { id: x, uses: nothing, with: { b: \"${{ inputs.a }}\" } }\n  - id: y\n    uses: approval\n    \
                 needs: [z]\n    with: { show: \"${{ inputs.b }}\" }\n",
            ),
        ),
    ]
}

#[test]
fn every_mistake_is_said_with_its_place() {
    let mut all = String::new();
    let mut wrong = String::new();
    for (name, expected, text) in cases() {
        let found = complaints(&text);
        let codes: Vec<&str> = found.iter().map(|one| one.code).filter(|code| *code != "TS0310").collect();
        let mut expected: Vec<&str> = expected.split(' ').filter(|code| *code != "TS0310").collect();
        let mut sorted = codes.clone();
        sorted.sort_unstable();
        expected.sort_unstable();
        if sorted != expected {
            wrong.push_str(&format!("## {name}: expected {expected:?}\n{}", found.render(false)));
        }
        for one in found.iter() {
            let place = one.primary.as_ref().map(|label| label.place.line_column());
            assert!(place.is_some(), "{name}: {} has no place", one.code);
            assert!(one.help.is_some(), "{name}: {} has no next action", one.code);
        }
        let shown: Diagnostics =
            Diagnostics(found.into_iter().filter(|one| one.code != "TS0310" || name == "warnings").collect());
        all.push_str(&format!("## {name}\n{}", shown.render(false)));
    }
    assert!(wrong.is_empty(), "{wrong}");
    insta::assert_snapshot!("bad_plans", all);
}

#[test]
fn the_same_as_json() {
    let text = step("    uses: approval\n    with: { show: \"${{ inputs.wrod }}\" }\n");
    let found = complaints(&text);
    let found = found.iter().find(|one| one.code == "TS0203").unwrap().to_json();
    insta::assert_json_snapshot!("bad_plan_json", found);
}

#[test]
fn too_large_too_deep_too_often() {
    let codes = |text: &[u8]| complaints(text).iter().map(|one| one.code).collect::<Vec<_>>();
    assert_eq!(codes(&vec![b'#'; 50 * 1024 * 1024]), ["TS0002"]);
    for deep in [
        format!("twinspan: 1\nsteps: {}", "[".repeat(20_000)),
        format!("twinspan: 1\nsteps: {}", "{a: ".repeat(20_000)),
        "- ".repeat(20_000),
        "? ".repeat(20_000),
        (0..4_000).map(|level| format!("{}a:\n", " ".repeat(level))).collect(),
    ] {
        assert_eq!(codes(deep.as_bytes()), ["TS0006"], "{}", &deep[..60]);
    }
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert_eq!(codes(bomb.as_bytes()), ["TS0006"]);
    let place = complaints(bomb.as_bytes()).0.remove(0).primary.unwrap().place;
    assert!(place.source.text[place.span.clone()].starts_with("*a"), "{:?}", place.line_column());
    assert_eq!(codes(b"a: &a [*a]\n"), ["TS0006"]);
}
