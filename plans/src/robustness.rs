//! No text makes the parser, the checks or the renderer panic, and they stay quick.

use proptest::prelude::*;

use crate::{Diagnostics, RawInputs, compile, fixture, parse};

const SHIPPED: [&str; 2] = ["cross-tenant-connection", "hello-durable"];

fn library(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/library/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// The whole way; what is said must be renderable, and an error must have a next action.
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
    assert!(found.iter().all(|one| one.help.is_some()), "{}", found.render(false));
    assert!(!found.render(true).is_empty());
    found.to_json();
    false
}

fn inputs(text: &[u8]) {
    let mut raw = RawInputs::new();
    let document = parse("plan.yaml", &library("cross-tenant-connection.yaml")).unwrap();
    let plan = compile(&document, &fixture::catalog()).unwrap().plan;
    let mut read = |_: &str| Ok(text.to_vec());
    let found = raw.file("inputs.yaml", text, &mut read).and_then(|()| plan.bind(&raw).map(drop));
    if let Err(found) = found {
        found.render(false);
    }
    if raw.csv("target_scope", "t.csv", text).is_ok() {
        plan.bind(&raw).unwrap_err().render(false);
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

/// Pieces that matter to the formats, to be put together at random.
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
    fn mutated_plans(which in 0..2_usize, at in any::<prop::sample::Index>(), len in 0..30_usize, with in soup()) {
        let text = String::from_utf8(library(&format!("{}.yaml", SHIPPED[which]))).unwrap();
        let floor = |mut at: usize| { while !text.is_char_boundary(at) { at -= 1; } at };
        let start = floor(at.index(text.len()));
        let end = floor((start + len).min(text.len())).max(start);
        whole_way(format!("{}{with}{}", &text[..start], &text[end..]).as_bytes());
    }
}
