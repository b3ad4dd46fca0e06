//! How the pictures of a card are drawn; where there are none, a tile with a letter.

use cardwire_domain::pictures::{CardPictures, PictureHash};
use cardwire_domain::url::CardUrl;

/// Colours that tiles have; see `static/pictures.css`.
const COLOURS: u32 = 8;

/// A cover and the room that it takes.
#[derive(Debug)]
pub struct Cover {
    pub src: String,
    pub width: u32,
    pub height: u32,
}

/// What a card is drawn with, by the macros of `picture.html`.
#[derive(Debug, Default)]
pub struct Pictures {
    pub cover: Option<Cover>,
    /// Where the icon is.
    pub icon: Option<String>,
    /// The first of the site's name.
    pub letter: String,
    /// Which colour its tile has: the same for all pages of a host.
    pub colour: u32,
}

impl Pictures {
    pub fn of(pictures: CardPictures, url: &str) -> Self {
        let src = |hash: PictureHash| format!("/pictures/{hash}");
        let domain = CardUrl::parse(url).map(|url| url.domain().to_owned()).unwrap_or_default();
        let name = domain.strip_prefix("www.").unwrap_or(&domain);
        let sum = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        Self {
            cover: pictures.cover.map(|cover| Cover { src: src(cover.hash), width: cover.width, height: cover.height }),
            icon: pictures.icon.map(src),
            letter: name.chars().next().map(|first| first.to_uppercase().collect()).unwrap_or_default(),
            colour: sum % COLOURS,
        }
    }
}

#[cfg(test)]
mod tests {
    use cardwire_domain::pictures::Cover as Kept;

    use super::*;

    #[test]
    fn a_card_without_pictures_has_the_first_letter_of_its_site() {
        let of = |url: &str| Pictures::of(CardPictures::NONE, url);
        let pictures = of("https://www.example.com/a");
        assert_eq!((pictures.letter.as_str(), pictures.cover.is_none(), pictures.icon), ("E", true, None));
        assert_eq!(of("https://example.com/b").colour, pictures.colour);
        assert!((0..20).any(|n| of(&format!("https://site{n}.example/")).colour != pictures.colour));
        assert_eq!(of("").letter, "");
    }

    #[test]
    fn pictures_are_on_this_server() {
        let (cover, icon) = (Kept { hash: PictureHash([1; 32]), width: 640, height: 360 }, PictureHash([2; 32]));
        let pictures = Pictures::of(CardPictures { cover: Some(cover), icon: Some(icon) }, "https://example.com/");
        assert_eq!(pictures.icon, Some(format!("/pictures/{}", "02".repeat(32))));
        assert_eq!(pictures.cover.map(|cover| cover.src), Some(format!("/pictures/{}", "01".repeat(32))));
    }
}
