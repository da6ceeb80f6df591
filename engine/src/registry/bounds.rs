//! Checks a kind's parameters before the run: deserializes them as the kind's own type, as far as they are known, and reports
//! what does not fit.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use twinspan_plans::{Clash, GivenParams, ParamCheck, ParamMisfit};

use crate::step::{Compare, Step};

/// The longest message about one parameter, in characters.
const LONGEST: usize = 400;

/// The check of the kind `S`. Required parameters that are not known yet are taken from `example`.
pub(super) fn check_of<S: Step>(example: Value, required: Vec<String>) -> ParamCheck {
    let example = match example {
        Value::Object(example) => example,
        _ => Map::new(),
    };
    let check = ParamCheck::new(move |given| misfits::<S>(given, &example, &required))
        .with_written_secrets(S::WRITTEN_SECRETS);
    match S::CLASHES {
        Some(clashes) => check.with_joint(move |all| clashes_of::<S>(all, clashes)),
        None => check,
    }
}

/// What does not go together of those that can be read as they are known.
fn clashes_of<S: Step>(all: &[&Map<String, Value>], clashes: Compare<S::Params>) -> Vec<Clash> {
    let known = all.iter().enumerate().filter_map(|(position, values)| {
        let params = super::erased::decode_at::<S::Params>(&Value::Object((*values).clone())).ok()?;
        Some((position, params))
    });
    let known: Vec<(usize, S::Params)> = known.collect();
    let params: Vec<&S::Params> = known.iter().map(|(_, params)| params).collect();
    let place = |position: usize| known.get(position).map(|(position, _)| *position);
    let found = clashes(&params).into_iter();
    found
        .filter_map(|clash| Some(Clash { step: place(clash.step)?, other: place(clash.other)?, ..clash }))
        .collect()
}

fn misfits<S: Step>(
    given: &GivenParams<'_>,
    example: &Map<String, Value>,
    required: &[String],
) -> Vec<ParamMisfit> {
    let mut values = given.values.clone();
    // Values from the example are not reported.
    let mut stand_ins: BTreeSet<String> = given.unknown.iter().map(|name| (*name).to_owned()).collect();
    for name in required.iter().filter(|name| !given.values.contains_key(*name)) {
        stand_ins.insert(name.clone());
        values.extend(example.get_key_value(name).map(|(name, value)| (name.clone(), value.clone())));
    }
    let mut all = Vec::new();
    // Each round removes one wrong parameter.
    for _ in 0..=given.values.len() {
        let value = Value::Object(values.clone());
        let (path, why) = match super::erased::decode_at::<S::Params>(&value) {
            Ok(params) => {
                let fitting = S::misfits(&params, given.ensure).into_iter();
                let fitting =
                    fitting.filter(|misfit| misfit.about.iter().all(|name| !stand_ins.contains(*name)));
                all.extend(fitting.map(|misfit| {
                    let mut path: Vec<String> =
                        misfit.about.first().map(|name| (*name).to_owned()).into_iter().collect();
                    path.extend(misfit.within);
                    ParamMisfit { path, why: misfit.why }
                }));
                break;
            }
            Err(wrong) => wrong,
        };
        let Some(name) = path.first().cloned() else { break };
        if !given.values.contains_key(&name) || !stand_ins.insert(name.clone()) {
            break;
        }
        // The message may repeat a whole file that was pasted into an input.
        let long = why.chars().count() > LONGEST;
        let why = if long { why.chars().take(LONGEST - 3).chain("...".chars()).collect() } else { why };
        all.push(ParamMisfit { path, why });
        match example.get(&name) {
            Some(right) => drop(values.insert(name, right.clone())),
            None => drop(values.remove(&name)),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use schemars::JsonSchema;
    use serde::{Deserialize, Serialize};
    use serde_json::json;
    use twinspan_plans::Ensure;

    use super::*;
    use crate::failure::StepError;
    use crate::ids::ClaimKey;
    use crate::kind_meta::KindMeta;
    use crate::observation::{Applied, Observed, Undone};
    use crate::step::{Misfit, StepCx};

    #[derive(Debug)]
    struct Pair;

    #[derive(Serialize, Deserialize, JsonSchema)]
    struct Params {
        low: u8,
        high: u8,
        #[serde(default)]
        list: Vec<u8>,
    }

    impl Step for Pair {
        const META: KindMeta = KindMeta::reads("test.pair", "Hold two numbers");

        type Params = Params;
        type Output = Params;

        fn example() -> Params {
            Params { low: 1, high: 2, list: Vec::new() }
        }

        fn misfits(params: &Params, _: Ensure) -> Vec<Misfit> {
            let ordered = params.low <= params.high;
            if ordered { Vec::new() } else { vec![Misfit::new(&["low", "high"], "the wrong way round")] }
        }

        fn claims(&self, _: &StepCx<'_>, _: &Params) -> Vec<ClaimKey> {
            Vec::new()
        }

        async fn check(&self, _: &StepCx<'_>, _: &Params) -> Result<Observed<Params>, StepError> {
            Ok(Observed::Absent)
        }

        async fn apply(&self, _: &StepCx<'_>, _: &Params) -> Result<Applied, StepError> {
            Ok(Applied::default())
        }

        async fn undo(&self, _: &StepCx<'_>, _: &Params, _: &Params) -> Result<Undone, StepError> {
            Ok(Undone::Removed)
        }
    }

    fn said(values: Value, unknown: &[&str]) -> Vec<String> {
        let example = serde_json::to_value(Pair::example()).unwrap();
        let check = check_of::<Pair>(example, vec!["low".to_owned(), "high".to_owned()]);
        let given = GivenParams { values: values.as_object().unwrap(), unknown, ensure: Ensure::Present };
        check.misfits(&given).iter().map(|misfit| format!("{}: {}", misfit.place(), misfit.why)).collect()
    }

    #[test]
    fn each_wrong_parameter_is_said_and_the_others_are_held_to_the_rules() {
        assert!(said(json!({ "low": 1, "high": 3, "list": [1] }), &[]).is_empty());
        assert_eq!(said(json!({ "low": 4, "high": 3 }), &[]), ["low: the wrong way round"]);
        let both = said(json!({ "low": "x", "high": 300, "list": [1, 900] }), &[]);
        assert_eq!(both.len(), 3, "{both:?}");
        assert!(both.iter().any(|said| said.starts_with("list[1]: ")), "{both:?}");
    }

    #[test]
    fn what_is_not_known_yet_is_neither_wrong_nor_compared() {
        assert!(said(json!({ "low": 9 }), &["high"]).is_empty());
        assert_eq!(said(json!({ "low": "x" }), &["high"]).len(), 1);
        assert!(said(json!({}), &["low", "high", "list"]).is_empty());
    }
}
