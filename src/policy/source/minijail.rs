//! The policy files of minijail (minijail0(5)).
//!
//! Two tools take them, and differ. `minijail0 -S` (syscall_filter.c) knows
//! `read: arg0 == 0; return EBADF` as: permitted if that holds, and else an error. To
//! tools/compile_seccomp_policy.py (tools/parser.py) the same is an error if it holds, and
//! else what unlisted calls get. A file is read as the manual says, unless it has something
//! that minijail0 refuses: groups in braces, `[arch=…]`, actions by name, `@default`,
//! `@denylist`, or files that are included by included ones.
//!
//! Either way, calls that no line is about end the thread, as do those of other ABIs:
//! `ACTION_RET_KILL` (libminijail.c, `parse_seccomp_filters`) without the option for all
//! threads, and `KillThread` without `--use-kill-process`.

mod filter;
mod lines;
#[cfg(test)]
mod tests;
mod write;

use std::collections::BTreeMap;

use super::literal::literal;
use super::size::Size;
use super::texts::{Place, Texts};
use super::{Input, Misread};
use crate::policy::condition::Condition;
use crate::policy::item::Item;
use crate::policy::names::alike;
use crate::policy::{Action, Arch, Draft, Subject, calls, error, is_call};
use filter::{Words, argument};
use lines::{Line, Token};

pub(super) use write::write;

/// Reads a policy.
pub(super) fn read(input: &Input<'_>) -> Result<Draft, Misread> {
    let mut texts = Texts::new(input);
    let lines = lines::lines(&mut texts, 0)?;
    let is_denylist = lines.iter().any(|line| matches!(line, Line::Denylist));
    let is_compiled = lines.iter().any(|line| is_compiled(&texts, line));
    // tools/compile_seccomp_policy.py, `main`: with --denylist, the call fails with EPERM
    // where it would be ended otherwise, also that of another ABI.
    let kill = match is_denylist {
        true => Action::Errno(1),
        false => Action::KillThread,
    };
    let mut reader = Reader {
        texts: &texts,
        arch: input.options.arch,
        is_compiled,
        is_denylist,
        kill,
        default: if is_denylist { Action::Allow } else { kill },
        calls: BTreeMap::new(),
        items: Vec::new(),
        size: Size::default(),
    };
    for line in &lines {
        reader.line(line)?;
    }
    let default = if is_denylist {
        Action::Allow
    } else {
        reader.default
    };
    reader.close();
    Ok(Draft {
        allow: Some(literal(reader.items, default, reader.arch)),
        default: Some(default),
        foreign: Some(kill),
        exact: Some(true),
        lenient: Some(true),
        architectures: Some(Vec::new()),
        ..Draft::default()
    })
}

/// Whether minijail0 refuses a line that compile_seccomp_policy.py takes.
fn is_compiled(texts: &Texts<'_>, line: &Line) -> bool {
    let Line::Filter(tokens) = line else {
        return true;
    };
    let is_action = |pair: &[Token]| {
        let [before, word] = pair else { return false };
        (before.is(":") || before.is(";"))
            && word.is_word()
            && !word.is("return")
            && argument(&word.text).is_none()
    };
    tokens.iter().any(|token| token.is("{") || token.is("["))
        || tokens.windows(2).any(is_action)
        || tokens
            .first()
            .is_some_and(|token| texts.depth(token.place.file) > 1)
}

/// What is known of a call.
#[derive(Default)]
struct Known {
    /// Whether a line decides for all arguments.
    is_decided: bool,
    /// Where some arguments get something else than permission.
    exception: Option<Place>,
}

/// What happens on which arguments.
struct Filter {
    when: Option<Condition>,
    action: Action,
    place: Place,
}

struct Reader<'a> {
    texts: &'a Texts<'a>,
    arch: Arch,
    is_compiled: bool,
    is_denylist: bool,
    kill: Action,
    default: Action,
    calls: BTreeMap<String, Known>,
    items: Vec<Item>,
    size: Size,
}

