//! The text of the POLICY note: JSON in one canonical form, with sorted keys and no white
//! space except for blanks at the end, so that equal policies have equal hashes.

mod first;

use sandbox_format::bpf::{Comparison, Test};
use sandbox_format::note::{MAX_POLICY, MIN_POLICY, UNIT};
use serde::{Deserialize, Serialize};

use super::names::is_plain;
use super::{
    Abi, Action, Arch, Error, Origin, Policy, Resolved, ResolvedRule, Rule, Subject, item,
};

/// The format that is written. Format 2 is read as well.
pub const FORMAT: u64 = 3;

/// The longest description, in characters.
pub(super) const MAX_DESCRIPTION: usize = 1000;

/// The fields are in alphabetical order, and are therefore written in that order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    filters: Vec<Filter>,
    format: u64,
    policy: Request,
    version: String,
}

/// What was asked for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    architectures: Option<Vec<String>>,
    default: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    exact: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    foreign: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lenient: bool,
    rules: Vec<Asked>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown: Option<String>,
}

/// A rule as it was asked for.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    action: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<String>,
    item: String,
}

/// What it is for the calls of one ABI.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    arch: String,
    rules: Vec<Entry>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    unknown_from: Option<u32>,
}

/// A system call. Its action is that of the rule that it comes from, given by its index;
/// without one it is allowed.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    name: String,
    number: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule: Option<usize>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    when: Vec<Tested>,
}

/// Mask and value are hexadecimal text, since many JSON readers keep only 53
/// bits of a number.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tested {
    arg: u8,
    mask: String,
    #[serde(default, skip_serializing_if = "is_equal")]
    op: Operator,
    value: String,
}

/// `eq`, the most common one, is left out.
#[derive(Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Operator {
    #[default]
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it so")]
fn is_equal(operator: &Operator) -> bool {
    *operator == Operator::Eq
}

/// The fields that every format has.
#[derive(Deserialize)]
struct AnyFormat {
    format: u64,
}

impl Resolved {
    /// The canonical text.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        text_of(&Document {
            filters: self.abis.iter().map(Filter::from).collect(),
            format: FORMAT,
            policy: Request::from(&self.policy),
            version: self.version.clone(),
        })
    }

    /// Reads the canonical text, and nothing else: anything damaged or written by hand is
    /// refused, and every field is safe to print.
    ///
    /// # Errors
    ///
    /// It is too long, has another format, is not JSON, has unknown or bad fields, or is
    /// not canonical.
    pub fn from_json(text: &[u8]) -> Result<Self, Error> {
        if text.len() > MAX_POLICY {
            return Err(Error::TooLarge(text.len()));
        }
        let AnyFormat { format } = serde_json::from_slice(text)?;
        match format {
            first::FORMAT => first::read(text),
            FORMAT => {
                let document: Document = serde_json::from_slice(text)?;
                let resolved = document.into_resolved()?;
                if resolved.to_json() != text {
                    return Err(Error::NotCanonical);
                }
                Ok(resolved)
            }
            _ => Err(Error::UnknownFormat(format)),
        }
    }
}

/// The canonical text of a document.
fn text_of(document: &impl Serialize) -> Vec<u8> {
    let mut text =
        serde_json::to_vec(document).expect("text, numbers and lists of them are always JSON");
    pad(&mut text);
    text
}

/// Pads the text with blanks to the length that it has in the note.
pub fn pad(text: &mut Vec<u8>) {
    text.resize(text.len().max(MIN_POLICY).next_multiple_of(UNIT), b' ');
}

impl From<&Policy> for Request {
    fn from(policy: &Policy) -> Self {
        let text = |action: Option<Action>| action.map(|action| action.to_string());
        let asked = |rule: &Rule| Asked {
            action: rule.action.to_string(),
            at: rule.origin.as_ref().map(ToString::to_string),
            item: rule.to_string(),
        };
        let name = |arch: &Arch| arch.name().to_owned();
        let architectures = policy.architectures.as_ref();
        Self {
            architectures: architectures.map(|named| named.iter().map(name).collect()),
            default: policy.default.to_string(),
            description: policy.description.clone(),
            exact: policy.exact,
            foreign: text(policy.foreign),
            lenient: policy.lenient,
            rules: policy.rules.iter().map(asked).collect(),
            unknown: text(policy.unknown),
        }
    }
}

impl From<&Abi> for Filter {
    fn from(abi: &Abi) -> Self {
        let entry = |rule: &ResolvedRule| Entry {
            because: rule.because.clone(),
            name: rule.name.clone(),
            number: rule.number,
            rule: rule.rule,
            when: rule.when.iter().map(Tested::from).collect(),
        };
        Self {
            arch: abi.arch.name().to_owned(),
            rules: abi.rules.iter().map(entry).collect(),
            unknown_from: abi.unknown_from,
        }
    }
}

impl Document {
    fn into_resolved(self) -> Result<Resolved, Error> {
        require_version(&self.version)?;
        let policy = self.policy.into_policy()?;
        let abis = self.filters.into_iter().map(|it| it.into_abi(&policy));
        let abis: Vec<Abi> = abis.collect::<Result<_, _>>()?;
        let Some(arch) = abis.first().map(|abi| abi.arch) else {
            return Err(Error::BadField("filters"));
        };
        let is_foreign = |abi: &Abi| !arch.machine().contains(&abi.arch);
        let is_double = |at: usize| abis[..at].iter().any(|it| it.arch == abis[at].arch);
        if abis.iter().any(is_foreign) || (0..abis.len()).any(is_double) {
            return Err(Error::BadField("filters"));
        }
        Ok(Resolved {
            policy,
            arch,
            abis,
            version: self.version,
        })
    }
}

