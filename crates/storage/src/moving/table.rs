//! A table to move, its columns, and the JSON form of their values.

/// The JSON form of a column's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// 32 hexadecimal digits.
    Id,
    /// Hexadecimal digits.
    Bytes,
    Text,
    Int,
    Bool,
    /// Microseconds since 1970.
    Time,
    /// Days since 1970.
    Day,
    Json,
    /// The position of an activity.
    Position,
    BytesList,
    IdList,
    TimeList,
}

/// A column that both stores have; `here` says how the file stores it if that differs.
pub(crate) struct Column {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    pub(crate) here: Option<&'static str>,
}

pub(crate) struct Table {
    pub(crate) name: &'static str,
    /// The sort order of its rows, the same in both.
    pub(crate) key: &'static str,
    pub(crate) columns: &'static [Column],
    /// The database already has rows, which those of the file replace.
    pub(crate) is_seeded: bool,
    /// The database numbers its column `id`.
    pub(crate) is_numbered: bool,
    /// The number of rows copied together.
    pub(crate) portion: usize,
}

pub(super) const fn column(name: &'static str, kind: Kind) -> Column {
    Column { name, kind, here: None }
}

pub(super) const fn read_as(name: &'static str, kind: Kind, here: &'static str) -> Column {
    Column { name, kind, here: Some(here) }
}

pub(super) const fn table(name: &'static str, key: &'static str, columns: &'static [Column]) -> Table {
    Table { name, key, columns, is_seeded: false, is_numbered: false, portion: 1_000 }
}

pub(super) const fn seeded(table: Table) -> Table {
    Table { is_seeded: true, ..table }
}

pub(super) const fn numbered(table: Table) -> Table {
    Table { is_numbered: true, ..table }
}

/// Its rows are large.
pub(super) const fn heavy(table: Table) -> Table {
    Table { portion: 20, ..table }
}
