//! JSON, for programs.

use cardwire_domain::Visibility;
use cardwire_domain::exports::ExportedCard;
use cardwire_http::problem::Problem;
use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Card<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<&'a str>,
    added_at: String,
    visibility: &'static str,
    collections: Vec<Collection<'a>>,
}

#[derive(Serialize)]
struct Collection<'a> {
    name: &'a str,
    visibility: &'static str,
}

pub(super) fn object(card: &ExportedCard) -> Result<String, Problem> {
    let card = Card {
        url: card.url.given(),
        title: card.title.as_deref(),
        note: card.note.as_ref().map(|note| note.as_str()),
        added_at: card.added_at.to_string(),
        visibility: card.visibility.name(),
        collections: card.collections.iter().map(collection).collect(),
    };
    serde_json::to_string(&card).map_err(|error| Problem::internal(error.to_string()))
}

fn collection<'a>((name, visibility): (&'a String, &Visibility)) -> Collection<'a> {
    Collection { name, visibility: visibility.name() }
}

#[cfg(test)]
mod tests {
    use cardwire_domain::CardId;
    use cardwire_domain::url::CardUrl;

    use super::*;

    #[test]
    fn a_card_is_an_object() {
        let mut card = ExportedCard {
            id: CardId::generate(),
            url: CardUrl::parse("https://example.com/").unwrap(),
            title: None,
            note: None,
            collections: [("b".to_owned(), Visibility::Private), ("a \"quoted\"".to_owned(), Visibility::Public)]
                .into(),
            visibility: Visibility::Public,
            added_at: "2026-03-05T12:00:00Z".parse().unwrap(),
        };
        assert_eq!(
            object(&card).unwrap(),
            "{\"url\":\"https://example.com/\",\"addedAt\":\"2026-03-05T12:00:00Z\",\"visibility\":\"PUBLIC\",\
             \"collections\":[{\"name\":\"a \\\"quoted\\\"\",\"visibility\":\"PUBLIC\"},\
             {\"name\":\"b\",\"visibility\":\"PRIVATE\"}]}"
        );
        card.title = Some("Leeks".into());
        assert!(
            object(&card).unwrap().starts_with("{\"url\":\"https://example.com/\",\"title\":\"Leeks\",\"addedAt\"")
        );
    }
}
