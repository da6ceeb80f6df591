//! Every plan of the guide is valid, has the order that the guide shows, and is rehearsed to its end.

use std::path::Path;

use crate::program::Home;

/// Fenced blocks of a language, each with the text block that follows it before the next one, if there is one.
fn plans(guide: &str) -> Vec<(String, Option<String>)> {
    let mut plans: Vec<(String, Option<String>)> = Vec::new();
    let mut lines = guide.lines();
    while let Some(line) = lines.next() {
        let Some(language) = line.strip_prefix("```") else { continue };
        let text: String =
            lines.by_ref().take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect();
        match language {
            "yaml" => plans.push((text, None)),
            "text" => {
                let (_, order) = plans.last_mut().unwrap();
                assert_eq!(order.replace(text), None, "two orders of one plan");
            }
            _ => {}
        }
    }
    plans
}

#[test]
fn the_plans_of_the_guide_do_what_it_says() {
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/guides/writing-a-plan.md");
    let plans = plans(&std::fs::read_to_string(guide).unwrap());
    assert!(plans.len() >= 8, "{}", plans.len());
    assert!(plans.iter().filter(|(_, order)| order.is_some()).count() >= 5);
    let home = Home::new();
    for (plan, order) in plans {
        let path = home.write("plan.yaml", &plan);
        let said = home.run(&["graph", &path]).expect(0);
        if let Some(order) = order {
            assert_eq!(said.out, order, "{plan}");
        }
        let said = home.run(&["validate", &path]).expect(0);
        assert!(said.out.starts_with("valid"), "{said:#?}");
        assert_eq!(said.err, "", "a plan of the guide is warned about: {plan}");
        home.run(&["rehearse", &path]).expect(0);
    }
}
