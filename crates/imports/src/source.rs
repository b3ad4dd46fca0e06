//! What is read: a file, or a file inside a zip file. It is read several times, so that nothing of it has to be kept.

use std::io::{Read, Seek, SeekFrom};

use crate::error::Result;

pub(crate) trait Source {
    /// From its beginning.
    fn open(&mut self) -> Result<Box<dyn Read + '_>>;
}

/// The beginning of a file, as if it were all of it.
pub(crate) struct Head<'h>(pub &'h [u8]);

impl Source for Head<'_> {
    fn open(&mut self) -> Result<Box<dyn Read + '_>> {
        Ok(Box::new(self.0))
    }
}

/// A file as a whole.
pub(crate) struct Whole<'f, F>(pub &'f mut F);

impl<F: Read + Seek> Source for Whole<'_, F> {
    fn open(&mut self) -> Result<Box<dyn Read + '_>> {
        self.0.seek(SeekFrom::Start(0))?;
        Ok(Box::new(&mut *self.0))
    }
}

/// Up to so many of its first bytes.
pub(crate) fn head(source: &mut dyn Source, bytes: u64) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    source.open()?.take(bytes).read_to_end(&mut head)?;
    Ok(head)
}
