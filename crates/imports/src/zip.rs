//! Zip files with files that can be read. Nothing is unpacked to a disk, and no path in it means anything.

use std::io::{Read, Seek};

use ::zip::read::{Config, OwnedZipFileEntry};
use ::zip::result::ZipError;
use ::zip::unstable::read::ZipIterable;
use ::zip::{CompressionMethod, ZipReadOptions};

use crate::detect::{Format, Kind, detect_by_head, encoding};
use crate::error::{Error, Result};
use crate::formats;
use crate::row::{Found, Rows};
use crate::source::{Source, Whole, head};

/// Of all files that are looked at, unpacked.
const MAX_UNPACKED_BYTES: u64 = 100 * 1_024 * 1_024;
const MAX_FILES: usize = 1_000;

pub(crate) fn is_zip(file: &mut (impl Read + Seek)) -> Result<bool> {
    let head = head(&mut Whole(file), 4)?;
    Ok(head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06"))
}

pub(crate) fn read<F: Read + Seek>(file: &mut F, rows: &mut Rows<'_>) -> Result<()> {
    let members = members(file)?;
    let Some(found) = readable(file, members)? else {
        return Err(Error::refused(
            "This zip file has nothing that can be imported: a bookmark file, CSV, JSON or a list of links.",
        ));
    };
    for Readable { member, kind } in found.readable {
        let name = member.name();
        let mut source = Member { file: &mut *file, packed: &member };
        let read = encoding(&mut source).and_then(|encoding| formats::read(&mut source, (&kind, encoding), rows));
        read.map_err(|error| match error {
            Error::Refused(rule) => Error::refused(format!("In {name}: {rule}")),
            Error::Io(error) => Error::refused(format!("{BROKEN} {name}: {error}.")),
            Error::Stopped => Error::Stopped,
        })?;
    }
    for name in found.others {
        let why = "This file in the zip file has no links that can be imported.".into();
        rows.add(Found::Refused { url: name, why })?;
    }
    Ok(())
}

const BROKEN: &str = "This zip file cannot be unpacked.";

/// The files in it, in the order of their names, without what systems add to them.
fn members(file: &mut (impl Read + Seek)) -> Result<Vec<Packed>> {
    let mut archive = ZipIterable::try_new(file, Config::default()).map_err(|error| broken(&error))?;
    if archive.len() > MAX_FILES {
        return Err(Error::refused("A zip file can hold at most 1,000 files."));
    }
    let mut members = Vec::new();
    for entry in archive.files().map_err(|error| broken(&error))? {
        let member = Packed(entry.map_err(|error| broken(&error))?.into());
        let name = member.name();
        let is_hidden = name.split('/').any(|part| part.starts_with('.') || part == "__MACOSX");
        if !member.0.is_dir() && !is_hidden {
            members.push(member);
        }
    }
    members.sort_by_cached_key(Packed::name);
    Ok(members)
}

fn broken(error: &ZipError) -> Error {
    Error::refused(format!("{BROKEN} {error}."))
}

struct Packed(OwnedZipFileEntry);

impl Packed {
    fn name(&self) -> String {
        String::from_utf8_lossy(self.0.name_raw()).replace('\\', "/")
    }

    /// How many folders it is in.
    fn depth(&self) -> usize {
        self.name().matches('/').count()
    }
}

struct Readable {
    member: Packed,
    kind: Kind,
}

impl Readable {
    fn is_list(&self) -> bool {
        matches!(self.kind, Kind::Text(Format::List))
    }
}

struct Selected {
    readable: Vec<Readable>,
    /// Names of files beside them.
    others: Vec<String>,
}

/// The readable ones in the outermost folder that has any: what is further in are pages and pictures that the service kept. Lists of links
/// are readme files where there is anything else. To select them, only the head of each is looked at: many members may share their bytes.
fn readable(file: &mut (impl Read + Seek), members: Vec<Packed>) -> Result<Option<Selected>> {
    let mut depths: Vec<usize> = members.iter().map(Packed::depth).collect();
    depths.sort_unstable();
    depths.dedup();
    let (mut members, mut bytes) = (members, 0);
    for depth in depths {
        let (here, further): (Vec<Packed>, Vec<Packed>) = members.into_iter().partition(|one| one.depth() == depth);
        members = further;
        let (mut readable, mut others) = (Vec::new(), Vec::new());
        bytes = check(&here, bytes)?;
        for member in here {
            match detect_by_head(&mut Member { file: &mut *file, packed: &member }) {
                Ok(kind) => readable.push(Readable { member, kind }),
                Err(Error::Refused(_)) => others.push(member.name()),
                Err(Error::Io(error)) => return Err(Error::refused(format!("{BROKEN} {}: {error}.", member.name()))),
                Err(Error::Stopped) => return Err(Error::Stopped),
            }
        }
        if readable.iter().any(|one| !one.is_list()) {
            let (lists, better): (Vec<Readable>, Vec<Readable>) = readable.into_iter().partition(Readable::is_list);
            others.extend(lists.into_iter().map(|list| list.member.name()));
            readable = better;
        }
        if !readable.is_empty() {
            return Ok(Some(Selected { readable, others }));
        }
    }
    Ok(None)
}

/// Nothing is unpacked before it is known how large it may become, with the `bytes` of what was looked at before. Returns the sum.
fn check(members: &[Packed], bytes: u64) -> Result<u64> {
    let mut bytes = bytes;
    for Packed(member) in members {
        if member.encrypted() {
            return Err(Error::refused("This zip file is encrypted. Unpack it first."));
        }
        if !matches!(member.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
            return Err(Error::refused("This zip file is packed in an unusual way. Unpack it and pack it again."));
        }
        bytes = bytes.saturating_add(member.size());
    }
    if bytes > MAX_UNPACKED_BYTES {
        return Err(Error::refused("Unpacked, a zip file can be at most 100 MiB."));
    }
    Ok(bytes)
}

/// A file inside the zip file. It is unpacked as it is read, no further than its size says.
struct Member<'m, F> {
    file: &'m mut F,
    packed: &'m Packed,
}

impl<F: Read + Seek> Source for Member<'_, F> {
    fn open(&mut self) -> Result<Box<dyn Read + '_>> {
        let unpacked = self.packed.0.as_ref().with_reader(&mut *self.file, ZipReadOptions::new());
        Ok(Box::new(unpacked.map_err(|error| broken(&error))?))
    }
}
