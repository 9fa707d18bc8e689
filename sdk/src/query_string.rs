//! A URL's query, decoded as `application/x-www-form-urlencoded`.

use crate::percent;

/// Most parameters kept; the contract's routes know at most a handful.
const MAX_PARAMETERS: usize = 64;

/// How often a parameter was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Parameter<'a> {
    /// Not at all.
    Absent,
    /// Once.
    Once(&'a str),
    /// More than once: ambiguous, so refuse it.
    Repeated,
}

/// Decoded parameters in their order.
#[derive(Debug, Clone, Default)]
pub struct QueryString(Vec<(String, String)>);

impl QueryString {
    /// Parses what follows the `?`. Parameters that are not UTF-8 are left out.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let decode =
            |text: &str| percent::decode(&text.replace('+', " ")).map(std::borrow::Cow::into_owned);
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).take(MAX_PARAMETERS);
        let decoded = pairs.filter_map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((decode(name)?, decode(value)?))
        });
        Self(decoded.collect())
    }

    /// A parameter by name. `name[]` and `name[key]`, which some servers read as lists and
    /// objects, count as a repetition: they are never plain text.
    #[must_use]
    pub fn get(&self, name: &str) -> Parameter<'_> {
        let mut found = Parameter::Absent;
        for (key, value) in &self.0 {
            if key == name {
                if found != Parameter::Absent {
                    return Parameter::Repeated;
                }
                found = Parameter::Once(value);
            } else if key.strip_prefix(name).is_some_and(|rest| rest.starts_with('[')) {
                return Parameter::Repeated;
            }
        }
        found
    }

    /// All parameters in their order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::{Parameter, QueryString};

    #[test]
    fn decodes_and_tells_repetition() {
        let query = QueryString::parse("a=x%20y+z&b=1&b=2&c&d[$ne]=1&e=%ff");
        assert_eq!(query.get("a"), Parameter::Once("x y z"));
        assert_eq!(query.get("b"), Parameter::Repeated);
        assert_eq!(query.get("c"), Parameter::Once(""));
        assert_eq!(query.get("d"), Parameter::Repeated);
        assert_eq!(query.get("e"), Parameter::Absent, "not UTF-8");
    }
}
