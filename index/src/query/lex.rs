//! Cuts the text of a query into tokens.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use kapok_core::Result;

use super::expr::{At, TEXT_BYTES_MAX};

/// A piece of a query's text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'t> {
    /// Letters, digits and underscores: a name or a keyword.
    Word(&'t str),
    /// A name in backquotes.
    Quoted(String),
    Parameter(String),
    Text(String),
    Data(Vec<u8>),
    Int(i128),
    Float(f64),
    Symbol(&'static str),
    End,
}

/// Longer ones before those that they begin with.
const SYMBOLS: [&str; 15] = ["!=", "<=", ">=", "^=", "*=", "~=", "=", "<", ">", "(", ")", "[", "]", ",", "."];

struct Lexer<'t> {
    rest: &'t str,
    /// Of the next character, from 1.
    column: u32,
}

/// Returns the tokens of a text with their places, `End` the last.
pub(super) fn tokens(text: &str) -> Result<Vec<(Token<'_>, At)>> {
    if text.len() > TEXT_BYTES_MAX {
        let problem = format!("{} bytes of text; at most {TEXT_BYTES_MAX} are allowed", text.len());
        return Err(At(1).error(problem));
    }
    let mut lexer = Lexer { rest: text, column: 1 };
    let mut out = Vec::new();
    loop {
        lexer.take_while(char::is_whitespace);
        let at = At(lexer.column);
        let token = lexer.token(at)?;
        let is_end = token == Token::End;
        out.push((token, at));
        if is_end {
            return Ok(out);
        }
    }
}

