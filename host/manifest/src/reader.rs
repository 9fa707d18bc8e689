//! Walks a parsed TOML document and collects findings on the way.
//!
//! Reading by hand rather than through serde's derive keeps two promises: every finding of a file
//! is shown at once, and each names its line and its key.

use std::{cell::RefCell, collections::BTreeMap, time::Duration};

use toml::{
    Spanned,
    de::{DeArray, DeTable, DeValue},
};

use crate::{
    finding::{Finding, Location, Severity},
    nearest::nearest,
    units,
};

/// What every node of one document shares.
pub(crate) struct Reader<'t> {
    file: &'t str,
    text: &'t str,
    findings: RefCell<Vec<Finding>>,
    locations: RefCell<BTreeMap<String, Location>>,
}

impl<'t> Reader<'t> {
    pub(crate) fn new(file: &'t str, text: &'t str) -> Self {
        Self { file, text, findings: RefCell::default(), locations: RefCell::default() }
    }

    /// The findings, and where each key that was read stands.
    pub(crate) fn finish(self) -> (Vec<Finding>, BTreeMap<String, Location>) {
        (self.findings.into_inner(), self.locations.into_inner())
    }

    pub(crate) fn report(
        &self,
        severity: Severity,
        offset: Option<usize>,
        path: &str,
        problem: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.findings.borrow_mut().push(Finding {
            severity,
            file: self.file.to_owned(),
            location: offset.map(|offset| Location::of(self.text, offset)),
            path: path.to_owned(),
            problem: problem.into(),
            fix: fix.into(),
        });
    }

    /// A value that is found at `offset`: its key's place in a table, its own in an array.
    fn node<'a>(
        &'a self,
        path: String,
        offset: usize,
        value: &'a Spanned<DeValue<'a>>,
    ) -> Node<'a> {
        self.locations
            .borrow_mut()
            .entry(path.clone())
            .or_insert_with(|| Location::of(self.text, offset));
        Node { reader: self, path, offset, value: value.get_ref() }
    }

    /// The document itself.
    pub(crate) fn root<'a>(&'a self, table: &'a DeTable<'a>) -> Table<'a> {
        Table { reader: self, path: String::new(), offset: None, entries: table }
    }
}

/// A value and where it stands.
pub(crate) struct Node<'a> {
    reader: &'a Reader<'a>,
    path: String,
    offset: usize,
    value: &'a DeValue<'a>,
}

impl<'a> Node<'a> {
    pub(crate) fn error(&self, problem: impl Into<String>, fix: impl Into<String>) {
        self.reader.report(Severity::Error, Some(self.offset), &self.path, problem, fix);
    }

    pub(crate) fn warn(&self, problem: impl Into<String>, fix: impl Into<String>) {
        self.reader.report(Severity::Warning, Some(self.offset), &self.path, problem, fix);
    }

    fn expected(&self, what: &str) {
        self.error(
            format!("expected {what}, found {}", with_article(self.value.type_str())),
            format!("write {what}"),
        );
    }

    pub(crate) fn is_table(&self) -> bool {
        self.value.is_table()
    }

    pub(crate) fn is_array(&self) -> bool {
        self.value.is_array()
    }

