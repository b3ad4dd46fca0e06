//! The operations of the queue, one file each.

use super::script::Script;

pub static PUBLISH: Script = Script::new("publish", include_str!("lua/publish.lua"));
pub static CLAIM: Script = Script::new("claim", include_str!("lua/claim.lua"));
pub static ACK: Script = Script::new("ack", include_str!("lua/ack.lua"));
pub static RELEASE: Script = Script::new("release", include_str!("lua/release.lua"));
pub static RENEW: Script = Script::new("renew", include_str!("lua/renew.lua"));
pub static RECLAIM: Script = Script::new("reclaim", include_str!("lua/reclaim.lua"));
pub static RING: Script = Script::new("ring", include_str!("lua/ring.lua"));
pub static AGREE: Script = Script::new("agree", include_str!("lua/agree.lua"));
pub static SIZES: Script = Script::new("sizes", include_str!("lua/sizes.lua"));
pub static OLDEST: Script = Script::new("oldest", include_str!("lua/oldest.lua"));
pub static BEAT: Script = Script::new("beat", include_str!("lua/beat.lua"));
pub static WORKERS: Script = Script::new("workers", include_str!("lua/workers.lua"));
