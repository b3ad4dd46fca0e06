//! When a link was added, in the ways that files say it.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime, Time};
use jiff::fmt::rfc2822;
use jiff::tz::TimeZone;

/// There is a date, but what it says is unclear.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unclear;

/// Microseconds between 1601, where Chrome's dates begin, and 1970.
const CHROME_EPOCH_US: i128 = 11_644_473_600_000_000;

/// `None`: there is no date, which 0 and -1 say as well.
pub(crate) fn read(text: &str) -> Result<Option<Timestamp>, Unclear> {
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    match number(text) {
        Some(nanoseconds) => nanoseconds.map(|ns| Timestamp::from_nanosecond(ns).map_err(|_| Unclear)).transpose(),
        // Nothing was saved before there was a web; a year such as 24 was meant differently.
        None => in_words(text).filter(|time| time.as_second() > 0).map(Some).ok_or(Unclear),
    }
}

/// Nanoseconds since 1970. The outer `None`: it is no number that can be a time; the inner: it is one that stands for none.
fn number(text: &str) -> Option<Option<i128>> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let magnitude = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    // Eight digits that begin with a century are a day, and fourteen a second.
    let is_day = matches!(whole.len(), 8 | 14) && (whole.starts_with("19") || whole.starts_with("20"));
    if !digits(magnitude) || !digits(fraction) || magnitude.len() > 30 || is_day {
        return None;
    }
    let whole: i128 = whole.parse().ok()?;
    if whole <= 0 {
        return Some(None);
    }
    let unit: i128 = match whole {
        ..100_000_000_000 => 1_000_000_000,
        100_000_000_000..100_000_000_000_000 => 1_000_000,
        100_000_000_000_000..100_000_000_000_000_000 => 1_000,
        100_000_000_000_000_000..10_000_000_000_000_000_000 => 1,
        _ => return None,
    };
    if (10_000_000_000_000_000..100_000_000_000_000_000).contains(&whole) {
        return Some(Some((whole - CHROME_EPOCH_US) * unit));
    }
    let fraction: i128 = format!("{fraction:0<9.9}").parse().ok()?;
    Some(Some(whole * unit + fraction * unit / 1_000_000_000))
}

/// Without a time zone it is UTC.
fn in_words(text: &str) -> Option<Timestamp> {
    let utc = |time: DateTime| time.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if let Ok(time) = rfc2822::parse(text) {
        return Some(time.timestamp());
    }
    let bare = ["UTC", "GMT"].into_iter().find_map(|zone| text.strip_suffix(zone)).unwrap_or(text).trim();
    if let Ok(time) = bare.parse::<DateTime>() {
        return utc(time);
    }
    // Shorter ones are version numbers, or anything.
    if bare.len() < 8 {
        return None;
    }
    let times = ["%Y%m%d%H%M%S", "%Y/%m/%d %H:%M:%S", "%Y-%m-%d %H:%M"];
    let days = ["%Y%m%d", "%Y/%m/%d", "%d.%m.%Y", "%b %d, %Y", "%B %d, %Y", "%d %b %Y", "%d %B %Y"];
    let time = times.into_iter().find_map(|format| DateTime::strptime(format, bare).ok());
    let day = || days.into_iter().find_map(|format| Date::strptime(format, bare).ok());
    utc(time.or_else(|| Some(day()?.to_datetime(Time::midnight())))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_usual_form() {
        let check = |text: &str, expected: &str| {
            assert_eq!(read(text).map(|date| date.unwrap().to_string()), Ok(expected.to_owned()), "{text}");
        };
        check("1262304000", "2010-01-01T00:00:00Z");
        check(" 1262304000.25 ", "2010-01-01T00:00:00.25Z");
        check("1", "1970-01-01T00:00:01Z");
        check("1376683982550", "2013-08-16T20:13:02.55Z");
        check("1376683982550123", "2013-08-16T20:13:02.550123Z");
        check("1376683982550123456", "2013-08-16T20:13:02.550123456Z");
        check("13350000000000000", "2024-01-17T21:20:00Z");
        check("2024-03-01T10:00:00.000Z", "2024-03-01T10:00:00Z");
        check("2024-03-01T10:00:00+02:00", "2024-03-01T08:00:00Z");
        check("2024-01-01 00:00:00+00:00", "2024-01-01T00:00:00Z");
        check("2024-01-01 12:30:00 UTC", "2024-01-01T12:30:00Z");
        check("2024-01-01 12:30", "2024-01-01T12:30:00Z");
        check("2024-01-01T12:30:00", "2024-01-01T12:30:00Z");
        check("2024-01-01", "2024-01-01T00:00:00Z");
        check("20240131", "2024-01-31T00:00:00Z");
        check("20240131235959", "2024-01-31T23:59:59Z");
        check("31.12.2023", "2023-12-31T00:00:00Z");
        check("Jan 5, 2024", "2024-01-05T00:00:00Z");
        check("Tue, 02 Jan 2024 03:04:05 +0100", "2024-01-02T02:04:05Z");
        check("Tue, 02 Jan 2024 03:04:05 GMT", "2024-01-02T03:04:05Z");
    }

    #[test]
    fn no_date_is_none_and_an_unclear_one_says_so() {
        for none in ["", "  ", "0", "-1", "0.0"] {
            assert_eq!(read(none), Ok(None), "{none}");
        }
        let long = "9".repeat(40);
        for unclear in ["yesterday", "01/02/2024", "01/02/24", "99999999999999999999", "1.2.3", "12e4", "-", &long] {
            assert_eq!(read(unclear), Err(Unclear), "{unclear}");
        }
    }
}
