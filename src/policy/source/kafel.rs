//! Policies in the language of kafel, as nsjail takes them.
//!
//! The first rule that holds decides; `USE` stands for the rules of another policy. Calls
//! that no rule is about get what `DEFAULT` says, and end the thread where nothing does, as
//! calls of other ABIs always do (src/codegen.c, `compile_policy_impl`).

mod expression;
mod lexer;
mod names;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use super::literal::literal;
use super::texts::{Place, Texts};
use super::{Input, Misread};
use crate::policy::item::Item;
use crate::policy::names::alike;
use crate::policy::{Action, Arch, Draft, Subject, call_name, call_number, calls, error, is_call};
use expression::Arguments;
use lexer::{Kind, Token};

/// Reads a policy.
pub(super) fn read(input: &Input<'_>) -> Result<Draft, Misread> {
    let mut texts = Texts::new(input);
    let tokens = lexer::tokens(&mut texts)?;
    let mut reader = Reader {
        texts: &texts,
        arch: input.options.arch,
        tokens: &tokens,
        at: 0,
        depth: 0,
        constants: BTreeMap::new(),
        policies: BTreeMap::new(),
        default: None,
    };
    let main = reader.program()?;
    let mut items = Vec::new();
    reader.flatten(&main, &mut BTreeSet::new(), &mut items);
    let default = reader.default.unwrap_or(Action::KillThread);
    Ok(Draft {
        allow: Some(literal(items, default, reader.arch)),
        default: Some(default),
        foreign: Some(Action::KillThread),
        exact: Some(true),
        lenient: Some(true),
        architectures: Some(Vec::new()),
        ..Draft::default()
    })
}

/// A part of a policy.
enum Entry {
    Rule(Box<Item>),
    Use(String),
}

