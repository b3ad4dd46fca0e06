//! A text of which only so much is kept, however long it is in the file.

#[derive(Debug)]
pub(crate) struct Kept {
    text: String,
    most_bytes: usize,
    is_full: bool,
}

impl Kept {
    pub fn new(most_bytes: usize) -> Self {
        Self { text: String::new(), most_bytes, is_full: false }
    }

    /// Once something did not fit, nothing behind it is kept.
    pub fn push(&mut self, more: &str) {
        if self.is_full {
            return;
        }
        let room = self.most_bytes.saturating_sub(self.text.len());
        if more.len() <= room {
            self.text.push_str(more);
        } else {
            self.text.push_str(&more[..more.floor_char_boundary(room)]);
            self.is_full = true;
        }
    }

    pub fn len(&self) -> usize {
        self.text.len()
    }

    /// Forgets what was pushed since there were `bytes`.
    pub fn truncate(&mut self, bytes: usize) {
        if bytes < self.text.len() {
            self.text.truncate(bytes);
            self.is_full = false;
        }
    }

    pub fn as_str(&self) -> &str {
        &self.text
    }

    pub fn into_text(self) -> String {
        self.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_cut_between_characters() {
        let mut kept = Kept::new(4);
        kept.push("aé");
        kept.push("éx");
        kept.push("y");
        assert_eq!(kept.as_str(), "aé", "the second é has room for half of it only");
        kept.truncate(1);
        kept.push("bc");
        assert_eq!((kept.len(), kept.into_text().as_str()), (3, "abc"));
    }
}
