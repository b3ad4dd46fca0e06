//! The published schemas of events, to hold against what is really written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};
use boon::{Compiler, Draft, SchemaIndex, Schemas};
use serde_json::Value;

/// What all schemas of events refer to.
const SHARED: &str = "envelope.json";

/// The folder of the schemas.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/schemas")
}

/// Every schema in `docs/schemas`, by the type of event that it is named after.
pub struct EventSchemas {
    compiled: Schemas,
    types: BTreeMap<String, SchemaIndex>,
}

impl EventSchemas {
    /// Formats are checked, not only noted.
    ///
    /// # Errors
    /// When a file cannot be read, is no schema, or refers to what is not there.
    pub fn load() -> anyhow::Result<Self> {
        let mut compiler = Compiler::new();
        compiler.set_default_draft(Draft::V2020_12);
        compiler.enable_format_assertions();
        let (mut compiled, mut types) = (Schemas::new(), BTreeMap::new());
        for file in folder().read_dir()? {
            let path = file?.path().canonicalize()?;
            let name = path.file_name().and_then(|name| name.to_str()).context("a file's name is no text")?;
            if let Some(kind) = name.strip_suffix(".json").filter(|_| name != SHARED) {
                let location = path.to_str().context("the path of the schemas is no text")?;
                let index = compiler
                    .compile(location, &mut compiled)
                    .map_err(|error| anyhow!("{name} cannot be used: {error:#}"))?;
                types.insert(kind.to_owned(), index);
            }
        }
        Ok(Self { compiled, types })
    }

    pub fn types(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// Whether an envelope, as JSON, is one of this type.
    ///
    /// # Errors
    /// When it is not, with the reason; when the type has no schema.
    pub fn check(&self, kind: &str, envelope: &Value) -> anyhow::Result<()> {
        let schema = self.types.get(kind).with_context(|| format!("{kind} has no schema in docs/schemas"))?;
        self.compiled
            .validate(envelope, *schema)
            .map_err(|error| anyhow!("{envelope} does not fit the schema of {kind}: {error:#}"))
    }
}