struct Reader<'a> {
    texts: &'a Texts<'a>,
    arch: Arch,
    tokens: &'a [Token],
    at: usize,
    /// How deep the expression is that is being read.
    depth: usize,
    constants: BTreeMap<String, u64>,
    policies: BTreeMap<String, Vec<Entry>>,
    default: Option<Action>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    /// Takes a sign or a word of the language.
    fn take(&mut self, word: &str) -> bool {
        let is_it = self.peek().is_some_and(|token| token.is(word));
        self.at += usize::from(is_it);
        is_it
    }

    fn place(&self) -> Place {
        let token = self.peek().or(self.tokens.last());
        token.map_or(Place { file: 0, offset: 0 }, |token| token.place)
    }

    fn wrong(&self, problem: impl Into<String>) -> Misread {
        self.texts.wrong(self.place(), problem)
    }

    fn expected(&self, what: &str) -> Misread {
        match self.peek() {
            Some(token) => self.wrong(format!("{what} is expected, not {:?}", token.text)),
            None => self.wrong(format!("{what} is missing at the end of the policy")),
        }
    }

    fn expect(&mut self, word: &str) -> Result<(), Misread> {
        match self.take(word) {
            true => Ok(()),
            false => Err(self.expected(word)),
        }
    }

    fn identifier(&mut self, what: &str) -> Result<&'a Token, Misread> {
        let token = self.peek().filter(|token| token.kind == Kind::Identifier);
        let token = token.ok_or_else(|| self.expected(what))?;
        self.at += 1;
        Ok(token)
    }

    fn number(&mut self) -> Result<u64, Misread> {
        let Some(Kind::Number(number)) = self.peek().map(|token| token.kind) else {
            return Err(self.expected("a number"));
        };
        self.at += 1;
        Ok(number)
    }

    /// All of it; what stands outside of policies makes one of its own.
    fn program(&mut self) -> Result<Vec<Entry>, Misread> {
        let mut main = Vec::new();
        if self.tokens.is_empty() {
            return Err(self.wrong("there is nothing in this policy"));
        }
        while self.peek().is_some() {
            let place = self.place();
            if self.take("#") {
                self.constant(place)?;
            } else if self.take("POLICY") {
                let name = self.identifier("the name of a policy")?;
                self.expect("{")?;
                let mut entries = Vec::new();
                if !self.take("}") {
                    self.entries(&mut entries)?;
                    self.expect("}")?;
                }
                if self.policies.insert(name.text.clone(), entries).is_some() {
                    let problem = format!("there is a policy {} already", name.text);
                    return Err(self.texts.wrong(name.place, problem));
                }
            } else if self.take("DEFAULT") {
                let action = self.action()?;
                if self.default.replace(action).is_some() {
                    return Err(self.texts.wrong(place, "DEFAULT is given twice"));
                }
            } else {
                self.entries(&mut main)?;
            }
        }
        Ok(main)
    }

    /// `#define NAME 1`, after the sign.
    fn constant(&mut self, place: Place) -> Result<(), Misread> {
        if !self.take("define") {
            return Err(self.expected("define or include"));
        }
        let name = self.identifier("the name of a constant")?;
        let number = self.number()?;
        let former = self.constants.insert(name.text.clone(), number);
        if former.is_some_and(|former| former != number) {
            let problem = format!("{} has another value already", name.text);
            return Err(self.texts.wrong(place, problem));
        }
        Ok(())
    }

    /// Blocks and uses, with commas between them.
    fn entries(&mut self, entries: &mut Vec<Entry>) -> Result<(), Misread> {
        loop {
            if self.take("USE") {
                let name = self.identifier("the name of a policy")?;
                if !self.policies.contains_key(&name.text) {
                    let known = self.policies.keys().cloned();
                    let problem = match error::either(&alike(&name.text, known)) {
                        Some(names) => format!(
                            "there is no policy {} before this; did you mean {names}?",
                            name.text
                        ),
                        None => format!("there is no policy {} before this", name.text),
                    };
                    return Err(self.texts.wrong(name.place, problem));
                }
                entries.push(Entry::Use(name.text.clone()));
            } else {
                self.block(entries)?;
            }
            if !self.take(",") {
                return Ok(());
            }
        }
    }

    fn block(&mut self, entries: &mut Vec<Entry>) -> Result<(), Misread> {
        let action = self.action()?;
        self.expect("{")?;
        if self.take("}") {
            return Ok(());
        }
        loop {
            if let Some(mut item) = self.rule()? {
                item.action = Some(action);
                entries.push(Entry::Rule(Box::new(item)));
            }
            if !self.take(",") {
                break;
            }
        }
        self.expect("}")
    }

    fn action(&mut self) -> Result<Action, Misread> {
        let words = [
            ("ALLOW", Action::Allow),
            ("LOG", Action::Log),
            ("DENY", Action::KillThread),
            ("KILL", Action::KillThread),
            ("KILL_THREAD", Action::KillThread),
            ("KILL_PROCESS", Action::KillProcess),
        ];
        for (word, action) in words {
            if self.take(word) {
                return Ok(action);
            }
        }
        if self.peek().is_some_and(|token| token.is("USER_NOTIF")) {
            return Err(
                self.wrong("USER_NOTIF needs a process that holds the listener, and there is none")
            );
        }
        for word in ["ERRNO", "TRAP", "TRACE"] {
            if self.take(word) {
                self.expect("(")?;
                let place = self.place();
                let number = self.number()?;
                self.expect(")")?;
                return numbered(word, number).map_err(|problem| self.texts.wrong(place, problem));
            }
        }
        let problem = self
            .peek()
            .filter(|token| token.kind == Kind::Identifier)
            .and_then(|token| {
                let known = lexer::WORDS.into_iter();
                let names = error::either(&alike(&token.text, known))?;
                Some(format!(
                    "unknown word {:?}; did you mean {names}?",
                    token.text
                ))
            });
        Err(match problem {
            Some(problem) => self.wrong(problem),
            None => self.expected("an action, POLICY, USE or DEFAULT"),
        })
    }

    /// A call and its condition, without an action; none where it is for other architectures.
    fn rule(&mut self) -> Result<Option<Item>, Misread> {
        let place = self.place();
        let (name, is_named) = self.call()?;
        let declared = if self.take("(") {
            Some(self.declared()?)
        } else {
            None
        };
        let is_here = !self.take("ON") || self.guard()?;
        let arguments = Arguments {
            call: is_named.then_some(name.as_deref()).flatten(),
            declared,
        };
        let mut when = None;
        if self.take("{") && !self.take("}") {
            when = Some(self.condition(&arguments, is_here)?);
            self.expect("}")?;
        }
        let Some(name) = name.filter(|_| is_here) else {
            if !is_here {
                return Ok(None);
            }
            let problem = format!("no call of this number is known on {}", self.arch);
            return Err(self.texts.wrong(place, problem));
        };
        if !is_call(&name) {
            let problem = match error::either(&alike(&name, calls::names().into_iter())) {
                Some(names) => format!("unknown system call {name:?}; did you mean {names}?"),
                None => format!("unknown system call {name:?}; syscalls(2) lists the names"),
            };
            return Err(self.texts.wrong(place, problem));
        }
        Ok(Some(Item {
            when,
            origin: Some(self.texts.origin(place)),
            ..Item::of(Subject::Call(name))
        }))
    }

    /// The name of a call, none if it is given by a number that no call has; and whether it
    /// is given by name.
    fn call(&mut self) -> Result<(Option<String>, bool), Misread> {
        if self.take("SYSCALL") {
            self.expect("[")?;
            let number = self.number()?;
            self.expect("]")?;
            return Ok((self.name_of(number), false));
        }
        let token = self.identifier("the name of a system call")?;
        if let Some(number) = self.constants.get(&token.text) {
            return Ok((self.name_of(*number), false));
        }
        Ok((Some(self.own_name(&token.text)), true))
    }

    /// The name of the call with a number, which is an int (src/policy.c,
    /// `syscall_spec_create_custom`).
    fn name_of(&self, number: u64) -> Option<String> {
        let number = u32::try_from(number & u64::from(u32::MAX)).ok()?;
        call_name(number, self.arch)
    }

    /// What a call is called here.
    fn own_name(&self, name: &str) -> String {
        let has_short = names::SHORT.contains(&self.arch);
        if let Some(plain) = name
            .strip_suffix("16")
            .filter(|it| has_short && names::IDS.contains(it))
        {
            return plain.to_owned();
        }
        let long = format!("{name}32");
        if has_short && names::IDS.contains(&name) && call_number(&long, self.arch).is_some() {
            return long;
        }
        let row = names::CALLS
            .iter()
            .find(|(it, _, on)| *it == name && on.contains(&self.arch));
        row.map_or(name, |(_, own, _)| own).to_owned()
    }

    /// `fd, buf)`
    fn declared(&mut self) -> Result<Vec<String>, Misread> {
        let mut names: Vec<String> = Vec::new();
        if self.take(")") {
            return Ok(names);
        }
        loop {
            let token = self.identifier("the name of an argument")?;
            if names.contains(&token.text) {
                let problem = format!("there is an argument {} already", token.text);
                return Err(self.texts.wrong(token.place, problem));
            }
            if names.len() == 6 {
                return Err(self
                    .texts
                    .wrong(token.place, "a call has six arguments at most"));
            }
            names.push(token.text.clone());
            if !self.take(",") {
                break;
            }
        }
        self.expect(")")?;
        Ok(names)
    }

    /// `ON x86_64` or `ON { x86_64, arm }`: whether that is this architecture.
    fn guard(&mut self) -> Result<bool, Misread> {
        let is_list = self.take("{");
        let mut seen = Vec::new();
        loop {
            let token = self.identifier("an architecture")?;
            let lower = token.text.to_ascii_lowercase();
            let Some(row) = ARCHITECTURES.iter().find(|row| row.0 == lower) else {
                let names: Vec<_> = ARCHITECTURES.iter().map(|row| row.0).collect();
                let problem = format!(
                    "unknown architecture {:?}; there are {}",
                    token.text,
                    names.join(", ")
                );
                return Err(self.texts.wrong(token.place, problem));
            };
            if seen.contains(&row.1) {
                return Err(self
                    .texts
                    .wrong(token.place, format!("{} is given twice", token.text)));
            }
            seen.push(row.1);
            if !is_list || !self.take(",") {
                break;
            }
        }
        if is_list {
            self.expect("}")?;
        }
        Ok(seen.contains(&self.arch.name()))
    }

    /// The rules of a policy with those that it uses. Those that were used before would never
    /// decide (src/range_rules.c, `add_policy_rules`).
    fn flatten<'p>(
        &'p self,
        entries: &'p [Entry],
        used: &mut BTreeSet<&'p str>,
        items: &mut Vec<Item>,
    ) {
        let mut open = vec![entries.iter()];
        while let Some(top) = open.last_mut() {
            match top.next() {
                None => {
                    open.pop();
                }
                Some(Entry::Rule(item)) => items.push((**item).clone()),
                Some(Entry::Use(name)) => {
                    if let Some(policy) = self.policies.get(name).filter(|_| used.insert(name)) {
                        open.push(policy.iter());
                    }
                }
            }
        }
    }
}

