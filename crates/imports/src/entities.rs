//! Character references of HTML: `&amp;`, `&#8364;`.

use std::borrow::Cow;

use html5ever::data::{C1_REPLACEMENTS, NAMED_ENTITIES};

/// The longest name has 32 characters, `;` included.
const MAX_NAME: usize = 32;

/// The text with its references resolved, once. In an attribute, `&copy=1` is no reference: it is a part of a URL.
pub(crate) fn decode(text: &str, is_attribute: bool) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut decoded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('&') {
        decoded.push_str(before);
        let found = if behind.starts_with('#') { numeric(behind) } else { named(behind, is_attribute) };
        rest = match found {
            Some((characters, bytes)) => {
                decoded.extend(characters.into_iter().flatten());
                &behind[bytes..]
            }
            None => {
                decoded.push('&');
                behind
            }
        };
    }
    decoded.push_str(rest);
    Cow::Owned(decoded)
}

/// One or two characters, and how many bytes named them.
type Reference = ([Option<char>; 2], usize);

fn named(text: &str, is_attribute: bool) -> Option<Reference> {
    let mut longest = None;
    for (index, byte) in text.bytes().take(MAX_NAME).enumerate() {
        if !byte.is_ascii_alphanumeric() && byte != b';' {
            break;
        }
        match NAMED_ENTITIES.get(&text[..=index]) {
            None => break,
            // The beginning of names.
            Some((0, _)) => {}
            Some((first, second)) => longest = Some((*first, *second, index + 1)),
        }
    }
    let (first, second, bytes) = longest?;
    let next = text.as_bytes().get(bytes);
    let goes_on = next.is_some_and(|byte| *byte == b'=' || byte.is_ascii_alphanumeric());
    if is_attribute && goes_on && !text[..bytes].ends_with(';') {
        return None;
    }
    Some(([char::from_u32(first), char::from_u32(second).filter(|c| *c != '\0')], bytes))
}

fn numeric(text: &str) -> Option<Reference> {
    let digits = text.strip_prefix('#')?;
    let (radix, digits) = match digits.strip_prefix(['x', 'X']) {
        Some(digits) => (16, digits),
        None => (10, digits),
    };
    let count = digits.bytes().take_while(|byte| char::from(*byte).is_digit(radix)).count();
    if count == 0 {
        return None;
    }
    let number = digits[..count].chars().filter_map(|digit| digit.to_digit(radix));
    let number = number.fold(0_u32, |number, digit| number.saturating_mul(radix).saturating_add(digit));
    let character = match number {
        0 => '\u{fffd}',
        // As browsers do, in memory of windows-1252.
        0x80..=0x9f => C1_REPLACEMENTS[(number - 0x80) as usize].or(char::from_u32(number)).unwrap_or('\u{fffd}'),
        _ => char::from_u32(number).unwrap_or('\u{fffd}'),
    };
    let bytes = text.len() - digits.len() + count;
    let bytes = bytes + usize::from(text[bytes..].starts_with(';'));
    Some(([Some(character), None], bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_resolved_once_and_as_browsers_do() {
        let check = |given: &str, text: &str, attribute: &str| {
            assert_eq!((&*decode(given, false), &*decode(given, true)), (text, attribute), "{given}");
        };
        let same = |given: &str, expected: &str| check(given, expected, expected);
        same("a &amp; b &amp;amp; &lt;&gt;&quot;", "a & b &amp; <>\"");
        same("&#38;&#x26;&#X26&#8364;&#128;&#x80;", "&&&€€€");
        same("&#0;&#xd800;&#99999999999;&#x110000;", "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        same("& && &; &# &#x &#y &unheard; &é 5 &", "& && &; &# &#x &#y &unheard; &é 5 &");
        same("&hellip;&nbsp;&NotEqualTilde;", "…\u{a0}\u{2242}\u{338}");
        same("&CounterClockwiseContourIntegral;", "∳");
        check("?a=1&copy=2&para=3&sectx&lt", "?a=1©=2¶=3§x<", "?a=1&copy=2&para=3&sectx<");
        check("&notit;", "¬it;", "&notit;");
    }
}
