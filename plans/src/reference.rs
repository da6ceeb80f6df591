//! The syntax of references: `${{ … }}` inside strings, and entries of `needs`.
//!
//! Grammar, loosest first:
//! ```text
//! or      = and { "or" and }
//! and     = not { "and" not }
//! not     = "not" not | equal
//! equal   = atom [ ("==" | "!=") atom ]
//! atom    = 'text' | integer | true | false | "(" or ")" | path
//! path    = word { "." word | "[" or "]" }
//! ```
//! This module does not resolve names; `check` does.

use std::ops::Range;

/// Maximum nesting of parentheses, brackets and `not`.
const MAX_DEPTH: usize = 32;

/// A parsed reference; spans are bytes of the containing string.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Reference {
    pub(crate) span: Range<usize>,
    pub(crate) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind {
    Text(String),
    Integer(i64),
    Boolean(bool),
    Path(Path),
    Or(Vec<Reference>),
    And(Vec<Reference>),
    Not(Box<Reference>),
    Equal { left: Box<Reference>, right: Box<Reference>, negated: bool },
}

/// `root.part[part]…`
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Path {
    pub(crate) root: Word,
    pub(crate) parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Part {
    Field(Word),
    Key(Reference),
}

impl Part {
    pub(crate) fn span(&self) -> Range<usize> {
        match self {
            Part::Field(word) => word.span.clone(),
            Part::Key(key) => key.span.clone(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) text: String,
    pub(crate) span: Range<usize>,
}

/// A part of a string.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Piece {
    Text(String),
    Reference(Reference),
}

/// A syntax error in a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SyntaxError {
    pub(crate) span: Range<usize>,
    pub(crate) message: String,
    pub(crate) help: String,
}

impl SyntaxError {
    fn new(span: Range<usize>, message: impl Into<String>, help: impl Into<String>) -> Self {
        SyntaxError { span, message: message.into(), help: help.into() }
    }
}

/// Whether a string contains a reference.
pub(crate) fn has_reference(text: &str) -> bool {
    text.contains("${{")
}

/// Splits a string into text and references. Reports every error of the string.
pub(crate) fn pieces(text: &str) -> Result<Vec<Piece>, Vec<SyntaxError>> {
    let mut pieces = Vec::new();
    let mut errors = Vec::new();
    let mut at = 0;
    while let Some(found) = text[at..].find("${{") {
        let open = at + found;
        if open > at {
            pieces.push(Piece::Text(text[at..open].to_owned()));
        }
        let inside = open + 3;
        let Some(close) = closing(text, inside) else {
            errors.push(SyntaxError::new(
                open..text.len(),
                "a reference is not closed",
                "end it with `}}`, and close every quote inside it",
            ));
            return Err(errors);
        };
        match parse(text, inside..close) {
            Ok(reference) => pieces.push(Piece::Reference(reference)),
            Err(error) => errors.push(error),
        }
        at = close + 2;
    }
    if at < text.len() {
        pieces.push(Piece::Text(text[at..].to_owned()));
    }
    if errors.is_empty() { Ok(pieces) } else { Err(errors) }
}

/// The position of the `}}` of a reference that begins at `from`; quoted text is skipped.
fn closing(text: &str, from: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let mut quoted = false;
    let mut at = from;
    while at < bytes.len() {
        match bytes[at] {
            b'\'' => quoted = !quoted,
            b'}' if !quoted && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
        at += 1;
    }
    None
}

/// The path in an entry of `needs`: `id`, `block[key]`, `block[key].id`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NeedPath {
    pub(crate) names: Vec<NeedName>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NeedName {
    pub(crate) word: Word,
    pub(crate) key: Option<Reference>,
}

/// Parses an entry of `needs`. A key is plain text or one `${{ … }}`.
pub(crate) fn need(text: &str) -> Result<NeedPath, SyntaxError> {
    let help = "write an id, `block[key]` or `block[key].id`";
    let mut names = Vec::new();
    let mut at = 0;
    loop {
        let end = at + text[at..].bytes().take_while(|byte| is_word(*byte)).count();
        if end == at {
            let upto = (at + 1).min(text.len());
            return Err(SyntaxError::new(at..upto, "the name of a step or block is missing here", help));
        }
        let word = Word { text: text[at..end].to_owned(), span: at..end };
        at = end;
        let mut key = None;
        if text[at..].starts_with('[') {
            let inside = at + 1;
            let close = if text[inside..].trim_start().starts_with("${{") {
                let open = inside + text[inside..].find("${{").unwrap_or(0) + 3;
                let end = closing(text, open)
                    .ok_or_else(|| SyntaxError::new(inside..text.len(), "a reference is not closed", help))?;
                key = Some(parse(text, open..end)?);
                let after = end + 2;
                after
                    + text[after..]
                        .find(']')
                        .ok_or_else(|| SyntaxError::new(at..text.len(), "the bracket is not closed", help))?
            } else {
                let close = inside
                    + text[inside..]
                        .find(']')
                        .ok_or_else(|| SyntaxError::new(at..text.len(), "the bracket is not closed", help))?;
                let span = inside..close;
                let plain = text[span.clone()].trim().trim_matches('\'').to_owned();
                if plain.is_empty() {
                    return Err(SyntaxError::new(at..close + 1, "the key is empty", help));
                }
                key = Some(Reference { span, kind: Kind::Text(plain) });
                close
            };
            at = close + 1;
        }
        names.push(NeedName { word, key });
        if at == text.len() {
            return Ok(NeedPath { names });
        }
        if !text[at..].starts_with('.') {
            return Err(SyntaxError::new(at..text.len(), "this does not belong to a name", help));
        }
        at += 1;
    }
}

pub(crate) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Integer(i64),
    Symbol(&'static str),
}

fn parse(text: &str, span: Range<usize>) -> Result<Reference, SyntaxError> {
    let tokens = tokens(text, span.clone())?;
    if tokens.is_empty() {
        return Err(SyntaxError::new(
            span.start.saturating_sub(3)..span.end + 2,
            "the reference is empty",
            "write, for example, `${{ inputs.NAME }}`",
        ));
    }
    let mut parser = Parser { tokens, at: 0, end: span.end };
    let reference = parser.or(0)?;
    match parser.tokens.get(parser.at) {
        None => Ok(reference),
        Some((token, span)) => Err(unexpected(token, span.clone())),
    }
}

fn unexpected(token: &Token, span: Range<usize>) -> SyntaxError {
    let help = "a reference consists of names like `inputs.NAME` and `steps.ID.OUTPUT`, text in '…', `or`, `and`, \
                `not`, `==` and `!=`";
    let message = match token {
        Token::Word(word) => format!("`{word}` is not expected here"),
        Token::Text(_) => "this text is not expected here".to_owned(),
        Token::Integer(number) => format!("`{number}` is not expected here"),
        Token::Symbol(symbol) => format!("`{symbol}` is not expected here"),
    };
    SyntaxError::new(span, message, help)
}

fn tokens(text: &str, span: Range<usize>) -> Result<Vec<(Token, Range<usize>)>, SyntaxError> {
    const SYMBOLS: [&str; 8] = ["==", "!=", "(", ")", "[", "]", ".", "-"];
    let mut tokens: Vec<(Token, Range<usize>)> = Vec::new();
    let mut at = span.start;
    while at < span.end {
        let rest = &text[at..span.end];
        let Some(first) = rest.chars().next() else { break };
        if first.is_whitespace() {
            at += first.len_utf8();
            continue;
        }
        let after_dot = matches!(tokens.last(), Some((Token::Symbol("."), _)));
        let start = at;
        let token = if first == '\'' {
            let (value, len) = quoted(rest).ok_or_else(|| {
                SyntaxError::new(start..span.end, "the text is not closed", "end it with `'`")
            })?;
            at += len;
            Token::Text(value)
        } else if first.is_ascii_digit()
            || (first == '-' && rest[1..].starts_with(|c: char| c.is_ascii_digit()))
        {
            let len = 1 + rest[1..].bytes().take_while(|byte| is_word(*byte)).count();
            at += len;
            let word = &rest[..len];
            if after_dot {
                Token::Word(word.to_owned())
            } else {
                let number = word.parse().map_err(|_| {
                    SyntaxError::new(start..at, format!("`{word}` is not a whole number"), "quote text: '…'")
                })?;
                Token::Integer(number)
            }
        } else if first.is_ascii_alphabetic() || first == '_' {
            let len = rest.bytes().take_while(|byte| is_word(*byte)).count();
            at += len;
            Token::Word(rest[..len].to_owned())
        } else if let Some(symbol) = SYMBOLS.iter().find(|symbol| rest.starts_with(**symbol)) {
            at += symbol.len();
            Token::Symbol(symbol)
        } else {
            let (message, help) = stray(rest, first);
            return Err(SyntaxError::new(start..start + first.len_utf8(), message, help));
        };
        tokens.push((token, start..at));
    }
    Ok(tokens)
}

fn stray(rest: &str, first: char) -> (String, &'static str) {
    if rest.starts_with("&&") {
        return ("`&&` is not known".to_owned(), "write `and`");
    }
    if rest.starts_with("||") {
        return ("`||` is not known".to_owned(), "write `or`");
    }
    match first {
        '!' => ("`!` is not known".to_owned(), "write `not`"),
        '=' => ("`=` is not known".to_owned(), "write `==`"),
        '"' => ("text in a reference must be in single quotes".to_owned(), "write '…'"),
        '|' => {
            ("there are no filters".to_owned(), "references only read values; see `twinspan explain TS0201`")
        }
        _ => (
            format!("the character `{first}` is not allowed in a reference"),
            "use only names, `or`, `and`, `not`, `==`, `!=`",
        ),
    }
}

/// Text in single quotes, in which `''` is one quote, and its length including the quotes.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\'' {
            value.push(c);
        } else if matches!(chars.peek(), Some((_, '\''))) {
            chars.next();
            value.push('\'');
        } else {
            return Some((value, at + 1));
        }
    }
    None
}

