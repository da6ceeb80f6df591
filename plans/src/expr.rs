//! References `${{ … }}` after compilation, and their evaluation.
//!
//! The expressions are inputs, outputs, the element of a `for_each`, the run's id, `or`, `and`, `not`, `==` and `!=`.
//! Evaluation is
//! pure: everything it reads comes through [`Scope`].

use serde_json::Value;

use std::collections::BTreeSet;

use crate::elements::{ElementPath, names};
use crate::ids::NodeId;

/// One step of a path into a value: `.field` or `[key]`.
#[derive(Clone, Debug, PartialEq)]
pub enum Segment {
    /// A field of a record, by its name.
    Field(String),
    /// An element of a map, by a computed key.
    Key(Box<Expr>),
}

/// A compiled reference.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Literal(Value),
    /// `inputs.NAME…`
    Input {
        /// Name of the input.
        name: String,
        /// The path within its value.
        path: Vec<Segment>,
    },
    /// `steps.ID.OUTPUT…`, `steps.BLOCK[key].ID.OUTPUT…`; keys as in [`crate::plan::Need`].
    Output {
        /// The step.
        node: NodeId,
        /// Keys of the instance; fewer keys than scopes: a map of all instances, by key.
        keys: Vec<Expr>,
        /// The path within its outputs.
        path: Vec<Segment>,
    },
    /// `each.key`; 0 is the innermost `for_each`, 1 is `each.outer` …
    EachKey(u32),
    /// `each.value…`
    EachValue {
        /// Number of levels outwards.
        depth: u32,
        /// The path within the element's value.
        path: Vec<Segment>,
    },
    /// `run.id`
    RunId,
    /// The first value that is present.
    Or(Vec<Expr>),
    /// Whether all are true.
    And(Vec<Expr>),
    /// Negation.
    Not(Box<Expr>),
    /// Equality (`negated`: inequality).
    Equal {
        /// Left side.
        left: Box<Expr>,
        /// Right side.
        right: Box<Expr>,
        /// Whether the operator is `!=`.
        negated: bool,
    },
    /// Text with references in it.
    Concat(Vec<Expr>),
}

/// Parameters with references in them.
#[derive(Clone, Debug, PartialEq)]
pub enum Template {
    /// A constant or a reference.
    Expr(Expr),
    /// A list; an item that is a single reference to a list is spliced in.
    List(Vec<Template>),
    /// A map; entries with an absent value are omitted.
    Map(Vec<(String, Template)>),
    /// A secret input, where the kind accepts one; resolves to its reference, under [`SECRET`].
    Secret(String),
}

/// Key of an object that represents a secret; its value is the reference to the secret. Only the compiler creates such
/// an object;
/// any other value with this key is an error.
pub const SECRET: &str = "$secret";

/// The data that evaluation reads.
pub trait Scope {
    /// An input; `None`: absent.
    fn input(&self, name: &str) -> Option<&Value>;
    /// The elements around the instance that reads.
    fn path(&self) -> &ElementPath;
    /// Outputs of a step (a record), or of all its instances (a map by key); `None`: absent, because the step was
    /// skipped without
    /// a value.
    fn outputs(&self, node: NodeId, keys: &[String]) -> Option<Value>;
    /// The run's id.
    fn run_id(&self) -> &str;
}

/// Why a reference has no value. The compiler excludes most cases; the others depend on data.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EvalError {
    /// A map has no such key.
    #[error("there is no element {key:?} (there are: {})", known.join(", "))]
    NoSuchKey {
        /// The requested key.
        key: String,
        /// The existing keys, at most ten.
        known: Vec<String>,
    },
    /// A key is not text.
    #[error("a key must be text, not {0}")]
    KeyNotText(Value),
    /// A condition is neither true nor false.
    #[error("a condition must be true or false, not {0}")]
    NotBoolean(Value),
    /// `each` is used outside of a `for_each`.
    #[error("`each` is known only inside a `for_each`")]
    NoEach,
    /// A value that is not a secret looks like the reference to one.
    #[error("a value has the key {SECRET}, which is reserved for secrets")]
    LooksLikeASecret,
}

