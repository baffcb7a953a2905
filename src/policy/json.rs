//! The text of the POLICY note: JSON in one canonical form, with sorted keys and no white
//! space except for blanks at the end, so that equal policies have equal hashes.

use std::collections::BTreeSet;

use sandbox_format::bpf::{Comparison, Condition};
use sandbox_format::note::{MAX_POLICY, MIN_POLICY, UNIT};
use serde::{Deserialize, Serialize};

use super::names::is_plain;
use super::{Arch, Error, List, Policy, Resolved, ResolvedRule};

/// The format that is written and read.
pub const FORMAT: u64 = 2;

/// The fields are in alphabetical order, and are therefore written in that order.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    action: String,
    exact: bool,
    filters: Vec<Filter>,
    format: u64,
    list: ListName,
    names: Vec<String>,
    version: String,
}

/// The policy for an architecture; a program has one of them.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    arch: String,
    rules: Vec<Rule>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ListName {
    Allow,
    Deny,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Rule {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    name: String,
    number: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    when: Vec<Test>,
}

/// Mask and value are hexadecimal text, since many JSON readers keep only 53
/// bits of a number.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
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
        let rule = |rule: &ResolvedRule| Rule {
            action: rule.verdict.map(|verdict| verdict.to_string()),
            because: rule.because.clone(),
            name: rule.name.clone(),
            number: rule.number,
            when: rule.when.iter().map(Test::from).collect(),
        };
        let document = Document {
            action: self.policy.action.to_string(),
            exact: self.policy.exact,
            filters: vec![Filter {
                arch: self.arch.name().to_owned(),
                rules: self.rules.iter().map(rule).collect(),
            }],
            format: FORMAT,
            list: match self.policy.list {
                List::Allow => ListName::Allow,
                List::Deny => ListName::Deny,
            },
            names: self.policy.names.iter().cloned().collect(),
            version: self.version.clone(),
        };
        let mut text =
            serde_json::to_vec(&document).expect("text, numbers and lists of them are always JSON");
        pad(&mut text);
        text
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
        if format != FORMAT {
            return Err(Error::UnknownFormat(format));
        }
        let document: Document = serde_json::from_slice(text)?;
        let resolved = document.into_resolved()?;
        if resolved.to_json() != text {
            return Err(Error::NotCanonical);
        }
        Ok(resolved)
    }
}

/// Pads the text with blanks to the length that it has in the note.
pub fn pad(text: &mut Vec<u8>) {
    text.resize(text.len().max(MIN_POLICY).next_multiple_of(UNIT), b' ');
}

impl Document {
    fn into_resolved(self) -> Result<Resolved, Error> {
        if !self.names.iter().all(|name| is_plain(name)) {
            return Err(Error::BadField("name"));
        }
        if !(1..=64).contains(&self.version.len()) || !self.version.bytes().all(is_visible) {
            return Err(Error::BadField("version"));
        }
        let Ok([Filter { arch, rules }]) = <[Filter; 1]>::try_from(self.filters) else {
            return Err(Error::BadField("filters"));
        };
        Ok(Resolved {
            policy: Policy {
                list: match self.list {
                    ListName::Allow => List::Allow,
                    ListName::Deny => List::Deny,
                },
                names: self.names.into_iter().collect::<BTreeSet<_>>(),
                action: self.action.parse().map_err(|_| Error::BadField("action"))?,
                exact: self.exact,
            },
            arch: Arch::from_name(&arch).ok_or(Error::BadField("architecture"))?,
            rules: rules
                .into_iter()
                .map(Rule::into_resolved)
                .collect::<Result<_, _>>()?,
            version: self.version,
        })
    }
}

fn is_visible(byte: u8) -> bool {
    byte.is_ascii_graphic()
}

impl Rule {
    fn into_resolved(self) -> Result<ResolvedRule, Error> {
        if !is_plain(&self.name) || !self.because.as_deref().is_none_or(is_plain) {
            return Err(Error::BadField("rule"));
        }
        let verdict = self.action.map(|action| action.parse()).transpose();
        let when = self.when.iter().map(Test::condition).collect::<Option<_>>();
        Ok(ResolvedRule {
            name: self.name,
            number: self.number,
            verdict: verdict.map_err(|_| Error::BadField("action"))?,
            when: when.ok_or(Error::BadField("condition"))?,
            because: self.because,
        })
    }
}

impl From<&Condition> for Test {
    fn from(condition: &Condition) -> Self {
        Self {
            arg: condition.arg,
            mask: format!("{:#x}", condition.mask),
            op: condition.comparison.into(),
            value: format!("{:#x}", condition.value),
        }
    }
}

impl Test {
    fn condition(&self) -> Option<Condition> {
        let hex = |text: &str| u64::from_str_radix(text.strip_prefix("0x")?, 16).ok();
        Some(Condition {
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