struct Parser {
    tokens: Vec<(Token, Range<usize>)>,
    at: usize,
    end: usize,
}

impl Parser {
    fn or(&mut self, depth: usize) -> Result<Reference, SyntaxError> {
        self.chain(depth, "or", Kind::Or, Parser::and)
    }

    fn and(&mut self, depth: usize) -> Result<Reference, SyntaxError> {
        self.chain(depth, "and", Kind::And, Parser::not)
    }

    fn chain(
        &mut self,
        depth: usize,
        word: &str,
        kind: fn(Vec<Reference>) -> Kind,
        next: fn(&mut Parser, usize) -> Result<Reference, SyntaxError>,
    ) -> Result<Reference, SyntaxError> {
        let first = next(self, depth)?;
        let mut all = vec![first];
        while self.word(word) {
            all.push(next(self, depth)?);
        }
        if all.len() == 1 {
            return all.pop().ok_or_else(|| self.ended());
        }
        let start = all.first().map_or(0, |first| first.span.start);
        let end = all.last().map_or(start, |last| last.span.end);
        Ok(Reference { span: start..end, kind: kind(all) })
    }

    fn not(&mut self, depth: usize) -> Result<Reference, SyntaxError> {
        let start = self.span().start;
        if self.word("not") {
            let depth = self.deeper(depth)?;
            let inner = self.not(depth)?;
            return Ok(Reference { span: start..inner.span.end, kind: Kind::Not(Box::new(inner)) });
        }
        self.equal(depth)
    }

