//! Pages shown instead of the one that was asked for: bot checks, refusals and the like. Their titles say nothing about
//! that page.

/// Complete titles, in lower case, without their endings.
const TITLES: &[&str] = &[
    "403 forbidden",
    "429 too many requests",
    "access denied",
    "access to this page has been denied",
    "are you a human",
    "are you a robot",
    "attention required",
    "bot verification",
    "checking your browser",
    "client challenge",
    "ddos-guard",
    "ddos protection",
    "human verification",
    "just a moment",
    "making sure you're not a bot",
    "one moment, please",
    "pardon our interruption",
    "please verify you are a human",
    "please verify you are human",
    "please wait",
    "please wait for verification",
    "prove your humanity",
    "request rejected",
    "robot check",
    "robot or human",
    "security verification",
    "sorry, you have been blocked",
    "verify you are a human",
    "verify you are human",
    "verifying you are human",
    "vercel security checkpoint",
    "you are being redirected",
    "you have been blocked",
];
/// Beginnings of such titles, in lower case; the rest names the site or the request.
const BEGINNINGS: &[&str] = &[
    "access denied |",
    "attention required! |",
    "before you continue to ",
    "checking your browser before accessing ",
    "just a moment |",
    "please wait... |",
    "request unsuccessful. incapsula incident id",
    "security check by ",
    "sucuri website firewall",
];
/// Endings of such titles, in lower case, after the site's name.
const ENDINGS: &[&str] = &[
    "- access denied",
    "- are you a robot?",
    "- please wait for verification",
    "- prove your humanity",
    "| access denied",
    "| human verification",
];

/// Whether this is the title of such a page.
pub(super) fn is_challenge(title: &str) -> bool {
    let words: Vec<&str> = title.split_whitespace().collect();
    let title = words.join(" ").to_lowercase().replace('’', "'");
    let bare = title.trim_end_matches(['.', '…', '!', '?', ' ']);
    TITLES.contains(&bare)
        || BEGINNINGS.iter().any(|beginning| title.starts_with(beginning))
        || ENDINGS.iter().any(|ending| title.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_of_checks_are_known() {
        for title in [
            "Just a moment...",
            "Just a moment…",
            " JUST A\n moment ",
            "Attention Required! | Cloudflare",
            "Access denied | shop.example used Cloudflare to restrict access",
            "Making sure you\u{2019}re not a bot!",
            "News - Are you a robot?",
            "Robot or human?",
            "Before you continue to Videos",
        ] {
            assert!(is_challenge(title), "{title}");
        }
    }

    #[test]
    fn titles_that_only_mention_them_are_not() {
        for title in [
            "",
            "Just a moment of your time",
            "Access denied: how to read a log",
            "Are you a robot? A short history of tests",
            "Please wait for me",
            "Security checks",
            "How DDoS-Guard works",
            "Attention required reading",
        ] {
            assert!(!is_challenge(title), "{title}");
        }
    }
}