impl Expr {
    /// Evaluates the expression; `None`: absent.
    pub fn eval(&self, scope: &dyn Scope) -> Result<Option<Value>, EvalError> {
        match self {
            Expr::Literal(value) => Ok(Some(value.clone())),
            Expr::Input { name, path } => match present(scope, name) {
                Some(value) => walk(value, path, scope),
                None => Ok(None),
            },
            Expr::Output { node, keys, path } => {
                let keys = keys.iter().map(|key| key.eval_key(scope)).collect::<Result<Vec<_>, _>>()?;
                match scope.outputs(*node, &keys) {
                    Some(value) => walk(&value, path, scope),
                    None => Ok(None),
                }
            }
            Expr::EachKey(depth) => match scope.path().each(*depth) {
                Some((key, _)) => Ok(Some(Value::String(key.to_owned()))),
                None => Err(EvalError::NoEach),
            },
            Expr::EachValue { depth, path } => match scope.path().each(*depth) {
                Some((_, value)) => walk(value, path, scope),
                None => Err(EvalError::NoEach),
            },
            Expr::RunId => Ok(Some(Value::String(scope.run_id().to_owned()))),
            Expr::Or(alternatives) => {
                let mut last = None;
                for alternative in alternatives {
                    last = alternative.eval(scope)?;
                    // `or` chooses the first present value; `false` is skipped, too, so that `or` of two conditions is
                    // the logical one.
                    if !matches!(last, None | Some(Value::Bool(false))) {
                        return Ok(last);
                    }
                }
                Ok(last)
            }
            Expr::And(all) => {
                for condition in all {
                    if !condition.truth(scope)? {
                        return Ok(Some(Value::Bool(false)));
                    }
                }
                Ok(Some(Value::Bool(true)))
            }
            Expr::Not(condition) => Ok(Some(Value::Bool(!condition.truth(scope)?))),
            Expr::Equal { left, right, negated } => {
                let equal = left.eval(scope)? == right.eval(scope)?;
                Ok(Some(Value::Bool(equal != *negated)))
            }
            Expr::Concat(parts) => {
                let mut text = String::new();
                for part in parts {
                    match part.eval(scope)? {
                        Some(Value::String(piece)) => text.push_str(&piece),
                        Some(other) => text.push_str(&other.to_string()),
                        None => return Ok(None),
                    }
                }
                Ok(Some(Value::String(text)))
            }
        }
    }

    /// Whether `test` holds for it or for an expression in it.
    pub fn any(&self, test: &dyn Fn(&Expr) -> bool) -> bool {
        let in_path = |path: &[Segment]| {
            path.iter().any(|segment| matches!(segment, Segment::Key(key) if key.any(test)))
        };
        test(self)
            || match self {
                Expr::Literal(_) | Expr::EachKey(_) | Expr::RunId => false,
                Expr::Input { path, .. } | Expr::EachValue { path, .. } => in_path(path),
                Expr::Output { keys, path, .. } => keys.iter().any(|key| key.any(test)) || in_path(path),
                Expr::Or(list) | Expr::And(list) | Expr::Concat(list) => {
                    list.iter().any(|part| part.any(test))
                }
                Expr::Not(inner) => inner.any(test),
                Expr::Equal { left, right, .. } => left.any(test) || right.any(test),
            }
    }

    /// Whether it reads an element of a `for_each`.
    pub fn reads_each(&self) -> bool {
        self.any(&|part| matches!(part, Expr::EachKey(_) | Expr::EachValue { .. }))
    }

    /// Whether it reads outputs of steps.
    pub fn reads_outputs(&self) -> bool {
        self.any(&|part| matches!(part, Expr::Output { .. }))
    }

    /// Whether its value is known only during the run.
    pub fn depends_on_run(&self) -> bool {
        self.any(&|part| matches!(part, Expr::Output { .. } | Expr::RunId))
    }

    /// Evaluates the expression as a condition; absent counts as false.
    pub fn truth(&self, scope: &dyn Scope) -> Result<bool, EvalError> {
        match self.eval(scope)? {
            None => Ok(false),
            Some(Value::Bool(truth)) => Ok(truth),
            Some(other) => Err(EvalError::NotBoolean(other)),
        }
    }

    /// Evaluates the expression as the key of an instance or of a map element.
    pub fn eval_key(&self, scope: &dyn Scope) -> Result<String, EvalError> {
        match self.eval(scope)? {
            Some(Value::String(key)) => Ok(key),
            other => Err(EvalError::KeyNotText(other.unwrap_or(Value::Null))),
        }
    }
}