    pub(crate) fn table(&self) -> Option<Table<'a>> {
        let Some(entries) = self.value.as_table() else {
            self.expected("a table");
            return None;
        };
        let offset = Some(self.offset);
        Some(Table { reader: self.reader, path: self.path.clone(), offset, entries })
    }

    /// The elements of an array.
    pub(crate) fn list(&self) -> Vec<Self> {
        let Some(elements) = self.value.as_array() else {
            self.expected("an array");
            return Vec::new();
        };
        let elements: &DeArray<'_> = elements;
        elements
            .iter()
            .enumerate()
            .map(|(index, element)| {
                let path = format!("{}[{index}]", self.path);
                self.reader.node(path, element.span().start, element)
            })
            .collect()
    }

    pub(crate) fn text(&self) -> Option<&'a str> {
        let text = self.value.as_str();
        if text.is_none() {
            self.expected("a string");
        }
        text
    }

    /// A string that is not empty.
    pub(crate) fn name(&self) -> Option<&'a str> {
        let text = self.text()?;
        if text.trim().is_empty() {
            self.error("is empty", "write a name");
            return None;
        }
        Some(text)
    }

    /// An array of non-empty strings, each once.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = Vec::new();
        for node in self.list() {
            let Some(name) = node.name() else { continue };
            if names.iter().any(|earlier| earlier == name) {
                node.error(format!("`{name}` stands here twice"), "remove one");
            } else {
                names.push(name.to_owned());
            }
        }
        names
    }

    pub(crate) fn boolean(&self) -> bool {
        let boolean = self.value.as_bool();
        if boolean.is_none() {
            self.expected("true or false");
        }
        boolean.unwrap_or_default()
    }

    /// A whole number within bounds.
    pub(crate) fn number(&self, bounds: std::ops::RangeInclusive<u64>) -> Option<u64> {
        let Some(integer) = self.value.as_integer() else {
            self.expected("a whole number");
            return None;
        };
        let number = u64::from_str_radix(integer.as_str(), integer.radix()).ok();
        let number = number.filter(|number| bounds.contains(number));
        if number.is_none() {
            let (least, most) = (bounds.start(), bounds.end());
            self.error(
                format!("{} is out of bounds", integer.as_str()),
                format!("write a number from {least} to {most}"),
            );
        }
        number
    }

    /// A positive size such as `"64MiB"`, or a number of bytes.
    pub(crate) fn size(&self) -> Option<u64> {
        if self.value.is_integer() {
            return self.number(1..=u64::from(u32::MAX));
        }
        let text = self.text()?;
        let size = units::size(text).filter(|size| *size > 0);
        if size.is_none() {
            self.error(
                format!("`{text}` is not a size"),
                "write a whole number and B, KB, MB, GB, KiB, MiB or GiB, such as \"64MiB\"",
            );
        }
        size
    }

    /// A positive duration such as `"30s"`.
    pub(crate) fn duration(&self) -> Option<Duration> {
        let text = self.text()?;
        let duration = units::duration(text).filter(|duration| !duration.is_zero());
        if duration.is_none() {
            self.error(
                format!("`{text}` is not a duration"),
                "write a whole number and ms, s, min or h, such as \"30s\"",
            );
        }
        duration
    }
}

/// A table and where it stands.
pub(crate) struct Table<'a> {
    reader: &'a Reader<'a>,
    path: String,
    offset: Option<usize>,
    entries: &'a DeTable<'a>,
}

impl<'a> Table<'a> {
    pub(crate) fn get(&self, key: &str) -> Option<Node<'a>> {
        let (found, value) = self.entries.iter().find(|(name, _)| name.get_ref() == key)?;
        Some(self.reader.node(self.path_of(key), found.span().start, value))
    }

    /// The value of a key that must be there.
    pub(crate) fn require(&self, key: &str, fix: &str) -> Option<Node<'a>> {
        let node = self.get(key);
        if node.is_none() {
            let path = self.path_of(key);
            self.reader.report(Severity::Error, self.offset, &path, "is missing", fix);
        }
        node
    }

    /// All entries, in the file's order of keys.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'a str, Node<'a>)> + '_ {
        self.entries.iter().map(|(key, value)| {
            let name: &'a str = key.get_ref();
            (name, self.reader.node(self.path_of(name), key.span().start, value))
        })
    }

    /// Reports every key that is not known: as an error in our own tables, as a warning in Spin's.
    pub(crate) fn only(&self, known: &[&str], severity: Severity) {
        for (key, _) in self.entries.iter() {
            let name: &str = key.get_ref();
            if known.contains(&name) {
                continue;
            }
            let fix = match nearest(name, known) {
                Some(meant) => format!("did you mean `{meant}`?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let path = self.path_of(name);
            self.reader.report(severity, Some(key.span().start), &path, "unknown key", fix);
        }
    }

    fn path_of(&self, key: &str) -> String {
        // A key that is not bare is shown as it must be written.
        let bare = !key.is_empty()
            && key.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_');
        let dot = if self.path.is_empty() { "" } else { "." };
        let quote = if bare { "" } else { "\"" };
        format!("{}{dot}{quote}{key}{quote}", self.path)
    }
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}
