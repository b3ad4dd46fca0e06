//! Parameters that say how somebody came to a page, not which page it is.

use std::collections::HashMap;
use std::sync::LazyLock;

static LIST: LazyLock<List> = LazyLock::new(|| List::read(include_str!("tracking_parameters.txt")));

/// Whether a parameter, such as `utm_source=x`, only tells that. What need not be encoded in it is not, and `host` is in lower case.
pub(super) fn tracks(host: &str, parameter: &str) -> bool {
    let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
    let name = name.to_ascii_lowercase();
    let begun = LIST.beginnings.iter().filter(|(beginning, _)| name.starts_with(beginning)).map(|(_, rule)| rule);
    LIST.names.get(name.as_str()).into_iter().chain(begun).any(|rule| rule.holds(host, value))
}

struct List {
    names: HashMap<&'static str, Rule>,
    beginnings: Vec<(&'static str, Rule)>,
}

/// When a parameter of the list counts for one.
#[derive(Default)]
struct Rule {
    /// On these hosts and those below them. Empty: everywhere.
    hosts: Vec<&'static str>,
    spares_numbers: bool,
}

impl List {
    fn read(text: &'static str) -> Self {
        let mut list = Self { names: HashMap::new(), beginnings: Vec::new() };
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let Some(name) = words.next() else { continue };
            let mut rule = Rule::default();
            for word in words {
                match word.strip_prefix('@') {
                    Some(host) => rule.hosts.push(host),
                    None => rule.spares_numbers |= word == "!number",
                }
            }
            match name.strip_suffix('*') {
                Some(beginning) => list.beginnings.push((beginning, rule)),
                None => {
                    list.names.insert(name, rule);
                }
            }
        }
        list
    }
}

impl Rule {
    fn holds(&self, host: &str, value: &str) -> bool {
        let is_below =
            |above: &&str| host.strip_suffix(*above).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
        let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
        (self.hosts.is_empty() || self.hosts.iter().any(is_below)) && !(self.spares_numbers && is_number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_as_it_says() {
        let text = include_str!("tracking_parameters.txt");
        let mut names = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let mut words = line.split_whitespace();
            let name = words.next().unwrap();
            assert_eq!(name, name.to_ascii_lowercase());
            assert!(!name.trim_end_matches('*').contains('*') && !name.contains(['&', '=', '%']), "{line}");
            for word in words {
                let host = word.strip_prefix('@');
                assert!(word == "!number" || host.is_some_and(|host| host.contains('.')), "{line}");
            }
            names.push(name);
        }
        let count = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), count, "each is there once");
        assert!(count > 100);
    }

    #[test]
    fn parameters_track_where_the_list_says() {
        let check = |host: &str, parameter: &str, expected: bool| {
            assert_eq!(tracks(host, parameter), expected, "{parameter} on {host}");
        };
        check("example.com", "utm_source=x", true);
        check("example.com", "UTM_Anything", true);
        check("example.com", "utm=x", false);
        check("example.com", "FBCLID=x", true);
        check("example.com", "fbclid", true);
        check("example.com", "xfbclid=x", false);
        check("example.com", "s=20", false);
        check("x.com", "s=20", true);
        check("mobile.x.com", "s=20", true);
        check("netflix.com", "s=20", false);
        check("example.com", "si=Zx81aB", true);
        check("example.com", "si=20", false);
        check("example.com", "ref=home", false);
        check("example.com", "", false);
    }
}
