//! Parses the text of a query.
//!
//! ```text
//! or        = and { "or" and }
//! and       = not { "and" not }
//! not       = "not" not | primary
//! primary   = "(" or ")" | ("any" | "all") "(" path "," or ")" | "true" | "false"
//!           | value "in" path | subject test | path                     a path alone is a Bool that is true
//! subject   = path | "len" "(" path ")"
//! test      = operator value | "in" ("[" value { "," value } "]" | parameter) | "between" value "and" value
//!           | "is" [ "not" ] "null"
//! path      = name { "." name | "[" value "]" }
//! ```

use kapok_core::{Error, Result};

use super::expr::{At, Expr, Given, NESTING_MAX, Node, Operand, Operator, Path, Quantifier, Set, Step, Subject};
use super::lex::{Token, tokens};
use super::value::{RESERVED, Value};

/// Parses an expression.
pub(super) fn expression(text: &str) -> Result<Expr> {
    let mut parser = Parser::new(text)?;
    let out = parser.or()?;
    parser.end("`and`, `or` or the end")?;
    Ok(out)
}

/// Parses a path, which may go through the elements of lists: `items[].qty`.
pub(super) fn path(text: &str) -> Result<Path> {
    let mut parser = Parser::new(text)?;
    let out = parser.path("a field")?;
    parser.end("`.`, `[` or the end")?;
    Ok(out)
}

/// Parses a value, or a list of values; a bare name is an enumerant.
pub(super) fn value(text: &str) -> Result<Value> {
    let mut parser = Parser::new(text)?;
    let out = if parser.take_symbol("[") { parser.values()? } else { parser.value("a value")? };
    parser.end("the end")?;
    Ok(out)
}

/// A text that is being parsed.
pub(super) struct Parser<'t> {
    tokens: Vec<(Token<'t>, At)>,
    next: usize,
    depth: usize,
}

impl<'t> Parser<'t> {
    pub fn new(text: &'t str) -> Result<Self> {
        Ok(Self { tokens: tokens(text)?, next: 0, depth: 0 })
    }

