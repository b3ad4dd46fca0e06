//! The address of a record by its contents, computed just as its server will do. So links can name a record before it
//! is sent, and a wrong answer is noticed.

use serde_json::Value;
use sha2::{Digest, Sha256};

/// CIDv1 of DAG-CBOR by SHA-256, in base 32.
pub(crate) fn cid(value: &Value) -> String {
    let mut bytes = vec![0x01, 0x71, 0x12, 0x20];
    bytes.extend(digest(value));
    format!("b{}", base32(&bytes))
}

pub(crate) fn digest(value: &Value) -> Vec<u8> {
    let mut encoded = Vec::new();
    encode(value, &mut encoded);
    Sha256::digest(&encoded).to_vec()
}

/// Our only numbers are whole ones.
fn encode(value: &Value, to: &mut Vec<u8>) {
    match value {
        Value::Null => to.push(0xf6),
        Value::Bool(value) => to.push(if *value { 0xf5 } else { 0xf4 }),
        Value::Number(number) => match (number.as_u64(), number.as_i64()) {
            (Some(number), _) => head(0, number, to),
            (None, Some(number)) => head(1, number.unsigned_abs() - 1, to),
            (None, None) => {
                to.push(0xfb);
                to.extend(number.as_f64().unwrap_or_default().to_be_bytes());
            }
        },
        Value::String(text) => {
            head(3, text.len() as u64, to);
            to.extend(text.as_bytes());
        }
        Value::Array(items) => {
            head(4, items.len() as u64, to);
            items.iter().for_each(|item| encode(item, to));
        }
        Value::Object(map) => {
            head(5, map.len() as u64, to);
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            // The shorter key comes first.
            entries.sort_by(|(one, _), (other, _)| (one.len(), one.as_bytes()).cmp(&(other.len(), other.as_bytes())));
            for (key, value) in entries {
                head(3, key.len() as u64, to);
                to.extend(key.as_bytes());
                encode(value, to);
            }
        }
    }
}

fn head(major: u8, number: u64, to: &mut Vec<u8>) {
    let major = major << 5;
    let bytes = number.to_be_bytes();
    match number {
        0..=23 => to.push(major | bytes[7]),
        24..=0xff => to.extend([major | 24, bytes[7]]),
        0x100..=0xffff => {
            to.push(major | 25);
            to.extend(&bytes[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            to.push(major | 26);
            to.extend(&bytes[4..]);
        }
        _ => {
            to.push(major | 27);
            to.extend(&bytes);
        }
    }
}

fn base32(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
    let mut text = String::with_capacity(bytes.len() * 8 / 5 + 1);
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in bytes {
        buffer = (buffer << 8) | u32::from(*byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(char::from(ALPHABET[(buffer >> bits) as usize & 31]));
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(char::from(ALPHABET[(buffer << (5 - bits)) as usize & 31]));
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_encoded_as_the_network_does() {
        let check = |value: Value, expected: &str| {
            let mut encoded = Vec::new();
            encode(&value, &mut encoded);
            let hex: String = encoded.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!(hex, expected, "{value}");
        };
        check(json!({}), "a0");
        check(json!({"bb": 1, "a": [true, null, -1]}), "a2616183f5f62062626201");
        check(json!("ü"), "62c3bc");
        check(json!(1000), "1903e8");
        check(json!("x".repeat(24)), &format!("7818{}", "78".repeat(24)));
    }

    #[test]
    fn the_address_of_an_empty_map_is_the_well_known_one() {
        assert_eq!(cid(&json!({})), "bafyreigbtj4x7ip5legnfznufuopl4sg4knzc2cof6duas4b3q2fy6swua");
    }
}
