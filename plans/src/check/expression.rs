//! Expressions: operators, and the type of every value. `path` resolves paths.

use std::ops::Range;

use serde_json::Value;

use crate::catalog::Type;
use crate::diagnostic::Diagnostic;
use crate::expr::Expr;
use crate::lattice::{assignable, check_text, is_text};
use crate::reference::{Kind, Reference, SyntaxError};

use super::{Checker, PlacedNeed, Reader};

/// Maps positions in a string's value to positions in the file.
#[derive(Clone, Debug)]
pub(super) struct Origin {
    /// The string in the file, with its quotes.
    whole: Range<usize>,
    /// Start of the value in the file, if the value occurs there literally.
    base: Option<usize>,
    len: usize,
}

impl Origin {
    pub(super) fn new(file: &str, whole: &Range<usize>, value: &str) -> Self {
        let written = file.get(whole.clone()).unwrap_or_default();
        let base = written.find(value).map(|at| whole.start + at);
        Origin { whole: whole.clone(), base, len: value.len() }
    }

    pub(super) fn span(&self, within: &Range<usize>) -> Range<usize> {
        match self.base {
            Some(base) if within.end <= self.len => base + within.start..base + within.end,
            _ => self.whole.clone(),
        }
    }
}

/// A compiled expression and its type.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) expr: Expr,
    pub(super) ty: Type,
    /// The text, if it is a constant text.
    pub(super) literal: Option<String>,
    /// Whether it is composed of text and references; then it fits where text fits.
    pub(super) built: bool,
    /// Why the value may be absent.
    pub(super) absent: Option<Absent>,
}

/// Why a value may be absent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// An optional input, or an optional field of an input: known when the inputs are bound.
    Input,
    /// An output that the kind does not always have.
    Output(String),
    /// A step that may be skipped; used only inside `or`.
    Condition,
}

impl Typed {
    pub(super) fn unknown() -> Self {
        Typed { expr: Expr::Literal(Value::Null), ty: Type::Any, literal: None, built: false, absent: None }
    }

    pub(super) fn of(expr: Expr, ty: Type) -> Self {
        Typed { expr, ty, ..Typed::unknown() }
    }

    /// Why the value does not fit `wanted`; `None` if it fits.
    pub(super) fn misfit(&self, wanted: &Type) -> Option<String> {
        if let Some(text) = &self.literal {
            return check_text(text, wanted).err().map(|misfit| misfit.why);
        }
        if self.built && is_text(wanted) || assignable(&self.ty, wanted) {
            return None;
        }
        Some(format!("of type {}", self.ty))
    }
}

impl Checker<'_> {
    pub(super) fn syntax_errors(&mut self, errors: Vec<SyntaxError>, origin: &Origin) {
        for error in errors {
            let diagnostic = Diagnostic::error("TS0201", error.message)
                .at(self.place(&origin.span(&error.span)), "")
                .help(error.help);
            self.problem(diagnostic);
        }
    }

    /// Compiles a reference. After an error the result has type `any`, so that no second error follows.
    pub(super) fn expression(
        &mut self,
        reader: Reader,
        reference: &Reference,
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> Typed {
        match &reference.kind {
            Kind::Text(text) => Typed {
                literal: Some(text.clone()),
                ..Typed::of(Expr::Literal(text.as_str().into()), Type::String)
            },
            Kind::Integer(number) => Typed::of(Expr::Literal((*number).into()), Type::Integer),
            Kind::Boolean(truth) => Typed::of(Expr::Literal((*truth).into()), Type::Boolean),
            Kind::Or(alternatives) => self.or(reader, reference, alternatives, origin, needs),
            Kind::And(all) => {
                let all = all.iter().map(|part| self.condition_part(reader, part, origin, needs)).collect();
                Typed::of(Expr::And(all), Type::Boolean)
            }
            Kind::Not(inner) => {
                let inner = self.condition_part(reader, inner, origin, needs);
                Typed::of(Expr::Not(Box::new(inner)), Type::Boolean)
            }
            Kind::Equal { left, right, negated } => {
                let l = self.expression(reader, left, origin, needs);
                let r = self.expression(reader, right, origin, needs);
                self.comparable(&l, &r, reference, origin);
                let (left, right) = (Box::new(l.expr), Box::new(r.expr));
                Typed::of(Expr::Equal { left, right, negated: *negated }, Type::Boolean)
            }
            Kind::Path(path) => self.path(reader, path, reference, origin, needs),
        }
    }

    fn condition_part(
        &mut self,
        reader: Reader,
        part: &Reference,
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> Expr {
        let typed = self.expression(reader, part, origin, needs);
        if !matches!(typed.ty, Type::Boolean | Type::Any) {
            let diagnostic = Diagnostic::error("TS0207", "a condition is needed here")
                .at(self.place(&origin.span(&part.span)), format!("of type {}, not true or false", typed.ty))
                .help("compare it: `… == 'value'`");
            self.problem(diagnostic);
        }
        typed.expr
    }

    fn or(
        &mut self,
        reader: Reader,
        whole: &Reference,
        alternatives: &[Reference],
        origin: &Origin,
        needs: &mut Vec<PlacedNeed>,
    ) -> Typed {
        let lenient = Reader { lenient: true, ..reader };
        let all: Vec<Typed> =
            alternatives.iter().map(|part| self.expression(lenient, part, origin, needs)).collect();
        let mut ty = all.first().map_or(Type::Any, |first| first.ty.clone());
        for typed in &all[1..] {
            ty = if typed.misfit(&ty).is_none() {
                ty
            } else if assignable(&ty, &typed.ty) {
                typed.ty.clone()
            } else if is_text(&ty) && is_text(&typed.ty) {
                Type::String
            } else {
                let message = format!("the alternatives of `or` differ: {ty} and {}", typed.ty);
                let diagnostic = Diagnostic::error("TS0207", message)
                    .at(self.place(&origin.span(&whole.span)), "all must be of one type")
                    .help("choose between values of the same type");
                self.problem(diagnostic);
                Type::Any
            };
        }
        let absent = if all.iter().any(|typed| typed.absent.is_none()) {
            None
        } else {
            all.last().and_then(|typed| typed.absent.clone())
        };
        let built = all.iter().all(|typed| typed.built);
        let expr = Expr::Or(all.into_iter().map(|typed| typed.expr).collect());
        Typed { expr, ty, literal: None, built, absent }
    }

    fn comparable(&mut self, left: &Typed, right: &Typed, whole: &Reference, origin: &Origin) {
        for (one, other) in [(left, right), (right, left)] {
            if let (Type::Choice(words), Some(text)) = (&one.ty, &other.literal)
                && !words.contains(text)
            {
                let diagnostic = Diagnostic::error("TS0207", format!("this is never `{text}`"))
                    .at(self.place(&origin.span(&whole.span)), format!("one of {}", words.join(", ")))
                    .help("compare with one of the choices")
                    .did_you_mean(text, words.iter().map(String::as_str));
                self.problem(diagnostic);
                return;
            }
        }
        let texts = is_text(&left.ty) && is_text(&right.ty);
        if !texts && !assignable(&left.ty, &right.ty) && !assignable(&right.ty, &left.ty) {
            let message = format!("{} and {} are never equal", left.ty, right.ty);
            let diagnostic = Diagnostic::error("TS0207", message)
                .at(self.place(&origin.span(&whole.span)), "compared here")
                .help("compare values of the same type");
            self.problem(diagnostic);
        }
    }
}
