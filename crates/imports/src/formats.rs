//! Reads a file of any kind but a zip file.

use encoding_rs::Encoding;

use crate::csv;
use crate::detect::{Format, Kind};
use crate::encoding::Text;
use crate::error::Result;
use crate::html;
use crate::json;
use crate::list;
use crate::row::Rows;
use crate::source::Source;
use crate::window::Window;
use crate::xml;

pub(crate) fn read(
    source: &mut dyn Source,
    (kind, encoding): (&Kind, &'static Encoding),
    rows: &mut Rows<'_>,
) -> Result<()> {
    let format = match kind {
        Kind::Table(table) => return csv::read(source, encoding, table, rows),
        Kind::Text(format) => format,
    };
    let text = Text::new(source.open()?, encoding);
    match format {
        Format::Json => json::read(text, rows),
        Format::Xml => xml::read(Window::new(text), rows),
        Format::List => list::read(Window::new(text), rows),
        Format::Bookmarks => html::read(Window::new(text), rows),
    }
}
