//! Outputs that a person provides on the command line: the output must exist, and the value must fit its type.

use serde_json::Value;
use twinspan_engine::{ItemView, StepKey};
use twinspan_plans::{Field, Type, nearest};

use crate::cli::error::CommandError;
use crate::report::reference::type_text;

/// The output `name` of a step, with the value in `text`.
pub(crate) fn of(item: ItemView<'_>, name: &str, text: &str) -> Result<(String, Value), CommandError> {
    let field = output_of(item, name)?;
    Ok((field.name.clone(), value(item.key(), field, text)?))
}

fn output_of<'a>(item: ItemView<'a>, name: &str) -> Result<&'a Field, CommandError> {
    let fields = match item.node().step().map(|step| &step.outputs) {
        Some(Type::Record(fields)) => fields.as_slice(),
        _ => &[],
    };
    if let Some(field) = fields.iter().find(|field| field.name == name) {
        return Ok(field);
    }
    let known: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
    let error = CommandError::not_found(format!("step {} has no output {name}", item.key()));
    Err(match (nearest(name, known.iter().copied()), known.is_empty()) {
        (Some(near), _) => error.hint(format!("did you mean {near}?")),
        (None, true) => error,
        (None, false) => error.hint(format!("it has: {}", known.join(", "))),
    })
}

/// The value: plain text for an output of text, else JSON; it must fit the output's type.
fn value(step: &StepKey, field: &Field, text: &str) -> Result<Value, CommandError> {
    let plain = Value::String(text.to_owned());
    if field.ty != Type::Any && field.ty.check(&plain).is_ok() {
        return Ok(plain);
    }
    let value = serde_json::from_str(text).unwrap_or(plain);
    match field.ty.check(&value) {
        Ok(()) => Ok(value),
        Err(why) => Err(CommandError::usage(format!("{text:?} does not fit {step}.{}: {why}", field.name))
            .hint(format!("{} is {}: {}", field.name, type_text(&field.ty), field.about))),
    }
}
