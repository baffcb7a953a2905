//! Reading conditions.

use super::{Comparison, Condition, Operand, Value};

/// How deep parentheses and negations may be nested.
const MAX_DEPTH: usize = 64;

/// The longer ones first: none may be the beginning of a later one.
const COMPARISONS: [Comparison; 6] = [
    Comparison::Equal,
    Comparison::NotEqual,
    Comparison::LessOrEqual,
    Comparison::GreaterOrEqual,
    Comparison::Less,
    Comparison::Greater,
];

/// What can't be read, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misread {
    /// How many bytes of the text come before it.
    pub offset: usize,
    /// What is wrong.
    pub problem: String,
}

impl Condition {
    /// Reads a whole text as a condition.
    ///
    /// # Errors
    ///
    /// It is none; the error says at which byte, and why.
    pub fn parse(text: &str) -> Result<Self, Misread> {
        let mut parser = Parser::new(text, 0);
        let condition = parser.alternatives()?;
        match parser.peek() {
            Token::End => Ok(condition),
            _ => Err(parser.unexpected("&&, || or the end of the condition")),
        }
    }
}

/// Reads the condition in the parentheses that open at this byte, and returns it with
/// the byte behind them.
pub(in crate::policy) fn parse_in(text: &str, open: usize) -> Result<(Condition, usize), Misread> {
    let mut parser = Parser::new(text, open);
    parser.require('(')?;
    if parser.is_next(')') {
        return Err(parser.wrong("a condition is missing between ( and )"));
    }
    let condition = parser.alternatives()?;
    if parser.peek() == Token::End {
        return Err(Misread {
            offset: open,
            problem: "the ( is never closed".to_owned(),
        });
    }
    parser.require(')')?;
    Ok((condition, parser.at))
}

/// A piece of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    /// A name or a number.
    Word(&'a str),
    /// `==` and its like.
    Comparison(Comparison),
    And,
    Or,
    /// Any other character.
    Sign(char),
    End,
}

