//! A manifest as a flat list of values, so that two can be compared line by line.

use std::collections::BTreeMap;

use toml::{Table, Value};

/// Every value by its path (the keys to it, joined by dots), as TOML. Lists are one value, unless
/// they hold tables, whose places are part of the path then. The default of a secret is left out.
pub(crate) fn flatten(text: &str) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    if let Ok(mut table) = text.parse::<Table>() {
        forget_secrets(&mut table);
        for (key, value) in table {
            collect(key, value, &mut settings);
        }
    }
    settings
}

fn forget_secrets(manifest: &mut Table) {
    let variables = manifest.get_mut("variables").and_then(Value::as_table_mut);
    for (_, variable) in variables.into_iter().flatten() {
        if let Some(variable) = variable.as_table_mut()
            && variable.get("secret").and_then(Value::as_bool) == Some(true)
        {
            variable.remove("default");
        }
    }
}

fn collect(path: String, value: Value, settings: &mut BTreeMap<String, String>) {
    match value {
        Value::Table(table) => {
            for (key, value) in table {
                collect(format!("{path}.{key}"), value, settings);
            }
        }
        Value::Array(items) if items.iter().any(Value::is_table) => {
            for (place, item) in items.into_iter().enumerate() {
                collect(format!("{path}.{place}"), item, settings);
            }
        }
        value => {
            settings.insert(path, value.to_string());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::flatten;

    #[test]
    fn values_are_found_by_their_keys() {
        let settings = flatten(
            "a = 1\n[b.c]\nd = [\"x\", \"y\"]\n[[e]]\nf = true\n[[e]]\ng = \"h\"\n\
             [variables]\nopen = { default = \"o\" }\nshut = { default = \"s\", secret = true }\n",
        );
        let lines: Vec<_> =
            settings.iter().map(|(path, value)| format!("{path} = {value}")).collect();
        assert_eq!(
            lines,
            [
                "a = 1",
                "b.c.d = [\"x\", \"y\"]",
                "e.0.f = true",
                "e.1.g = \"h\"",
                "variables.open.default = \"o\"",
                "variables.shut.secret = true",
            ]
        );
        assert!(flatten("not TOML").is_empty());
    }
}
