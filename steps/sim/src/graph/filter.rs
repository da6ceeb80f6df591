//! Graph's `$filter`: comparisons of a property with a text, `any` over a list, `startswith`, `and`, `or`, `not`,
//! parentheses.

use serde_json::Value;

/// A condition on one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Is(String, Option<String>),
    IsNot(String, Option<String>),
    StartsWith(String, String),
    EndsWith(String, String),
    AnyIs(String, String),
    In(String, Vec<String>),
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

/// Operators that Graph allows in advanced queries only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advanced {
    Not,
    NotEquals,
    EndsWith,
}

/// Why a filter is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Problem {
    /// It is malformed, or uses an operator that Graph does not support.
    Invalid(String),
    /// It uses an operator that only Graph supports.
    NotSimulated(String),
}

impl From<String> for Problem {
    fn from(why: String) -> Self {
        Problem::Invalid(why)
    }
}

impl From<&str> for Problem {
    fn from(why: &str) -> Self {
        Problem::Invalid(why.to_owned())
    }
}

impl Filter {
    /// The operator in it that requires `ConsistencyLevel: eventual` and `$count=true`.
    pub(super) fn advanced(&self) -> Option<Advanced> {
        match self {
            Filter::IsNot(..) => Some(Advanced::NotEquals),
            Filter::Not(_) => Some(Advanced::Not),
            Filter::EndsWith(..) => Some(Advanced::EndsWith),
            Filter::Is(..) | Filter::StartsWith(..) | Filter::AnyIs(..) | Filter::In(..) => None,
            Filter::And(a, b) | Filter::Or(a, b) => a.advanced().or_else(|| b.advanced()),
        }
    }

    /// Names of the properties that it uses.
    pub(super) fn properties(&self) -> Vec<&str> {
        match self {
            Filter::Is(name, _)
            | Filter::IsNot(name, _)
            | Filter::StartsWith(name, _)
            | Filter::EndsWith(name, _)
            | Filter::AnyIs(name, _)
            | Filter::In(name, _) => vec![name],
            Filter::Not(inner) => inner.properties(),
            Filter::And(a, b) | Filter::Or(a, b) => [a.properties(), b.properties()].concat(),
        }
    }

    pub(super) fn fits(&self, object: &Value) -> bool {
        match self {
            Filter::Is(name, wanted) => equal(property(object, name), wanted.as_deref()),
            Filter::IsNot(name, wanted) => !equal(property(object, name), wanted.as_deref()),
            Filter::StartsWith(name, start) => property(object, name)
                .and_then(Value::as_str)
                .is_some_and(|v| v.to_lowercase().starts_with(&start.to_lowercase())),
            Filter::EndsWith(name, end) => property(object, name)
                .and_then(Value::as_str)
                .is_some_and(|v| v.to_lowercase().ends_with(&end.to_lowercase())),
            Filter::AnyIs(name, wanted) => property(object, name)
                .and_then(Value::as_array)
                .is_some_and(|list| list.iter().any(|v| equal(Some(v), Some(wanted)))),
            Filter::In(name, wanted) => wanted.iter().any(|w| equal(property(object, name), Some(w))),
            Filter::Not(inner) => !inner.fits(object),
            Filter::And(a, b) => a.fits(object) && b.fits(object),
            Filter::Or(a, b) => a.fits(object) || b.fits(object),
        }
    }
}