struct Parser<'a> {
    text: &'a str,
    /// The byte behind the last token that was taken.
    at: usize,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(text: &'a str, at: usize) -> Self {
        Self { text, at, depth: 0 }
    }

    /// Where the next token begins.
    fn start(&self) -> usize {
        let rest = self.rest();
        self.at + (rest.len() - rest.trim_start().len())
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The next token, and how long it is.
    fn next_token(&self) -> (Token<'a>, usize) {
        let rest = self.rest().trim_start();
        let Some(first) = rest.chars().next() else {
            return (Token::End, 0);
        };
        if first.is_ascii_alphanumeric() || first == '_' {
            let is_other = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
            let (word, _) = rest.split_at(rest.find(is_other).unwrap_or(rest.len()));
            return (Token::Word(word), word.len());
        }
        for (sign, token) in [("&&", Token::And), ("||", Token::Or)] {
            if rest.starts_with(sign) {
                return (token, sign.len());
            }
        }
        let mut comparisons = COMPARISONS.iter();
        match comparisons.find(|comparison| rest.starts_with(comparison.sign())) {
            Some(comparison) => (Token::Comparison(*comparison), comparison.sign().len()),
            None => (Token::Sign(first), first.len_utf8()),
        }
    }

    fn peek(&self) -> Token<'a> {
        self.next_token().0
    }

    fn take(&mut self) -> Token<'a> {
        let (token, length) = self.next_token();
        self.at = self.start() + length;
        token
    }

    fn is_next(&self, sign: char) -> bool {
        self.peek() == Token::Sign(sign)
    }

    fn take_if(&mut self, token: Token<'_>) -> bool {
        let is_it = self.peek() == token;
        if is_it {
            self.take();
        }
        is_it
    }

    fn require(&mut self, sign: char) -> Result<(), Misread> {
        if self.take_if(Token::Sign(sign)) {
            return Ok(());
        }
        Err(self.unexpected(&sign.to_string()))
    }

    /// A problem with the next token.
    fn wrong(&self, problem: impl Into<String>) -> Misread {
        Misread {
            offset: self.start(),
            problem: problem.into(),
        }
    }

    fn unexpected(&self, expected: &str) -> Misread {
        self.wrong(match self.next_token() {
            (Token::End, _) => format!("{expected} is missing at the end"),
            (Token::Sign('='), _) => "'=' is no comparison; write ==".to_owned(),
            (_, length) => {
                let found = self.text.get(self.start()..self.start() + length);
                format!("expected {expected}, not {:?}", found.unwrap_or_default())
            }
        })
    }

    /// Parts of a condition, one level further in.
    fn nested<T>(
        &mut self,
        part: impl FnOnce(&mut Self) -> Result<T, Misread>,
    ) -> Result<T, Misread> {
        if self.depth == MAX_DEPTH {
            return Err(self.wrong(format!("more than {MAX_DEPTH} levels of parentheses")));
        }
        self.depth += 1;
        let found = part(self);
        self.depth -= 1;
        found
    }

    fn alternatives(&mut self) -> Result<Condition, Misread> {
        let first = self.conjunction()?;
        let mut parts = vec![first];
        while self.take_if(Token::Or) {
            parts.push(self.conjunction()?);
        }
        Ok(one_or(parts, Condition::Any))
    }

    fn conjunction(&mut self) -> Result<Condition, Misread> {
        let first = self.unary()?;
        let mut parts = vec![first];
        while self.take_if(Token::And) {
            parts.push(self.unary()?);
        }
        Ok(one_or(parts, Condition::All))
    }

    fn unary(&mut self) -> Result<Condition, Misread> {
        if self.take_if(Token::Sign('!')) {
            let part = self.nested(Self::unary)?;
            return Ok(Condition::Not(Box::new(part)));
        }
        if self.is_next('(') && !self.is_operand_in_parentheses() {
            self.take();
            let part = self.nested(Self::alternatives)?;
            self.require(')')?;
            return Ok(part);
        }
        self.comparison()
    }

    /// Whether `(flags & MASK)` comes next, and then a comparison.
    fn is_operand_in_parentheses(&self) -> bool {
        let mut ahead = Parser::new(self.text, self.at);
        ahead.take();
        ahead.masked().is_ok()
            && ahead.take_if(Token::Sign(')'))
            && matches!(ahead.peek(), Token::Comparison(_) | Token::Word("in"))
    }

    fn comparison(&mut self) -> Result<Condition, Misread> {
        let operand = if self.take_if(Token::Sign('(')) {
            let operand = self.masked()?;
            self.require(')')?;
            operand
        } else {
            self.operand()?
        };
        match self.peek() {
            Token::Comparison(operator) => {
                self.take();
                Ok(Condition::Compare(operand, operator, self.value()?))
            }
            Token::Word("in") => {
                self.take();
                self.require('{')?;
                let mut values = vec![self.value()?];
                while self.take_if(Token::Sign(',')) {
                    values.push(self.value()?);
                }
                self.require('}')?;
                Ok(Condition::In(operand, values))
            }
            _ if operand.mask.is_some() => {
                let none = Value::Number(0);
                Ok(Condition::Compare(operand, Comparison::NotEqual, none))
            }
            _ => Err(self.unexpected("a comparison (==, !=, <, <=, >, >=, in or &)")),
        }
    }

    /// An argument, perhaps with a mask.
    fn operand(&mut self) -> Result<Operand, Misread> {
        let parameter = match self.peek() {
            Token::Word(word) if !word.starts_with(|c: char| c.is_ascii_digit()) => word.to_owned(),
            _ => return Err(self.unexpected("the name of an argument")),
        };
        self.take();
        let raw = parameter == "raw" && self.take_if(Token::Sign('('));
        let parameter = match (raw, self.peek()) {
            (true, Token::Word(word)) => {
                self.take();
                self.require(')')?;
                word.to_owned()
            }
            (true, _) => return Err(self.unexpected("the name of an argument")),
            (false, _) => parameter,
        };
        let mask = if self.take_if(Token::Sign('&')) {
            Some(self.value()?)
        } else {
            None
        };
        Ok(Operand {
            parameter,
            raw,
            mask,
        })
    }

    /// An argument with a mask.
    fn masked(&mut self) -> Result<Operand, Misread> {
        let operand = self.operand()?;
        match operand.mask {
            Some(_) => Ok(operand),
            None => Err(self.unexpected("&")),
        }
    }

    fn value(&mut self) -> Result<Value, Misread> {
        let mut values = vec![self.term()?];
        while self.take_if(Token::Sign('|')) {
            values.push(self.term()?);
        }
        let flat = values.into_iter().flat_map(|value| match value {
            Value::Union(values) => values,
            value => vec![value],
        });
        Ok(one_or(flat.collect(), Value::Union))
    }

    fn term(&mut self) -> Result<Value, Misread> {
        match self.peek() {
            Token::Sign('~') => {
                self.take();
                let of = self.nested(Self::term)?;
                Ok(Value::Complement(Box::new(of)))
            }
            Token::Sign('(') => {
                self.take();
                let value = self.nested(Self::value)?;
                self.require(')')?;
                Ok(value)
            }
            Token::Sign('-') => {
                self.take();
                let number = self.number()?;
                Ok(Value::Number(-number))
            }
            Token::Word(word) if word.starts_with(|c: char| c.is_ascii_digit()) => {
                self.number().map(Value::Number)
            }
            Token::Word(word) => {
                self.take();
                Ok(Value::Name(word.to_owned()))
            }
            _ => Err(self.unexpected("a number or a constant")),
        }
    }

    fn number(&mut self) -> Result<i128, Misread> {
        let Token::Word(word) = self.peek() else {
            return Err(self.unexpected("a number"));
        };
        match number(word) {
            Some(number) => {
                self.take();
                Ok(number.into())
            }
            None => Err(self.wrong(format!("{word:?} is no number of up to 64 bits"))),
        }
    }
}

/// As C reads it, and `0o`.
fn number(word: &str) -> Option<u64> {
    let lower = word.to_ascii_lowercase();
    for (prefix, radix) in [("0x", 16), ("0b", 2), ("0o", 8), ("0", 8)] {
        if let Some(digits) = lower.strip_prefix(prefix)
            && !digits.is_empty()
        {
            return u64::from_str_radix(digits, radix).ok();
        }
    }
    lower.parse().ok()
}

/// The only part, or what several come to.
fn one_or<T>(mut parts: Vec<T>, several: impl FnOnce(Vec<T>) -> T) -> T {
    match parts.pop() {
        Some(only) if parts.is_empty() => only,
        last => {
            parts.extend(last);
            several(parts)
        }
    }
}
