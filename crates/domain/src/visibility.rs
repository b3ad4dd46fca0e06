//! Who can see a card or a collection.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// `Private`: a card is there for its owner alone, a collection for its author and collaborators.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Visibility {
    #[default]
    Public,
    Private,
}

impl Visibility {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Public => "PUBLIC",
            Self::Private => "PRIVATE",
        }
    }

    pub const fn is_private(self) -> bool {
        matches!(self, Self::Private)
    }

    pub const fn of(is_private: bool) -> Self {
        if is_private { Self::Private } else { Self::Public }
    }
}

impl FromStr for Visibility {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "PUBLIC" => Ok(Self::Public),
            "PRIVATE" => Ok(Self::Private),
            _ => Err(Error::invalid("visibility", "Choose PUBLIC or PRIVATE.")),
        }
    }
}
