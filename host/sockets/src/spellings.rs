//! Which namespaces there are, under which spellings. Clients never create one.

use std::sync::Arc;

use crate::config::Namespace;

/// A spelling of a namespace; an index, so that frames can be kept by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spelling(pub(crate) usize);

/// All spellings.
#[derive(Debug)]
pub(crate) struct Spellings(Vec<(Arc<str>, Arc<str>)>);

impl Spellings {
    pub(crate) fn new(namespaces: &[Namespace]) -> Self {
        let mut all = Vec::new();
        for namespace in namespaces {
            let name: Arc<str> = Arc::from(namespace.name.as_str());
            all.push((Arc::clone(&name), Arc::clone(&name)));
            for alias in &namespace.aliases {
                all.push((Arc::from(alias.as_str()), Arc::clone(&name)));
            }
        }
        Self(all)
    }

    pub(crate) fn find(&self, text: &str) -> Option<Spelling> {
        self.0.iter().position(|(spelling, _)| **spelling == *text).map(Spelling)
    }

    /// As clients spell it.
    pub(crate) fn text(&self, spelling: Spelling) -> &str {
        self.0.get(spelling.0).map_or("/", |(text, _)| text)
    }

    /// As components know it.
    pub(crate) fn namespace(&self, spelling: Spelling) -> Arc<str> {
        self.0.get(spelling.0).map_or_else(|| Arc::from("/"), |(_, name)| Arc::clone(name))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
