//! CSV, which spreadsheets open.

use cardwire_domain::exports::ExportedCard;
use cardwire_http::problem::Problem;

pub(super) const HEAD: &str = "url,title,note,collections,private_collections,added_at,visibility\r\n";

pub(super) fn row(card: &ExportedCard) -> Result<String, Problem> {
    let names: Vec<&str> = card.collections.keys().map(String::as_str).collect();
    let cells = [
        card.url.given(),
        card.title.as_deref().unwrap_or_default(),
        card.note.as_ref().map_or("", |note| note.as_str()),
        &listed(&names)?,
        &listed(&card.private_collections())?,
        &card.added_at.to_string(),
        card.visibility.name(),
    ];
    let cells: Vec<String> = cells.into_iter().map(quoted).collect();
    Ok(format!("{}\r\n", cells.join(",")))
}

/// Between semicolons, or as JSON if a name could not be told from the others then.
fn listed(names: &[&str]) -> Result<String, Problem> {
    let plain = names.join("; ");
    let is_odd = |name: &&str| name.contains(';') || name.starts_with(['"', '\'']);
    if plain.starts_with('[') || names.iter().any(is_odd) {
        return serde_json::to_string(names).map_err(|error| Problem::internal(error.to_string()));
    }
    Ok(plain)
}

/// Spreadsheets take a cell that begins so for a formula, and run it.
fn is_formula(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

/// In quotes. An apostrophe keeps spreadsheets from running what is no formula; an import drops it. In front of a text that begins like a
/// guarded one, it stands with a tab, as blanks around cells are dropped.
fn quoted(cell: &str) -> String {
    let guard = if is_formula(cell) {
        "'"
    } else if cell.strip_prefix('\'').is_some_and(is_formula) {
        "'\t"
    } else {
        ""
    };
    format!("\"{guard}{}\"", cell.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use cardwire_domain::note::NoteText;
    use cardwire_domain::url::CardUrl;
    use cardwire_domain::{CardId, Visibility};

    use super::*;

    #[test]
    fn cells_cannot_be_formulas_or_break_out() {
        assert_eq!(quoted("=HYPERLINK(\"x\")"), "\"'=HYPERLINK(\"\"x\"\")\"");
        assert_eq!(quoted("a\"b,c\n"), "\"a\"\"b,c\n\"");
        assert_eq!(quoted("'=1"), "\"'\t'=1\"");
        assert_eq!(quoted("'quoted'"), "\"'quoted'\"");
    }

    #[test]
    fn a_card_is_a_row() {
        let visibility = |name: &str| Visibility::of(name.starts_with("Winter"));
        let card = |names: &[&str]| ExportedCard {
            id: CardId::generate(),
            url: CardUrl::parse("https://example.com/").unwrap(),
            title: Some("Leeks, in short".into()),
            note: NoteText::parse("two\nlines").unwrap(),
            collections: names.iter().map(|name| ((*name).to_owned(), visibility(name))).collect(),
            visibility: Visibility::Private,
            added_at: "2026-03-05T12:00:00.25Z".parse().unwrap(),
        };
        let check = |names: &[&str], cell: &str, private: &str| {
            let expected = format!(
                "\"https://example.com/\",\"Leeks, in short\",\"two\nlines\",\"{cell}\",\"{private}\",\"2026-03-05T12:00:00.25Z\",\"PRIVATE\"\r\n"
            );
            assert_eq!(row(&card(names)).unwrap(), expected);
        };
        check(&[], "", "");
        check(&["Winter, 2", "Garden"], "Garden; Winter, 2", "Winter, 2");
        check(&["Winter; 2", "Winter"], "[\"\"Winter\"\",\"\"Winter; 2\"\"]", "[\"\"Winter\"\",\"\"Winter; 2\"\"]");
        check(&["a; b", "c"], "[\"\"a; b\"\",\"\"c\"\"]", "");
        check(&["'a'"], "[\"\"'a'\"\"]", "");
        check(&["[1]"], "[\"\"[1]\"\"]", "");
    }
}