    fn equal(&mut self, depth: usize) -> Result<Reference, SyntaxError> {
        let left = self.atom(depth)?;
        let negated = match self.tokens.get(self.at) {
            Some((Token::Symbol("=="), _)) => false,
            Some((Token::Symbol("!="), _)) => true,
            _ => return Ok(left),
        };
        self.at += 1;
        let right = self.atom(depth)?;
        let span = left.span.start..right.span.end;
        Ok(Reference { span, kind: Kind::Equal { left: Box::new(left), right: Box::new(right), negated } })
    }

    fn atom(&mut self, depth: usize) -> Result<Reference, SyntaxError> {
        let Some((token, span)) = self.tokens.get(self.at).cloned() else { return Err(self.ended()) };
        self.at += 1;
        let kind = match token {
            Token::Text(text) => Kind::Text(text),
            Token::Integer(number) => Kind::Integer(number),
            Token::Word(word) if word == "true" => Kind::Boolean(true),
            Token::Word(word) if word == "false" => Kind::Boolean(false),
            Token::Word(word) if matches!(word.as_str(), "or" | "and") => {
                return Err(unexpected(&Token::Word(word), span));
            }
            Token::Word(word) => return self.path(Word { text: word, span }, depth),
            Token::Symbol("(") => {
                let depth = self.deeper(depth)?;
                let inner = self.or(depth)?;
                let end = self.symbol(")")?;
                return Ok(Reference { span: span.start..end, kind: inner.kind });
            }
            Token::Symbol(_) => return Err(unexpected(&token, span)),
        };
        Ok(Reference { span, kind })
    }

    fn path(&mut self, root: Word, depth: usize) -> Result<Reference, SyntaxError> {
        let mut parts = Vec::new();
        let start = root.span.start;
        let mut end = root.span.end;
        loop {
            match self.tokens.get(self.at) {
                Some((Token::Symbol("."), _)) => {
                    self.at += 1;
                    match self.tokens.get(self.at).cloned() {
                        Some((Token::Word(text), span)) => {
                            self.at += 1;
                            end = span.end;
                            parts.push(Part::Field(Word { text, span }));
                        }
                        Some((token, span)) => return Err(unexpected(&token, span)),
                        None => return Err(self.ended()),
                    }
                }
                Some((Token::Symbol("["), _)) => {
                    self.at += 1;
                    let depth = self.deeper(depth)?;
                    let key = self.or(depth)?;
                    end = self.symbol("]")?;
                    parts.push(Part::Key(key));
                }
                _ => return Ok(Reference { span: start..end, kind: Kind::Path(Path { root, parts }) }),
            }
        }
    }

    fn word(&mut self, wanted: &str) -> bool {
        let found = matches!(self.tokens.get(self.at), Some((Token::Word(word), _)) if word == wanted);
        if found {
            self.at += 1;
        }
        found
    }

