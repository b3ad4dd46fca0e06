//! Percent-encoding, RFC 3986, section 2.1.

/// The byte that is encoded at this place, if one is.
pub(super) fn encoded_at(bytes: &[u8], at: usize) -> Option<u8> {
    let &[b'%', high, low] = bytes.get(at..at + 3)? else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// Appends the byte, encoded.
pub(super) fn push_byte(into: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    into.push('%');
    into.push(char::from(DIGITS[usize::from(byte >> 4)]));
    into.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// Appends the bytes of the character, encoded.
pub(super) fn push_char(into: &mut String, c: char) {
    let mut buffer = [0; 4];
    for byte in c.encode_utf8(&mut buffer).bytes() {
        push_byte(into, byte);
    }
}

/// With everything decoded. `None`: that is no text.
pub(super) fn decode(text: &str) -> Option<String> {
    let (bytes, mut at) = (text.as_bytes(), 0);
    let mut decoded = Vec::with_capacity(bytes.len());
    while at < bytes.len() {
        let (byte, length) = encoded_at(bytes, at).map_or((bytes[at], 1), |byte| (byte, 3));
        decoded.push(byte);
        at += length;
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let check = |text: &str, decoded: Option<&str>| assert_eq!(decode(text).as_deref(), decoded, "{text}");
        check("a%2Fb%2fc", Some("a/b/c"));
        check("caf%C3%A9 café", Some("café café"));
        check("100%, %2, %zz, %", Some("100%, %2, %zz, %"));
        check("%ff", None);
        let mut encoded = String::new();
        "é\u{202e}/".chars().for_each(|c| push_char(&mut encoded, c));
        assert_eq!(encoded, "%C3%A9%E2%80%AE%2F");
    }
}