fn property<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.as_object()?.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn equal(value: Option<&Value>, wanted: Option<&str>) -> bool {
    match (value, wanted) {
        (None | Some(Value::Null), None) => true,
        (Some(Value::String(text)), Some(wanted)) => text.to_lowercase() == wanted.to_lowercase(),
        (Some(Value::Bool(flag)), Some(wanted)) => flag.to_string() == wanted,
        _ => false,
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

fn tokens(text: &str) -> Result<Vec<Token>, Problem> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            ',' => tokens.push(Token::Comma),
            '\'' => {
                let mut quoted = String::new();
                loop {
                    match chars.next() {
                        Some('\'') if chars.peek() == Some(&'\'') => {
                            chars.next();
                            quoted.push('\'');
                        }
                        Some('\'') => break,
                        Some(other) => quoted.push(other),
                        None => return Err("a text does not end".into()),
                    }
                }
                tokens.push(Token::Text(quoted));
            }
            first => {
                let mut word = String::from(first);
                while let Some(&next) = chars.peek() {
                    if " (),'".contains(next) {
                        break;
                    }
                    word.push(next);
                    chars.next();
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Ok(tokens)
}

/// Largest nesting depth; filters of clients are far below it.
const DEEPEST: usize = 32;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Parses a filter.
pub(super) fn parse(text: &str) -> Result<Filter, Problem> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let filter = parser.either()?;
    match parser.tokens.get(parser.at) {
        None => Ok(filter),
        Some(rest) => Err(format!("unexpected {rest:?}").into()),
    }
}

impl Parser {
    fn peek_word(&self, wanted: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted))
    }

    fn next(&mut self) -> Result<Token, Problem> {
        let token = self.tokens.get(self.at).cloned().ok_or("it ends too early")?;
        self.at += 1;
        Ok(token)
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), Problem> {
        let got = self.next()?;
        if got == *wanted { Ok(()) } else { Err(format!("expected {wanted:?}, got {got:?}").into()) }
    }

    fn either(&mut self) -> Result<Filter, Problem> {
        let mut left = self.both()?;
        while self.peek_word("or") {
            self.at += 1;
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Filter, Problem> {
        let mut left = self.one()?;
        while self.peek_word("and") {
            self.at += 1;
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Filter, Problem> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is nested too deeply".into());
        }
        let filter = self.condition();
        self.depth -= 1;
        filter
    }

    fn condition(&mut self) -> Result<Filter, Problem> {
        let word = match self.next()? {
            Token::Open => {
                let inner = self.either()?;
                self.expect(&Token::Close)?;
                return Ok(inner);
            }
            Token::Word(word) => word,
            other => return Err(format!("unexpected {other:?}").into()),
        };
        if word.eq_ignore_ascii_case("not") {
            return Ok(Filter::Not(Box::new(self.one()?)));
        }
        let starts = word.eq_ignore_ascii_case("startswith");
        if starts || word.eq_ignore_ascii_case("endswith") {
            self.expect(&Token::Open)?;
            let name = self.word()?;
            self.expect(&Token::Comma)?;
            let text = self.text()?.unwrap_or_default();
            self.expect(&Token::Close)?;
            return Ok(if starts { Filter::StartsWith(name, text) } else { Filter::EndsWith(name, text) });
        }
        if self.tokens.get(self.at) == Some(&Token::Open) && !word.ends_with("/any") {
            return Err(match word.to_ascii_lowercase().as_str() {
                // Graph supports neither for directory objects.
                "contains" | "substringof" => format!("the function '{word}' is not supported").into(),
                "isof" | "cast" => Problem::NotSimulated(format!("the function '{word}' of `$filter`")),
                _ if word.ends_with("/all") || word.ends_with("/$count") => {
                    Problem::NotSimulated(format!("'{word}' of `$filter`"))
                }
                _ => format!("an unknown function with name '{word}' was found").into(),
            });
        }
        if let Some(list) = word.strip_suffix("/any") {
            // any(m:m eq 'text'), with or without spaces around the colon
            self.expect(&Token::Open)?;
            while !self.peek_word("eq") {
                self.word()?;
            }
            self.at += 1;
            let wanted = self.text()?.unwrap_or_default();
            self.expect(&Token::Close)?;
            return Ok(Filter::AnyIs(list.to_owned(), wanted));
        }
        match self.word()?.to_ascii_lowercase().as_str() {
            "eq" => Ok(Filter::Is(word, self.text()?)),
            "ne" => Ok(Filter::IsNot(word, self.text()?)),
            "in" => {
                self.expect(&Token::Open)?;
                let mut wanted = Vec::new();
                loop {
                    wanted.extend(self.text()?);
                    match self.next()? {
                        Token::Comma => {}
                        Token::Close => return Ok(Filter::In(word, wanted)),
                        other => return Err(format!("unexpected {other:?}").into()),
                    }
                }
            }
            other @ ("gt" | "ge" | "lt" | "le" | "has") => {
                Err(Problem::NotSimulated(format!("the operator '{other}' of `$filter`")))
            }
            other => Err(format!("syntax error at '{other}'").into()),
        }
    }

    fn word(&mut self) -> Result<String, Problem> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            other => Err(format!("unexpected {other:?}").into()),
        }
    }

    /// A quoted text, `true`, `false`, or `null`.
    fn text(&mut self) -> Result<Option<String>, Problem> {
        match self.next()? {
            Token::Text(text) => Ok(Some(text)),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Ok(None),
            Token::Word(word) if ["true", "false"].contains(&word.as_str()) => Ok(Some(word)),
            other => Err(format!("unexpected {other:?}").into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_filters_that_clients_send_are_understood() {
        let nina = json!({ "mail": "Nina@contoso.example", "otherMails": ["n@x.example"], "externalUserState": null });
        for (filter, wanted) in [
            ("mail eq 'nina@contoso.example'", true),
            ("mail eq 'o''neil@contoso.example'", false),
            ("mail eq 'x' or otherMails/any(m:m eq 'N@x.example')", true),
            ("otherMails/any(m: m eq 'other')", false),
            ("startswith(mail,'nina') and externalUserState eq null", true),
            ("(mail eq 'x' or mail eq 'y') and startswith(mail, 'n')", false),
            ("not(mail eq 'x')", true),
            ("endswith(mail,'@CONTOSO.example')", true),
            ("endsWith(mail, 'nina')", false),
            ("externalUserState in ('Accepted','PendingAcceptance')", false),
        ] {
            assert_eq!(parse(filter).unwrap().fits(&nina), wanted, "{filter}");
        }
        let advanced = |filter: &str| parse(filter).unwrap().advanced();
        assert_eq!(advanced("externalUserState ne 'Accepted'"), Some(Advanced::NotEquals));
        assert_eq!(advanced("mail eq 'x' or not(mail eq 'y')"), Some(Advanced::Not));
        assert_eq!(advanced("mail eq 'x' and endswith(mail,'y')"), Some(Advanced::EndsWith));
        assert_eq!(advanced("externalUserState eq 'Accepted'"), None);
    }

    #[test]
    fn what_is_no_filter_is_refused_and_never_overflows() {
        for bad in ["", "mail", "mail eq", "mail eq 'x", "mail gt 'x'", "mail eq 'x' mail", ")", "a/any(m:m"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        for known in ["createdDateTime ge '2026'", "otherMails/all(m:m eq 'x')", "isof(mail)"] {
            assert!(matches!(parse(known), Err(Problem::NotSimulated(_))), "{known}");
        }
        for unknown in ["contains(mail,'x')", "nonsense(mail,'x')"] {
            assert!(matches!(parse(unknown), Err(Problem::Invalid(_))), "{unknown}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"not ".repeat(100_000)).is_err());
    }
}
