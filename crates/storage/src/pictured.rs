//! When to fetch the pictures of a page that was read, for both stores.

/// For the row of a page: the pictures are due if the page gives new addresses for them, or if they were last fetched
/// before `$before`. A picture that the page no longer has is dropped.
macro_rules! to_picture {
    ($cover:literal, $icon:literal, $now:literal, $before:literal) => {
        concat!(
            "cover = CASE WHEN ",
            $cover,
            " IS NOT NULL THEN cover END, icon = CASE WHEN ",
            $icon,
            " IS NOT NULL THEN icon END, pictures_at = CASE WHEN coalesce(",
            $cover,
            ", ",
            $icon,
            ") IS NULL THEN NULL WHEN coalesce(image, '') = coalesce(",
            $cover,
            ", '') AND coalesce(icon_url, '') = coalesce(",
            $icon,
            ", '') AND pictured_at > ",
            $before,
            " THEN pictures_at ELSE ",
            $now,
            " END, pictures_lease = CASE WHEN coalesce(image, '') = coalesce(",
            $cover,
            ", '') AND coalesce(icon_url, '') = coalesce(",
            $icon,
            ", '') THEN pictures_lease END, pictures_tries = CASE WHEN coalesce(image, '') = coalesce(",
            $cover,
            ", '') AND coalesce(icon_url, '') = coalesce(",
            $icon,
            ", '') THEN pictures_tries ELSE 0 END"
        )
    };
}
pub(crate) use to_picture;
