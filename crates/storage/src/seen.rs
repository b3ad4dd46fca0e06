//! What a reader sees, as conditions on rows, for both stores. An anonymous reader is NULL.

/// For a card: everybody sees it, or it is the reader's own.
macro_rules! sees_card {
    ($card:literal, $reader:literal) => {
        concat!("(", $card, ".owner_id = ", $reader, " OR NOT (", $card, ".private OR ", $card, ".hidden))")
    };
}
pub(crate) use sees_card;

/// For a collection: it is public, or the reader is its author or a collaborator.
macro_rules! sees_collection {
    ($collection:literal, $reader:literal) => {
        concat!(
            "(NOT ",
            $collection,
            ".private OR ",
            $collection,
            ".author_id = ",
            $reader,
            " OR EXISTS (SELECT 1 FROM collaborators s WHERE s.collection_id = ",
            $collection,
            ".id AND s.user_id = ",
            $reader,
            "))"
        )
    };
}
pub(crate) use sees_collection;
