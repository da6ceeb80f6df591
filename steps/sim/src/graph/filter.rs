//! `$filter` of Graph: comparisons of a property with a text, `any` over a list, `startswith`, `and`, `or`, `not`,
//! parentheses.

use serde_json::Value;

/// A condition on one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Filter {
    Is(String, Option<String>),
    IsNot(String, Option<String>),
    StartsWith(String, String),
    AnyIs(String, String),
    In(String, Vec<String>),
    Not(Box<Filter>),
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
}

impl Filter {
    /// Whether Graph wants `ConsistencyLevel: eventual` for it.
    pub(super) fn is_advanced(&self) -> bool {
        match self {
            Filter::IsNot(..) | Filter::Not(_) => true,
            Filter::Is(..) | Filter::StartsWith(..) | Filter::AnyIs(..) | Filter::In(..) => false,
            Filter::And(a, b) | Filter::Or(a, b) => a.is_advanced() || b.is_advanced(),
        }
    }

    pub(super) fn fits(&self, object: &Value) -> bool {
        match self {
            Filter::Is(name, wanted) => equal(property(object, name), wanted.as_deref()),
            Filter::IsNot(name, wanted) => !equal(property(object, name), wanted.as_deref()),
            Filter::StartsWith(name, start) => property(object, name)
                .and_then(Value::as_str)
                .is_some_and(|v| v.to_lowercase().starts_with(&start.to_lowercase())),
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

fn tokens(text: &str) -> Result<Vec<Token>, String> {
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
                        None => return Err("a text does not end".to_owned()),
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

/// Deepest nesting that is read: a filter of a client never comes near it.
const DEEPEST: usize = 32;

struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

/// Reads a filter.
pub(super) fn parse(text: &str) -> Result<Filter, String> {
    let mut parser = Parser { tokens: tokens(text)?, at: 0, depth: 0 };
    let filter = parser.either()?;
    match parser.tokens.get(parser.at) {
        None => Ok(filter),
        Some(rest) => Err(format!("unexpected {rest:?}")),
    }
}

impl Parser {
    fn peek_word(&self, wanted: &str) -> bool {
        matches!(self.tokens.get(self.at), Some(Token::Word(word)) if word.eq_ignore_ascii_case(wanted))
    }

    fn next(&mut self) -> Result<Token, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("it ends too early")?;
        self.at += 1;
        Ok(token)
    }

    fn expect(&mut self, wanted: &Token) -> Result<(), String> {
        let got = self.next()?;
        if got == *wanted { Ok(()) } else { Err(format!("expected {wanted:?}, got {got:?}")) }
    }

    fn either(&mut self) -> Result<Filter, String> {
        let mut left = self.both()?;
        while self.peek_word("or") {
            self.at += 1;
            left = Filter::Or(Box::new(left), Box::new(self.both()?));
        }
        Ok(left)
    }

    fn both(&mut self) -> Result<Filter, String> {
        let mut left = self.one()?;
        while self.peek_word("and") {
            self.at += 1;
            left = Filter::And(Box::new(left), Box::new(self.one()?));
        }
        Ok(left)
    }

    fn one(&mut self) -> Result<Filter, String> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err("it is nested too deeply".to_owned());
        }
        let filter = self.condition();
        self.depth -= 1;
        filter
    }

    fn condition(&mut self) -> Result<Filter, String> {
        let word = match self.next()? {
            Token::Open => {
                let inner = self.either()?;
                self.expect(&Token::Close)?;
                return Ok(inner);
            }
            Token::Word(word) => word,
            other => return Err(format!("unexpected {other:?}")),
        };
        if word.eq_ignore_ascii_case("not") {
            return Ok(Filter::Not(Box::new(self.one()?)));
        }
        if word.eq_ignore_ascii_case("startswith") {
            self.expect(&Token::Open)?;
            let name = self.word()?;
            self.expect(&Token::Comma)?;
            let start = self.text()?.unwrap_or_default();
            self.expect(&Token::Close)?;
            return Ok(Filter::StartsWith(name, start));
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
                        other => return Err(format!("unexpected {other:?}")),
                    }
                }
            }
            other => Err(format!("the operator '{other}' is not supported")),
        }
    }

    fn word(&mut self) -> Result<String, String> {
        match self.next()? {
            Token::Word(word) => Ok(word),
            other => Err(format!("unexpected {other:?}")),
        }
    }

    /// A quoted text, `true`, `false`, or `null`.
    fn text(&mut self) -> Result<Option<String>, String> {
        match self.next()? {
            Token::Text(text) => Ok(Some(text)),
            Token::Word(word) if word.eq_ignore_ascii_case("null") => Ok(None),
            Token::Word(word) if ["true", "false"].contains(&word.as_str()) => Ok(Some(word)),
            other => Err(format!("unexpected {other:?}")),
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
            ("externalUserState in ('Accepted','PendingAcceptance')", false),
        ] {
            assert_eq!(parse(filter).unwrap().fits(&nina), wanted, "{filter}");
        }
        assert!(parse("externalUserState ne 'Accepted'").unwrap().is_advanced());
        assert!(!parse("externalUserState eq 'Accepted'").unwrap().is_advanced());
    }

    #[test]
    fn what_is_no_filter_is_refused_and_never_overflows() {
        for bad in ["", "mail", "mail eq", "mail eq 'x", "mail gt 'x'", "mail eq 'x' mail", ")", "a/any(m:m"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
        assert!(parse(&"not ".repeat(100_000)).is_err());
    }
}