    fn symbol(&mut self, wanted: &'static str) -> Result<usize, SyntaxError> {
        match self.tokens.get(self.at) {
            Some((Token::Symbol(symbol), span)) if *symbol == wanted => {
                self.at += 1;
                Ok(span.end)
            }
            Some((token, span)) => Err(unexpected(token, span.clone())),
            None => Err(SyntaxError::new(
                self.end.saturating_sub(1)..self.end,
                format!("`{wanted}` is missing"),
                "close every bracket",
            )),
        }
    }

    fn deeper(&self, depth: usize) -> Result<usize, SyntaxError> {
        if depth >= MAX_DEPTH {
            return Err(SyntaxError::new(self.span(), "the reference is nested too deeply", "simplify it"));
        }
        Ok(depth + 1)
    }

    fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.end..self.end, |(_, span)| span.clone())
    }

    fn ended(&self) -> SyntaxError {
        SyntaxError::new(
            self.end.saturating_sub(1)..self.end,
            "the reference ends too early",
            "a name or a value is missing before `}}`",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str) -> Reference {
        let pieces = pieces(text).unwrap();
        match <[Piece; 1]>::try_from(pieces).unwrap() {
            [Piece::Reference(reference)] => reference,
            [Piece::Text(text)] => panic!("text {text:?}"),
        }
    }

    fn problem(text: &str) -> (String, String) {
        let error = pieces(text).unwrap_err().remove(0);
        (error.message, text[error.span].to_owned())
    }

    #[test]
    fn binds_or_looser_than_and_looser_than_not_looser_than_equal() {
        let reference = one("${{ not a.x == 'p' and b.y or (c.z or d.w) }}");
        let Kind::Or(alternatives) = reference.kind else { panic!("not an `or`") };
        assert_eq!(alternatives.len(), 2);
        let Kind::And(all) = &alternatives[0].kind else { panic!("not an `and`") };
        assert!(matches!(&all[0].kind, Kind::Not(inner) if matches!(inner.kind, Kind::Equal { .. })));
        assert!(matches!(&alternatives[1].kind, Kind::Or(inner) if inner.len() == 2));
    }

    #[test]
    fn keeps_places_of_words_and_keys() {
        let text = "x-${{ inputs.tenants[each.value.tenant].id }}-y";
        let pieces = pieces(text).unwrap();
        let Piece::Reference(reference) = &pieces[1] else { panic!("no reference") };
        let Kind::Path(path) = &reference.kind else { panic!("no path") };
        assert_eq!(&text[reference.span.clone()], "inputs.tenants[each.value.tenant].id");
        assert_eq!(&text[path.parts[1].span()], "each.value.tenant");
        assert_eq!(&text[path.parts[2].span()], "id");
        assert_eq!(pieces[2], Piece::Text("-y".to_owned()));
    }

    #[test]
    fn quotes_hide_braces_and_double_themselves() {
        assert_eq!(one("${{ 'it''s }} here' }}").kind, Kind::Text("it's }} here".to_owned()));
    }

    #[test]
    fn says_what_is_wrong_and_where() {
        let wrong = |text: &str| problem(text);
        assert_eq!(wrong("${{ a && b }}"), ("`&&` is not known".into(), "&".into()));
        assert_eq!(wrong("${{ a. }}").0, "the reference ends too early");
        assert_eq!(wrong("${{ }}"), ("the reference is empty".into(), "${{ }}".into()));
        assert_eq!(wrong("${{ a b }}"), ("`b` is not expected here".into(), "b".into()));
        assert_eq!(wrong("${{ a[b }}").0, "`]` is missing");
        assert_eq!(wrong("${{ a").0, "a reference is not closed");
        assert_eq!(wrong("${{ \"a\" }}").0, "text in a reference must be in single quotes");
        let deep = format!("${{{{ {}a }}}}", "(".repeat(20_000));
        assert_eq!(wrong(&deep).0, "the reference is nested too deeply");
        let deep = format!("${{{{ {}a }}}}", "not ".repeat(20_000));
        assert_eq!(wrong(&deep).0, "the reference is nested too deeply");
    }

    #[test]
    fn reads_needs() {
        let path = need("prepare[${{ each.value.tenant }}].app").unwrap();
        assert_eq!(path.names.len(), 2);
        assert!(matches!(path.names[0].key.as_ref().unwrap().kind, Kind::Path(_)));
        assert!(path.names[1].key.is_none());
        let path = need("prepare[fabrikam]").unwrap();
        assert_eq!(path.names[0].key.as_ref().unwrap().kind, Kind::Text("fabrikam".to_owned()));
        for bad in ["", "a b", "a[", "a[]", "a[${{ x ]", "a.", "[x]", "é"] {
            assert!(need(bad).is_err(), "{bad:?}");
        }
    }
}
