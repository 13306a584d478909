//! Labels: which content is whose, by the folder it came from.
use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

/// Which label each folder has, by the folder's name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Labels(BTreeMap<Arc<str>, Arc<str>>);

impl Labels {
    /// Of no folders.
    pub(crate) const fn none() -> Self {
        Self(BTreeMap::new())
    }

    /// Whether these are the labels of these folders, and of no others.
    pub(crate) fn are_those_of<'a>(
        &self,
        mut all: impl ExactSizeIterator<Item = (&'a Arc<str>, &'a Arc<str>)>,
    ) -> bool {
        self.0.len() == all.len() && all.all(|(name, label)| self.0.get(name) == Some(label))
    }

    /// The folder that a path, such as `fs:/work/a`, lies in, and its label: the longest name that
    /// begins it by whole components.
    pub(crate) fn of(&self, path: &str) -> Option<(&Arc<str>, &Arc<str>)> {
        let mut name = path.strip_prefix("fs:")?;
        loop {
            if let Some(found) = self.0.get_key_value(name) {
                return Some(found);
            }
            name = name.rsplit_once('/')?.0;
        }
    }
}

impl FromIterator<(Arc<str>, Arc<str>)> for Labels {
    fn from_iter<I: IntoIterator<Item = (Arc<str>, Arc<str>)>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

/// Whether a text can be a label: one line that people can read, of at most 128 bytes.
pub(crate) fn is_label(text: &str) -> bool {
    let seen = !text.chars().any(|c| c.is_control() || crate::path::is_unseen(c));
    !text.trim().is_empty() && text.len() <= LABEL_BYTES_MAX && seen
}

const LABEL_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_name_labels_by_components() {
        let all = [("/work", "a"), ("/work/inner/deep", "b")];
        let labels: Labels = all.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        let label = |path| labels.of(path).map(|(_, label)| &**label);
        assert_eq!(label("fs:/work"), Some("a"));
        assert_eq!(label("fs:/work/inner/deeper"), Some("a"));
        assert_eq!(label("fs:/work/inner/deep/x"), Some("b"));
        assert_eq!(label("fs:/workspace"), None);
        assert_eq!(label("fs:/"), None);
    }
}
