//! JSON of bookmark services and browsers, and of our own.

mod fields;
mod item;
mod node;
mod strings;
mod walk;

use std::io::BufReader;

use serde::de::DeserializeSeed;

use crate::encoding::{Text, Utf8};
use crate::error::{Error, Result};
use crate::row::Rows;

use node::{Node, Place};
use strings::Strings;
use walk::Walk;

pub(crate) fn read(text: Text<'_>, rows: &mut Rows<'_>) -> Result<()> {
    let mut bytes = BufReader::new(Strings::new(Utf8::new(text)));
    let mut json = serde_json::Deserializer::from_reader(&mut bytes);
    let mut walk = Walk::new(rows);
    let read = loop {
        let node = Node { walk: &mut walk, place: Place::Top };
        match node.deserialize(&mut json) {
            Err(error) => break Err(error),
            // Some programs write one value a line.
            Ok(_) if json.end().is_err() => {}
            Ok(_) => break Ok(()),
        }
    };
    let stopped = walk.stopped.take();
    rows.steps += bytes.get_ref().bytes.steps;
    match (stopped, read) {
        (Some(error), _) => Err(error),
        (None, Err(_)) if bytes.get_ref().is_refused => {
            Err(Error::refused("One text in this file is longer than 16 MiB. Remove it and try again."))
        }
        (None, Err(error)) if error.is_io() => Err(Error::Io(error.into())),
        (None, Err(error)) => Err(Error::refused(format!("This is not valid JSON: {error}."))),
        (None, Ok(())) => Ok(()),
    }
}
