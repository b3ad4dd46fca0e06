//! One pass over a page's tags, without its tree: a tree of pages made to be slow takes time that grows with the square of their depth.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use html5ever::interface::TokenizerResult;
use html5ever::tendril::StrTendril;
use html5ever::tokenizer::states::{RawKind, ScriptData};
use html5ever::tokenizer::{BufferQueue, StartTag, Tag, Token, TokenSink, TokenSinkResult, Tokenizer, TokenizerOpts};

/// A page that takes longer has said what it has to say, or is made to be slow.
const TIME: Duration = Duration::from_secs(2);
/// Read between two looks at the clock.
const PORTION: usize = 4 * 1_024;
/// Tags of one kind that are looked at; a page that has more of them says nothing that is worth it.
const MAX_TAGS: usize = 500;
const MAX_SCRIPTS: usize = 20;
/// Characters of a title or heading.
const MAX_TEXT: usize = 2_000;

/// What a page's tags hold that may tell what it is.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// Name, in lower case, and content of each `meta`.
    pub metas: Vec<(String, String)>,
    pub title: Option<String>,
    pub heading: Option<String>,
    /// Of the `html` tag.
    pub language: Option<String>,
    /// `link rel=image_src`.
    pub image: Option<String>,
    /// `script type=application/ld+json`.
    pub descriptions: Vec<String>,
}

pub(super) fn scan(page: &str) -> Seen {
    let tokenizer = Tokenizer::new(Scan::default(), TokenizerOpts::default());
    let (input, started) = (BufferQueue::default(), Instant::now());
    let mut rest = page;
    while !rest.is_empty() && started.elapsed() < TIME {
        let (portion, after) = rest.split_at(rest.floor_char_boundary(PORTION.min(rest.len())));
        rest = after;
        input.push_back(StrTendril::from_slice(portion));
        // A script's end, or a word about the encoding, interrupts it.
        while !matches!(tokenizer.feed(&input), TokenizerResult::Done) {}
    }
    if rest.is_empty() {
        tokenizer.end();
    }
    tokenizer.sink.0.into_inner().finish()
}

/// The text between two tags, while it is read.
enum Reading {
    Title(String),
    Heading(String),
    Description(String),
}

#[derive(Default)]
struct State {
    seen: Seen,
    reading: Option<Reading>,
}

#[derive(Default)]
struct Scan(RefCell<State>);

impl TokenSink for Scan {
    type Handle = ();

    fn process_token(&self, token: Token, _line: u64) -> TokenSinkResult<()> {
        let mut state = self.0.borrow_mut();
        match token {
            Token::TagToken(tag) if tag.kind == StartTag => state.start(&tag),
            Token::TagToken(tag) => {
                let ended = match &state.reading {
                    Some(Reading::Title(_)) => &*tag.name == "title",
                    Some(Reading::Heading(_)) => &*tag.name == "h1",
                    Some(Reading::Description(_)) => &*tag.name == "script",
                    None => false,
                };
                if ended {
                    state.keep();
                }
                TokenSinkResult::Continue
            }
            Token::CharacterTokens(text) => {
                state.read(&text);
                TokenSinkResult::Continue
            }
            _ => TokenSinkResult::Continue,
        }
    }
}

impl State {
    fn start(&mut self, tag: &Tag) -> TokenSinkResult<()> {
        let attribute = |name: &str| {
            tag.attrs.iter().find(|attribute| &*attribute.name.local == name).map(|attribute| attribute.value.trim())
        };
        match &*tag.name {
            "html" if self.seen.language.is_none() => self.seen.language = attribute("lang").map(str::to_owned),
            "meta" if self.seen.metas.len() < MAX_TAGS => {
                if let Some(content) = attribute("content").filter(|content| !content.is_empty()) {
                    for name in ["property", "name", "itemprop"].into_iter().filter_map(attribute) {
                        self.seen.metas.push((name.to_ascii_lowercase(), content.to_owned()));
                    }
                }
            }
            "link" if self.seen.image.is_none() && attribute("rel") == Some("image_src") => {
                self.seen.image = attribute("href").map(str::to_owned);
            }
            "h1" if self.seen.heading.is_none() && self.reading.is_none() => {
                self.reading = Some(Reading::Heading(String::new()));
            }
            // What stands inside of these is text, whatever it looks like.
            "title" => {
                if self.seen.title.is_none() {
                    self.keep();
                    self.reading = Some(Reading::Title(String::new()));
                }
                return TokenSinkResult::RawData(RawKind::Rcdata);
            }
            "textarea" => return TokenSinkResult::RawData(RawKind::Rcdata),
            "script" => {
                let described = attribute("type").is_some_and(|kind| kind.eq_ignore_ascii_case("application/ld+json"));
                if described && self.seen.descriptions.len() < MAX_SCRIPTS {
                    self.keep();
                    self.reading = Some(Reading::Description(String::new()));
                }
                return TokenSinkResult::RawData(ScriptData);
            }
            "style" | "xmp" | "iframe" | "noembed" | "noframes" => return TokenSinkResult::RawData(RawKind::Rawtext),
            "plaintext" => return TokenSinkResult::Plaintext,
            _ => {}
        }
        TokenSinkResult::Continue
    }

    fn read(&mut self, text: &str) {
        match &mut self.reading {
            Some(Reading::Title(read) | Reading::Heading(read)) => {
                let room = MAX_TEXT.saturating_sub(read.len());
                read.push_str(&text[..text.floor_char_boundary(room.min(text.len()))]);
            }
            Some(Reading::Description(read)) => read.push_str(text),
            None => {}
        }
    }

    fn keep(&mut self) {
        match self.reading.take() {
            Some(Reading::Title(read)) => self.seen.title = Some(read),
            Some(Reading::Heading(read)) => self.seen.heading = Some(read),
            Some(Reading::Description(read)) => self.seen.descriptions.push(read),
            None => {}
        }
    }

    /// What the page does not close ends with it.
    fn finish(mut self) -> Seen {
        self.keep();
        self.seen
    }
}