impl Template {
    /// Replaces every reference; `None`: the template is a single reference, and absent.
    pub fn resolve(&self, scope: &dyn Scope) -> Result<Option<Value>, EvalError> {
        match self {
            Template::Expr(expr) => match expr.eval(scope)? {
                // Data of a resource or of an inputs file must not make this program read a file or run a program.
                Some(value) if looks_like_a_secret(&value) => Err(EvalError::LooksLikeASecret),
                value => Ok(value),
            },
            Template::Secret(input) => {
                let reference = present(scope, input).cloned();
                Ok(reference.map(|reference| serde_json::json!({ SECRET: reference })))
            }
            Template::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    match (item, item.resolve(scope)?) {
                        (Template::Expr(expr), Some(Value::Array(inner)))
                            if !matches!(expr, Expr::Literal(_)) =>
                        {
                            list.extend(inner);
                        }
                        (_, Some(value)) => list.push(value),
                        (_, None) => {}
                    }
                }
                Ok(Some(Value::Array(list)))
            }
            Template::Map(entries) => {
                let mut map = serde_json::Map::new();
                for (key, entry) in entries {
                    if let Some(value) = entry.resolve(scope)? {
                        map.insert(key.clone(), value);
                    }
                }
                Ok(Some(Value::Object(map)))
            }
        }
    }
}

/// An input that has a value: null is absent, as in a path.
fn present<'s>(scope: &'s dyn Scope, input: &str) -> Option<&'s Value> {
    scope.input(input).filter(|value| !value.is_null())
}

fn looks_like_a_secret(value: &Value) -> bool {
    match value {
        Value::Object(fields) => {
            fields.iter().any(|(name, value)| name == SECRET || looks_like_a_secret(value))
        }
        Value::Array(items) => items.iter().any(looks_like_a_secret),
        _ => false,
    }
}

fn walk(value: &Value, path: &[Segment], scope: &dyn Scope) -> Result<Option<Value>, EvalError> {
    let mut at = value;
    for segment in path {
        let next = match segment {
            Segment::Field(name) => at.get(name.as_str()),
            Segment::Key(expr) => {
                let key = expr.eval_key(scope)?;
                let map = at.as_object();
                match at.get(key.as_str()).or_else(|| {
                    // Keys are not case-sensitive: another map's `Prod` is `prod` here.
                    map?.iter().find(|(known, _)| names(&key, known)).map(|(_, next)| next)
                }) {
                    Some(next) => Some(next),
                    None => {
                        let known = map.into_iter().flat_map(|map| map.keys().take(10).cloned()).collect();
                        return Err(EvalError::NoSuchKey { key, known });
                    }
                }
            }
        };
        match next {
            Some(next) if !next.is_null() => at = next,
            _ => return Ok(None),
        }
    }
    Ok(Some(at.clone()))
}

