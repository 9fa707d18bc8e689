//! Variables and the templates that use them: `"{{ jwt_secret }}"`.

use std::{collections::BTreeMap, fmt};

use crate::{
    address,
    finding::Severity,
    reader::{Node, Table},
};

/// A variable of the application. The operator may set each of them; one that is required must be
/// set.
#[derive(Clone, PartialEq, Eq)]
pub struct Variable {
    /// Its value when nobody sets it; none: it must be set.
    pub default: Option<String>,
    /// It must not be shown, nor stand in the manifest.
    pub secret: bool,
}

impl fmt::Debug for Variable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Variable")
            .field("required", &self.default.is_none())
            .field("secret", &self.secret)
            .finish_non_exhaustive()
    }
}

/// A variable that must be set and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the variable `{0}` is required and not set")]
pub struct MissingVariable(pub String);

/// A text with variables in it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Variable(String),
}

impl Template {
    /// Reads `text {{ name }} text`.
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("{{") {
            let Some((name, behind)) = after.split_once("}}") else {
                return Err("`{{` without `}}`");
            };
            if !is_variable_name(name.trim()) {
                return Err("`{{ }}` must hold a variable's name");
            }
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            pieces.push(Piece::Variable(name.trim().to_owned()));
            rest = behind;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self(pieces))
    }

    /// The variables it uses.
    pub fn variables(&self) -> impl Iterator<Item = &str> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Variable(name) => Some(name.as_str()),
            Piece::Text(_) => None,
        })
    }

    /// The text with every variable replaced.
    ///
    /// # Errors
    /// Names the first variable without a value.
    pub fn resolve(
        &self,
        value: impl Fn(&str) -> Option<String>,
    ) -> Result<String, MissingVariable> {
        let mut text = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(piece) => text.push_str(piece),
                Piece::Variable(name) => {
                    text.push_str(&value(name).ok_or_else(|| MissingVariable(name.clone()))?);
                }
            }
        }
        Ok(text)
    }
}

/// Spin's rule: lower-case letters, digits and single underscores, starting with a letter.
fn is_variable_name(name: &str) -> bool {
    name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
        && name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
        && !name.contains("__")
        && !name.ends_with('_')
}

/// Reads `[variables]`.
pub(crate) fn read_variables(table: &Table<'_>) -> BTreeMap<String, Variable> {
    let mut variables = BTreeMap::new();
    for (name, node) in table.entries() {
        if !is_variable_name(name) {
            node.error(
                format!("`{name}` can't name a variable"),
                "use lower-case letters, digits and single underscores, starting with a letter",
            );
        }
        let Some(entry) = node.table() else { continue };
        entry.only(&["default", "required", "secret", "description"], Severity::Warning);
        let required = entry.get("required").is_some_and(|node| node.boolean());
        let default = entry.get("default");
        let secret = entry.get("secret").is_some_and(|node| node.boolean());
        match (&default, required) {
            (Some(_), true) => {
                node.error("is required and has a default", "keep one of the two");
            }
            (None, false) => {
                node.error("has neither a default nor `required = true`", "add one of the two");
            }
            _ => {}
        }
        let text = default.as_ref().and_then(|default| default.text());
        if let (Some(default), Some(text)) = (&default, text) {
            if !text.is_empty() && (secret || sounds_secret(name)) {
                default.error(
                    "a secret stands in the manifest",
                    "write `required = true, secret = true` and let the operator set it",
                );
            }
            address::refuse(default, text);
        }
        let default = if required { None } else { Some(text.unwrap_or_default().to_owned()) };
        variables.insert(name.to_owned(), Variable { default, secret });
    }
    variables
}

/// Reads a component's `variables`, which hand templates over under a name.
pub(crate) fn read_templates(node: &Node<'_>) -> BTreeMap<String, Template> {
    let Some(table) = node.table() else { return BTreeMap::new() };
    let mut templates = BTreeMap::new();
    for (name, node) in table.entries() {
        let Some(text) = node.text() else { continue };
        address::refuse(&node, text);
        match Template::parse(text) {
            Ok(template) => {
                if sounds_secret(name) && template.variables().next().is_none() && !text.is_empty()
                {
                    node.error(
                        "a secret stands in the manifest",
                        "declare a variable and write \"{{ its_name }}\" here",
                    );
                }
                templates.insert(name.to_owned(), template);
            }
            Err(problem) => node.error(problem, "write \"{{ name }}\""),
        }
    }
    templates
}

fn sounds_secret(name: &str) -> bool {
    name.split('_').any(|word| matches!(word, "secret" | "password" | "passwd" | "credential"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::{MissingVariable, Template, is_variable_name};

    #[test]
    fn resolves_templates() {
        let template = Template::parse("a {{ one }}{{two}} b").unwrap();
        assert_eq!(template.variables().collect::<Vec<_>>(), ["one", "two"]);
        let text = template.resolve(|name| Some(name.to_uppercase())).unwrap();
        assert_eq!(text, "a ONETWO b");
        let missing = template.resolve(|name| (name == "one").then(String::new));
        assert_eq!(missing, Err(MissingVariable("two".to_owned())));
    }

    #[test]
    fn refuses_broken_templates() {
        assert!(Template::parse("{{ one").is_err());
        assert!(Template::parse("{{ One }}").is_err());
        assert!(Template::parse("{{}}").is_err());
        assert!(Template::parse("} one }}").is_ok());
    }

    #[test]
    fn knows_variable_names() {
        assert!(is_variable_name("jwt_secret2"));
        for wrong in ["", "_a", "a_", "a__b", "2a", "Jwt", "a-b"] {
            assert!(!is_variable_name(wrong), "{wrong}");
        }
    }
}
