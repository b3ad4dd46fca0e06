use crate::changes::{Change, Changes};
use crate::error::{Error, Result};
use crate::ids::UserId;
use crate::quotas::{Quota, Quotas};
use crate::store::Transaction;

/// Refuses one more of these with [`Error::OverQuota`]. What others commit at the same time is not seen, so somebody who adds several at once
/// may get a little more.
pub async fn admit(quotas: &Quotas, quota: Quota, person: &UserId, tx: &mut dyn Transaction) -> Result<()> {
    let Some(most) = quotas.most(quota) else { return Ok(()) };
    match tx.used_up(quota, person, most).await? {
        Some(free_in) => Err(Error::OverQuota { quota, most, free_in }),
        None => Ok(()),
    }
}

/// Of a command that adds one thing at most, or of an import, which was counted as it began.
pub(super) async fn admit_changes(
    quotas: &Quotas,
    changes: &Changes,
    by: &UserId,
    tx: &mut dyn Transaction,
) -> Result<()> {
    let quota = changes.rows.iter().find_map(|row| match row {
        Change::InsertCard { .. } => Some(Quota::Cards),
        Change::InsertCollection(_) => Some(Quota::Collections),
        _ => None,
    });
    let quota = quota.filter(|_| changes.import.is_none());
    match quota {
        Some(quota) => admit(quotas, quota, by, tx).await,
        None => Ok(()),
    }
}