/// Collects the names of the inputs that an expression reads, including those in keys.
pub(crate) fn inputs_of_expr<'a>(expr: &'a Expr, found: &mut BTreeSet<&'a str>) {
    let path = |path: &'a [Segment], found: &mut BTreeSet<&'a str>| {
        for segment in path {
            if let Segment::Key(key) = segment {
                inputs_of_expr(key, found);
            }
        }
    };
    match expr {
        Expr::Input { name, path: segments } => {
            found.insert(name);
            path(segments, found);
        }
        Expr::Output { keys, path: segments, .. } => {
            keys.iter().for_each(|key| inputs_of_expr(key, found));
            path(segments, found);
        }
        Expr::EachValue { path: segments, .. } => path(segments, found),
        Expr::Or(all) | Expr::And(all) | Expr::Concat(all) => {
            all.iter().for_each(|part| inputs_of_expr(part, found));
        }
        Expr::Not(inner) => inputs_of_expr(inner, found),
        Expr::Equal { left, right, .. } => {
            inputs_of_expr(left, found);
            inputs_of_expr(right, found);
        }
        Expr::Literal(_) | Expr::EachKey(_) | Expr::RunId => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Given(Value, ElementPath);

    impl Scope for Given {
        fn input(&self, name: &str) -> Option<&Value> {
            self.0.get(name)
        }
        fn path(&self) -> &ElementPath {
            &self.1
        }
        fn outputs(&self, _node: NodeId, keys: &[String]) -> Option<Value> {
            keys.is_empty().then(|| json!({ "id": "out" }))
        }
        fn run_id(&self) -> &str {
            "run"
        }
    }

    fn input(name: &str) -> Expr {
        Expr::Input { name: name.to_owned(), path: Vec::new() }
    }

    fn given_of(value: Value) -> Given {
        let path = ElementPath::default().inside(NodeId(0), ("k".to_owned(), value.clone()));
        Given(value, path)
    }

    fn given() -> Given {
        given_of(
            json!({ "list": ["a", "b"], "text": "t", "no": false, "yes": true, "number": 7, "map": { "t": { "id": 1 } } }),
        )
    }

    #[test]
    fn a_reference_to_a_list_is_spliced_and_what_is_absent_is_left_out() {
        let template = Template::Map(vec![
            (
                "all".into(),
                Template::List(vec![
                    Template::Expr(input("list")),
                    Template::Expr(input("absent")),
                    Template::Expr(Expr::Literal(json!(["c"]))),
                    Template::Expr(input("text")),
                ]),
            ),
            ("gone".into(), Template::Expr(input("absent"))),
        ]);
        assert_eq!(template.resolve(&given()), Ok(Some(json!({ "all": ["a", "b", ["c"], "t"] }))));
    }

    #[test]
    fn a_secret_stands_for_itself_and_nothing_else_looks_like_one() {
        let given =
            given_of(json!({ "psk": { "env": "PSK" }, "body": { "a": [{ SECRET: { "command": ["x"] } }] } }));
        let secret = Template::Map(vec![("key".into(), Template::Secret("psk".into()))]);
        assert_eq!(secret.resolve(&given), Ok(Some(json!({ "key": { SECRET: { "env": "PSK" } } }))));
        assert_eq!(Template::Secret("absent".into()).resolve(&given), Ok(None));
        let forged = Template::List(vec![Template::Expr(input("body"))]);
        assert_eq!(forged.resolve(&given), Err(EvalError::LooksLikeASecret));
    }

    #[test]
    fn or_takes_the_first_that_is_present() {
        let or = |parts: Vec<Expr>| Expr::Or(parts).eval(&given());
        assert_eq!(or(vec![input("absent"), input("text"), input("number")]), Ok(Some(json!("t"))));
        assert_eq!(or(vec![input("no"), input("yes")]), Ok(Some(json!(true))));
        assert_eq!(or(vec![input("absent"), input("no")]), Ok(Some(json!(false))));
        assert_eq!(or(vec![input("absent"), input("missing")]), Ok(None));
    }

    #[test]
    fn conditions() {
        let equal =
            |left, right, negated| Expr::Equal { left: Box::new(left), right: Box::new(right), negated };
        assert_eq!(equal(input("text"), Expr::Literal(json!("t")), false).truth(&given()), Ok(true));
        assert_eq!(equal(input("text"), input("absent"), true).truth(&given()), Ok(true));
        assert_eq!(Expr::Not(Box::new(input("absent"))).truth(&given()), Ok(true));
        assert_eq!(Expr::And(vec![input("yes"), input("no")]).truth(&given()), Ok(false));
        assert_eq!(input("text").truth(&given()), Err(EvalError::NotBoolean(json!("t"))));
    }

    #[test]
    fn paths_keys_and_texts() {
        let keyed = |key| Expr::Input {
            name: "map".into(),
            path: vec![Segment::Key(Box::new(key)), Segment::Field("id".into())],
        };
        assert_eq!(keyed(input("text")).eval(&given()), Ok(Some(json!(1))));
        assert_eq!(
            keyed(Expr::Literal(json!("u"))).eval(&given()),
            Err(EvalError::NoSuchKey { key: "u".into(), known: vec!["t".into()] })
        );
        let text = |parts| Expr::Concat(parts).eval(&given());
        assert_eq!(
            text(vec![Expr::Literal(json!("x-")), input("number"), Expr::EachKey(0)]),
            Ok(Some(json!("x-7k")))
        );
        assert_eq!(text(vec![Expr::Literal(json!("x-")), input("absent")]), Ok(None));
        assert_eq!(Expr::EachKey(1).eval(&given()), Err(EvalError::NoEach));
        assert_eq!(Expr::RunId.eval(&given()), Ok(Some(json!("run"))));
    }
}
