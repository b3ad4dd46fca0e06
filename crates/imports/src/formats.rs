//! Reads a file of any kind but a zip file.

use encoding_rs::Encoding;

use crate::csv;
use crate::detect::Kind;
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
    if let Kind::Table(table) = kind {
        return csv::read(source, encoding, table, rows);
    }
    let text = Text::new(source.open()?, encoding);
    match kind {
        Kind::Json => json::read(text, rows),
        Kind::Xml => xml::read(Window::new(text), rows),
        Kind::List => list::read(Window::new(text), rows),
        Kind::Bookmarks | Kind::Table(_) => html::read(Window::new(text), rows),
    }
}
