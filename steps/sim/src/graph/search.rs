//! Graph's `$search` over directory objects: `"displayName:word"`, combined with `AND`, `OR` and parentheses.

use serde_json::Value;

/// A condition on one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Search {
    /// A word of this property begins with the text.
    Word(String, String),
    And(Box<Search>, Box<Search>),
    Or(Box<Search>, Box<Search>),
}

impl Search {
    pub(super) fn fits(&self, object: &Value) -> bool {
        match self {
            Search::Word(name, wanted) => {
                let own =
                    object.as_object().into_iter().flatten().find(|(own, _)| own.eq_ignore_ascii_case(name));
                match own.map(|(_, value)| value) {
                    Some(Value::Array(list)) => {
                        list.iter().filter_map(Value::as_str).any(|text| has(text, name, wanted))
                    }
                    Some(Value::String(text)) => has(text, name, wanted),
                    _ => false,
                }
            }
            Search::And(a, b) => a.fits(object) && b.fits(object),
            Search::Or(a, b) => a.fits(object) || b.fits(object),
        }
    }

    /// Names of the searched properties.
    pub(super) fn properties(&self) -> Vec<&str> {
        match self {
            Search::Word(name, _) => vec![name],
            Search::And(a, b) | Search::Or(a, b) => [a.properties(), b.properties()].concat(),
        }
    }
}

/// `displayName` and `description` match by words, every other property by its beginning.
fn has(text: &str, property: &str, wanted: &str) -> bool {
    let (text, wanted) = (text.to_lowercase(), wanted.to_lowercase());
    if !["displayname", "description"].contains(&property.to_ascii_lowercase().as_str()) {
        return text.starts_with(&wanted);
    }
    let words = |text: &str| -> Vec<String> {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
            .map(str::to_owned)
            .collect()
    };
    let own = words(&text);
    words(&wanted).iter().all(|wanted| own.iter().any(|word| word.starts_with(wanted)))
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Clause(String),
    And,
    Or,
    Open,
    Close,
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            c if c.is_whitespace() => {}
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '"' => {
                let mut quoted = String::new();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => quoted.extend(chars.next()),
                        Some(other) => quoted.push(other),
                        None => return Err("a text does not end".to_owned()),
                    }
                }
                tokens.push(Token::Clause(quoted));
            }
            first => {
                let mut word = String::from(first);
                while let Some(next) = chars.next_if(|next| !next.is_whitespace() && !"()\"".contains(*next))
                {
                    word.push(next);
                }
                tokens.push(match word.as_str() {
                    "AND" => Token::And,
                    "OR" => Token::Or,
                    // This includes well-formed clauses without quotes.
                    _ => return Err(format!("'{word}' is not in double quotation marks")),
                });
            }
        }
    }
    Ok(tokens)
}

/// Largest nesting depth.
const DEEPEST: usize = 32;

/// Parses a search.
pub(super) fn parse(text: &str) -> Result<Search, String> {
    let tokens = tokens(text)?;
    let mut at = 0;
    let search = either(&tokens, &mut at, 0)?;
    if at == tokens.len() { Ok(search) } else { Err(format!("unexpected {:?}", tokens.get(at))) }
}

fn either(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Search, String> {
    let mut left = both(tokens, at, depth)?;
    while tokens.get(*at) == Some(&Token::Or) {
        *at += 1;
        left = Search::Or(Box::new(left), Box::new(both(tokens, at, depth)?));
    }
    Ok(left)
}

fn both(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Search, String> {
    let mut left = one(tokens, at, depth)?;
    // Adjacent clauses are combined as with AND.
    while let Some(Token::And | Token::Clause(_) | Token::Open) = tokens.get(*at) {
        if tokens.get(*at) == Some(&Token::And) {
            *at += 1;
        }
        left = Search::And(Box::new(left), Box::new(one(tokens, at, depth)?));
    }
    Ok(left)
}

fn one(tokens: &[Token], at: &mut usize, depth: usize) -> Result<Search, String> {
    let token = tokens.get(*at).ok_or("it ends too early")?;
    *at += 1;
    match token {
        Token::Open if depth < DEEPEST => {
            let inner = either(tokens, at, depth + 1)?;
            *at += 1;
            if tokens.get(*at - 1) == Some(&Token::Close) {
                Ok(inner)
            } else {
                Err("a parenthesis does not end".to_owned())
            }
        }
        Token::Clause(clause) => match clause.split_once(':') {
            Some((name, wanted)) if !name.trim().is_empty() && !wanted.trim().is_empty() => {
                Ok(Search::Word(name.trim().to_owned(), wanted.trim().to_owned()))
            }
            _ => Err(format!("'{clause}' has not the form property:text")),
        },
        other => Err(format!("unexpected {other:?}")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn words_of_a_name_and_beginnings_of_addresses_are_found() {
        let nina = json!({ "displayName": "Nina Network", "mail": "nina@contoso.example", "otherMails": ["n@x.example"] });
        for (search, wanted) in [
            (r#""displayName:net""#, true),
            (r#""displayName:nina network""#, true),
            (r#""displayName:work""#, false),
            (r#""mail:NINA@contoso""#, true),
            (r#""mail:contoso""#, false),
            (r#""otherMails:n@""#, true),
            (r#""displayName:x" OR "mail:nina""#, true),
            (r#""displayName:nina" AND "mail:x""#, false),
            (r#""displayName:nina" "mail:x""#, false),
            (r#"("displayName:x" OR "displayName:nina") AND "mail:nina""#, true),
            (r#""givenName:nina""#, false),
        ] {
            assert_eq!(parse(search).unwrap().fits(&nina), wanted, "{search}");
        }
        assert_eq!(parse(r#""a:x" OR "b:y""#).unwrap().properties(), ["a", "b"]);
    }

    #[test]
    fn what_is_no_search_is_refused_and_never_overflows() {
        for bad in [
            "",
            "displayName:x",
            r#""displayName""#,
            r#""displayName:"#,
            r#""a:b" OR"#,
            r#"("a:b""#,
            ")",
            r#"":x""#,
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
        assert!(parse(&"(".repeat(100_000)).is_err());
    }
}
