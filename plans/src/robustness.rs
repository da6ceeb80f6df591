//! Property tests: no text makes the parser, the checks or the renderer panic or take long.

use proptest::prelude::*;

use crate::{Diagnostics, RawInputs, compile, fixture, parse};

const SHIPPED: [&str; 2] = ["cross-tenant-connection", "hello-durable"];

fn library(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/library/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// Parses, compiles and renders; every diagnostic must be renderable, and every error must have a next action.
fn whole_way(text: &[u8]) -> bool {
    let catalog = fixture::catalog();
    let found: Diagnostics = match parse("plan.yaml", text) {
        Err(found) => found,
        Ok(document) => match compile(&document, &catalog) {
            Ok(_) => return true,
            Err(found) => found,
        },
    };
    assert!(found.has_errors());
    // The message after a panic of the parser.
    let gave_up = found.iter().find(|one| one.message == "the file could not be read as YAML");
    assert!(gave_up.is_none(), "panicked on {:?}", String::from_utf8_lossy(text));
    assert!(found.iter().all(|one| one.help.is_some()), "{}", found.render(false));
    assert!(!found.render(true).is_empty());
    found.to_json();
    false
}

fn inputs(text: &[u8]) {
    let mut raw = RawInputs::new();
    let document = parse("plan.yaml", &library("cross-tenant-connection.yaml")).unwrap();
    let plan = compile(&document, &fixture::catalog()).unwrap().plan;
    if let Ok(text) = std::str::from_utf8(text) {
        let mut raw = RawInputs::new();
        for name in plan.inputs.keys() {
            if raw.assignment(&format!("{name}={text}")).is_ok() {
                raw.variable(name, "PLAN_VALUE", text);
            }
        }
        if let Err(found) = plan.bind(&raw) {
            found.render(true);
            found.to_json();
        }
    }
    let mut read = |_: &str| Ok(text.to_vec());
    let found = raw.file("inputs.yaml", text, &mut read).and_then(|()| plan.bind(&raw).map(drop));
    if let Err(found) = found {
        found.render(false);
    }
    if raw.csv("target_scope", "t.csv", text).is_ok() {
        plan.bind(&raw).unwrap_err().render(false);
    }
    let document = parse("plan.yaml", &library("connect-many.yaml")).unwrap();
    let plan = compile(&document, &fixture::catalog()).unwrap().plan;
    for (input, header) in
        [("targets", "key,tenant,scope,name,virtual_networks"), ("tenants", "key;id;contact")]
    {
        let mut raw = RawInputs::new();
        let table = [header.as_bytes(), b"\n", text].concat();
        let read = raw.csv(input, "t.csv", &table);
        if let Err(found) = read.and_then(|()| plan.bind(&raw).map(drop)) {
            found.render(true);
            found.to_json();
        }
    }
}

/// Words in many scripts, and characters that break byte counts.
const FOREIGN: [&str; 12] = [
    "Für alle",
    "→",
    "日本語",
    "\u{1f600}",
    "e\u{301}",
    "\u{202e}",
    "ß",
    "İ",
    "\u{2028}",
    "\u{85}",
    "\u{feff}",
    "\u{10ffff}",
];

#[test]
fn a_plan_in_any_language_is_wrong_in_the_same_place() {
    for word in FOREIGN {
        let text = format!(
            "twinspan: 1\nname: p\nsummary: x {word}\nsteps:\n  - id: a\n    uses delay\n    with: {{ for: 1s }}\n"
        );
        let found = parse("plan.yaml", text.as_bytes()).map(drop).unwrap_err();
        let place = found.0[0].primary.as_ref().unwrap().place.line_column();
        let ascii = parse("plan.yaml", text.replace(word, "there").as_bytes()).map(drop).unwrap_err();
        assert_eq!(found.0[0].message, ascii.0[0].message, "{word:?}");
        assert_eq!(
            place.0,
            ascii.0[0].primary.as_ref().unwrap().place.line_column().0,
            "{word:?}: {place:?}"
        );
    }
}

#[test]
fn every_truncation_of_a_shipped_plan_is_bearable() {
    let mut cases = 0;
    for name in SHIPPED {
        let text = library(&format!("{name}.yaml"));
        assert!(whole_way(&text));
        for end in 0..text.len() {
            whole_way(&text[..end]);
            cases += 1;
        }
    }
    println!("{cases} truncations");
}

#[test]
fn a_long_file_is_no_other_plan() {
    let text = library("cross-tenant-connection.yaml");
    let mut long = text.clone();
    for _ in 0..10_000 {
        long.extend_from_slice(b"# one more line of nothing\n");
    }
    assert!(whole_way(&long));
}

/// Fragments of the formats, combined at random.
fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("${{".to_owned()),
        Just("}}".to_owned()),
        Just("steps.a.id".to_owned()),
        Just("inputs.x[".to_owned()),
        Just("]".to_owned()),
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just(" or ".to_owned()),
        Just("not ".to_owned()),
        Just("\n  - ".to_owned()),
        Just("\n".to_owned()),
        Just(": ".to_owned()),
        Just("{".to_owned()),
        Just("&a ".to_owned()),
        Just("*a".to_owned()),
        Just("\u{feff}é\u{1f600}".to_owned()),
        prop::sample::select(FOREIGN.to_vec()).prop_map(str::to_owned),
        Just(",".to_owned()),
        Just(";".to_owned()),
        Just("\t".to_owned()),
        "[ -~]{0,6}",
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn arbitrary_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        whole_way(&bytes);
        inputs(&bytes);
    }

    #[test]
    fn soup_of_what_matters(text in soup()) {
        whole_way(text.as_bytes());
        inputs(text.as_bytes());
        if let Err(errors) = crate::reference::pieces(&text) {
            prop_assert!(!errors.is_empty());
        }
        let _ = crate::reference::need(&text);
        let in_step = format!("  - id: a\n    uses: approval\n    needs: [{}]\n    with: {{ show: {} }}\n",
            serde_json::to_string(&text).unwrap(), serde_json::to_string(&text).unwrap());
        whole_way(fixture::plan(&in_step).as_bytes());
    }

    #[test]
    fn plans_with_foreign_words_anywhere(which in 0..2_usize, at in any::<prop::sample::Index>(), word in prop::sample::select(FOREIGN.to_vec())) {
        let text = String::from_utf8(library(&format!("{}.yaml", SHIPPED[which]))).unwrap();
        let mut at = at.index(text.len());
        while !text.is_char_boundary(at) { at -= 1; }
        let (before, after) = text.split_at(at);
        whole_way(format!("{before}{word}{after}").as_bytes());
        // The same with an error after it.
        whole_way(format!("{before}{word}{}", after.replacen(": ", " ", 1)).as_bytes());
        inputs(format!("{before}{word}").as_bytes());
    }

    #[test]
    fn mutated_plans(which in 0..2_usize, at in any::<prop::sample::Index>(), len in 0..30_usize, with in soup()) {
        let text = String::from_utf8(library(&format!("{}.yaml", SHIPPED[which]))).unwrap();
        let floor = |mut at: usize| { while !text.is_char_boundary(at) { at -= 1; } at };
        let start = floor(at.index(text.len()));
        let end = floor((start + len).min(text.len())).max(start);
        whole_way(format!("{}{with}{}", &text[..start], &text[end..]).as_bytes());
    }
}