impl Reader<'_> {
    fn line(&mut self, line: &Line) -> Result<(), Misread> {
        match line {
            Line::Denylist => Ok(()),
            Line::Default(tokens) => {
                let mut words = Words::of(self.texts, self.arch, tokens);
                words.next();
                self.default = match self.named_action(&mut words)? {
                    Action::Allow | Action::Log | Action::Trace(_) => {
                        return Err(words.wrong("a default that permits calls is refused by minijail; it takes kill, kill-process, kill-thread and trap"));
                    }
                    action => action,
                };
                end(&words)
            }
            Line::Filter(tokens) => self.statement(tokens),
        }
    }

    fn statement(&mut self, tokens: &[Token]) -> Result<(), Misread> {
        let mut words = Words::of(self.texts, self.arch, tokens);
        let mut names = Vec::new();
        if words.take("{") {
            loop {
                names.extend(self.name(&mut words)?);
                if !words.take(",") {
                    break;
                }
            }
            words.expect("}", "}")?;
        } else {
            names.extend(self.name(&mut words)?);
        }
        words.expect(":", "a colon after the name of the call")?;
        let mut filters = Vec::new();
        if words.take("{") {
            loop {
                filters.extend(self.filter(&mut words)?);
                if !words.take(",") {
                    break;
                }
            }
            words.expect("}", "}")?;
        } else {
            filters.extend(self.filter(&mut words)?);
        }
        end(&words)?;
        for (name, place) in names {
            self.add(&name, place, &filters)?;
        }
        Ok(())
    }

    /// The name of a call; none if the line is for other architectures.
    fn name(&self, words: &mut Words<'_>) -> Result<Option<(String, Place)>, Misread> {
        let Some(token) = words
            .peek()
            .filter(|token| token.is_word() || token.is_number())
        else {
            return Err(words.expected("the name of a system call"));
        };
        words.next();
        let is_here = !words.take("[") || self.is_for_arch(words)?;
        let wrong = |problem: String| Err(self.texts.wrong(token.place, problem));
        if token.text.contains('@') {
            return wrong(format!(
                "the calls of {} are in a file of minijail's build; write them out",
                token.text
            ));
        }
        // Some calls of arm are named by their macros (gen_syscalls.sh).
        let plain = token
            .text
            .strip_prefix("ARM_")
            .filter(|_| self.arch == Arch::Arm);
        let name = plain.unwrap_or(&token.text);
        if !is_here {
            return Ok(None);
        }
        if !is_call(name) {
            return wrong(
                match error::either(&alike(name, calls::names().into_iter())) {
                    Some(names) => format!("unknown system call {name:?}; did you mean {names}?"),
                    None => format!("unknown system call {name:?}; syscalls(2) lists the names"),
                },
            );
        }
        Ok(Some((name.to_owned(), token.place)))
    }

    /// `arch=x86_64,arm64]`: whether that is this one.
    fn is_for_arch(&self, words: &mut Words<'_>) -> Result<bool, Misread> {
        let mut is_here = None;
        loop {
            if !words.take("arch") {
                return Err(words.expected("arch"));
            }
            if is_here.is_some() {
                return Err(words.wrong("arch is given twice"));
            }
            words.expect("=", "=")?;
            let mut found = false;
            loop {
                let name = words.peek().filter(|token| token.is_word());
                let Some(name) = name else {
                    return Err(words.expected("an architecture"));
                };
                let Some((_, names)) = NAMES.iter().find(|(it, _)| *it == name.text) else {
                    let problem = format!(
                        "unknown architecture {:?}; there are {}",
                        name.text,
                        all_names()
                    );
                    return Err(words.wrong(problem));
                };
                found |= names.contains(&self.arch.name());
                words.next();
                if !words.take(",") {
                    break;
                }
            }
            is_here = Some(found);
            if !words.take(";") {
                break;
            }
        }
        words.expect("]", "]")?;
        Ok(is_here.unwrap_or(true))
    }

    /// One or two filters: a condition with what happens otherwise is two.
    fn filter(&self, words: &mut Words<'_>) -> Result<Vec<Filter>, Misread> {
        let place = words.place();
        let of = |when, action| Filter {
            when,
            action,
            place,
        };
        if words
            .peek()
            .is_none_or(|token| argument(&token.text).is_none())
        {
            return Ok(vec![of(None, self.action(words)?)]);
        }
        let (when, is_spaced) = words.condition()?;
        if !words.take(";") {
            return Ok(vec![of(Some(when), Action::Allow)]);
        }
        if self.is_compiled {
            return Ok(vec![of(Some(when), self.action(words)?)]);
        }
        if !is_spaced {
            let problem = "minijail0 permits the call if this holds, and compile_seccomp_policy.py if it does not; only the latter takes it without blanks around the operator or with some in the number";
            return Err(self.texts.wrong(place, problem));
        }
        let otherwise = self.action(words)?;
        Ok(vec![of(Some(when), Action::Allow), of(None, otherwise)])
    }

    fn action(&self, words: &mut Words<'_>) -> Result<Action, Misread> {
        let place = words.place();
        if words.take("return") {
            // minijail0 takes it without a number, for what unlisted calls get.
            if !self.is_compiled && words.peek().is_none() {
                return Ok(self.kill);
            }
            return words.errno();
        }
        if self.is_denylist {
            return Err(words.wrong("with @denylist, each line says return and an error"));
        }
        if words
            .peek()
            .is_some_and(|token| ["1", "0x1", "01"].contains(&token.text.as_str()))
        {
            words.next();
            return Ok(Action::Allow);
        }
        if words.peek().is_some_and(Token::is_number) {
            return Err(self.texts.wrong(
                place,
                "1 permits the call; for anything else write an action or a condition",
            ));
        }
        self.named_action(words)
    }

    fn named_action(&self, words: &mut Words<'_>) -> Result<Action, Misread> {
        const ACTIONS: [&str; 7] = [
            "allow",
            "kill",
            "kill-process",
            "kill-thread",
            "trap",
            "trace",
            "log",
        ];
        let Some(token) = words.peek().filter(|token| token.is_word()) else {
            return Err(words.expected("an action or a condition"));
        };
        let action = match token.text.as_str() {
            "allow" => Action::Allow,
            "kill" => self.kill,
            "kill-process" => Action::KillProcess,
            "kill-thread" => Action::KillThread,
            "trap" => Action::Trap,
            "trace" => Action::Trace(0),
            "log" => Action::Log,
            "user-notify" => {
                return Err(words.wrong(
                    "user-notify needs a process that holds the listener, and there is none",
                ));
            }
            other => {
                let problem = match alike(other, ACTIONS.into_iter()).first() {
                    Some(name) => format!("unknown action {other:?}; did you mean {name}?"),
                    None => format!(
                        "unknown action {other:?}; there are {} and return",
                        ACTIONS.join(", ")
                    ),
                };
                return Err(words.wrong(problem));
            }
        };
        words.next();
        Ok(action)
    }

    fn add(&mut self, name: &str, place: Place, filters: &[Filter]) -> Result<(), Misread> {
        let is_new = !self.calls.contains_key(name);
        let known = self.calls.entry(name.to_owned()).or_default();
        // syscall_filter.c, `compile_file`.
        if !is_new && !self.is_compiled {
            return Err(self
                .texts
                .wrong(place, format!("{name} has a line already")));
        }
        for filter in filters {
            if known.is_decided {
                let problem = format!("what stands before this decides {name} for all arguments");
                return Err(self.texts.wrong(filter.place, problem));
            }
            let comparisons = filter.when.as_ref().map_or(0, Condition::size);
            let misread = |misread: Misread| self.texts.wrong(filter.place, misread.problem);
            self.size.add(1 + comparisons, 0).map_err(misread)?;
            known.is_decided = filter.when.is_none();
            if filter.action != Action::Allow {
                known.exception = Some(filter.place);
            } else if known.is_decided && !self.is_denylist && known.exception.is_some() {
                // tools/compiler.py, `compile_filter_statement`.
                let problem = format!(
                    "minijail drops all other rules for {name} where the last is allow; write allow with a condition, or other conditions"
                );
                return Err(self.texts.wrong(filter.place, problem));
            }
            self.items.push(Item {
                subject: Subject::Call(name.to_owned()),
                when: filter.when.clone(),
                action: Some(filter.action),
                origin: Some(self.texts.origin(filter.place)),
            });
        }
        Ok(())
    }

    /// With `@denylist`, `@default` is about the listed calls only (tools/compiler.py).
    fn close(&mut self) {
        if !self.is_denylist || self.default == Action::Allow {
            return;
        }
        for (name, _) in self.calls.iter().filter(|(_, known)| !known.is_decided) {
            self.items.push(Item {
                action: Some(self.default),
                ..Item::of(Subject::Call(name.clone()))
            });
        }
    }
}

fn end(words: &Words<'_>) -> Result<(), Misread> {
    match words.peek() {
        Some(token) => Err(words.wrong(format!("{:?} is too much here", token.text))),
        None => Ok(()),
    }
}

/// What `arch_name` is in the tools' tables (arch.h of minijail, which has no other names),
/// and what that architecture is called here. The compiler takes every other word for an
/// architecture that this one is not.
const NAMES: &[(&str, &[&str])] = &[
    ("x86_64", &["x86_64"]),
    ("x86", &["x86"]),
    ("arm64", &["aarch64"]),
    ("arm", &["arm"]),
    ("riscv64", &["riscv64"]),
    ("ppc64", &["ppc64", "ppc64le"]),
    ("ppc", &["ppc"]),
    ("s390x", &["s390x"]),
    ("s390", &["s390"]),
    ("mips", &["mips"]),
    ("mipsel", &["mipsel"]),
    ("mips64", &["mips64"]),
    ("mipsel64", &["mipsel64"]),
    ("loong64", &[]),
    ("parisc", &[]),
    ("ia64", &[]),
];

fn all_names() -> String {
    let names: Vec<_> = NAMES.iter().map(|(name, _)| *name).collect();
    names.join(", ")
}