fn require_version(version: &str) -> Result<(), Error> {
    let is_visible = version.bytes().all(|byte| byte.is_ascii_graphic());
    if (1..=64).contains(&version.len()) && is_visible {
        Ok(())
    } else {
        Err(Error::BadField("version"))
    }
}

fn arch(name: &str) -> Result<Arch, Error> {
    Arch::from_name(name).ok_or(Error::BadField("architecture"))
}

fn action(text: &str) -> Result<Action, Error> {
    text.parse().map_err(|_| Error::BadField("action"))
}

impl Request {
    fn into_policy(self) -> Result<Policy, Error> {
        let optional = |text: Option<String>| text.as_deref().map(action).transpose();
        let architectures = self.architectures.map(|named| {
            let archs = named.iter().map(|name| arch(name));
            archs.collect::<Result<_, _>>()
        });
        let is_safe = |text: &String| {
            text.chars().count() <= MAX_DESCRIPTION && !text.contains(char::is_control)
        };
        if !self.description.as_ref().is_none_or(is_safe) {
            return Err(Error::BadField("description"));
        }
        let rules = self.rules.into_iter().map(Asked::into_rule);
        Ok(Policy {
            rules: rules.collect::<Result<_, _>>()?,
            default: action(&self.default)?,
            unknown: optional(self.unknown)?,
            foreign: optional(self.foreign)?,
            architectures: architectures.transpose()?,
            exact: self.exact,
            lenient: self.lenient,
            description: self.description,
        })
    }
}

impl Asked {
    fn into_rule(self) -> Result<Rule, Error> {
        let items = item::parse_list(&self.item).map_err(|_| Error::BadField("item"))?;
        let Ok([item]) = <[item::Item; 1]>::try_from(items) else {
            return Err(Error::BadField("item"));
        };
        let (Subject::Call(name) | Subject::Group(name)) = &item.subject;
        if item.action.is_some() || !is_plain(&name.replace('-', "_")) {
            return Err(Error::BadField("item"));
        }
        let mut rule = item.into_rule(action(&self.action)?);
        if rule.to_string() != self.item {
            return Err(Error::NotCanonical);
        }
        rule.origin = self.at.as_deref().map(origin).transpose()?;
        Ok(rule)
    }
}

/// Reads `policy.toml:3:7`.
fn origin(text: &str) -> Result<Origin, Error> {
    let mut parts = text.rsplitn(3, ':');
    let column = parts.next().and_then(|column| column.parse().ok());
    let line = parts.next().and_then(|line| line.parse().ok());
    let (Some(file), Some(line), Some(column)) = (parts.next(), line, column) else {
        return Err(Error::BadField("origin"));
    };
    let origin = Origin {
        file: file.to_owned(),
        line,
        column,
    };
    Some(origin)
        .filter(|origin| origin.to_string() == text && !text.contains(char::is_control))
        .ok_or(Error::BadField("origin"))
}

impl Filter {
    fn into_abi(self, policy: &Policy) -> Result<Abi, Error> {
        let rules = self.rules.into_iter().map(|it| it.into_resolved(policy));
        Ok(Abi {
            arch: arch(&self.arch)?,
            rules: rules.collect::<Result<_, _>>()?,
            unknown_from: self.unknown_from,
        })
    }
}

impl Entry {
    fn into_resolved(self, policy: &Policy) -> Result<ResolvedRule, Error> {
        let action = match self.rule {
            Some(rule) => policy.rules.get(rule).map(|rule| rule.action),
            None => Some(Action::Allow),
        };
        entry(
            self.name,
            self.number,
            self.because,
            &self.when,
            action,
            self.rule,
        )
    }
}

fn entry(
    name: String,
    number: u32,
    because: Option<String>,
    when: &[Tested],
    action: Option<Action>,
    rule: Option<usize>,
) -> Result<ResolvedRule, Error> {
    if !is_plain(&name) || !because.as_deref().is_none_or(is_plain) {
        return Err(Error::BadField("rule"));
    }
    let when = when.iter().map(Tested::test).collect::<Option<_>>();
    Ok(ResolvedRule {
        name,
        number,
        when: when.ok_or(Error::BadField("condition"))?,
        action: action.ok_or(Error::BadField("rule"))?,
        because,
        rule,
    })
}

impl From<&Test> for Tested {
    fn from(test: &Test) -> Self {
        Self {
            arg: test.arg,
            mask: format!("{:#x}", test.mask),
            op: test.comparison.into(),
            value: format!("{:#x}", test.value),
        }
    }
}

impl Tested {
    fn test(&self) -> Option<Test> {
        let hex = |text: &str| {
            let number = u64::from_str_radix(text.strip_prefix("0x")?, 16).ok()?;
            // A sign is read as well.
            (format!("{number:#x}") == text).then_some(number)
        };
        Some(Test {
            arg: Some(self.arg).filter(|arg| *arg <= 5)?,
            mask: hex(&self.mask)?,
            value: hex(&self.value)?,
            comparison: self.op.into(),
        })
    }
}

impl From<Comparison> for Operator {
    fn from(comparison: Comparison) -> Self {
        match comparison {
            Comparison::Equal => Self::Eq,
            Comparison::NotEqual => Self::Ne,
            Comparison::Less => Self::Lt,
            Comparison::LessOrEqual => Self::Le,
            Comparison::Greater => Self::Gt,
            Comparison::GreaterOrEqual => Self::Ge,
        }
    }
}

impl From<Operator> for Comparison {
    fn from(operator: Operator) -> Self {
        match operator {
            Operator::Eq => Self::Equal,
            Operator::Ne => Self::NotEqual,
            Operator::Lt => Self::Less,
            Operator::Le => Self::LessOrEqual,
            Operator::Gt => Self::Greater,
            Operator::Ge => Self::GreaterOrEqual,
        }
    }
}