impl<'t> Lexer<'t> {
    fn token(&mut self, at: At) -> Result<Token<'t>> {
        let Some(first) = self.rest.chars().next() else { return Ok(Token::End) };
        match first {
            '"' => Ok(Token::Text(self.escaped(at)?)),
            '\'' => Ok(Token::Text(self.doubled(at, '\'')?)),
            '`' => Ok(Token::Quoted(self.doubled(at, '`')?)),
            '$' => self.parameter(at),
            'b' if self.rest[1..].starts_with('"') => self.data(at),
            '0'..='9' | '-' => self.number(at),
            c if c.is_ascii_alphabetic() || c == '_' => {
                let word = self.word();
                Ok(if word == "NaN" {
                    Token::Float(f64::NAN)
                } else if word == "Infinity" {
                    Token::Float(f64::INFINITY)
                } else {
                    Token::Word(word)
                })
            }
            other => {
                if let Some(symbol) = SYMBOLS.into_iter().find(|symbol| self.rest.starts_with(symbol)) {
                    self.skip(symbol.len());
                    return Ok(Token::Symbol(symbol));
                }
                let hint = if other.is_alphanumeric() { "; other names stand in backquotes" } else { "" };
                Err(at.error(format!("{other:?} begins no name, value or operator{hint}")))
            }
        }
    }

    /// Goes behind some bytes of ASCII.
    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
        self.column += u32::try_from(bytes).unwrap_or(u32::MAX);
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> &'t str {
        let end = self.rest.find(|c| !belongs(c)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at(end);
        self.rest = rest;
        self.column += u32::try_from(taken.chars().count()).unwrap_or(u32::MAX);
        taken
    }

    fn word(&mut self) -> &'t str {
        self.take_while(|c| c.is_ascii_alphanumeric() || c == '_')
    }

    fn parameter(&mut self, at: At) -> Result<Token<'t>> {
        self.skip(1);
        if self.rest.starts_with('`') {
            return Ok(Token::Parameter(self.doubled(at, '`')?));
        }
        match self.word() {
            "" => Err(At(self.column).error("expected the name of a parameter behind $")),
            name => Ok(Token::Parameter(name.to_owned())),
        }
    }

    fn number(&mut self, at: At) -> Result<Token<'t>> {
        let from = self.rest;
        if self.rest.starts_with('-') {
            self.skip(1);
            if self.rest.starts_with('I') && self.word() == "Infinity" {
                return Ok(Token::Float(f64::NEG_INFINITY));
            }
        }
        let mut is_float = false;
        self.digits()?;
        if self.rest.starts_with('.') {
            is_float = true;
            self.skip(1);
            self.digits()?;
        }
        if self.rest.starts_with(['e', 'E']) {
            is_float = true;
            self.skip(1);
            if self.rest.starts_with(['+', '-']) {
                self.skip(1);
            }
            self.digits()?;
        }
        if self.rest.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
            return Err(At(self.column)
                .error("expected the end of the number; names that begin with a digit stand in backquotes"));
        }
        let text = &from[..from.len() - self.rest.len()];
        if is_float {
            return match text.parse::<f64>() {
                Ok(value) if value.is_finite() => Ok(Token::Float(value)),
                _ => Err(at.error(format!("{text} is beyond the largest Float64"))),
            };
        }
        match text.parse::<i128>() {
            Ok(value) if is_of_64_bits(value) => Ok(Token::Int(value)),
            _ => Err(at.error(format!("{text} is beyond 64 bits; write it with a fraction if it may be rounded"))),
        }
    }

    fn digits(&mut self) -> Result<()> {
        match self.take_while(|c| c.is_ascii_digit()) {
            "" => Err(At(self.column).error("expected a digit")),
            _ => Ok(()),
        }
    }

    fn data(&mut self, at: At) -> Result<Token<'t>> {
        self.skip(2);
        let base64 = self.take_while(|c| c != '"');
        if self.rest.is_empty() {
            return Err(at.error("the bytes have no end; expected a closing \""));
        }
        self.skip(1);
        match BASE64.decode(base64) {
            Ok(bytes) => Ok(Token::Data(bytes)),
            Err(error) => Err(at.error(format!("expected bytes in base64: {error}"))),
        }
    }

    /// Reads what stands between two quotes, in which a quote is written twice.
    fn doubled(&mut self, at: At, quote: char) -> Result<String> {
        self.skip(1);
        let mut out = String::new();
        loop {
            out.push_str(self.take_while(|c| c != quote));
            if self.rest.is_empty() {
                return Err(at.error(format!("no end; expected a closing {quote}")));
            }
            self.skip(1);
            if !self.rest.starts_with(quote) {
                return Ok(out);
            }
            self.skip(1);
            out.push(quote);
        }
    }

    /// Reads a string of JSON.
    fn escaped(&mut self, at: At) -> Result<String> {
        self.skip(1);
        let mut out = String::new();
        loop {
            out.push_str(self.take_while(|c| c != '"' && c != '\\'));
            let here = At(self.column);
            let mut ahead = self.rest.chars();
            match (ahead.next(), ahead.next()) {
                (None, _) => return Err(at.error("the text has no end; expected a closing \"")),
                (Some('"'), _) => {
                    self.skip(1);
                    return Ok(out);
                }
                (_, Some('u')) => {
                    self.skip(2);
                    out.push(self.code_point(here)?);
                }
                (_, escaped) => {
                    out.push(match escaped {
                        Some(c @ ('"' | '\\' | '/')) => c,
                        Some('b') => '\u{8}',
                        Some('f') => '\u{c}',
                        Some('n') => '\n',
                        Some('r') => '\r',
                        Some('t') => '\t',
                        _ => {
                            return Err(
                                here.error("expected an escape of JSON: \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u0000")
                            );
                        }
                    });
                    self.skip(2);
                }
            }
        }
    }

    /// Reads what stands behind `\u`.
    fn code_point(&mut self, at: At) -> Result<char> {
        let mut unit = self.code_unit(at)?;
        if (0xd800..0xdc00).contains(&unit) {
            if !self.rest.starts_with("\\u") {
                return Err(at.error("expected the second half of a surrogate pair"));
            }
            self.skip(2);
            let low = self.code_unit(at)?;
            unit = 0x1_0000 + ((unit - 0xd800) << 10) + low.wrapping_sub(0xdc00).min(0x20_0000);
        }
        char::from_u32(unit).ok_or_else(|| at.error("expected a character"))
    }

    fn code_unit(&mut self, at: At) -> Result<u32> {
        let digits = self.rest.get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let unit = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| at.error("expected four hexadecimal digits behind \\u"))?;
        self.skip(4);
        Ok(unit)
    }
}

/// Returns whether an integer fits 64 bits, with a sign or without.
pub(super) fn is_of_64_bits(value: i128) -> bool {
    (i128::from(i64::MIN)..=i128::from(u64::MAX)).contains(&value)
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word(word) => write!(f, "`{word}`"),
            Self::Quoted(name) => write!(f, "the name {name:?}"),
            Self::Parameter(name) => write!(f, "the parameter ${name}"),
            Self::Text(text) if text.chars().count() > 20 => f.write_str("a text"),
            Self::Text(text) => write!(f, "the text {text:?}"),
            Self::Data(_) => f.write_str("bytes"),
            Self::Int(value) => write!(f, "the number {value}"),
            Self::Float(value) => write!(f, "the number {value:?}"),
            Self::Symbol(symbol) => write!(f, "`{symbol}`"),
            Self::End => f.write_str("the end"),
        }
    }
}
