//! Format 2 of the text, which the first versions wrote: a list of names with one action,
//! for one ABI. It is read, so that their programs can still be verified.

use serde::{Deserialize, Serialize};

use super::{Tested, action, arch, entry, require_version, text_of};
use crate::policy::names::is_plain;
use crate::policy::{Abi, Action, Error, Policy, Resolved, ResolvedRule, Subject};

pub(super) const FORMAT: u64 = 2;

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    action: String,
    exact: bool,
    filters: Vec<Filter>,
    format: u64,
    list: List,
    names: Vec<String>,
    version: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    arch: String,
    rules: Vec<Entry>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum List {
    Allow,
    Deny,
}

/// A call that the list covers.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    because: Option<String>,
    name: String,
    number: u32,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    when: Vec<Tested>,
}

pub(super) fn read(text: &[u8]) -> Result<Resolved, Error> {
    let document: Document = serde_json::from_slice(text)?;
    if text_of(&document) != text {
        return Err(Error::NotCanonical);
    }
    document.into_resolved()
}

impl Document {
    fn into_resolved(self) -> Result<Resolved, Error> {
        require_version(&self.version)?;
        if !self.names.iter().all(|name| is_plain(name)) {
            return Err(Error::BadField("name"));
        }
        let Ok([Filter { arch: name, rules }]) = <[Filter; 1]>::try_from(self.filters) else {
            return Err(Error::BadField("filters"));
        };
        let violation = action(&self.action)?;
        let mut policy = match self.list {
            List::Allow => Policy::allow(self.names, violation),
            List::Deny => Policy::deny(self.names, violation),
        };
        policy.exact = self.exact;
        // Other ABIs were foreign to every list.
        policy.architectures = Some(Vec::new());
        policy.foreign = Some(match violation {
            Action::Log => Action::Log,
            _ => Action::KillProcess,
        });
        let rules = rules
            .into_iter()
            .map(|it| it.into_resolved(&policy, self.list, violation));
        let mut rules: Vec<ResolvedRule> = rules.collect::<Result<_, _>>()?;
        // The filter tries the rules for a number in the order in which they were written
        // down, and that was from the last to the first.
        for of_number in rules.chunk_by_mut(|one, other| one.number == other.number) {
            of_number.reverse();
        }
        let arch = arch(&name)?;
        Ok(Resolved {
            abis: vec![Abi {
                arch,
                rules,
                unknown_from: None,
            }],
            policy,
            arch,
            version: self.version,
        })
    }
}

impl Entry {
    fn into_resolved(
        self,
        policy: &Policy,
        list: List,
        violation: Action,
    ) -> Result<ResolvedRule, Error> {
        let action = match list {
            List::Allow => Action::Allow,
            List::Deny => violation,
        };
        let names = |name: &str| {
            let is_it = |subject: &Subject| *subject == Subject::Call(name.to_owned());
            policy.rules.iter().position(|rule| is_it(&rule.subject))
        };
        let rule = names(self.because.as_deref().unwrap_or(&self.name));
        entry(
            self.name,
            self.number,
            self.because,
            &self.when,
            Some(action),
            rule,
        )
    }
}
