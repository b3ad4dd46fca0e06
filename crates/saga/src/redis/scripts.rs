//! The operations of the saga, one file each.

use cardwire_events::redis::Script;

pub static MERGE: Script = Script::new("merge", include_str!("lua/merge.lua"));
pub static CLAIM_DUE: Script = Script::new("claim_due", include_str!("lua/claim_due.lua"));
pub static COMMIT: Script = Script::new("commit", include_str!("lua/commit.lua"));
pub static RELEASE: Script = Script::new("release", include_str!("lua/release.lua"));
pub static HOLD: Script = Script::new("hold", include_str!("lua/hold.lua"));
pub static FLUSH_NOW: Script = Script::new("flush_now", include_str!("lua/flush_now.lua"));
pub static OPEN: Script = Script::new("open", include_str!("lua/open.lua"));
pub static NEXT_DUE: Script = Script::new("next_due", include_str!("lua/next_due.lua"));
pub static UNLOCK: Script = Script::new("unlock", include_str!("lua/unlock.lua"));