    fn peek(&self) -> &Token<'t> {
        &self.tokens[self.next].0
    }

    pub fn at(&self) -> At {
        self.tokens[self.next].1
    }

    /// Takes the next token; the end stays.
    fn take(&mut self) -> Token<'t> {
        let token = self.peek().clone();
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn is_word(&self, word: &str) -> bool {
        *self.peek() == Token::Word(word)
    }

    pub fn take_word(&mut self, word: &str) -> bool {
        let is_there = self.is_word(word);
        if is_there {
            self.take();
        }
        is_there
    }

    pub fn take_symbol(&mut self, symbol: &'static str) -> bool {
        let is_there = *self.peek() == Token::Symbol(symbol);
        if is_there {
            self.take();
        }
        is_there
    }

    pub fn expect_symbol(&mut self, symbol: &'static str) -> Result<()> {
        if self.take_symbol(symbol) { Ok(()) } else { Err(self.expected(&format!("`{symbol}`"))) }
    }

    pub fn end(&self, expected: &str) -> Result<()> {
        if *self.peek() == Token::End { Ok(()) } else { Err(self.expected(expected)) }
    }

    #[cold]
    pub fn expected(&self, what: &str) -> Error {
        self.at().error(format!("expected {what}, found {}", self.peek()))
    }

    /// Returns whether a word and an opening parenthesis come next.
    fn is_call(&self, word: &str) -> bool {
        self.is_word(word) && matches!(self.tokens.get(self.next + 1), Some((Token::Symbol("("), _)))
    }

    fn deeper(&mut self) -> Result<()> {
        self.depth += 1;
        if self.depth > NESTING_MAX {
            return Err(self.at().error(format!("nested deeper than {NESTING_MAX} levels")));
        }
        Ok(())
    }

    fn or(&mut self) -> Result<Expr> {
        let mut out = vec![self.and()?];
        while self.take_word("or") {
            out.push(self.and()?);
        }
        Ok(Expr::any_of(out))
    }

    fn and(&mut self) -> Result<Expr> {
        let mut out = vec![self.not()?];
        while self.take_word("and") {
            out.push(self.not()?);
        }
        Ok(Expr::all_of(out))
    }

    fn not(&mut self) -> Result<Expr> {
        if !self.is_word("not") {
            return self.primary();
        }
        self.deeper()?;
        self.take();
        let inner = self.not()?;
        self.depth -= 1;
        Ok(!inner)
    }

    fn primary(&mut self) -> Result<Expr> {
        match self.peek() {
            Token::Symbol("(") => {
                self.deeper()?;
                self.take();
                let inner = self.or()?;
                self.expect_symbol(")")?;
                self.depth -= 1;
                Ok(inner)
            }
            Token::Word("any" | "all") if self.is_call("any") || self.is_call("all") => self.each(),
            Token::Word("len") if self.is_call("len") => {
                self.take();
                self.take();
                let path = self.path("a list")?;
                self.expect_symbol(")")?;
                self.test(Subject::Len(path))
            }
            Token::Word(word @ ("true" | "false")) => {
                let value = *word == "true";
                let at = self.at();
                self.take();
                if self.take_word("in") {
                    self.has(Operand { given: Given::Value(Value::Bool(value)), at })
                } else {
                    Ok(Expr(Node::Constant(value)))
                }
            }
            Token::Text(_) | Token::Data(_) | Token::Int(_) | Token::Float(_) | Token::Parameter(_) => {
                let value = self.operand("a value")?;
                if !self.take_word("in") {
                    return Err(self.expected("`in` and a list behind a value (a field stands before its operator)"));
                }
                self.has(value)
            }
            _ => {
                let path = self.path("a field, a value, `not`, `any`, `all`, `len` or `(`")?;
                self.test(Subject::Field(path))
            }
        }
    }

    fn each(&mut self) -> Result<Expr> {
        self.deeper()?;
        let quantifier = if self.is_word("any") { Quantifier::Any } else { Quantifier::All };
        self.take();
        self.expect_symbol("(")?;
        let list = self.path("a list")?;
        self.expect_symbol(",")?;
        let condition = Box::new(self.or()?);
        self.expect_symbol(")")?;
        self.depth -= 1;
        Ok(Expr(Node::Each { quantifier, list, condition }))
    }

    /// Parses the list behind `value in`.
    fn has(&mut self, value: Operand) -> Result<Expr> {
        if *self.peek() == Token::Symbol("[") {
            return Err(self.expected("a list field (a field stands before `in [..]`)"));
        }
        let list = self.path("a list field")?;
        Ok(Expr(Node::Has { list, value }))
    }

    /// Parses what is asked of a subject.
    fn test(&mut self, subject: Subject) -> Result<Expr> {
        let operator = match self.peek() {
            Token::Symbol("=") => Operator::Equal,
            Token::Symbol("!=") => Operator::NotEqual,
            Token::Symbol("<") => Operator::Less,
            Token::Symbol("<=") => Operator::LessOrEqual,
            Token::Symbol(">") => Operator::Greater,
            Token::Symbol(">=") => Operator::GreaterOrEqual,
            Token::Symbol("^=") => Operator::StartsWith,
            Token::Symbol("*=") => Operator::Contains,
            Token::Symbol("~=") => Operator::Matches,
            Token::Word("in") => return self.is_in(subject),
            Token::Word("between") => {
                self.take();
                let low = self.operand("the lower value")?;
                if !self.take_word("and") {
                    return Err(self.expected("`and` and the upper value"));
                }
                let high = self.operand("the upper value")?;
                return Ok(Expr(Node::Between { subject, low, high }));
            }
            Token::Word("is") => return self.is_null(subject),
            Token::Word("and" | "or") | Token::Symbol(")") | Token::End if matches!(subject, Subject::Field(_)) => {
                // A field alone is a Bool that is true.
                let value = Operand { given: Given::Value(Value::Bool(true)), at: subject.at() };
                return Ok(Expr(Node::Compare { subject, operator: Operator::Equal, value }));
            }
            _ => return Err(self.expected("an operator: = != < <= > >= ^= *= ~= in between is")),
        };
        self.take();
        if self.is_word("null") {
            return Err(self.expected("a value (null is asked for by `is null`)"));
        }
        let value = self.operand("a value")?;
        Ok(Expr(Node::Compare { subject, operator, value }))
    }

    /// Parses `in` with what stands behind it.
    fn is_in(&mut self, subject: Subject) -> Result<Expr> {
        self.take();
        let at = self.at();
        if let Token::Parameter(name) = self.peek() {
            let parameter = Operand { given: Given::Parameter(name.clone()), at };
            self.take();
            return Ok(Expr(Node::In { subject, set: Set::Parameter(parameter) }));
        }
        if !self.take_symbol("[") {
            // `red in colours`: what looked like a field is an enumerant.
            let is_path = matches!(self.peek(), Token::Word(_) | Token::Quoted(_));
            let Some((name, at)) = subject.only_name().filter(|_| is_path) else {
                return Err(self.expected("`[` or a parameter"));
            };
            return self.has(Operand { given: Given::Value(Value::Name(name)), at });
        }
        let mut values = Vec::new();
        while !self.take_symbol("]") {
            if !values.is_empty() && !self.take_symbol(",") {
                return Err(self.expected("`,` or `]`"));
            }
            values.push(self.operand("a value")?);
        }
        Ok(Expr(Node::In { subject, set: Set::Values(values) }))
    }

    fn is_null(&mut self, subject: Subject) -> Result<Expr> {
        self.take();
        let is_not = self.take_word("not");
        if !self.take_word("null") {
            return Err(self.expected(if is_not { "`null`" } else { "`null` or `not null`" }));
        }
        match subject {
            Subject::Len(path) => Err(path.at.error("the length of a list is never null; ask whether the list is")),
            Subject::Field(path) if is_not => Ok(!Expr(Node::IsNull(path))),
            Subject::Field(path) => Ok(Expr(Node::IsNull(path))),
        }
    }

    fn operand(&mut self, expected: &str) -> Result<Operand> {
        let at = self.at();
        if let Token::Parameter(name) = self.peek() {
            let given = Given::Parameter(name.clone());
            self.take();
            return Ok(Operand { given, at });
        }
        Ok(Operand { given: Given::Value(self.value(expected)?), at })
    }

    fn value(&mut self, expected: &str) -> Result<Value> {
        let value = match self.peek() {
            Token::Text(text) => Value::Text(text.clone()),
            Token::Data(bytes) => Value::Data(bytes.clone()),
            Token::Int(value) => Value::Int(*value),
            Token::Float(value) => Value::Float(*value),
            Token::Word("true") => Value::Bool(true),
            Token::Word("false") => Value::Bool(false),
            Token::Quoted(name) => Value::Name(name.clone()),
            Token::Word(name) if !RESERVED.contains(name) => Value::Name((*name).to_owned()),
            _ => return Err(self.expected(expected)),
        };
        self.take();
        Ok(value)
    }

    /// Parses the values behind `[`.
    fn values(&mut self) -> Result<Value> {
        let mut values = Vec::new();
        while !self.take_symbol("]") {
            if !values.is_empty() && !self.take_symbol(",") {
                return Err(self.expected("`,` or `]`"));
            }
            values.push(self.value("a value")?);
        }
        Ok(Value::List(values))
    }

    /// Parses a path; its steps are `.name`, `["key"]` and `[]`.
    pub fn path(&mut self, expected: &str) -> Result<Path> {
        let at = self.at();
        let first = match self.peek() {
            Token::Quoted(name) => name.clone(),
            Token::Word(name) if !RESERVED.contains(name) || matches!(*name, "any" | "all" | "len") => {
                (*name).to_owned()
            }
            _ => return Err(self.expected(expected)),
        };
        self.take();
        let mut steps = vec![Step::Name(first)];
        loop {
            if self.take_symbol(".") {
                let name = match self.peek() {
                    Token::Quoted(name) => name.clone(),
                    Token::Word(name) => (*name).to_owned(),
                    _ => return Err(self.expected("the name of a field")),
                };
                self.take();
                steps.push(Step::Name(name));
            } else if self.take_symbol("[") {
                if self.take_symbol("]") {
                    steps.push(Step::Each);
                } else {
                    steps.push(Step::Key(self.value("a key or `]`")?));
                    self.expect_symbol("]")?;
                }
            } else {
                return Ok(Path { steps, at });
            }
        }
    }

    /// Takes a whole number that is not negative.
    pub fn count(&mut self) -> Result<usize> {
        match self.peek() {
            Token::Int(value) if usize::try_from(*value).is_ok() => {
                let count = usize::try_from(*value).unwrap_or_default();
                self.take();
                Ok(count)
            }
            _ => Err(self.expected("a whole number")),
        }
    }

    /// Takes any name.
    pub fn name(&mut self, expected: &str) -> Result<&'t str> {
        match *self.peek() {
            Token::Word(name) => {
                self.take();
                Ok(name)
            }
            _ => Err(self.expected(expected)),
        }
    }
}

impl Subject {
    pub fn at(&self) -> At {
        let (Self::Field(path) | Self::Len(path)) = self;
        path.at
    }

    /// Returns the path if it is one name and no more.
    fn only_name(&self) -> Option<(String, At)> {
        let Self::Field(path) = self else { return None };
        match path.steps.as_slice() {
            [Step::Name(name)] => Some((name.clone(), path.at)),
            _ => None,
        }
    }
}
