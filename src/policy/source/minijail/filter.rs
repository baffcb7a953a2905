//! What stands after the colon: conditions and actions.

use super::super::Misread;
use super::super::texts::{Place, Texts};
use super::lines::Token;
use crate::policy::condition::{Comparison, Condition, Operand, Value};
use crate::policy::names::alike;
use crate::policy::{Action, Arch, constants, errno, error};

/// How deep parentheses may be in each other.
const MAX_DEPTH: usize = 32;

/// The words of a statement that are not read yet.
pub(super) struct Words<'a> {
    pub(super) texts: &'a Texts<'a>,
    pub(super) arch: Arch,
    tokens: &'a [Token],
    at: usize,
}

impl<'a> Words<'a> {
    pub(super) fn of(texts: &'a Texts<'a>, arch: Arch, tokens: &'a [Token]) -> Self {
        Self {
            texts,
            arch,
            tokens,
            at: 0,
        }
    }

    pub(super) fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn next(&mut self) -> Option<&'a Token> {
        let token = self.peek();
        self.at += 1;
        token
    }

    pub(super) fn take(&mut self, sign: &str) -> bool {
        let is_it = self.peek().is_some_and(|token| token.is(sign));
        self.at += usize::from(is_it);
        is_it
    }

    /// Where the next word is, or the last one.
    pub(super) fn place(&self) -> Place {
        let token = self.peek().or(self.tokens.last());
        token.map_or(Place { file: 0, offset: 0 }, |token| token.place)
    }

    pub(super) fn wrong(&self, problem: impl Into<String>) -> Misread {
        self.texts.wrong(self.place(), problem)
    }

    /// An error that says what is expected.
    pub(super) fn expected(&self, what: &str) -> Misread {
        match self.peek() {
            Some(token) => self.wrong(format!("{what} is expected, not {:?}", token.text)),
            None => self.wrong(format!("{what} is missing at the end of the line")),
        }
    }

    pub(super) fn expect(&mut self, sign: &str, what: &str) -> Result<(), Misread> {
        match self.take(sign) {
            true => Ok(()),
            false => Err(self.expected(what)),
        }
    }

    fn bits(&self) -> u64 {
        match self.arch.has_32_bit_registers() {
            true => u32::MAX.into(),
            false => u64::MAX,
        }
    }

    /// `arg0 == 1 && arg1 in 3 || …`; whether minijail0 takes it, which needs blanks where
    /// compile_seccomp_policy.py does not.
    pub(super) fn condition(&mut self) -> Result<(Condition, bool), Misread> {
        let mut is_spaced = true;
        let mut alternatives = Vec::new();
        loop {
            let mut parts = Vec::new();
            loop {
                parts.push(self.atom(&mut is_spaced)?);
                if !self.take("&&") {
                    break;
                }
            }
            alternatives.push(only(parts, Condition::All));
            if !self.take("||") {
                return Ok((only(alternatives, Condition::Any), is_spaced));
            }
        }
    }

    fn atom(&mut self, is_spaced: &mut bool) -> Result<Condition, Misread> {
        let number = self.peek().and_then(|token| argument(&token.text));
        let Some(number) = number else {
            return Err(self.expected("an argument, arg0 to arg5,"));
        };
        if number > 5 {
            return Err(self.wrong("a call has arg0 to arg5"));
        }
        self.at += 1;
        let operator = self.peek();
        self.at += 1;
        let is_operator = |token: &&Token| {
            ["==", "!=", "<", "<=", ">", ">=", "&", "in"].contains(&token.text.as_str())
        };
        let Some(operator) = operator.filter(is_operator) else {
            self.at -= 1;
            return Err(self.expected("one of == != < <= > >= & in"));
        };
        let start = self.at;
        let value = self.value(0)?;
        let words = self.tokens.get(start..self.at).unwrap_or_default();
        let is_whole = words.iter().skip(1).all(|token| !token.is_apart);
        *is_spaced &=
            operator.is_apart && is_whole && words.first().is_some_and(|token| token.is_apart);
        Ok(self.comparison(number, &operator.text, value))
    }

    /// What is compared is the whole register, without sign (bpf.c; tools/bpf.py).
    fn comparison(&self, number: u8, operator: &str, value: u64) -> Condition {
        let all = self.bits();
        let (comparison, mask, value) = match operator {
            "==" => (Comparison::Equal, all, value),
            "!=" => (Comparison::NotEqual, all, value),
            "<" => (Comparison::Less, all, value),
            "<=" => (Comparison::LessOrEqual, all, value),
            ">" => (Comparison::Greater, all, value),
            ">=" => (Comparison::GreaterOrEqual, all, value),
            "&" => (Comparison::NotEqual, value, 0),
            _ => (Comparison::Equal, all & !value, 0),
        };
        let operand = Operand {
            parameter: format!("arg{number}"),
            raw: true,
            mask: (mask != u64::MAX).then(|| Value::Number(mask.into())),
        };
        Condition::Compare(operand, comparison, Value::Number(value.into()))
    }

    /// Constants with `|` between them.
    fn value(&mut self, depth: usize) -> Result<u64, Misread> {
        if depth > MAX_DEPTH {
            return Err(self.wrong("parentheses are too deep in each other"));
        }
        let mut all = 0;
        loop {
            let is_complement = self.take("~");
            let value = if self.peek().is_some_and(|token| token.is("(")) {
                let open = self.place();
                self.at += 1;
                let value = self.value(depth + 1)?;
                if !self.take(")") {
                    return Err(self.texts.wrong(open, "the ( is never closed"));
                }
                value
            } else {
                self.constant()?
            };
            all |= if is_complement {
                !value & self.bits()
            } else {
                value
            };
            if !self.take("|") {
                return Ok(all);
            }
        }
    }

    fn constant(&mut self) -> Result<u64, Misread> {
        let Some(token) = self
            .peek()
            .filter(|token| token.is_word() || token.is_number())
        else {
            return Err(self.expected("a number or a constant"));
        };
        let found = match token.is_number() {
            true => self.number(&token.text),
            false => self.named(&token.text),
        };
        let found = found.map_err(|problem| self.wrong(problem))?;
        self.at += 1;
        Ok(found)
    }

    /// A number as strtol(3) takes it, as large as a register.
    fn number(&self, text: &str) -> Result<u64, String> {
        let (is_negative, digits) = match text.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, text),
        };
        let hexadecimal = digits.strip_prefix("0x").or(digits.strip_prefix("0X"));
        let parsed = match (hexadecimal, digits.strip_prefix('0')) {
            (Some(digits), _) => u128::from_str_radix(digits, 16),
            (None, Some(digits)) if !digits.is_empty() => u128::from_str_radix(digits, 8),
            _ => digits.parse(),
        };
        let too_large = || format!("{text} does not fit a register");
        let number = parsed.map_err(|error| match error.kind() {
            std::num::IntErrorKind::PosOverflow => too_large(),
            _ => format!("{text:?} is no number"),
        })?;
        let all = self.bits();
        let limit = match is_negative {
            true => u128::from(all >> 1) + 1,
            false => all.into(),
        };
        let number = u64::try_from(number)
            .ok()
            .filter(|it| u128::from(*it) <= limit);
        let number = number.ok_or_else(too_large)?;
        Ok(if is_negative {
            number.wrapping_neg() & all
        } else {
            number
        })
    }

    /// The number of a constant, which is called by its name alone.
    fn named(&self, name: &str) -> Result<u64, String> {
        let is_error = name.starts_with('E') && !self.arch.has_own_errno();
        if let Some(number) =
            errno::number(name).filter(|number| *number <= errno::LAST_COMMON || is_error)
        {
            return Ok(number.into());
        }
        let families: Vec<_> = constants::families(name).collect();
        let mut values: Vec<u64> = families
            .iter()
            .filter_map(|family| constants::value(*family, name, self.arch))
            .collect();
        values.sort_unstable();
        values.dedup();
        match values[..] {
            [value] => Ok(value & self.bits()),
            [] if families.is_empty() && errno::number(name).is_none() => {
                Err(match error::either(&alike(name, constants::all_names())) {
                    Some(names) => format!("unknown constant {name:?}; did you mean {names}?"),
                    None => format!("unknown constant {name:?}; give the number"),
                })
            }
            [] => Err(format!(
                "the number of {name} on {} is not known; give it",
                self.arch
            )),
            _ => Err(format!("{name} has several meanings; give the number")),
        }
    }

    /// `return EPERM`, after the first word.
    pub(super) fn errno(&mut self) -> Result<Action, Misread> {
        let at = self.place();
        match self.value(0)? & 0xffff {
            // SECCOMP_RET_ERRNO with 0 has the call do nothing and succeed.
            number @ 1..=4095 => Ok(Action::Errno(u16::try_from(number).unwrap_or_default())),
            _ => Err(self
                .texts
                .wrong(at, "an error number is one from 1 to 4095")),
        }
    }
}

/// The number in `arg0`.
pub(super) fn argument(word: &str) -> Option<u8> {
    let digits = word.strip_prefix("arg")?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse().unwrap_or(u8::MAX))
}

fn only(mut parts: Vec<Condition>, several: fn(Vec<Condition>) -> Condition) -> Condition {
    match parts.len() {
        1 => parts.remove(0),
        _ => several(parts),
    }
}