fn numbered(word: &str, number: u64) -> Result<Action, String> {
    match (word, u16::try_from(number)) {
        ("ERRNO", Ok(number @ 1..=4095)) => Ok(Action::Errno(number)),
        ("ERRNO", _) => Err(format!("{number} is no error; give one from 1 to 4095")),
        ("TRACE", Ok(number)) => Ok(Action::Trace(number)),
        ("TRAP", Ok(0)) => Ok(Action::Trap),
        ("TRAP", Ok(_)) => Err("a number can't be given to the signal; write TRAP(0)".to_owned()),
        _ => Err(format!("{number} is more than 65535")),
    }
}

/// The names of architectures, and what they are here; some stand for none of those
/// (src/syscall.c, `arch_name_map`). In any case.
const ARCHITECTURES: &[(&str, &str)] = &[
    ("arm", "arm"),
    ("aarch64", "aarch64"),
    ("arm64", "aarch64"),
    ("x86_64", "x86_64"),
    ("amd64", "x86_64"),
    ("x86", "x86"),
    ("i386", "x86"),
    ("mips", "mips"),
    ("mipso32", "mips"),
    ("mips64", "mips64"),
    ("riscv64", "riscv64"),
    ("rv64", "riscv64"),
    ("m68k", "m68k"),
];
