//! Character references, such as `&amp;`, decoded once and in the way browsers do it: by html5ever, which knows all
//! their names.

use std::borrow::Cow;
use std::cell::RefCell;

use html5ever::interface::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::RawKind;
use html5ever::tokenizer::{BufferQueue, Tag, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

/// This many bytes of a text or value are read: more than is kept of any of them, however it is written.
const MAX_BYTES: usize = 16 * 1_024;

/// The text of an element, without tags in it.
pub(super) fn text(written: &[u8]) -> String {
    let written = readable(written);
    if !needs_decoding(&written) {
        return written.into_owned();
    }
    let decoder = Tokenizer::new(Decoder::default(), TokenizerOpts::default());
    feed(&decoder, "<title>");
    feed(&decoder, &written);
    decoder.end();
    decoder.sink.0.into_inner()
}

/// The value of an attribute. An ampersand begins a reference less often there: not in `?a=1&copy=2`.
pub(super) fn value(written: &[u8]) -> String {
    let written = readable(written);
    if !needs_decoding(&written) {
        return written.into_owned();
    }
    let decoder = Tokenizer::new(Decoder::default(), TokenizerOpts::default());
    feed(&decoder, &format!("<meta content=\"{}\">", written.replace('"', "&quot;")));
    decoder.end();
    decoder.sink.0.into_inner()
}

/// Pages are decoded before they come here, so the only loss is a character cut by a limit.
fn readable(written: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(&written[..written.len().min(MAX_BYTES)])
}

/// NUL is left for the tokenizer to replace.
fn needs_decoding(written: &str) -> bool {
    written.contains(['&', '\0'])
}

fn feed(decoder: &Tokenizer<Decoder>, markup: &str) {
    let input = BufferQueue::default();
    input.push_back(StrTendril::from_slice(markup));
    while !matches!(decoder.feed(&input), TokenizerResult::Done) {}
}

/// Collects the text of an element, or the value of the first attribute.
#[derive(Default)]
struct Decoder(RefCell<String>);

impl TokenSink for Decoder {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut decoded = self.0.borrow_mut();
        match token {
            Token::TagToken(Tag { attrs, .. }) => {
                decoded.extend(attrs.first().map(|attribute| &*attribute.value));
                return TokenSinkResult::RawData(RawKind::Rcdata);
            }
            Token::CharacterTokens(text) => decoded.push_str(&text),
            Token::NullCharacterToken => decoded.push(char::REPLACEMENT_CHARACTER),
            _ => {}
        }
        TokenSinkResult::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_decoded_once() {
        let check = |written: &str, expected: &str| {
            assert_eq!((text(written.as_bytes()), value(written.as_bytes())), (expected.into(), expected.into()));
        };
        check("Salt &amp;amp; pepper&amp;#39;s", "Salt &amp; pepper&#39;s");
        check("Salt &amp; pepper &#8211; it&#x27;s &eacute;clair &hellip;", "Salt & pepper – it's éclair …");
        check("a & b &nonsense; &", "a & b &nonsense; &");
        check("&#0;&#x110000;&#128;", "\u{fffd}\u{fffd}\u{20ac}");
        check("\"quoted\" & <b>", "\"quoted\" & <b>");
        check("nothing of that", "nothing of that");
        check("a\0&amp;", "a\u{fffd}&");
        check("", "");
    }

    #[test]
    fn an_ampersand_in_an_address_is_one() {
        assert_eq!(value(b"/i?a=1&copy=2&amp;lt=3"), "/i?a=1&copy=2&lt=3");
        assert_eq!(text(b"&copy2"), "©2");
    }

    #[test]
    fn very_long_values_are_cut() {
        let long = "&amp;é".repeat(1 << 18);
        assert!(text(long.as_bytes()).len() < MAX_BYTES && value(long.as_bytes()).len() < MAX_BYTES);
    }
}
